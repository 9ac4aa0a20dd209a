"""Crystals: a folder of structures; what is on their sites and their volume are the knobs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from matlever.compositions import Compositions, magpie_features
from matlever.crystals import CGCNNRegressor, Crystals, check_crystals, read_crystals
from matlever.crystals.editor import VOLUME
from matlever.crystals.library import STRUCTURE, CrystalLibrary
from matlever.crystals.restore import restore
from matlever.crystals.structure_regressor import StructureRegressor
from matlever.exceptions import DataError, SettingsError
from matlever.knobs import TableEditor
from matlever.storage import State
from matlever.study.detect import holds_crystals
from matlever.study.kinds.tables import DEFAULT, MEAN, RIDGE, ridge
from matlever.study.settings import StudySettings
from matlever.tables import Change, Column, Table

__all__ = ["CrystalKind"]

FORMULA = "formula"
_FOLDS = 5
# Two networks, so that where they differ says how little is known; so many crystals seen by each.
_MEMBERS = 2
_VISITS, _EPOCHS = 100_000, (12, 60)
_MOST_NAMED = 20_000
# Options that say nothing about a folder of crystals.
_FOREIGN = ("inputs", "ignore", "kinds", "decimal", "delimiter", "sheet", "encoding")


class CrystalKind:
    """A folder of structures with a table of their properties.

    A row is the name of a known crystal and a setting for each knob: the element on each kind of
    site, and the strain of its volume. Crystals of one composition are held out together.

    Parameters
    ----------
    library : CrystalLibrary or None, default=None
        Of a study that was made before.
    """

    name = "crystals"
    has_three_numbers = False

    def __init__(self, library: CrystalLibrary | None = None) -> None:
        self.library = library
        self._facts: dict[str, Any] = {}

    def settled(self, settings: StudySettings) -> StudySettings:
        """Return the settings with five folds, once, where nothing was said.

        Raises
        ------
        SettingsError
            If something was said that means nothing for a folder of crystals.
        """
        standard = StudySettings(file=settings.file)
        foreign = [name for name in _FOREIGN if getattr(settings, name) != getattr(standard, name)]
        if foreign:
            raise SettingsError(
                f"{settings.file} holds crystals; these settings are for tables: "
                f"{', '.join(foreign)}."
            )
        if settings.log_targets == "always":
            raise SettingsError("Targets of crystals are learned as they are: no logarithms.")
        return replace(settings, folds=settings.folds or _FOLDS, repeats=settings.repeats or 1)

    def read(self, settings: StudySettings) -> Table:
        """Return a row for each crystal: its name, the settings of the knobs, the targets."""
        crystals, properties = read_crystals(settings.file, targets=settings.targets or None)
        names = [str(name) for name in (settings.targets or self._all_numbers(properties))]
        for name in names:
            if name not in properties.columns:
                raise SettingsError(
                    f"{settings.file} has no property {name!r}; there are "
                    f"{', '.join(map(repr, properties.columns))}."
                )
        self.library = library = CrystalLibrary(crystals)
        inputs = library.frame()
        rows = pd.RangeIndex(2, len(crystals) + 2, name="row")
        inputs.index = pd.Index(rows)
        short = dict(zip(names, _short_names(names, list(inputs.columns)), strict=True))
        targets = properties[names].astype(float).set_axis(inputs.index).rename(columns=short)
        formulas = pd.Series(crystals.formulas, inputs.index, name=FORMULA, dtype="str")
        group: Any = formulas
        if settings.group is not None:
            group = self._group(properties, settings, inputs)
        frame = pd.concat([inputs, targets, group], axis=1)
        columns = [
            *(_column(inputs, name, library) for name in inputs.columns),
            *(
                Column(
                    name,
                    header,
                    _unit(header)[1],
                    role="target",
                    n_missing=int(targets[name].isna().sum()),
                    n_distinct=int(targets[name].nunique()),
                    lower=float(targets[name].min()),
                    upper=float(targets[name].max()),
                )
                for header, name in short.items()
            ),
            Column(
                str(group.name),
                str(group.name),
                kind="group",
                role="group",
                n_distinct=int(group.nunique()),
                levels=tuple(sorted(group.unique())),
            ),
        ]
        self._note(crystals)
        return Table(
            tuple(columns),
            frame,
            Path(settings.file).name,
            _digest(crystals, targets),
            len(crystals),
            changes=self._changes(properties, names),
            warnings=(*library.editor.notes(crystals), *properties.attrs.get("notes", ())),
        )

    @staticmethod
    def _all_numbers(properties: pd.DataFrame) -> list[str]:
        numbers = [
            str(name) for name in properties if pd.api.types.is_numeric_dtype(properties[name])
        ]
        if len(numbers) != 1:
            raise SettingsError(
                "Which property is to be predicted? Name it: --target COLUMN; there are "
                f"{', '.join(map(repr, properties.columns))}."
            )
        return numbers

    @staticmethod
    def _group(
        properties: pd.DataFrame, settings: StudySettings, inputs: pd.DataFrame
    ) -> pd.Series[str]:
        if settings.group == FORMULA or settings.group not in properties.columns:
            raise SettingsError(
                f"There is no column {settings.group!r} to hold out; crystals of one composition "
                "are held out together by default."
            )
        values: pd.Series[str] = properties[settings.group].astype("str").set_axis(inputs.index)
        return values

    @staticmethod
    def _changes(properties: pd.DataFrame, names: Sequence[str]) -> tuple[Change, ...]:
        unused = [str(name) for name in properties.columns if name not in names]
        if not unused:
            return ()
        return (Change(f"properties that were not asked for: {', '.join(unused)}", len(unused)),)

    def _note(self, crystals: Crystals) -> None:
        sizes = np.diff(crystals.offsets)
        named = len(crystals) <= _MOST_NAMED
        names = {
            str(i + 2): f"{formula} ({name})"
            for i, (name, formula) in enumerate(zip(crystals.ids, crystals.formulas, strict=True))
        }
        self._facts = {
            "crystals": {
                "n_crystals": len(crystals),
                "n_formulas": len(set(crystals.formulas)),
                "n_atoms": [int(sizes.min()), int(np.median(sizes)), int(sizes.max())],
            },
            "row_names": names if named else {},
        }

    @property
    def _library(self) -> CrystalLibrary:
        if self.library is None:
            raise SettingsError("No crystals were read yet.")
        return self.library

    def editor(self, table: Table) -> TableEditor:
        """Return the knobs: elements on sites, and the strain of the volume."""
        return self._library.knobs

    def candidates(self, n_rows: int, settings: StudySettings) -> dict[str, Any]:
        """Return the crystal graph network, ridge on the composition alone, and the mean."""
        network = CGCNNRegressor(
            n_members=_MEMBERS,
            n_epochs=int(np.clip(_VISITS // max(n_rows, 1), *_EPOCHS)),
            random_state=settings.seed,
            device=settings.device,
        )
        return {
            DEFAULT: StructureRegressor(network, self._library),
            RIDGE: make_pipeline(_Physical(self._library), MinMaxScaler(clip=True), ridge()),
            MEAN: make_pipeline(_Physical(self._library), DummyRegressor()),
        }

    def described(self, fitted: StructureRegressor, asked: Any) -> str:
        """Return what the network is, in words."""
        network = fitted.network_
        return (
            f"the average of {network.n_members} crystal graph networks, {network.n_epochs} epochs;"
            " ridge regression, beside it, sees the composition only"
        )

    def restore(self, state: State) -> Any:
        """Rebuild a fitted model; its crystals are those of the study."""
        return restore(state).bind(self._library)

    def read_rows(self, source: Any, columns: Sequence[Column], **reading: Any) -> pd.DataFrame:
        """Return rows of other crystals, which the models of the study then know.

        Raises
        ------
        DataError
            If the folder cannot be read, or a crystal has an element on a site that no crystal of
            the study has there.
        """
        if any(value is not None for value in reading.values()):
            raise SettingsError("How text is read means nothing for a folder of crystals.")
        if not holds_crystals(source):
            raise DataError(f"{source} is neither a folder of structures nor an .npz file of them.")
        crystals, _ = read_crystals(source)
        rows = self._library.add(crystals)
        return rows.set_axis(pd.Index(crystals.ids, name="row"))

    def reference(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """Return the known rows with strains all over their range: all of them stand at zero."""
        knob = self._library.editor.space[VOLUME]
        # In an order that has nothing to do with that of the crystals: the golden ratio's.
        shares = (0.5 + np.arange(len(inputs)) * 0.6180339887498949) % 1.0
        return inputs.assign(**{VOLUME: knob.low + knob.width * shares})

    def doubts(self, rows: pd.DataFrame) -> list[list[str]]:
        """Return where atoms come too close or have too much room, crystal by crystal."""
        return [list(reasons) for reasons in check_crystals(self._library.crystals_of(rows))]

    def to_state(self) -> State:
        """Return the crystals of the study, once for all its models."""
        return State("CrystalKind", parts={"library": self._library.to_state()})

    @classmethod
    def from_state(cls, state: State) -> CrystalKind:
        """Rebuild the kind with its crystals."""
        return cls(CrystalLibrary.from_state(state.part("library")))

    def facts(self) -> Mapping[str, Any]:
        """Return how many crystals, compositions and atoms there are, and what rows are called."""
        return self._facts


class _Physical(TransformerMixin, BaseEstimator):
    """Physical attributes of the compositions of crystals that rows describe."""

    def __init__(self, library: CrystalLibrary) -> None:
        self.library = library

    def fit(self, X: pd.DataFrame, y: object = None) -> _Physical:
        """Learn nothing."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> Any:
        """Return the attributes of each row."""
        crystals = self.library.crystals_of(X)
        owner = np.repeat(np.arange(len(crystals)), np.diff(crystals.offsets))
        amounts = np.zeros((len(crystals), 103))
        np.add.at(amounts, (owner, crystals.numbers.astype(int) - 1), 1.0)
        return magpie_features(Compositions.from_fractions(amounts).fractions)


def _column(inputs: pd.DataFrame, name: str, library: CrystalLibrary) -> Column:
    if name == STRUCTURE:
        levels = tuple(sorted(library.crystals.ids))
        return Column(name, name, kind="categorical", n_distinct=len(levels), levels=levels)
    knob = library.editor.space[name]
    if knob.kind == "categorical":
        levels = tuple(sorted({str(level) for level in inputs[name]}))
        return Column(name, name, kind="categorical", n_distinct=len(levels), levels=levels)
    cells = inputs[name]
    return Column(
        name,
        name,
        knob.unit,
        n_distinct=int(cells.nunique()),
        lower=float(cells.min()),
        upper=float(cells.max()),
    )


def _short_names(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return names without their units, where they are then still different."""
    short = [_unit(name)[0] for name in names]
    alone = len(set(short)) == len(short) and not {*short, FORMULA} & {*taken}
    return short if alone else list(names)


def _unit(name: str) -> tuple[str, str | None]:
    """Return a name without its unit, and the unit that its end says."""
    for end, unit in (("_ev_atom", "eV/atom"), ("_ev", "eV"), ("_gpa", "GPa")):
        if name.lower().endswith(end) and len(name) > len(end):
            return name[: -len(end)], unit
    return name, None


def _digest(crystals: Crystals, targets: pd.DataFrame) -> str:
    digest = hashlib.sha256("\0".join(crystals.ids).encode())
    for array in (
        crystals.lattices,
        crystals.offsets,
        crystals.numbers,
        crystals.fractional,
        targets.to_numpy(dtype=np.float64),
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

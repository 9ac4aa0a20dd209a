"""What a study is asked to do: frozen settings, from ``study.toml`` or from arguments."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from matlever.exceptions import SettingsError
from matlever.study._toml import meant, plain_values, sectioned_values, toml_text
from matlever.study.wishes import READERS

__all__ = ["StudySettings"]

# The tables of study.toml, each with its keys: the order in which they are written.
_SECTIONS: dict[str, tuple[str, ...]] = {
    "data": (
        "file",
        "targets",
        "formula",
        "group",
        "inputs",
        "ignore",
        "kinds",
        "decimal",
        "delimiter",
        "sheet",
        "encoding",
        "missing",
    ),
    "validation": ("folds", "repeats", "level", "three_numbers"),
    "model": ("log_targets",),
    "knobs": ("limits", "fixed", "costs", "steps", "relations"),
    "run": ("advice", "seed", "jobs", "device"),
    # Its keys are the targets.
    "goals": (),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "missing": ("drop", "impute"),
    "log_targets": ("auto", "never", "always"),
    "decimal": (".", ","),
}
_TEXTS = (
    "file",
    "formula",
    "group",
    "decimal",
    "delimiter",
    "sheet",
    "encoding",
    "missing",
    "log_targets",
)
_LISTS = ("targets", "inputs", "ignore")
_REQUIRED = ("file",)
# What changes how long a study takes or where it runs, and none of its results.
_WITHOUT_EFFECT = ("file", "jobs")


@dataclass(frozen=True)
class StudySettings:
    """Settings of a study of one table.

    Parameters
    ----------
    file : str
        Table to read (CSV, TSV, XLSX, Parquet), ``"example:NAME"`` for a packaged one, or a folder
        of crystals.
    targets : tuple of str
        Columns to predict; may be empty for a packaged example, which knows its own, and for
        crystals with one property.
    formula : str, optional
        Column of chemical formulas: the fractions of their elements become knobs.
    group : str, optional
        Column whose values (papers, batches, operators) are held out whole.
    inputs : tuple of str, optional
        Columns to predict from; by default all that are not named otherwise.
    ignore : tuple of str
        Columns to leave out.
    kinds : mapping of str to str
        Kind of a column where the detected one is wrong: numeric, categorical or date.
    decimal, delimiter, sheet, encoding : str, optional
        How to read the file; detected by default.
    missing : {"drop", "impute"}, default="drop"
        What to do with rows that miss an input: leave them out, or fill numbers with the median of
        the training rows, inside each fold.
    folds : int, optional
        Folds of the cross-validation; by default 10, for crystals 5.
    repeats : int, optional
        Repeats of the cross-validation; by default more for smaller tables.
    level : float, default=0.9
        Nominal coverage of the prediction intervals.
    three_numbers : bool, default=True
        Whether to run the paper's protocol, also on permuted targets, beside the honest one.
    log_targets : {"auto", "never", "always"}, default="auto"
        Whether a target is modelled on a logarithmic scale; "auto" decides inside each fold.
    limits : mapping of str to (lower, upper)
        How far an input can be turned, where it is not as far as the data go; None for a side
        leaves that of the data. ``"10..60"`` and ``"..60"`` say the same in words.
    fixed : tuple of str
        Inputs that stay as they are in each row.
    costs : mapping of str to float
        Cost of turning an input from one limit to the other; 1 where none is given.
    steps : mapping of str to float
        Step of an input that is set to multiples only.
    relations : tuple of mapping
        Linear relations between inputs, ``{"coefficients": {"a": 1, "b": 2}, "upper": 10}``.
    goals : mapping of str to goal
        What is wanted of a target: ``"maximise"``, ``"minimise"``, a number, or a range
        ``(lower, upper)`` with None for an open side. Limits and goals change what is advised,
        never the model.
    advice : bool, default=True
        Whether to look for changes that reach the goals and for experiments to run next.
    seed : int, default=0
        Seed of everything random.
    jobs : int, optional
        Worker threads; by default one per core. Does not change results.
    device : str, default="cpu"
        Torch device for networks and Gaussian processes.
    """

    file: str
    targets: tuple[str, ...] = ()
    formula: str | None = None
    group: str | None = None
    inputs: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    decimal: Literal[".", ","] | None = None
    delimiter: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    missing: Literal["drop", "impute"] = "drop"
    folds: int | None = None
    repeats: int | None = None
    level: float = 0.9
    three_numbers: bool = True
    log_targets: Literal["auto", "never", "always"] = "auto"
    limits: Mapping[str, Any] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    costs: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Any] = field(default_factory=dict)
    relations: tuple[Mapping[str, Any], ...] = ()
    goals: Mapping[str, Any] = field(default_factory=dict)
    advice: bool = True
    seed: int = 0
    jobs: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        problems = list(self._problems())
        for name, read in READERS.items():
            try:
                object.__setattr__(self, name, read(getattr(self, name)))
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))

    def _problems(self) -> list[str]:
        given: dict[str, Any] = vars(self)
        found = []
        for name in _TEXTS:
            optional = given[name] is None and name not in (*_REQUIRED, "missing", "log_targets")
            if not isinstance(given[name], str) and not optional:
                found.append(f"{name} must be text, not {given[name]!r}.")
        for name in _LISTS:
            value = given[name]
            if value is None and name == "inputs":
                continue
            if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
                found.append(f"{name} must be a list of column names, not {value!r}.")
        for name, choices in _CHOICES.items():
            if given[name] is not None and given[name] not in choices:
                options = ", ".join(map(repr, choices))
                found.append(f"{name} must be one of {options}, not {given[name]!r}.")
        kinds = ("numeric", "categorical", "date")
        value = given["kinds"]
        if not isinstance(value, Mapping) or not all(kind in kinds for kind in value.values()):
            found.append(f"kinds must give each column one of {kinds}, not {value!r}.")
        if self.folds is not None and (not _is_int(self.folds) or self.folds < 2):
            found.append(f"folds must be a whole number of at least 2, not {self.folds!r}.")
        for name in ("repeats", "jobs"):
            value = given[name]
            if value is not None and (not _is_int(value) or value < 1):
                found.append(f"{name} must be a whole number of at least 1, not {value!r}.")
        if not _is_int(self.seed) or not 0 <= self.seed < 2**32:
            found.append(f"seed must be a whole number from 0 to {2**32 - 1}, not {self.seed!r}.")
        if not isinstance(given["level"], float) or not 0.5 <= self.level < 1.0:
            found.append(f"level must be a number from 0.5 to below 1, not {self.level!r}.")
        for name in ("three_numbers", "advice"):
            if not isinstance(given[name], bool):
                found.append(f"{name} must be true or false, not {given[name]!r}.")
        return found

    @property
    def is_example(self) -> bool:
        """Whether the table is a packaged example."""
        return self.file.startswith("example:")

    @property
    def default_folder(self) -> Path:
        """Folder a study goes to unless another is named: ``NAME-study``."""
        name = Path(self.file.removeprefix("example:")).name.split(".")[0]
        return Path(f"{name or 'table'}-study")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain

    def digest(self, data_sha256: str, version: str) -> str:
        """Return a key that is the same for studies whose results must be the same.

        Parameters
        ----------
        data_sha256 : str
            Hash of the table's bytes, which stands for the file.
        version : str
            Version of matlever.
        """
        values = {k: v for k, v in self.to_dict().items() if k not in _WITHOUT_EFFECT}
        text = json.dumps([version, data_sha256, values], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_toml(self, folder: str | os.PathLike[str]) -> str:
        """Return the text of a ``study.toml`` that stands in `folder`."""
        values = {
            key: value for key, value in self.to_dict().items() if value not in (None, {}, [])
        }
        if not self.is_example:
            values["file"] = Path(os.path.relpath(self.file, folder)).as_posix()
        lines = ["# Settings of a matlever study. Run again with: matlever study study.toml"]
        for section, keys in _SECTIONS.items():
            present = [key for key in keys if key in values]
            if present:
                lines += ["", f"[{section}]"]
                lines += [f"{key} = {toml_text(values[key])}" for key in present]
        if "goals" in values:
            lines += ["", "[goals]"]
            lines += [
                f"{toml_text(key)} = {toml_text(goal)}" for key, goal in values["goals"].items()
            ]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> StudySettings:
        """Read a ``study.toml``; unknown tables and keys are errors.

        Raises
        ------
        SettingsError
            If the file cannot be read, is not TOML, or holds unknown keys or impossible values.
        """
        source = Path(path)
        values, problems = sectioned_values(source, _SECTIONS, free=("goals",))
        if "file" not in values:
            problems.append(f"{source}: [data] must name the table: file = 'runs.csv'.")
        if problems:
            raise SettingsError("\n".join(problems))
        if isinstance(values["file"], str) and not values["file"].startswith("example:"):
            values["file"] = os.path.normpath(source.parent / values["file"])
        if isinstance(values.get("level"), int):
            values["level"] = float(values["level"])
        return cls(**values)

    def updated(self, **changes: Any) -> StudySettings:
        """Return a copy with `changes`; unknown names are errors."""
        known = {item.name for item in fields(self)}
        for name in changes:
            if name not in known:
                raise SettingsError(f"There is no setting {name!r}{meant(name, known)}.")
        return replace(self, **changes)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

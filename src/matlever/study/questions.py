"""Questions to a finished study: which knob matters at a row, what happens when it is turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from matlever.explanation import NearestKnown, explain, nearest_known, sweep, sweep_pair
from matlever.knobs import TableEditor
from matlever.study.explain import calls_around
from matlever.tables import Column

if TYPE_CHECKING:
    from matlever.study.run import Study

__all__ = ["Answered", "explained", "swept_alone", "swept_together"]


@dataclass(frozen=True)
class Answered:
    """One answer per target, of one kind.

    Attributes
    ----------
    kind : str
        Entry of a target's part of the results that the answer has the form of: ``"weights"``,
        ``"sweeps"`` or ``"pairs"``.
    targets : tuple of Column
    answers : tuple
        What the function of `matlever.explanation` returned for each.
    frame : DataFrame
        The rows the question was about.
    nearest : NearestKnown or None
        The known rows nearest to each.
    """

    kind: str
    targets: tuple[Column, ...]
    answers: tuple[Any, ...]
    frame: pd.DataFrame
    nearest: NearestKnown | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know, each once."""
        said = [w for answer in self.answers for w in getattr(answer, "warnings", ())]
        return tuple(dict.fromkeys(said))

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"targets": [{"name", "unit", kind: ...}], "nearest": ...}`` as plain JSON."""
        plain: dict[str, Any] = {
            "targets": [
                {"name": column.name, "unit": column.unit, self.kind: _entry(self.kind, answer)}
                for column, answer in zip(self.targets, self.answers, strict=True)
            ]
        }
        return plain if self.nearest is None else {**plain, "nearest": self.nearest.to_dict()}

    def to_frame(self) -> pd.DataFrame:
        """Return the answers as one table, with the target in the first column."""
        frames: list[pd.DataFrame] = []
        for column, answer in zip(self.targets, self.answers, strict=True):
            one = answer.to_frame()
            one = one.drop(columns="target", errors="ignore")
            one.insert(0, "target", column.label)
            frames.append(one)
        together: pd.DataFrame = pd.concat(frames, ignore_index=True)
        return together

    def figure(self) -> Any:
        """Draw the answer for one target and return the matplotlib figure."""
        import matplotlib as mpl

        mpl.use("Agg")
        axes = self.answers[0].plot()
        return np.ravel(axes)[0].figure


def _entry(kind: str, answer: Any) -> Any:
    plain = answer.to_dict()
    return {"weights": plain, "sweeps": plain.get("sweeps"), "pairs": [plain]}[kind]


def explained(
    study: Study,
    frame: pd.DataFrame,
    targets: Sequence[Column],
    *,
    editor: TableEditor | None = None,
) -> Answered:
    """Return the weight of every knob at each row, for each target.

    Parameters
    ----------
    study : Study
    frame : DataFrame of shape (n, n_inputs)
        The rows to explain.
    targets : sequence of Column
    editor : TableEditor, optional
        The knobs; default those with the limits of the data.
    """
    knobs = study.known.observed if editor is None else editor
    answers = [
        explain(
            study.model.for_target(column.name),
            knobs,
            frame,
            reference=study.model.kind.reference(known := study.known.measured(column.name)[0]),
            # As around the rows of the study itself, so that the answers agree with its report.
            n_calls=calls_around(len(known), len(knobs.space)),
            random_state=_seed(study),
            targets=[column.label],
            target_units=[column.unit],
        )
        for column in targets
    ]
    samples = study.samples
    own = frame.index.isin(samples.index).all() and samples.loc[frame.index].equals(frame)
    nearest = nearest_known(
        knobs,
        frame,
        samples,
        3,
        outcomes=study.outcomes[[column.name for column in targets]],
        targets=[column.label for column in targets],
        exclude_self=bool(own),  # a file's line numbers may be those of known rows
    )
    return Answered("weights", tuple(targets), tuple(answers), frame, nearest)


def swept_alone(
    study: Study,
    frame: pd.DataFrame,
    targets: Sequence[Column],
    knobs: Sequence[str] = (),
    n_values: int = 11,
    *,
    editor: TableEditor | None = None,
) -> Answered:
    """Return what is predicted while each of the knobs alone is turned, for each target."""
    known = study.known
    answers = [
        sweep(
            study.model.for_target(column.name),
            known.observed if editor is None else editor,
            frame,
            list(knobs) or None,
            n_values,
            interval=interval_of(study, column),
            reference=known.measured(column.name)[0],
            targets=[column.label],
        )
        for column in targets
    ]
    return Answered("sweeps", tuple(targets), tuple(answers), frame)


def swept_together(
    study: Study,
    frame: pd.DataFrame,
    targets: Sequence[Column],
    knobs: Sequence[str],
    n_values: int = 11,
    *,
    editor: TableEditor | None = None,
) -> Answered:
    """Return what is predicted while two knobs are turned together, for each target."""
    known = study.known
    answers = [
        sweep_pair(
            study.model.for_target(column.name),
            known.observed if editor is None else editor,
            frame,
            (knobs[0], knobs[1]),
            n_values,
            interval=interval_of(study, column),
            reference=known.measured(column.name)[0],
            targets=[column.label],
        )
        for column in targets
    ]
    return Answered("pairs", tuple(targets), tuple(answers), frame)


def interval_of(study: Study, column: Column) -> Callable[[Any], Any] | None:
    """Return the interval of a target as a function of rows, or None where there is none."""
    one = study.model.for_target(column.name)
    return one.predict_interval if one.has_intervals else None


def _seed(study: Study) -> int:
    seed = study.results.get("settings", {}).get("seed", 0)
    return seed if isinstance(seed, int) else 0

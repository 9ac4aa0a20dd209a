"""The part of a study's results on what to change: the user's goals, or an example each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from matlever.exceptions import DataError, SettingsError
from matlever.study.changes import change, rows_short_of
from matlever.study.known import KnownRows
from matlever.study.rows import spread_rows
from matlever.study.wishes import Goal, Range
from matlever.study.words import listed, number

if TYPE_CHECKING:
    from matlever.study.model import StudyModel

__all__ = ["advice_sentences", "changes_part"]

_ROWS = 3
_MOST_TARGETS = 4
_TENTH = 0.1


def changes_part(
    model: StudyModel,
    known: KnownRows,
    goals: Mapping[str, Goal],
    targets: Sequence[Mapping[str, Any]],
    seed: int,
) -> dict[str, Any]:
    """Return the ``changes`` entry of the results.

    With goals: from a few rows that do not meet them. Without: from the median row into the
    highest and the lowest tenth of each target, as an example.

    Parameters
    ----------
    model, known, seed
        As for :func:`change`.
    goals : mapping of str to goal
        What the user wants; those for targets without skill are set aside, and said.
    targets : sequence of mapping
        The ``targets`` entry of the results.
    """
    able = [target["name"] for target in targets if target["verdict"]["skill"] != "none"]
    blind = [target["name"] for target in targets if target["name"] not in able]
    kept = {name: goal for name, goal in goals.items() if name in able}
    if not able or (goals and not kept):
        return {
            "sentence": f"The model shows no skill for {listed(blind)}: a change it proposes would "
            "describe the model and not the material, so none is given. See what to run next.",
            "questions": [],
        }
    try:
        return _answered(model, known, goals, kept, able, seed)
    except (SettingsError, DataError) as error:  # every knob is fixed, or nothing can be compared
        return {"sentence": f"No change is proposed: {error}", "questions": []}


def advice_sentences(
    changes: Mapping[str, Any] | None, names: Mapping[str, str] | None = None
) -> list[str]:
    """Return the first answer of each question in one sentence, for the top of the report.

    Parameters
    ----------
    changes : mapping or None
        The ``changes`` entry of the results.
    names : mapping of str to str, optional
        What rows are called, by their number.
    """
    said = []
    for question in (changes or {}).get("questions", ()):
        for row in question["rows"][:1]:
            name = (names or {}).get(str(row["row"]))
            where = f"row {row['row']}" + (f" ({name})" if name else "")
            said += [f"From {where}: {one['sentence']}" for one in row["answers"][:1]]
    return said


def _answered(
    model: StudyModel,
    known: KnownRows,
    goals: Mapping[str, Goal],
    kept: Mapping[str, Goal],
    able: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Answer the user's question about targets with skill, or give examples."""
    if kept:
        said, questions = _asked(model, known, kept, seed)
        sentence = f"The least change from a few known rows that reaches the goal. {said}"
        unheard = [name for name in goals if name not in kept]
        if unheard:
            sentence += f" The goal for {listed(unheard)} is left out: no skill there."
    else:
        examples = [
            _example(model, known, name, side, seed)
            for name in able[:_MOST_TARGETS]
            for side in ("highest", "lowest")
        ]
        questions = [example for example in examples if example is not None]
        sentence = (
            "No goal was given (--goal), so these are examples: the least change that takes the "
            "median row into the highest or the lowest tenth of what was measured."
        )
    return {"sentence": sentence, "questions": questions}


def _asked(
    model: StudyModel, known: KnownRows, goals: Mapping[str, Goal], seed: int
) -> tuple[str, list[dict[str, Any]]]:
    """Answer the user's own question from a few rows that fall short of the goals."""
    short, n_met = rows_short_of(model, known, goals, _ROWS)
    were = "was" if n_met == 1 else "were"
    said = f"{n_met:,} of {len(known.samples):,} known rows {were} measured to meet it."
    if short.empty:
        return said, []
    found = change(model, known, short, goals, seed=seed).to_dict()
    units = {column.name: column.unit for column in model.targets}
    text = listed(
        [
            f"{goal['target']} {goal['text']}"
            + (f" {units[goal['target']]}" if units[goal["target"]] else "")
            + (", as the best known run" if isinstance(goals[goal["target"]], str) else "")
            for goal in found["goal"]
        ]
    )
    return said, [{"sentence": f"To reach: {text}", **found}]


def _example(
    model: StudyModel,
    known: KnownRows,
    name: str,
    side: Literal["highest", "lowest"],
    seed: int,
) -> dict[str, Any] | None:
    """Answer what takes the median row to one end of what was measured."""
    samples, outcomes = known.measured(name)
    share = 1 - _TENTH if side == "highest" else _TENTH
    edge = float(outcomes.quantile(share, interpolation="lower" if side == "lowest" else "higher"))
    if outcomes.min() == outcomes.max():
        return None
    goal: Range = (edge, None) if side == "highest" else (None, edge)
    row = samples.iloc[spread_rows(outcomes, 1)]
    found = change(model, known, row, {name: goal}, seed=seed).to_dict()
    unit = next(column.unit for column in model.targets if column.name == name)
    said = f"{number(edge)} {unit}" if unit else number(edge)
    end = "or more" if side == "highest" else "or less"
    return {"sentence": f"To the {side} tenth of {name} ({said} {end})", **found}

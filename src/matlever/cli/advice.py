"""Advice from a finished study: what to change so that a goal is reached, what to run next.

Heavy libraries are imported inside the commands, so that ``--help`` stays quick.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Literal

import click

from matlever.cli.choose import Chosen, row_options, study_argument
from matlever.cli.errors import guarded, printable
from matlever.cli.options import force_option, goal_option, knob_options, reading_options
from matlever.cli.output import (
    check_free,
    check_suffix,
    json_option,
    out_option,
    print_json,
    save,
)
from matlever.exceptions import SettingsError

__all__ = ["change", "next_experiments"]

_FEW_ROWS = 5


@click.command()
@study_argument
@goal_option
@row_options
@click.option(
    "--answers",
    "n_answers",
    type=click.IntRange(1, 20),
    default=1,
    show_default=True,
    help="Different answers for each row.",
)
@click.option("--max-changes", type=click.IntRange(1), help="At most so many knobs change.")
@click.option(
    "--anywhere", is_flag=True, help="Also look far from all data, where the model is guessing."
)
@click.option(
    "--sure",
    is_flag=True,
    help="The whole interval of the prediction must meet the goal, not the prediction alone.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds in all; the best found so far is printed, and flagged.",
)
@knob_options
@out_option("File to write, .csv or .html; default: print a table.")
@json_option
@force_option
@reading_options
@guarded
def change(
    study_folder: Path,
    goals: tuple[str, ...],
    rows: tuple[int, ...],
    file: str | None,
    n_answers: int,
    max_changes: int | None,
    anywhere: bool,
    sure: bool,
    time_limit: float | None,
    fixed: tuple[str, ...],
    limits: tuple[str, ...],
    costs: tuple[str, ...],
    steps: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    force: bool,
    **reading: Any,
) -> None:
    """Find the least change from rows of a finished STUDY that reaches a goal.

    The goals are those of the study unless --goal is given; all of them must hold at once. Limits
    are never left. Where the goal cannot be reached, the nearest setting is shown, and what is in
    the way.
    """
    check_suffix(out, (".csv", ".html"))
    check_free(out, force)
    chosen = Chosen.of(
        study_folder, goals=goals, fixed=fixed, limits=limits, costs=costs, steps=steps
    )
    wanted = chosen.goals
    if not wanted:
        name = chosen.targets[0].name
        raise SettingsError(
            f"What is wanted? Say --goal {shlex.quote(f'{name}=10..20')}, a number, 10.. (at "
            "least), ..20 (at most), max or min."
        )
    for name in wanted:
        if chosen.skill(name) == "none":
            click.echo(
                f"note: {printable(name)}: the model shows no skill, so a change it proposes "
                "describes the model and not the material",
                err=True,
            )
    from matlever.study import change as find_changes
    from matlever.study import rows_short_of

    frame = chosen.rows(rows, file, _FEW_ROWS, reading)
    if file is None and not rows:
        short, _ = rows_short_of(chosen.study.model, chosen.study.known, wanted, _FEW_ROWS)
        frame = frame if short.empty else short
    found = find_changes(
        chosen.study.model,
        chosen.study.known,
        frame,
        wanted,
        editor=chosen.editor(chosen.study.known.editor),
        n_answers=n_answers,
        max_changes=max_changes,
        near_data=not anywhere,
        confidence="interval" if sure else "prediction",
        time_limit=time_limit,
        seed=chosen.seed,
    )
    for warning in (*_of_sums(chosen), *found.found.warnings):
        click.echo(f"note: {printable(warning)}", err=True)
    if as_json:
        print_json(found.to_dict())
    if out is not None:
        question = {"sentence": "", **found.to_dict()}
        page = {"sentence": "The least change that reaches the goal.", "questions": [question]}
        save(out, table=found.to_frame, page=lambda: chosen.page("changes", page))
    elif not as_json:
        from matlever.cli.advice_tables import print_changes

        print_changes(found, chosen.row_names)


@click.command("next")
@study_argument
@click.option(
    "-n",
    "n_experiments",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Experiments to run together.",
)
@goal_option
@click.option("--explore", is_flag=True, help="Where least is known, although there are goals.")
@click.option(
    "--pending",
    metavar="FILE",
    help="Runs under way: a file with the study's input columns; they are not suggested again.",
)
@click.option(
    "--pool",
    metavar="FILE",
    help="Settings to choose among: a file with the study's input columns.",
)
@click.option(
    "--set",
    "context",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Input that is held at a setting; fixed ones stay as in the best run otherwise.",
)
@click.option(
    "--model",
    "predict_with",
    type=click.Choice(["auto", "study", "gp"]),
    default="auto",
    show_default=True,
    help="Predict with the study's own model, or with a Gaussian process fitted for this; auto is "
    "the study's where its spread can be relied on.",
)
@knob_options
@out_option("File to write, .csv or .html; default: print a table.")
@json_option
@force_option
@reading_options
@guarded
def next_experiments(
    study_folder: Path,
    n_experiments: int,
    goals: tuple[str, ...],
    explore: bool,
    pending: str | None,
    pool: str | None,
    context: tuple[str, ...],
    predict_with: Literal["auto", "study", "gp"],
    fixed: tuple[str, ...],
    limits: tuple[str, ...],
    costs: tuple[str, ...],
    steps: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    force: bool,
    **reading: Any,
) -> None:
    """Suggest the next experiments of a finished STUDY, to be run together.

    Towards the goals (those of the study unless --goal is given) or, without any, where the model
    knows least. Needs the extra: pip install "matlever[design]".
    """
    check_suffix(out, (".csv", ".html"))
    check_free(out, force)
    chosen = Chosen.of(
        study_folder, goals=goals, fixed=fixed, limits=limits, costs=costs, steps=steps
    )
    from matlever.study import described, propose, widened_editor

    known, wanted = chosen.study.known, {} if explore else chosen.goals
    editor = chosen.editor(known.editor)
    candidates = None if pool is None else chosen.new_rows(pool, reading)
    under_way = None if pending is None else chosen.new_rows(pending, reading)
    if candidates is not None:
        editor = widened_editor(editor, candidates, chosen.limited)
    for name in wanted:
        if chosen.skill(name) == "none":
            click.echo(
                f"note: {printable(name)}: the model shows no skill, so these experiments follow "
                "the model and not the material; --explore looks where least is known instead",
                err=True,
            )
    found = propose(
        chosen.study.model,
        known,
        wanted,
        n_experiments=n_experiments,
        explore=explore,
        predict_with=predict_with,
        editor=editor,
        pool=candidates,
        pending=under_way,
        context=chosen.held(context),
        seed=chosen.seed,
    )
    plain = described(found, wanted)
    for warning in (*_of_sums(chosen), *found.warnings):
        click.echo(f"note: {printable(warning)}", err=True)
    if as_json:
        print_json(plain)
    if out is not None:
        save(
            out,
            table=lambda: found.to_frame().reset_index(),
            page=lambda: chosen.page("next", plain),
        )
    elif not as_json:
        from matlever.cli.advice_tables import print_suggested

        print_suggested(found, chosen.dates)


def _of_sums(chosen: Chosen) -> list[str]:
    """Return what the study's table was warned of that lets advice leave a mixture's total."""
    warnings = chosen.study.results["data"].get("warnings") or []
    return [
        f"{text} Until then advice may propose settings with another total."
        for text in map(str, warnings)
        if "add up to" in text
    ]

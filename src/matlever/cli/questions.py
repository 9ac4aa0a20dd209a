"""Questions to a finished study: which knob matters at a row, what happens when knobs are turned.

Heavy libraries are imported inside the commands, so that ``--help`` stays quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from matlever.cli.choose import Chosen, row_options, study_argument, target_option
from matlever.cli.errors import guarded, printable
from matlever.cli.options import force_option, knob_options, reading_options
from matlever.cli.output import (
    check_free,
    check_suffix,
    json_option,
    out_option,
    print_json,
    save,
)
from matlever.exceptions import SettingsError

__all__ = ["explain", "sweep"]

_FEW_ROWS = 5
_ROWS_SWEPT = 20


@click.command()
@study_argument
@target_option
@row_options
@knob_options
@out_option("File to write, .csv or .html; default: print a table.")
@json_option
@force_option
@reading_options
@guarded
def explain(
    study_folder: Path,
    targets: tuple[str, ...],
    rows: tuple[int, ...],
    file: str | None,
    fixed: tuple[str, ...],
    limits: tuple[str, ...],
    costs: tuple[str, ...],
    steps: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    force: bool,
    **reading: Any,
) -> None:
    """Say which knob matters at single rows of a finished STUDY, and how sure that is.

    Weights are slopes of a straight line fitted to the model around each row, per standard
    deviation of the knob. The known rows nearest to each are listed beside.
    """
    check_suffix(out, (".csv", ".html"))
    check_free(out, force)
    chosen = Chosen.of(study_folder, targets, fixed=fixed, limits=limits, costs=costs, steps=steps)
    from matlever.study import explained

    frame = chosen.rows(rows, file, _FEW_ROWS, reading)
    editor = chosen.editor(chosen.study.known.observed)
    found = explained(chosen.study, frame, chosen.targets, editor=editor)
    for warning in found.warnings:
        click.echo(f"note: {printable(warning)}", err=True)
    if as_json:
        print_json(found.to_dict())
    if out is not None:
        save(out, table=found.to_frame, page=lambda: chosen.page("weights", found.to_dict()))
    elif not as_json:
        from matlever.cli.advice_tables import print_explained

        print_explained(found, chosen.row_names)


@click.command()
@study_argument
@target_option
@click.option(
    "--knob",
    "-k",
    "knobs",
    multiple=True,
    metavar="COLUMN",
    help="Input to turn; two of them are turned together; default: each one alone.",
)
@click.option(
    "--values",
    "n_values",
    type=click.IntRange(2, 1001),
    default=11,
    show_default=True,
    help="Values of each knob between its limits.",
)
@row_options
@knob_options
@out_option("File to write, .csv, .html, .svg or .png; default: print a table.")
@json_option
@force_option
@reading_options
@guarded
def sweep(
    study_folder: Path,
    targets: tuple[str, ...],
    knobs: tuple[str, ...],
    n_values: int,
    rows: tuple[int, ...],
    file: str | None,
    fixed: tuple[str, ...],
    limits: tuple[str, ...],
    costs: tuple[str, ...],
    steps: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    force: bool,
    **reading: Any,
) -> None:
    """Predict what happens in a finished STUDY when one knob is turned, or two together.

    The mean is over the rows: all others of their knobs stay as they are.
    """
    suffix = check_suffix(out, (".csv", ".html", ".svg", ".png"))
    check_free(out, force)
    chosen = Chosen.of(study_folder, targets, fixed=fixed, limits=limits, costs=costs, steps=steps)
    if suffix in (".svg", ".png") and len(chosen.targets) > 1:
        names = ", ".join(repr(column.name) for column in chosen.targets)
        raise SettingsError(f"A picture shows one target: choose with --target one of {names}.")
    from matlever.study import find_column, swept_alone, swept_together

    named = [find_column(name, chosen.study.model.inputs, "input").name for name in knobs]
    frame = chosen.rows(rows, file, _ROWS_SWEPT, reading)
    editor = chosen.editor(chosen.study.known.observed)
    if len(named) > 2:
        raise SettingsError(f"One knob is turned, or two together; {len(named)} were given.")
    found = (
        swept_together(chosen.study, frame, chosen.targets, named, n_values, editor=editor)
        if len(named) == 2
        else swept_alone(chosen.study, frame, chosen.targets, named, n_values, editor=editor)
    )
    if as_json:
        print_json(found.to_dict())
    if out is not None:
        part = "pairs" if len(named) == 2 else "sweeps"
        save(
            out,
            table=found.to_frame,
            page=lambda: chosen.page(part, found.to_dict()),
            figure=found.figure,
        )
    elif not as_json:
        from matlever.cli.advice_tables import print_swept

        print_swept(found)

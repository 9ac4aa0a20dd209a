"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = [
    "force_option",
    "goal_option",
    "knob_options",
    "reading_options",
    "study_options",
    "table_options",
    "together",
]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorator) -> Decorator:
    """Return a decorator that adds options in their order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


force_option = click.option("--force", is_flag=True, help="Replace what stands there.")

reading_options = together(
    click.option("--decimal", type=click.Choice([".", ","]), help="Decimal mark; default: found."),
    click.option("--delimiter", help="Character between columns; default: found."),
    click.option("--sheet", help="Sheet of a workbook; default: the first."),
    click.option("--encoding", help="Text encoding; default: UTF-8."),
)
"""How to read a file."""

table_options = together(
    click.option(
        "--target",
        "-t",
        "targets",
        multiple=True,
        metavar="COLUMN",
        help="Column to predict; may be given several times.",
    ),
    click.option(
        "--formula",
        metavar="COLUMN",
        help="Column of chemical formulas: the fractions of their elements become knobs.",
    ),
    click.option(
        "--group",
        "-g",
        metavar="COLUMN",
        help="Column whose values (papers, batches) are held out whole.",
    ),
    click.option(
        "--input",
        "-i",
        "inputs",
        multiple=True,
        metavar="COLUMN",
        help="Column to predict from; default: all others.",
    ),
    click.option(
        "--ignore",
        "-x",
        multiple=True,
        metavar="COLUMN",
        help="Column to leave out; may be given several times.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["drop", "impute"]),
        help="Rows that miss an input: leave out (default) or fill inside each fold.",
    ),
    reading_options,
)
"""What a table holds and how to read it."""

knob_options = together(
    click.option(
        "--fix",
        "--hold",
        "fixed",
        multiple=True,
        metavar="COLUMN",
        help="Input that stays as it is in each row; may be given several times.",
    ),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="COLUMN=LOW..HIGH",
        help="How far an input can be turned; default: as far as the data go.",
    ),
    click.option(
        "--cost",
        "costs",
        multiple=True,
        metavar="COLUMN=NUMBER",
        help="Cost of turning an input from one limit to the other; default 1.",
    ),
    click.option(
        "--step",
        "steps",
        multiple=True,
        metavar="COLUMN=NUMBER",
        help="Input that is set to multiples of a step only.",
    ),
)
"""What can be turned, and how far."""

goal_option = click.option(
    "--goal",
    "goals",
    multiple=True,
    metavar="TARGET=GOAL",
    help="What is wanted: a number, 10..20, 10.. (at least), ..20 (at most), max or min.",
)

study_options = together(
    goal_option,
    knob_options,
    click.option(
        "--folds", type=int, help="Folds of the cross-validation; default 10, of crystals 5."
    ),
    click.option("--repeats", type=int, help="Its repeats; default: more for smaller tables."),
    click.option("--level", type=float, help="Nominal coverage of the intervals; default 0.9."),
    click.option(
        "--log-targets",
        type=click.Choice(["auto", "never", "always"]),
        help="Model targets on a logarithmic scale; default auto.",
    ),
    click.option(
        "--three-numbers/--no-three-numbers",
        "three_numbers",
        default=None,
        help="Also run the published augmentation protocol, and on shuffled targets (default).",
    ),
    click.option(
        "--advice/--no-advice",
        "advice",
        default=None,
        help="Look for changes that reach the goals and for experiments to run next (default).",
    ),
    click.option("--seed", type=int, help="Seed of everything random; default 0."),
    click.option("--jobs", "-j", type=int, help="Threads; default: one per core."),
    click.option("--device", help="Torch device; default cpu."),
)
"""How a study validates and where it runs."""

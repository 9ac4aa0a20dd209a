"""Studies of lots of micrographs on the command line: options, what was found, simulated lots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matlever.cli.console import standard_output
from matlever.cli.errors import printable
from matlever.cli.tables import text_grid
from matlever.exceptions import SettingsError
from matlever.study.words import number

if TYPE_CHECKING:
    from matlever.cli.console import ProgressCallback
    from matlever.study import LotsStudy

__all__ = [
    "check_of_lots",
    "is_study_of_lots",
    "lots_options",
    "option_names",
    "print_lots_study",
    "print_sem",
    "report_of_lots",
    "simulate_lots",
    "split_options",
    "study_of_lots",
]

# Options of `matlever study` that a folder of lots has too, by the setting they set.
_SHARED = ("goals", "seed", "jobs", "device", "level", "fixed", "folds")
# Setting -> option, where they are called differently.
_OPTIONS = {
    "targets": "target",
    "inputs": "input",
    "goals": "goal",
    "fixed": "fix",
    "limits": "limit",
    "costs": "cost",
    "steps": "step",
    "target": "property",
    "explain_lots": "lot",
}


def lots_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a study of lots."""
    for option in reversed(
        (
            click.option(
                "--property",
                "lots_target",
                metavar="COLUMN",
                help="Lots: property to predict, a column of the lot table.",
            ),
            click.option(
                "--editor",
                "lots_editor",
                metavar="EDITOR",
                help="Lots: what redraws tiles: auto (default), demo, train, none, or a folder.",
            ),
            click.option(
                "--editor-minutes",
                "lots_editor_minutes",
                type=float,
                help="Lots: how long a new editor is trained; default 20.",
            ),
            click.option(
                "--size",
                "lots_size",
                type=int,
                help="Lots: side of the tiles in px; default: found.",
            ),
            click.option(
                "--pixel-nm",
                "lots_pixel_nm",
                type=float,
                help="Lots: size of a pixel, for the scale beside pictures.",
            ),
            click.option(
                "--lot",
                "lots_explain_lots",
                multiple=True,
                metavar="NAME",
                help="Lots: lot to explain; default: the lowest, the median and the highest.",
            ),
            click.option("--epochs", "lots_epochs", type=int, help="Lots: rounds of training."),
        )
    ):
        command = option(command)
    return command


def option_names(settings: Iterable[str]) -> str:
    """Return settings as the options of the command line that give them."""
    return ", ".join("--" + _OPTIONS.get(name, name).replace("_", "-") for name in settings)


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a table's study, and those of a study of lots, that were given."""
    given = {key: value for key, value in options.items() if value not in (None, ())}
    own = {
        key.removeprefix("lots_"): value for key, value in given.items() if key.startswith("lots_")
    }
    return {key: value for key, value in given.items() if not key.startswith("lots_")}, own


def study_of_lots(
    source: str,
    out: Path | None,
    force: bool,
    progress: ProgressCallback | None,
    options: Mapping[str, Any],
) -> LotsStudy:
    """Run a study of lots with the options that were given, and write its report.

    Raises
    ------
    SettingsError
        If an option belongs to tables only.
    """
    from matlever.report import write_lots_report
    from matlever.study import run_lots_study

    of_tables, own = split_options(options)
    foreign = [name for name in of_tables if name not in _SHARED]
    if foreign:
        raise SettingsError(
            f"{source} is a folder of lots; these options are for tables: {option_names(foreign)}."
        )
    done = run_lots_study(source, out=out, overwrite=force, progress=progress, **of_tables, **own)
    write_lots_report(done.results, done.folder / "report.html")
    return done


def check_of_lots(folder: str, options: Mapping[str, Any]) -> str:
    """Return what a study would use of a folder of lots, in words.

    Raises
    ------
    SettingsError
        If an option of tables was given.
    """
    from matlever.study.lots.data import read_study_lots
    from matlever.study.lots.settings import LotsSettings

    given = [name for name, value in options.items() if value not in (None, ())]
    if given:
        raise SettingsError(
            f"{folder} is a folder of lots; these options are for tables: {option_names(given)}."
        )
    return read_study_lots(LotsSettings(folder)).summary()


def is_study_of_lots(folder: Path) -> bool:
    """Return whether a folder holds a finished study of lots."""
    from matlever.study.lots.folder import LOTS_SCHEMA, schema_of

    return schema_of(folder / "results.json") == LOTS_SCHEMA


def report_of_lots(folder: Path, out: Path | None) -> Path:
    """Write the report of a finished study of lots again."""
    from matlever.report import write_lots_report
    from matlever.study import load_lots_study

    done = load_lots_study(folder)
    return write_lots_report(done.results, out or done.folder / "report.html")


def print_sem(found: Mapping[str, Any], folder: Path) -> None:
    """Print the micrograph study's figures beside ours, in words."""
    out = standard_output()
    out.print(found["title"])
    out.print(found["statement"])
    grid = text_grid("figure", "in the paper", "here")
    for position in (1, 2):
        grid.columns[position].justify = "left"
    for figure in found["figures"]:
        grid.add_row(f"{figure['number']}", printable(figure["paper"]), printable(figure["ours"]))
    out.print(grid)
    for sentence in found["sentences"]:
        out.print(printable(sentence))
    out.print(f"Report: {folder / 'report.html'}")


def print_lots_study(study: LotsStudy) -> None:
    """Print what a study of lots found and where it lies."""
    out = standard_output()
    results = study.results
    data = results["data"]
    if data["simulated"]:
        out.print("SIMULATED DATA")
    out.print(
        f"{printable(data['folder'])}: {data['n_lots']} lots, {data['n_tiles']:,} tiles of "
        f"{data['width']} x {data['height']} px"
    )
    for lot in (results["backward"] or {}).get("lots", ()):
        grid = text_grid(
            f"lot {printable(lot['lot'])}", "tiles", *lot["questions"][0]["attributes"]
        )
        for question in lot["questions"]:
            share = f"{question['reached_share'] * 100:.0f} % reach it"
            grid.add_row(
                f"{printable(question['goal'])}: {share}",
                str(len(question["rows"])),
                *(f"{value:+.2f}".replace("-", "−") for value in question["mean"]),
            )
        out.print(grid)
    for sentence in results["summary"]["sentences"]:
        out.print(printable(sentence))
    for warning in results["warnings"]:
        out.print(f"warning: {printable(warning)}")
    out.print(f"Report: {study.folder / 'report.html'}")


def simulate_lots(
    out: Path,
    *,
    lots: int,
    tiles: int,
    size: int,
    confounding: float,
    bad_share: float,
    seed: int,
) -> str:
    """Write simulated lots to a new folder; return what was written, in words."""
    from matlever.micrographs import simulate_sem, write_lots

    if out.exists() and (out.is_file() or any(out.iterdir())):  # before the work is done
        raise SettingsError(f"{out} is not empty; nothing was written. Name a new folder.")
    found = simulate_sem(
        lots, tiles, size, confounding=confounding, bad_share=bad_share, random_state=seed
    )
    write_lots(found, out)
    spread = found.table["peak_stress_psi"]
    return (
        f"{lots} simulated lots with {tiles} tiles each in {out}; peak stress "
        f"{number(float(spread.min()), 4)} to {number(float(spread.max()), 4)} psi. "
        f"Next: matlever study {out}"
    )

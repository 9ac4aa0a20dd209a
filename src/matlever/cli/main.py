"""The commands. Heavy libraries are imported inside them, so that ``--help`` stays quick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from matlever._version import __version__
from matlever.cli.advice import change, next_experiments
from matlever.cli.errors import guarded, printable
from matlever.cli.lots import (
    check_of_lots,
    is_study_of_lots,
    lots_options,
    option_names,
    print_lots_study,
    report_of_lots,
    simulate_lots,
    split_options,
    study_of_lots,
)
from matlever.cli.options import force_option, reading_options, study_options, table_options
from matlever.cli.output import check_free, print_json
from matlever.cli.questions import explain, sweep
from matlever.cli.reproduce import reproduce
from matlever.cli.screen import screen
from matlever.exceptions import SettingsError

__all__ = ["main"]

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="matlever")
def main() -> None:
    """From expensive materials data to a prediction with honest uncertainty, and to advice.

    Start with `matlever study runs.csv --target COLUMN`, or `matlever study example:fullerenes`.
    """


for _command in (explain, sweep, change, next_experiments, reproduce, screen):
    main.add_command(_command)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {key: value for key, value in options.items() if value not in (None, ())}


@main.command()
@click.argument("file")
@table_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@guarded
def check(file: str, as_json: bool, **options: Any) -> None:
    """Check the table FILE and say what a study would use; writes nothing.

    FILE is CSV, TSV, XLSX or Parquet, a study.toml, example:NAME, or a folder of lots or crystals.
    """
    from matlever.study.detect import holds_crystals

    if Path(file).is_dir() and not holds_crystals(file):
        said = check_of_lots(file, options)
        if as_json:
            print_json({"folder": file, "summary": said.splitlines()})
        else:
            click.echo(printable(said))
        return
    from matlever.study import read_study_table, study_settings

    table = read_study_table(study_settings(file, **_given(options)))
    if as_json:
        print_json(table.to_dict())
        return
    from matlever.cli.tables import print_table_check

    print_table_check(table)


@main.command()
@click.argument("file")
@table_options
@study_options
@lots_options
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder for everything the study writes; default: NAME-study.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
@force_option
@guarded
def study(
    file: str, out: Path | None, as_json: bool, quiet: bool, force: bool, **options: Any
) -> None:
    """Validate, fit and explain a model of the table FILE, and write a report.

    A column of chemical formulas is named by --formula; the fractions of the elements become knobs.

    FILE may also be a folder of crystals (CIF or POSCAR files and id_prop.csv) or an .npz of them,
    or a folder of lots: a table of lots and a folder of micrographs for each. An interrupted study
    goes on where it stopped when the same command is given again.
    """
    from matlever.cli.console import progress_display
    from matlever.study.lots.settings import is_lots_settings

    if is_lots_settings(file):
        with progress_display(quiet, "s of work") as progress:
            found = study_of_lots(file, out, force, progress, options)
        if as_json:
            print_json(found.results)
        else:
            print_lots_study(found)
        return
    of_table, of_lots = split_options(options)
    if of_lots:
        raise SettingsError(
            f"{file} is no folder of lots; these options are for lots: {option_names(of_lots)}."
        )
    with progress_display(quiet) as progress:
        from matlever.report import write_report
        from matlever.study import run_study

        done = run_study(file, out=out, overwrite=force, progress=progress, **of_table)
        write_report(dict(done.results), done.folder / "report.html")
    if as_json:
        print_json(done.results)
        return
    from matlever.cli.tables import print_study

    print_study(done)


@main.command()
@click.argument("study_folder", metavar="STUDY", type=click.Path(path_type=Path))
@click.argument("file")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="CSV file to write; default: print a table.",
)
@click.option("--level", type=float, help="Nominal coverage of the intervals.")
@force_option
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@guarded
def predict(
    study_folder: Path,
    file: str,
    out: Path | None,
    level: float | None,
    force: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Predict the rows of FILE with the model of a finished STUDY, with intervals.

    FILE has the study's input columns; settings beyond all data the model has seen are flagged.
    """
    from matlever.storage import write_text
    from matlever.study import load_study

    if level is not None and not 0 < level < 1:
        raise SettingsError(f"--level must lie between 0 and 1, not {level}.")
    check_free(out, force)
    model = load_study(study_folder).model
    rows = model.kind.read_rows(file, model.inputs, **reading)
    found = model.predict_table(rows, level)
    for note in _notes(rows, model, level):
        click.echo(f"note: {printable(note)}", err=True)
    if as_json:
        records = json.loads(found.rename_axis("row").reset_index().to_json(orient="records"))
        print_json(records)
    elif out is not None:
        from matlever.cli.tables import prediction_file

        both = prediction_file(rows, found, model)
        write_text(out, both.to_csv(index=False))
        click.echo(f"{len(both)} predictions in {out}")
    else:
        from matlever.cli.tables import print_predictions

        print_predictions(found, model)


@main.command()
@click.argument("study_folder", metavar="STUDY", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="HTML file to write; default: STUDY/report.html.",
)
@guarded
def report(study_folder: Path, out: Path | None) -> None:
    """Write the report of a finished STUDY again."""
    if is_study_of_lots(study_folder):
        click.echo(str(report_of_lots(study_folder, out)))
        return
    from matlever.report import write_report
    from matlever.study import load_study

    done = load_study(study_folder)
    path = write_report(dict(done.results), out or done.folder / "report.html")
    click.echo(str(path))


@main.command()
@click.argument("what", type=click.Choice(["nanorods", "sem"]))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    help="CSV file (nanorods) or new folder (sem) to write.",
)
@click.option(
    "--rows",
    type=click.IntRange(2, 100_000),
    default=28,
    show_default=True,
    help="nanorods: number of recipes.",
)
@click.option(
    "--noise",
    type=click.FloatRange(0, 1),
    default=0.03,
    show_default=True,
    help="nanorods: relative noise of a measurement.",
)
@click.option(
    "--lots", type=click.IntRange(2, 1000), default=30, show_default=True, help="sem: lots."
)
@click.option(
    "--tiles",
    type=click.IntRange(1, 100_000),
    default=80,
    show_default=True,
    help="sem: tiles of each lot.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=64,
    show_default=True,
    help="sem: side of the tiles in px.",
)
@click.option(
    "--confounding",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="sem: how strongly facetness falls where size rises.",
)
@click.option(
    "--bad-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="sem: share of the tiles that are bad.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@force_option
@guarded
def simulate(
    what: str, out: Path, rows: int, noise: float, seed: int, force: bool, **of_lots: Any
) -> None:
    """Write SIMULATED data with a known truth, to try things on.

    nanorods: seeded growth of CdSe/CdS nanorods; three settings, length, width and aspect ratio.

    sem: lots of micrographs of crystal packings, with the attributes that two experts see and the
    peak stress of each lot.
    """
    if what == "sem":
        click.echo(simulate_lots(out, seed=seed, **of_lots))
        return
    from matlever.storage import write_text
    from matlever.tables import simulate_nanorods

    check_free(out, force)
    frame = simulate_nanorods(rows, noise=noise, random_state=seed)
    # The reader knows these notes, so every study of the file says that it is simulated.
    notes = f"# simulated: nanorod growth law, noise {noise:g}, seed {seed}; nothing was measured\n"
    write_text(out, notes + frame.to_csv(index=False))
    click.echo(f"{len(frame)} simulated {what} recipes in {out}")


@main.command()
@guarded
def examples() -> None:
    """List the packaged tables, with what they are and whom to cite."""
    from matlever.tables import example_info, example_names

    for name in example_names():
        info = example_info(name)
        click.echo(f"example:{name}\n  {info['description']}\n  cite: {info['citation']}")


def _notes(rows: Any, model: Any, level: float | None) -> list[str]:
    """Return what a reader of predictions has to know, in words."""
    from matlever.validation import minimum_rows

    notes = []
    if rows.attrs.get("ignored"):
        notes.append(f"columns the model does not use: {', '.join(rows.attrs['ignored'])}")
    for column, levels in (rows.attrs.get("unseen") or {}).items():
        notes.append(f"{column}: the model has never seen {', '.join(map(str, levels))}")
    nominal = model.level if level is None else level
    for name, n_units in model.n_units.items():
        if n_units < minimum_rows(nominal):
            notes.append(
                f"{name}: no {nominal * 100:g} % interval, which needs {minimum_rows(nominal)} "
                f"rows (groups, different settings); the study has {n_units}"
            )
    return notes

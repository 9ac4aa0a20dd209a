"""The command that screens a chemical space with a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matlever.cli.errors import guarded, printable
from matlever.cli.options import together
from matlever.exceptions import DataError, SettingsError

if TYPE_CHECKING:
    from matlever.compositions import CompositionSpace, ConvexHull, ScreeningEstimate

__all__ = ["screen"]

_ASK_FROM_SECONDS = 60
_SHOWN = 10

_space_options = together(
    click.option(
        "--elements",
        "-e",
        metavar="SYMBOLS",
        help="Elements to choose from, such as Na,Fe,Mn,O; 'all': those the model has seen.",
    ),
    click.option(
        "--site",
        "sites",
        multiple=True,
        metavar="SYMBOLS",
        help="Instead: elements of one site, such as Ca,Sr; once for each site.",
    ),
    click.option(
        "--n-elements",
        "-n",
        multiple=True,
        type=click.IntRange(min=1),
        help="Different elements of a composition; may be given several times; default: 4.",
    ),
    click.option(
        "--max-atoms", type=click.IntRange(min=1), help="Atoms of a formula unit, at most."
    ),
    click.option(
        "--stoichiometry",
        "-s",
        "stoichiometries",
        multiple=True,
        metavar="NUMBERS",
        help="Instead: atoms of each element, such as 1,1,3; may be given several times.",
    ),
    click.option(
        "--neutral", is_flag=True, help="Only compositions that usual oxidation states balance."
    ),
)

_hull_options = together(
    click.option(
        "--hull",
        "hull_file",
        metavar="FILE",
        help="Table of known phases: candidates are held against their convex hull.",
    ),
    click.option(
        "--formula",
        default="formula",
        show_default=True,
        metavar="COLUMN",
        help="Its column of formulas.",
    ),
    click.option(
        "--energy",
        metavar="COLUMN",
        help="Its column of energies, eV/atom, of the same kind as the model predicts.",
    ),
    click.option(
        "--total-energies",
        is_flag=True,
        help="They are total energies, the elements among the phases; default: of formation.",
    ),
)

_keep_options = together(
    click.option(
        "--below",
        type=float,
        help="Keep what lies at most so far above the hull, eV/atom (no hull: the prediction).",
    ),
    click.option("--above", type=float, help="Keep what lies at or above this value."),
    click.option("--best", type=click.IntRange(min=1), help="Keep at most so many."),
    click.option("--largest", is_flag=True, help="The best are those of the highest value."),
    click.option("--uncertainty", is_flag=True, help="Add the model's standard deviation."),
)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@_space_options
@_hull_options
@_keep_options
@click.option("--target", "-t", metavar="COLUMN", help="Target of a study that has several.")
@click.option("--out", "-o", type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--workers", "-w", type=click.IntRange(min=1), default=1, help="Processes.")
@click.option("--dask", "client", metavar="ADDRESS", help="Work on this Dask cluster.")
@click.option("--chunk", type=click.IntRange(min=1), default=100_000, help="Candidates at a time.")
@click.option("--estimate-only", is_flag=True, help="Say what it would take, and stop.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a long screening.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
@guarded
def screen(
    model: Path,
    elements: str | None,
    sites: tuple[str, ...],
    n_elements: tuple[int, ...],
    max_atoms: int | None,
    stoichiometries: tuple[str, ...],
    neutral: bool,
    hull_file: str | None,
    formula: str,
    energy: str | None,
    total_energies: bool,
    target: str | None,
    out: Path | None,
    workers: int,
    client: str | None,
    chunk: int,
    estimate_only: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
    **keep: Any,
) -> None:
    """Predict every composition of a chemical space with MODEL, and keep the promising ones.

    MODEL is the folder of a fitted composition model, or a study of a column of formulas. What the
    screening takes is estimated and printed first. One that was stopped goes on where it stood
    when the same command is given again.
    """
    if out is None and not estimate_only:
        raise SettingsError("Say where the results go: --out FOLDER (or --estimate-only).")
    from matlever.cli.console import progress_display
    from matlever.cli.screen_model import load_predictor
    from matlever.compositions import estimate_screening
    from matlever.compositions import screen as run_screen

    predictor, seen, name = load_predictor(model, target)
    space = _space(elements, sites, n_elements, max_atoms, stoichiometries, neutral, seen)
    _refuse_unseen(space, seen)
    hull = _hull(hull_file, formula, energy, total_energies)
    asked = {"hull": hull, "chunk": chunk, **keep}
    estimate = estimate_screening(space, predictor, workers=workers, **asked)
    click.echo(f"{space!r}\n{estimate}", err=as_json)
    if estimate_only:
        _print_estimate(estimate, as_json)
        return
    if estimate.seconds > _ASK_FROM_SECONDS and not yes:
        click.confirm("Go on?", abort=True, err=True)
    with progress_display(quiet, "candidates") as progress:
        found = run_screen(
            space,
            predictor,
            out=out,
            workers=workers,
            client=client,
            progress=progress,
            target=name,
            estimate=estimate,
            **asked,
        )
    _print(found, as_json)


def _symbols(text: str) -> list[str]:
    """Return the words between commas or blanks."""
    return text.replace(",", " ").split()


def _space(
    elements: str | None,
    sites: Sequence[str],
    n_elements: Sequence[int],
    max_atoms: int | None,
    stoichiometries: Sequence[str],
    neutral: bool,
    seen: Sequence[str],
) -> CompositionSpace:
    from matlever.compositions import enumerate_compositions

    if (elements is None) == (not sites):
        raise SettingsError("Give either --elements Na,Fe,... or --site once for each site.")
    if (max_atoms is None) == (not stoichiometries):
        raise SettingsError("Give either --max-atoms or --stoichiometry.")
    amounts = []
    for one in stoichiometries:
        words = _symbols(one.replace(":", " "))
        if not words or not all(word.isdigit() for word in words):
            raise SettingsError(f"--stoichiometry {one!r} is not of the form 1,1,3.")
        amounts.append([int(word) for word in words])
    chosen: list[Any] = (
        [_symbols(site) for site in sites]
        if elements is None
        else list(seen)
        if elements.strip().lower() == "all"
        else _symbols(elements)
    )
    return enumerate_compositions(
        chosen,
        n_elements=list(n_elements) or None,
        max_atoms=max_atoms,
        stoichiometries=amounts or None,
        charge_neutral=neutral,
    )


def _refuse_unseen(space: CompositionSpace, seen: Sequence[str]) -> None:
    unseen = [name for name in space.elements if name not in seen]
    if unseen:
        raise SettingsError(
            f"The model has never seen {', '.join(unseen)}: its predictions would mean nothing. "
            "Leave these elements out ('--elements all' takes those it has seen)."
        )


def _hull(
    file: str | None, formula: str, energy: str | None, total_energies: bool
) -> ConvexHull | None:
    if file is None:
        if energy is not None or total_energies:
            raise SettingsError("--energy and --total-energies belong to --hull FILE.")
        return None
    if energy is None:
        raise SettingsError("--hull needs --energy COLUMN, in eV/atom.")
    if not Path(file).is_file():
        raise DataError(f"There is no file {file}.")
    from matlever.compositions import ConvexHull

    return ConvexHull.from_table(
        file, energy, formula=formula, element_energies=None if total_energies else 0.0
    )


def _print_estimate(estimate: ScreeningEstimate, as_json: bool) -> None:
    from matlever.cli.output import print_json

    if as_json:
        print_json(estimate.to_dict())


def _print(found: Any, as_json: bool) -> None:
    from matlever.cli.output import print_json

    best = found.to_frame(_SHOWN)
    if as_json:
        print_json({**found.to_dict(), "best": best.to_dict(orient="records")})
        return
    click.echo(
        f"\n{found.n_kept:,} of {found.n_candidates:,} compositions kept, in {found.folder}"
        + (f" ({found.seconds:.1f} s)" if found.seconds else " (they were all there)")
    )
    if len(best):
        click.echo(printable(best.to_string(index=False, float_format="{:.4f}".format)))

"""Published works beside ours, on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matlever.cli.console import standard_output
from matlever.cli.errors import guarded, printable
from matlever.cli.lots import print_sem
from matlever.cli.output import print_json
from matlever.exceptions import SettingsError

if TYPE_CHECKING:
    from matlever.cli.console import ProgressCallback

__all__ = ["reproduce"]


@dataclass(frozen=True)
class _Work:
    """A published work: the function that computes it, the page, what is printed.

    Parameters
    ----------
    name : str
        ``reproduce_NAME`` is in `matlever.study`.
    page : str
        ``write_PAGE`` is in `matlever.report`.
    printed : callable
        Prints what was found.
    counted : str
        What progress counts.
    has_data : bool
        Whether it needs tables that are not part of the package.
    has_quick : bool
        Whether there is a small form of it.
    """

    name: str
    page: str
    printed: Callable[[Mapping[str, Any], Path], None]
    counted: str = "fits"
    has_data: bool = False
    has_quick: bool = False

    def run(self, folder: Path, progress: ProgressCallback | None, **options: Any) -> Any:
        from matlever import report, study

        found = getattr(study, f"reproduce_{self.name}")(folder, progress=progress, **options)
        getattr(report, f"write_{self.page}")(found, folder / "report.html")
        return found


def _in_words(found: Mapping[str, Any], folder: Path) -> None:
    out = standard_output()
    out.print(printable(found["title"]))
    out.print(printable(found["statement"]))
    for sentence in found["sentences"]:
        out.print(f"- {printable(sentence)}")
    out.print(f"Report: {folder / 'report.html'}")


def _nanorods(found: Mapping[str, Any], folder: Path) -> None:
    from matlever.cli.tables import print_reproduction

    print_reproduction(found)
    click.echo(f"Report: {folder / 'report.html'}")


def _green_lime(found: Mapping[str, Any], folder: Path) -> None:
    from matlever.cli.green_lime import print_green_lime

    print_green_lime(found)
    click.echo(f"Report: {folder / 'report.html'}")


_large = partial(_Work, printed=_in_words, counted="steps", has_data=True)
_WORKS = {
    "nanorods": _Work("nanorods", "reproduction", _nanorods),
    "green-lime": _Work("green_lime", "green_lime", _green_lime),
    "sem": _Work("sem", "sem_reproduction", print_sem, "s of work", has_quick=True),
    "elemnet": _large("elemnet", "elemnet", has_quick=True),
    "cgcnn": _large("cgcnn", "cgcnn", has_quick=True),
    "perovskites": _large("perovskites", "perovskites"),
}


@click.command()
@click.argument("work", type=click.Choice(list(_WORKS)))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder to write to; default: WORK-reproduction.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="elemnet, cgcnn, perovskites: folder of the public tables; default: MATLEVER_DATA.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option(
    "--quick", is_flag=True, help="sem, elemnet, cgcnn: a small form, to see the way in a minute."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
@guarded
def reproduce(
    work: str,
    out: Path | None,
    data: Path | None,
    seed: int,
    quick: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print a published work's figures beside ours.

    nanorods: Table 1 of the seeded-growth nanorod paper (28 samples, SMOTE-REG, dense networks), on
    simulated recipes, by the paper's protocol and by a leakage-free one.

    green-lime: Table 1 of the Green LIME paper (explanations by designed experiments and by LIME of
    a curve at eleven points), with matlever's explanations.

    sem: Figures 4 to 10 of the micrograph study (lots of tiles, edited pictures, forward and
    backward explanation), on simulated lots; about 25 minutes on two cores.

    elemnet: formation energies from element fractions alone, beside published figures on the same
    split; learning curve, held-out chemical systems, what the layers know; about 20 minutes.

    cgcnn: crystal graph networks on 7,572 perovskites: with and without gate, contributions of
    sites, with the composition alone; about 20 minutes.

    perovskites: formation energies of oxide perovskites from two descriptors of a site; a minute.
    """
    from matlever.cli.console import progress_display

    chosen = _WORKS[work]
    options: dict[str, Any] = {"seed": seed}
    for name, value, known in (
        ("quick", quick, chosen.has_quick),
        ("data", data, chosen.has_data),
    ):
        if value and not known:
            able = ", ".join(key for key, one in _WORKS.items() if getattr(one, f"has_{name}"))
            raise SettingsError(f"--{name} means nothing for {work}; it is for {able}.")
        if known:
            options[name] = value
    folder = out or Path(f"{work}-reproduction")
    with progress_display(quiet, chosen.counted) as progress:
        found = chosen.run(folder, progress, **options)
    if as_json:
        print_json(found)
        return
    chosen.printed(found, folder)

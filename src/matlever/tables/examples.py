"""Small real tables that come with the package, each with its source and licence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from matlever.exceptions import SettingsError
from matlever.tables._roles import Request
from matlever.tables.table import Table

__all__ = ["example_info", "example_names", "load_example", "read_example"]

_OLYMPUS = (
    "as distributed with Olympus: F. Häse et al., Mach. Learn.: Sci. Technol. 2 (2021) 035021, "
    "doi:10.1088/2632-2153/abedc8"
)


@dataclass(frozen=True)
class _Example:
    description: str
    targets: tuple[str, ...]
    citation: str
    licence: str = "MIT"
    group: str | None = None


_EXAMPLES = {
    "fullerenes": _Example(
        description=(
            "Mole fraction of the wanted o-xylenyl adduct of C60 from a flow reactor, by reaction "
            "time, temperature and equivalents of sultine (246 runs)."
        ),
        targets=("product",),
        citation=(
            "B. E. Walker, J. H. Bannock, A. M. Nightingale, J. C. deMello, React. Chem. Eng. 2 "
            f"(2017) 785-798, doi:10.1039/C7RE00123A; {_OLYMPUS}"
        ),
    ),
    "photo_pce10": _Example(
        description=(
            "Degradation under light of four-part blends for organic solar cells, by the shares "
            "of PCE10, P3HT, PCBM and oIDTBR, which add up to one (1,040 films)."
        ),
        targets=("degradation",),
        citation=(
            "S. Langner, F. Häse, J. D. Perea, T. Stubhan, J. Hauch, L. M. Roch, T. Heumueller, "
            "A. Aspuru-Guzik, C. J. Brabec, Adv. Mater. 32 (2020) 1907801, "
            f"doi:10.1002/adma.201907801; {_OLYMPUS}"
        ),
    ),
}


def example_names() -> tuple[str, ...]:
    """Return the names of the packaged examples.

    Examples
    --------
    >>> example_names()
    ('fullerenes', 'photo_pce10')
    """
    return tuple(_EXAMPLES)


def example_info(name: str) -> dict[str, Any]:
    """Return targets, group, citation, licence and description of a packaged example.

    Raises
    ------
    SettingsError
        If there is no such example.
    """
    example = _find(name)
    return {
        "targets": list(example.targets),
        "group": example.group,
        "citation": example.citation,
        "licence": example.licence,
        "description": example.description,
    }


def load_example(name: str) -> Table:
    """Return a packaged example with its own targets as a checked table.

    Parameters
    ----------
    name : str
        One of :func:`example_names`.

    Raises
    ------
    SettingsError
        If there is no such example.

    Examples
    --------
    >>> load_example("photo_pce10").mixtures[0].names
    ('PCE10', 'P3HT', 'PCBM', 'oIDTBR')
    """
    return read_example(name, Request(targets=()))


def read_example(name: str, request: Request) -> Table:
    """Return a packaged example; targets and group default to the example's own."""
    from matlever.tables._text_file import read_text_file
    from matlever.tables.check import check_table
    from matlever.tables.read import origin_of

    example = _find(name)
    if not request.targets:
        request = replace(request, targets=example.targets, group=request.group or example.group)
    resource = resources.files("matlever.tables") / "data" / f"{name}.csv"
    with resources.as_file(resource) as path:
        raw = read_text_file(path, f"example:{name}")
        origin = replace(origin_of(raw, path), citation=example.citation, licence=example.licence)
    return check_table(raw, request, origin)


def _find(name: str) -> _Example:
    example = _EXAMPLES.get(name)
    if example is None:
        raise SettingsError(
            f"There is no packaged example {name!r}. There are {', '.join(_EXAMPLES)}."
        )
    return example

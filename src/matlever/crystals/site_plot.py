"""Numbers of the sites of a crystal, drawn as colours of its atoms."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.compositions import ELEMENTS, element_properties
from matlever.crystals.crystals import Crystals
from matlever.exceptions import DataError

__all__ = ["plot_sites"]

Array = NDArray[np.float64]

_EDGE = (
    0.02  # in fractions of the cell: atoms this near to a face are drawn on the opposite one too
)
_SHOWN = 0.45  # drawn radius over covalent radius, so that bonds are seen between the atoms
_BOND = 1.15  # longest bond over the sum of covalent radii
_LEAST_RADIUS = 0.31  # A, of hydrogen: for elements whose radius is not known
_LOW, _MIDDLE, _HIGH = "#2f7fc1", "#f3f1ec", "#d9702a"
_INK, _SOFT = "#1a2028", "#a9b1b9"


def plot_sites(
    crystal: Crystals,
    contributions: ArrayLike,
    *,
    unit: str = "",
    label: str = "contribution",
    limit: float | None = None,
    azimuth_deg: float = 20.0,
    elevation_deg: float = 12.0,
    values: bool = True,
    ax: Any = None,
) -> Any:
    """Draw a unit cell with each atom in the colour of its number.

    Parameters
    ----------
    crystal : Crystals
        One crystal of n atoms.
    contributions : array_like of shape (n,)
        A number for each atom, as of :meth:`CGCNNRegressor.site_contributions`.
    unit : str, default=""
        Of the numbers.
    label : str, default="contribution"
        Of the colour bar.
    limit : float or None, default=None
        Number at either end of the colours, which are pale at zero; None is the largest size.
    azimuth_deg, elevation_deg : float
        Where the viewer stands: turned from the direction of a, and above the plane of a and b.
    values : bool, default=True
        Write the number below each element's symbol.
    ax : matplotlib axes or None, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    ax : matplotlib axes

    Raises
    ------
    DataError
        If there is not one crystal, or not one finite number for each of its atoms.

    Notes
    -----
    Atoms on a face, an edge or a corner of the cell are drawn at all its equivalent places. Circles
    have 0.45 covalent radii; lines join atoms nearer than 1.15 times the sum of their radii.
    """
    found = np.asarray(contributions, dtype=np.float64)
    if len(crystal) != 1:
        raise DataError(f"One crystal is drawn, but there are {len(crystal)}: take crystals[i].")
    if found.shape != crystal.numbers.shape or not np.isfinite(found).all():
        raise DataError(
            f"{len(crystal.numbers)} atoms need as many finite numbers, got shape {found.shape}."
        )
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    if ax is None:
        from matplotlib import pyplot as plt

        _, ax = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
    largest = float(np.abs(found).max()) if limit is None else float(limit)
    scale = Normalize(-(largest or 1.0), largest or 1.0)
    colours = LinearSegmentedColormap.from_list("matlever-sites", [_LOW, _MIDDLE, _HIGH], N=101)
    site, places = _drawn_atoms(crystal.fractional)
    lattice = crystal.lattices[0]
    turned = _view(azimuth_deg, elevation_deg)
    atoms = places @ lattice @ turned  # (n_drawn, 3): right, up, towards the viewer
    radii = _radii(crystal.numbers)[site]
    _draw_cell(ax, lattice @ turned)
    _draw_bonds(ax, atoms, radii)
    for place in np.argsort(atoms[:, 2]):
        number, value = int(crystal.numbers[site[place]]), float(found[site[place]])
        words = ELEMENTS[number - 1] + (f"\n{value:+.2g}".replace("-", "−") if values else "")
        _draw_atom(ax, atoms[place], _SHOWN * radii[place], colours(scale(value)), words)
    _frame(ax, atoms, _SHOWN * radii, lattice @ turned)
    from matplotlib.cm import ScalarMappable

    bar = ax.figure.colorbar(ScalarMappable(scale, colours), ax=ax, shrink=0.7)
    bar.set_label(f"{label} ({unit})" if unit else label, parse_math=False)
    bar.outline.set_visible(False)
    bar.solids.set(rasterized=False, edgecolor="face")  # drawings stay drawings
    return ax


def _drawn_atoms(fractional: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the site and the fractional place of each atom drawn, those on faces repeated."""
    sites, places = [], []
    for site, inside in enumerate(fractional - np.floor(fractional)):
        shifts = [
            (0, 1) if x < _EDGE else (-1, 0) if x > 1 - _EDGE else (0,) for x in inside.tolist()
        ]
        for shift in product(*shifts):
            sites.append(site)
            places.append(inside + shift)
    return np.array(sites), np.array(places)


def _view(azimuth_deg: float, elevation_deg: float) -> Array:
    """Return the matrix whose columns are the viewer's right, up and towards, in x, y, z."""
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    towards = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    return np.column_stack([right, np.cross(towards, right), towards])


def _radii(numbers: NDArray[np.int16]) -> Array:
    """Return covalent radii in Angstrom."""
    radii = element_properties()["CovalentRadius"][numbers.astype(np.intp) - 1] / 100.0
    return np.where(np.isfinite(radii), radii, _LEAST_RADIUS)


def _draw_cell(ax: Any, vectors: Array) -> None:
    corners = np.array(list(product((0, 1), repeat=3)))
    for corner in corners:
        for axis in np.flatnonzero(corner == 0):
            end = corner.copy()
            end[axis] = 1
            ends = np.array([corner, end]) @ vectors
            ax.plot(ends[:, 0], ends[:, 1], color=_SOFT, linewidth=1.0, zorder=1)


def _draw_bonds(ax: Any, atoms: Array, radii: Array) -> None:
    apart = np.linalg.norm(atoms[:, None] - atoms, axis=2)
    near = np.triu((apart < _BOND * (radii[:, None] + radii)) & (apart > 0.1), k=1)
    for i, j in np.argwhere(near):
        ends = atoms[[i, j]]
        ax.plot(
            ends[:, 0],
            ends[:, 1],
            color=_SOFT,
            linewidth=2.0,
            alpha=0.55,
            solid_capstyle="round",
            zorder=_depth(float(ends[:, 2].min())) - 0.001,
        )


def _depth(towards: float) -> float:
    """Return a drawing order between 2 and 3 that rises towards the viewer."""
    return 2.5 + float(np.arctan(towards / 20.0)) / np.pi


def _draw_atom(ax: Any, at: Array, radius: float, colour: Any, words: str) -> None:
    from matplotlib.patches import Circle

    order = _depth(float(at[2]))
    ax.add_patch(
        Circle(
            (float(at[0]), float(at[1])),
            radius,
            facecolor=colour,
            edgecolor=_INK,
            linewidth=0.8,
            zorder=order,
        )
    )
    ax.text(
        at[0],
        at[1],
        words,
        ha="center",
        va="center",
        fontsize=8,
        color=_INK,
        zorder=order,
        parse_math=False,
    )


def _frame(ax: Any, atoms: Array, radii: Array, vectors: Array) -> None:
    corners = np.array(list(product((0, 1), repeat=3))) @ vectors
    low = np.minimum((atoms[:, :2] - radii[:, None]).min(axis=0), corners[:, :2].min(axis=0))
    high = np.maximum((atoms[:, :2] + radii[:, None]).max(axis=0), corners[:, :2].max(axis=0))
    margin = 0.03 * float((high - low).max())
    ax.set_xlim(low[0] - margin, high[0] + margin)
    ax.set_ylim(low[1] - margin, high[1] + margin)
    ax.set_aspect("equal")
    ax.set_axis_off()

"""What single sites of perovskites contribute to the heat of formation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions import ELEMENTS
from matlever.study.cgcnn_parts import Perovskites

__all__ = ["example_part", "sites_part"]

_LEAST = 5  # sites of an element, below which no mean is shown


def sites_part(perovskites: Perovskites, members: list[dict[str, Any]]) -> dict[str, Any]:
    """Average the contributions by element and site.

    Parameters
    ----------
    perovskites : Perovskites
        Whose cells list A, B and three X in this order.
    members : list of dict
        Trainings with ``sites``: contributions of the test cells' atoms, eV per cell.

    Returns
    -------
    part : dict
        ``rows`` with element, site, number of sites, mean and standard deviation among them;
        ``agreement``: correlation of the contributions of two members, least and mean;
        ``spread`` of the contributions of all sites, and of the cells' means.
    """
    each = np.array([member["sites"] for member in members])  # (members, n_test * 5)
    found = each.mean(axis=0).reshape(-1, 5)
    numbers = perovskites.crystals[perovskites.test].numbers.reshape(-1, 5)
    rows = []
    for site, columns in (("A", [0]), ("B", [1]), ("X", [2, 3, 4])):
        z, value = numbers[:, columns].ravel(), found[:, columns].ravel()
        for number in np.unique(z):
            inside = value[z == number]
            if len(inside) >= _LEAST:
                rows.append(
                    {
                        "element": ELEMENTS[int(number) - 1],
                        "site": site,
                        "n": len(inside),
                        "mean": float(inside.mean()),
                        "sd": float(inside.std(ddof=1)),
                    }
                )
    pairs = np.corrcoef(each)[np.triu_indices(len(each), k=1)]
    return {
        "rows": rows,
        "agreement": {"least": float(pairs.min()), "mean": float(pairs.mean())},
        "sd_sites": float(found.std()),
        "sd_cells": float(found.mean(axis=1).std()),
    }


def example_part(perovskites: Perovskites, members: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the most stable oxide of the test half with its sites' contributions."""
    cells = perovskites.crystals[perovskites.test]
    numbers = cells.numbers.reshape(-1, 5)
    measured = perovskites.y[perovskites.test]
    oxides = np.flatnonzero((numbers[:, 2:] == 8).all(axis=1))
    place = int(oxides[np.argmin(measured[oxides])]) if len(oxides) else int(np.argmin(measured))
    each: NDArray[np.float64] = np.array([member["sites"] for member in members])
    contributions = each.mean(axis=0).reshape(-1, 5)[place]
    crystal = cells[place]
    return {
        "id": crystal.ids[0],
        "formula": crystal.formulas[0],
        "lattice": crystal.lattices[0].tolist(),
        "numbers": crystal.numbers.tolist(),
        "fractional": crystal.fractional.tolist(),
        "contributions": contributions.tolist(),
        "spread": each.reshape(len(each), -1, 5)[:, place].std(axis=0, ddof=1).tolist(),
        "measured": float(measured[place]),
        "predicted": float(contributions.mean()),
    }

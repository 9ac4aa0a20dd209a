"""Uphill along the gradient within limits, mixtures and linear relations."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, minimize

from matlever.knobs import KnobSpace
from matlever.recommendation._coordinates import Coordinates

__all__ = ["climb"]

Array = NDArray[np.float64]

_MOST_STEPS = 50


def climb(acquisition: Any, coordinates: Coordinates, row: Array, free: Sequence[int]) -> Array:
    """Move some numeric knobs of a setting uphill, as if all of them were continuous.

    Parameters
    ----------
    acquisition : callable
        Takes a tensor of points (1, 1, p), returns one value that knows its gradient.
    coordinates : Coordinates
        Of the points.
    row : ndarray of shape (k,)
        Feasible setting to start from.
    free : sequence of int
        Numeric knobs that move. A part that is 0 in a mixture with `max_parts` must not be among
        them.

    Returns
    -------
    row : ndarray of shape (k,)
        Not yet on any grid; project it.
    """
    if not free:
        return row
    space = coordinates.space
    columns = [coordinates.number[j] for j in free]
    start = coordinates.encode(row)

    def negative(x: Array) -> tuple[float, Array]:
        point = start.copy()
        point[columns] = x
        tensor = torch.as_tensor(point).requires_grad_(True)
        value = acquisition(tensor[None, None]).sum()
        (gradient,) = torch.autograd.grad(value, tensor)
        return -float(value.detach()), -gradient.numpy()[columns]

    limits = coordinates.encode(np.stack([space.lower, space.upper]))[:, columns]
    relations = _relations(space, coordinates, row, list(free))
    with warnings.catch_warnings():
        # SLSQP leaves a limit by a rounding error now and then, and steps back itself.
        warnings.filterwarnings("ignore", "Values in x were outside bounds", RuntimeWarning)
        found = minimize(
            negative,
            start[columns],
            jac=True,
            method="SLSQP" if relations else "L-BFGS-B",
            bounds=Bounds(limits[0], limits[1]),
            constraints=relations,
            options={"maxiter": _MOST_STEPS, "ftol": 1e-6},
        )
    point = start.copy()
    point[columns] = found.x
    moved = coordinates.decode(point, row)
    return moved if np.isfinite(moved).all() else row


def _relations(
    space: KnobSpace, coordinates: Coordinates, row: Array, free: list[int]
) -> list[LinearConstraint]:
    """Return sums of mixtures and linear relations, as constraints on free coordinates."""
    sums: list[tuple[Array, float, float]] = []
    for mixture in space.mixtures:
        weights = np.zeros(len(space))
        weights[space.positions(mixture.names)] = 1.0
        sums.append((weights, mixture.total, mixture.total))
    for relation in space.relations:
        weights = np.zeros(len(space))
        weights[space.positions(relation.coefficients)] = list(relation.coefficients.values())
        sums.append((weights, relation.least, relation.most))
    found = []
    rest = np.setdiff1d(np.arange(len(space)), free)
    for weights, low, high in sums:
        if weights[free].any():
            constant = weights[rest] @ row[rest] + weights[free] @ coordinates.low[free]
            matrix = (weights * coordinates.width)[free][None]
            found.append(LinearConstraint(matrix, low - constant, high - constant))
    return found

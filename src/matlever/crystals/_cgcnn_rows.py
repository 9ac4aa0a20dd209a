"""What a fit of crystal graph networks checks first: settings, targets, and rows held out."""

from __future__ import annotations

import hashlib
import json
import numbers
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from matlever.crystals.crystals import Crystals
from matlever.crystals.graphs import CrystalGraphs, crystal_graphs
from matlever.exceptions import DataError, NotEnoughDataError, SettingsError

__all__ = [
    "as_graphs",
    "check_settings",
    "check_targets",
    "compositions_of",
    "fingerprint_of",
    "hold_out",
    "seed_of",
]

_LEAST = 4  # batch normalisation needs more than one row, a held-out part as well
_HEAVIEST = 103


def check_settings(model: Any) -> None:
    """Refuse settings of a regressor that the network does not check itself."""
    for name in ("n_members", "n_epochs", "batch_size", "patience", "n_neighbours"):
        value = getattr(model, name)
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise SettingsError(f"{name}={value!r} must be a whole number of at least 1.")
    for name, low, high in (
        ("learning_rate", 0.0, np.inf),
        ("weight_decay", 0.0, np.inf),
        ("validation_fraction", 0.0, 1.0),
        ("calibration_fraction", 0.0, 1.0),
    ):
        value = getattr(model, name)
        if not isinstance(value, numbers.Real) or not low <= float(value) < high:
            raise SettingsError(f"{name}={value!r} must be at least {low:g} and below {high:g}.")
    if not model.learning_rate > 0:
        raise SettingsError(f"learning_rate={model.learning_rate!r} must be above 0.")
    for name, known in (
        ("schedule", ("one-cycle", "constant")),
        ("loss", ("absolute", "squared")),
    ):
        if getattr(model, name) not in known:
            raise SettingsError(f"{name}={getattr(model, name)!r} must be one of {known}.")


def as_graphs(X: Any, radius: float, n_neighbours: int) -> CrystalGraphs:
    """Return graphs as they are, and those of crystals.

    Raises
    ------
    DataError
        If `X` is neither, or an atom has no element.
    """
    if isinstance(X, Crystals):
        graphs = crystal_graphs(X, radius=radius, n_neighbours=n_neighbours)
    elif isinstance(X, CrystalGraphs):
        graphs = X
    else:
        raise DataError(
            f"X is a {type(X).__name__}; crystals are needed: read_crystals(folder) or "
            "Crystals.from_structures(structures)."
        )
    if not len(graphs):
        raise NotEnoughDataError("There are no crystals.")
    low, high = int(graphs.numbers.min(initial=1)), int(graphs.numbers.max(initial=1))
    if low < 1 or high > _HEAVIEST:
        raise DataError(
            f"Atomic numbers go from {low} to {high}; the network knows 1 (H) to {_HEAVIEST} (Lr)."
        )
    return graphs


def check_targets(y: ArrayLike, graphs: CrystalGraphs) -> tuple[NDArray[np.float64], bool]:
    """Return targets of shape (n, t), and whether `y` was a list of numbers."""
    n = len(graphs)
    values = np.asarray(y, dtype=np.float64)
    if values.ndim not in (1, 2) or len(values) != n or not values.size:
        raise DataError(
            f"{n} crystals need targets of shape ({n},) or ({n}, t), got {values.shape}."
        )
    if n < _LEAST:
        raise NotEnoughDataError(f"{n} crystals are too few to train on; at least {_LEAST} are.")
    single = values.ndim == 1
    values = values.reshape(n, -1)
    missing = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(missing):
        raise DataError(
            f"{len(missing)} of {n} crystals have no finite target, the first at position "
            f"{missing[0]}. Leave crystals without a known property out."
        )
    same = (values == values[0]).all(axis=0)
    if same.any():
        raise DataError(
            f"Target {int(np.argmax(same))} is {values[0, np.argmax(same)]:.6g} for all {n} "
            "crystals: there is nothing to learn."
        )
    return values, single


def compositions_of(graphs: CrystalGraphs) -> NDArray[np.intp]:
    """Return a number for each crystal, equal for equal compositions, of shape (n,)."""
    n = len(graphs)
    amounts = np.zeros((n, _HEAVIEST + 1), dtype=np.int64)
    np.add.at(amounts, (np.repeat(np.arange(n), graphs.n_atoms), graphs.numbers), 1)
    reduced = amounts // np.gcd.reduce(amounts, axis=1)[:, None]
    _, codes = np.unique(reduced, axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.intp)


def hold_out(
    groups: NDArray[np.intp], shares: Sequence[float], random: np.random.Generator
) -> tuple[NDArray[np.intp], ...]:
    """Return the rows that are left, then those held out for each share of the groups.

    Raises
    ------
    NotEnoughDataError
        If there are too few groups.
    """
    present = random.permutation(np.unique(groups))
    sizes = [max(1, round(share * len(present))) if share > 0 else 0 for share in shares]
    if sum(sizes) >= len(present):
        raise NotEnoughDataError(
            f"{len(present)} compositions are too few to hold {sum(sizes)} of them out. Give more "
            "crystals, or hold nothing out (early_stopping=False, calibration_fraction=0)."
        )
    edges = np.cumsum([0, *sizes])
    parts = [present[first:last] for first, last in pairwise(edges)]
    held = [np.flatnonzero(np.isin(groups, part)) for part in parts]
    return (np.flatnonzero(np.isin(groups, present[edges[-1] :])), *held)


def seed_of(random_state: Any) -> int:
    """Return an integer given as `random_state` itself, else one drawn from what it stands for."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def fingerprint_of(model: Any, graphs: CrystalGraphs, targets: NDArray[np.float64]) -> str:
    """Return a digest of settings, graphs and targets."""
    settings = {name: str(value) for name, value in model.get_params(deep=False).items()}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in (targets, graphs.numbers, graphs.neighbours, graphs.distances, graphs.offsets):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

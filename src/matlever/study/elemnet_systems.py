"""Whole chemical systems held out: errors there, and the convex hulls they come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions import ELEMENTS, Compositions, ConvexHull, ElemNetRegressor
from matlever.study.elemnet_data import Labelled, lowest_per_formula
from matlever.study.elemnet_models import (
    KINDS,
    Features,
    Sizes,
    absolute_error,
    features,
    forest,
    network,
)

__all__ = ["SYSTEMS", "HeldOutSystems", "fit_without", "hold_out", "system_scores"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

SYSTEMS: tuple[tuple[str, ...], ...] = (("Ti", "O"), ("Na", "Fe", "Mn", "O"))
"""The two systems of the paper: all compounds of two or more of their elements are held out."""

_CURVE = 101
_NEAR_HULL = 0.05  # eV/atom, "nearly stable"


class HeldOutSystems:
    """Rows to train on, rows drawn at random, and the rows of each system.

    Parameters
    ----------
    rows : Labelled
        One row for each formula.
    n_random : int
        Rows held out at random.
    seed : int
    """

    def __init__(self, rows: Labelled, n_random: int, seed: int) -> None:
        parts = [set(system.split("-")) for system in rows.compositions.systems]
        inside = np.array(
            [[len(p) > 1 and p <= set(elements) for elements in SYSTEMS] for p in parts]
        )
        self.systems = [rows.take(np.flatnonzero(inside[:, i])) for i in range(len(SYSTEMS))]
        free = np.flatnonzero(~inside.any(axis=1))
        order = np.random.default_rng((seed, 7)).permutation(free)
        self.random = rows.take(np.sort(order[:n_random]))
        self.train = rows.take(np.sort(order[n_random:]))


def hold_out(entries: Labelled, sizes: Sizes, seed: int) -> HeldOutSystems:
    """Return the lowest energy of each formula, split as :class:`HeldOutSystems` says."""
    return HeldOutSystems(lowest_per_formula(entries), sizes.random_rows, seed)


def fit_without(
    split: HeldOutSystems,
    sizes: Sizes,
    precision: Any,
    seed: int,
    checkpoint: Path,
    progress: Progress | None,
) -> ElemNetRegressor:
    """Train an ensemble on all rows but those held out."""
    model = network(sizes, precision, seed, n_members=sizes.held_out_members)
    return model.fit(
        split.train.compositions, split.train.y, checkpoint=checkpoint, progress=progress
    )


def system_scores(
    model: ElemNetRegressor, split: HeldOutSystems, sizes: Sizes, seed: int
) -> dict[str, Any]:
    """Return errors on random rows and on each system, for the network and the forests.

    Returns
    -------
    found : dict
        ``n_train``, ``random`` and ``systems``, each with ``n`` and the MAE of ``network``,
        ``fractions`` and ``magpie``; systems also with ``elements`` and ``hull``.
    """
    forests: dict[Features, Any] = {}
    for kind in KINDS:
        x = features(split.train.compositions, kind)
        forests[kind] = forest(kind, x, split.train.y, sizes, seed)

    def scores(rows: Labelled) -> dict[str, Any]:
        c = rows.compositions
        found = {"n": len(rows), "network": absolute_error(rows.y, model.predict(c))}
        for kind, grown in forests.items():
            found[kind] = absolute_error(rows.y, grown.predict(features(c, kind)))
        return found

    return {
        "n_train": len(split.train),
        "random": scores(split.random),
        "systems": [
            {
                "elements": list(elements),
                **scores(rows),
                "hull": _hull(model, rows, elements, forests["magpie"]),
            }
            for elements, rows in zip(SYSTEMS, split.systems, strict=True)
        ],
    }


def _hull(
    model: ElemNetRegressor, rows: Labelled, elements: tuple[str, ...], grown: Any
) -> dict[str, Any]:
    """Return energies above the hull, by DFT and predicted, and which phases are stable.

    Pure elements have formation energy 0 by definition in both; the predicted hull is that of the
    predicted energies.
    """
    c = rows.compositions
    predicted = model.predict(c)
    by_forest = grown.predict(features(c, "magpie"))
    known, ours, other = (
        ConvexHull(c.fractions, energies, element_energies=0.0)
        for energies in (rows.y, predicted, by_forest)
    )
    above = {name: h.energies_above for name, h in (("dft", known), ("network", ours))}
    stable, called = known.is_stable, ours.is_stable
    found: dict[str, Any] = {
        "formula": list(c.formulas),
        "dft": rows.y.tolist(),
        "predicted": predicted.tolist(),
        "above_dft": above["dft"].tolist(),
        "above_predicted": above["network"].tolist(),
        "stable": stable.tolist(),
        "called_stable": called.tolist(),
        "n_stable": int(stable.sum()),
        "n_called": int(called.sum()),
        "n_both": int((stable & called).sum()),
        # A stable phase is found where it comes out within 50 meV/atom of the predicted hull.
        "n_near": int((stable & (above["network"] <= _NEAR_HULL)).sum()),
        "n_called_near": int((above["network"] <= _NEAR_HULL).sum()),
        "above_mae": absolute_error(above["dft"], above["network"]),
        "above_mae_forest": absolute_error(above["dft"], other.energies_above),
        "n_both_forest": int((stable & other.is_stable).sum()),
        "n_called_forest": int(other.is_stable.sum()),
    }
    if len(elements) == 2:
        found["curve"] = _curve(model, elements)
        found["fraction"] = c.fractions[:, ELEMENTS.index(elements[1])].tolist()
    return found


def _curve(model: ElemNetRegressor, elements: tuple[str, ...]) -> dict[str, list[float]]:
    """Return predictions along a binary system."""
    x = np.linspace(0.0, 1.0, _CURVE)
    along = Compositions.from_fractions(np.stack([1 - x, x], axis=1), elements)
    return {"fraction": x.tolist(), "predicted": model.predict(along).tolist()}

"""The networks and forests that the ElemNet reproduction compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from matlever.compositions import Compositions, ElemNetRegressor, magpie_features

__all__ = [
    "KINDS",
    "PUBLISHED",
    "Features",
    "Sizes",
    "absolute_error",
    "features",
    "forest",
    "network",
]

Array = NDArray[np.float64]
Features = Literal["fractions", "magpie"]
KINDS: tuple[Features, ...] = ("fractions", "magpie")

PUBLISHED: tuple[tuple[str, float], ...] = (
    ("Roost", 0.0547),
    ("CrabNet", 0.0593),
    ("ElemNet", 0.0706),
    ("Random forest, Magpie", 0.0997),
)
"""MAE in eV/atom on the same test rows (CrabNet's repository, metrics/all_metrics.csv, 457b4d4)."""


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Parameters
    ----------
    width, epochs, least_steps, learning_rate : float and int
        Of the networks of the ensemble and of the learning curve.
    short_epochs : int
        Of the step-by-step comparison and of the networks for systems held out.
    members, held_out_members : int
        Networks of the ensembles: on the published split, and for the systems held out.
    trees : int
        Of each forest.
    curve : tuple of int
        Training rows of the learning curve.
    repeated_below : int
        Sizes below this are drawn twice.
    random_rows : int
        Rows held out at random beside the systems.
    gap_rows, gap_repeats : int
        Measured band gaps, and how often five folds of them are drawn.
    """

    width: float = 0.5
    epochs: int = 40
    short_epochs: int = 20
    least_steps: int = 2000
    learning_rate: float = 4e-3
    members: int = 5
    held_out_members: int = 2
    trees: int = 50
    curve: tuple[int, ...] = (125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
    repeated_below: int = 2500
    random_rows: int = 5000
    gap_rows: int = 500
    gap_repeats: int = 2

    @classmethod
    def quick(cls) -> Sizes:
        """Return sizes that show the way in a minute or two, not the figures."""
        return cls(
            width=0.25,
            epochs=10,
            short_epochs=5,
            least_steps=400,
            members=2,
            held_out_members=1,
            trees=10,
            curve=(500, 1000, 2000),
            repeated_below=0,
            random_rows=500,
            gap_rows=150,
            gap_repeats=1,
        )


def network(sizes: Sizes, precision: Any, seed: int, **changes: Any) -> ElemNetRegressor:
    """Return the network as it is used here: all rows are trained on, to the last epoch."""
    settings: dict[str, Any] = {
        "width": sizes.width,
        "epochs": sizes.short_epochs,
        "learning_rate": sizes.learning_rate,
        "least_steps": sizes.least_steps,
        "validation_share": 0.0,
        "precision": precision,
        "random_state": seed,
    }
    return ElemNetRegressor(**(settings | changes))


def features(compositions: Compositions, kind: Features) -> NDArray[np.float32]:
    """Return what a forest sees: fractions of 103 elements, or Magpie's 132 attributes."""
    fractions = compositions.fractions
    found = fractions if kind == "fractions" else magpie_features(fractions)[:, :132]
    return np.asarray(found, dtype=np.float32)


def forest(
    kind: Features, x: NDArray[np.float32], y: Array, sizes: Sizes, seed: int
) -> RandomForestRegressor:
    """Return a forest grown on `x` and `y`; its predictions are the same to the last bit each time.

    As many features are tried at each split as suits their kind.
    """
    share: float | str = "sqrt" if kind == "magpie" else 0.33
    grown = RandomForestRegressor(sizes.trees, max_features=share, n_jobs=-1, random_state=seed)
    grown.fit(x, y)
    return grown.set_params(n_jobs=1)  # trees added up by several threads differ in the last bit


def absolute_error(y: Array, predicted: Array) -> float:
    """Return the mean absolute error."""
    return float(np.abs(y - predicted).mean())

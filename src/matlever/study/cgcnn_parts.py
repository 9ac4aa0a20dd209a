"""Parts of the perovskite study: its data, one training, the baseline, and splits that leak."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.compositions import magpie_features
from matlever.crystals import CGCNNRegressor, CrystalGraphs, Crystals, crystal_graphs, read_crystals
from matlever.exceptions import DataError, StudyError

__all__ = [
    "Perovskites",
    "forest_part",
    "hold_out_compositions",
    "interval_part",
    "isomer_part",
    "leak_rows",
    "training_part",
]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Progress = Callable[[int, int, str], None]

FILE = "crystals_perov_5.npz"
_TARGET, _TRAIN, _TEST = "heat_all", "val", "test"
_TREES = 100


@dataclass(frozen=True, eq=False)
class Perovskites:
    """The crystals, their heat of formation (eV per cell of five atoms), and the two halves."""

    crystals: Crystals
    graphs: CrystalGraphs
    y: Array
    train: Rows
    test: Rows
    file: str

    @classmethod
    def read(cls, data: str | os.PathLike[str] | None, *, quick: bool) -> Self:
        """Read the file, or the one that MATLEVER_DATA leads to; with `quick`, a part of it.

        Raises
        ------
        StudyError
            If there is no such file.
        DataError
            If it is not this data set.
        """
        path = _path(data)
        crystals, table = read_crystals(path)
        if not {_TARGET, "split"} <= set(table.columns):
            raise DataError(
                f"{path.name}: arrays {_TARGET!r} and 'split' are needed, found "
                f"{', '.join(map(str, table.columns))}."
            )
        split = table["split"].to_numpy().astype(str)
        train, test = (np.flatnonzero(split == name) for name in (_TRAIN, _TEST))
        if quick:
            train, test = train[:600], test[:600]
            rows = np.concatenate([train, test])
            crystals, table = crystals[rows], table.iloc[rows]
            train, test = np.arange(len(train)), np.arange(len(train), len(rows))
        if len(train) < 100 or len(test) < 100 or (crystals.n_atoms != 5).any():
            raise DataError(
                f"{path.name}: {len(train)} crystals are marked {_TRAIN!r} and {len(test)} "
                f"{_TEST!r}; perovskites of five atoms are needed, 100 of each mark at least."
            )
        y = table[_TARGET].to_numpy(dtype=np.float64)
        return cls(crystals, crystal_graphs(crystals), y, train, test, path.name)

    @cached_property
    def composition(self) -> NDArray[np.intp]:
        """Number of each crystal's composition, equal for isomers."""
        codes: NDArray[np.intp] = np.unique(np.array(self.crystals.formulas), return_inverse=True)[
            1
        ]
        return codes.reshape(-1)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Whether each test crystal has an isomer among the training crystals."""
        return np.isin(self.composition[self.test], self.composition[self.train])


def _path(data: str | os.PathLike[str] | None) -> Path:
    root = os.environ.get("MATLEVER_DATA")
    if data is None and root is None:
        raise StudyError(
            f"The perovskites are not part of the package. Give the file {FILE} (data=, --data), "
            "or set MATLEVER_DATA to the folder that holds tables/. They are the files val.csv "
            "and test.csv of data/perov_5 in the repository txie-93/cdvae."
        )
    path = Path(data) if data is not None else Path(str(root))
    for inside in (path, path / FILE, path / "tables" / FILE):
        if inside.is_file():
            return inside
    raise StudyError(f"There is no file {FILE} at {path}.")


def training_part(
    perovskites: Perovskites,
    settings: dict[str, Any],
    train: Rows,
    test: Rows,
    progress: Progress,
    *,
    sites: bool = False,
) -> dict[str, Any]:
    """Train on some crystals and predict others.

    Returns
    -------
    part : dict
        ``mae`` (eV per cell), ``n_train``, ``n_test``, ``predicted``, ``cpu_s`` (of training),
        ``losses`` per epoch, and with `sites` the contributions of all test sites.
    """
    begun = time.process_time()
    model = CGCNNRegressor(**settings)
    model.fit(perovskites.graphs[train], perovskites.y[train], progress=progress)
    seconds = time.process_time() - begun
    predicted = model.predict(perovskites.graphs[test])
    part = {
        "mae": float(np.abs(predicted - perovskites.y[test]).mean()),
        "n_train": len(train),
        "n_test": len(test),
        "predicted": predicted.tolist(),
        "cpu_s": seconds,
        "losses": [epoch.training for epoch in model.history_[0]],
    }
    if sites:
        part["sites"] = model.site_contributions(perovskites.graphs[test]).tolist()
    return part


def forest_part(perovskites: Perovskites, seed: int) -> dict[str, Any]:
    """Predict from the composition alone: a random forest on Magpie's features."""
    from sklearn.ensemble import RandomForestRegressor

    begun = time.process_time()
    features = magpie_features(perovskites.crystals.compositions.fractions)
    forest = RandomForestRegressor(_TREES, max_features=1 / 3, random_state=seed)
    forest.fit(features[perovskites.train], perovskites.y[perovskites.train])
    predicted = forest.predict(features[perovskites.test])
    truth = perovskites.y[perovskites.test]
    middle = float(np.median(perovskites.y[perovskites.train]))
    return {
        "mae": float(np.abs(predicted - truth).mean()),
        "constant_mae": float(np.abs(middle - truth).mean()),
        "n_train": len(perovskites.train),
        "n_test": len(perovskites.test),
        "n_features": features.shape[1],
        "n_trees": _TREES,
        "predicted": predicted.tolist(),
        "cpu_s": time.process_time() - begun,
    }


def interval_part(
    perovskites: Perovskites, settings: dict[str, Any], level: float, progress: Progress
) -> dict[str, Any]:
    """Count how many test crystals lie in intervals from rows that no network was trained on."""
    model = CGCNNRegressor(**settings)
    rows = perovskites.train
    model.fit(perovskites.graphs[rows], perovskites.y[rows], progress=progress)
    test = perovskites.graphs[perovskites.test]
    lower, upper = model.predict_interval(test, level)
    mean, std = model.predict(test, return_std=True)
    truth = perovskites.y[perovskites.test]
    inside = (lower <= truth) & (truth <= upper)
    spread = np.abs(truth - mean) <= 1.645 * std
    return {
        "level": level,
        "n_calibration": len(model.calibration_rows_),
        "n_test": len(truth),
        "coverage": float(inside.mean()),
        "coverage_seen": _mean(inside[perovskites.seen]),
        "coverage_unseen": _mean(inside[~perovskites.seen]),
        "median_width": float(np.median(upper - lower)),
        "coverage_of_spread": float(spread.mean()),
        "n_members": len(model.networks_),
    }


def isomer_part(perovskites: Perovskites, predicted: Array) -> dict[str, Any]:
    """Compare crystals of one composition, which no function of the composition tells apart.

    Returns
    -------
    part : dict
        ``least_mae``: the lowest mean absolute error that any function of the composition can have
        on all crystals that have an isomer; ``n_pairs`` of isomers in the test half that differ
        by over 0.05 eV, and the share that the network orders rightly.
    """
    y, code = perovskites.y, perovskites.composition
    _, counts = np.unique(code, return_counts=True)
    with_isomer = counts[code] > 1
    errors = np.zeros(len(y))
    for one in np.flatnonzero(counts > 1):
        rows = np.flatnonzero(code == one)
        errors[rows] = np.abs(y[rows] - np.median(y[rows]))
    test = perovskites.test
    order = np.argsort(code[test], kind="stable")
    right, n_pairs = 0, 0
    for group in np.split(order, np.flatnonzero(np.diff(code[test][order])) + 1):
        i, j = np.triu_indices(len(group), k=1)
        measured = y[test[group[i]]] - y[test[group[j]]]
        found = predicted[group[i]] - predicted[group[j]]
        told = np.abs(measured) > 0.05
        n_pairs += int(told.sum())
        right += int((np.sign(measured) == np.sign(found))[told].sum())
    return {
        "n_with_isomer": int(with_isomer.sum()),
        "least_mae": _mean(errors[with_isomer]),
        "n_pairs": n_pairs,
        "ordered": right / n_pairs if n_pairs else None,
    }


def hold_out_compositions(
    composition: NDArray[np.intp], share: float, seed: int
) -> tuple[Rows, Rows]:
    """Return rows left and rows of a share of the compositions."""
    present = np.random.default_rng(seed).permutation(np.unique(composition))
    held = np.isin(composition, present[: max(1, round(share * len(present)))])
    return np.flatnonzero(~held), np.flatnonzero(held)


def leak_rows(perovskites: Perovskites, grouped: bool, seed: int) -> tuple[Rows, Rows]:
    """Return training and test rows of all crystals, a fifth of which is the test.

    With `grouped`, isomers are on one side; the numbers of training rows are the same otherwise.
    """
    n = len(perovskites.y)
    random = np.random.default_rng((seed, 7))
    if grouped:
        left, test = hold_out_compositions(perovskites.composition, 0.2, seed)
    else:
        order = random.permutation(n)
        left, test = order[n // 5 :], order[: n // 5]
    n_train = min(len(perovskites.train), 3 * n // 4)
    return np.sort(random.permutation(left)[:n_train]), np.sort(test)


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None

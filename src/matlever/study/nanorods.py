"""The nanorod study's Table 1 beside ours, by its protocol and by one that does not leak.

The 28 measured rows of the study are not public, so the recipes are simulated from a growth law
that agrees with what the paper reports; whatever comes from here says so. The comparison is
therefore of protocols (what do such scores say?) and not of nanorods.

References
----------
"A robust low data solution: dimension prediction of semiconductor nanorods", arXiv:2010.14111:
Table 1, Figures 3 and 4, section Methods.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from matlever.explanation import explain
from matlever.knobs import Knob, KnobSpace, TableEditor
from matlever.storage import write_json, write_text
from matlever.study.nanorods_parts import (
    PaperProtocol,
    Recipes,
    comparison_table,
    reproduction_sentences,
    scatter,
)
from matlever.study.published import N_STEPS, published_network, published_sampler
from matlever.tables import (
    AugmentedRegressor,
    NanorodLaw,
    SmallTableRegressor,
    simulate_nanorods,
)
from matlever.validation import (
    CrossConformalRegressor,
    cross_validate,
    fit_many,
    input_blocks,
    plan_folds,
    three_number_check,
)

__all__ = ["reproduce_nanorods"]

REPRODUCTION_SCHEMA = "matlever-reproduction/1"
Progress = Callable[[int, int, str], None]

_N_ROWS = 28
_N_VALIDATION = 3
_N_FOLDS = 10


def reproduce_nanorods(
    out: str | os.PathLike[str], *, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare the paper's protocol with a leakage-free one on simulated recipes.

    Parameters
    ----------
    out : path
        Folder for ``reproduction.json`` and the table as CSV.
    seed : int, default=0
        Seed of the simulated recipes and of everything random.
    progress : callable, optional
        Called with (parts finished, parts in all, what is being done).

    Returns
    -------
    reproduction : dict
        As documented in ``docs/results.md``, schema ``matlever-reproduction/1``.
    """
    steps = _Steps(progress, 9)
    data = _simulated(seed)
    names = [name for name, _ in data.targets]
    steps.next("the paper's protocol: 10 folds of the augmented pool")
    paper = _paper_protocol(data, seed)

    network = published_network(seed)
    augmented = AugmentedRegressor(published_sampler(_N_ROWS, seed), network)
    default = SmallTableRegressor(random_state=seed)
    plan = plan_folds(_N_ROWS, blocks=input_blocks(data.X), random_state=seed)
    honest, checks = {}, []
    for position, name in enumerate(names):
        y = data.Y[:, position]
        steps.next(f"{name}: augmentation inside each training fold")
        honest[name] = cross_validate({"network": augmented, "default": default}, data.X, y, plan)
        steps.next(f"{name}: the paper's protocol on permuted targets")
        check = three_number_check(
            data.X,
            y,
            sampler=published_sampler(_N_ROWS, seed),
            network=network,
            honest_r2=honest[name].scores("network")["r2"].mean,
            random_state=seed,
        )
        checks.append({"target": name, **check.to_dict()})

    steps.next("weights against the true derivatives")
    default_models = fit_many(
        CrossConformalRegressor(default, random_state=seed),
        [(data.X, data.Y[:, position]) for position in range(len(names))],
    )
    weights = _weights(data, paper.final, default_models, seed)
    steps.next("done")

    table = comparison_table(data, paper, honest)
    found = {
        "schema": REPRODUCTION_SCHEMA,
        "title": "Nanorods: the paper's Table 1 beside ours",
        "simulated": True,
        "statement": (
            "SIMULATED DATA. The paper's 28 measured rows are not public; these 28 recipes come "
            "from a growth law that agrees with what the paper reports. Units and spreads are "
            "alike, values are not the paper's."
        ),
        "n_original": len(data.X),
        "n_augmented": len(paper.X_pool),
        "table": table,
        "three_numbers": checks,
        "scatter": scatter(data, paper, honest, default_models),
        "weights": weights,
        "sentences": reproduction_sentences(data, paper, honest, checks, weights, default_models),
        "settings": {
            "seed": seed,
            "folds": _N_FOLDS,
            "training steps": N_STEPS,
            "honest protocol": plan.describe(),
        },
    }
    folder = Path(out)
    frame = pd.DataFrame(table)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "reproduction.json", found)
    write_text(folder / "table.csv", frame.to_csv(index=False))
    return found


class _Steps:
    """Counts parts of the work for a progress display."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, -1

    def next(self, what: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total, what)


def _simulated(seed: int) -> Recipes:
    frame = simulate_nanorods(_N_ROWS, n_validation=_N_VALIDATION, random_state=seed)
    values = frame.iloc[:, :6].to_numpy(dtype=float)
    inputs = (("core absorption edge", "nm"), ("core amount", "nmol"), ("S amount", "mg"))
    targets = (("length", "nm"), ("width", "nm"), ("aspect ratio", None))
    known, new = values[:_N_ROWS], values[_N_ROWS:]
    return Recipes(known[:, :3], known[:, 3:], new[:, :3], new[:, 3:], inputs, targets)


def _paper_protocol(data: Recipes, seed: int) -> PaperProtocol:
    """Augment all rows, then cross-validate on the pool: synthetic rows leak into every fold."""
    X, Y = published_sampler(_N_ROWS, seed).fit_resample(data.X, data.Y)
    folds = list(KFold(_N_FOLDS, shuffle=True, random_state=seed).split(X))
    tasks = [(X[train], Y[train]) for train, _ in folds] + [(X, Y)]
    *models, final = fit_many(published_network(seed), tasks)
    predicted = np.empty_like(Y)
    for model, (_, test) in zip(models, folds, strict=True):
        predicted[test] = model.predict(X[test])
    return PaperProtocol(X, Y, predicted, folds, final)


def _weights(data: Recipes, network: Any, defaults: list[Any], seed: int) -> list[dict[str, Any]]:
    """Return LIME's slopes of the paper's network at each row beside the law's derivatives."""
    names = [name for name, _ in data.inputs]
    frame = pd.DataFrame(data.X, columns=names)
    knobs = [
        Knob(name, unit=unit, lower=float(frame[name].min()), upper=float(frame[name].max()))
        for name, unit in data.inputs
    ]
    editor = TableEditor(KnobSpace(knobs))
    true = NanorodLaw().gradient(data.X) * data.X.std(axis=0)  # (row, target, input)

    class Network:
        """The network on a table's columns."""

        def predict(self, X: pd.DataFrame) -> Any:
            return network.predict(X.to_numpy(dtype=float))

    by_network = explain(Network(), editor, frame, reference=frame, random_state=seed)
    slopes = np.asarray(by_network.slope_standardised)  # (row, input, target)
    found = []
    for j, (name, unit) in enumerate(data.targets):

        class Default:
            """The default predictor of one target on a table's columns."""

            def predict(self, X: pd.DataFrame, model: Any = defaults[j]) -> Any:
                return model.predict(X.to_numpy(dtype=float))

        by_default = explain(Default(), editor, frame, reference=frame, random_state=seed)
        found.append(
            {
                "target": name,
                "unit": unit,
                "knobs": names,
                "units": [unit for _, unit in data.inputs],
                "rows": list(range(1, len(data.X) + 1)),
                "lime": slopes[:, :, j].tolist(),
                "true": true[:, j].tolist(),
                "correlation": _correlation(slopes[:, :, j], true[:, j]),
                "correlation_default": _correlation(
                    np.asarray(by_default.slope_standardised), true[:, j]
                ),
            }
        )
    return found


def _correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    return float(np.corrcoef(np.ravel(one), np.ravel(two))[0, 1])

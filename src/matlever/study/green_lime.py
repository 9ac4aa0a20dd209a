r"""Table 1 of the Green LIME paper beside ours: LIME and designed LIME on a curve.

Everything the example needs is public: the process :math:`y = x \sin x + 10`, the shuffle that
picks 20 training points, the primary model (a ridge regression on powers to the fifth) and the
kernel widths, printed in the table. The eleven units lie at :math:`x = 0, 1, \dots, 10`; each is
explained 100 times with 11 calls.

References
----------
A. Stadler, W. G. Müller, R. Harman, "Green LIME: Improving AI Explainability through Design of
Experiments" (2025), sections 5 and 6, Table 1. The example is that of G. Visani et al., "OptiLIME"
(2020), in the notebook "Toy Dataset" of its authors' repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from matlever.exceptions import SettingsError
from matlever.explanation import Explanations, explain
from matlever.knobs import Knob, KnobSpace, TableEditor
from matlever.storage import write_json, write_text
from matlever.study.green_lime_parts import (
    PAPER_TABLE,
    Method,
    comparison_table,
    green_lime_sentences,
)

__all__ = ["CurveExample", "curve_example", "reproduce_green_lime"]

GREEN_LIME_SCHEMA = "matlever-green-lime/1"
Progress = Callable[[int, int, str], None]
Array = NDArray[np.float64]

_N_CALLS = 11
_JITTER = 0.01
_UNITS = np.arange(11.0)
_SHOWN_RUNS = 30  # lines per unit in the results; the table is of all runs
# The paper samples without limits; a design at the ends of the interval needs the room.
_LIMITS = (-100.0, 110.0)


@dataclass(frozen=True)
class CurveExample:
    """The curve, what the primary model learnt of it, and where explanations are judged.

    Attributes
    ----------
    x, y : ndarray of shape (20,)
        Training data.
    model : Pipeline
        Fitted; takes rows of shape (n, 1).
    grid : ndarray of shape (1001,)
        Where NWISE and CORR are summed.
    """

    x: Array
    y: Array
    model: Any
    grid: Array


def curve_example() -> CurveExample:
    """Return the paper's illustrative example.

    Examples
    --------
    >>> example = curve_example()
    >>> example.x[:2].round(4), float(example.x.mean().round(4))
    (array([0.202 , 0.7071]), 4.7222)
    """
    points = np.linspace(0.0, 10.0, 100)
    # The stream that the notebook gets from numpy's old global generator.
    np.random.RandomState(0).shuffle(points)
    x = np.sort(points[:20])
    y = _process(x)
    model = make_pipeline(PolynomialFeatures(5), Ridge(alpha=1.0)).fit(x[:, None], y)
    return CurveExample(x, y, model, np.linspace(0.0, 10.0, 1001))


def reproduce_green_lime(
    out: str | os.PathLike[str],
    *,
    runs: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Repeat the paper's illustrative example with `matlever.explain`.

    Parameters
    ----------
    out : path
        Folder for ``reproduction.json`` and the table as CSV.
    runs : int, default=100
        Explanations of each unit by each method, 2 or more.
    seed : int, default=0
        Seed of the draws and of the jitter.
    progress : callable, optional
        Called with (runs finished, runs in all, what is being done).

    Returns
    -------
    reproduction : dict
        Schema ``matlever-green-lime/1``: ``table`` with one entry per unit (the paper's figures
        and ours), ``curve``, ``training``, ``units`` with local lines of both methods, and
        ``sentences``.

    Raises
    ------
    SettingsError
        If `runs` is less than 2.
    """
    if runs < 2:
        raise SettingsError(f"runs={runs} must be 2 or more: the table shows means over runs.")
    example = curve_example()
    editor = TableEditor(KnobSpace([Knob("x", lower=_LIMITS[0], upper=_LIMITS[1])]))
    widths = np.array([row.kernel_width for row in PAPER_TABLE])
    by_design, by_lime = [], []
    for run in range(runs):
        if progress is not None:
            progress(run, runs, "explanations of the 11 units")
        by_design.append(_designed(example, editor, widths, seed + run))
        by_lime.append(_drawn(example, editor, widths, seed + run))
    if progress is not None:
        progress(runs, runs, "done")

    f = np.asarray(example.model.predict(example.grid[:, None]), dtype=float)
    sd = float(example.x.std())
    kernel = np.exp(-(((example.grid - _UNITS[:, None]) / sd) ** 2) / (2.0 * widths[:, None] ** 2))
    ode, lime = (
        Method.of(_UNITS, example.grid, f, kernel, found) for found in (by_design, by_lime)
    )
    table = comparison_table(_UNITS, example.grid, f, kernel, ode, lime)
    found = {
        "schema": GREEN_LIME_SCHEMA,
        "title": "Green LIME: Table 1 of the paper beside ours",
        "statement": (
            f"The paper's one-dimensional example, {runs} runs of {_N_CALLS} calls per unit: "
            "designed experiments (ODE) and LIME's Gaussian draws, both through matlever.explain."
        ),
        "table": table,
        "curve": {
            "x": example.grid[::5].tolist(),
            "process": _process(example.grid[::5]).tolist(),
            "model": f[::5].tolist(),
        },
        "training": {"x": example.x.tolist(), "y": example.y.tolist()},
        "units": [
            {
                "unit": i,
                "x": float(_UNITS[i]),
                "kernel_width_x": float(widths[i] * sd),
                "prediction": float(by_design[0].prediction[i]),
                "ode": _lines(by_design, i),
                "lime": _lines(by_lime, i),
            }
            for i in range(len(_UNITS))
        ],
        "sentences": green_lime_sentences(table, f, runs),
        "settings": {
            "runs": runs,
            "seed": seed,
            "calls": _N_CALLS,
            "jitter": _JITTER,
            "radius": by_design[0].radius,
            "secondary model": "weighted least squares, no penalty",
        },
    }
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "reproduction.json", found)
    write_text(folder / "table.csv", pd.DataFrame(table).to_csv(index=False))
    return found


def _process(x: Array) -> Array:
    """Return the process behind the data, which has no noise."""
    y: Array = x * np.sin(x) + 10.0
    return y


def _designed(example: CurveExample, editor: TableEditor, widths: Array, seed: int) -> Explanations:
    """Explain all units by the D-optimal design, jittered as published."""
    return explain(
        example.model,
        editor,
        _UNITS[:, None],
        reference=example.x[:, None],
        design="factorial",
        n_calls=_N_CALLS,
        estimand="kernel",
        kernel_width=widths,
        radius="d-optimal",
        jitter=_JITTER,
        random_state=seed,
    )


def _drawn(example: CurveExample, editor: TableEditor, widths: Array, seed: int) -> Explanations:
    """Explain all units by LIME's draws around each."""
    return explain(
        example.model,
        editor,
        _UNITS[:, None],
        reference=example.x[:, None],
        design="gaussian",
        n_calls=_N_CALLS,
        kernel_width=widths,
        random_state=seed,
    )


def _lines(found: list[Explanations], unit: int) -> dict[str, list[float]]:
    """Return slope and value at the unit of the first runs."""
    some = found[:_SHOWN_RUNS]
    return {
        "slope": [float(one.slope[unit, 0]) for one in some],
        "value": [float(one.local_prediction[unit]) for one in some],
    }

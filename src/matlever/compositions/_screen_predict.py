"""Predictions for many candidates, in batches that stay in the processor's caches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._screen_candidates import Candidates
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import DataError

__all__ = ["predict_candidates", "single_thread"]

Array = NDArray[np.float64]


def predict_candidates(predictor: Any, candidates: Candidates, batch_rows: int) -> Array:
    """Predictions of shape (n,).

    Parameters
    ----------
    predictor : Predictor
        ``predict_sparse(columns, fractions)``, both of shape (m, k), is asked where it exists;
        otherwise ``predict(fractions)`` with (m, 103) fractions: float32 where an attribute
        ``accepts_float32`` is True, else float64. One that was fitted to another number of columns
        is given `Compositions`, to choose its own.
    candidates : Candidates
    batch_rows : int
        Rows of one call.

    Raises
    ------
    DataError
        If it does not return one finite number for each.
    """
    found = np.empty(len(candidates))
    sparse = getattr(predictor, "predict_sparse", None)
    dtype = np.float32 if getattr(predictor, "accepts_float32", False) else np.float64
    whole = getattr(predictor, "n_features_in_", len(ELEMENTS)) == len(ELEMENTS)
    for start in range(0, len(candidates), batch_rows):
        some = candidates[slice(start, start + batch_rows)]
        if sparse is not None:
            answer = sparse(some.columns, some.shares)
        else:
            answer = predictor.predict(some.dense(dtype) if whole else some.compositions)
        found[start : start + len(some)] = _one_for_each(answer, some)
    return found


def _one_for_each(answer: Any, candidates: Candidates) -> Array:
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu().numpy()
    values = np.asarray(answer, dtype=np.float64)
    if values.shape == (len(candidates), 1):
        values = values[:, 0]
    if values.shape != (len(candidates),):
        raise DataError(
            f"A screening needs one number for each composition; the predictor returned shape "
            f"{values.shape} for {len(candidates)}. Give a predictor of one target."
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        formula = candidates[bad[:1]].formulas[0]
        raise DataError(
            f"The predictor returned {values[bad[0]]} for {formula} and {len(bad) - 1} others of "
            f"{len(candidates)}."
        )
    return values


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute in the calling thread alone.

    A sum that threads share depends in its last bits on how many there are; a screening must not.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # of scikit-learn

    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1))
        if "torch" in sys.modules:
            from matlever.training.threads import one_torch_thread

            stack.enter_context(one_torch_thread())
        yield

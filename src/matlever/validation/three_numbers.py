"""The three-number check: a published protocol, an honest one, the first on shuffled targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from matlever.exceptions import SettingsError
from matlever.validation.fits import Progress, Task, fit_many
from matlever.validation.metrics import r2

__all__ = ["ThreeNumbers", "three_number_check"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ThreeNumbers:
    """What a leaking protocol claims, what is true, and what it claims of shuffled targets.

    Parameters
    ----------
    paper_r2 : float
        R2 on the original rows, each predicted by the network of the fold that held *it* out, while
        synthetic rows made from it were in training.
    paper_r2_whole : float
        R2 on all rows, original and synthetic; mean over folds.
    honest_r2 : float or None
        R2 of a leakage-free cross-validation, given by the caller.
    permuted_r2, permuted_r2_whole : float
        As the first two, after the targets were shuffled among the rows: nothing can be learned.
    n_augmented : int
        Number of rows the published protocol was run on.
    sentence : str
        What the numbers mean together.
    """

    paper_r2: float
    paper_r2_whole: float
    honest_r2: float | None
    permuted_r2: float
    permuted_r2_whole: float
    n_augmented: int
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what is not a number becomes None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def three_number_check(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sampler: Any,
    network: Any,
    honest_r2: float | None,
    n_folds: int = 10,
    random_state: int | np.random.RandomState | None = 0,
    max_rows: int = 10_000,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> ThreeNumbers:
    """Run the published protocol of augmented studies twice, the second time on shuffled targets.

    The published protocol augments *all* rows, mixes original and synthetic rows, and
    cross-validates the mixture: synthetic rows made from a held-out row are in training. A score
    it also reaches on shuffled targets is no evidence of anything.

    Parameters
    ----------
    X : array_like of shape (n_rows, n_inputs)
        Numeric inputs.
    y : array_like of shape (n_rows,)
        One target.
    sampler : sampler
        Its ``fit_resample(X, y)`` returns the original rows first, then the synthetic ones.
    network : estimator
        Fitted to all folds of both runs through :func:`fit_many`.
    honest_r2 : float or None
        R2 of a leakage-free cross-validation, to stand beside.
    n_folds : int, default=10
        Folds of the mixture.
    random_state : int, RandomState or None, default=0
        Seed of the shuffling, the folds, and of a sampler or network that has none of its own.
    max_rows : int, default=10_000
        If the mixture is larger, synthetic rows are drawn at random down to this number.
    n_jobs, progress
        As in :func:`fit_many`.

    Returns
    -------
    numbers : ThreeNumbers
    """
    X = np.asarray(X, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n_rows = len(X)
    if y.shape != (n_rows,):
        raise SettingsError(f"{n_rows} rows of X and targets of shape {y.shape} do not fit.")
    random = check_random_state(random_state)
    seed = int(random.randint(2**31 - 1))
    shuffled = y[random.permutation(n_rows)]
    pools = [_pool(sampler, X, targets, seed, max_rows) for targets in (y, shuffled)]
    tasks: list[Task] = []
    folds = []
    for pool in pools:
        fold = np.random.RandomState(seed).permutation(len(pool.y)) % n_folds
        folds.append(fold)
        tasks += [(pool.X[fold != k], pool.y[fold != k]) for k in range(n_folds)]
    models = fit_many(_seeded(network, seed), tasks, n_jobs=n_jobs, progress=progress)
    paper, paper_whole = _scores(models[:n_folds], pools[0], folds[0])
    null, null_whole = _scores(models[n_folds:], pools[1], folds[1])
    return ThreeNumbers(
        paper_r2=paper,
        paper_r2_whole=paper_whole,
        honest_r2=honest_r2,
        permuted_r2=null,
        permuted_r2_whole=null_whole,
        n_augmented=len(pools[0].y),
        sentence=_sentence(paper, honest_r2, null),
    )


class _Pool(NamedTuple):
    """Original rows, then synthetic ones."""

    X: FloatArray
    y: FloatArray
    n_original: int


def _seeded(estimator: Any, seed: int) -> Any:
    """Return a clone that has a seed of its own."""
    copy = clone(estimator)
    if copy.get_params().get("random_state", 0) is None:
        copy.set_params(random_state=seed)
    return copy


def _pool(sampler: Any, X: FloatArray, y: FloatArray, seed: int, max_rows: int) -> _Pool:
    """Return at most `max_rows` rows; exact duplicates, which a sampler may drop, count once."""
    _, distinct = np.unique(np.column_stack([X, y]), axis=0, return_index=True)
    distinct = np.sort(distinct)
    X, y = X[distinct], y[distinct]
    pool_X, pool_y = _seeded(sampler, seed).fit_resample(X, y)
    pool_X, pool_y = np.asarray(pool_X, dtype=float), np.asarray(pool_y, dtype=float)
    if not np.array_equal(pool_X[: len(X)], X):
        raise SettingsError(f"{type(sampler).__name__} does not return the original rows first.")
    surplus = len(pool_X) - max(max_rows, len(X))
    if surplus > 0:
        synthetic = np.arange(len(X), len(pool_X))
        drawn = np.random.RandomState(seed).permutation(synthetic)[surplus:]
        keep = np.concatenate([np.arange(len(X)), np.sort(drawn)])
        pool_X, pool_y = pool_X[keep], pool_y[keep]
    return _Pool(pool_X, pool_y, len(X))


def _scores(models: Sequence[Any], pool: _Pool, fold: NDArray[Any]) -> tuple[float, float]:
    """Return R2 on the original rows (folds pooled) and on all rows (mean over folds)."""
    predicted = np.empty_like(pool.y)
    for k, model in enumerate(models):
        held_out = fold == k
        predicted[held_out] = np.asarray(model.predict(pool.X[held_out])).reshape(-1)
    of_folds = [r2(pool.y[fold == k], predicted[fold == k]) for k in range(len(models))]
    originals = slice(pool.n_original)
    return r2(pool.y[originals], predicted[originals]), float(np.mean(of_folds))


def _sentence(paper: float, honest: float | None, permuted: float) -> str:
    """Say what the three numbers mean together."""
    told = (
        "Augmenting all rows and cross-validating the mixture, as published studies do, gives "
        f"R² {_figure(paper)} on the original rows"
    )
    shuffled = f"with the targets shuffled, so with nothing to learn, it gives {_figure(permuted)}"
    if honest is None or not math.isfinite(honest):
        truth = "There is no leakage-free score to compare with."
    else:
        truth = (
            f"For rows never seen in any form the same network scores R² {_figure(honest)}: that "
            "is the one to quote."
        )
    if permuted > 0.3:
        return f"{told}; {shuffled}. Such a score is no evidence of skill. {truth}"
    if honest is not None and paper - honest > 0.1:
        return f"{told}; {shuffled}. The score is flattered by leaked rows. {truth}"
    return f"{told}; {shuffled}. Here the protocol flatters little. {truth}"


def _figure(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")

"""Most probable hyper-parameters of many Gaussian processes at once.

The covariance is ``s^2 M(r) + 1 + w x.x' + noise`` on standardised inputs and targets, where M is
the Matern-5/2 correlation with one length scale per input. Gradients are written by hand: with
``G = (K^-1 - alpha alpha') / 2`` the derivative by a length scale needs only the matrix-vector
products of ``G * dk/dr^2`` with the inputs, so no array of shape (n, n, d) is ever built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matlever.tables._batched_bfgs import Evaluate, minimize_batch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NOISE_FLOOR", "Prior", "fit_map"]

NOISE_FLOOR = 1e-6  # keeps K well conditioned: 0.1 % of the target's standard deviation
_CHUNK_ELEMENTS = 500_000  # elements of one (problems, n, n) array: 4 MB, stays near the cache


class Prior:
    """Independent normal priors of the logarithms of the hyper-parameters.

    The order is: d length scales, signal variance, noise variance, and, with a linear kernel, its
    weight. The length scales follow the dimension-scaled prior of Hvarfner et al. [1]_.

    Parameters
    ----------
    n_features : int
    linear : bool

    References
    ----------
    .. [1] C. Hvarfner, E. O. Hellsten, L. Nardi, ICML 2024, arXiv:2402.02229.
    """

    def __init__(self, n_features: int, linear: bool) -> None:
        d = n_features
        tail_mean, tail_sd = [0.0, -4.0], [1.0, 1.5]
        if linear:
            tail_mean, tail_sd = [*tail_mean, -1.0], [*tail_sd, 1.5]
        self.mean = np.array([math.sqrt(2) + math.log(d) / 2] * d + tail_mean)
        self.sd = np.array([math.sqrt(3)] * d + tail_sd)

    def starts(self, n_starts: int, rng: np.random.RandomState) -> NDArray[np.float64]:
        """Return the prior's mode and draws from it, shape (n_starts, p)."""
        draws = rng.standard_normal((n_starts - 1, len(self.mean)))
        return np.vstack([self.mean, self.mean + self.sd * draws])


class LogPosterior:
    """Negative logarithm of the posterior density of the hyper-parameters, for padded problems.

    Parameters
    ----------
    X : Tensor of shape (b, n, d)
        Standardised inputs, zero in padded rows.
    y : Tensor of shape (b, n)
        Standardised targets, zero in padded rows.
    present : Tensor of shape (b, n)
        1 for a row, 0 for padding.
    prior : Prior
    linear : bool
    """

    def __init__(self, X: Tensor, y: Tensor, present: Tensor, prior: Prior, linear: bool) -> None:
        import torch

        self.X, self.y, self.present, self.linear = X, y, present, linear
        self.mean = torch.as_tensor(prior.mean, dtype=X.dtype, device=X.device)
        self.precision = torch.as_tensor(prior.sd**-2, dtype=X.dtype, device=X.device)

    def select(self, which: Tensor) -> Evaluate:
        """Return the function of the problems `which`."""
        import torch

        X, y, present = self.X[which], self.y[which], self.present[which]
        d = X.shape[2]
        full = bool((present == 1).all())
        both = present[:, :, None] * present[:, None, :]
        n_rows = present.sum(1)
        dot = X @ X.mT if self.linear else None
        eye = torch.eye(X.shape[1], dtype=X.dtype, device=X.device)

        def evaluate(theta: Tensor) -> tuple[Tensor, Tensor]:
            hyper = theta.exp()
            signal, noise = hyper[:, d], NOISE_FLOOR + hyper[:, d + 1]
            scaled = X / hyper[:, None, :d]
            square = (scaled * scaled).sum(2)
            r2 = torch.baddbmm(square[:, :, None] + square[:, None, :], scaled, scaled.mT, alpha=-2)
            r2.clamp_(min=0).diagonal(dim1=1, dim2=2).zero_()
            a = (5 * r2).sqrt_()
            decay = (-a).exp_()
            slope = a.add_(1).mul_(decay)  # -6/5 dM/dr2
            matern = r2.mul_(5 / 3).mul_(decay).add_(slope)
            K = matern * signal[:, None, None] + 1
            if dot is not None:
                K.addcmul_(dot, hyper[:, d + 2, None, None])
            if not full:
                K.mul_(both)
            K.diagonal(dim1=1, dim2=2).add_(noise[:, None] * present + (1 - present))
            factor, info = torch.linalg.cholesky_ex(K)
            failed = (info != 0) | ~torch.isfinite(factor.diagonal(dim1=1, dim2=2)).all(1)
            if bool(failed.any()):
                factor[failed] = eye
            alpha = torch.cholesky_solve(y[:, :, None], factor)
            log_det = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1)
            away = theta - self.mean
            value = 0.5 * (
                (y * alpha.squeeze(2)).sum(1)
                + log_det
                + n_rows * math.log(2 * math.pi)
                + (away * away * self.precision).sum(1)
            )
            value = torch.where(failed, torch.inf, value)

            G = torch.cholesky_inverse(factor)
            G.baddbmm_(alpha, alpha.mT, alpha=-1).mul_(0.5)
            if not full:
                G.diagonal(dim1=1, dim2=2).mul_(present)
            gradient = away * self.precision
            gradient[:, d] += signal * (G * matern).sum((1, 2))
            gradient[:, d + 1] += hyper[:, d + 1] * G.diagonal(dim1=1, dim2=2).sum(1)
            if dot is not None:
                gradient[:, d + 2] += hyper[:, d + 2] * (G * dot).sum((1, 2))
            W = slope.mul_(G)  # (b, n, n)
            own = W.sum(2)[:, :, None] * scaled - W @ scaled
            gradient[:, :d] += (10 / 3) * signal[:, None] * (scaled * own).sum(1)
            return value, gradient

        return evaluate


def fit_map(
    problems: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    *,
    linear: bool,
    trial_rounds: int,
    max_iter: int,
    tolerance: float,
    device: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the most probable hyper-parameters of each problem.

    Parameters
    ----------
    problems : sequence of (X (n, d), y (n,), starts (s, p))
        Standardised data, all with the same d, and the points to start from (logarithms).
    linear : bool
        Whether the covariance has the linear part.
    trial_rounds, max_iter : int
        Evaluations before all starts but the best are given up, and in all.
    tolerance : float
        Change of the log posterior that no longer matters.
    device : str
        Where torch computes.

    Returns
    -------
    theta : ndarray of shape (n_problems, p)
    log_posterior : ndarray of shape (n_problems,)
    n_rounds : ndarray of shape (n_problems,), int
        Evaluations made from the start that won.
    """
    import torch

    from matlever.training import one_torch_thread

    d = problems[0][0].shape[1]
    prior = Prior(d, linear)
    theta = np.empty((len(problems), len(prior.mean)))
    value = np.empty(len(problems))
    n_rounds = np.empty(len(problems), dtype=np.int64)
    order = sorted(range(len(problems)), key=lambda i: len(problems[i][0]))
    place = 0
    while place < len(order):
        # Neighbours in size share a chunk, so little is padded.
        chunk = [order[place]]
        while place + len(chunk) < len(order):
            candidate = order[place + len(chunk)]
            n = len(problems[candidate][0])
            much_longer = n > 1.2 * len(problems[chunk[0]][0]) + 4
            n_starts = sum(len(problems[i][2]) for i in [*chunk, candidate])
            if n_starts * max(n, len(prior.mean)) ** 2 > _CHUNK_ELEMENTS or much_longer:
                break
            chunk.append(candidate)
        place += len(chunk)
        n = len(problems[chunk[-1]][0])
        n_starts = sum(len(problems[i][2]) for i in chunk)
        X, y, present = np.zeros((n_starts, n, d)), np.zeros((n_starts, n)), np.zeros((n_starts, n))
        group = np.repeat(np.arange(len(chunk)), [len(problems[i][2]) for i in chunk])
        for row, position in enumerate(group):
            x_one, y_one, _ = problems[chunk[position]]
            X[row, : len(x_one)], y[row, : len(x_one)], present[row, : len(x_one)] = x_one, y_one, 1
        start = np.vstack([problems[i][2] for i in chunk])
        tensors = [torch.as_tensor(a, device=device) for a in (X, y, present, start, group)]
        # Matrices this small gain nothing from torch's threads and lose much on a busy machine.
        with one_torch_thread():
            best, lowest, rounds = minimize_batch(
                LogPosterior(tensors[0], tensors[1], tensors[2], prior, linear),
                tensors[3],
                group=tensors[4],
                trial_rounds=trial_rounds,
                max_rounds=max_iter,
                tolerance=tolerance,
            )
        theta[chunk], value[chunk] = best.cpu().numpy(), lowest.cpu().numpy()
        n_rounds[chunk] = rounds.cpu().numpy()
    return theta, -value, n_rounds

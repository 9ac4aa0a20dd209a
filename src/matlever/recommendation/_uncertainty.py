"""What a run would teach: the spread it removes, at its own setting or everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from matlever.recommendation._botorch import quiet

with quiet():
    from botorch.acquisition.acquisition import AcquisitionFunction

__all__ = ["LocalUncertainty", "OverallUncertainty", "SpreadOut"]

Normals = Callable[[torch.Tensor], list[Any]]


class LocalUncertainty(AcquisitionFunction):
    r"""Logarithm of the standard deviation at a setting, given the runs that are under way.

    :math:`\sum_t \frac{1}{2} \ln (\Sigma_{xx} - \Sigma_{xP} (\Sigma_{PP} + \sigma^2 I)^{-1}
    \Sigma_{Px})` over the targets t on their models' scales, P the pending runs: picking one
    setting after the other maximises the determinant of their joint covariance greedily, the
    entropy of what they will show [1]_. No outcome of a pending run is needed.

    Parameters
    ----------
    surrogate : Surrogate
        Of which ``model``, ``normals`` and ``noise`` are used.
    pending : Tensor of shape (m, p)
        Runs under way, and those chosen already.

    References
    ----------
    .. [1] A. Krause, A. Singh, C. Guestrin, J. Mach. Learn. Res. 9 (2008) 235-284, Sec. 3.1.
    """

    def __init__(self, surrogate: Any, pending: torch.Tensor) -> None:
        super().__init__(model=surrogate.model)
        self._normals: Normals = surrogate.normals
        self._noise = surrogate.noise
        self.pending = pending

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the value of settings (b, 1, p), of shape (b,)."""
        total = X.new_zeros(X.shape[:-2])
        for covariance in _covariances(self._normals, self._noise, X, self.pending, None):
            total = total + 0.5 * covariance[..., 0, 0].clamp_min(1e-12).log()
        return total


class OverallUncertainty(AcquisitionFunction):
    r"""Logarithm of the variance that a run would take away, on average over all settings.

    :math:`\ln \sum_t \frac{1}{R} \sum_r \Sigma_{rx}^2 / (\Sigma_{xx} + \sigma^2)` with the
    covariance given the pending runs, over R reference settings: the fall of the integrated
    posterior variance (active learning after Cohn [1]_), which does not run into corners as the
    largest single variance does.

    Parameters
    ----------
    surrogate, pending
        As for `LocalUncertainty`.
    reference : Tensor of shape (R, p)
        Settings the average is over.

    References
    ----------
    .. [1] D. A. Cohn, Z. Ghahramani, M. I. Jordan, J. Artif. Intell. Res. 4 (1996) 129-145.
    """

    def __init__(self, surrogate: Any, pending: torch.Tensor, reference: torch.Tensor) -> None:
        super().__init__(model=surrogate.model)
        self._normals: Normals = surrogate.normals
        self._noise = surrogate.noise
        self._pending, self._reference = pending, reference

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the value of settings (b, 1, p), of shape (b,)."""
        total = X.new_zeros(X.shape[:-2])
        parts = _covariances(self._normals, self._noise, X, self._pending, self._reference)
        for covariance, noise in zip(parts, self._noise, strict=True):
            own = covariance[..., 0, 0].clamp_min(1e-12) + noise
            total = total + covariance[..., 0, 1:].square().mean(dim=-1) / own
        return total.clamp_min(1e-24).log()


class SpreadOut(AcquisitionFunction):
    """An acquisition function times the share of uncertainty that pending runs leave.

    On the logarithmic scale: what it is worth, plus `LocalUncertainty` given the pending runs less
    the same without them. Next to a pending run the share is near zero, far from all it is one.

    Parameters
    ----------
    worth : acquisition function
        On a logarithmic scale, which knows nothing of pending runs.
    surrogate, pending
        As for `LocalUncertainty`.
    """

    def __init__(self, worth: Any, surrogate: Any, pending: torch.Tensor) -> None:
        super().__init__(model=surrogate.model)
        self.worth = worth
        self._left = LocalUncertainty(surrogate, pending)
        self._before = LocalUncertainty(surrogate, pending[:0])

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the value of settings (b, 1, p), of shape (b,)."""
        value: torch.Tensor = self.worth(X)
        if len(self._left.pending):
            value = value + self._left(X) - self._before(X)
        return value


def _covariances(
    normals: Normals,
    noise: Any,
    X: torch.Tensor,
    pending: torch.Tensor,
    reference: torch.Tensor | None,
) -> list[torch.Tensor]:
    """Covariance of a setting and the reference for each target, once the pending are measured."""
    m = len(pending)
    others = pending if reference is None else torch.cat([pending, reference])
    joint = torch.cat([X, others.expand(*X.shape[:-2], *others.shape)], dim=-2)
    found = []
    for normal, variance in zip(normals(joint), noise, strict=True):
        covariance = normal.covariance_matrix
        kept = [0, *range(1 + m, joint.shape[-2])]
        across = covariance[..., kept, 1 : 1 + m]
        measured = covariance[..., 1 : 1 + m, 1 : 1 + m] + (variance + 1e-8) * torch.eye(
            m, dtype=X.dtype
        )
        left = covariance[..., kept, :][..., kept]
        if m:
            left = left - across @ torch.linalg.solve(measured, across.transpose(-1, -2))
        found.append(left)
    return found

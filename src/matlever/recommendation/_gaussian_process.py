"""One Gaussian process per target, on points in the unit cube and standardised outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.recommendation._botorch import quiet

with quiet():
    from botorch.fit import fit_gpytorch_mll
    from botorch.models.gp_regression import SingleTaskGP
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import MaternKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior

__all__ = ["OutcomeScale", "ScaleKind", "choose_scale", "fit_gp", "left_out_r2"]

Array = NDArray[np.float64]
ScaleKind = Literal["auto", "linear", "log"]

_LEAST_LENGTH, _LEAST_NOISE = 2.5e-2, 1e-4
# Lognormal prior of a length: its median for one coordinate, and the spread of its logarithm.
_LENGTH, _LENGTH_SPREAD = 0.4, 0.5


@dataclass(frozen=True)
class OutcomeScale:
    """From a target's unit to what the Gaussian process sees: z = (g(y) - centre) / width.

    Parameters
    ----------
    centre, width : float
        Mean and standard deviation (ddof 1) of the known g(y).
    log : bool
        Whether g is the natural logarithm; else it changes nothing.
    """

    centre: float
    width: float
    log: bool

    def to_model(self, y: Any) -> Array:
        """Return outcomes on the model's scale; minus infinity for ln of what is not above 0."""
        v = np.asarray(y, dtype=float)
        if self.log:
            v = np.log(v, out=np.full_like(v, -np.inf), where=~(v <= 0))
        z: Array = (v - self.centre) / self.width
        return z


def choose_scale(y: Array, kind: ScaleKind) -> OutcomeScale:
    """Return the scale of measured outcomes (n,).

    "auto" takes logarithms when all outcomes are above zero and a normal distribution describes
    the logarithms better: the two ends of the Box-Cox family, compared by their likelihood [1]_.

    References
    ----------
    .. [1] G. E. P. Box, D. R. Cox, J. R. Stat. Soc. B 26 (1964) 211-252, Eq. 8.
    """
    log = kind == "log" or (kind == "auto" and _log_gain(y) > 0)
    g = np.log(y) if log else y
    return OutcomeScale(float(g.mean()), float(g.std(ddof=1)), log)


def _log_gain(y: Array) -> float:
    """Gain in log-likelihood from taking logarithms, minus infinity where there are none."""
    if (y <= 0).any():
        return -math.inf
    logs = np.log(y)
    if logs.std() <= 1e-12 or y.std() <= 1e-12 * np.abs(y).max():
        return -math.inf
    return float(len(y) * (math.log(y.std()) - math.log(logs.std())) - logs.sum())


def fit_gp(points: Array, z: Array) -> Any:
    """Fit a Gaussian process by maximum a posteriori likelihood.

    Matern-5/2 kernel with one length per coordinate, constant mean, unknown noise.

    Parameters
    ----------
    points : ndarray of shape (n, p)
        Coordinates, mostly in [0, 1].
    z : ndarray of shape (n,)
        Standardised outcomes.

    Returns
    -------
    gp : botorch.models.SingleTaskGP

    Notes
    -----
    The kernel's variance is 1, as the outcomes are standardised. The prior of a length is lognormal
    and grows with the square root of p, as typical distances do [1]_, but is shorter and narrower
    than there: of two dozen combinations of prior, kernel, scale and acquisition this was among
    the best in finding top rows of the six tables in `TUNING` of ``benchmarks/recommend.py``.

    References
    ----------
    .. [1] C. Hvarfner, E. O. Hellsten, L. Nardi, ICML 2024, "Vanilla Bayesian optimization performs
       great in high dimensions".
    """
    p = points.shape[1]
    length = LogNormalPrior(math.log(_LENGTH) + 0.5 * math.log(p), _LENGTH_SPREAD)
    kernel = MaternKernel(
        nu=2.5,
        ard_num_dims=p,
        lengthscale_prior=length,
        lengthscale_constraint=GreaterThan(
            _LEAST_LENGTH, transform=None, initial_value=length.mode
        ),
    )
    noise = LogNormalPrior(-4.0, 1.0)
    likelihood = GaussianLikelihood(
        noise_prior=noise,
        noise_constraint=GreaterThan(_LEAST_NOISE, transform=None, initial_value=noise.mode),
    )
    x = torch.as_tensor(points, dtype=torch.float64)
    y = torch.as_tensor(z, dtype=torch.float64)[:, None]
    gp = SingleTaskGP(x, y, covar_module=kernel, likelihood=likelihood, outcome_transform=None)
    gp = gp.to(torch.float64)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(gp.likelihood, gp))
    return gp.eval()


def left_out_r2(gp: Any) -> float:
    r"""R2 of predicting each known row from the others, with the fitted kernel.

    :math:`\mu_i = y_i - [K^{-1} (y - m)]_i / [K^{-1}]_{ii}` (Eq. 5.12 of [1]_).

    References
    ----------
    .. [1] C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, 2006.
    """
    with torch.no_grad():
        x, y = gp.train_inputs[0], gp.train_targets
        covariance = gp.covar_module(x).to_dense() + gp.likelihood.noise * torch.eye(len(y))
        inverse = torch.linalg.inv(covariance)
        away = (inverse @ (y - gp.mean_module(x))) / inverse.diagonal()
        return float(1 - (away**2).sum() / ((y - y.mean()) ** 2).sum())

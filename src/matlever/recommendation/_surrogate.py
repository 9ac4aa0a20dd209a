"""What is believed about every setting: Gaussian processes, or a given model with their spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matlever.recommendation._botorch import quiet
from matlever.recommendation._coordinates import Coordinates
from matlever.recommendation._gaussian_process import (
    OutcomeScale,
    ScaleKind,
    choose_scale,
    fit_gp,
    left_out_r2,
)
from matlever.recommendation._known import Known
from matlever.recommendation._prediction import Prediction

with quiet():
    from botorch.models.model import Model
    from botorch.models.model_list_gp_regression import ModelListGP
    from botorch.posteriors.gpytorch import GPyTorchPosterior
    from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal

__all__ = ["GivenModel", "Surrogate", "fit_surrogate"]

Array = NDArray[np.float64]
Marginals = Callable[[Array], tuple[Array, Array]]

_LEAST_SPREAD = 1e-4  # of a given model, in standard deviations of the known outcomes


@dataclass(frozen=True)
class Surrogate:
    """Joint distributions of t targets at any points.

    Attributes
    ----------
    model : botorch model
        With t outputs.
    gps : tuple of SingleTaskGP
        One per target.
    scales : tuple of OutcomeScale
        One per target.
    r2 : ndarray of shape (t,)
        Of the Gaussian processes, each known row predicted from the others.
    """

    model: Any
    gps: tuple[Any, ...]
    scales: tuple[OutcomeScale, ...]
    r2: Array

    @property
    def is_given(self) -> bool:
        """Whether the predictions are those of a given model."""
        return isinstance(self.model, GivenModel)

    @property
    def noise(self) -> Array:
        """Variance of a repeated measurement, of shape (t,), on the models' scales."""
        return np.array([gp.likelihood.noise.item() for gp in self.gps])

    def normals(self, points: torch.Tensor) -> list[Any]:
        """Joint normal distribution of q values of each target at points (..., q, p)."""
        if isinstance(self.model, GivenModel):
            return self.model.normals(points)
        return [gp.posterior(points).distribution for gp in self.gps]

    def at(self, points: Array) -> list[Prediction]:
        """Return what is expected of each target at points (q, p), without noise of measurement."""
        return self._predictions(points, np.zeros(len(self.gps)))

    def measured_at(self, points: Array) -> list[Prediction]:
        """Return what a run at each of the points (q, p) is expected to measure."""
        return self._predictions(points, 0.0 if self.is_given else self.noise)

    def _predictions(self, points: Array, noise: Any) -> list[Prediction]:
        with torch.no_grad(), quiet():
            normals = self.normals(torch.as_tensor(points)[:, None, :])
        extra = np.broadcast_to(noise, len(normals))
        return [
            Prediction(
                normal.mean[:, 0].numpy() * scale.width + scale.centre,
                np.sqrt(normal.variance[:, 0].numpy().clip(1e-12) + more) * scale.width,
                scale.log,
            )
            for normal, scale, more in zip(normals, self.scales, extra, strict=True)
        ]


class GivenModel(Model):
    r"""A user's model as BoTorch sees it: its means and spreads, correlated as the processes are.

    At points x the values are jointly normal with the model's mean m(x) and covariance
    :math:`s(x) s(x') \rho(x, x')`: s is the model's own spread, and :math:`\rho` the correlation
    that a Gaussian process of the same runs has after it has seen them. So a run that is pending,
    or chosen already for the same batch, makes its neighbourhood less interesting.

    Parameters
    ----------
    gps : sequence of SingleTaskGP
        One per target.
    marginals : callable
        Takes points (q, p), returns means and spreads (q, t) on the models' scales; a spread that
        is not finite stands for that of the process.
    """

    def __init__(self, gps: Any, marginals: Marginals) -> None:
        super().__init__()
        self.gps: Any = torch.nn.ModuleList(gps)
        self.marginals = marginals

    @property
    def num_outputs(self) -> int:
        """Number t of targets."""
        return len(self.gps)

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of a batch of models: there is one."""
        return torch.Size()

    def normals(self, points: torch.Tensor) -> list[Any]:
        """Joint normal distribution of q values of each target at points (..., q, p)."""
        flat = points.detach().reshape(-1, points.shape[-1]).numpy()
        unique, place = np.unique(flat, axis=0, return_inverse=True)
        mean, spread = (side[place.reshape(-1)] for side in self.marginals(unique))
        shape = points.shape[:-1]
        found = []
        for j, gp in enumerate(self.gps):
            covariance = gp.posterior(points.detach()).distribution.covariance_matrix
            sd = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12).sqrt()
            own = torch.as_tensor(spread[:, j]).reshape(shape)
            own = torch.where(own.isfinite(), own, sd).clamp_min(_LEAST_SPREAD)
            ratio = own / sd
            scaled = covariance * ratio[..., :, None] * ratio[..., None, :]
            jitter = 1e-6 * own.square()  # rounding must not make a near-repeat indefinite
            found.append(
                MultivariateNormal(
                    torch.as_tensor(mean[:, j]).reshape(shape), scaled + torch.diag_embed(jitter)
                )
            )
        return found

    def posterior(self, X: Any, *args: Any, posterior_transform: Any = None, **kwargs: Any) -> Any:
        """Return the joint distribution of all targets at points (..., q, p)."""
        normals = self.normals(X)
        joint = (
            normals[0]
            if len(normals) == 1
            else MultitaskMultivariateNormal.from_independent_mvns(normals)
        )
        posterior = GPyTorchPosterior(joint)
        return posterior if posterior_transform is None else posterior_transform(posterior)


def fit_surrogate(
    known: Known,
    targets: tuple[str, ...],
    coordinates: Coordinates,
    scale: ScaleKind,
    linear: frozenset[str],
    marginals: Callable[[tuple[OutcomeScale, ...]], Marginals] | None,
) -> Surrogate:
    """Fit one Gaussian process per target to the rows where it was measured.

    Parameters
    ----------
    known : Known
        The runs.
    targets : tuple of str
        Which outcomes.
    coordinates : Coordinates
        Of the points.
    scale : {"auto", "linear", "log"}
        Of the outcomes.
    linear : frozenset of str
        Targets that are not put on a logarithmic scale by "auto".
    marginals : callable or None
        Takes the scales, returns the means and spreads of a given model as functions of points.
    """
    points = coordinates.encode(known.values)
    gps, scales = [], []
    for name in targets:
        y = known.column(name)
        there = ~np.isnan(y)
        scales.append(
            choose_scale(y[there], "linear" if scale == "auto" and name in linear else scale)
        )
        gps.append(fit_gp(points[there], scales[-1].to_model(y[there])))
    model: Any = gps[0] if len(gps) == 1 else ModelListGP(*gps)
    if marginals is not None:
        model = GivenModel(gps, marginals(tuple(scales)))
    return Surrogate(
        model, tuple(gps), tuple(scales), np.array([left_out_r2(gp) for gp in gps], dtype=float)
    )

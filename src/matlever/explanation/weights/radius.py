r"""How far from the sample to ask: the D-optimal step, and the radial rules that replace it.

All radii are steps per coordinate, u, in units of the Gaussian's standard deviation: a point of a
balanced design in m dimensions is then :math:`u\sqrt m` away from the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import roots_genlaguerre

from matlever.exceptions import SettingsError

__all__ = ["RadialRule", "d_criterion", "d_optimal_step", "kernel_rule", "log_d", "shells"]

Array = NDArray[np.float64]


def log_d(u: float, m: int, n: int) -> float:
    r"""Logarithm of the D-criterion of a balanced design with N runs and the centre.

    Eq. 4 of Stadler et al. (2025) for m = 1, and :math:`D_m` of its section 7:

    .. math:: D_m(u) = \frac{\delta + (1-\delta)\lambda^2}
        {(\delta + (1-\delta)\lambda)^2 ((1-\delta)u^2)^m}, \quad
        \lambda = e^{-m u^2/2},\ \delta = 1/(N+1)

    Parameters
    ----------
    u : float
        Step per coordinate in kernel widths.
    m : int
        Number of coordinates.
    n : int
        Number N of runs besides the centre.
    """
    delta = 1.0 / (n + 1)
    weight = np.exp(-m * u * u / 2)
    value: float = (
        np.log(delta + (1 - delta) * weight**2)
        - 2 * np.log(delta + (1 - delta) * weight)
        - m * np.log((1 - delta) * u * u)
    )
    return value


def d_criterion(points: Array, delta: float) -> float:
    r"""D-criterion :math:`\log|M^{-1} \tilde M M^{-1}|` of points and a centre.

    Parameters
    ----------
    points : ndarray of shape (N, m)
        Points other than the centre, in kernel widths; each has the weight
        :math:`(1 - \delta)/N`.
    delta : float
        Weight of the centre.
    """
    n, m = points.shape
    rows = np.concatenate([np.zeros((1, m)), points])
    h = np.concatenate([np.ones((n + 1, 1)), rows], axis=1)
    kernel = np.exp(-(rows**2).sum(axis=1) / 2)
    share = np.full(n + 1, (1 - delta) / n)
    share[0] = delta
    information = (h * (share * kernel)[:, None]).T @ h
    squared = (h * (share * kernel**2)[:, None]).T @ h
    return float(np.linalg.slogdet(squared)[1] - 2 * np.linalg.slogdet(information)[1])


def d_optimal_step(m: int, n: int) -> float | None:
    r"""First local minimum :math:`u^*` of the D-criterion, or None where there is none.

    The criterion falls to its infimum for :math:`u \to \infty`, so its global minimum is of no use;
    and for many (m, N) there is no local one either. With :math:`s = m u^2` the derivative of
    `log_d` vanishes where

    .. math:: s\,\left[\frac{(1-\delta)\lambda}{\delta + (1-\delta)\lambda} -
        \frac{(1-\delta)\lambda^2}{\delta + (1-\delta)\lambda^2}\right] = m, \quad
        \lambda = e^{-s/2},

    and the first root, where the left side rises through m, is the minimum.

    Parameters
    ----------
    m : int
        Number of coordinates.
    n : int
        Number N of runs besides the centre.

    Returns
    -------
    u : float or None
        Step per coordinate in kernel widths.
    """
    if m < 1 or n < 1:
        raise SettingsError(f"m={m} and n={n} must be 1 or more.")
    delta = 1.0 / (n + 1)

    def excess(s: float) -> float:
        first = (1 - delta) * np.exp(-s / 2)
        second = (1 - delta) * np.exp(-s)
        return float(s * (first / (delta + first) - second / (delta + second)) - m)

    # The left side rises from zero to one hump and falls to zero again.
    grid = np.linspace(1e-6, 4 * np.log(n + 1) + 40, 2000)
    place = int(np.argmax([excess(s) for s in grid]))
    around = (grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)])
    top = minimize_scalar(lambda s: -excess(s), bounds=around, method="bounded").x
    top = max((float(top), float(grid[place])), key=excess)
    if excess(top) < 0:
        return None
    return float(np.sqrt(brentq(excess, 1e-9, top, xtol=1e-14, rtol=1e-15) / m))


@dataclass(frozen=True)
class RadialRule:
    """Radii and weights of the copies of a design, and of the centre.

    Attributes
    ----------
    name : str
        What the rule is, in words.
    steps : tuple of float
        Step per coordinate of each shell, in units of the Gaussian's standard deviation.
    weights : tuple of float
        Weight of one design on each shell, relative to `centre`.
    centre : float
        Weight of the sample itself.
    """

    name: str
    steps: tuple[float, ...]
    weights: tuple[float, ...]
    centre: float


def shells(m: int, n_shells: int) -> RadialRule:
    r"""Spherical-radial rule for slopes averaged over a Gaussian neighbourhood.

    With :math:`t = r^2/2` the slope :math:`E[z f(z)]/\sigma^2` is an integral over the radius with
    the weight :math:`t^{m/2} e^{-t}`: the nodes are those of Gauss and Laguerre. One shell lies at
    :math:`r = \sigma\sqrt{m+2}`. The centre's weight makes the mean exact as well.

    Parameters
    ----------
    m : int
        Number of coordinates.
    n_shells : int
        One or two.
    """
    nodes, share = roots_genlaguerre(n_shells, m / 2)
    share = share / share.sum()
    r2 = 2 * nodes
    each = share / r2
    return RadialRule(
        "one shell" if n_shells == 1 else f"{n_shells} shells",
        tuple(np.sqrt(r2 / m).tolist()),
        tuple(each.tolist()),
        float(max(1.0 / m - each.sum(), 0.0)),
    )


def kernel_rule(name: str, step: float, m: int, n_points: int) -> RadialRule:
    """One radius, with the kernel's weights: each point exp(-m u^2 / 2), the centre one."""
    return RadialRule(name, (step,), (n_points * float(np.exp(-m * step * step / 2)),), 1.0)

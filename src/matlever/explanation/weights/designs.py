r"""Where to ask a model around a sample: the designs, and the radii at which they are placed.

A design is a set of N points around the origin in m dimensions, the origin itself not counted. All
of the named ones are *balanced*: :math:`\sum p = 0` and :math:`\sum p p^T = N I`. Balance alone
decides the D-criterion [1]_, so all have that of the :math:`2^m` design; but only the *symmetric*
ones (with each point also its mirror image) return the exact gradient of a quadratic.

References
----------
.. [1] A. Stadler, W. G. Müller, R. Harman, "Green LIME: Improving AI Explainability through Design
   of Experiments" (2025), section 4.1 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import chi2, qmc

from matlever.exceptions import SettingsError
from matlever.explanation.weights._hadamard import hadamard, orthogonal_rows

__all__ = [
    "DESIGNS",
    "Design",
    "apportion",
    "axial",
    "factorial",
    "fold_over",
    "plackett_burman",
    "random_rotations",
    "simplex",
    "sobol_pairs",
]

Array = NDArray[np.float64]

# 65,536 points; the smaller designs have the same criterion.
_LARGEST_FACTORIAL = 16


@dataclass(frozen=True, eq=False)
class Design:
    """Points around a sample, in units of the step per coordinate.

    Attributes
    ----------
    name : str
        As `matlever.explain` takes it.
    points : ndarray of shape (N, m)
        With mean square one in each coordinate; in a symmetric design the points 2i and 2i + 1 are
        mirror images.
    is_symmetric : bool
        Whether each point has its mirror image.
    """

    name: str
    points: Array
    is_symmetric: bool

    @property
    def n_points(self) -> int:
        """Number N of points, without the centre."""
        return len(self.points)

    def __repr__(self) -> str:
        n, m = self.points.shape
        return f"Design({self.name!r}, {n} points and the centre in {m} dimensions)"


def _mirrored(half: Array) -> Array:
    return np.stack([half, -half], axis=1).reshape(-1, half.shape[1])


def factorial(m: int) -> Design:
    r"""All :math:`2^m` corners of a cube.

    Raises
    ------
    SettingsError
        Beyond 16 dimensions.
    """
    if m > _LARGEST_FACTORIAL:
        raise SettingsError(
            f"A 2^m design of {m} knobs has {2.0**m:.3g} points; design='fold-over' has the same "
            f"criterion with {2 * 4 * -(-m // 4)}."
        )
    bits = (np.arange(2 ** (m - 1))[:, None] >> np.arange(m - 1)) & 1 if m > 1 else np.zeros((1, 0))
    half = np.concatenate([np.ones((len(bits), 1)), 1.0 - 2.0 * bits], axis=1)
    return Design("factorial", _mirrored(half), True)


def fold_over(m: int) -> Design:
    """Return the rows of a Hadamard matrix and their mirror images: 2 * 4 * ceil(m / 4) points.

    Where no Hadamard matrix of that order is at hand, the rows of a Hartley matrix (2m points).
    """
    order = m if m <= 2 else 4 * -(-m // 4)
    matrix = hadamard(order)
    if matrix is None:
        return Design("fold-over", _mirrored(orthogonal_rows(m)), True)
    columns = matrix[:, order - m :]  # the column of ones goes first when one can be spared
    return Design("fold-over", _mirrored(columns), True)


def axial(m: int) -> Design:
    """Both directions of each axis: 2m points, each with one knob moved."""
    return Design("axial", _mirrored(np.sqrt(m) * np.eye(m)), True)


def plackett_burman(m: int) -> Design:
    """Return rows of a Hadamard matrix without mirror images: 4 * ceil((m + 1) / 4) points."""
    order = 4 * -(-(m + 1) // 4)
    matrix = hadamard(order)
    while matrix is None:
        order += 4
        matrix = hadamard(order)
    return Design("plackett-burman", matrix[:, 1 : m + 1], False)


def simplex(m: int) -> Design:
    """Return the corners of a regular simplex: m + 1 points, the fewest that can be balanced."""
    corners = np.zeros((m + 1, m))
    for i in range(1, m + 1):  # Helmert's contrasts
        corners[:i, i - 1] = 1.0
        corners[i, i - 1] = -i
        corners[:, i - 1] /= np.sqrt(i * (i + 1))
    return Design("simplex", corners * np.sqrt(m + 1), False)


DESIGNS: dict[str, Callable[[int], Design]] = {
    "fold-over": fold_over,
    "axial": axial,
    "factorial": factorial,
    "plackett-burman": plackett_burman,
    "simplex": simplex,
}


def random_rotations(
    design: Design, n: int, can_rotate: NDArray[np.bool_], rng: np.random.Generator
) -> Array:
    """Turn a design at random, n times; the criterion does not change.

    Parameters
    ----------
    design : Design
        N points in m dimensions.
    n : int
        Number of copies.
    can_rotate : ndarray of shape (m,), bool
        Coordinates that may mix; the others (levels, whole numbers) are only exchanged and
        mirrored.
    rng : Generator
        Source of the rotations, uniform over the orthogonal group of the coordinates that mix.

    Returns
    -------
    points : ndarray of shape (n, N, m)
    """
    m = design.points.shape[1]
    order = rng.permuted(np.tile(np.arange(m), (n, 1)), axis=1)
    signs = rng.choice([-1.0, 1.0], size=(n, 1, m))
    points: Array = np.moveaxis(design.points[:, order], 1, 0) * signs
    free = np.flatnonzero(can_rotate)
    if len(free):
        q, r = np.linalg.qr(rng.standard_normal((n, len(free), len(free))))
        q = q * np.sign(np.einsum("nii->ni", r))[:, None]
        points[:, :, free] = points[:, :, free] @ q
    return points


def sobol_pairs(n_pairs: int, m: int, rng: np.random.Generator) -> tuple[Array, Array]:
    r"""Mirrored points of low discrepancy for slopes averaged over a Gaussian neighbourhood.

    The slope :math:`E[z f(z)]` weighs a point by the square of its radius. Radii are therefore
    drawn from the size-biased law, that of :math:`\chi_{m+2}`, and points weighted by
    :math:`1/r^2`: each then counts alike. Directions are those of scrambled Sobol points.

    Parameters
    ----------
    n_pairs : int
        Number of pairs.
    m : int
        Number of coordinates.
    rng : Generator
        Source of the scrambling.

    Returns
    -------
    points : ndarray of shape (2 * n_pairs, m)
        In standard deviations; the points 2i and 2i + 1 are mirror images.
    weights : ndarray of shape (2 * n_pairs,)
        Of sum one.
    """
    sampler = qmc.Sobol(m, rng=rng)
    uniform = sampler.random_base2(int(np.ceil(np.log2(max(n_pairs, 2)))))[:n_pairs]
    half = ndtri(uniform.clip(1e-12, 1 - 1e-12))
    r2 = np.maximum((half**2).sum(axis=1), 1e-12)
    biased = chi2.ppf(chi2.cdf(r2, m), m + 2)
    # Far out in the tail the distribution function rounds to one.
    biased = np.where(np.isfinite(biased), biased, r2)
    weights = np.repeat(1.0 / biased, 2)
    return _mirrored(half * np.sqrt(biased / r2)[:, None]), weights / weights.sum()


def apportion(weights: Array, n: int) -> NDArray[np.intp]:
    """Apportion runs to support points: the efficient rounding of Pukelsheim and Rieder [1]_.

    Parameters
    ----------
    weights : ndarray of shape (q,)
        Positive weights of the support points, of sum one.
    n : int
        Runs to give, at least q.

    Returns
    -------
    counts : ndarray of shape (q,), int
        Of sum n.

    References
    ----------
    .. [1] F. Pukelsheim, S. Rieder, "Efficient rounding of approximate designs", Biometrika 79
       (1992) 763-770.

    Examples
    --------
    >>> apportion(np.array([0.2, 0.3, 0.5]), 7).tolist()
    [2, 2, 3]
    """
    counts = np.ceil((n - 0.5 * len(weights)) * weights).astype(np.intp)
    while counts.sum() > n:
        counts[np.argmax((counts - 1) / weights)] -= 1
    while counts.sum() < n:
        counts[np.argmin(counts / weights)] += 1
    return counts

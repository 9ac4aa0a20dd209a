"""Where LIME looks: Gaussian draws around an instance, in units that make slopes comparable."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from matlever.exceptions import DataError
from matlever.explanation.surrogate import N_GROUPS
from matlever.knobs import KnobSpace

__all__ = ["KnobScale", "gaussian_draws"]

Array = NDArray[np.float64]


def gaussian_draws(
    n_samples: int, n_knobs: int, rng: np.random.Generator, *, mirrored: bool = True
) -> Array:
    """Draw standard-normal points that all instances share, of shape (N, k).

    Parameters
    ----------
    n_samples : int
        Number of points; rounded up to a multiple of twice the number of groups.
    n_knobs : int
        Number k of knobs.
    rng : Generator
        Source of the draws.
    mirrored : bool, default=True
        Whether the points come in pairs e, -e. The distribution of a point is the same; curvature
        then cancels out of the slopes instead of adding noise to them.
    """
    n_points = 2 * N_GROUPS * max(1, -(-n_samples // (2 * N_GROUPS)))
    if not mirrored:
        return rng.standard_normal((n_points, n_knobs))
    half = rng.standard_normal((n_points // 2, 1, n_knobs))
    return np.concatenate([half, -half], axis=1).reshape(n_points, n_knobs)


@dataclass(frozen=True)
class KnobScale:
    """Mean, spread and level frequencies of reference settings, and the directions they leave free.

    Parameters
    ----------
    space : KnobSpace
        The k knobs.
    reference : ndarray of shape (n, k)
        Settings that say how far a knob usually goes.

    Attributes
    ----------
    mean, sd : ndarray of shape (k,)
        Of the reference (ddof 0); 0 and 1 for a categorical knob.
    moves : ndarray of shape (k,), bool
        Knobs that are neither fixed nor constant.
    basis : ndarray of shape (k, p)
        From displacements in the knobs' units to the p features of the surrogate: a knob's
        displacement in standard deviations; for the parts of a mixture, the coordinates in the
        plane of constant sum.
    """

    space: KnobSpace
    reference: Array
    mean: Array = field(init=False)
    sd: Array = field(init=False)
    moves: NDArray[np.bool_] = field(init=False)
    basis: Array = field(init=False)

    def __post_init__(self) -> None:
        space, known = self.space, self.reference
        if not len(known):
            raise DataError("The reference holds no sample; standard deviations need some.")
        is_word = space.is_categorical
        varies = known.std(axis=0) > 1e-12 * np.maximum(1e-12, np.abs(known).max(axis=0))
        moves = varies & (space.upper > space.lower) & ~space.is_fixed
        mean = np.where(is_word, 0.0, known.mean(axis=0))
        sd = np.where(is_word, 1.0, known.std(axis=0))
        for mixture in space.mixtures:
            parts = space.positions(mixture.names)
            if moves[parts].sum() == 1:  # nothing could make room for it
                moves[parts] = False
        for name, value in (("mean", mean), ("sd", sd), ("moves", moves)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "basis", self._features())

    def _features(self) -> Array:
        columns: list[Array] = []
        in_mixture = np.zeros(len(self.space), dtype=bool)
        for mixture in self.space.mixtures:
            every = self.space.positions(mixture.names)
            in_mixture[every] = True
            parts = every[self.moves[every]]
            m = len(parts)
            if not m:
                continue
            common = np.sqrt((self.sd[parts] ** 2).mean())
            for i in range(1, m):  # Helmert contrasts: orthonormal, each with sum zero
                column = np.zeros(len(self.space))
                column[parts[:i]] = 1.0
                column[parts[i]] = -i
                columns.append(column / (np.sqrt(i * (i + 1)) * common))
        for j in np.flatnonzero(self.moves & ~in_mixture):
            column = np.zeros(len(self.space))
            column[j] = 1.0 / self.sd[j]
            columns.append(column)
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.space), 0))

    @property
    def n_moving(self) -> int:
        """Number m of knobs that move."""
        return int(self.moves.sum())

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the knobs that do not move."""
        return tuple(n for n, moves in zip(self.space.names, self.moves, strict=True) if not moves)

    def around(self, centres: Array, draws: Array) -> Array:
        """Feasible settings around n centres (n, k) at N standard-normal draws, (n, N, k).

        A categorical knob takes the level at the draw's quantile of the reference's frequencies.
        """
        points = centres[:, None] + np.where(self.moves, self.sd, 0.0) * draws
        for j in np.flatnonzero(self.space.is_categorical & self.moves):
            levels = len(self.space.knobs[j].levels)
            counts = np.bincount(self.reference[:, j].astype(int), minlength=levels)
            edges = np.cumsum(counts)[:-1] / counts.sum()
            points[:, :, j] = np.searchsorted(edges, ndtr(draws[:, j]), side="right")
        return self.space.project(points, hold=self.held)

    def share_outside(self, centres: Array, draws: Array) -> Array:
        """Share of the drawn values of moving numeric knobs that lie outside the limits, (n,)."""
        free = self.moves & ~self.space.is_categorical
        if not free.any():
            return np.zeros(len(centres))
        raw = centres[:, None, free] + self.sd[free] * draws[:, free]
        out = (raw < self.space.lower[free]) | (raw > self.space.upper[free])
        share: Array = out.mean(axis=(1, 2))
        return share

    def displacements(self, centres: Array, points: Array) -> Array:
        """Displacements (n, N, k) in the knobs' units; -1 where a level is another one."""
        moved: Array = points - centres[:, None]
        words = self.space.is_categorical
        moved[:, :, words] = -(moved[:, :, words] != 0).astype(float)
        return moved

    def standard(self, centres: Array) -> Array:
        """Centres (n, k) in standard deviations from the reference's mean; 1 for a level."""
        z: Array = (centres - self.mean) / np.where(self.sd > 0, self.sd, 1.0)
        z[:, self.space.is_categorical] = 1.0
        return np.where(self.moves, z, 0.0)

"""The units of a neighbourhood: how far a knob usually goes, and in which directions it can."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.weights.designs import apportion
from matlever.knobs import Editor, KnobSpace

__all__ = ["KnobScale", "gaussian_draws", "reference_settings"]

Array = NDArray[np.float64]

# Disjoint groups of Gaussian draws; the spread leaves out one of them at a time.
N_GROUPS = 10


def reference_settings(editor: Editor, reference: Any) -> Array:
    """Return settings (n, k) that say how far knobs usually go.

    Parameters
    ----------
    editor : Editor
        Says where samples stand; its attribute ``usual_settings``, where it has one, serves without
        a reference.
    reference : samples or None
        Usually the training samples.

    Raises
    ------
    SettingsError
        If there is neither.
    """
    usual = getattr(editor, "usual_settings", None) if reference is None else None
    if usual is None and reference is None:
        raise SettingsError(
            "Give reference=..., usually the training samples: their spread is the unit of the "
            "knobs."
        )
    return np.asarray(editor.values(reference) if usual is None else usual, dtype=float)


def gaussian_draws(
    n_samples: int, n_knobs: int, rng: np.random.Generator, *, mirrored: bool = False
) -> Array:
    """Draw standard-normal points that all instances share, of shape (N, k).

    Parameters
    ----------
    n_samples : int
        Number of points; rounded up to a multiple of the number of groups, of twice that number
        where they come in pairs.
    n_knobs : int
        Number k of knobs.
    rng : Generator
        Source of the draws.
    mirrored : bool, default=False
        Whether the points come in pairs e, -e. The distribution of a point is the same; curvature
        then cancels out of the slopes instead of adding noise to them.
    """
    unit = 2 * N_GROUPS if mirrored else N_GROUPS
    n_points = unit * max(1, -(-n_samples // unit))
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
    directions : ndarray of shape (p, k)
        From features back to displacements: ``directions @ basis`` is the identity.
    knob_of : ndarray of shape (p,), int
        The knob of each feature; -1 for a coordinate of a mixture.
    mixture_of : ndarray of shape (p,), int
        The mixture of each feature; -1 for a knob of its own.
    """

    space: KnobSpace
    reference: Array
    mean: Array = field(init=False)
    sd: Array = field(init=False)
    moves: NDArray[np.bool_] = field(init=False)
    basis: Array = field(init=False)
    directions: Array = field(init=False)
    knob_of: NDArray[np.intp] = field(init=False)
    mixture_of: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        space, known = self.space, self.reference
        if not len(known):
            raise DataError("The reference holds no sample; standard deviations need some.")
        is_word = space.is_categorical
        moves = self._varies & (space.upper > space.lower) & ~space.is_fixed
        mean = np.where(is_word, 0.0, known.mean(axis=0))
        sd = np.where(is_word, 1.0, known.std(axis=0))
        for mixture in space.mixtures:
            parts = space.positions(mixture.names)
            if moves[parts].sum() == 1:  # nothing could make room for it
                moves[parts] = False
        for name, value in (("mean", mean), ("sd", sd), ("moves", moves)):
            object.__setattr__(self, name, value)
        self._set_features()

    def _set_features(self) -> None:
        k = len(self.space)
        columns: list[Array] = []
        directions: list[Array] = []
        homes: list[tuple[int, int]] = []
        in_mixture = np.zeros(k, dtype=bool)
        for number, mixture in enumerate(self.space.mixtures):
            every = self.space.positions(mixture.names)
            in_mixture[every] = True
            parts = every[self.moves[every]]
            if not len(parts):
                continue
            common = np.sqrt((self.sd[parts] ** 2).mean())
            for i in range(1, len(parts)):  # Helmert contrasts: orthonormal, each with sum zero
                contrast = np.zeros(k)
                contrast[parts[:i]] = 1.0
                contrast[parts[i]] = -i
                contrast /= np.sqrt(i * (i + 1))
                columns.append(contrast / common)
                directions.append(contrast * common)
                homes.append((-1, number))
        for j in np.flatnonzero(self.moves & ~in_mixture).tolist():
            unit = np.zeros(k)
            unit[j] = 1.0
            columns.append(unit / self.sd[j])
            directions.append(unit * self.sd[j])
            homes.append((j, -1))
        empty = np.zeros((0, k))
        table = np.array(homes, dtype=np.intp).reshape(-1, 2)
        for name, value in (
            ("basis", np.stack(columns, axis=1) if columns else empty.T),
            ("directions", np.stack(directions) if directions else empty),
            ("knob_of", table[:, 0]),
            ("mixture_of", table[:, 1]),
        ):
            object.__setattr__(self, name, value)

    @property
    def n_features(self) -> int:
        """Number p of features of the surrogate."""
        return int(self.basis.shape[1])

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the knobs that do not move."""
        return tuple(n for n, moves in zip(self.space.names, self.moves, strict=True) if not moves)

    @property
    def can_rotate(self) -> NDArray[np.bool_]:
        """Features that are continuous, of shape (p,)."""
        kinds = [knob.kind for knob in self.space.knobs]
        return np.array([j < 0 or kinds[j] == "continuous" for j in self.knob_of.tolist()], bool)

    def level_counts(self, j: int) -> NDArray[np.intp]:
        """How often each level of a categorical knob occurs in the reference."""
        levels = len(self.space.knobs[j].levels)
        return np.bincount(self.reference[:, j].astype(int), minlength=levels)

    def around(self, centres: Array, draws: Array) -> Array:
        """Feasible settings around n centres (n, k) at N standard-normal draws, (n, N, k).

        Draws are (N, k), or (n, N, k) when they differ between centres. A categorical knob takes
        the level at the draw's quantile of the reference's frequencies.
        """
        points = centres[:, None] + np.where(self.moves, self.sd, 0.0) * draws
        for j in np.flatnonzero(self.space.is_categorical & self.moves).tolist():
            counts = self.level_counts(j)
            edges = np.cumsum(counts)[:-1] / counts.sum()
            points[:, :, j] = np.searchsorted(edges, ndtr(draws[..., j]), side="right")
        return self.space.project(points, hold=self.held)

    def other_levels(self, j: int, own: Array, n: int) -> Array:
        """Levels other than the own ones (n_centres,), n for each, as frequent as in the reference.

        They are apportioned, not drawn: (n_centres, n), the same for all centres of one level.
        """
        counts = self.level_counts(j).astype(float)
        rows = np.empty((len(counts), n))
        for level in range(len(counts)):
            rest = counts.copy()
            rest[level] = 0.0
            present = np.flatnonzero(rest)
            if not len(present):
                rows[level] = level
                continue
            most = present[np.argsort(-rest[present], kind="stable")][:n]
            given = apportion(rest[most] / rest[most].sum(), n)
            # Interleaved, so that no level falls into one half of the design only.
            order = np.argsort(
                np.concatenate([(np.arange(count) + 0.5) / count for count in given]),
                kind="stable",
            )
            rows[level] = np.repeat(most, given)[order]
        found: Array = rows[own.astype(int)]
        return found

    def displacements(self, centres: Array, points: Array) -> Array:
        """Displacements (n, N, k) in the knobs' units; -1 where a level is another one."""
        moved: Array = points - centres[:, None]
        words = self.space.is_categorical
        if words.any():
            moved[:, :, words] = -(moved[:, :, words] != 0).astype(float)
        return moved

    def features(self, centres: Array, points: Array) -> Array:
        """Features (n, N, p) of settings (n, N, k) around centres (n, k)."""
        found: Array = self.displacements(centres, points) @ self.basis
        return found

    def standard(self, centres: Array) -> Array:
        """Centres (n, k) in standard deviations from the reference's mean; 1 for a level."""
        z: Array = (centres - self.mean) / np.where(self.sd > 0, self.sd, 1.0)
        z[:, self.space.is_categorical] = 1.0
        return np.where(self.moves, z, 0.0)

    def held_features(self, centres: Array, points: Array) -> Array:
        """Differences (n, N, q) of the q held knobs between centres (n, k) and points (n, N, k).

        Known samples, and ones made from others, do not all stand where a centre does: what a held
        knob does there must not be taken for the slope of one that moves. In standard deviations of
        the reference; -1 for another level, or another value of what is constant there.
        """
        moved = self.displacements(centres, points)
        for j in np.flatnonzero(~self.moves & ~self.space.is_categorical & ~self._varies).tolist():
            moved[:, :, j] = -(moved[:, :, j] != 0).astype(float)
        unit = np.where(self._varies & ~self.space.is_categorical, self.sd, 1.0)
        found: Array = moved[:, :, ~self.moves] / unit[~self.moves]
        return found

    @property
    def _varies(self) -> NDArray[np.bool_]:
        """Knobs that are not the same in the whole reference, of shape (k,)."""
        known = self.reference
        found: NDArray[np.bool_] = known.std(axis=0) > 1e-12 * np.maximum(
            1e-12, np.abs(known).max(axis=0)
        )
        return found

    @property
    def n_held(self) -> int:
        """Number of held knobs that differ within the reference."""
        return int((self._varies & ~self.moves).sum())

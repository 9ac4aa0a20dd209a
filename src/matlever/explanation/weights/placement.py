"""A design around each sample, fitted into the limits of the knobs.

Designs are shrunk knob by knob and keep their mirrored pairs; only where less than a quarter of the
step is left on one side does the pair move to the side that exists. The parts of a mixture shrink
together in the plane of constant sum, and move towards the middle of the data where the sample
stands at an edge of the simplex.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from matlever.explanation.weights.neighbourhood import KnobScale
from matlever.knobs import KnobSpace

__all__ = ["Placement", "place"]

Array = NDArray[np.float64]

# Share of a step below which a symmetric pair is given up for one on the open side.
_LEAST_STEP = 0.25
# Points of which all halves are tried (462 for twelve).
_LARGEST_HALVED = 12
# Shares of the way to the middle of the data that a mixture's design may move.
_MOVES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Placement:
    """Feasible settings around n samples, for a design of N points in p features.

    Attributes
    ----------
    points : ndarray of shape (n, N, k)
        Feasible settings.
    offset, extent : ndarray of shape (n, p) or (n, copies, p), or None
        The features of point P are ``offset + extent * P``; None where limits, steps or levels
        have bent the design and `features` must be asked.
    one_sided : ndarray of shape (n, k), bool
        Knobs whose pairs lie on one side of the sample.
    outside : ndarray of shape (n,)
        Share of the coordinates of the design as asked for that lie beyond the limits.
    bent : ndarray of shape (n,), bool
        Samples for which `offset` and `extent` do not describe the points.
    """

    points: Array
    offset: Array | None
    extent: Array | None
    one_sided: NDArray[np.bool_]
    outside: Array
    bent: NDArray[np.bool_]


def place(
    scale: KnobScale,
    centres: Array,
    width: Array,
    design: Array,
    paired: bool,
    out: Array | None = None,
    *,
    copy: int = 0,
    n_copies: int = 1,
) -> Placement:
    """Place a design around each centre.

    Parameters
    ----------
    scale : KnobScale
        Units and directions of the knobs.
    centres : ndarray of shape (n, k)
        Feasible settings.
    width : ndarray of shape (n,)
        Standard deviations of the neighbourhoods, in units of the features.
    design : ndarray of shape (N, p)
        Points in units of `width`.
    paired : bool
        Whether points 2i and 2i + 1 are mirror images.
    out : ndarray of shape (n, N, k) or None, default=None
        Where to write the settings.
    copy, n_copies : int
        Which copy of the design this is, of how many: they share out the other levels of a
        categorical knob.
    """
    space = scale.space
    n, k = centres.shape
    offset, extent = np.zeros((n, scale.n_features)), np.empty((n, scale.n_features))
    two_level = np.ptp(np.abs(design), axis=0) < 1e-12
    straight = not space.relations
    one_sided = np.zeros((n, k), dtype=bool)
    alone = np.flatnonzero(scale.knob_of >= 0)
    knobs = scale.knob_of[alone]
    words = space.is_categorical[knobs]
    numeric = alone[~words]
    reach = np.abs(design).max(axis=0)
    c, h = _axis_room(scale, centres, width, numeric, reach)
    offset[:, numeric], extent[:, numeric] = c, h / reach[numeric]
    one_sided[:, scale.knob_of[numeric]] = c != 0
    for f in numeric.tolist():
        j = int(scale.knob_of[f])
        if space.knobs[j].kind != "continuous":
            if two_level[f]:
                offset[:, f], extent[:, f] = _on_levels(
                    space, j, centres[:, j], scale.sd[j], offset[:, f], extent[:, f] * reach[f]
                )
                extent[:, f] /= reach[f]
            else:
                straight = False

    points = np.empty((n, len(design), k)) if out is None else out
    turned = scale.knob_of[numeric]  # ascending, as the features are
    middle = centres[:, turned] + scale.sd[turned] * offset[:, numeric]
    step = scale.sd[turned] * extent[:, numeric]
    if len(turned) == k:
        np.multiply(step[:, None], design[:, numeric], out=points)
        points += middle[:, None]
    else:
        points[:] = centres[:, None]
        points[:, :, turned] = middle[:, None] + step[:, None] * design[:, numeric]
    for f in alone[words].tolist():
        straight &= bool(two_level[f])
        _set_levels(scale, points, f, centres, design, copy, n_copies)
        offset[:, f], extent[:, f] = -0.5, 0.5 / reach[f]
    for number in np.unique(scale.mixture_of[scale.mixture_of >= 0]).tolist():
        straight &= _set_mixture(
            scale, points, number, centres, width, design, offset, extent, one_sided
        )
    outside = _share_outside(scale, centres, width, numeric, design)
    if straight:
        free = ~space.is_fixed
        np.clip(
            points,
            np.where(free, space.lower, -np.inf),
            np.where(free, space.upper, np.inf),
            out=points,
        )
        return Placement(points, offset, extent, one_sided, outside, np.zeros(n, dtype=bool))
    if space.relations:
        points[:] = _within_relations(scale, centres, points, paired)
    points[:] = space.project(points, hold=scale.held)
    return Placement(points, None, None, one_sided, outside, np.ones(n, dtype=bool))


def _axis_room(
    scale: KnobScale, centres: Array, width: Array, numeric: NDArray[np.intp], reach: Array
) -> tuple[Array, Array]:
    """Middle and half-length (n, q) of the pairs of each numeric knob, in its features' units."""
    j = scale.knob_of[numeric]
    sd = scale.sd[j]
    below = np.maximum((centres[:, j] - scale.space.lower[j]) / sd, 0.0)
    above = np.maximum((scale.space.upper[j] - centres[:, j]) / sd, 0.0)
    wanted = np.maximum(width[:, None] * reach[numeric], _least(scale, j) / sd)
    both = np.minimum(below, above)
    left, right = np.minimum(below, wanted), np.minimum(above, wanted)
    alone = both < np.maximum(_LEAST_STEP * wanted, _least(scale, j) / sd * (1 - 1e-9))
    middle = np.where(alone, (right - left) / 2, 0.0)
    length = np.where(alone, (right + left) / 2, np.minimum(wanted, both))
    return middle, length


def _least(scale: KnobScale, j: NDArray[np.intp]) -> Array:
    """Smallest step of each knob that has steps, in its unit; 0 for a continuous one."""
    least = np.zeros(len(j))
    for place_, knob in enumerate(scale.space.knobs[i] for i in j.tolist()):
        allowed = knob.allowed
        if allowed is not None and len(allowed) > 1:
            least[place_] = float(np.diff(allowed).max())
    return least


def _on_levels(
    space: KnobSpace, j: int, own: Array, sd: float, offset: Array, length: Array
) -> tuple[Array, Array]:
    """Middle and half-length of pairs whose two ends are allowed values of the knob."""
    knob = space.knobs[j]
    allowed = knob.allowed
    assert allowed is not None
    low = np.searchsorted(allowed, knob.nearest(own + sd * (offset - length)) - 1e-9)
    high = np.searchsorted(allowed, knob.nearest(own + sd * (offset + length)) - 1e-9)
    same = low == high
    last = len(allowed) - 1
    up = same & (high < last)
    high = np.where(up, high + 1, high)
    low = np.where(same & ~up, low - 1, low).clip(0)
    a, b = allowed[low.clip(0, last)], allowed[high.clip(0, last)]
    return ((a + b) / 2 - own) / sd, (b - a) / 2 / sd


def _set_levels(
    scale: KnobScale,
    points: Array,
    f: int,
    centres: Array,
    design: Array,
    copy: int,
    n_copies: int,
) -> None:
    """Give the points on the lower side of a categorical knob other levels.

    Points of one level are balanced against all other knobs, or its effect would be taken for their
    slopes; where the design cannot be divided so, all of them get one level.
    """
    j = int(scale.knob_of[f])
    low = np.flatnonzero(design[:, f] < 0)
    # Each mirrored half sees all of them, too: halves are compared to judge the surrogate.
    half = 1.0 - 2.0 * (low % 2)
    rest = np.column_stack([np.delete(design[low], f, axis=1), half - half.mean()])
    part = np.array(_balanced_parts(rest.tobytes(), *rest.shape), dtype=np.intp)
    n_parts = int(part.max()) + 1
    others = scale.other_levels(j, centres[:, j], n_parts * n_copies)
    points[:, low, j] = others[:, part + n_parts * copy]


@lru_cache(maxsize=512)
def _balanced_parts(data: bytes, n: int, q: int) -> tuple[int, ...]:
    """Divide n points (n, q) into 1, 2, 4, ... parts alike, as many as can each have sum zero."""
    points = np.frombuffer(data).reshape(n, q)
    parts = [np.arange(n)]
    while all(2 <= len(part) <= _LARGEST_HALVED and len(part) % 2 == 0 for part in parts):
        halves = []
        for part in parts:
            first = next(
                (
                    part[[0, *some]]
                    for some in combinations(range(1, len(part)), len(part) // 2 - 1)
                    if (np.abs(points[part[[0, *some]]].sum(axis=0)) < 1e-9 * n).all()
                ),
                None,
            )
            if first is None:
                break
            halves += [first, np.setdiff1d(part, first)]
        if len(halves) < 2 * len(parts):
            break
        parts = halves
    label = np.empty(n, dtype=int)
    for number, part in enumerate(parts):
        label[part] = number
    return tuple(label.tolist())


def _set_mixture(
    scale: KnobScale,
    points: Array,
    number: int,
    centres: Array,
    width: Array,
    design: Array,
    offset: Array,
    extent: Array,
    one_sided: NDArray[np.bool_],
) -> bool:
    """Place the parts of one mixture; returns whether the design is still straight."""
    space, mixture = scale.space, scale.space.mixtures[number]
    features = np.flatnonzero(scale.mixture_of == number)
    every = space.positions(mixture.names)
    parts = every[scale.moves[every]]
    moved = design[:, features] @ scale.directions[features][:, parts]  # (N, parts)
    few = mixture.max_parts is not None and mixture.max_parts < len(every)
    if few or any(space.knobs[j].kind != "continuous" for j in parts.tolist()):
        # Steps and absent parts: the projection finds the nearest mixture that exists.
        points[:, :, parts] = centres[:, None, parts] + width[:, None, None] * moved
        return False
    up, down = moved.max(axis=0), (-moved).max(axis=0)
    upper = np.minimum(space.upper[parts], mixture.total)
    middle = scale.mean[parts].clip(space.lower[parts], upper)
    moves = np.array(_MOVES)[:, None, None]
    # A centre may only move along the plane of the parts that move.
    to_middle = middle - centres[:, parts]
    to_middle -= to_middle.mean(axis=1, keepdims=True)
    at = centres[:, parts] + moves * to_middle  # (moves, n, parts)
    room = np.minimum(
        np.where(up > 0, (upper - at) / np.where(up > 0, up, 1.0), np.inf).min(axis=2),
        np.where(down > 0, (at - space.lower[parts]) / np.where(down > 0, down, 1.0), np.inf).min(
            axis=2
        ),
    )
    share = np.maximum(room / width, 0.0)
    enough = share >= _LEAST_STEP
    best = np.where(enough.any(axis=0), enough.argmax(axis=0), share.argmax(axis=0))
    rows = np.arange(len(centres))
    length = width * np.minimum(share[best, rows], 1.0)
    start = at[best, rows]
    one_sided[:, parts] = (best > 0)[:, None]
    points[:, :, parts] = start[:, None] + length[:, None, None] * moved
    offset[:, features] = (start - centres[:, parts]) @ scale.basis[np.ix_(parts, features)]
    extent[:, features] = length[:, None]
    return bool((length > 0).all())


def _within_relations(scale: KnobScale, centres: Array, points: Array, paired: bool) -> Array:
    """Shorten the way to each point until every linear relation holds, pairs alike.

    Where hardly any way is left (equations, mixtures with few parts, a knob at its limit) the point
    stays where it was asked for, and its projection slides along the relation.
    """
    space = scale.space
    direction = points - centres[:, None]
    jump = space.is_categorical | ~scale.moves
    direction[:, :, jump] = 0.0
    room = space.room(centres, direction)
    if paired:
        pairs = room.reshape(len(room), -1, 2)
        least = pairs.min(axis=2, keepdims=True)
        room = np.where(least >= _LEAST_STEP, least, pairs).reshape(room.shape)
    room = np.where(room >= _LEAST_STEP, room, 1.0)
    found = centres[:, None] + room[:, :, None] * direction
    found[:, :, jump] = points[:, :, jump]
    return found


def _share_outside(
    scale: KnobScale, centres: Array, width: Array, numeric: NDArray[np.intp], design: Array
) -> Array:
    """Share of the design's coordinates, as asked for, beyond the limits of numeric knobs, (n,).

    Knobs of two values do not count: there is nowhere else to go.
    """
    allowed = [scale.space.knobs[j].allowed for j in scale.knob_of[numeric]]
    numeric = numeric[[values is None or len(values) > 2 for values in allowed]]
    if not len(numeric):
        return np.zeros(len(centres))
    count = np.zeros(len(centres))
    for f in numeric.tolist():
        j = int(scale.knob_of[f])
        column = np.sort(design[:, f])
        unit = scale.sd[j] * width
        up = (scale.space.upper[j] - centres[:, j]) / unit * (1 + 1e-12) + 1e-12
        down = (scale.space.lower[j] - centres[:, j]) / unit * (1 + 1e-12) - 1e-12
        count += len(column) - np.searchsorted(column, up, side="right")
        count += np.searchsorted(column, down, side="left")
    return count / (len(design) * len(numeric))

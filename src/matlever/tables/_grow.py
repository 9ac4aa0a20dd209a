"""Extremely randomised trees grown level by level, all trees of all tasks together.

The rule is that of Geurts, Ernst & Wehenkel, Machine Learning 63 (2006) 3-42, with all inputs tried
at each node and no bootstrap: one threshold per input, uniform between the smallest and the largest
value in the node; the input whose threshold reduces the variance most is taken; nodes are split
until they are pure. Small tables spend most of a tree's time outside the arithmetic; growing
thousands of trees per array operation takes that away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.tables._forest import Forest

__all__ = ["Plot", "grow"]

_CHUNK_ROWS = 100_000  # over all trees of one pass
_CHUNK_CELLS = 3_000_000  # rows x inputs: the random numbers of one level take 48 MB at most
_PURE = 1e-14  # variance of standardised targets below which a node is pure


@dataclass(frozen=True)
class Plot:
    """A forest to be grown.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
    y : ndarray of shape (n,)
    rows : sequence of ndarray of int
        Rows from which each tree is grown.
    seed : int
    min_samples_leaf : int
    """

    X: NDArray[np.float32]
    y: NDArray[np.float64]
    rows: Sequence[NDArray[np.int64]]
    seed: int
    min_samples_leaf: int = 1


def grow(plots: Sequence[Plot]) -> list[Forest]:
    """Return the forest of each plot; what a plot yields does not depend on the others."""
    pieces: list[tuple[int, list[NDArray[np.int64]], np.random.Generator]] = []
    for number, plot in enumerate(plots):
        d = plot.X.shape[1]
        n = max(len(rows) for rows in plot.rows)
        per_piece = max(1, min(_CHUNK_ROWS, _CHUNK_CELLS // d) // n)
        seeds = np.random.SeedSequence(plot.seed)
        for begin in range(0, len(plot.rows), per_piece):
            rng = np.random.default_rng(seeds.spawn(1)[0])
            pieces.append((number, list(plot.rows[begin : begin + per_piece]), rng))
    grown: list[list[Forest]] = [[] for _ in plots]
    place = 0
    while place < len(pieces):
        chunk: list[tuple[int, list[NDArray[np.int64]], np.random.Generator]] = []
        size = 0
        while place < len(pieces):
            number, rows, _ = pieces[place]
            width = plots[number].X.shape[1]
            size += sum(len(r) for r in rows)
            too_large = size > min(_CHUNK_ROWS, _CHUNK_CELLS // width)
            if chunk and (too_large or width != plots[chunk[0][0]].X.shape[1]):
                break
            chunk.append(pieces[place])
            place += 1
        for (number, _, _), forest in zip(chunk, _grow_chunk(plots, chunk), strict=True):
            grown[number].append(forest)
    return [Forest.joined(forests) for forests in grown]


def _grow_chunk(
    plots: Sequence[Plot],
    chunk: Sequence[tuple[int, list[NDArray[np.int64]], np.random.Generator]],
) -> list[Forest]:
    """Grow the trees of all pieces of a chunk level by level."""
    X, y, samples, sizes, owner, least = [], [], [], [], [], []
    offset, first_row = 0, {}
    for position, (number, rows, _) in enumerate(chunk):
        if number not in first_row:
            first_row[number] = offset
            X.append(plots[number].X.astype(np.float64))
            y.append(plots[number].y)
            offset += len(plots[number].y)
        samples += [first_row[number] + r for r in rows]
        sizes += [len(r) for r in rows]
        owner += [position] * len(rows)
        least += [plots[number].min_samples_leaf] * len(rows)
    columns = np.ascontiguousarray(np.concatenate(X).T)  # d x rows
    target = np.concatenate(y)
    slot = np.concatenate(samples)  # rows of the nodes, sorted by node
    count = np.array(sizes)  # slots per node
    piece = np.array(owner)  # piece of each node
    smallest = np.array(least)
    levels: list[tuple[NDArray[np.int32], NDArray[np.float64]]] = []
    d = len(columns)

    while len(count):
        begin = np.cumsum(count) - count
        value = target[slot]
        mean = np.add.reduceat(value, begin) / count
        away = value - np.repeat(mean, count)
        spread = np.add.reduceat(away * away, begin)
        open_ = (count >= 2 * smallest) & (spread > _PURE * count)
        feature = np.full(len(count), -1, dtype=np.int32)
        node_value = mean.copy()
        # Closed nodes leave.
        keep = np.repeat(open_, count)
        slot, away = slot[keep], away[keep]
        which = np.flatnonzero(open_)
        count, piece, smallest = count[which], piece[which], smallest[which]
        if not len(which):
            levels.append((feature, node_value))
            break
        begin = np.cumsum(count) - count
        per_piece = np.bincount(piece, minlength=len(chunk))
        uniform = np.concatenate(
            [chunk[p][2].random((m, d)) for p, m in enumerate(per_piece) if m]
        ).T
        # Small nodes have many equal gains, so ties are broken at random: by digits of the uniform
        # numbers far below those that decide the threshold.
        luck = 1 + 1e-9 * np.mod(uniform * 2.0**20, 1.0)

        best_gain = np.zeros(len(which))
        threshold = np.zeros(len(which))
        chosen = np.full(len(which), -1, dtype=np.int32)
        goes_left = np.zeros(len(slot), dtype=bool)
        n_left = np.zeros(len(which), dtype=np.int64)
        for j in range(d):
            x = columns[j][slot]
            low, high = np.minimum.reduceat(x, begin), np.maximum.reduceat(x, begin)
            cut = low + uniform[j] * (high - low)
            cut = np.where(cut >= high, low, cut)
            left = x <= np.repeat(cut, count)
            n = np.add.reduceat(left, begin, dtype=np.int64)
            s = np.add.reduceat(np.where(left, away, 0.0), begin)
            rest = count - n
            allowed = (n >= smallest) & (rest >= smallest)
            with np.errstate(divide="ignore", invalid="ignore"):
                gain = np.where(allowed, s * s * (1 / n + 1 / rest) * luck[j], -1.0)
            better = allowed & ((gain > best_gain) | (chosen < 0))
            best_gain[better], threshold[better], chosen[better] = gain[better], cut[better], j
            n_left[better] = n[better]
            goes_left = np.where(np.repeat(better, count), left, goes_left)

        split = chosen >= 0
        feature[which[split]] = chosen[split]
        node_value[which[split]] = threshold[split]
        levels.append((feature, node_value))
        # Stable partition of the slots of each split node: left rows, then right rows.
        keep = np.repeat(split, count)
        slot, goes_left = slot[keep], goes_left[keep]
        count, n_left, piece, smallest = count[split], n_left[split], piece[split], smallest[split]
        node = np.repeat(np.arange(len(count)), count)
        slot = slot[np.argsort(2 * node + ~goes_left, kind="stable")]
        count = np.stack([n_left, count - n_left], axis=1).ravel()
        piece, smallest = np.repeat(piece, 2), np.repeat(smallest, 2)
    return _in_preorder(levels, np.bincount(np.array(owner)))


def _in_preorder(
    levels: Sequence[tuple[NDArray[np.int32], NDArray[np.float64]]], n_trees: NDArray[np.int64]
) -> list[Forest]:
    """Return one forest per piece from nodes listed level by level."""
    size = [np.ones(len(feature), dtype=np.int64) for feature, _ in levels]
    for level in range(len(levels) - 2, -1, -1):
        inner = levels[level][0] >= 0
        size[level][inner] += size[level + 1].reshape(-1, 2).sum(axis=1)
    total = size[0]
    start = np.concatenate([[0], np.cumsum(total)])
    feature = np.empty(start[-1], dtype=np.int32)
    value = np.empty(start[-1])
    at = start[:-1]
    for level, (features, values) in enumerate(levels):
        feature[at], value[at] = features, values
        inner = features >= 0
        if level + 1 < len(levels):
            left = at[inner] + 1
            at = np.stack([left, left + size[level + 1][::2]], axis=1).ravel()
    forests, tree = [], 0
    for n in n_trees:
        first, last = start[tree], start[tree + n]
        forests.append(
            Forest(feature[first:last], value[first:last], start[tree : tree + n + 1] - first)
        )
        tree += n
    return forests

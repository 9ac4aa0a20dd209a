"""Regression trees as two flat arrays, and predictions of all of them at once.

The nodes of a tree are stored in preorder (a node, its left subtree, its right subtree), so which
nodes are leaves says where every child is: there are no child pointers that a broken file could get
wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import ModelFileError

__all__ = ["Forest"]

_MASK_LEAVES = 256  # trees with more leaves are walked node by node
_TABLE_BYTES = 4_000_000  # of the tables of one group of trees
_BLOCK_WORDS = 500_000  # of the masks of one block of rows


@dataclass(frozen=True, eq=False)
class Forest:
    """Binary regression trees over float32 inputs.

    Parameters
    ----------
    feature : ndarray of shape (n_nodes,), int32
        Input a node asks for; -1 in a leaf.
    value : ndarray of shape (n_nodes,), float64
        Threshold of a node (``x <= threshold`` goes left), or the value of a leaf.
    start : ndarray of shape (n_trees + 1,), int64
        First node of each tree, and the number of nodes.
    """

    feature: NDArray[np.int32]
    value: NDArray[np.float64]
    start: NDArray[np.int64]

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.start) - 1

    @classmethod
    def from_sklearn(cls, trees: Sequence[Any]) -> Self:
        """Copy the nodes of fitted single-output scikit-learn trees (their ``tree_``)."""
        features, values = [], []
        for tree in trees:
            leaf = tree.children_left < 0
            if not np.array_equal(tree.children_left[~leaf], np.flatnonzero(~leaf) + 1):
                raise RuntimeError("scikit-learn no longer stores its trees in preorder")
            features.append(np.where(leaf, -1, tree.feature))
            values.append(np.where(leaf, tree.value[:, 0, 0], tree.threshold))
        start = np.concatenate([[0], np.cumsum([len(f) for f in features])])
        return cls(
            np.concatenate(features).astype(np.int32),
            np.concatenate(values),
            start.astype(np.int64),
        )

    @classmethod
    def joined(cls, forests: Sequence[Forest]) -> Self:
        """Return the trees of several forests as one."""
        sizes = np.concatenate([np.diff(forest.start) for forest in forests])
        return cls(
            np.concatenate([forest.feature for forest in forests]),
            np.concatenate([forest.value for forest in forests]),
            np.concatenate([[0], np.cumsum(sizes)]),
        )

    def check(self, n_features: int) -> None:
        """Raise ModelFileError unless every tree is whole and asks for existing inputs."""
        n_nodes = len(self.feature)
        if (
            self.n_trees < 1
            or len(self.value) != n_nodes
            or self.start[0] != 0
            or self.start[-1] != n_nodes
            or (np.diff(self.start) < 1).any()
        ):
            raise ModelFileError("Trees: 'start' does not divide the nodes into trees.")
        if self.feature.min() < -1 or self.feature.max() >= n_features:
            raise ModelFileError(f"Trees: 'feature' must lie between -1 and {n_features - 1}.")
        # Nodes still owed after each node: a preorder tree is complete exactly when none is owed.
        owed = np.cumsum(np.where(self.feature < 0, -1, 1))
        owed += np.repeat(np.arange(1, self.n_trees + 1), np.diff(self.start))
        last = self.start[1:] - 1
        inner = np.ones(n_nodes, dtype=bool)
        inner[last] = False
        if (owed[last] != 0).any() or (owed[inner] < 1).any():
            raise ModelFileError("Trees: the nodes do not form complete binary trees.")

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the value of every tree for every row.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float32

        Returns
        -------
        values : ndarray of shape (n_samples, n_trees)
        """
        out = np.empty((len(X), self.n_trees))
        n_leaves = (np.diff(self.start) + 1) // 2
        place = 0
        while place < self.n_trees:
            words = int(n_leaves[place] - 1) // 64 + 1
            if n_leaves[place] > _MASK_LEAVES or len(X) < 8:
                size = 1
                while (
                    place + size < self.n_trees
                    and size < 64
                    and (n_leaves[place + size] > _MASK_LEAVES or len(X) < 8)
                ):
                    size += 1
                self._walk(X, range(place, place + size), out)
            else:
                nodes = int(n_leaves[place])
                size = 1
                while place + size < self.n_trees and n_leaves[place + size] <= _MASK_LEAVES:
                    words_with = max(words, int(n_leaves[place + size] - 1) // 64 + 1)
                    nodes += int(n_leaves[place + size])
                    if 8 * words_with * nodes * (size + 1) > _TABLE_BYTES:
                        break
                    words, size = words_with, size + 1
                self._look_up(X, range(place, place + size), words, out)
            place += size
        return out

    @cached_property
    def right(self) -> NDArray[np.int64]:
        """Position of the right child of each node, 0 for leaves.

        In preorder the left subtree of node i ends where the running sum of +1 per inner node and
        -1 per leaf first falls below its value before i + 1; the right child is the next node.
        """
        n = len(self.feature)
        level = np.cumsum(np.where(self.feature < 0, -1, 1))
        key = (level - level.min()) * (n + 1) + np.arange(n)
        order = np.argsort(key, kind="stable")
        wanted = (level - 1 - level.min()) * (n + 1) + np.arange(n)
        found = np.searchsorted(key[order], wanted)
        result: NDArray[np.int64] = order[np.minimum(found, n - 1)] + 1
        return np.where(self.feature < 0, 0, result)

    def _look_up(
        self,
        X: NDArray[np.float32],
        trees: range,
        words: int,
        out: NDArray[np.float64],
    ) -> None:
        """Fill the columns `trees` of `out` by intersecting sets of reachable leaves.

        A node whose answer is "right" rules out the leaves of its left subtree. For each input the
        thresholds of all trees are sorted, and a table holds, for every interval between them, the
        leaves of every tree that are still possible; a row needs one look-up per input. The lowest
        leaf left is the answer (QuickScorer: Lucchese et al., SIGIR 2015).
        """
        first, last = int(self.start[trees.start]), int(self.start[trees.stop])
        feature, value = self.feature[first:last], self.value[first:last]
        n_trees = len(trees)
        tree = np.repeat(np.arange(n_trees), np.diff(self.start[trees.start : trees.stop + 1]))
        leaf = feature < 0
        before = np.concatenate([[0], np.cumsum(leaf)])  # leaves of the group before a node
        base = before[self.start[trees.start : trees.stop] - first]
        inner = np.flatnonzero(~leaf)
        low = before[inner] - base[tree[inner]]  # the left subtree starts right after its parent
        high = before[self.right[first + inner] - first] - base[tree[inner]]
        possible = ~(_ones(high, words) & ~_ones(low, words))  # (inner nodes, words)

        tables = []
        for j in np.unique(feature[inner]):
            mine = np.flatnonzero(feature[inner] == j)
            mine = mine[np.argsort(value[inner[mine]], kind="stable")]
            table = np.full((len(mine) + 1, n_trees, words), ~np.uint64(0))
            table[np.arange(1, len(mine) + 1), tree[inner[mine]]] = possible[mine]
            np.bitwise_and.accumulate(table, axis=0, out=table)
            tables.append((j, value[inner[mine]], table.reshape(len(mine) + 1, -1)))

        leaf_values = value[leaf]
        block = max(1, _BLOCK_WORDS // (n_trees * words))
        for begin in range(0, len(X), block):
            rows = slice(begin, min(begin + block, len(X)))
            left: NDArray[np.uint64] = np.full((rows.stop - begin, n_trees * words), ~np.uint64(0))
            for j, thresholds, masks in tables:
                rank = np.searchsorted(thresholds, X[rows, j].astype(np.float64), side="left")
                left &= masks[rank]
            sets = left.reshape(-1, n_trees, words)
            bits = sets[:, :, 0]
            passed = np.zeros(bits.shape, dtype=np.int64)
            for word in range(1, words):
                none = bits == 0
                bits = np.where(none, sets[:, :, word], bits)
                passed[none] = 64 * word
            lowest = bits & (~bits + np.uint64(1))
            number = passed + np.frexp(lowest.astype(np.float64))[1] - 1
            out[rows, trees.start : trees.stop] = leaf_values[base + number]

    def _walk(
        self,
        X: NDArray[np.float32],
        trees: range,
        out: NDArray[np.float64],
    ) -> None:
        """Fill the columns `trees` of `out` by walking from the roots to the leaves."""
        block = max(1, _BLOCK_WORDS // len(trees))
        for begin in range(0, len(X), block):
            some = X[begin : begin + block].astype(np.float64)
            node = np.tile(self.start[trees.start : trees.stop], len(some))
            row = np.repeat(np.arange(len(some)), len(trees))
            going = np.flatnonzero(self.feature[node] >= 0)
            while len(going):
                at = node[going]
                goes_left = some[row[going], self.feature[at]] <= self.value[at]
                at = np.where(goes_left, at + 1, self.right[at])
                node[going] = at
                going = going[self.feature[at] >= 0]
            out[begin : begin + len(some), trees.start : trees.stop] = self.value[node].reshape(
                len(some), len(trees)
            )


def _ones(count: NDArray[np.int64], words: int) -> NDArray[np.uint64]:
    """Return bit sets (len(count), words) of the numbers 0 to count - 1."""
    bits = np.clip(count[:, None] - 64 * np.arange(words), 0, 64)
    partial = (np.uint64(1) << (bits % 64).astype(np.uint64)) - np.uint64(1)
    return np.where(bits == 64, ~np.uint64(0), partial)

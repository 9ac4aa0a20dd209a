"""Pairs of knobs in the order of how far they act together."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._one_target import OneOfSeveral
from matlever.explanation._words import number, plain
from matlever.explanation.sweeps.interaction import percent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PairRanking"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class PairRanking(OneOfSeveral):
    """Strength of the interaction of pairs of knobs; iterating gives the strongest pairs.

    Attributes
    ----------
    candidates : tuple of p pairs of str
        All pairs that were compared.
    sd : ndarray of shape (p[, t])
        Standard deviation of what no two curves add up to, in the target's unit; NaN where the pair
        cannot be set freely enough to tell.
    strength : ndarray of shape (p[, t])
        Its share of the variance of the pair's own surface.
    n_pairs : int
        How many pairs were asked for.
    n_calls : int
        Samples the predictor was asked about.
    targets : tuple of str or None
        Names of the targets.
    """

    candidates: tuple[tuple[str, str], ...]
    sd: Array
    strength: Array
    n_pairs: int
    n_calls: int
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self._check_names()

    @property
    def n_targets(self) -> int | None:
        """Number of targets; None when the predictor returned one-dimensional predictions."""
        return None if self.sd.ndim == 1 else int(self.sd.shape[1])

    def _taken(self, position: int, names: tuple[str, ...] | None) -> PairRanking:
        sd, strength = self.sd[:, position], self.strength[:, position]
        return replace(self, sd=sd, strength=strength, targets=names)

    @property
    def order(self) -> NDArray[np.intp]:
        """Positions of the pairs, the strongest first (one target)."""
        return np.argsort(-np.nan_to_num(self._only().sd, nan=-1.0), kind="stable")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The strongest pairs, at most `n_pairs`; only those that interact (one target)."""
        sd = self._only().sd
        return tuple(self.candidates[i] for i in self.order[: self.n_pairs] if sd[i] > 0)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def to_frame(self) -> pd.DataFrame:
        """Return one line per pair, the strongest first (one target)."""
        import pandas as pd

        one, order = self._only(), self.order
        return pd.DataFrame(
            {
                "knob": [self.candidates[i][0] for i in order],
                "other knob": [self.candidates[i][1] for i in order],
                "interaction_sd": one.sd[order],
                "interaction": one.strength[order],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the ranking of one target as plain JSON values, the strongest pair first."""
        one, order = self._only(), self.order
        return {
            "pairs": [list(self.candidates[i]) for i in order],
            "interaction_sd": plain(one.sd[order]),
            "interaction": plain(one.strength[order]),
            "n_calls": self.n_calls,
        }

    def __repr__(self) -> str:
        lines = [f"Interaction of {len(self.candidates)} pairs of knobs"]
        for position in range(self.n_targets or 1):
            one = self.for_target(position)
            if self.targets:
                lines.append(self.targets[position])
            for pair in one.pairs or [()]:
                if not pair:
                    lines.append("  no two knobs interact")
                    continue
                i = self.candidates.index(pair)
                lines.append(
                    f"  {pair[0]} and {pair[1]}: standard deviation {number(float(one.sd[i]))}, "
                    f"{percent(float(one.strength[i]))} of their variance"
                )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

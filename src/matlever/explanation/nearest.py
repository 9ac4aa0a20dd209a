"""Known samples near to others, as sentences, table and JSON."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._words import number, plain
from matlever.knobs import Knob

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NearestKnown"]

Array = NDArray[np.float64]

_SAID = 6  # samples in a repr


@dataclass(frozen=True, eq=False, repr=False)
class NearestKnown:
    """The m nearest of the known samples, for each of n samples.

    Attributes
    ----------
    knobs : tuple of length k
        The knobs.
    rows : tuple of length n
        Labels of the samples.
    positions : ndarray of shape (n, m), int
        Which known samples, the nearest first; those equally near in their order.
    labels : tuple of n tuples of length m
        Their labels.
    distance : ndarray of shape (n, m)
        Euclidean, each knob in units of the distance between its limits; two different levels are 1
        apart.
    radius : float
        Known samples are usually not farther from each other (see `DataRegion`).
    settings : ndarray of shape (n, k)
        Where the samples stand.
    known_settings : ndarray of shape (n, m, k)
        Where the known ones stand.
    outcomes : ndarray of shape (n, m, t) or None
        What was measured there; NaN where it was not.
    targets : tuple of t str, or None
        Names of the outcomes.
    """

    knobs: tuple[Knob, ...]
    rows: tuple[Any, ...]
    positions: NDArray[np.intp]
    labels: tuple[tuple[Any, ...], ...]
    distance: Array
    radius: float
    settings: Array
    known_settings: Array
    outcomes: Array | None = None
    targets: tuple[str, ...] | None = None

    @property
    def difference(self) -> Array:
        """Known less sample, (n, m, k), in the knobs' units; 0 or 1 for equal or other levels."""
        is_word = np.array([knob.kind == "categorical" for knob in self.knobs])
        found = self.known_settings - self.settings[:, None]
        return np.where(is_word, (found != 0).astype(float), found)

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """Samples (n,) that are as near to a known one as known ones are to each other."""
        inside: NDArray[np.bool_] = np.asarray(self.distance[:, 0] <= self.radius)
        return inside

    # -- words ------------------------------------------------------------------------------------

    def sentence_of(self, sample: int) -> str:
        """Say which known samples are nearest to the sample at a position, and how they differ."""
        which = self.labels[sample]
        text = f"Nearest to row {self.rows[sample]}: {'rows' if len(which) > 1 else 'row'} "
        text += ", ".join(map(str, which))
        if self.outcomes is not None:
            said = [
                f"{name}: {', '.join(number(float(v)) for v in self.outcomes[sample, :, t])}"
                for t, name in enumerate(self._outcome_names)
            ]
            text += f" ({'; '.join(said)})"
        changes = self._changes(sample)
        text += f". Row {which[0]} "
        text += f"differs in {changes}" if changes else "has the same settings"
        return text + ("." if self.is_inside[sample] else "; known rows are usually nearer.")

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if len(self.rows) == 1:
            return self.sentence_of(0)
        far = int((~self.is_inside).sum())
        text = (
            f"The nearest known row is {number(float(np.median(self.distance[:, 0])))} of the "
            f"knobs' ranges away (median of {len(self.rows)} rows)"
        )
        if far:
            text += f"; {far} of them {'is' if far == 1 else 'are'} far from all known rows"
        return text + "."

    @property
    def _outcome_names(self) -> tuple[str, ...]:
        count = 0 if self.outcomes is None else self.outcomes.shape[2]
        unnamed = ("outcome",) if count == 1 else tuple(f"outcome {t + 1}" for t in range(count))
        return self.targets or unnamed

    def _changes(self, sample: int) -> str:
        """Return the knobs in which the nearest differs, the largest share of a range first."""
        own, known = self.settings[sample], self.known_settings[sample, 0]
        share = self.difference[sample, 0] / [
            1.0 if knob.kind == "categorical" else knob.width or 1.0 for knob in self.knobs
        ]
        order = [j for j in np.argsort(-np.abs(share), kind="stable") if abs(share[j]) > 1e-9]
        said = [
            f"{self.knobs[j].name} ({self.knobs[j].show(known[j])}, not "
            f"{self.knobs[j].show(own[j])})"
            for j in order[:3]
        ]
        more = len(order) - len(said)
        return ", ".join(said) + (f" and {more} more" if more else "")

    # -- views ------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one line per sample and neighbour, with its settings, differences and outcomes."""
        import pandas as pd

        n, m = self.positions.shape
        columns: dict[str, Any] = {
            "row": np.repeat(np.array(self.rows, dtype=object), m),
            "rank": np.tile(np.arange(1, m + 1), n),
            "known": [label for labels in self.labels for label in labels],
            "distance": self.distance.ravel(),
        }
        for j, knob in enumerate(self.knobs):
            values = self.known_settings[..., j].ravel()
            is_word = knob.kind == "categorical"
            columns[knob.label] = [knob.show(v) for v in values] if is_word else values
            columns[f"difference in {knob.label}"] = self.difference[..., j].ravel()
        if self.outcomes is not None:
            for t, name in enumerate(self._outcome_names):
                columns[name] = self.outcomes[..., t].ravel()
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the neighbours as plain JSON values."""
        return {
            "knobs": [knob.name for knob in self.knobs],
            "units": [knob.unit for knob in self.knobs],
            "rows": list(self.rows),
            "known": [list(labels) for labels in self.labels],
            "positions": self.positions.tolist(),
            "distance": plain(self.distance),
            "radius": self.radius,
            "inside": self.is_inside.tolist(),
            "settings": self._shown(self.settings),
            "known_settings": [self._shown(some) for some in self.known_settings],
            "difference": plain(self.difference),
            "targets": None if self.targets is None else list(self.targets),
            "outcomes": None if self.outcomes is None else plain(self.outcomes),
            "sentences": [self.sentence_of(i) for i in range(len(self.rows))],
            "sentence": self.sentence,
        }

    def _shown(self, settings: Array) -> list[list[Any]]:
        """Return settings (m, k) with levels by name."""
        return [
            [
                knob.show(v) if knob.kind == "categorical" else float(v)
                for knob, v in zip(self.knobs, row, strict=True)
            ]
            for row in settings
        ]

    def __repr__(self) -> str:
        n, m = self.positions.shape
        lines = [f"{m} nearest known rows of {n}"]
        lines += [f"  {self.sentence_of(i)}" for i in range(min(n, _SAID))]
        if n > _SAID:
            lines.append(f"  ... and {n - _SAID} more. {self.sentence}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"

"""Can the attributes of these lots be told apart at all? To be asked before anything is explained.

Two attributes that rise and fall together from lot to lot are one knob as far as the lots can
tell: what a model says of the one it may have learned from the other. The flag rests on how large
the correlation *in these lots* is, not on whether it is significant: with few lots a large chance
correlation confounds as badly as a real one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault, NotEnoughDataError
from matlever.validation.metrics import r2

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConfoundedPair", "Identifiability", "identifiability"]

Array = NDArray[np.float64]

# Two attributes: at |r| = 0.5 a quarter of the variance of each is the other's. Of 30 lots with
# independent attributes drawn at random, 3 % have some pair of four beyond it.
_LARGE_R = 0.5
# Several together: half of the variance of an attribute is told by the others.
_LARGE_INFLATION = 2.0
_UNSEEN = 0.1  # R2 from pictures that is called nothing
_FEWEST_LOTS = 5


@dataclass(frozen=True)
class ConfoundedPair:
    """Two attributes that go together in these lots.

    Attributes
    ----------
    clear, unclear : str
        The one the pictures determine better on its own, and the other, which is not to be named
        as a cause.
    r : float
        Their correlation over the lots.
    p : float
        Chance of a correlation so large if both were drawn independently.
    """

    clear: str
    unclear: str
    r: float
    p: float


@dataclass(frozen=True, eq=False, repr=False)
class Identifiability:
    """What can be told of each attribute from these lots and their pictures.

    Attributes
    ----------
    attributes : tuple of k str
    n_lots : int
    correlation : ndarray of shape (k, k)
        Pearson correlation over the lots; NaN for an attribute that is constant.
    inflation : ndarray of shape (k,)
        Variance inflation factor: how many times more uncertain the effect of an attribute is than
        if it varied independently of the others; infinite when they determine it.
    picture_r2 : ndarray of shape (k,)
        R2 of the attribute predicted from the pictures of lots that were left out; NaN if no
        pictures were given.
    own_r2 : ndarray of shape (k,)
        The same of the part of the attribute that the others do not tell (linearly).
    pairs : tuple of ConfoundedPair
    flags : dict of str to str
        Attributes that are not to be named as a cause, and why.
    """

    attributes: tuple[str, ...]
    n_lots: int
    correlation: Array
    inflation: Array
    picture_r2: Array
    own_r2: Array
    pairs: tuple[ConfoundedPair, ...]
    flags: dict[str, str]

    @property
    def unclear(self) -> tuple[str, ...]:
        """The attributes that are not to be named as a cause."""
        return tuple(self.flags)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader has to know before any explanation."""
        if self.flags:
            return tuple(self.flags.values())
        return (
            f"In these {self.n_lots} lots no attribute hides behind another: "
            f"{_largest(self.correlation)}.",
        )

    def __repr__(self) -> str:
        return "Identifiability: " + " ".join(self.sentences)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each attribute."""
        import pandas as pd

        return pd.DataFrame(
            {
                "inflation": self.inflation,
                "picture_r2": self.picture_r2,
                "own_r2": self.own_r2,
                "flag": [self.flags.get(name, "") for name in self.attributes],
            },
            index=pd.Index(self.attributes, name="attribute"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what is not a number becomes None."""
        return {
            "attributes": list(self.attributes),
            "n_lots": self.n_lots,
            "correlation": [[_plain(r) for r in row] for row in self.correlation],
            "inflation": [_plain(v) for v in self.inflation],
            "picture_r2": [_plain(v) for v in self.picture_r2],
            "own_r2": [_plain(v) for v in self.own_r2],
            "pairs": [vars(pair) for pair in self.pairs],
            "flags": dict(self.flags),
            "sentences": list(self.sentences),
        }


def identifiability(
    attributes: pd.DataFrame, lot_features: pd.DataFrame | None = None
) -> Identifiability:
    """Say which attributes of lots can be told apart, and seen in the pictures.

    Parameters
    ----------
    attributes : DataFrame, a row for each lot
        Labels of the lots, in any unit.
    lot_features : DataFrame, a row for each lot, optional
        What the pictures of each lot show, such as :func:`lot_texture` gives; lots are matched by
        name. Without it, both attributes of a confounded pair are unclear.

    Returns
    -------
    identifiability : Identifiability

    Raises
    ------
    NotEnoughDataError
        If there are fewer than five lots.
    DataError
        If a label is missing, or a lot has no pictures.

    Notes
    -----
    A pair is flagged from ``|r| >= 0.5``: both of it, where the pictures show nothing of what is
    an attribute's own and rather show the other one. An attribute is flagged also when the others
    together tell half of it (an inflation of 2), when it is the same in all lots, or when the
    pictures of lots left out tell less than a tenth of its variance. Features are related to
    attributes by a ridge regression
    of standardised columns, its penalty chosen within the lots that were not left out.

    Examples
    --------
    >>> import pandas as pd
    >>> size = np.linspace(0, 1, 9)
    >>> lots = pd.DataFrame({"size": size, "facetness": 1 - size**2, "porosity": size[[
    ...     4, 0, 8, 2, 6, 1, 7, 3, 5]]})
    >>> identifiability(lots).unclear
    ('size', 'facetness')
    """
    names = tuple(str(name) for name in attributes.columns)
    values = attributes.to_numpy(dtype=np.float64)
    _check(attributes, values, lot_features)
    n, k = values.shape
    varies = np.ptp(values, axis=0) > 0
    correlation = np.full((k, k), np.nan)
    at = np.flatnonzero(varies)
    if len(at):
        correlation[np.ix_(at, at)] = np.atleast_2d(np.corrcoef(values[:, at].T))
    own = np.zeros_like(values)
    inflation = np.full(k, np.nan)
    for j in at:
        others = np.column_stack([np.ones(n), values[:, [i for i in at if i != j]]])
        own[:, j] = values[:, j] - others @ np.linalg.lstsq(others, values[:, j], rcond=None)[0]
        left = float(own[:, j] @ own[:, j]) / float(np.var(values[:, j]) * n)
        inflation[j] = 1 / left if left > 1e-9 else math.inf
    picture, of_own = np.full(k, np.nan), np.full(k, np.nan)
    if lot_features is not None and len(at):
        from matlever.micrographs.measuring.lot_texture import leave_lots_out

        features = lot_features.loc[attributes.index].to_numpy(dtype=np.float64)
        targets = np.column_stack([values[:, at], own[:, at]])
        found = leave_lots_out(features, targets)
        scores = np.array([r2(targets[:, i], found[:, i]) for i in range(targets.shape[1])])
        picture[at], of_own[at] = scores[: len(at)], scores[len(at) :]
    pairs = _pairs(names, correlation, of_own, n)
    flags = _flags(names, n, varies, pairs, inflation, picture, of_own)
    return Identifiability(names, n, correlation, inflation, picture, of_own, pairs, flags)


def _check(attributes: pd.DataFrame, values: Array, features: pd.DataFrame | None) -> None:
    if len(values) < _FEWEST_LOTS:
        raise NotEnoughDataError(
            f"{len(values)} lots cannot tell attributes apart; at least {_FEWEST_LOTS} are needed."
        )
    faults = [
        Fault("it has no label", "Give it one, or leave the lot out.", f"lot {lot}", column=str(c))
        for c in attributes.columns
        for lot in attributes.index[~np.isfinite(attributes[c].to_numpy(dtype=np.float64))]
    ]
    if features is not None:
        faults += [
            Fault("it has no pictures", "Add its tiles, or leave the lot out.", f"lot {lot}")
            for lot in attributes.index
            if lot not in features.index
        ]
    if faults:
        raise DataError(faults)


def _pairs(
    names: tuple[str, ...], correlation: Array, own_r2: Array, n: int
) -> tuple[ConfoundedPair, ...]:
    """Return the confounded pairs, the strongest first."""
    from scipy.stats import t as student

    found = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            r = float(correlation[i, j])
            if not abs(r) >= _LARGE_R:
                continue
            with np.errstate(divide="ignore"):
                statistic = abs(r) * np.sqrt((n - 2) / np.maximum(1 - r**2, 0.0))
            p = float(2 * student.sf(statistic, n - 2))
            first, second = (i, j) if not own_r2[i] < own_r2[j] else (j, i)
            found.append(ConfoundedPair(names[first], names[second], r, p))
    return tuple(sorted(found, key=lambda pair: -abs(pair.r)))


def _flags(
    names: tuple[str, ...],
    n: int,
    varies: NDArray[np.bool_],
    pairs: tuple[ConfoundedPair, ...],
    inflation: Array,
    picture: Array,
    own_r2: Array,
) -> dict[str, str]:
    """Return a sentence for each attribute that is not to be named as a cause."""
    why: dict[str, str] = {}
    score, own = (dict(zip(names, of, strict=True)) for of in (picture, own_r2))
    for pair in pairs:
        together = "falls" if pair.r < 0 else "rises"
        told = (
            f"{{}} cannot be told from {{}} in these {n} lots, r = {_signed(pair.r)}: where one "
            f"rises, the other {together}."
        )
        undecided = own[pair.clear] < _UNSEEN and score[pair.clear] < score[pair.unclear]
        if math.isnan(score[pair.clear]) or undecided:
            for one, other in ((pair.clear, pair.unclear), (pair.unclear, pair.clear)):
                why.setdefault(one, told.format(one, other))
            continue
        why.setdefault(
            pair.unclear,
            told.format(pair.unclear, pair.clear)
            + f" Of lots left out the pictures tell {pair.clear} with R² "
            f"{_signed(score[pair.clear])} and {pair.unclear} with {_signed(score[pair.unclear])}, "
            f"so {pair.unclear} is not to be named as a cause.",
        )
    for j, name in enumerate(names):
        if not varies[j]:
            why[name] = f"{name} is the same in all {n} lots: they say nothing of its effect."
        elif picture[j] < _UNSEEN:
            why.setdefault(
                name,
                f"The pictures of lots left out do not show {name} (R² {_signed(picture[j])}), so "
                "it is not to be named as a cause.",
            )
    paired = {name for pair in pairs for name in (pair.clear, pair.unclear)}
    for j, name in enumerate(names):
        if inflation[j] >= _LARGE_INFLATION and name not in paired:
            why.setdefault(
                name,
                f"{name} cannot be told from the other attributes together in these {n} lots: they "
                f"determine {1 - 1 / inflation[j]:.0%} of it.",
            )
    return {name: why[name] for name in names if name in why}


def _largest(correlation: Array) -> str:
    off = np.abs(correlation[~np.eye(len(correlation), dtype=bool)])
    if not off.size:
        return "there is only one"
    return f"the largest correlation is {np.nanmax(off):.2f} in size"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

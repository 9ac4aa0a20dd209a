"""What an editor must reach, criterion by criterion, and what it reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from matlever.exceptions import SettingsError
from matlever.micrographs.measuring._card_gain import MeterReading
from matlever.micrographs.measuring.realism import Realism

__all__ = ["CardLimits", "Criterion", "Gains", "gain_limits", "judge"]

Gains = Mapping[str, float | tuple[float, float] | None]


@dataclass(frozen=True)
class CardLimits:
    """What is asked of every editor, whatever its attributes.

    Attributes
    ----------
    gain : float, default=0.6
        Least gain of an attribute for which no other is asked.
    confirmed : float, default=0.5
        Least gain by the texture meter, as a share of that by the network. What is really there
        is seen by both alike; a pattern made to fool a network also moves the texture measures the
        right way, by 0.2 to 0.4 as much, so that the sign alone confirms nothing.
    off_diagonal : float, default=0.25
        Largest gain of an attribute whose knob was not turned.
    monotone : float, default=0.97
        Least share of the steps of sweeps that go the way they should.
    auc : float, default=0.75
        Area under the curve of edited against real tiles must be below it.
    identity : float, default=0.005
        Largest mean change of a pixel of a tile rendered at its own values, as a share of the
        range of tones.
    shift : float, default=0.1
        Largest mean change of the prediction by that, in errors of the predictor.
    """

    gain: float = 0.6
    confirmed: float = 0.5
    off_diagonal: float = 0.25
    monotone: float = 0.97
    auc: float = 0.75
    identity: float = 0.005
    shift: float = 0.1


@dataclass(frozen=True)
class Criterion:
    """One line of a card.

    Attributes
    ----------
    name : str
        What is asked.
    value : float or None
        What was found; None where it cannot be judged.
    asked : str
        In words: ``"0.8 to 1.2"``.
    passed : bool or None
        None where it cannot be judged.
    remark : str
        Why not, or the interval.
    """

    name: str
    value: float | None
    asked: str
    passed: bool | None
    remark: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        mark = {True: "passed", False: "FAILED", None: "open"}[self.passed]
        value = "-" if self.value is None else f"{self.value:.3g}"
        remark = f"  ({self.remark})" if self.remark else ""
        return f"{mark:7} {self.name}: {value}, asked {self.asked}{remark}"


def gain_limits(
    names: tuple[str, ...], gains: Gains | None, limits: CardLimits
) -> list[tuple[float, float] | None]:
    """Return the least and largest gain asked of each attribute; None where none is.

    Raises
    ------
    SettingsError
        If `gains` names another attribute, or limits are the wrong way round.
    """
    given = dict(gains or {})
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise SettingsError(
            f"gains names {', '.join(unknown)}; the attributes are {', '.join(names)}."
        )
    found: list[tuple[float, float] | None] = []
    for name in names:
        asked = given.get(name, limits.gain)
        pair = (float(asked), np.inf) if isinstance(asked, int | float) else asked
        if pair is not None and not pair[0] <= pair[1]:
            raise SettingsError(f"gains[{name!r}]={pair} must be the least and the largest gain.")
        found.append(pair)
    return found


def judge(
    network: MeterReading,
    texture: MeterReading,
    realism: Realism,
    identity: float,
    shift: float | None,
    gains: list[tuple[float, float] | None],
    limits: CardLimits,
) -> tuple[Criterion, ...]:
    """Return all criteria of a card."""
    names = network.names
    asked = [j for j, pair in enumerate(gains) if pair is not None]
    criteria = [_gain(network, j, gains[j]) for j in asked]
    criteria += [_confirmed(network, texture, j, limits.confirmed) for j in asked]
    for j in asked:
        share = float(network.monotone[j])
        criteria.append(
            Criterion(
                f"monotone steps of {names[j]}",
                share,
                f"{limits.monotone:g} or more",
                share >= limits.monotone if network.readable[j] else None,
                f"{network.monotone_tiles[j]:.2f} tile by tile",
            )
        )
    off = network.largest_off_diagonal
    criteria.append(
        Criterion(
            "largest gain of what was not turned",
            None if np.isnan(off) else off,
            f"{limits.off_diagonal:g} or less",
            None if np.isnan(off) else off <= limits.off_diagonal,
            _where(network),
        )
    )
    worse = "texture measures" if realism.auc_texture > realism.auc else "network"
    criteria.append(
        Criterion(
            "edited told from real (AUC)",
            realism.worst_auc,
            f"below {limits.auc:g}",
            realism.worst_auc < limits.auc,
            f"{worse}; network [{realism.auc_low:.2f}, {realism.auc_high:.2f}]",
        )
    )
    criteria.append(
        Criterion(
            "change at own values (share of range)",
            identity,
            f"{limits.identity:g} or less",
            identity <= limits.identity,
        )
    )
    criteria.append(
        Criterion(
            "prediction shift at own values (errors)",
            shift,
            f"below {limits.shift:g}",
            None if shift is None else shift < limits.shift,
            "no predictor and error given" if shift is None else "",
        )
    )
    return tuple(criteria)


def _gain(network: MeterReading, j: int, pair: tuple[float, float] | None) -> Criterion:
    least, most = pair or (0.0, np.inf)
    words = f"{least:g} or more" if np.isinf(most) else f"{least:g} to {most:g}"
    name = f"gain of {network.names[j]}, network meter"
    if not network.readable[j]:
        return Criterion(name, None, words, None, _unreadable(network, j))
    value = float(network.gain[j, j])
    return Criterion(
        name,
        value,
        words,
        bool(least <= value <= most),
        f"[{network.low[j, j]:.2f}, {network.high[j, j]:.2f}], {network.raw[j, j]:.2f} raw",
    )


def _confirmed(network: MeterReading, texture: MeterReading, j: int, share: float) -> Criterion:
    least = share * max(float(network.gain[j, j]), 0.0) if network.readable[j] else 0.0
    words = f"{share:g} of the network's or more, rising"
    name = f"gain of {texture.names[j]}, texture meter"
    if not texture.readable[j]:
        return Criterion(name, None, words, None, _unreadable(texture, j))
    rises = bool((np.diff(texture.curves[j, :, j]) > 0).all())
    value = float(texture.gain[j, j])
    return Criterion(
        name,
        value,
        words,
        bool(value >= least) and value > 0 and rises,
        f"[{texture.low[j, j]:.2f}, {texture.high[j, j]:.2f}]"
        f"{'' if rises else ', not rising at every step'}",
    )


def _unreadable(meter: MeterReading, j: int) -> str:
    return f"this meter reads {meter.own[j, j]:.2f} for a true turn of 1, R2 {meter.r2[j]:.2f}"


def _where(network: MeterReading) -> str:
    off = np.abs(np.where(np.eye(len(network.names), dtype=bool), np.nan, network.gain))
    if not np.isfinite(off).any():
        return "the meter reads no attribute"
    i, j = np.unravel_index(int(np.nanargmax(off)), off.shape)
    return f"{network.names[j]} when {network.names[i]} is turned"

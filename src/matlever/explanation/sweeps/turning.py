"""Turning knobs: to which values, on which axis, and what makes room for them.

A part of a mixture moves along Cox's direction: the parts that are not turned keep their ratios
(D. R. Cox, Biometrika 58 (1971) 155-159).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError
from matlever.knobs import Knob, KnobSpace

__all__ = [
    "AxisScale",
    "axis_scale",
    "check_knobs",
    "turnable",
    "turned",
    "values_of",
    "wanted_values",
]

Array = NDArray[np.float64]
AxisScale = Literal["linear", "log"]

# A decade and a half: below it a linear axis shows all there is.
_RATIO_OF_LOG_AXIS = 30.0


def turnable(space: KnobSpace) -> tuple[str, ...]:
    """Names of the knobs that are not fixed and have more than one value."""
    return tuple(knob.name for knob in space if not knob.fixed and _has_room(space, knob))


def check_knobs(space: KnobSpace, names: Sequence[str]) -> None:
    """Refuse knobs that cannot be turned.

    Raises
    ------
    SettingsError
        If a knob is unknown, named twice, fixed or has one value; or there is none.
    """
    space.positions(names)
    if not names:
        raise SettingsError("There is no knob to turn: all are fixed or have one value.")
    faults = [f"{name!r} is named twice" for name in names if list(names).count(name) > 1][:1]
    for name in names:
        if space[name].fixed:
            faults.append(f"{name!r} is fixed")
        elif not _has_room(space, space[name]):
            faults.append(f"{name!r} has one value only, {space[name].show(space[name].low)}")
    if faults:
        raise SettingsError(f"These knobs cannot be turned: {'; '.join(faults)}.")


def _has_room(space: KnobSpace, knob: Knob) -> bool:
    low, high = space.reachable_range(knob.name)
    return high > low


def axis_scale(space: KnobSpace, name: str, data: Array) -> AxisScale:
    """Choose the axis on which the values of a knob are evenly spaced.

    Parameters
    ----------
    space : KnobSpace
        The knobs.
    name : str
        One of them.
    data : ndarray of shape (n,)
        Its values in known samples.

    Returns
    -------
    scale : {"linear", "log"}
        "log" when the knob is a number but no part of a mixture, its lower limit and all data are
        above zero, both its range and the data's span a factor of 30 or more, and the logarithms
        are less skewed than the data.
    """
    knob = space[name]
    low, high = space.reachable_range(name)
    known = data[np.isfinite(data)]
    if knob.kind == "categorical" or space.mixture_of(name) is not None or low <= 0:
        return "linear"
    if not len(known) or known.min() <= 0:
        return "linear"
    if min(high / low, known.max() / known.min()) < _RATIO_OF_LOG_AXIS:
        return "linear"
    return "log" if abs(_skewness(np.log(known))) < abs(_skewness(known)) else "linear"


def _skewness(x: Array) -> float:
    return float(((x - x.mean()) ** 3).mean() / x.std() ** 3)


def values_of(
    space: KnobSpace,
    name: str,
    n_values: int,
    scale: AxisScale = "linear",
    wanted: Sequence[Any] | None = None,
) -> Array:
    """Values to which a knob is turned, ascending and all allowed.

    Parameters
    ----------
    space : KnobSpace
        The knobs.
    name : str
        One of them.
    n_values : int
        Values from its lowest to its highest; a knob with fewer values shows each, a categorical
        one all.
    scale : {"linear", "log"}, default="linear"
        On which axis they are evenly spaced.
    wanted : sequence or None, default=None
        These values instead; names of levels for a categorical knob.

    Raises
    ------
    SettingsError
        If a wanted value is none of the knob's.
    """
    knob = space[name]
    if wanted is not None:
        return _wanted(knob, wanted)
    low, high = space.reachable_range(name)
    spaced = np.geomspace(low, high, n_values) if scale == "log" else None
    allowed = knob.allowed
    if allowed is None:
        return np.linspace(low, high, n_values) if spaced is None else spaced
    allowed = allowed[(allowed >= low - 1e-9) & (allowed <= high + 1e-9)]
    if knob.kind == "categorical" or len(allowed) <= n_values:
        return allowed
    if spaced is not None:
        return np.unique(allowed[np.abs(allowed[:, None] - spaced).argmin(axis=0)])
    return np.unique(allowed[np.rint(np.linspace(0, len(allowed) - 1, n_values)).astype(int)])


def _wanted(knob: Knob, wanted: Sequence[Any]) -> Array:
    if isinstance(wanted, str) or not len(wanted):
        raise SettingsError(f"Knob {knob.name!r}: values={wanted!r} must be a list of values.")
    if knob.kind == "categorical":
        levels = [str(level) for level in knob.levels]
        unknown = [value for value in wanted if str(value) not in levels]
        if unknown:
            raise SettingsError(
                f"Knob {knob.name!r}: {unknown} are not among its levels {levels[:8]}."
            )
        return np.unique([float(levels.index(str(value))) for value in wanted])
    try:
        numbers = np.asarray(wanted, dtype=float)
    except (TypeError, ValueError):
        raise SettingsError(f"Knob {knob.name!r}: values={wanted!r} must be numbers.") from None
    nearest = knob.nearest(numbers)
    wrong = ~(np.abs(numbers - nearest) <= 1e-9 * max(knob.width, 1e-300))
    if numbers.ndim != 1 or wrong.any():
        first = float(numbers.ravel()[wrong.ravel()][0]) if wrong.any() else float("nan")
        raise SettingsError(
            f"Knob {knob.name!r}: {int(wrong.sum())} of values= are none of its values, "
            f"{knob.low:.6g} to {knob.show(knob.high)}; the first is {first:.6g}."
            if wrong.any()
            else f"Knob {knob.name!r}: values= must be one list of numbers."
        )
    return np.unique(nearest)


def wanted_values(
    space: KnobSpace, names: Sequence[str], values: Mapping[str, Sequence[Any]] | None
) -> Mapping[str, Sequence[Any]]:
    """Return `values` after checking that they are of knobs that are turned."""
    if not values:
        return {}
    space.positions(values)
    idle = [name for name in values if name not in names]
    if idle:
        raise SettingsError(f"values= name the knobs {idle}, which are not turned: {list(names)}.")
    return values


def turned(space: KnobSpace, own: Array, names: Sequence[str], values: Array) -> Array:
    """Return settings of n samples with h knobs at v combinations of values.

    Parameters
    ----------
    space : KnobSpace
        The k knobs.
    own : ndarray of shape (n, k)
        Where the samples stand; feasible.
    names : sequence of str of length h
        The knobs that are turned.
    values : ndarray of shape (v, h)
        To which values.

    Returns
    -------
    settings : ndarray of shape (n, v, k)
        The other knobs as in the sample, moved where they must make room: parts of a mixture along
        Cox's direction; all of a row NaN where no feasible setting exists.
    """
    columns = space.positions(names)
    settings = np.repeat(own[:, None], len(values), axis=1)
    settings[:, :, columns] = values
    for mixture in space.mixtures:
        parts = space.positions(mixture.names)
        held = np.intersect1d(parts, columns)
        if not len(held):
            continue
        free = [j for j in parts.tolist() if j not in held and not space.knobs[j].fixed]
        rest = own[:, free].sum(axis=1)
        room = rest + own[:, held].sum(axis=1)
        # Where nothing else is left to scale, the others share what is freed equally.
        ratio = np.where(
            rest[:, None] > 1e-12 * mixture.total,
            own[:, free] / np.where(rest > 0, rest, 1.0)[:, None],
            1.0 / max(len(free), 1),
        )
        left = room[:, None] - settings[:, :, held].sum(axis=2)
        settings[:, :, free] = ratio[:, None] * left[:, :, None]
    return space.project(settings, hold=list(names), unreachable="nan")

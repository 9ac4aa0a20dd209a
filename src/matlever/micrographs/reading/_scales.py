"""Scales of experts' ratings: what a header declares, or what the numbers must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import Fault

__all__ = ["Scale", "declared_scale", "find_scale"]

_USUAL = (5.0, 10.0, 100.0)
# Ratings up to so much above 1 are more likely a slip within 0-1 than ratings of 0-5.
_CLEARLY_ABOVE_ONE = 1.2
_NUMBER = r"\d+(?:\.\d+)?"
_DECLARED = re.compile(
    rf"\s*[(\[]\s*(?:scale\s*)?(?:(?P<low>{_NUMBER})\s*(?:-|–|to|\.\.)\s*(?P<high>{_NUMBER})"
    rf"|(?P<percent>%|percent))\s*[)\]]\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Scale:
    """Lower and upper end of a scale.

    Attributes
    ----------
    low, high : float
    note : str or None
        What a reader is told of it.
    """

    low: float
    high: float
    note: str | None = None

    def unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of the scale as 0 to 1."""
        return np.asarray((values - self.low) / (self.high - self.low))


def declared_scale(header: str) -> tuple[str, Scale | None]:
    """Return a header without the scale it declares, and the scale or None.

    Examples
    --------
    >>> declared_scale("size (0-10)")
    ('size', Scale(low=0.0, high=10.0, note=None))
    >>> declared_scale("porosity (%)")
    ('porosity', Scale(low=0.0, high=100.0, note=None))
    >>> declared_scale("length (nm)")
    ('length (nm)', None)
    """
    found = _DECLARED.search(header)
    if found is None:
        return header.strip(), None
    plain = f"{header[: found.start()]} {header[found.end() :]}".strip()
    if found["percent"]:
        return plain, Scale(0.0, 100.0)
    low, high = float(found["low"]), float(found["high"])
    return (plain, Scale(low, high)) if high > low and plain else (header.strip(), None)


def find_scale(values: NDArray[np.float64], declared: Sequence[Scale | None]) -> Scale | Fault:
    """Return the scale of the ratings of one attribute, or why there is none.

    Parameters
    ----------
    values : ndarray of shape (n_lots, n_experts)
        Ratings, NaN where there is none.
    declared : sequence of (Scale or None), one for each expert
        What the headers say.

    Returns
    -------
    scale : Scale or Fault
        Declared; or else 0-1 where nothing exceeds 1, and the first of 0-5, 0-10 and 0-100 that
        holds them where they clearly do.
    """
    said = sorted({(scale.low, scale.high) for scale in declared if scale is not None})
    if len(said) > 1 or (said and None in declared):
        return Fault(
            "its experts' columns do not declare one scale",
            "Write the same scale into each of the headers, as in 'size_expert1 (0-10)'",
        )
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Scale(0.0, 1.0)
    lowest, highest = float(finite.min()), float(finite.max())
    if said:
        low, high = said[0]
        if lowest < low or highest > high:
            return Fault(
                f"its values run from {lowest:g} to {highest:g}, beyond its scale of "
                f"{low:g}-{high:g}",
                "Mend the values or the scale in the header",
            )
        if (low, high) == (0.0, 1.0):
            return Scale(low, high)
        return Scale(low, high, f"scale {low:g}-{high:g} as the header says, brought to 0-1")
    if lowest < 0 or highest > _USUAL[-1]:
        return Fault(
            f"its values run from {lowest:g} to {highest:g}, on no scale of 0-1, 0-5, 0-10 or "
            "0-100",
            "Write its scale into the header, as in 'size (0-250)', or leave it out of attributes",
        )
    if highest <= 1:
        return Scale(0.0, 1.0)
    if highest <= _CLEARLY_ABOVE_ONE:
        return Fault(
            f"its largest value {highest:g} is neither within 0-1 nor clearly on a larger scale",
            "Mend the value, or write the scale into the header, as in 'size (0-5)'",
        )
    top = next(top for top in _USUAL if highest <= top)
    return Scale(
        0.0,
        top,
        f"its largest value is {highest:g}, so it was read on a scale of 0-{top:g} and brought to "
        "0-1 (write the scale into the header if it is another)",
    )

"""Changes of settings, and what they lead to, in plain words."""

from __future__ import annotations

from matlever.explanation._words import number
from matlever.knobs import ActiveLimit, Knob

__all__ = ["change_text", "limit_text", "predicted_text"]


def change_text(knob: Knob, start: float, end: float) -> str:
    """Say how one knob is turned: "raise temperature from 120 to 141 °C"."""
    if knob.kind == "categorical":
        return f"change {knob.name} from {knob.show(start)} to {knob.show(end)}"
    verb = "raise" if end > start else "lower"
    return f"{verb} {knob.name} from {arrow_text(knob, start, end, ' to ')}"


def arrow_text(knob: Knob, start: float, end: float, between: str = " → ") -> str:
    """Return both settings with as many digits as it takes to tell them apart."""
    if knob.kind == "categorical":
        return f"{knob.show(start)}{between}{knob.show(end)}"
    digits = next(d for d in (*range(4, 17), 17) if f"{start:.{d}g}" != f"{end:.{d}g}" or d == 17)
    unit = f" {knob.unit}" if knob.unit else ""
    return f"{start:.{digits}g}{between}{end:.{digits}g}{unit}"


def limit_text(limit: ActiveLimit, knob: Knob | None) -> str:
    """Return "the upper limit of temperature (300 °C)"."""
    value = f"{limit.value:.6g}" if knob is None else knob.show(limit.value)
    return f"the {limit.side} limit of {limit.knob} ({value})"


def predicted_text(
    name: str | None,
    unit: str | None,
    value: float,
    limits: tuple[float, float] | None,
    level: float | None,
) -> str:
    """Return "length 20.3 nm (90 % interval 18 to 23)"."""
    text = f"{name} {number(value)}" if name else number(value)
    text += f" {unit}" if unit else ""
    if limits is not None:
        share = f"{level * 100:g} % " if level is not None else ""
        text += f" ({share}interval {number(limits[0])} to {number(limits[1])})"
    return text

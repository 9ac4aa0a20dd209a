"""What happens when a knob is turned: one panel per knob, strongest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matlever.report._text import DASH, label, percent, plain
from matlever.report._values import items, number, numbers, pick, records, string
from matlever.report.held_out import as_floats, matrix
from matlever.report.overview import target_label
from matlever.report.sweep_figure import Sweep, sweep_limits, sweep_panel

__all__ = ["read_sweep", "sweeps_part"]

_MOST_PANELS = 12


def sweeps_part(target: Mapping[str, Any], uid: str) -> str:
    """Return the part on what happens when a knob is turned: one panel per knob."""
    sweeps = _ranked(target, [read_sweep(entry) for entry in records(target.get("sweeps"))])
    title = "<h3>What happens when a knob is turned</h3>"
    if not sweeps:
        return f"{title}<p>No knob was swept.</p>"
    what = target_label(target)
    limits = sweep_limits(sweeps[:_MOST_PANELS]) or (0.0, 1.0)
    panels = []
    for place, sweep in enumerate(sweeps[:_MOST_PANELS]):
        described = f"Predicted {what} while {plain(sweep.knob, 80)} is turned."
        drawn = sweep_panel(f"{uid}-sweep-{place}", sweep, limits, plain(what, 40), described)
        panels.append(f'<figure class="panel">{drawn}</figure>')
    left = len(sweeps) - _MOST_PANELS
    fewer = f" The {_MOST_PANELS} strongest of {len(sweeps):,} knobs are shown." if left > 0 else ""
    level = number(pick(target, "interval", "level"))
    band = f"{percent(level)} interval" if level is not None else "interval"
    far = any(s.inside is not None and (s.inside < 0.5).any() for s in sweeps[:_MOST_PANELS])
    banded = any(sweep.lower is not None for sweep in sweeps)
    return (
        f'{title}<div class="grid">{"".join(panels)}</div>'
        '<ul class="key"><li><i class="stroke" style="color:var(--blue)"></i>average over the '
        'rows</li><li><i class="stroke" style="color:var(--thread)"></i>single rows</li>'
        + (
            f'<li><i class="bar-of" style="background:var(--wash)"></i>{band}</li>'
            if banded
            else ""
        )
        + "<li>ticks at the foot: values in the data</li>"
        + (
            '<li><i class="stroke far" style="color:var(--blue)"></i>far from all data</li>'
            if far
            else ""
        )
        + '</ul><p class="how">One knob is turned, the others stay as they were in each row. '
        "All panels share one scale of the target, so a flat line is a knob that hardly matters."
        f"{fewer} This is what the model expects, not a measurement: where there are no ticks, it "
        "is guessing.</p>"
    )


def read_sweep(entry: Mapping[str, Any]) -> Sweep | None:
    """Read one sweep; values of the knob that are not numbers are left out."""
    mean, values = (as_floats(numbers(entry.get(name))) for name in ("mean", "values"))
    inside = as_floats(numbers(entry.get("inside")))
    if len(inside) != len(mean):
        inside = np.ones(len(mean))
    lower, upper = (as_floats(numbers(entry.get(name))) for name in ("lower", "upper"))
    levels = [string(level) for level in items(entry.get("levels"))]
    curves = matrix(entry.get("individual"), len(mean))
    if not levels and entry.get("kind") != "categorical":
        if len(values) != len(mean):
            return None
        kept = np.flatnonzero(np.isfinite(values))
        lower, upper = (
            bound[kept] if len(bound) == len(mean) else bound[:0] for bound in (lower, upper)
        )
        mean, values, curves, inside = mean[kept], values[kept], curves[:, kept], inside[kept]
    n = len(mean)
    if not np.isfinite(mean).any():
        return None
    has_band = len(lower) == n == len(upper) and bool(np.isfinite(lower + upper).any())
    unit = string(entry.get("unit"))
    return Sweep(
        knob=label(string(entry.get("knob")), unit) if entry.get("knob") else DASH,
        kind=string(entry.get("kind")),
        values=values,
        levels=levels,
        mean=mean,
        lower=lower if has_band else None,
        upper=upper if has_band else None,
        curves=curves,
        data=as_floats(numbers(entry.get("data"))),
        inside=np.nan_to_num(inside, nan=1.0),
        log=entry.get("scale") == "log" and bool(len(values)) and bool((values > 0).all()),
    )


def _ranked(target: Mapping[str, Any], sweeps: list[Sweep | None]) -> list[Sweep]:
    """Return the sweeps that can be drawn, the knob that moves the prediction most first."""
    kept = [sweep for sweep in sweeps if sweep is not None]
    return sorted(kept, key=lambda sweep: -float(np.nanmax(sweep.mean) - np.nanmin(sweep.mean)))

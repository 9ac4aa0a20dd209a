"""A report card as a figure: readings against settings, gains, and the pictures themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matlever.micrographs.measuring._card_gain import MeterReading
    from matlever.micrographs.measuring.report_card import ReportCard

__all__ = ["draw_card"]

_BLUE, _ORANGE, _GREY = "#1764a3", "#b64a0b", "#525c67"


def draw_card(card: ReportCard) -> Any:
    """Return a matplotlib figure of a card.

    Above: what each meter reads of an attribute while its own knob is turned, and the matrices of
    gains. Below: one tile with each knob at each value, beside it the same drawn exactly.
    """
    from matplotlib.figure import Figure

    k = len(card.names)
    width = 2.6 * k + 1.2
    across = len(card.values) * (1 if card.exact_pictures is None else 2)
    heights = [2.6, 0.75 * k + 0.9, k * min(width / across + 0.2, 1.6) + 0.4]
    figure = Figure(figsize=(width, sum(heights) + 0.4), layout="constrained")
    parts: Any = figure.subfigures(3, 1, height_ratios=heights)
    top, middle, bottom = parts
    verdict = "passed" if card.passed else f"failed {len(card.failed)} of {len(card.criteria)}"
    kind = "simulated tiles" if card.simulated else "tiles"
    figure.suptitle(
        f"{card.editor}: {verdict} ({card.n_tiles} {kind} of {card.n_lots} unseen lots)"
    )
    _draw_sweeps(card, top.subplots(1, k, squeeze=False, sharey=True)[0])
    for ax, meter, title in zip(
        middle.subplots(1, 2),
        (card.network, card.texture),
        ("Gain by the network meter", "Gain by the texture meter"),
        strict=True,
    ):
        _draw_gains(meter, ax, title)
    _draw_pictures(card, bottom)
    return figure


def _draw_sweeps(card: ReportCard, axes: Any) -> None:
    for j, (name, ax) in enumerate(zip(card.names, axes, strict=True)):
        for meter, colour, marker, label in (
            (card.network, _BLUE, "o", "network meter"),
            (card.texture, _ORANGE, "s", "texture meter"),
        ):
            curve = meter.curves[j, :, j]
            # A known turn, as this meter would read it, through the middle of the curve.
            expected = curve.mean() + meter.own[j, j] * (card.values - card.values.mean())
            ax.plot(card.values, expected, ":", color=colour, linewidth=1)
            ax.plot(card.values, curve, color=colour, marker=marker, markersize=4, label=label)
        ax.set_title(name)
        ax.set_xlabel("knob")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("measured (dotted: exact turn)")
    axes[0].legend(frameon=False, fontsize="x-small", loc="upper left")


def _draw_gains(meter: MeterReading, ax: Any, title: str) -> None:
    k = len(meter.names)
    ax.imshow(np.nan_to_num(meter.gain), cmap="RdBu_r", vmin=-1.4, vmax=1.4)
    for i in range(k):
        for j in range(k):
            value = meter.gain[i, j]
            if np.isfinite(value):
                half = (meter.high[i, j] - meter.low[i, j]) / 2
                text = f"{round(value, 2) + 0.0:.2f}\n±{half:.2f}"
            else:
                text = "not\nreadable"
            dark = np.isfinite(value) and abs(value) > 0.8
            ax.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize="x-small",
                color="white" if dark else "black",
            )
    ax.set_xticks(
        range(k), [f"{n}\nR2 {r:.2f}" for n, r in zip(meter.names, meter.r2, strict=True)]
    )
    ax.set_yticks(range(k), meter.names)
    ax.tick_params(length=0, labelsize="x-small")
    ax.set_xlabel("measured", fontsize="small")
    ax.set_ylabel("turned", fontsize="small")
    ax.set_title(title, fontsize="medium")


def _draw_pictures(card: ReportCard, part: Any) -> None:
    sets = [(card.pictures, "as this editor turns it")]
    if card.exact_pictures is not None:
        sets.append((card.exact_pictures, "the same packing drawn again"))
    low, high = (float(np.quantile(card.pictures, q)) for q in (0.002, 0.998))
    for side, (pictures, what) in zip(
        part.subfigures(1, len(sets), squeeze=False)[0], sets, strict=True
    ):
        side.suptitle(f"One tile, {what}", fontsize="medium")
        axes = side.subplots(len(card.names), len(card.values), squeeze=False)
        for i, name in enumerate(card.names):
            for value, ax, picture in zip(card.values, axes[i], pictures[i], strict=True):
                ax.imshow(picture, cmap="gray", interpolation="nearest", vmin=low, vmax=high)
                ax.set(xticks=[], yticks=[])
                ax.set_title(f"{value:.2g}", fontsize="x-small", pad=2, color=_GREY)
            axes[i, 0].set_ylabel(name, fontsize="small")

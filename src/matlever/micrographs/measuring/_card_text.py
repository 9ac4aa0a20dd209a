"""A report card as a screen of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matlever.micrographs.measuring._card_gain import MeterReading

if TYPE_CHECKING:
    from matlever.micrographs.measuring.report_card import ReportCard

__all__ = ["card_text"]

_WIDTH = 7  # of a number in the matrices


def card_text(card: ReportCard) -> str:
    """Return a card in at most some thirty lines of a hundred characters."""
    failed, still_open = len(card.failed), sum(c.passed is None for c in card.criteria)
    verdict = "passed" if card.passed else f"FAILED {failed} of {len(card.criteria)} criteria"
    if still_open:
        verdict += f", {still_open} open"
    kind = "simulated tiles" if card.simulated else "tiles"
    lines = [f"Report card of {card.editor}: {verdict}"]
    lines.append(f"Gains on {card.n_tiles} {kind} of {card.n_lots} unseen lots; rows: knob turned")
    lines += _matrices(card.network, card.texture)
    if card.exact is not None:
        each = ", ".join(
            f"{name} {a:.2f}" for name, a in zip(card.names, card.exact.correlation, strict=True)
        )
        lines.append(f"Correlation with exact edits, pixel by pixel, given the tile: {each}")
    r = card.realism
    lines.append(
        f"Spectrum {r.spectrum_db:.2f} dB from real (real from real {r.spectrum_real_db:.2f}), "
        f"patches {r.patches:.4f} ({r.patches_real:.4f}); {r.n_real} real, {r.n_edited} edited"
    )
    lines += [f"  {criterion}" for criterion in card.criteria]
    return "\n".join(lines)


def _matrices(network: MeterReading, texture: MeterReading) -> list[str]:
    names = network.names
    first = max(len(name) for name in names) + 2
    short = [name[: _WIDTH - 1] for name in names]
    heads = "".join(f"{name:>{_WIDTH}}" for name in short)
    lines = [f"{'':{first}}{heads} |{heads}   network | texture"]
    for i, name in enumerate(names):
        left, right = (_row(meter.gain[i]) for meter in (network, texture))
        lines.append(f"{name:{first}}{left} |{right}")
    left, right = (_row(np.array(meter.r2)) for meter in (network, texture))
    lines.append(f"{'(R2)':{first}}{left} |{right}   of the meters, lots held out")
    return lines


def _row(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return "".join(
        f"{value.round(2) + 0.0:{_WIDTH}.2f}" if np.isfinite(value) else f"{'-':>{_WIDTH}}"
        for value in values
    )

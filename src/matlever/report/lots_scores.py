"""How well the property of a lot is predicted: unseen lots first, the published protocol beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.report._text import (
    DASH,
    count,
    fixed,
    number_text,
    percent,
    plain,
    quantity,
    score,
    text,
)
from matlever.report._values import flag, mapping, number, numbers, pick, records, string
from matlever.report.held_out import as_floats
from matlever.report.lots_figures import LotPoints, error_bars, lot_plot
from matlever.report.lots_forward import property_label
from matlever.report.tile_pictures import tile_picture

__all__ = [
    "SCORES_ANCHOR",
    "lot_by_lot",
    "lot_errors",
    "lot_scores_section",
    "predicted_lots",
    "score_facts",
    "skill_pill",
]

SCORES_ANCHOR = "predict"
_SKILLS = {
    "none": "No evidence of skill",
    "weak": "Weak skill",
    "useful": "Useful skill",
    "strong": "Strong skill",
}
_PROTOCOLS = (
    ("lots_held_out", "whole lots never seen", "the number to quote", "chosen"),
    ("lots_with_texture", "whole lots never seen, all tiles of a lot at once", "beside it", ""),
    ("tile_split", "random tiles; every lot was seen in training", "published protocol", ""),
    ("shuffled_lots_held_out", "whole lots never seen, property shuffled", "check", "base"),
    ("shuffled_tile_split", "random tiles, property shuffled", "check", "base"),
)


def lot_scores_section(results: Mapping[str, Any], mark: str = "") -> str:
    """Return the section on scores, or nothing where nothing was scored."""
    scores = mapping(results.get("scores"))
    if not scores:
        return ""
    what = property_label(results)
    bad = " bad" if string(scores.get("skill")) == "none" else ""
    said = text(string(scores.get("skill_sentence")), 900)
    verdict = text(string(scores.get("verdict")), 1_600)
    return (
        f'<section id="{SCORES_ANCHOR}"><h2>How well it predicts{mark}</h2>{skill_pill(scores)}'
        f'<div class="say{bad}"><p>{said or DASH}</p></div>'
        "<p>A network looks at one tile and predicts the property of its lot. All tiles of a lot "
        "share one measurement, so the honest question is a lot whose tiles it has never seen.</p>"
        f"{_table(scores)}<p>{verdict}</p>{_interval(scores)}{lot_by_lot(scores, what)}"
        f"{_looks(results)}</section>"
    )


def _looks(results: Mapping[str, Any]) -> str:
    """Return tiles with heat maps over them, and whether these mean anything."""
    looks = mapping(results.get("looks"))
    lots = records(looks.get("lots"))
    if not lots:
        return ""
    figures = []
    for lot in lots:
        name = string(lot.get("lot"))
        for pair in records(lot.get("pictures")):
            for key, words in (("tile", "as it is"), ("map", "where the network looks")):
                figures.append(
                    tile_picture(
                        pair.get(key),
                        f"Tile of lot {name}, {words}.",
                        f"<b>{text(name, 40)}</b> {words}",
                    )
                )
    check = mapping(looks.get("check"))
    bad = "" if flag(check.get("passes")) else " bad"
    return (
        f'<h3>Where the network looks</h3><div class="tiles">{"".join(figures)}</div>'
        '<ul class="key"><li><i class="bar-of" style="background:var(--orange)"></i>what is there '
        'raises the prediction</li><li><i class="bar-of" style="background:var(--blue)"></i>lowers '
        "it</li></ul>"
        f'<div class="say{bad}"><p>{text(string(check.get("sentence")), 500)}</p></div>'
        '<p class="how">Heat maps (Grad-CAM) say where something matters, not what: a bright spot '
        "may be size, pores or facets. The attributes turned below say what.</p>"
    )


def skill_pill(scores: Mapping[str, Any]) -> str:
    """Return the verdict in two words."""
    skill = string(scores.get("skill"))
    style = skill if skill in _SKILLS else "unknown"
    return f'<span class="pill {style}">{_SKILLS.get(skill, "Not judged")}</span>'


def _table(scores: Mapping[str, Any]) -> str:
    unit = text(string(scores.get("unit")), 24)
    of = f" ({unit})" if unit else ""
    rows = []
    for key, name, tag, style in _PROTOCOLS:
        found = mapping(scores.get(key))
        if not found:
            continue
        tile, lot = mapping(found.get("by_tile")), mapping(found.get("by_lot"))
        if key == "lots_with_texture":  # says one thing of all tiles of a lot
            tile = {}
        low, high = (score(number(lot.get(end))) for end in ("r2_low", "r2_high"))
        rows.append(
            f'<tr class="{style}"><th scope="row">{name}<span class="tag">{tag}</span></th>'
            f'<td class="n">{score(number(lot.get("r2")))}</td><td class="n">{low} to {high}</td>'
            f'<td class="n">{score(number(tile.get("r2")))}</td>'
            f'<td class="n">{number_text(number(tile.get("rmse")))}</td>'
            f'<td class="n">{_percent(number(tile.get("mape_percent")))}</td>'
            f'<td class="n">{count(number(lot.get("n")))}</td></tr>'
        )
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">scored on</th>'
        '<th scope="col" class="n">R²,<br/>lots</th><th scope="col" class="n">90 % of<br/>lots '
        'drawn</th><th scope="col" class="n">R²,<br/>tiles</th>'
        f'<th scope="col" class="n">RMSE{of},<br/>tiles</th>'
        '<th scope="col" class="n">mean error,<br/>tiles</th><th scope="col" class="n">lots</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="how">R² is 1 for perfect predictions and 0 for always guessing the mean. '
        "“Lots” compares the mean over the tiles of a lot with its measurement, “tiles” each tile. "
        "“All tiles at once” averages that mean with a regression on the lot's mean texture, which "
        "learned from the other lots. "
        "Shuffled, there is nothing to learn: what such a network scores on random tiles it scores "
        "by telling the lots apart.</p>"
    )


def _interval(scores: Mapping[str, Any]) -> str:
    said = text(string(pick(scores, "interval", "sentence")), 500)
    return f"<p>{said}</p>" if said else ""


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{fixed(value, 1)}\N{NO-BREAK SPACE}%"


def lot_by_lot(scores: Mapping[str, Any], what: str) -> str:
    """Return predictions and errors lot by lot, for lots never seen."""
    predicted = predicted_lots(scores, what)
    return f"<h3>Lot by lot</h3>{predicted}{lot_errors(scores, what)}" if predicted else ""


def predicted_lots(scores: Mapping[str, Any], what: str) -> str:
    """Return each lot's prediction beside its measured value (figure 8 of the study)."""
    points = _points(pick(scores, "lots_held_out", "lots"))
    drawn = lot_plot(
        "lots-predicted",
        points,
        plain(what, 48),
        f"Predicted {what} of each lot, by networks that never saw it, beside the measured value.",
    )
    if not drawn:
        return ""
    return (
        f'<figure><div class="wide-plot" tabindex="0">{drawn}</div><figcaption>Every lot as '
        "predicted by a network that never saw it.</figcaption></figure>"
        '<ul class="key"><li><i class="dot"></i>mean over its tiles, line: standard deviation of '
        'the tiles</li><li><i class="stroke" style="color:var(--orange)"></i>measured</li></ul>'
    )


def lot_errors(scores: Mapping[str, Any], what: str) -> str:
    """Return the error of each lot, the largest first (figure 9 of the study)."""
    table = pick(scores, "lots_held_out", "lots")
    error = as_floats(numbers(pick(table, "rmse")))
    names = [string(name) for name in pick(table, "lot") or ()]
    if len(error) != len(names) or not names:
        return ""
    bars = error_bars(
        "lots-error",
        names,
        error,
        f"RMSE of its tiles: {plain(what, 30)}",
        "Root mean square error over the tiles of each lot, lots never seen.",
    )
    return (
        f'<figure><div class="wide-plot" tabindex="0">{bars}</div><figcaption>Error of the tiles '
        "of each lot, largest first.</figcaption></figure>"
        if bars
        else ""
    )


def _points(table: object) -> LotPoints:
    names = [string(name) for name in pick(table, "lot") or ()]
    measured, mean, sd = (as_floats(numbers(pick(table, k))) for k in ("measured", "mean", "sd"))
    n = min(len(names), len(measured), len(mean), len(sd))
    return LotPoints(names[:n], measured[:n], mean[:n], sd[:n])


def _interval_fact(scores: Mapping[str, Any], unit: str) -> str:
    level, half = (number(pick(scores, "interval", key)) for key in ("level", "half_width"))
    if level is None or half is None:
        return ""
    return (
        f"<div><dt>A new lot lands within this of its prediction ({percent(level)} interval)</dt>"
        f"<dd><b>± {text(quantity(half, unit))}</b>from the errors on "
        f"{count(number(pick(scores, 'interval', 'n')))} lots held out</dd></div>"
    )


def score_facts(results: Mapping[str, Any]) -> str:
    """Return the figures of the card on the first screen (HTML)."""
    scores = mapping(results.get("scores"))
    held, seen = mapping(scores.get("lots_held_out")), mapping(scores.get("tile_split"))
    unit = string(scores.get("unit"))
    by_lot = mapping(held.get("by_lot"))
    low, high = (score(number(by_lot.get(end))) for end in ("r2_low", "r2_high"))
    error = text(quantity(number(by_lot.get("rmse")), unit))
    leak = ""
    if flag(scores.get("leaks")):
        leak = "it has then seen every lot: no figure for new material"
    return (
        "<div><dt>R² on whole lots the model never saw</dt>"
        f"<dd><b>{score(number(by_lot.get('r2')))}</b>{low} to {high} for other lots like these"
        "</dd></div>"
        f"<div><dt>Error of the mean over a new lot's tiles</dt><dd><b>{error}</b>"
        f"root mean square over {count(number(by_lot.get('n')))} lots</dd></div>"
        f"{_interval_fact(scores, unit)}"
        "<div><dt>R² on random tiles, as published work scores</dt>"
        f"<dd><b>{score(number(pick(seen, 'by_tile', 'r2')))}</b>{leak}</dd></div>"
    )

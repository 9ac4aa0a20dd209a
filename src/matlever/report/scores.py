"""How well a target is predicted: verdict, scores, scatter plot, three-number check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matlever.report._text import (
    DASH,
    mean_sd,
    percent,
    plain,
    plural,
    score,
    text,
)
from matlever.report._values import flag, mapping, number, pick, records, string
from matlever.report.figures import Cloud, measured_against_predicted, r2_bars
from matlever.report.held_out import HeldOut
from matlever.report.overview import pill, r2_text, target_label

__all__ = ["prediction_part", "three_numbers_part"]

_LOWEST = -0.5


def prediction_part(target: Mapping[str, Any], uid: str) -> str:
    """Return the part on how well a target is predicted."""
    sentence = text(string(pick(target, "verdict", "sentence")))
    bad = " bad" if pick(target, "verdict", "skill") == "none" else ""
    gap = text(string(pick(target, "protocol_gap", "sentence")))
    return (
        f'{pill(target)}<div class="say{bad}"><p>{sentence or DASH}</p>'
        + (f"<p>{gap}</p>" if gap else "")
        + "</div>"
        + "<h3>How well it predicts</h3>"
        + _protocols(target)
        + _score_table(target)
        + '<div class="pair">'
        + _scatter(target, uid)
        + three_numbers_part(mapping(target.get("three_numbers")), uid)
        + "</div>"
    )


def _protocols(target: Mapping[str, Any]) -> str:
    honest = text(string(pick(target, "protocols", "honest", "text")))
    random = text(string(pick(target, "protocols", "random", "text")))
    model = text(string(target.get("model")))
    said = f"<p>The model: {model}.</p>" if model else ""
    said += f"<p>Scored by: {honest}.</p>" if honest else ""
    if flag(target.get("log_scale")):
        said += (
            "<p>The values are skewed, so the model works on their logarithm; errors and intervals "
            "are given in the unit itself.</p>"
        )
    if random:
        said += f"<p>Beside it, for comparison only: {random}.</p>"
    return said


def _score_table(target: Mapping[str, Any]) -> str:
    scores = records(target.get("scores"))
    if not scores:
        return "<p>No model was scored.</p>"
    beside = any(mapping(entry.get("random")) for entry in scores)
    unit = text(string(target.get("unit")), 24)
    of = f" ({unit})" if unit else ""
    random_head = '<th scope="col" class="n">R²,<br/>random folds</th>' if beside else ""
    rows = "".join(_score_row(entry, beside) for entry in scores)
    dots = '<ul class="key"><li><i class="dot"></i>honest, ± spread</li>'
    ring = '<li><i class="dot ring"></i>random folds</li>' if beside else ""
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">model</th>'
        f'<th scope="col" class="n">R²,<br/>honest</th>{random_head}'
        '<th scope="col"><span class="ends"><span>≤ −0.5</span><span>R²</span><span>1</span>'
        f'</span></th><th scope="col" class="n">RMSE{of}</th>'
        f'<th scope="col" class="n">MAE{of}</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"{dots}{ring}<li>dashed line: R² = 0, always guessing the mean</li></ul>"
        '<p class="how">± is how far a figure could lie off for other rows like these (bootstrap '
        "of the rows, of whole groups where there are groups). RMSE and MAE are the root mean "
        "square and the mean absolute error on rows the model never saw.</p>"
    )


def _score_row(entry: Mapping[str, Any], beside: bool) -> str:
    honest, random = mapping(entry.get("honest")), mapping(entry.get("random"))
    chosen, base = flag(entry.get("is_default")), flag(entry.get("is_baseline"))
    style = ' class="chosen"' if chosen else ' class="base"' if base else ""
    tag = '<span class="tag">used</span>' if chosen else ""
    tag += '<span class="tag">baseline</span>' if base else ""
    errors = "".join(
        f'<td class="n">{mean_sd(number(pick(honest, name, "mean")), _sd(honest, name))}</td>'
        for name in ("rmse", "mae")
    )
    random_cell = f'<td class="n">{r2_text(random.get("r2"))}</td>' if beside else ""
    return (
        f'<tr{style}><th scope="row">{text(string(entry.get("model")), 80) or DASH}{tag}</th>'
        f'<td class="n">{r2_text(honest.get("r2"))}</td>{random_cell}'
        f"<td>{_track(honest, random)}</td>{errors}</tr>"
    )


def _sd(scores: Mapping[str, Any], name: str) -> float | None:
    return number(pick(scores, name, "sd"))


def _track(honest: Mapping[str, Any], random: Mapping[str, Any]) -> str:
    """Return R² as a dot between -0.5 (or worse) and 1, with its spread."""
    parts = ['<i class="axis"></i>', f'<i class="zero" style="left:{_place(0):.1f}%"></i>']
    mean = number(pick(honest, "r2", "mean"))
    sd = _sd(honest, "r2") or 0.0
    if mean is not None:
        left, right = _place(mean - sd), _place(mean + sd)
        parts.append(
            f'<i class="spread" style="left:{left:.1f}%;width:{max(right - left, 0):.1f}%"></i>'
        )
    beside = number(pick(random, "r2", "mean"))
    if beside is not None:
        parts.append(f'<i class="dot ring" style="left:{_place(beside):.1f}%"></i>')
    if mean is not None:
        parts.append(f'<i class="dot" style="left:{_place(mean):.1f}%"></i>')
    return f'<span class="track" aria-hidden="true">{"".join(parts)}</span>'


def _place(r2: float) -> float:
    return 100 * (min(max(r2, _LOWEST), 1.0) - _LOWEST) / (1 - _LOWEST)


def _scatter(target: Mapping[str, Any], uid: str) -> str:
    held = HeldOut.of(target)
    what = target_label(target)
    cloud = Cloud(
        held.measured, held.predicted, lower=held.lower, upper=held.upper, names=held.rows
    )
    n = int(np.sum(np.isfinite(held.measured) & np.isfinite(held.predicted)))
    svg = measured_against_predicted(
        f"{uid}-scatter",
        [cloud],
        plain(what, 40),
        f"Predicted against measured {what} for {n:,} rows, each predicted by a model "
        "that never saw it.",
        log=flag(target.get("log_scale")),
    )
    if not svg:
        return '<p class="soft">No out-of-fold predictions were kept.</p>'
    return (
        f"<figure>{svg}<figcaption>Each row as predicted by a model that never saw it. On the "
        f"line, prediction and measurement agree. {_intervals(target, held, n)} Numbers are rows "
        f"of the file.{_thinned(n)}</figcaption></figure>"
    )


def _intervals(target: Mapping[str, Any], held: HeldOut, n: int) -> str:
    interval = mapping(target.get("interval"))
    said = text(string(interval.get("sentence")))
    if held.lower is None or held.upper is None:
        return said
    missed = int(held.missed.sum())
    level = number(interval.get("level"))
    share = f"{percent(level)} " if level is not None else ""
    return (
        f"Bars are {share}intervals; orange diamonds mark the {missed:,} of {n:,} rows whose "
        f"measurement lies outside. {said}"
    )


def _thinned(n: int) -> str:
    return " Of these rows, 2,000 evenly spaced ones are drawn." if n > 2_000 else ""


def three_numbers_part(check: Mapping[str, Any], uid: str, *, brief: bool = False) -> str:
    """Return the three-number check as bars and a sentence.

    A `brief` one is narrow and leaves the explanation to the page around it.
    """
    if not check:
        return ""
    bars = [
        ("Published protocol", number(check.get("paper_r2")), "orange"),
        ("Same network, honest: rows never seen", number(check.get("honest_r2")), "blue"),
        ("Published protocol on shuffled targets", number(check.get("permuted_r2")), "thread"),
    ]
    described = "; ".join(f"{name}: R² {score(value)}" for name, value, _ in bars)
    augmented = number(check.get("n_augmented"))
    grown = f" to {plural(augmented, 'row')}" if augmented is not None else ""
    whole = ""
    if number(check.get("paper_r2_whole")) is not None:
        whole = (
            f" Over the whole augmented set the protocol gives R² "
            f"{score(number(check.get('paper_r2_whole')))}, and "
            f"{score(number(check.get('permuted_r2_whole')))} on shuffled targets."
        )
    sentence = text(string(check.get("sentence")))
    drawn = r2_bars(f"{uid}-three", bars, described, width=310 if brief else 390)
    if brief:
        return f"<figure>{drawn}<figcaption>{sentence}{whole}</figcaption></figure>"
    return (
        f"<figure>{drawn}<figcaption><b>The three-number check.</b> {sentence} The "
        f"published protocol augments all rows{grown} first and cross-validates afterwards, so "
        "rows made from every test row are in training. Shuffled targets have nothing to learn: "
        f"what they score is memory, not prediction.{whole}</figcaption></figure>"
    )

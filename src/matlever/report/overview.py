"""The first screen: what was found, in words, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.report._text import (
    DASH,
    label,
    number_text,
    percent,
    plain,
    plural,
    quantity,
    score_sd,
    text,
)
from matlever.report._values import flag, items, number, pick, records, string

__all__ = ["anchor", "has_skill", "overview", "pill", "r2_text", "strongest", "target_label"]

_SKILLS = {
    "none": ("none", "No evidence of skill"),
    "weak": ("weak", "Weak skill"),
    "useful": ("useful", "Useful skill"),
    "strong": ("strong", "Strong skill"),
}
_DIRECTIONS = {"+": "raises", "-": "lowers"}


def anchor(place: int) -> str:
    """Return the identifier of the section about target number `place`."""
    return f"target-{place + 1}"


def target_label(target: Mapping[str, Any]) -> str:
    """Return ``"length (nm)"`` as plain text."""
    return label(string(target.get("name")), string(target.get("unit")))


def has_skill(target: Mapping[str, Any]) -> bool:
    """Return whether the study found any skill for this target."""
    return string(pick(target, "verdict", "skill")) != "none"


def default_scores(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scores of the model that is used."""
    scores = records(target.get("scores"))
    return next((entry for entry in scores if flag(entry.get("is_default"))), {})


def r2_text(entry: object) -> str:
    """Return ``"0.83 ± 0.04"`` from a score's mean and sd."""
    return score_sd(number(pick(entry, "mean")), number(pick(entry, "sd")))


def pill(target: Mapping[str, Any]) -> str:
    """Return the verdict in two words."""
    style, words = _SKILLS.get(string(pick(target, "verdict", "skill")), ("unknown", "Not judged"))
    return f'<span class="pill {style}">{words}</span>'


def strongest(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the overall weight of the knob with the largest mean, or nothing."""
    overall = [
        entry
        for entry in records(pick(target, "weights", "overall"))
        if number(entry.get("mean_abs"))
    ]
    return max(overall, key=lambda entry: number(entry.get("mean_abs")) or 0.0, default={})


def overview(results: Mapping[str, Any], targets: list[Mapping[str, Any]]) -> str:
    """Return the page's header: title, headline, sentences, one card per target."""
    source = string(pick(results, "data", "file"))
    rows = number(pick(results, "data", "rows_used"))
    facts = [text(source, 120)] if source else []
    facts += [plural(rows, "row")] if rows is not None else []
    title = plain(string(results.get("title")), 160) or "Study"
    # What a card says is not said above it again.
    on_cards = {plain(string(pick(target, "verdict", "sentence"))) for target in targets} - {""}
    cards_of = tuple(f"{name}: " for t in targets if (name := plain(string(t.get("name")))))
    sentences = [plain(string(entry)) for entry in items(pick(results, "summary", "sentences"))]
    listed = "".join(
        f"<li>{text(sentence)}</li>"
        for sentence in sentences
        if sentence
        and not sentence.startswith(cards_of)
        and not any(said in sentence for said in on_cards)
    )
    headline = text(string(pick(results, "summary", "headline")))
    cards = "".join(_card(target, place) for place, target in enumerate(targets))
    warned = [text(string(entry)) for entry in items(results.get("warnings"))]
    return (
        '<header class="top" id="found">'
        f'<p class="eyebrow">Study <span>· {" · ".join(facts) or DASH}</span></p>'
        f"<h1>{text(title)}</h1>"
        + (f'<p class="lead">{headline}</p>' if headline else "")
        + (f'<ul class="plain">{listed}</ul>' if listed else "")
        + f'<div class="cards{" one" if len(targets) == 1 else ""}">{cards}</div>'
        + warning_box(warned)
        + "</header>"
    )


def warning_box(sentences: list[str], title: str = "Before you rely on this") -> str:
    """Return warnings (HTML) in a box, or nothing."""
    kept = [sentence for sentence in sentences if sentence]
    if not kept:
        return ""
    listed = "".join(f"<li>{sentence}</li>" for sentence in kept[:12])
    more = f"<p>… and {len(kept) - 12:,} more in results.json.</p>" if len(kept) > 12 else ""
    return (
        f'<div class="say warn" role="note"><b>{title}</b>'
        f'<ul class="plain">{listed}</ul>{more}</div>'
    )


def _card(target: Mapping[str, Any], place: int) -> str:
    sentence = text(string(pick(target, "verdict", "sentence")))
    return (
        f'<article class="card">{pill(target)}'
        f'<h2><a href="#{anchor(place)}">{text(target_label(target), 90)}</a></h2>'
        f"<p>{sentence or DASH}</p>"
        f'<dl class="facts">{_score_fact(target)}{_interval_fact(target)}{_knob_fact(target)}'
        "</dl></article>"
    )


def _score_fact(target: Mapping[str, Any]) -> str:
    entry = default_scores(target)
    random = entry.get("random")
    beside = "1 is perfect, 0 is no better than always guessing the mean"
    if random:
        beside = f"on random folds it would read {r2_text(pick(random, 'r2'))}"
    return (
        f"<div><dt>R² on {'whole groups' if random else 'rows'} the model never saw</dt>"
        f"<dd><b>{r2_text(pick(entry, 'honest', 'r2'))}</b>{beside}</dd></div>"
    )


def _interval_fact(target: Mapping[str, Any]) -> str:
    interval = pick(target, "interval")
    level = number(pick(interval, "level"))
    name = f"<dt>A new run lands within this of its prediction ({percent(level)} interval)</dt>"
    width = number(pick(interval, "mean_width"))
    if flag(pick(interval, "too_few_rows")) or width is None:
        why = "too few rows" if flag(pick(interval, "too_few_rows")) else "not available"
        return f'<div>{name}<dd><b class="word">{why}</b>no interval can be promised</dd></div>'
    coverage, sd = number(pick(interval, "coverage")), number(target.get("sd"))
    covered = (
        f"covered {percent(coverage)} of {plural(number(pick(interval, 'n_rows')), 'held-out row')}"
        if coverage is not None
        else "coverage not measured"
    )
    spread = (
        f"; the data's own sd is {text(quantity(sd, string(target.get('unit'))))}" if sd else ""
    )
    reach = f"± {text(quantity(width / 2, string(target.get('unit'))))}"
    factor = number(pick(interval, "factor"))
    if factor is not None:
        reach, spread = f"×/÷ {text(quantity(factor, ''))}", "; a factor, not a difference"
    return f"<div>{name}<dd><b>{reach}</b>{covered}{spread}</dd></div>"


def _knob_fact(target: Mapping[str, Any]) -> str:
    name = "<dt>Strongest knob</dt>"
    entry = strongest(target)
    if not entry:
        return f'<div>{name}<dd><b class="word">{DASH}</b>no weights were computed</dd></div>'
    if not has_skill(target):
        return (
            f'<div>{name}<dd><b class="word">none to trust</b>a model without skill has no '
            "knobs worth turning</dd></div>"
        )
    verb = _DIRECTIONS.get(string(entry.get("direction")), "moves")
    what = text(string(target.get("name")), 40) or "the target"
    unit = string(target.get("unit"))
    amount = text(quantity(number(entry.get("mean_abs")), unit, 2))
    sd = number(entry.get("sd"))
    varies = f", ± {number_text(sd, 2)} from row to row" if sd else ""
    both = " (up in some rows, down in others)" if verb == "moves" else ""
    return (
        f'<div>{name}<dd><b class="word">{text(string(entry.get("knob")), 60) or DASH}</b>'
        f"{verb} {what} by {amount} per standard deviation of the knob{both}{varies}</dd></div>"
    )

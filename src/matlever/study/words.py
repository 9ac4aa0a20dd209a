"""Plain sentences from measured figures: what a study found and how sure it is."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "NO_SKILL",
    "day",
    "gap_sentence",
    "headline",
    "interval_sentence",
    "listed",
    "number",
    "score_text",
    "target_sentence",
    "with_unit",
]

# R2 on random folds minus R2 on whole held-out groups from which on the report speaks of it.
_NOTABLE_GAP = 0.1


def number(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits, as a person would write it."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        decimals = max(digits - 1 - exponent, 0)
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text and decimals > 2 else text
    return f"{value:.{digits - 1}e}"


def day(value: float) -> str:
    """Return days since 1970-01-01 as an ISO date."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=round(value))).isoformat()


def with_unit(value: float | None, unit: str | None) -> str:
    """Return a number with its unit."""
    return f"{number(value)} {unit}" if unit else number(value)


def score_text(score: Mapping[str, Any]) -> str:
    """Return R2 with its spread: ``0.87 ± 0.02``, with a third decimal where the spread asks."""
    mean, sd = score["mean"], score["sd"]
    if mean is None:
        return "–"
    if sd is None:
        return f"{mean:.2f}"
    digits = 3 if sd < 0.005 else 2
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"


def gap_sentence(
    random_r2: float | None, honest_r2: float | None, group: str, n_groups: int
) -> str | None:
    """Return what the difference between random folds and held-out groups means, if it is large."""
    if random_r2 is None or honest_r2 is None or random_r2 - honest_r2 < _NOTABLE_GAP:
        return None
    return (
        f"With random folds the same model scores R² {random_r2:.2f}; with every {group} held out "
        f"whole it scores {honest_r2:.2f}. The difference is what the model knows of a {group} it "
        f"has already seen, not of the material. For a new {group}, expect the second figure; it "
        f"comes from {n_groups} groups."
    )


def interval_sentence(
    level: float,
    coverage: float | None,
    mean_width: float | None,
    factor: float | None,
    unit: str | None,
    n_parts: int,
    needed: int,
    counted: tuple[int, str],
) -> str:
    """Return how wide the intervals are and how often they held.

    Parameters
    ----------
    level : float
        Nominal coverage.
    coverage : float or None
        Share of rows inside intervals that were made without them.
    mean_width : float or None
        Mean width in the target's unit; None where there is no interval.
    factor : float or None
        For a target on a logarithmic scale: from the prediction divided by it to times it.
    unit : str or None
    n_parts : int
        Number of parts in which the rows were set aside to measure coverage.
    needed : int
        Least number of rows (groups, settings) for an interval.
    counted : (int, str)
        How many there are, and what they are called.
    """
    nominal = f"{level * 100:.0f} %"
    number_of, kind = counted
    if mean_width is None:
        return (
            f"Too few {kind} for a {nominal} interval: {needed} are needed, {number_of} are there. "
            "No interval is printed, because an honest one would be infinite."
        )
    reach = f"±{with_unit(mean_width / 2, unit)}"
    if factor is not None:
        f = number(factor)
        reach = f"from the prediction divided by {f} to the prediction times {f}"
    text = f"The {nominal} intervals reach {reach} on average"
    if coverage is None:
        text += f"; there are too few {kind} to measure how often they hold."
    else:
        text += (
            f". Made {n_parts} times, each without a {_PART.get(n_parts, 'part')} of the rows, "
            f"they held {coverage * 100:.0f} % of the rows left out."
        )
    new = "a new group" if kind == "groups" else "a new row like these"
    return f"{text} They are meant for {new}, not for settings far from all data."


_PART = {3: "third", 4: "quarter", 5: "fifth"}

NO_SKILL = "The model shows no skill, so this describes the model and not the material."


def target_sentence(target: Mapping[str, Any], r2: Mapping[str, Any]) -> str:
    """Return the finding for one target in one sentence.

    Parameters
    ----------
    target : mapping
        Its part of the results.
    r2 : mapping
        The honest R2 of the default model, with ``mean`` and ``sd``.
    """
    name = target["name"]
    seen = "groups" if target["protocols"]["random"] else "rows"
    if target["verdict"]["skill"] == "none":
        text = f"{name}: no evidence of skill (R² {score_text(r2)} on {seen} not seen)"
        if target["protocol_gap"]:
            text += "; the better score on random folds does not carry over to a new group"
        return text + "."
    parts = [f"{name}: {target['verdict']['skill']} skill, R² {score_text(r2)} on {seen} not seen"]
    interval = target["interval"]
    if interval["mean_width"] is not None:
        reach = f"±{with_unit(interval['mean_width'] / 2, target['unit'])}"
        if interval["factor"] is not None:
            reach = f"×/÷ {number(interval['factor'])}"
        parts.append(f"{interval['level'] * 100:.0f} % intervals of {reach}")
    overall = target["weights"]["overall"]
    if overall and overall[0]["mean_abs"]:
        parts.append(f"{overall[0]['knob']} matters most")
    return "; ".join(parts) + "."


def headline(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return one sentence for the whole study."""
    by_skill: dict[str, list[str]] = {"able": [], "weak": [], "none": []}
    for target in targets:
        skill = target["verdict"]["skill"]
        by_skill["able" if skill in ("useful", "strong") else skill].append(target["name"])
    new = " on new groups" if any(t["protocols"]["random"] for t in targets) else ""
    parts = []
    if by_skill["able"]:
        parts.append(f"These inputs predict {listed(by_skill['able'])}{new}")
    if by_skill["weak"]:
        parts.append(f"There are signs of weak skill{new} for {listed(by_skill['weak'])}")
    if by_skill["none"]:
        parts.append(f"There is no evidence of skill{new} for {listed(by_skill['none'])}")
    return ". ".join(parts) + "."


def listed(names: Sequence[str]) -> str:
    """Return names as a person would say them: "a, b and c"."""
    if len(names) <= 1:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]

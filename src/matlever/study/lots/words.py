"""Plain sentences from measured figures: what a study of lots found, and what must be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matlever.study.words import NO_SKILL, listed, with_unit

__all__ = ["headline", "sentences", "warnings_of"]

_ABLE = {"useful": "predict", "strong": "predict", "weak": "give weak signs of"}
_UPWARDS = {"up", "goal"}
# A mean change below this share of the range is not worth a word.
_SAID = 0.03
# R2 on random tiles from which on somebody could believe it.
_NOTABLE = 0.1


def headline(results: Mapping[str, Any]) -> str:
    """Return one sentence for the whole study."""
    name, skill = results["data"]["property"]["name"], results["scores"]["skill"]
    if skill == "none":
        return f"There is no evidence that these micrographs predict {name} of a new lot."
    r2 = results["scores"]["lots_held_out"]["by_lot"]["r2"]
    return f"These micrographs {_ABLE[skill]} {name} of lots not seen (R² {r2:.2f})."


def sentences(results: Mapping[str, Any]) -> list[str]:
    """Return what was found, one sentence each."""
    scores = results["scores"]
    known = results["identifiability"]
    found = list(known["sentences"]) if known is not None and known["flags"] else []
    found.append(scores["skill_sentence"])
    if scores["leaks"] and scores["tile_split"]["by_tile"]["r2"] > _NOTABLE:
        found.append(_leak(scores))
    if results["backward"] and scores["skill"] != "none":
        found += _causes(results)
    return found


def _leak(scores: Mapping[str, Any]) -> str:
    seen, held = scores["tile_split"]["by_tile"]["r2"], scores["lots_held_out"]["by_tile"]["r2"]
    text = (
        f"Scored on random tiles, as published work does, the same network gives R² {seen:.2f} "
        f"where tiles of unseen lots give {held:.2f}: it has then seen every lot, and the score is "
        "not one of new material."
    )
    return text.replace("-", "−") if held < 0 else text


def _causes(results: Mapping[str, Any]) -> list[str]:
    """Return which attributes the network asks to change, over the explained lots."""
    backward = results["backward"]
    name = results["data"]["property"]["name"]
    flagged = set((results["identifiability"] or {}).get("flagged", ()))
    signs: dict[str, list[float]] = {}
    for lot in backward["lots"]:
        for question in lot["questions"]:
            if question["direction"] not in _UPWARDS:
                continue
            for attribute, mean in zip(question["attributes"], question["mean"], strict=True):
                if attribute not in flagged:
                    signs.setdefault(attribute, []).append(mean)
    raised = [a for a, means in signs.items() if means and min(means) > _SAID]
    lowered = [a for a, means in signs.items() if means and max(means) < -_SAID]
    parts = [f"more {listed(raised)}"] if raised else []
    parts += [f"less {listed(lowered)}"] if lowered else []
    if not parts:
        return []
    return [
        f"In every lot that was explained, higher {name} is predicted for {' and '.join(parts)}."
    ]


def warnings_of(results: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know before relying on the results."""
    found = list(results["data"].get("warnings", []))
    if results["scores"]["skill"] == "none" and results["forward"]:
        found.append(f"{NO_SKILL} The same holds for every picture that was redrawn.")
    editor = results["editor"]
    if editor["kind"] == "demo":
        found.append(editor["sentence"])
    card = editor["card"]
    if card is not None and not card["passed"]:
        failed = [line["name"] for line in card["criteria"] if line["passed"] is False]
        found.append(
            f"The edited pictures do not pass every test of their report card: {listed(failed)}."
        )
    spread = results["data"]["property"]["sd"]
    shift = (results["forward"] or {}).get("shift")
    if shift and shift["mean"] > 0.25 * spread:
        unit = results["data"]["property"]["unit"]
        found.append(
            f"Mere redrawing moves predictions by {with_unit(shift['mean'], unit)} on average; it "
            "is taken out, but it is not small beside the spread of the lots."
        )
    return found

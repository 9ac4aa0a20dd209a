"""The table beside the published figures, and what the ElemNet reproduction found, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matlever.study.elemnet_scores import crossing
from matlever.study.elemnet_transfer import fold_difference

__all__ = ["elemnet_sentences", "published_table", "whole_curve"]


def whole_curve(
    points: list[dict[str, Any]], parts: Mapping[str, Any], n_train: int
) -> dict[str, Any]:
    """Return the learning curve with all rows as its last point, and where its lines cross."""
    last = {
        "n": n_train,
        "network": parts["networks"]["members"],
        "fractions": [parts["forests"]["fractions"]["mae"]],
        "magpie": [parts["forests"]["magpie"]["mae"]],
    }
    every = [*points, last]
    return {
        "points": every,
        "crossing": {kind: crossing(every, kind) for kind in ("fractions", "magpie")},
    }


def published_table(
    published: Sequence[tuple[str, float]], parts: Mapping[str, Any], quick: bool
) -> list[dict[str, Any]]:
    """Return one entry for each model: its MAE, whose it is, and what it was given."""
    networks, forests = parts["networks"], parts["forests"]
    seen = {"Random forest, Magpie": "attributes of the elements", "ElemNet": "fractions"}
    rows: list[dict[str, Any]] = []
    if not quick:
        rows += [
            {"model": name, "mae": mae, "source": "published", "input": seen.get(name, "formula")}
            for name, mae in published
        ]
    members = np.array(networks["members"])
    rows += [
        {
            "model": f"ElemNet here, ensemble of {len(members)}",
            "mae": networks["mae"],
            "se": networks["se"],
            "source": "here",
            "input": "fractions",
        },
        {
            "model": "ElemNet here, one network",
            "mae": float(members.mean()),
            "sd": float(members.std(ddof=1)) if len(members) > 1 else None,
            "source": "here",
            "input": "fractions",
        },
    ]
    for kind, words, given in (
        ("magpie", "Random forest here, Magpie", "attributes of the elements"),
        ("fractions", "Random forest here, fractions", "fractions"),
    ):
        rows.append({"model": words, "source": "here", "input": given, **forests[kind]})
    return sorted(rows, key=lambda row: row["mae"])


def elemnet_sentences(found: Mapping[str, Any]) -> list[str]:
    """Return what was found, each sentence with its figures."""
    return [
        _accuracy(found),
        _brought(found),
        _curve(found),
        *_systems(found["systems"]),
        _groups(found["groups"]),
        _charges(found["charges"]),
        _intervals(found["networks"]),
        _transfer(found["transfer"]),
    ]


def _accuracy(found: Mapping[str, Any]) -> str:
    networks = found["networks"]
    members = np.array(networks["members"])
    spread = f" ± {members.std(ddof=1):.4f}" if len(members) > 1 else ""
    beside = ""
    if not found["quick"]:
        published = {row["model"]: row["mae"] for row in found["table"]}
        beside = (
            f", beside {published['ElemNet']:.4f} published for ElemNet, "
            f"{published['CrabNet']:.4f} for CrabNet and {published['Roost']:.4f} for Roost on "
            "the same rows"
        )
    return (
        f"From element fractions alone the ensemble of {len(members)} reaches a mean absolute "
        f"error of {networks['mae']:.4f} ± {networks['se']:.4f} eV/atom on the test rows (standard "
        f"error over rows), a single network {members.mean():.4f}{spread} (over seeds){beside}; "
        f"the median error is {networks['median']:.4f}, the error on the training rows "
        f"{networks['training']:.4f}."
    )


def _brought(found: Mapping[str, Any]) -> str:
    steps = found["ladder"]
    said = "; ".join(f"{step['step']}: {step['mae']:.4f}" for step in steps)
    networks, sizes = found["networks"], found["settings"]
    return (
        "What it took, each change on top of those before, single networks of width "
        f"{sizes['width'] / 2:g} after {sizes['short_epochs']} epochs on the validation rows "
        f"(eV/atom): {said}. Then twice the width, {sizes['epochs']} epochs, steps up to "
        f"{sizes['learning_rate']:g} and an ensemble: {networks['validation']:.4f}."
    )


def _curve(found: Mapping[str, Any]) -> str:
    points, cross = found["curve"]["points"], found["curve"]["crossing"]

    def where(kind: str, words: str) -> str:
        n = cross[kind]
        if n is None:
            return f"it does not overtake the forest on {words} with {points[-1]['n']:,} rows"
        if n <= points[0]["n"]:
            return f"it is ahead of the forest on {words} from {points[0]['n']:,} rows on"
        return f"it overtakes the forest on {words} at about {n:,.0f} rows"

    return (
        f"Learning curve from {points[0]['n']:,} rows: {where('fractions', 'fractions')}, and "
        f"{where('magpie', 'Magpie attributes')} (the paper: at about 4,000 of its OQMD rows)."
    )


def _systems(systems: Mapping[str, Any]) -> list[str]:
    said = []
    for one in systems["systems"]:
        hull, name = one["hull"], "-".join(one["elements"])
        said.append(
            f"{name}, {one['n']} compounds held out of {systems['n_train']:,} training rows: MAE "
            f"{one['network']:.3f} eV/atom (random rows {systems['random']['network']:.3f}); "
            f"forests {one['fractions']:.3f} on fractions and {one['magpie']:.3f} on Magpie "
            f"(random rows {systems['random']['fractions']:.3f} and "
            f"{systems['random']['magpie']:.3f}). Of "
            f"{hull['n_stable']} phases on the DFT hull {hull['n_both']} are on the predicted one, "
            f"which has {hull['n_called']}, and {hull['n_near']} within 50 meV/atom of it, as are "
            f"{hull['n_called_near']} phases in all; energies above the hull are off by "
            f"{hull['above_mae']:.3f} eV/atom on average."
        )
    return said


def _groups(groups: Mapping[str, Any]) -> str:
    layers = groups["layers"]
    shown = ", ".join(f"{layers[layer]:.0%} in layer {layer}" for layer in (1, 2, 8, 16))
    order = groups["alkali_order"]
    return (
        "Nearest neighbours among alkali metals, alkaline earths, chalcogens and halogens are of "
        f"the same group for {shown} (chance {groups['chance']:.0%}). The alkali metals lie along "
        f"their first principal component in the order of their periods with a rank correlation of "
        f"{order[1]:.2f} in layer 1 and {order[2]:.2f} in layer 2."
    )


def _charges(charges: Mapping[str, Any]) -> str:
    linear = np.mean(charges["members"], axis=0)
    best = int(charges["best_layer"])
    return (
        f"Charge balance of {charges['n']} binaries of groups I and II with VI and VII, read "
        "linearly from the layers for metals held out (area under the ROC curve): "
        f"{linear[0]:.2f} from the fractions, {linear[1]:.2f} from layer 1, {linear[8]:.2f} from "
        f"layer 8, at best {linear[best]:.2f} from layer {best}; {charges['energy']:.2f} from the "
        f"predicted energy alone. The first principal component holds "
        f"{charges['first_component'][best]:.0%} of the variance in layer {best} and "
        f"{charges['first_component'][8]:.0%} in layer 8. Balanced compounds are also those the "
        "training rows know."
    )


def _intervals(networks: Mapping[str, Any]) -> str:
    said = ", ".join(f"{one['covered']:.1%} at {one['level']:.0%}" for one in networks["coverage"])
    return (
        f"Intervals calibrated on the validation rows cover {said} of the test rows; the spread of "
        f"the members orders the errors with a rank correlation of "
        f"{networks['spread_correlation']:.2f}."
    )


def _transfer(transfer: Mapping[str, Any]) -> str:
    by_key = {one["key"]: one for one in transfer["methods"]}
    reference, tuned, scratch = (by_key[k] for k in (transfer["reference"], "tuned", "scratch"))
    best = min(transfer["methods"], key=lambda one: one["mae"])
    gap = tuned["difference"]
    gained = fold_difference(tuned["folds"], scratch["folds"], transfer["n_folds"])
    helps = _told_apart(gained, "helps", "does harm", "neither helps nor harms clearly")
    beats = _told_apart(gap, "better than", "worse than", "not to be told from")
    return (
        f"Measured band gaps, {transfer['rows']} rows, {transfer['n_folds']} folds by composition: "
        f"pretraining {helps} (MAE {tuned['mae']:.3f} eV fine-tuned in all layers, "
        f"{scratch['mae']:.3f} from scratch, difference {gained['mean']:+.3f} ± "
        f"{gained['se']:.3f}; {by_key['tuned_frozen']['mae']:.3f} with the first "
        f"{transfer['layer']} layers frozen, {by_key['tuned_redrawn']['mae']:.3f} with the others "
        f"drawn anew as well). The fine-tuned network is {beats} the better forest "
        f"({reference['mae']:.3f}; difference {gap['mean']:+.3f} ± {gap['se']:.3f}). Lowest: "
        f"{best['name']}, {best['mae']:.3f}. {transfer['shared']:.0%} of the rows are compounds "
        "whose formation energy was in pretraining."
    )


def _told_apart(difference: Mapping[str, float], lower: str, higher: str, neither: str) -> str:
    """Return a word for a difference of errors: beyond two standard errors, or neither."""
    mean, error = difference["mean"], 2 * difference["se"]
    return lower if mean < -error else higher if mean > error else neither

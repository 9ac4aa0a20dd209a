"""Sections of the ElemNet page: unseen systems, groups, charges, intervals, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matlever.report._text import DASH, count, fixed, percent, text
from matlever.report._values import items, mapping, number, numbers, pick, records, string
from matlever.report.elemnet_figures import (
    GROUP_COLOURS,
    above_hull_svg,
    balance_svg,
    by_depth_svg,
    element_svg,
    hull_svg,
    parity_svg,
)

__all__ = [
    "cells",
    "charges_section",
    "fixed_text",
    "groups_section",
    "intervals_section",
    "key_of",
    "panels",
    "systems_section",
    "table",
    "transfer_section",
]


def systems_section(systems: Mapping[str, Any]) -> str:
    """Return errors on held-out systems, their hulls and energies above them."""
    found = records(systems.get("systems"))
    if not found:
        return ""
    named = [("random rows", mapping(systems.get("random")))]
    named += [("-".join(string(e) for e in items(one.get("elements"))), one) for one in found]
    body = "".join(
        f'<tr><th scope="row">{text(name, 40)}</th>'
        + cells(
            count(number(one.get("n"))),
            *(fixed_text(one.get(key), 3) for key in ("network", "fractions", "magpie")),
        )
        + "</tr>"
        for name, one in named
    )
    heads = ("held out", "compounds", "ElemNet", "forest, fractions", "forest, Magpie")
    parts = [
        table(heads, body),
        '<p class="how">MAE in eV/atom. All compounds of two or more of a system\'s elements '
        "were kept from training; one row for each composition, its lowest energy.</p>",
    ]
    for place, one in enumerate(found):
        name = "-".join(string(e) for e in items(one.get("elements")))
        parts.append(f"<h3>{text(name, 40)}</h3>{_stable(mapping(one.get('hull')))}")
        svg = hull_svg(one, f"hull-{place}")
        if svg:
            key = key_of(
                [
                    ("border-color:var(--ink)", "DFT phases and hull"),
                    ("border-color:var(--blue)", "predicted phases and hull"),
                    ("border-color:var(--wash)", "prediction along the system"),
                ]
            )
            parts.append(f'{key}<figure class="panel">{svg}</figure>')
        parts.append(
            panels(
                ("Formation energies", parity_svg(mapping(one.get("hull")), f"parity-{place}")),
                ("Energies above the hull", above_hull_svg(one, f"above-{place}")),
            )
        )
    return "".join(parts)


def _stable(hull: Mapping[str, Any]) -> str:
    counts = {
        k: count(number(hull.get(k)))
        for k in (
            "n_stable",
            "n_both",
            "n_called",
            "n_near",
            "n_called_near",
            "n_both_forest",
            "n_called_forest",
        )
    }
    return (
        f"<p>{counts['n_stable']} phases are on the DFT hull. The network puts "
        f"{counts['n_called']} on its own, {counts['n_both']} of them rightly; {counts['n_near']} "
        f"of the stable ones are within 50 meV/atom of its hull, as are {counts['n_called_near']} "
        f"phases in all. The forest on Magpie attributes puts {counts['n_called_forest']} on its "
        f"hull, {counts['n_both_forest']} of them rightly. Mean error of the energy above the "
        f"hull: {fixed_text(hull.get('above_mae'), 3)} eV/atom, of the forest's "
        f"{fixed_text(hull.get('above_mae_forest'), 3)}.</p>"
    )


def groups_section(groups: Mapping[str, Any]) -> str:
    """Return pictures of the pure elements in some layers, and groups by depth."""
    pictures = records(groups.get("pictures"))
    if not pictures:
        return ""
    names = [string(items(pair)[0]) for pair in items(groups.get("groups")) if items(pair)]
    key = key_of(
        [
            (f"border-color:var(--{name})", words)
            for words, name in zip(names, GROUP_COLOURS, strict=False)
        ]
    )
    figures = panels(
        *(
            (f"Layer {count(number(one.get('layer')))}", element_svg(groups, one))
            for one in pictures
        ),
        grid="three",
    )
    depth = by_depth_svg(
        [("blue", numbers(groups.get("layers")))],
        "groups-depth",
        "nearest neighbour of the same group",
        number(groups.get("chance")) or 0.0,
    )
    return (
        "<p>The network is given one pure element at a time; it was never told which elements "
        f"belong together.</p>{key}{figures}"
        f'<figure class="panel"><h3>By depth</h3>{depth}</figure>'
        '<p class="how">Share of the elements of the four groups whose nearest neighbour by angle '
        "is of their own group; dashed: chance. Layer 0 has all elements at one angle.</p>"
    )


def charges_section(charges: Mapping[str, Any]) -> str:
    """Return pictures of binaries in some layers, and charge balance by depth."""
    pictures = records(charges.get("pictures"))
    if not pictures:
        return ""
    key = key_of(
        [
            ("border-color:var(--blue)", "charge-balanced"),
            ("border-color:var(--orange)", "not balanced"),
        ]
    )
    figures = panels(
        *(
            (f"Layer {count(number(one.get('layer')))}", balance_svg(charges, one))
            for one in pictures
        ),
        grid="three",
    )
    every = [("thread", numbers(one)) for one in items(charges.get("members"))]
    depth = by_depth_svg(
        [*every, ("blue", numbers(charges.get("linear")))],
        "charges-depth",
        "area under the ROC curve",
        0.5,
    )
    n, n_balanced = (count(number(charges.get(k))) for k in ("n", "n_balanced"))
    return (
        f"<p>{n} binaries of a group I or II metal with a group VI or VII element, 2:1, 1:1 and "
        f"1:2, of which {n_balanced} are balanced with the usual charges.</p>{key}{figures}"
        f'<figure class="panel"><h3>By depth</h3>{depth}</figure>'
        '<p class="how">A linear classifier on the activations of a layer, scored on the compounds '
        "of metals it has not seen; blue: the network of the pictures, grey: the others of the "
        "ensemble; dashed: chance. The fractions alone cannot tell, since balance is no linear "
        "function of them.</p>"
    )


def intervals_section(networks: Mapping[str, Any]) -> str:
    """Return the coverage of the intervals."""
    body = "".join(
        f'<tr><th scope="row">{percent(number(row.get("level")))}</th>'
        + cells(percent_text(row.get("covered")), fixed_text(row.get("median_width"), 3))
        + "</tr>"
        for row in records(networks.get("coverage"))
    )
    if not body:
        return ""
    return (
        "<p>Split conformal intervals whose width follows the spread of the ensemble, calibrated "
        "on the validation rows, which no network was trained on.</p>"
        + table(("asked for", "covered on test rows", "median width (eV/atom)"), body)
    )


def transfer_section(transfer: Mapping[str, Any]) -> str:
    """Return the scores on measured band gaps."""
    rows = sorted(
        records(transfer.get("methods")), key=lambda row: number(row.get("mae")) or np.inf
    )
    if not rows:
        return ""
    reference = string(transfer.get("reference"))
    body = "".join(
        f"<tr{' class=' + chr(34) + 'chosen' + chr(34) if row.get('key') == reference else ''}>"
        f'<th scope="row">{text(string(row.get("name")), 80)}</th>'
        + cells(fixed_text(row.get("mae"), 3), _difference(row, reference))
        + "</tr>"
        for row in rows
    )
    told = (count(number(transfer.get(k))) for k in ("rows", "n_folds", "n_repeats"))
    n, folds, repeats = told
    return (
        f"<p>{n} measured band gaps, {folds} folds by composition drawn {repeats} times; "
        f"{percent(number(transfer.get('shared')))} of the compounds were in pretraining with "
        "their formation energy.</p>"
        + table(("model", "MAE (eV)", "less the better forest"), body)
        + '<p class="how">± is a standard error over folds, corrected for their shared training '
        "rows. Shaded: the better forest.</p>"
    )


def _difference(row: Mapping[str, Any], reference: str) -> str:
    if row.get("key") == reference:
        return DASH
    mean, error = number(pick(row, "difference", "mean")), number(pick(row, "difference", "se"))
    if mean is None or error is None:
        return DASH
    return f"{'+' if mean > 0 else ''}{fixed(mean, 3)} ± {fixed(error, 3)}"


def panels(*figures: tuple[str, str], grid: str = "maps") -> str:
    """Return titled figures side by side; those without a drawing are left out."""
    drawn = "".join(
        f'<figure class="panel"><h3>{text(name, 80)}</h3>{svg}</figure>'
        for name, svg in figures
        if svg
    )
    return f'<div class="grid {grid}">{drawn}</div>' if drawn else ""


def key_of(entries: Sequence[tuple[str, str]]) -> str:
    """Return a key of strokes, each with its style and words."""
    listed = "".join(
        f'<li><i class="stroke" style="{style}"></i>{text(words, 60)}</li>'
        for style, words in entries
    )
    return f'<ul class="key">{listed}</ul>'


def table(heads: Sequence[str], body: str, n_text: int = 1) -> str:
    """Return a table; the first `n_text` columns are text, the others numbers."""
    cells = "".join(
        f'<th scope="col" class="{"" if place < n_text else "n"}">{head}</th>'
        for place, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def cells(*values: str) -> str:
    """Return cells of numbers."""
    return "".join(f'<td class="n">{value}</td>' for value in values)


def fixed_text(value: Any, decimals: int) -> str:
    """Return a number with so many decimals, or a dash."""
    known = number(value)
    return DASH if known is None else fixed(known, decimals)


def percent_text(value: Any) -> str:
    """Return a share in per cent with one decimal, or a dash."""
    known = number(value)
    return DASH if known is None else f"{fixed(100 * known, 1)} %"

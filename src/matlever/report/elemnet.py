"""The page of ``matlever reproduce elemnet``: published figures beside ours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matlever.report._text import DASH, count, fixed, percent, text, trimmed
from matlever.report._values import items, mapping, number, numbers, pick, records, string
from matlever.report.elemnet_figures import (
    CURVE_LINES,
    GROUP_COLOURS,
    above_hull_svg,
    balance_svg,
    by_depth_svg,
    curve_svg,
    element_svg,
    hull_svg,
    members_svg,
    parity_svg,
)
from matlever.report.record import pairs, setting_text
from matlever.report.reproduction_page import reproduction_page
from matlever.report.study_report import check_schema
from matlever.storage import write_text

__all__ = ["ELEMNET_SCHEMA", "render_elemnet", "write_elemnet"]

ELEMNET_SCHEMA = "matlever-elemnet/1"
_SHOWN_PUBLISHED = ("Roost", "CrabNet", "ElemNet")


def render_elemnet(results: Mapping[str, Any]) -> str:
    """Return the ElemNet reproduction as one offline HTML document.

    Parameters
    ----------
    results : mapping
        Plain JSON values of schema ``matlever-elemnet/1`` (``docs/elemnet.md``). Values may be
        null or missing; every string is escaped.

    Raises
    ------
    StudyError
        If `results` does not say that it follows this schema.
    """
    check_schema(results, ELEMNET_SCHEMA)
    parts = [
        ("Accuracy", "Accuracy on the published test rows", _accuracy(results)),
        ("Learning curve", "Learning curve", _curve(mapping(results.get("curve")))),
        (
            "Unseen systems",
            "Chemical systems never seen",
            _systems(mapping(results.get("systems"))),
        ),
        ("Groups", "Groups of the periodic table", _groups(mapping(results.get("groups")))),
        ("Charges", "Charge balance by depth", _charges(mapping(results.get("charges")))),
        ("Intervals", "Intervals", _intervals(mapping(results.get("networks")))),
        (
            "Transfer",
            "From computed energies to measured band gaps",
            _transfer(mapping(results.get("transfer"))),
        ),
        ("How it was made", "How it was made", _made(results)),
    ]
    return reproduction_page(results, parts, "ElemNet")


def write_elemnet(results: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_elemnet` to `path`; the file appears whole or not at all."""
    return write_text(path, render_elemnet(results))


def _accuracy(results: Mapping[str, Any]) -> str:
    networks = mapping(results.get("networks"))
    rows = records(results.get("table"))
    published = [
        (string(row.get("model")), value)
        for row in rows
        if string(row.get("model")) in _SHOWN_PUBLISHED
        and (value := number(row.get("mae"))) is not None
    ]
    body = "".join(
        f'<tr class="{"main" if string(row.get("source")) == "here" else "base"}">'
        f'<th scope="row">{text(string(row.get("model")), 80)}</th>'
        f"<td>{text(string(row.get('source')), 20)}</td>"
        f"<td>{text(string(row.get('input')), 40)}</td>"
        f'<td class="n">{_with_spread(row)}</td></tr>'
        for row in rows
    )
    table = _table(("model", "figures", "is given", "MAE (eV/atom)"), body, n_text=3)
    figures = _panels(
        ("Predicted against computed", parity_svg(mapping(networks.get("points")))),
        ("What averaging brings", members_svg(networks, published)),
    )
    settings = mapping(results.get("settings"))
    last = {
        "step": f"twice the width, {count(number(settings.get('epochs')))} epochs, steps up to "
        f"{trimmed(number(settings.get('learning_rate')))}, an ensemble of "
        f"{count(number(settings.get('members')))}",
        "mae": networks.get("validation"),
    }
    steps_made = records(results.get("ladder"))
    ladder = "".join(
        f'<tr><th scope="row">{text(string(row.get("step")), 120)}</th>'
        + _cells(_fixed(row.get("mae"), 4))
        + "</tr>"
        for row in ([*steps_made, last] if steps_made else [])
    )
    steps = (
        "<h3>What it took</h3><p>Single networks at half the width of the ensemble's, scored on "
        "the validation rows; each row adds its change to those above.</p>"
        + _table(("training", "MAE (eV/atom)"), ladder)
        if ladder
        else ""
    )
    return (
        table
        + (
            '<p class="how">± is the standard error over test rows for an ensemble or a forest, '
            "and the standard deviation over seeds for one network. Published figures: CrabNet's "
            "repository, same rows.</p>"
        )
        + figures
        + steps
    )


def _with_spread(row: Mapping[str, Any]) -> str:
    spread = number(row.get("se")) or number(row.get("sd"))
    return _fixed(row.get("mae"), 4) + (f" ± {fixed(spread, 4)}" if spread else "")


def _curve(curve: Mapping[str, Any]) -> str:
    svg = curve_svg(curve)
    if not svg:
        return ""
    key = _key([(f"border-color:var(--{name})", words) for _, words, name, _ in CURVE_LINES])
    return (
        f'{key}<figure class="panel">{svg}</figure><p class="how">Each point is one draw of the '
        "training rows; test rows are always the published ones. Dotted: where the network "
        "overtakes a forest.</p>"
    )


def _systems(systems: Mapping[str, Any]) -> str:
    found = records(systems.get("systems"))
    if not found:
        return ""
    named = [("random rows", mapping(systems.get("random")))]
    named += [("-".join(string(e) for e in items(one.get("elements"))), one) for one in found]
    body = "".join(
        f'<tr><th scope="row">{text(name, 40)}</th>'
        + _cells(
            count(number(one.get("n"))),
            *(_fixed(one.get(key), 3) for key in ("network", "fractions", "magpie")),
        )
        + "</tr>"
        for name, one in named
    )
    heads = ("held out", "compounds", "ElemNet", "forest, fractions", "forest, Magpie")
    parts = [
        _table(heads, body),
        '<p class="how">MAE in eV/atom. All compounds of two or more of a system\'s elements '
        "were kept from training; one row for each composition, its lowest energy.</p>",
    ]
    for place, one in enumerate(found):
        name = "-".join(string(e) for e in items(one.get("elements")))
        parts.append(f"<h3>{text(name, 40)}</h3>{_stable(mapping(one.get('hull')))}")
        svg = hull_svg(one, f"hull-{place}")
        if svg:
            key = _key(
                [
                    ("border-color:var(--ink)", "DFT phases and hull"),
                    ("border-color:var(--blue)", "predicted phases and hull"),
                    ("border-color:var(--wash)", "prediction along the system"),
                ]
            )
            parts.append(f'{key}<figure class="panel">{svg}</figure>')
        parts.append(
            _panels(
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
        f"hull: {_fixed(hull.get('above_mae'), 3)} eV/atom, of the forest's "
        f"{_fixed(hull.get('above_mae_forest'), 3)}.</p>"
    )


def _groups(groups: Mapping[str, Any]) -> str:
    pictures = records(groups.get("pictures"))
    if not pictures:
        return ""
    names = [string(items(pair)[0]) for pair in items(groups.get("groups")) if items(pair)]
    key = _key(
        [
            (f"border-color:var(--{name})", words)
            for words, name in zip(names, GROUP_COLOURS, strict=False)
        ]
    )
    figures = _panels(
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


def _charges(charges: Mapping[str, Any]) -> str:
    pictures = records(charges.get("pictures"))
    if not pictures:
        return ""
    key = _key(
        [
            ("border-color:var(--blue)", "charge-balanced"),
            ("border-color:var(--orange)", "not balanced"),
        ]
    )
    figures = _panels(
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


def _intervals(networks: Mapping[str, Any]) -> str:
    body = "".join(
        f'<tr><th scope="row">{percent(number(row.get("level")))}</th>'
        + _cells(_percent(row.get("covered")), _fixed(row.get("median_width"), 3))
        + "</tr>"
        for row in records(networks.get("coverage"))
    )
    if not body:
        return ""
    return (
        "<p>Split conformal intervals whose width follows the spread of the ensemble, calibrated "
        "on the validation rows, which no network was trained on.</p>"
        + _table(("asked for", "covered on test rows", "median width (eV/atom)"), body)
    )


def _transfer(transfer: Mapping[str, Any]) -> str:
    rows = sorted(
        records(transfer.get("methods")), key=lambda row: number(row.get("mae")) or np.inf
    )
    if not rows:
        return ""
    reference = string(transfer.get("reference"))
    body = "".join(
        f"<tr{' class=' + chr(34) + 'chosen' + chr(34) if row.get('key') == reference else ''}>"
        f'<th scope="row">{text(string(row.get("name")), 80)}</th>'
        + _cells(_fixed(row.get("mae"), 3), _difference(row, reference))
        + "</tr>"
        for row in rows
    )
    told = (count(number(transfer.get(k))) for k in ("rows", "n_folds", "n_repeats"))
    n, folds, repeats = told
    return (
        f"<p>{n} measured band gaps, {folds} folds by composition drawn {repeats} times; "
        f"{percent(number(transfer.get('shared')))} of the compounds were in pretraining with "
        "their formation energy.</p>"
        + _table(("model", "MAE (eV)", "less the better forest"), body)
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


def _made(results: Mapping[str, Any]) -> str:
    entries = [
        (text(string(name), 60), setting_text(value))
        for source in ("settings", "record")
        for name, value in list(mapping(results.get(source)).items())[:60]
    ]
    return pairs(entries)


def _panels(*figures: tuple[str, str], grid: str = "maps") -> str:
    drawn = "".join(
        f'<figure class="panel"><h3>{text(name, 80)}</h3>{svg}</figure>'
        for name, svg in figures
        if svg
    )
    return f'<div class="grid {grid}">{drawn}</div>' if drawn else ""


def _key(entries: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<li><i class="stroke" style="{style}"></i>{text(words, 60)}</li>'
        for style, words in entries
    )
    return f'<ul class="key">{listed}</ul>'


def _table(heads: Sequence[str], body: str, n_text: int = 1) -> str:
    cells = "".join(
        f'<th scope="col" class="{"" if place < n_text else "n"}">{head}</th>'
        for place, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(*values: str) -> str:
    return "".join(f'<td class="n">{value}</td>' for value in values)


def _fixed(value: Any, decimals: int) -> str:
    known = number(value)
    return DASH if known is None else fixed(known, decimals)


def _percent(value: Any) -> str:
    known = number(value)
    return DASH if known is None else f"{fixed(100 * known, 1)} %"

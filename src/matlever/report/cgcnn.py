"""The page of ``matlever reproduce cgcnn``: crystal graph networks on perovskites."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matlever.report._text import DASH, count, fixed, number_text, percent, text
from matlever.report._values import mapping, number, numbers, pick, records, string
from matlever.report.cgcnn_figures import cell_picture, curves, scatters, sites_chart
from matlever.report.record import pairs, setting_text
from matlever.report.reproduction_page import reproduction_page
from matlever.report.study_report import check_schema
from matlever.storage import write_text

__all__ = ["CGCNN_SCHEMA", "render_cgcnn", "write_cgcnn"]

CGCNN_SCHEMA = "matlever-cgcnn/1"


def render_cgcnn(result: Mapping[str, Any]) -> str:
    """Return the perovskite study as one offline HTML document.

    Parameters
    ----------
    result : mapping
        Plain JSON values of schema ``matlever-cgcnn/1`` (``docs/cgcnn.md``). Values may be null or
        missing; every string is escaped.

    Returns
    -------
    html : str

    Raises
    ------
    StudyError
        If `result` does not say that it follows this schema.
    """
    check_schema(result, CGCNN_SCHEMA)
    parts = [
        ("Errors", "Errors on crystals never seen", _errors(result)),
        ("Structure", "What the composition alone can tell", _structure(result)),
        ("Sites", "What single sites contribute", _sites(result)),
        ("Splits", "Splits and leaks", _splits(result)),
        ("Intervals", "Intervals", _intervals(mapping(result.get("intervals")))),
        ("Choice", "How the settings were chosen", _choice(result)),
        ("How it was made", "How it was made", _made(result)),
    ]
    return reproduction_page(result, parts, "Crystal graph networks")


def write_cgcnn(result: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write :func:`render_cgcnn` to `path`; the file appears whole or not at all."""
    return write_text(path, render_cgcnn(result))


def _errors(result: Mapping[str, Any]) -> str:
    rows = [*records(result.get("anchor")), *records(result.get("variants"))]
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{text(string(row.get("name")), 80)}</th>'
        + _cells(
            count(number(row.get("n_epochs"))),
            _with_spread(row),
            _fixed(row.get("ensemble_mae"), 4),
            count(number(row.get("n_test"))),
            number_text(number(row.get("cpu_s")), 3),
        )
        + "</tr>"
        for row in rows
    )
    n_seeds = len(numbers(rows[0].get("members")))
    heads = ("epochs", "one network", f"mean of {n_seeds}", "test crystals", "CPU s to train one")
    others = "".join(
        f'<tr><th scope="row">{text(string(row.get("name")), 80)}</th>'
        + _cells(f"{_fixed(row.get('mae'), 4)} {text(string(row.get('unit')), 20)}")
        + f"<td>{text(string(row.get('protocol')), 160)}</td>"
        f"<td>{text(string(row.get('source')), 120)}</td></tr>"
        for row in records(result.get("references"))
    )
    drawn = curves(result)
    return (
        _table(("mean absolute error, eV per cell", *heads), body)
        + '<p class="how">± is the standard deviation among seeds; the split is one and the same. '
        "Divide by five for eV per atom.</p>"
        + (f'<figure class="panel">{drawn}</figure>' if drawn else "")
        + "<h3>Figures of others</h3>"
        + '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">network</th>'
        '<th scope="col" class="n">error</th><th scope="col">protocol</th>'
        f'<th scope="col">source</th></tr></thead><tbody>{others}</tbody></table></div>'
    )


def _structure(result: Mapping[str, Any]) -> str:
    baseline, isomers = mapping(result.get("baseline")), mapping(result.get("isomers"))
    drawn = scatters(result)
    if not baseline and not drawn:
        return ""
    rows: list[tuple[str, str]] = [
        ("a constant (median of the training half)", _fixed(baseline.get("constant_mae"), 3)),
        (
            f"a forest of {count(number(baseline.get('n_trees')))} trees on "
            f"{count(number(baseline.get('n_features')))} features of the composition",
            _fixed(baseline.get("mae"), 3),
        ),
        (
            f"the best function of the composition, on the "
            f"{count(number(isomers.get('n_with_isomer')))} crystals that have an isomer",
            _fixed(isomers.get("least_mae"), 3),
        ),
    ]
    ordered = (
        "<p>Of the pairs of isomers in the test half that differ by over 0.05 eV "
        f"({count(number(isomers.get('n_pairs')))}), the networks order "
        f"{percent(number(isomers.get('ordered')))} rightly.</p>"
    )
    return (
        "<p>Isomers have one formula and several structures: anions in other places, or the "
        "metals of the two sites exchanged. A model of the formula has to give them one value. "
        "(Measured, in the pictures, is what density functional theory gave.)</p>"
        + drawn
        + _lines("mean absolute error of", "eV per cell", rows)
        + ordered
    )


def _sites(result: Mapping[str, Any]) -> str:
    example, sites = mapping(result.get("example")), mapping(result.get("sites"))
    chart, picture = sites_chart(result), cell_picture(result)
    if not chart and not picture:
        return ""
    said = (
        "<p>With linear pooling the prediction is the mean of one number for each site. Dots are "
        "means over the test crystals, bars one standard deviation among them. Blue lowers the "
        "heat of formation (more stable), orange raises it.</p>"
    )
    values = number(example.get("measured")), number(example.get("predicted"))
    under = (
        f"<p>{text(string(example.get('formula')), 60)}, the test half's most stable "
        f"oxide: calculated {_fixed(values[0], 3)}, predicted {_fixed(values[1], 3)} eV per cell. "
        "The prediction is the mean of the numbers on its five sites.</p>"
    )
    agreed = (
        "<p>Only the mean over a cell was trained; how it is divided is the network's choice. "
        "Correlation of the contributions of networks with other seeds: mean "
        f"{_fixed(pick(sites, 'agreement', 'mean'), 2)}, least "
        f"{_fixed(pick(sites, 'agreement', 'least'), 2)}.</p>"
    )
    # Words on atoms stand on the atoms' colours, not on the page's: no halo around them.
    shown = (
        f'<div class="pair"><figure class="panel" style="--halo:transparent"><h3>One cell</h3>'
        f"{picture}</figure><div>{under}{agreed}</div></div>"
        if picture
        else agreed
    )
    return f"{said}{chart}{shown}"


def _splits(result: Mapping[str, Any]) -> str:
    seen, leak = mapping(result.get("seen")), mapping(result.get("leak"))
    data = mapping(result.get("data"))
    if not seen and not leak:
        return ""
    rows = [
        (
            f"test crystals with an isomer in the training half ({_n(seen, 'with_isomer')})",
            _fixed(pick(seen, "with_isomer", "mae"), 4),
        ),
        (f"all others ({_n(seen, 'without')})", _fixed(pick(seen, "without", "mae"), 4)),
        *(
            (
                f"all {count(number(data.get('n')))} crystals, {name}",
                " and ".join(_fixed(value, 4) for value in numbers(pick(leak, key, "mae"))),
            )
            for key, name in (
                ("random", "a random fifth held out (two splits)"),
                ("grouped", "a fifth of the compositions held out (two splits)"),
            )
        ),
    ]
    return (
        "<p>The two halves share compositions, so a test crystal may have an isomer among the "
        "crystals that were trained on. The last two lines train on as many crystals each.</p>"
        + _lines("scored on", "error, eV per cell", rows)
    )


def _intervals(part: Mapping[str, Any]) -> str:
    if not part:
        return ""
    return pairs(
        [
            ("asked for", percent(number(part.get("level")))),
            ("test crystals inside", _share(part.get("coverage"))),
            ("those with an isomer in the training half", _share(part.get("coverage_seen"))),
            ("all others", _share(part.get("coverage_unseen"))),
            ("median width", f"{_fixed(part.get('median_width'), 2)} eV per cell"),
            (
                "calibrated on",
                f"{count(number(part.get('n_calibration')))} crystals of the training half, of "
                "compositions that were not trained on",
            ),
            (
                f"inside ±1.645 spreads of {count(number(part.get('n_members')))} members",
                _share(part.get("coverage_of_spread")),
            ),
        ]
    )


def _choice(result: Mapping[str, Any]) -> str:
    rows = sorted(records(result.get("choice")), key=lambda row: number(row.get("mae")) or 9.0)
    if not rows:
        return ""
    names = ("loss", "batch_size", "schedule", "atom_features")
    body = "".join(
        "<tr>"
        + "".join(f"<td>{text(setting_text(row.get(name)), 40)}</td>" for name in names)
        + _cells(_fixed(row.get("mae"), 4), number_text(number(row.get("cpu_s")), 3))
        + "</tr>"
        for row in rows
    )
    n = count(number(rows[0].get("n_test")))
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("loss", "batch", "learning rate", "what elements start from")
    )
    return (
        f"<p>One network each, {count(number(rows[0].get('n_epochs')))} epochs, scored on {n} "
        "crystals of the training half whose compositions were not trained on. The first line was "
        "taken for everything above; the test half was not looked at.</p>"
        f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}<th scope="col" class="n">'
        'error, eV per cell</th><th scope="col" class="n">CPU s</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _made(result: Mapping[str, Any]) -> str:
    entries = {
        **mapping(result.get("data")),
        **mapping(result.get("settings")),
        **mapping(result.get("record")),
    }
    return pairs([(text(string(k), 60), setting_text(v)) for k, v in list(entries.items())[:80]])


def _table(heads: Sequence[str], body: str) -> str:
    cells = "".join(
        f'<th scope="col"{"" if place == 0 else " class=" + chr(34) + "n" + chr(34)}>{head}</th>'
        for place, head in enumerate(heads)
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _lines(head: str, unit: str, rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f'<tr><th scope="row">{name}</th>{_cells(value)}</tr>' for name, value in rows)
    return _table((head, unit), body)


def _cells(*values: str) -> str:
    return "".join(f'<td class="n">{value}</td>' for value in values)


def _fixed(value: Any, decimals: int) -> str:
    known = number(value)
    return DASH if known is None else fixed(known, decimals)


def _with_spread(row: Mapping[str, Any]) -> str:
    sd = number(row.get("sd"))
    return _fixed(row.get("mae"), 4) + ("" if sd is None else f" ± {fixed(sd, 4)}")


def _share(value: Any) -> str:
    known = number(value)
    return DASH if known is None else f"{fixed(100 * known, 1)} %"


def _n(seen: Mapping[str, Any], key: str) -> str:
    return count(number(pick(seen, key, "n")))

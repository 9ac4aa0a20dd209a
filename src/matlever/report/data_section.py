"""What came out of the file: counts, changes, warnings, columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from matlever.report._text import DASH, count, day, number_text, plain, plural, text, trimmed
from matlever.report._values import items, mapping, number, pick, records, string
from matlever.report.overview import warning_box

__all__ = ["data_section"]

_MOST_COLUMNS = 200
_OPEN_COLUMNS = 14


def data_section(results: Mapping[str, Any]) -> str:
    """Return the section on the data."""
    data = mapping(results.get("data"))
    return (
        '<section id="data"><h2>The data</h2>'
        + _counts(data)
        + _changes(data)
        + warning_box(
            [
                text(string(entry))
                for entry in items(data.get("warnings"))
                if entry not in items(results.get("warnings"))  # These stand at the top.
            ],
            "Worth knowing about this file",
        )
        + _mixtures(data)
        + _columns(data)
        + "</section>"
    )


def _counts(data: Mapping[str, Any]) -> str:
    roles = Counter(string(entry.get("role")) for entry in records(data.get("columns")))
    group = string(data.get("group"))
    crystals = mapping(data.get("crystals"))
    whole = "crystals in the folder" if crystals else "rows in the file"
    shown = [
        (whole, count(number(data.get("rows_read")))),
        ("crystals used" if crystals else "rows used", count(number(data.get("rows_used")))),
        *_of_kind(data),
        ("input" if roles["input"] == 1 else "inputs", count(roles["input"])),
        ("target" if roles["target"] == 1 else "targets", count(roles["target"])),
    ]
    if group:
        shown.append((f"groups of “{text(group, 40)}”", count(number(data.get("n_groups")))))
    shown.append(("repeated settings", count(number(data.get("n_replicates")))))
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown)
    return f'<dl class="stats">{cells}</dl>'


def _of_kind(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is counted of compositions and crystals."""
    formulas, crystals = mapping(data.get("composition")), mapping(data.get("crystals"))
    shown = []
    if formulas:
        shown = [
            ("different compositions", count(number(formulas.get("n_formulas")))),
            ("chemical systems", count(number(formulas.get("n_systems")))),
            ("elements", count(len(items(formulas.get("elements"))))),
        ]
    if crystals:
        sizes = [number(size) for size in items(crystals.get("n_atoms"))]
        shown = [("different compositions", count(number(crystals.get("n_formulas"))))]
        if len(sizes) == 3:
            least, _, most = (count(size) for size in sizes)
            shown.append(("atoms in a cell", least if least == most else f"{least} to {most}"))
    return shown


def _changes(data: Mapping[str, Any]) -> str:
    changes = records(data.get("changes"))
    if not changes:
        return "<p>Nothing was changed or dropped: every row was used as it stands in the file.</p>"
    return (
        "<h3>What was changed or dropped</h3>"
        f'<ul class="plain">{"".join(_change(change) for change in changes[:30])}</ul>'
        + (f"<p>… and {len(changes) - 30:,} more changes.</p>" if len(changes) > 30 else "")
    )


def _change(change: Mapping[str, Any]) -> str:
    rows = [text(string(row), 20) for row in items(change.get("rows"))[:10]]
    total = number(change.get("count"))
    where = [f"{'row' if len(rows) == 1 else 'rows'} {', '.join(rows)}"] if rows else []
    if total is not None and total > max(len(rows), 1):
        where = [f"{count(total)} in all", *(f"{place}, …" for place in where)]
    said = f' <span class="soft">({"; ".join(where)})</span>' if where else ""
    return f"<li>{text(string(change.get('what'))) or DASH}{said}</li>"


def _mixtures(data: Mapping[str, Any]) -> str:
    said = []
    formulas = mapping(data.get("composition"))
    if formulas:
        most = count(number(formulas.get("most_elements")))
        said.append(
            f"<p>Column “{text(string(formulas.get('column')), 60)}” holds formulas. Each element "
            "that occurs is a knob: its share of the atoms. The shares sum to 1, so one can only "
            f"rise where others fall, and at most {most} elements are above zero in a row, as in "
            "the data. The model sees the shares and physical attributes of the composition.</p>"
        )
    if mapping(data.get("crystals")):
        said.append(
            "<p>Each row is a crystal. The knobs are the elements on its sites and the strain of "
            "its volume; all else stays as in the crystal the row names. Crystals of one "
            "composition are held out together.</p>"
        )
    mixtures = records(data.get("mixtures"))
    for mixture in mixtures[:-1] if formulas else mixtures:
        names = " + ".join(text(string(name), 60) for name in items(mixture.get("names"))[:30])
        said.append(
            f"<p>{names} is a mixture: the parts sum to {number_text(number(mixture.get('total')))}"
            " in every row, so one part can only rise where others fall.</p>"
        )
    return "".join(said)


def _columns(data: Mapping[str, Any]) -> str:
    columns = records(data.get("columns"))
    if not columns:
        return ""
    rows = "".join(_column(column) for column in columns[:_MOST_COLUMNS])
    left = len(columns) - _MOST_COLUMNS
    more = f"<p>… and {left:,} more columns.</p>" if left > 0 else ""
    table = (
        '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">column</th>'
        '<th scope="col">role</th><th scope="col">kind</th>'
        '<th scope="col">range or levels</th><th scope="col" class="n">different values</th>'
        f'<th scope="col" class="n">missing</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    opened = ' open="open"' if len(columns) <= _OPEN_COLUMNS else ""
    title = plural(len(columns), "column")
    return f"<details{opened}><summary>{title}</summary>{table}{more}</details>"


def _column(column: Mapping[str, Any]) -> str:
    name = string(column.get("name"))
    unit = text(string(column.get("unit")), 24)
    header = string(column.get("header"))
    tag = f'<span class="tag">{unit}</span>' if unit else ""
    same = plain(header).startswith(plain(name))
    alias = "" if not header or same else f'<br/><span class="soft">{text(header, 120)}</span>'
    return (
        f'<tr><th scope="row">{text(name, 120) or DASH}{tag}{alias}</th>'
        f"<td>{text(string(column.get('role')), 20) or DASH}</td>"
        f"<td>{text(string(column.get('kind')), 20) or DASH}</td>"
        f'<td class="wide">{_range(column)}</td>'
        f'<td class="n">{count(number(column.get("n_distinct")))}</td>'
        f'<td class="n">{count(number(column.get("n_missing")))}</td></tr>'
    )


def _range(column: Mapping[str, Any]) -> str:
    levels = [text(string(level), 40) for level in items(column.get("levels"))]
    if levels:
        more = f", … ({len(levels):,} in all)" if len(levels) > 8 else ""
        return ", ".join(levels[:8]) + more
    low, high = number(pick(column, "lower")), number(pick(column, "upper"))
    if low is None and high is None:
        return DASH
    if column.get("kind") == "date":
        return f"{day(low)} to {day(high)}"
    return f"{trimmed(low)} to {trimmed(high)}"

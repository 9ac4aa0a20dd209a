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
    shown = [
        ("rows in the file", count(number(data.get("rows_read")))),
        ("rows used", count(number(data.get("rows_used")))),
        ("input" if roles["input"] == 1 else "inputs", count(roles["input"])),
        ("target" if roles["target"] == 1 else "targets", count(roles["target"])),
    ]
    if group:
        shown.append((f"groups of “{text(group, 40)}”", count(number(data.get("n_groups")))))
    shown.append(("repeated settings", count(number(data.get("n_replicates")))))
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown)
    return f'<dl class="stats">{cells}</dl>'


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
    for mixture in records(data.get("mixtures")):
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

"""Results on a terminal: what was checked, what a study found, predictions, a reproduction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as RichTable

from matlever.cli.console import standard_output
from matlever.cli.errors import printable
from matlever.exceptions import shorten
from matlever.study.words import day, number, score_text

if TYPE_CHECKING:
    import pandas as pd

    from matlever.study import Study, StudyModel
    from matlever.tables import Table

__all__ = [
    "print_predictions",
    "print_reproduction",
    "print_study",
    "print_table_check",
    "text_grid",
]

_MAX_ROWS = 30
# Of larger mixtures, parts that are zero go without saying.
_MOST_PARTS = 12
_MAX_KNOBS = 8


def text_grid(*headers: str) -> RichTable:
    """Return an empty table for the terminal: words on the left, numbers on the right."""
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, header in enumerate(headers):
        grid.add_column(header, justify="left" if position == 0 else "right", overflow="fold")
    return grid


def print_table_check(table: Table) -> None:
    """Print what a study would use of a checked table."""
    out = standard_output()
    data = table.to_dict()
    out.print(
        f"{printable(data['file'])}: {data['rows_read']} rows read, {data['rows_used']} usable."
    )
    labels = [
        f"{column['name']} ({column['unit']})" if column["unit"] else column["name"]
        for column in data["columns"]
    ]
    name_width = min(max(map(len, labels)), 28)
    # What the other columns and the gaps between them leave of the line.
    span_width = max(out.width - name_width - 40, 16)
    grid = text_grid("column", "role", "kind", "values", "missing")
    for position in (1, 2, 3):
        grid.columns[position].justify = "left"
    for column, label in zip(data["columns"], labels, strict=True):
        grid.add_row(
            shorten(printable(label), name_width),
            column["role"],
            column["kind"],
            shorten(printable(_span(column)), span_width),
            str(column["n_missing"]),
        )
    out.print(grid)
    _print_notes(data)
    inputs = sum(column["role"] == "input" for column in data["columns"])
    out.print(
        f"No fault found. The {inputs} inputs are taken as set before a run: leave out what was "
        "measured after it with --ignore."
    )


def _print_notes(data: Mapping[str, Any]) -> None:
    """Print what was changed, and what a reader must know."""
    out = standard_output()
    for mixture in data["mixtures"]:
        names = ", ".join(map(printable, mixture["names"][:_MOST_PARTS]))
        left = len(mixture["names"]) - _MOST_PARTS
        names += f" and {left} more" if left > 0 else ""
        out.print(f"mixture: {names} add up to {mixture['total']:g} in every row")
    if data["n_replicates"]:
        out.print(f"replicates: {data['n_replicates']} rows repeat the settings of another row")
    for change in data["changes"]:
        out.print(f"changed: {printable(change['what'])} ({change['count']})")
    for warning in data["warnings"]:
        out.print(f"warning: {printable(warning)}")


def _span(column: Mapping[str, Any]) -> str:
    """Return the range or the levels of a column in words."""
    different = f"{column['n_distinct']} different"
    if column["levels"]:
        return f"{different}: {', '.join(column['levels'])}"
    if column["lower"] is None:
        return different
    return f"{number(column['lower'])} to {number(column['upper'])}, {different}"


def print_study(study: Study) -> None:
    """Print what a study found and where it lies."""
    out = standard_output()
    results = study.results
    if results["data"]["simulated"]:
        out.print("SIMULATED DATA")
    data = results["data"]
    out.print(f"{printable(data['file'])}: {data['rows_read']} rows read, {data['rows_used']} used")
    _print_notes(data)
    for target in results["targets"]:
        both = target["protocols"]["random"] is not None
        label = f"{target['name']} ({target['unit']})" if target["unit"] else target["name"]
        out.print(f"\n{printable(label)}: {target['protocols']['honest']['text']}")
        headers = ["R² ± spread", "R² random folds"] if both else ["R² ± spread"]
        grid = text_grid("model", *headers, "RMSE", "MAE")
        for entry in target["scores"]:
            scores = [score_text(entry["honest"]["r2"])]
            if both:
                scores.append(score_text(entry["random"]["r2"]))
            grid.add_row(
                entry["model"],
                *scores,
                number(entry["honest"]["rmse"]["mean"]),
                number(entry["honest"]["mae"]["mean"]),
            )
        out.print(grid)
        check = target["three_numbers"]
        if check:
            figures = (
                ("published protocol", check["paper_r2"]),
                ("honest", check["honest_r2"]),
                ("published protocol on shuffled targets", check["permuted_r2"]),
            )
            told = ", ".join(f"{what} {number(value, 2)}" for what, value in figures)
            out.print(f"Three numbers (R²): {told}.")
        out.print("")
        for part in ("verdict", "protocol_gap", "interval", "weights"):
            if target[part]:
                out.print(printable(target[part]["sentence"]))
    _print_advice(results)
    out.print(f"\n{printable(results['summary']['headline'])}")
    out.print(f"Report: {study.folder / 'report.html'}")


def _print_advice(results: Mapping[str, Any]) -> None:
    """Print what to change and what to run next."""
    out = standard_output()
    changes, following = results.get("changes"), results.get("next")
    if changes:
        out.print(f"\nWhat to change. {printable(changes['sentence'])}")
        for question in changes["questions"]:
            out.print(f"{printable(question['sentence'])}:")
            for row in question["rows"]:
                for answer in row["answers"]:
                    name = (results["data"].get("row_names") or {}).get(str(row["row"]))
                    where = f"row {row['row']}" + (f" ({name})" if name else "")
                    out.print(printable(f"  from {where}: {answer['sentence']}"))
    dates = {c["name"] for c in results["data"]["columns"] if c["kind"] == "date"}
    parts = {
        name
        for mixture in results["data"]["mixtures"]
        if len(mixture["names"]) > _MOST_PARTS
        for name in mixture["names"]
    }
    if following:
        out.print(f"\nWhat to run next. {printable(following['sentence'])}")
        for place, one in enumerate(following["experiments"]):
            said = [
                f"{name} {day(value) if name in dates else _setting(value)}"
                for name, value in one["settings"].items()
                if value != 0 or name not in parts
            ]
            more = f" and {len(said) - _MAX_KNOBS} more" if len(said) > _MAX_KNOBS else ""
            out.print(printable(f"  {place + 1}. {', '.join(said[:_MAX_KNOBS])}{more}"))


def _setting(value: float | str) -> str:
    return value if isinstance(value, str) else number(value, 4)


def prediction_file(rows: pd.DataFrame, found: pd.DataFrame, model: StudyModel) -> pd.DataFrame:
    """Return inputs and predictions side by side, under headers with units.

    Parameters
    ----------
    rows : DataFrame
        The settings, one column for each input.
    found : DataFrame
        What :meth:`StudyModel.predict_table` returned for them.
    model : StudyModel
    """
    import pandas as pd

    inputs = rows.rename(columns={column.name: column.header for column in model.inputs})
    labels = {}
    for column in model.targets:
        for ending in ("", " lower", " upper"):
            labels[f"{column.name}{ending}"] = f"predicted {column.label}{ending}"
    both = pd.concat([inputs, found.rename(columns=labels)], axis=1)
    return both.rename_axis("row").reset_index()


def print_predictions(found: pd.DataFrame, model: StudyModel) -> None:
    """Print predictions with their intervals."""
    out = standard_output()
    names = [printable(column.label) for column in model.targets]
    grid = text_grid("row", *names, "outside the data")
    for row, values in found.head(_MAX_ROWS).iterrows():
        cells = [
            f"{number(values[c.name])} [{number(values[f'{c.name} lower'])}, "
            f"{number(values[f'{c.name} upper'])}]"
            for c in model.targets
        ]
        grid.add_row(str(row), *cells, printable(values["outside"]))
    out.print(grid)
    if len(found) > _MAX_ROWS:
        out.print(f"... and {len(found) - _MAX_ROWS} more rows; --out FILE.csv writes all of them.")


def print_reproduction(found: Mapping[str, Any]) -> None:
    """Print a paper's table beside ours."""
    out = standard_output()
    out.print(found["title"])
    out.print(found["statement"])
    grid = text_grid("", "", "paper", "ours, same protocol", "ours, honest")
    rows = None
    for entry in found["table"]:
        if entry["rows"] != rows:
            rows = entry["rows"]
            grid.add_row(f"{rows} rows")
        grid.add_row(
            f"  {entry['target']}",
            entry["metric"],
            _with_sd(entry["paper"], entry["paper_sd"]),
            _with_sd(entry["ours_paper_protocol"], entry["ours_paper_protocol_sd"]),
            _with_sd(entry["ours_honest"], entry["ours_honest_sd"]),
        )
    out.print(grid)
    for sentence in found["sentences"]:
        out.print(sentence)


def _with_sd(value: float | None, sd: float | None) -> str:
    return number(value) if sd is None else f"{number(value)} ± {number(sd, 2)}"

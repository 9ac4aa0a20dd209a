"""All columns of a file at once: their drafts, and the faults that sit in cells."""

from __future__ import annotations

from dataclasses import dataclass, field

from matlever.exceptions import DataError, Fault, shorten
from matlever.tables._columns import Draft, understand_column
from matlever.tables._decimals import decimal_evidence
from matlever.tables._groups import similar_groups
from matlever.tables._names import ColumnNames
from matlever.tables._raw import RawTable, cell_text
from matlever.tables._roles import Request, Roles
from matlever.tables.table import Change

__all__ = ["Understanding", "understand_table"]


@dataclass
class Understanding:
    """What the cells of a file hold, column by column."""

    drafts: list[Draft] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def understand_table(
    raw: RawTable, names: ColumnNames, roles: Roles, request: Request
) -> Understanding:
    """Return what every column holds.

    Raises
    ------
    DataError
        With the faults of `roles` and of all cells in use together. Faults in columns that are
        ignored are nobody's concern.
    """
    result = Understanding(changes=list(raw.changes))
    faults = list(roles.faults)
    used = [k for k, role in enumerate(roles.roles) if role in ("input", "target")]
    file_decimal = None
    if request.decimal is None:
        file_decimal = decimal_evidence(raw.columns[k] for k in used)
    for k, role in enumerate(roles.roles):
        draft = understand_column(
            raw.columns[k],
            raw.rows,
            header=names.headers[k] or names.names[k],
            name=names.names[k],
            unit=names.units[k],
            file=raw.file,
            kind="categorical" if role == "group" else roles.kinds.get(k),
            decimal=request.decimal,
            file_decimal=file_decimal,
        )
        result.drafts.append(draft)
        if role == "ignored":
            continue
        result.changes.extend(draft.changes)
        if role == "target" and draft.kind != "numeric":
            faults.append(_target_fault(draft, names.headers[k], raw.file))
        elif role == "group":
            found, warnings = _check_group(draft, names.headers[k], raw)
            faults.extend(found)
            result.warnings.extend(warnings)
        else:
            faults.extend(draft.faults)
        result.warnings.extend(draft.warnings)
    if faults:
        raise DataError(_first_row_of_units(faults, raw))
    return result


def _target_fault(draft: Draft, header: str, file: str) -> Fault:
    """Return the fault of a target that is empty or holds words or dates."""
    what = {"empty": "is empty", "categorical": "holds words", "date": "holds dates"}[draft.kind]
    example = next((word for word in draft.words if word is not None), None)
    shown = f", for instance {shorten(example, 40)!r}" if example is not None else ""
    return Fault(
        f"the target {what}{shown}",
        "Choose a column of measured numbers as target",
        file=file,
        column=header,
    )


def _check_group(draft: Draft, header: str, raw: RawTable) -> tuple[list[Fault], list[str]]:
    """Return faults for rows without a group or for a single group, and warnings."""
    groups = {word for word in draft.words if word is not None}
    if len(groups) < 2:
        found = "one group" if groups else "no group"
        return [
            Fault(
                f"the group column holds {found}, at least 2 are needed",
                "Choose the column that tells papers, batches or campaigns apart, or none",
                file=raw.file,
                column=header,
            )
        ], []
    faults = [
        Fault(
            "the group is missing",
            "Fill it in, or remove the row",
            file=raw.file,
            row=row,
            column=header,
        )
        for row, word in zip(raw.rows, draft.words, strict=True)
        if word is None
    ]
    warnings = []
    if len(groups) == len(draft.words):
        warnings.append(
            f"{header!r} gives every row a group of its own, so holding out groups is the same "
            "as holding out rows."
        )
    for first, second in similar_groups(sorted(groups))[:5]:
        warnings.append(
            f"The groups {shorten(first)!r} and {shorten(second)!r} in {header!r} may be the same. "
            "Write them alike if they are, or rows of one group are used to predict each other."
        )
    return faults, warnings


def _first_row_of_units(faults: list[Fault], raw: RawTable) -> list[Fault]:
    """Return one fault for many where the first row under the header is one of units."""
    first = raw.rows[0]
    in_first = [fault for fault in faults if fault.row == first]
    if len(in_first) < 2 or any(fault.row not in (first, None) for fault in faults):
        return faults
    cells = [text for column in raw.columns if (text := cell_text(column[0]))]
    shown = ", ".join(repr(shorten(cell, 20)) for cell in cells[:3])
    one = Fault(
        f"the row holds words where the rows below hold numbers ({shown}, ...)",
        "If these are units, move them into the header, as in 'length (nm)'; otherwise correct "
        "the row",
        file=raw.file,
        row=first,
    )
    return [one, *(fault for fault in faults if fault.row is None)]

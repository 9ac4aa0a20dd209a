"""The table of lots: one measured property or more, and what experts say of the attributes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault, shorten
from matlever.micrographs.reading._lot_cells import LotCells, is_missing, number
from matlever.micrographs.reading._scales import Scale, declared_scale, find_scale

__all__ = ["LotTable", "understand_table"]

_LOT_HEADERS = ("lot", "lots", "lot_name", "lot_id", "batch", "sample", "material", "name", "id")
# "size_expert1", "size (expert A)", "size [rater 2]", "size expert B"
_EXPERT_AFTER = re.compile(
    r"^(?P<name>.+?)[\s_\-]*[(\[]?\s*(?:expert|rater|observer|scientist)[\s_\-]*(?P<who>\w*)"
    r"\s*[)\]]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class LotTable:
    """A lot table as numbers.

    Attributes
    ----------
    frame : DataFrame
        Index: lots, in the order of the file. Columns: properties, then attributes (0 to 1, mean
        over the experts).
    spread : DataFrame
        Standard deviation of each attribute over the experts, NaN where only one was asked.
    property_names, attribute_names : tuple of str
    lot_header : str
        Header of the column of lots.
    notes : tuple of str
        What was found out, assumed and left out.
    """

    frame: pd.DataFrame
    spread: pd.DataFrame
    property_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    lot_header: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rated:
    """Column of one expert's word on one attribute."""

    column: int
    name: str
    expert: str | None
    scale: Scale | None


def understand_table(
    cells: LotCells,
    *,
    lot_column: str | None = None,
    properties: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    known_lots: Sequence[str] = (),
    faults: list[Fault],
) -> LotTable:
    """Return the cells of a lot table as numbers.

    Parameters
    ----------
    cells : LotCells
        Headers and cells as they stand in the file.
    lot_column : str or None
        Header of the column with the lots; by default found by its header or its cells.
    properties, attributes : sequence of str or None
        By default, columns of experts and columns within 0-1 are attributes, and the other columns
        of numbers are properties.
    known_lots : sequence of str
        Lots that there are tiles of, to find the column.
    faults : list of Fault
        Faults that leave something to go on with are added here, to be shown with others.

    Raises
    ------
    DataError
        If there is no column of lots, or a column that was named.
    """
    notes: list[str] = []
    lot = _lot_position(cells, lot_column, known_lots)
    names = _lot_names(cells, lot, faults)
    rated, measured = _roles(cells, lot, properties, attributes, notes)
    values: dict[str, NDArray[np.float64]] = {}
    for position, name in measured:
        values[name] = _column(cells, position, names, faults, may_be_empty=False)
    spread: dict[str, NDArray[np.float64]] = {}
    attribute_names = tuple(dict.fromkeys(item.name for item in rated))
    for name in attribute_names:
        group = [item for item in rated if item.name == name]
        values[name], spread[name] = _attribute(cells, group, names, faults, notes)
    index = pd.Index(names, name="lot")
    property_names = tuple(name for _, name in measured)
    order = [*property_names, *attribute_names]
    return LotTable(
        frame=pd.DataFrame(values, index=index, columns=order, dtype=np.float64),
        spread=pd.DataFrame(spread, index=index, columns=[*attribute_names], dtype=np.float64),
        property_names=property_names,
        attribute_names=attribute_names,
        lot_header=cells.headers[lot],
        notes=tuple(notes),
    )


# -- which column is what -------------------------------------------------------------------------


def _lot_position(cells: LotCells, wanted: str | None, known_lots: Sequence[str]) -> int:
    """Return the column that holds the lots."""
    if wanted is not None:
        return _position(cells, wanted, "lots")
    folded = [fold(header) for header in cells.headers]
    for name in _LOT_HEADERS:
        if folded.count(name) == 1:
            return folded.index(name)
    known = {fold(lot) for lot in known_lots}
    hits = [sum(fold(cell) in known for cell in column) for column in cells.columns]
    if hits and max(hits) >= 2 and hits.count(max(hits)) == 1:
        return int(np.argmax(hits))
    raise DataError(
        Fault(
            "no column of lots was found",
            f"Name it: lot_column=... The columns are {_listed(cells.headers)}",
            file=cells.file,
        )
    )


def _position(cells: LotCells, wanted: str, purpose: str) -> int:
    """Return a column by its header, whatever its capitals."""
    exact = [k for k, header in enumerate(cells.headers) if header == wanted]
    found = exact or [k for k, header in enumerate(cells.headers) if fold(header) == fold(wanted)]
    if len(found) == 1:
        return found[0]
    what = "more than one column" if found else "no column"
    raise DataError(
        Fault(
            f"there is {what} {shorten(wanted)!r} for the {purpose}",
            f"The columns are {_listed(cells.headers)}",
            file=cells.file,
        )
    )


def _lot_names(cells: LotCells, lot: int, faults: list[Fault]) -> list[str]:
    """Return the lots, one of each row, and add faults where one is missing or stands twice."""
    names: list[str] = []
    first: dict[str, int] = {}
    header = cells.headers[lot]
    for name, row in zip(cells.columns[lot], cells.rows, strict=True):
        if not name:
            faults.append(
                Fault("the name of the lot is missing", "Fill it in", cells.file, row, header)
            )
        elif name in first:
            faults.append(
                Fault(
                    f"the lot {shorten(name)!r} stands in row {first[name]} already",
                    "Keep one row for each lot: the mean of repeated measurements",
                    cells.file,
                    row,
                    header,
                )
            )
        first.setdefault(name, row)
        names.append(name)
    return names


def _roles(
    cells: LotCells,
    lot: int,
    properties: Sequence[str] | None,
    attributes: Sequence[str] | None,
    notes: list[str],
) -> tuple[list[_Rated], list[tuple[int, str]]]:
    """Return the columns of attributes, expert by expert, and the columns of properties."""
    properties = [properties] if isinstance(properties, str) else properties
    attributes = [attributes] if isinstance(attributes, str) else attributes
    rest = [k for k in range(len(cells.headers)) if k != lot and cells.headers[k]]
    measured = [_position(cells, name, "properties") for name in properties or ()]
    by_name: dict[str, list[_Rated]] = {}
    for k in rest:
        item = _rated(cells.headers[k], k)
        if k not in measured:
            by_name.setdefault(fold(item.name), []).append(item)
    asked = {name: group for name, group in by_name.items() if any(i.expert for i in group)}
    for name, group in asked.items():  # the experts' own words go before a mean of them
        own = [item for item in group if item.expert]
        if len(own) < len(group):
            notes.append(
                f"{group[0].name} is the mean of its {len(own)} experts; the column "
                f"{', '.join(repr(cells.headers[i.column]) for i in group if not i.expert)} was "
                "left out"
            )
        asked[name] = own
    if attributes is None:
        taken = list(asked.values())
        if not taken:
            found = [
                group
                for group in by_name.values()
                if all(_is_rating(cells, item) for item in group)
            ]
            taken = found
            if found:
                named = ", ".join(group[0].name for group in found)
                notes.append(f"attributes are the columns within 0-1 or with a scale: {named}")
    else:
        taken = []
        for name in attributes:
            wanted = asked.get(fold(name)) or by_name.get(fold(_rated(name, -1).name))
            if wanted is None:
                _position(cells, name, "attributes")  # says which columns there are
                raise DataError(
                    f"The column {name!r} cannot be a property and an attribute at once."
                )
            taken.append(wanted)
    rated = [item for group in taken for item in group]
    if properties is None:
        used = {item.column for item in rated}
        experts = {item.column for group in by_name.values() for item in group}
        experts &= {i.column for n, group in by_name.items() if n in asked for i in group}
        free = [k for k in rest if k not in used and k not in experts]
        measured = [k for k in free if _is_numeric(cells, k)]
        words = [cells.headers[k] for k in free if k not in measured]
        if words:
            notes.append(f"columns without numbers were left out: {_listed(words)}")
    return rated, [(k, cells.headers[k]) for k in measured]


def _rated(header: str, column: int) -> _Rated:
    """Return what a header says: the attribute, the expert if any, the scale if any."""
    plain, scale = declared_scale(header)
    found = _EXPERT_AFTER.match(plain)
    if found is None:
        return _Rated(column, plain, None, scale)
    name, more = declared_scale(found["name"])  # "size (0-5) expert1"
    return _Rated(column, name, found["who"] or "expert", scale or more)


def _is_numeric(cells: LotCells, k: int) -> bool:
    """Return whether most of what stands in a column are numbers."""
    filled = [cell for cell in cells.columns[k] if not is_missing(cell)]
    return bool(filled) and 2 * sum(number(c, cells) is not None for c in filled) > len(filled)


def _is_rating(cells: LotCells, item: _Rated) -> bool:
    """Return whether a column without an expert is one of ratings: 0-1, or with a scale."""
    filled = [cell for cell in cells.columns[item.column] if not is_missing(cell)]
    found = [number(cell, cells) for cell in filled]
    values = [value for value in found if value is not None]
    if not values or 2 * len(values) <= len(found):
        return False
    return item.scale is not None or (min(values) >= 0 and max(values) <= 1)


# -- numbers --------------------------------------------------------------------------------------


def _column(
    cells: LotCells, k: int, lots: Sequence[str], faults: list[Fault], *, may_be_empty: bool
) -> NDArray[np.float64]:
    """Return a column as numbers, and add faults for what is none."""
    values = np.full(len(lots), np.nan)
    for i, (cell, row) in enumerate(zip(cells.columns[k], cells.rows, strict=True)):
        value, is_empty = number(cell, cells), is_missing(cell)
        if value is not None:
            values[i] = value
        elif not (is_empty and may_be_empty):
            what = "the value is missing" if is_empty else f"{shorten(cell)!r} is not a number"
            faults.append(
                Fault(
                    f"lot {shorten(lots[i])!r}: {what}",
                    "Fill in a number with a decimal point, or take the lot out of the table and "
                    "of the folder",
                    cells.file,
                    row,
                    cells.headers[k],
                )
            )
    return values


def _attribute(
    cells: LotCells,
    group: list[_Rated],
    lots: Sequence[str],
    faults: list[Fault],
    notes: list[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and spread of one attribute over its experts, on a scale of 0 to 1."""
    name = group[0].name
    several = len(group) > 1
    raw = np.stack(
        [_column(cells, i.column, lots, faults, may_be_empty=several) for i in group], axis=1
    )
    scale = find_scale(raw, [item.scale for item in group])
    if isinstance(scale, Fault):
        header = cells.headers[group[0].column]
        faults.append(Fault(scale.reason, scale.remedy, cells.file, None, header))
        return np.full(len(lots), np.nan), np.full(len(lots), np.nan)
    if scale.note:
        notes.append(f"{name}: {scale.note}")
    unit = scale.unit(raw)
    n_said = np.count_nonzero(np.isfinite(unit), axis=1)
    for i in np.flatnonzero(n_said == 0).tolist() if several else ():
        faults.append(
            Fault(
                f"lot {shorten(lots[i])!r}: no expert has given a value",
                "Fill one in, or take the lot out of the table and of the folder",
                cells.file,
                cells.rows[i],
                cells.headers[group[0].column],
            )
        )
    filled = np.where(np.isfinite(unit), unit, 0.0)
    mean = np.divide(filled.sum(axis=1), n_said, out=np.full(len(lots), np.nan), where=n_said > 0)
    square = np.where(np.isfinite(unit), (unit - mean[:, None]) ** 2, 0.0).sum(axis=1)
    spread = np.sqrt(
        np.divide(square, n_said - 1, out=np.full(len(lots), np.nan), where=n_said > 1)
    )
    if several:
        fewer = int(np.count_nonzero((n_said < len(group)) & (n_said > 0)))
        rest = f"; in {fewer} lots not all of them gave a value" if fewer else ""
        typical = float(np.nanmean(spread)) if np.isfinite(spread).any() else float("nan")
        notes.append(
            f"{name}: mean of {len(group)} experts, who differ by {typical:.2f} (standard "
            f"deviation){rest}"
        )
    return mean, spread


def fold(text: str) -> str:
    """Return a name without capitals, and one underscore for whatever is no letter or digit."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]+", "_", text).strip("_")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(shorten(name, 40)) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")

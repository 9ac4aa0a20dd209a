"""Units that stand in the cells: one for the whole column, or a fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matlever.exceptions import Fault, shorten
from matlever.tables._cells import Reading
from matlever.tables._decimals import MOSTLY
from matlever.tables._raw import Cell
from matlever.tables.table import Change
from matlever.tables.units import quantity_of, same_unit

__all__ = ["CellUnits", "Place", "unit_of_cells"]


@dataclass(frozen=True)
class Place:
    """Where a column stands, for messages."""

    rows: Sequence[int]
    header: str
    name: str
    file: str

    def fault(self, reason: str, remedy: str, position: int | None = None) -> Fault:
        row = None if position is None else self.rows[position]
        return Fault(reason, remedy, file=self.file, row=row, column=self.header)


@dataclass(frozen=True)
class CellUnits:
    """The units behind the numbers of a column."""

    counts: dict[str, int]  # one spelling of each unit -> cells
    n_bare: int

    @classmethod
    def of(cls, readings: dict[str, Reading], texts: dict[str, int], n_native: int) -> CellUnits:
        counts: dict[str, int] = {}
        n_bare = n_native
        for text, reading in readings.items():
            if reading.unit is None:
                n_bare += texts[text]
                continue
            known = next((u for u in counts if same_unit(u, reading.unit)), reading.unit)
            counts[known] = counts.get(known, 0) + texts[text]
        return cls(counts, n_bare)

    def are_plausible(self, n_numbers: int) -> bool:
        """Return whether these are measurements, if perhaps in mixed units, and not names."""
        if not self.counts or self.n_bare >= MOSTLY * n_numbers:
            return True
        if max(self.counts.values()) >= MOSTLY * n_numbers:
            return True
        return len({quantity_of(unit) for unit in self.counts}) == 1


def unit_of_cells(
    cells: Sequence[Cell],
    readings: dict[str, Reading],
    units: CellUnits,
    place: Place,
    unit: str | None,
) -> tuple[str | None, Change | Fault | None]:
    """Return the unit the cells bring along, and the change or the fault that goes with it.

    The unit is None where the header has named it already, or where no cell carries one.
    """
    if not units.counts:
        return None, None
    usual = max(units.counts, key=lambda u: units.counts[u])
    others = [u for u in units.counts if u != usual]
    agrees_with_header = unit is None or same_unit(unit, usual)
    if not others and agrees_with_header and (units.n_bare == 0 or unit is not None):
        what = f"{place.name!r}: the unit {usual} was taken from the cells"
        return (usual if unit is None else None), Change(what, units.counts[usual])
    if unit is not None and not others:
        return None, place.fault(
            f"the header says {shorten(unit)!r}, but {units.counts[usual]} cells say {usual!r}",
            f"Convert them to {shorten(unit)!r} and leave units to the header",
        )
    reading_of = [readings.get(cell) if isinstance(cell, str) else None for cell in cells]
    kinds = dict(units.counts) | ({"no unit": units.n_bare} if units.n_bare else {})
    main = max(kinds, key=lambda u: kinds[u])
    odd = [
        place.rows[position]
        for position, reading in enumerate(reading_of)
        if _unit_name(reading, cells[position], units) not in (main, None)
    ]
    found = ", ".join(f"{u!r} in {n} cells" for u, n in kinds.items())
    where = ", ".join(map(str, odd[:5])) + (", ..." if len(odd) > 5 else "")
    return None, Fault(
        f"the column mixes units: {found} (rows {where} differ from most)",
        "Convert all cells to one unit and write it into the header, as in 'length (nm)'",
        file=place.file,
        row=odd[0] if odd else None,
        column=place.header,
    )


def _unit_name(reading: Reading | None, cell: Cell, units: CellUnits) -> str | None:
    """Return the unit of a cell in the spelling of `units`, None for no number."""
    if reading is None:
        return None if isinstance(cell, str) else "no unit"
    if reading.unit is None:
        return "no unit"
    return next((u for u in units.counts if same_unit(u, reading.unit)), None)

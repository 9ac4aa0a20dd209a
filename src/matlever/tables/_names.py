"""From headers to column names, and from what a user types to a column."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from matlever.exceptions import DataError, Fault, shorten
from matlever.tables._cells import looks_like_number
from matlever.tables._raw import LIMITS, RawTable, refuse
from matlever.tables.units import split_header

__all__ = ["ColumnNames", "check_headers", "list_columns"]

_LISTED = 30


def check_headers(raw: RawTable, fewest_columns: int = 2) -> None:
    """Raise DataError unless every column with data has a name of its own.

    Also refused here are tables without rows and tables of too few columns.
    """
    file, headers = raw.file, raw.headers
    named = [header for header in headers if header]
    if not raw.rows:
        if len(named) < fewest_columns:
            raise _one_column(raw)
        raise refuse(file, "there is a header, but no row under it", "Add one row for each run")
    if len(headers) < fewest_columns:
        raise _one_column(raw)
    if len(named) > 1 and all(looks_like_number(header) for header in named):
        raise refuse(
            file,
            f"the first row holds numbers ({', '.join(named[:3])}, ...) instead of names",
            "Put a row with the column names on top, as in 'time (min)'",
            row=1,
        )
    faults = []
    first_seen: dict[str, int] = {}
    for position, header in enumerate(headers, start=1):
        if not header:
            if any(cell != "" for cell in raw.columns[position - 1]) and not is_row_index(
                raw, position - 1
            ):
                reason = f"column {position} holds data but has no name"
                faults.append(Fault(reason, "Write a name into its first row", file=file))
            continue
        strange = [c for c in header if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")]
        if strange:
            shown = "".join(c if c.isprintable() else "\ufffd" for c in header)
            codes = ", ".join(f"U+{ord(c):04X}" for c in dict.fromkeys(strange[:3]))
            reason = f"the name of column {position} holds the invisible character {codes}"
            faults.append(Fault(reason, "Type the name anew", file=file, column=shown))
        elif len(header) > LIMITS.name_characters:
            reason = f"the name of column {position} has {len(header):,} characters"
            faults.append(Fault(reason, "Give it a short name", file=file, column=header))
        elif header in first_seen:
            reason = f"columns {first_seen[header]} and {position} have the same name"
            faults.append(Fault(reason, "Rename or remove one of them", file=file, column=header))
        first_seen.setdefault(header, position)
    if faults:
        raise DataError(faults)


def _one_column(raw: RawTable) -> DataError:
    header = shorten(raw.headers[0])
    remedy = "Give a table with inputs and targets in columns of their own"
    if " " in header or any(isinstance(c, str) and " " in c for c in raw.columns[0][:20]):
        remedy += "; if blanks stand between the columns, pass delimiter=' '"
    return refuse(raw.file, f"there is only one column, {header!r}", remedy)


def is_row_index(raw: RawTable, position: int) -> bool:
    """Return whether a column without a name only counts the rows, as pandas writes it."""
    cells = raw.columns[position]
    for start in (0, 1):
        if position == 0 and all(
            cell in (str(start + k), float(start + k)) for k, cell in enumerate(cells)
        ):
            return True
    return False


class ColumnNames:
    """The columns of a file by any way of writing their names.

    Parameters
    ----------
    headers : sequence of str
        The headers; blank ones have no name.
    file : str
        For messages.

    Attributes
    ----------
    names : tuple of str
        Unique name of each column: the header without its unit, or the header where two columns
        would share a name.
    units : tuple of (str or None)
        Unit of each column, from its header; None where the header stands for the name.
    """

    def __init__(self, headers: Sequence[str], file: str) -> None:
        self._file = file
        self.headers = tuple(headers)
        split = [split_header(header) for header in headers]
        names = [name or f"column {k}" for k, (name, _) in enumerate(split, start=1)]
        while any(n > 1 for n in Counter(names).values()):
            counts = Counter(names)
            again = [
                (header or f"column {k} of {len(headers)}") if counts[name] > 1 else name
                for k, (name, header) in enumerate(zip(names, headers, strict=True), start=1)
            ]
            if again == names:
                break
            names = again
        self.names = tuple(names)
        self.units = tuple(
            unit if name == own else None for (own, unit), name in zip(split, names, strict=True)
        )
        keys: list[dict[str, set[int]]] = [{}, {}, {}]
        for position, (header, name) in enumerate(zip(headers, names, strict=True)):
            unit = split[position][1]
            plain = split[position][0]
            exact = {header, name} - {""}
            folded = {_fold(header), _fold(name), _fold(f"{plain} {unit or ''}")} - {""}
            for level, texts in enumerate((exact, folded, {_fold(plain)} - {""})):
                for text in texts:
                    keys[level].setdefault(text, set()).add(position)
        self._keys = keys

    def find(self, wanted: str, purpose: str) -> int | Fault:
        """Return the position of a column, or the fault that there is none.

        Parameters
        ----------
        wanted : str
            Header or name; capitals, blanks and underscores do not matter, and the unit may be
            added as in ``length_nm``.
        purpose : str
            What it is wanted for, for the message: ``"target"``.
        """
        for level, text in enumerate((wanted, _fold(wanted), _fold(wanted))):
            found = self._keys[level].get(text, set())
            if len(found) == 1:
                return next(iter(found))
            if found:
                options = ", ".join(repr(shorten(self.headers[k])) for k in sorted(found))
                return Fault(
                    f"the {purpose} {shorten(wanted)!r} can be {options}",
                    "Write the whole header",
                    file=self._file,
                )
        known = [name for name, header in zip(self.names, self.headers, strict=True) if header]
        folded = {_fold(name): name for name in known}
        close = difflib.get_close_matches(_fold(wanted), list(folded), n=3, cutoff=0.6)
        nearest = " or ".join(repr(shorten(folded[key])) for key in close)
        return Fault(
            f"there is no column {shorten(wanted)!r} for the {purpose}",
            (f"Did you mean {nearest}? " if close else "")
            + f"The columns are {list_columns(known)}",
            file=self._file,
        )


def list_columns(names: Sequence[str]) -> str:
    """Return the names for a message, the first thirty of them."""
    shown = ", ".join(shorten(name, 40) for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _fold(text: str) -> str:
    """Return `text` without capitals, and one underscore for whatever is no letter or digit."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("μ", "u").replace("µ", "u")
    return re.sub(r"[\W_]+", "_", text).strip("_") or text.strip()

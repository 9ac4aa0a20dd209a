"""CSV, TSV and TXT files: the delimiter, the header row, and rows that fit it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

from matlever.exceptions import DataError, Fault, SettingsError, shorten
from matlever.tables._cells import looks_like_number
from matlever.tables._raw import LIMITS, Cell, RawTable, refuse
from matlever.tables._text_lines import check_encoding, text_lines
from matlever.tables.table import Change

__all__ = ["read_text_file"]

# In the order in which a tie is decided.
_DELIMITERS = ("\t", ";", "|", ",")
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
_SNIFFED_LINES = 60
_BLANKS = " \t\r\n\u00a0\ufeff\u200b"


def read_text_file(
    path: Path, file: str, *, delimiter: str | None = None, encoding: str | None = None
) -> RawTable:
    """Return headers and cells of a delimited text file.

    Parameters
    ----------
    path : Path
        The file, unpacked on the fly where its name ends in ``.gz``.
    file : str
        Its name in messages.
    delimiter : str or None
        None finds out; ``" "`` splits at runs of blanks.
    encoding : str or None
        None reads UTF-8, or what a byte-order mark says.

    Raises
    ------
    DataError
        If the file cannot be taken apart; all ragged rows are named together.
    SettingsError
        If delimiter or encoding is none.
    """
    check_encoding(encoding)
    delimiter = _check_delimiter(delimiter)
    lines = text_lines(path, file, encoding)
    skipped, notes, comment, lines = _skip_preamble(lines)
    if notes.get("sep") in _DELIMITERS and delimiter is None:
        delimiter = notes.pop("sep")
    head = list(itertools.islice(lines, _SNIFFED_LINES))
    if not any(line.strip(_BLANKS) for line in head):
        raise _empty(file)
    delimiter = delimiter or _sniff(head, path)
    records = _records(itertools.chain(head, lines), delimiter, file, skipped)
    first, header = next(records, (0, []))
    if not header:
        raise _empty(file)
    changes: list[Change] = []
    if comment and 2 * sum(map(looks_like_number, header)) >= len(header) > 1:
        named = _split(comment, delimiter)
        if len(named) == len(header):  # the header of numpy.savetxt stands in a comment
            changes.append(Change("the header was read from the comment above the rows", 1))
            records = itertools.chain([(first, header)], records)
            header = named
    while header and not header[-1]:
        header.pop()
    columns, rows = _collect(records, header, file, first)
    return RawTable(file, tuple(header), columns, rows, tuple(changes), notes)


def _empty(file: str) -> DataError:
    return refuse(
        file, "the file is empty", "Give a file with a header row and one run in each row"
    )


def _check_delimiter(delimiter: str | None) -> str | None:
    """Return the delimiter as one character."""
    if delimiter is None:
        return None
    mark = _WORDS.get(delimiter, delimiter) if isinstance(delimiter, str) else ""
    if len(mark) != 1 or mark in '"\r\n\0':
        raise SettingsError(
            f"delimiter={delimiter!r} is not one character. Use ',', ';', '|', ' ' or 'tab'."
        )
    return mark


def _skip_preamble(
    lines: Iterator[str],
) -> tuple[int, dict[str, str], str | None, Iterator[str]]:
    """Take blank and comment lines off the top; return their number, notes and last comment."""
    notes: dict[str, str] = {}
    skipped, comment = 0, None
    for line in lines:
        text = line.strip(_BLANKS)
        if text.lower().startswith("sep=") and len(text) <= 5 and skipped == 0:
            notes["sep"] = text[4:] or "\t"
        elif text.startswith("#") and text[1:2] not in _DELIMITERS:  # "#,time" is a header
            comment = text.lstrip("# ")
            key, colon, value = comment.partition(":")
            if colon and len(notes) < 100:
                notes[key.strip().lower()] = value.strip()
        elif text:
            return skipped, notes, comment, itertools.chain([line], lines)
        skipped += 1
    return skipped, notes, comment, iter(())


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line."""
    try:
        row = next(_parser(iter([line]), delimiter), [])
    except csv.Error:
        row = line.split(delimiter)
    return [cell.strip(_BLANKS) for cell in row]


def _parser(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    """Return the csv reader for a delimiter; blanks are taken in runs."""
    if delimiter == " ":
        lines = (line.strip(_BLANKS).replace("\t", " ") + "\n" for line in lines)
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)


def _sniff(lines: list[str], path: Path) -> str:
    """Return the delimiter that gives most lines as many cells as the header has."""
    best, best_share = ",", 0.0
    if ".tsv" in [suffix.lower() for suffix in path.suffixes]:
        best = "\t"
    for delimiter in _DELIMITERS:
        widths = [len(_split(line, delimiter)) for line in lines if line.strip(_BLANKS)]
        if widths[0] < 2:
            continue
        share = sum(width == widths[0] for width in widths[1:]) / max(len(widths) - 1, 1)
        if share > best_share + 1e-9 or (best_share == 0.0 and best not in lines[0]):
            best, best_share = delimiter, share
    return best


def _records(
    lines: Iterator[str], delimiter: str, file: str, skipped: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield row number and cells; a blank row counts but is not yielded."""
    number = skipped
    parser = _parser(lines, delimiter)
    while True:
        number += 1
        try:
            cells = next(parser)
        except StopIteration:
            return
        except csv.Error as error:
            raise refuse(
                file,
                f"a quotation mark is out of place or never closed ({error})",
                "Quote a whole cell and double the quotation marks inside it, or remove them",
                row=number,
            ) from error
        cells = [cell.strip(_BLANKS) for cell in cells]
        if any(cells):
            yield number, cells


def _collect(
    records: Iterator[tuple[int, list[str]]], header: list[str], file: str, first: int
) -> tuple[tuple[list[Cell], ...], list[int]]:
    """Return columns and row numbers; rows of another width are faults."""
    width = len(header)
    if width > LIMITS.columns:
        raise refuse(
            file,
            f"the table has {width:,} columns, more than {LIMITS.columns:,}",
            "Keep the columns you mean to use, or reduce spectra to a few numbers first",
        )
    kept: list[list[str]] = []
    rows: list[int] = []
    ragged: list[tuple[int, int]] = []
    n_cells = 0
    for number, cells in records:
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            ragged.append((number, len(cells)))
        else:
            kept.append(cells)
            rows.append(number)
        n_cells += len(cells)
        if len(kept) + len(ragged) > LIMITS.rows or n_cells > LIMITS.cells:
            raise refuse(
                file,
                f"the table has more than {LIMITS.rows:,} rows or {LIMITS.cells:,} cells",
                "matlever is made for expensive runs: give a sample of the rows",
            )
    if ragged:
        raise _ragged_error(ragged, len(kept), header, file, first)
    columns: tuple[list[Cell], ...] = tuple(
        [row[position] for row in kept] for position in range(width)
    )
    return columns, rows


def _ragged_error(
    ragged: list[tuple[int, int]], n_kept: int, header: list[str], file: str, first: int
) -> DataError:
    """Return the error for rows that do not fit the header, or for a header that fits no row."""
    width = len(header)
    found = {n_cells for _, n_cells in ragged}
    if n_kept == 0 and len(found) == 1:
        if width == 1:
            reason = (
                f"the first row holds one cell, {shorten(header[0])!r}, and the rows below hold "
                f"{found.pop()}"
            )
            remedy = "Remove titles above the table: its first row must hold the column names"
        else:
            reason = f"the header has {width} names, but every row has {found.pop()} cells"
            remedy = "Give each column a name in the first row"
        return refuse(file, reason, remedy, row=first)
    return DataError(
        Fault(
            f"the row has {n_cells} cells, but the header has {width}",
            "Check for a missing or extra delimiter, and quote text that contains it",
            file=file,
            row=number,
        )
        for number, n_cells in ragged
    )

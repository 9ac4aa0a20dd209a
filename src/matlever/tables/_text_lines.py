"""The lines of a text file, read in pieces, so that no file can fill the memory.

A line of two gigabytes, a compressed file that unpacks to a thousand times its size, a picture
called ``runs.csv`` and a file in another encoding are each found while the first pieces are read.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from matlever.exceptions import DataError, SettingsError
from matlever.tables._raw import LIMITS, refuse

__all__ = ["check_encoding", "identify_content", "text_lines"]

_PIECE = 1 << 18

_NAME_OR_UNPACK = "Name it .xlsx if it is a workbook, or unpack it first"
_SAVE_OPEN = "Open it and save it as .xlsx without a password"
# First bytes of files that are often given a wrong ending, what they are, and what to do.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip file or an .xlsx workbook", _NAME_OR_UNPACK),
    (b"\xd0\xcf\x11\xe0", "an old .xls or a password-protected workbook", _SAVE_OPEN),
    (b"PAR1", "a Parquet file", "Give it the ending .parquet"),
    (b"\x1f\x8b", "a gzip file", "Let its name end in .csv.gz"),
    (b"%PDF", "a PDF file", "Copy the table into a spreadsheet and save it as .csv"),
    (b"\x89PNG", "a picture", "Give the file that holds the table"),
    (b"\xff\xd8\xff", "a picture", "Give the file that holds the table"),
    (b"\x89HDF", "an HDF5 file", "Export the table as .csv"),
    (b"{\\rtf", "a text-processor file", "Save the table as .csv"),
)  # fmt: skip
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def check_encoding(encoding: str | None) -> None:
    """Raise SettingsError unless `encoding` is None or names a text encoding."""
    if encoding is None:
        return
    try:
        is_text = getattr(codecs.lookup(encoding), "_is_text_encoding", True)
    except (LookupError, ValueError, TypeError):
        is_text = False
    if not is_text:
        raise SettingsError(
            f"encoding={encoding!r} is not known. Use for instance 'utf-8', 'latin-1' or 'cp1252'."
        )


def identify_content(start: bytes) -> tuple[str, str] | None:
    """Return what a file is and what to do, if its first bytes show that it is no text."""
    for signature, what, remedy in _SIGNATURES:
        if start.startswith(signature):
            return what, remedy
    if start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page", "Download the file itself instead of the page that shows it"
    return None


def text_lines(path: Path, file: str, encoding: str | None) -> Iterator[str]:
    r"""Yield the lines of a text file, each with its ``\n``.

    Parameters
    ----------
    path : Path
        The file; unpacked on the fly where the name ends in ``.gz``.
    file : str
        Its name in messages.
    encoding : str or None
        None reads UTF-8, or what a byte-order mark says.

    Raises
    ------
    DataError
        If the file is binary, in another encoding, damaged or has an absurdly long line.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rb") as stream:
                yield from _decode(cast(BinaryIO, stream), file, encoding)
        else:
            with path.open("rb") as stream:
                yield from _decode(stream, file, encoding)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise refuse(
            file, f"the compressed file is damaged ({error})", "Copy or download the file again"
        ) from error
    except OSError as error:
        raise refuse(
            file,
            f"the file cannot be read ({error.strerror or error})",
            "Check the file and the right to read it",
        ) from error


def _decode(stream: BinaryIO, file: str, encoding: str | None) -> Iterator[str]:
    """Yield lines from bytes."""
    piece = stream.read(_PIECE)
    content = identify_content(piece)
    if content is not None:
        raise refuse(file, f"the file is {content[0]}, not a text table", content[1])
    used = encoding or next((name for mark, name in _MARKS if piece.startswith(mark)), "utf-8")
    if used == "utf-8" and piece.startswith(codecs.BOM_UTF8):
        used = "utf-8-sig"
    wide = codecs.lookup(used).name.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(used)("strict")
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    rest, line, total = "", 1, 0
    while True:
        if not wide and b"\0" in piece:
            raise refuse(
                file,
                f"byte {total + piece.index(0):,} is NUL, so this is not a text file",
                "Export the table as .csv in UTF-8, or pass encoding='utf-16' if it is such text",
            )
        pending = _pending(decoder)
        try:
            text = newlines.decode(decoder.decode(piece, not piece), not piece)
        except UnicodeDecodeError as error:
            raise _encoding_fault(file, error, total - pending, line, used) from error
        except UnicodeError as error:
            raise refuse(
                file,
                f"the file is not {used} text ({error})",
                "Save it as UTF-8, or pass the encoding it was written in",
            ) from error
        total += len(piece)
        if total > LIMITS.file_bytes:
            raise refuse(
                file,
                f"the file unpacks to more than {LIMITS.file_bytes / 1e9:g} GB",
                "Keep the rows and columns of the study",
            )
        complete, newline, tail = (rest + text).rpartition("\n")
        for part in complete.split("\n") if newline else ():
            if len(part) > LIMITS.line_characters:
                raise _long_line(file, line)
            yield part + "\n"
            line += 1
        rest = tail
        if len(rest) > LIMITS.line_characters:
            raise _long_line(file, line)
        if not piece:
            break
        piece = stream.read(_PIECE)
    if rest:
        yield rest + "\n"


def _pending(decoder: codecs.IncrementalDecoder) -> int:
    """Return how many bytes of an unfinished character the decoder holds back."""
    state = decoder.getstate()[0]
    return len(state) if isinstance(state, bytes) else 0


def _long_line(file: str, line: int) -> DataError:
    return refuse(
        file,
        f"the line is longer than {LIMITS.line_characters:,} characters",
        "Check that this is a table with one run in each line, and that lines end",
        row=line,
    )


def _encoding_fault(
    file: str, error: UnicodeDecodeError, before: int, line: int, used: str
) -> DataError:
    """Return the error for bytes that the encoding does not know, with their place."""
    data = error.object
    row = line + data.count(b"\n", 0, error.start)
    name = "UTF-8" if used.startswith("utf-8") else used
    return refuse(
        file,
        f"byte {before + error.start:,} (0x{data[error.start]:02x}) is not {name} text",
        "Save the file as UTF-8, or pass encoding='latin-1' if it comes from an older spreadsheet "
        "or instrument",
        row=row,
    )

"""Tables as they should not be: one file for each way in which a table can be broken."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Content = bytes | str | Callable[[Path], None] | None

GOOD = [
    "x,z,y",
    "1,5,2.1",
    "2,3,2.9",
    "3,8,4.2",
    "4,1,4.8",
    "5,9,6.3",
    "6,2,6.7",
    "7,7,8.1",
    "8,4,9.2",
]


def good(*changed: tuple[int, str]) -> str:
    """Return a good table with some lines exchanged (0 is the header)."""
    lines = list(GOOD)
    for number, line in changed:
        lines[number] = line
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Broken:
    """A broken file: its name, its content, how it is read, and what the message must say."""

    file: str
    content: Content
    says: tuple[str, ...]
    keywords: dict[str, Any] = field(default_factory=dict)


def build(name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write one broken file and return its path and the keywords of ``read_table``."""
    broken = BROKEN[name]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / broken.file
    if isinstance(broken.content, str):
        path.write_bytes(broken.content.encode("utf-8"))
    elif isinstance(broken.content, bytes):
        path.write_bytes(broken.content)
    elif broken.content is not None:
        broken.content(path)
    return path, {"targets": ["y"], **broken.keywords}


def _endless_line(path: Path) -> None:
    """Write 2 GB of one line, 2 MB on the disk."""
    member = gzip.compress(b"7" * (32 << 20), 6)
    with path.open("wb") as stream:
        stream.write(gzip.compress(b"x,y\n1,"))
        for _ in range(64):
            stream.write(member)


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2_100_000_000)


def _workbook(rows: list[list[object]]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import openpyxl

        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)

    return write


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no workbook")


def _parquet(**columns: list[object]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _truncated_parquet(path: Path) -> None:
    whole = _parquet(x=list(range(50)), y=[float(k) for k in range(50)])
    path.write_bytes(whole[: len(whole) // 2])


def _nested_parquet(path: Path) -> None:
    path.write_bytes(_parquet(x=[[1, 2]] * 8, y=[float(k) for k in range(8)]))


def _folder(path: Path) -> None:
    path.mkdir()


def _rows(header: str, row: Callable[[int], str], n_rows: int = 9) -> str:
    """Return a table whose rows are made from their numbers."""
    return "\n".join([header, *map(row, range(n_rows))]) + "\n"


def _beside(header: str, cell: Callable[[int, float], object]) -> str:
    """Return the good table with one more column, made from row number and target."""
    lines = [f"{GOOD[0]},{header}"]
    lines += [f"{line},{cell(k, float(line.split(',')[2]))}" for k, line in enumerate(GOOD[1:])]
    return "\n".join(lines) + "\n"


def _wide(n_columns: int, n_rows: int) -> str:
    header = ",".join(f"x{k}" for k in range(n_columns - 1)) + ",y"
    chance = random.Random(0)
    rows = [",".join(str(chance.randrange(10**6)) for _ in range(n_columns)) for _ in range(n_rows)]
    return "\n".join([header, *rows]) + "\n"


def _column(cells: list[str], header: str = "x") -> str:
    lines = [f"{header};z;y"]
    lines += [f"{cell};{(3 * k) % 7};{(5 * k) % 11}" for k, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


BROKEN: dict[str, Broken] = {
    # --- the file ---
    "missing file": Broken("runs.csv", None, ("no such file",)),
    "missing folder": Broken("nowhere/runs.csv", None, ("no folder",)),
    "folder instead of file": Broken("runs.csv", _folder, ("is a folder",)),
    "empty file": Broken("runs.csv", b"", ("file is empty",)),
    "blank lines only": Broken("runs.csv", "\n  \n\t\n", ("file is empty",)),
    "comments only": Broken("runs.csv", "# one\n# two\n", ("file is empty",)),
    "no ending": Broken("runs", good(), ("no ending", ".csv")),
    "unknown ending": Broken("runs.docx", good(), (".docx", ".csv")),
    "old workbook": Broken(
        "runs.xls", b"\xd0\xcf\x11\xe0" + bytes(100), (".xls", "save it as .xlsx")
    ),
    "pickle": Broken("runs.pkl", b"cos\nsystem\n(S'true'\ntR.", ("pickle", ".csv")),
    "not a workbook": Broken("runs.xlsx", good(), ("not a workbook",)),
    "zip as workbook": Broken("runs.xlsx", _zip, ("workbook cannot be read",)),
    "old workbook named xlsx": Broken("runs.xlsx", b"\xd0\xcf\x11\xe0" + bytes(100), ("password",)),
    "empty workbook": Broken("runs.xlsx", _workbook([]), ("is empty",)),
    "broken parquet": Broken("runs.parquet", _truncated_parquet, ("Parquet file cannot be read",)),
    "parquet of lists": Broken(
        "runs.parquet", _nested_parquet, ("'x'", "list", "one column for each")
    ),
    "workbook named csv": Broken("runs.csv", _zip, ("zip", ".xlsx")),
    "picture named csv": Broken("runs.csv", b"\x89PNG\r\n\x1a\n" + bytes(64), ("picture",)),
    "web page named csv": Broken(
        "runs.csv", "<!DOCTYPE html><html><body>404</body></html>", ("web page",)
    ),
    "binary named csv": Broken("runs.csv", b"x,y\n1,\x00\x01\x02\n", ("NUL", "byte 6")),
    "damaged gzip": Broken("runs.csv.gz", gzip.compress(good().encode() * 50)[:60], ("damaged",)),
    "no gzip": Broken("runs.csv.gz", good(), ("damaged",)),
    "2 GB line": Broken("runs.csv.gz", _endless_line, ("row 2", "longer than 1,000,000")),
    "2.1 GB file": Broken("runs.csv", _sparse, ("2.1 GB",)),
    "not UTF-8": Broken(
        "runs.csv",
        good((0, "x,T (°C),y")).encode("latin-1"),
        ("row 1", "byte 5", "0xb0", "latin-1"),
    ),
    "half a UTF-16 file": Broken("runs.csv", good().encode("utf-16")[:-1], ("utf-16",)),
    # --- the header ---
    "header only": Broken("runs.csv", "x,z,y\n", ("no row under it",)),
    "one row": Broken("runs.csv", "x,z,y\n1,2,3\n", ("1 row", "at least 5")),
    "four rows": Broken("runs.csv", "\n".join(GOOD[:5]), ("4 rows", "at least 5")),
    "one column": Broken("runs.csv", "y\n1\n2\n3\n4\n5\n6\n", ("only one column", "'y'")),
    "blanks as delimiter": Broken(
        "runs.txt", good().replace(",", "  "), ("one column", "delimiter=' '")
    ),
    "no header": Broken("runs.csv", "\n".join(GOOD[1:]), ("row 1", "numbers", "instead of names")),
    "duplicate headers": Broken("runs.csv", good((0, "x,x,y")), ("'x'", "same name", "Rename")),
    "blank header": Broken("runs.csv", good((0, "x,,y")), ("column 2", "no name")),
    "control character in a name": Broken(
        "runs.csv", good((0, "x,z\x07a,y")), ("U+0007", "Type the name")
    ),
    "reversed text in a name": Broken("runs.csv", good((0, "x,\u202ea,y")), ("U+202E",)),
    "endless name": Broken("runs.csv", good((0, f"x,{'z' * 5000},y")), ("5,000 characters",)),
    "title above the table": Broken(
        "runs.csv", "Results of May\n" + good(), ("row 1", "Results of May", "titles")
    ),
    "header too short": Broken("runs.csv", good((0, "x,y")), ("2 names", "3 cells")),
    "10,000 columns": Broken("runs.csv", _wide(10_000, 6), ("10,000 columns", "2,000")),
    "700 inputs for 8 rows": Broken("runs.csv", _wide(700, 8), ("inputs for 8 rows",)),
    # --- the rows ---
    "ragged rows": Broken(
        "runs.csv", good((3, "3,8"), (6, "6,2,6.7,1")), ("row 4", "2 cells", "row 7", "4 cells")
    ),
    "open quotation mark": Broken("runs.csv", good((4, '4,"1,4.8')), ("row 5", "quotation mark")),
    "words in numbers": Broken(
        "runs.csv", good((3, "three,8,4.2")), ("row 4", "'x'", "'three' is not a number")
    ),
    "decimal comma among points": Broken(
        "runs.csv", good((3, '3,8,"4,2"')), ("row 4", "'y'", "'4,2'", "decimal=','")
    ),
    "one or a thousand": Broken(
        "runs.csv", _column([f"{k},{100 + k}" for k in range(1, 10)]), ("'x'", "can be", "decimal=")
    ),
    "infinite": Broken("runs.csv", good((5, "inf,9,6.3")), ("row 6", "'x'", "infinite")),
    "1e308": Broken("runs.csv", good((5, "1e308,9,6.3")), ("row 6", "'1e308'", "too large")),
    "1e-300": Broken("runs.csv", good((5, "1e-300,9,6.3")), ("row 6", "too small")),
    "bound": Broken("runs.csv", good((5, "<0.5,9,6.3")), ("row 6", "'<0.5'", "a bound")),
    "uncertainty in the cell": Broken(
        "runs.csv", good((5, "5,9,6.3±0.2")), ("row 6", "uncertainty")
    ),
    "range in the cell": Broken("runs.csv", good((5, "4-6,9,6.3")), ("row 6", "a range")),
    "formula error": Broken(
        "runs.csv", good((5, "#DIV/0!,9,6.3")), ("row 6", "error of a formula")
    ),
    "mixed units": Broken(
        "runs.csv",
        _column(["5 nm", "7 nm", "0.012 µm", "9 nm", "11 nm", "4 nm", "3 nm", "8 nm"]),
        ("'x'", "mixes units", "'nm' in 7", "row 4"),
    ),
    "unit against the header": Broken(
        "runs.csv",
        _column([f"{k} µm" for k in range(3, 11)], "x (nm)"),
        ("header says 'nm'", "'µm'"),
    ),
    "row of units": Broken(
        "runs.csv", "x,z,y\nnm,mmol,K\n" + "\n".join(GOOD[1:]), ("row 2", "units", "header")
    ),
    "below absolute zero": Broken(
        "runs.csv", good((0, "x,T (K),y"), (3, "3,-8,4.2")), ("row 4", "absolute zero")
    ),
    "mostly empty input": Broken(
        "runs.csv",
        good((1, "1,,2.1"), (3, "3,,4.2"), (5, "5,,6.3")),
        ("'z'", "3 of 8", "ignore=['z']", "impute"),
    ),
    "all rows alike": Broken(
        "runs.csv", "x,z,y\n1,2,3\n2,1,4\n" + "1,2,3\n" * 20, ("2 of 22 rows",)
    ),
    "all constant": Broken("runs.csv", "x,z,y\n" + "1,2,3\n" * 9, ("no column is left",)),
    # --- the targets ---
    "no target": Broken("runs.csv", good(), ("no target", "x, z, y"), {"targets": []}),
    "target not there": Broken(
        "runs.csv", good((0, "x,z,yield")), ("no column 'yeild'", "'yield'"), {"targets": ["yeild"]}
    ),
    "two columns fit the target": Broken(
        "runs.csv", good((0, "y (nm),y (nm/s),z")), ("can be", "'y (nm)'", "whole header")
    ),
    "empty target": Broken(
        "runs.csv", _rows("x,z,y", lambda k: f"{k},{k * k % 7},"), ("'y'", "target is empty")
    ),
    "constant target": Broken(
        "runs.csv", _rows("x,z,y", lambda k: f"{k},{k * k % 7},3.5"), ("'y'", "3.5 in every row")
    ),
    "words as target": Broken(
        "runs.csv",
        _rows("x,z,y", lambda k: f"{k},{k * k % 7},{'good' if k % 2 else 'bad'}"),
        ("'y'", "target holds words", "'bad'"),
    ),
    "dates as target": Broken(
        "runs.csv",
        _rows("x,z,y", lambda k: f"{k},{k * k % 7},2024-03-{k + 10}"),
        ("'y'", "target holds dates"),
    ),
    "target measured three times": Broken(
        "runs.csv",
        _rows("x,z,w,y", lambda k: f"{k},{k * k % 7},{k**3 % 11},{k if k < 3 else ''}"),
        ("3 of 9 rows",),
        {"targets": ["y", "w"]},
    ),
    "target among the inputs": Broken(
        "runs.csv", good(), ("'y'", "among the inputs"), {"inputs": ["x", "y"]}
    ),
    "copied target": Broken(
        "runs.csv",
        _beside("copy", lambda k, y: y),
        ("'copy'", "a copy of the target 'y'", "ignore="),
    ),
    "target in another unit": Broken(
        "runs.csv",
        _beside("again", lambda k, y: 1000 * y + 273.15),
        ("'again'", "a linear function of the target"),
    ),
    "group not there": Broken(
        "runs.csv", good(), ("no column 'paper'", "group"), {"group": "paper"}
    ),
    "a single group": Broken(
        "runs.csv", _beside("paper", lambda k, y: "A"), ("'paper'", "one group"), {"group": "paper"}
    ),
    "missing group": Broken(
        "runs.csv",
        _beside("paper", lambda k, y: "A BAABBA"[k]),
        ("row 3", "'paper'", "group is missing"),
        {"group": "paper"},
    ),
    "group is the target": Broken(
        "runs.csv", good(), ("'y'", "target and the group"), {"group": "y"}
    ),
    "script in a name": Broken(
        "runs.csv",
        good((0, "x,<script>alert(1)</script>,y"), (3, "3,many,4.2")),
        ("row 4", "<script>", "'many'"),
    ),
    "words in a workbook": Broken(
        "runs.xlsx",
        _workbook([["x", "y"], [1, 2], ["two", 3], [3, 5], [4, 4], [5, 8], [6, 7]]),
        ("row 3", "'x'", "'two'"),
    ),
    "no such sheet": Broken(
        "runs.xlsx",
        _workbook([["x", "y"], [1, 2]]),
        ("no sheet 'May'", "'Sheet'"),
        {"sheet": "May"},
    ),
}

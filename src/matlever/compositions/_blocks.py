"""Columns of a table file, in blocks of rows, with the line of each row."""

from __future__ import annotations

import csv
import gzip
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, Fault, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    Block: TypeAlias = tuple[NDArray[np.int64], pd.DataFrame]

__all__ = ["BlockSource", "open_source"]

_ROWS = 250_000
_DELIMITERS = ("\t", ";", ",")
_TOO_LONG = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


class BlockSource(ABC):
    """A table that is read in blocks.

    Attributes
    ----------
    file : str or None
        Its name in messages.
    headers : tuple of str
        Names of all columns.
    """

    def __init__(self, file: str | None, headers: Sequence[object]) -> None:
        self.file = file
        self.headers = tuple(str(header).strip() for header in headers)
        empty = not self.headers or not any(self.headers)
        if empty:
            raise DataError(Fault("the file is empty", "Give a header row and rows below", file))

    @abstractmethod
    def blocks(self, columns: Sequence[str]) -> Generator[Block]:
        """Yield line numbers and the columns, cells as strings or numbers."""


class _Text(BlockSource):
    """CSV, TSV and TXT, packed with gzip or not."""

    def __init__(self, path: Path, delimiter: str | None) -> None:
        self.path = path
        with _readable(path), _open(path) as stream:
            line = stream.readline()
        if delimiter is None:
            counts = [line.count(d) for d in _DELIMITERS]
            delimiter = _DELIMITERS[int(np.argmax(counts))]
        self.delimiter = delimiter
        super().__init__(path.name, next(csv.reader([line], delimiter=delimiter), []))

    def blocks(self, columns: Sequence[str]) -> Generator[Block]:
        """Yield line numbers and the columns as strings."""
        import pandas as pd

        places = [self.headers.index(name) for name in columns]
        with (
            _readable(self.path),
            # All columns are read, because with usecols= rows with too many cells go unnoticed.
            pd.read_csv(
                self.path,
                sep=self.delimiter,
                header=None,
                skiprows=1,
                names=list(range(len(self.headers))),
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                encoding="utf-8-sig",
                chunksize=_ROWS,
                index_col=False,
            ) as reader,
        ):
            start = 2
            for chunk in reader:
                lines = np.arange(start, start + len(chunk), dtype=np.int64)
                start += len(chunk)
                blank = is_blank(chunk)
                frame = chunk[places].set_axis(list(columns), axis=1)
                yield (lines[~blank], frame[~blank]) if blank.any() else (lines, frame)


class _Whole(BlockSource):
    """A table that is in memory."""

    def __init__(self, file: str | None, frame: pd.DataFrame, lines: NDArray[np.int64]) -> None:
        super().__init__(file, list(frame.columns))
        self.frame, self.lines = frame, lines

    def blocks(self, columns: Sequence[str]) -> Generator[Block]:
        """Yield line numbers and the columns."""
        places = [self.headers.index(name) for name in columns]
        for start in range(0, len(self.frame), _ROWS):
            block = self.frame.iloc[start : start + _ROWS, places]
            yield self.lines[start : start + _ROWS], block.set_axis(list(columns), axis=1)


class _Parquet(BlockSource):
    """A Parquet file; its first record is row 1."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtraError("Reading Parquet files", "pyarrow", "files") from error
        with _readable(path):
            self.parquet = pq.ParquetFile(path)
        super().__init__(path.name, self.parquet.schema_arrow.names)

    def blocks(self, columns: Sequence[str]) -> Generator[Block]:
        """Yield record numbers and the columns."""
        start = 1
        with _readable(Path(self.file or "")):
            for batch in self.parquet.iter_batches(batch_size=_ROWS, columns=list(columns)):
                frame = batch.to_pandas()[list(columns)]
                yield np.arange(start, start + len(frame), dtype=np.int64), frame
                start += len(frame)


def open_source(source: Any, delimiter: str | None) -> BlockSource:
    """Return the table that `source` stands for.

    Parameters
    ----------
    source : path or pandas.DataFrame
        ``.parquet``, ``.xlsx``, or delimited text, also ``.gz``.
    delimiter : str or None
        Of a text file; None takes what the header has most of: tab, semicolon or comma.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _from_frame(source)
    path = Path(source)
    if not path.is_file():
        raise DataError(Fault("there is no such file", "Check the path", str(path)))
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return _Parquet(path)
    if name.endswith((".xlsx", ".xlsm")):
        return _from_workbook(path)
    return _Text(path, delimiter)


def _from_frame(source: Any) -> BlockSource:
    import pandas as pd

    if not isinstance(source, pd.DataFrame):
        raise DataError(
            f"Expected a path or a pandas DataFrame, not a {type(source).__name__}. For a list of "
            "formulas call parse_formulas."
        )
    numbers = np.arange(len(source), dtype=np.int64)
    if pd.api.types.is_integer_dtype(source.index.dtype):
        numbers = source.index.to_numpy(dtype=np.int64)
    return _Whole(None, source, numbers)


def _from_workbook(path: Path) -> BlockSource:
    import pandas as pd

    try:
        import openpyxl  # noqa: F401 - pandas names no extra of ours
    except ImportError as error:
        raise MissingExtraError("Reading .xlsx files", "openpyxl", "files") from error
    with _readable(path):
        frame = pd.read_excel(path, dtype=object, keep_default_na=False)
    kept = ~is_blank(frame)
    return _Whole(path.name, frame[kept], np.flatnonzero(kept) + 2)


def is_blank(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows have nothing in any column."""
    blank = np.ones(len(frame), dtype=bool)
    for name in frame.columns:
        if not blank.any():
            break
        cells = frame.loc[blank, name]
        empty = cells.isna() | (cells.astype(str).str.strip() == "")
        blank[blank] = empty.to_numpy(dtype=bool)
    return blank


def _open(path: Path) -> Any:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what libraries say of a damaged file into a fault that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            Fault(
                f"byte {error.start} of the text is not UTF-8",
                "Save the file as UTF-8",
                path.name,
            )
        ) from error
    except (DataError, MissingExtraError, GeneratorExit):
        raise
    except MemoryError:
        raise
    # pandas, pyarrow, openpyxl, zipfile and zlib raise errors of their own.
    except Exception as error:
        said = str(error).strip().rsplit("\n", 1)[-1]
        if long := _TOO_LONG.search(said):
            raise DataError(
                Fault(
                    f"the row has {long[3]} cells, the header {long[1]}",
                    "Put cells with the delimiter in them between quotes",
                    path.name,
                    int(long[2]),
                )
            ) from error
        raise DataError(
            Fault(f"the file cannot be read: {said}", "Write or export it again", path.name)
        ) from error

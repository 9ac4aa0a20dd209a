"""Whatever is fed to the readers, a Table comes out or a DataError; and what went in comes out."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matlever.exceptions import DataError
from matlever.tables._cells import parse_date, read_number
from matlever.tables._mixtures import find_mixtures
from matlever.tables.new_rows import read_rows
from matlever.tables.read import read_table, table_from_frame
from matlever.tables.table import Table

ENDINGS = [".csv", ".tsv", ".txt", ".csv.gz", ".xlsx", ".parquet"]
CELLS = st.one_of(
    st.floats().map(repr),
    st.integers(-5, 20).map(str),
    st.sampled_from(["", "NA", "None", "a", "b", "2,5", "1.234", "5 nm", "3 µm", "12 %",
                     "2024-01-05", "inf", "<3", "05.01.2024", "1e999",
                     "5e-324", "=1+1", '"', "\u202e", "x\ny"]),
    st.text(max_size=6),
)  # fmt: skip


def attempt(path: Path | str, **keywords: object) -> Table | None:
    """Read a table; a DataError with its faults is the only other way to end."""
    try:
        return read_table(path, "y", **keywords)  # type: ignore[arg-type]
    except DataError as error:
        faults = error.faults
    assert faults
    assert all(fault.reason and fault.remedy for fault in faults)
    return None


def check_sound(table: Table) -> None:
    """Check what every table promises."""
    assert table.n_rows >= 5
    assert table.n_rows <= table.rows_read
    assert len(table.input_columns) >= 1
    numbers = table.frame.select_dtypes("number").to_numpy()
    assert not np.isinf(numbers).any()
    assert table.inputs.notna().all(axis=None)
    assert (table.targets.max() > table.targets.min()).all()
    assert table.frame.index.is_monotonic_increasing
    assert table.frame.index.is_unique
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    for mixture in table.mixtures:
        sums = table.inputs[list(mixture.names)].sum(axis=1)
        np.testing.assert_allclose(
            sums, mixture.total, rtol=0, atol=0.11 if mixture.total > 2 else 2e-3
        )


@given(content=st.binary(max_size=400), ending=st.sampled_from(ENDINGS), pack=st.booleans())
@example(content=b"\xff\xfe", ending=".csv", pack=False)
@example(content=b"\xef\xbb\xbf", ending=".csv", pack=False)
@example(content=b"y\r", ending=".csv", pack=False)
@example(content=b"sep=", ending=".csv", pack=False)
@example(content=b"#y,x\n1,2", ending=".csv", pack=False)
def test_random_bytes_never_surprise(
    tmp_path: Path, content: bytes, ending: str, pack: bool
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(gzip.compress(content) if pack and ending.endswith("gz") else content)
    attempt(path)


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the bytes of one good table in each format."""
    frame = pd.DataFrame({"x": [0.5 * k for k in range(20)], "w": list("abcd") * 5})
    frame["y"] = [float(k * k % 17) for k in range(20)]
    folder = tmp_path_factory.mktemp("sound")
    frame.to_excel(folder / "a.xlsx", index=False)
    frame.to_parquet(folder / "a.parquet", index=False)
    frame.to_csv(folder / "a.csv.gz", index=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(data=st.data(), name=st.sampled_from(["a.xlsx", "a.parquet", "a.csv.gz"]))
def test_damaged_files_never_surprise(
    tmp_path: Path, sound_files: dict[str, bytes], data: st.DataObject, name: str
) -> None:
    content = bytearray(sound_files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    path = tmp_path / name
    path.write_bytes(bytes(content[:cut]))
    attempt(path)


@given(text=st.text(alphabet='xy ,;\t|\n\r"#0123456789.-+e%n\u00b5', max_size=300))
def test_random_table_like_text_never_surprises(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    attempt(path)


@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=12),
    headers=st.lists(st.text(max_size=8), min_size=2, max_size=2),
    delimiter=st.sampled_from([",", ";", "\t"]),
    missing=st.sampled_from(["drop", "impute"]),
)
def test_random_cells_never_surprise(
    tmp_path: Path, rows: list[list[str]], headers: list[str], delimiter: str, missing: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*headers, "y"])
    writer.writerows(rows)
    path = tmp_path / "a.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "replace"))
    table = attempt(path, missing=missing)
    if table is not None and missing == "drop":
        check_sound(table)
        again = read_rows(path, table.columns, missing="drop").loc[table.frame.index]
        pd.testing.assert_frame_equal(again, table.inputs)


@given(
    frame=st.lists(
        st.tuples(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
                      st.dates(), st.decimals(), st.just(pd.NA)),
            st.floats(allow_nan=False),
        ),
        min_size=1, max_size=9,
    )
)  # fmt: skip
def test_random_data_frames_never_surprise(frame: list[tuple[object, float]]) -> None:
    with contextlib.suppress(DataError):
        check_sound(table_from_frame(pd.DataFrame(frame, columns=["x", "y"], dtype=object), "y"))


@given(
    values=arrays(
        np.float64,
        st.tuples(st.integers(5, 12), st.integers(2, 5)),
        elements=st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-12),
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    decimal=st.sampled_from([".", ","]),
)
def test_every_number_comes_back_bit_for_bit(
    tmp_path: Path,
    values: np.ndarray,
    delimiter: str,
    newline: str,
    encoding: str,
    decimal: str,
) -> None:
    frame = pd.DataFrame(values, columns=[f"x{k}" for k in range(values.shape[1])])
    frame["y"] = np.random.default_rng(0).normal(size=len(frame))
    text = frame.to_csv(
        index=False, sep=delimiter, decimal=decimal, quoting=csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    path = tmp_path / "a.csv"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    table = attempt(path, decimal=decimal)
    if table is None:
        return  # all inputs constant, or one of them leaks the target
    for name in table.frame.columns:
        kept = frame.loc[table.rows - 2, name].to_numpy()
        np.testing.assert_array_equal(table.frame[name].to_numpy(), kept)


@given(
    value=st.floats(allow_nan=False, allow_infinity=False), unit=st.sampled_from(["", " nm", " %"])
)
def test_one_number_is_read_with_either_decimal_mark(value: float, unit: str) -> None:
    point = read_number(repr(value) + unit)
    comma = read_number(repr(value).replace(".", ",") + unit)
    assert point is not None
    assert comma is not None
    assert point.point == value
    assert comma.comma == value


@given(value=st.integers(1000, 10**12), cents=st.integers(0, 99))
def test_groups_of_three_digits_are_one_number(value: int, cents: int) -> None:
    english = read_number(f"{value:,}.{cents:02d}")
    german = read_number(f"{value:,}.{cents:02d}".translate(str.maketrans(",.", ".,")))
    assert english is not None
    assert german is not None
    assert english.point == german.comma == float(f"{value}.{cents:02d}")
    whole = read_number(f"{value:,}")
    assert whole is not None
    assert whole.point == value
    assert whole.is_ambiguous == (value < 10**6)


@given(day=st.dates())
def test_days_are_counted_as_numpy_counts_them(day: object) -> None:
    text = str(day)
    year, month, date = text.split("-")
    expected = float(np.datetime64(text, "D").astype(int))
    assert parse_date(text, "yyyy-mm-dd") == expected
    assert parse_date(f"{date}.{month}.{year}", "dd.mm.yyyy") == expected
    assert parse_date(f"{year}/{month}/{date}", "yyyy/mm/dd") == expected


@given(
    seed=st.integers(0, 10_000),
    n_parts=st.integers(3, 6),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
    total=st.sampled_from([1.0, 100.0]),
)
def test_mixture_is_found_wherever_it_stands(
    seed: int, n_parts: int, before: int, after: int, total: float
) -> None:
    rng = np.random.default_rng(seed)
    parts = total * rng.dirichlet(np.ones(n_parts), size=20)
    parts[rng.random(parts.shape) < 0.2] = 0.0
    parts = total * (parts + 1e-9) / (parts + 1e-9).sum(axis=1, keepdims=True)
    others = rng.uniform(0, 300, size=(20, before + after))
    values = np.concatenate([others[:, :before], parts, others[:, before:]], axis=1)
    names = [f"{chr(97 + k)}{k}" for k in range(values.shape[1])]
    found, _ = find_mixtures(values, names, [None] * len(names), np.arange(20))
    assert [m.names for m in found] == [tuple(names[before : before + n_parts])]
    assert found[0].total == total


@pytest.mark.slow
def test_a_million_rows_of_text_are_read_or_refused_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as stream:
        stream.write("x,y\n")
        for k in range(1_000_001):
            stream.write(f"{k},{k * k % 97}\n")
    with pytest.raises(DataError, match="more than 1,000,000 rows"):
        read_table(path, "y")

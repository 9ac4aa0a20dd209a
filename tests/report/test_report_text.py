"""Numbers and words as they are printed."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matlever.report._text import (
    count,
    day,
    mean_sd,
    number_text,
    percent,
    plain,
    plural,
    quantity,
    score,
    text,
    trimmed,
)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, "–"),
        (0.0, "0"),
        (12.345, "12.3"),
        (-0.25, "−0.250"),
        (1234.5, "1,234"),
        (1.5e9, "1.5×10⁹"),
        (-1.234e-7, "−1.23×10⁻⁷"),
    ],
)
def test_numbers_keep_three_significant_digits(value: float | None, printed: str) -> None:
    assert number_text(value) == printed


@pytest.mark.parametrize(
    ("mean", "sd", "printed"),
    [
        (12.345, 0.4, "12.3 ± 0.4"),
        (0.00123, 0.0004, "0.00123 ± 0.00040"),
        (83.12, 7.7793, "83.1 ± 7.8"),
        (-1.2, 30.0, "−1 ± 30"),
        (5.0, None, "5.00"),
        (None, 1.0, "–"),
        (1e9, 1e8, "1×10⁹ ± 1×10⁸"),
    ],
)
def test_spread_decides_the_decimals(mean: float | None, sd: float | None, printed: str) -> None:
    assert mean_sd(mean, sd) == printed


def test_small_forms() -> None:
    assert (score(-0.001), score(0.8349), score(-2500.0)) == ("0.00", "0.83", "−2,500")
    assert (count(9100.0), plural(1, "row"), plural(9100, "row")) == (
        "9,100",
        "1 row",
        "9,100 rows",
    )
    assert percent(0.9) == "90\N{NO-BREAK SPACE}%"
    assert quantity(12.0, "nm") == "12.0\N{NO-BREAK SPACE}nm"
    assert (trimmed(489.0), trimmed(0.25)) == ("489", "0.25")
    assert day(20_000.0) == "2024-10-04"
    assert day(1e18) == "1×10¹⁸"


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200))
def test_printed_numbers_are_the_number(value: float) -> None:
    superscripts = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    printed = number_text(value, 4).replace("−", "-").replace(",", "").replace("×10", "e")
    read = float(printed.translate(superscripts))
    assert read == pytest.approx(value, rel=1.001e-3 / 2, abs=1e-300)


@given(st.text(), st.integers(1, 50))
def test_text_is_one_safe_line_of_at_most_the_width(value: str, width: int) -> None:
    safe = text(value, width)
    assert not set("<>\"'\n\r\t\x00") & set(safe)
    assert html.unescape(safe) == plain(value, width)
    assert len(plain(value, width)) <= width
    safe.encode("utf-8")

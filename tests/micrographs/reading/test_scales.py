from __future__ import annotations

import numpy as np
import pytest

from matlever.exceptions import Fault
from matlever.micrographs.reading._scales import Scale, declared_scale, find_scale


@pytest.mark.parametrize(
    ("header", "name", "scale"),
    [
        ("size (0-1)", "size", (0, 1)),
        ("size_expert1 (0-10)", "size_expert1", (0, 10)),
        ("size [1 to 7]", "size", (1, 7)),
        ("size (scale 0..5)", "size", (0, 5)),
        ("porosity (percent)", "porosity", (0, 100)),
        ("size (0-10) expert 2", "size expert 2", (0, 10)),
    ],
)
def test_headers_declare_scales(header: str, name: str, scale: tuple[float, float]) -> None:
    found, declared = declared_scale(header)
    assert declared is not None
    assert (found, declared.low, declared.high) == (name, *scale)


@pytest.mark.parametrize("header", ["size", "peak stress (psi)", "size (10-0)", "lot (A-B)"])
def test_other_headers_declare_none(header: str) -> None:
    assert declared_scale(header) == (header, None)


@pytest.mark.parametrize(
    ("highest", "top"), [(0.9, 1), (1.0, 1), (4, 5), (5, 5), (7, 10), (55, 100)]
)
def test_a_scale_that_nobody_declared_is_the_smallest_that_holds_the_ratings(
    highest: float, top: float
) -> None:
    scale = find_scale(np.array([[0.0], [highest]]), [None])
    assert isinstance(scale, Scale)
    assert scale.high == top
    assert (scale.note is None) == (top == 1)
    assert scale.unit(np.array([highest]))[0] == pytest.approx(highest / top)


@pytest.mark.parametrize("values", [[0.5, 1.05], [-0.1, 0.4], [3, 250]])
def test_ratings_on_no_scale_are_faults(values: list[float]) -> None:
    assert isinstance(find_scale(np.array(values)[:, None], [None]), Fault)


def test_experts_with_different_scales_are_a_fault() -> None:
    ratings = np.array([[0.3, 3.0], [0.4, 4.0]])
    assert isinstance(find_scale(ratings, [Scale(0, 1), Scale(0, 10)]), Fault)
    assert isinstance(find_scale(ratings, [None, Scale(0, 10)]), Fault)


def test_ratings_beyond_a_declared_scale_are_a_fault() -> None:
    assert isinstance(find_scale(np.array([[11.0]]), [Scale(0, 10)]), Fault)

"""From formulas, as people write them, to compositions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from matlever.compositions._formula_bytes import read_plain
from matlever.compositions._formula_text import FormulaError, read_formula
from matlever.compositions._rows import Rows, joined_rows, rows_from_entries
from matlever.compositions.compositions import Compositions
from matlever.exceptions import DataError, Fault, shorten

__all__ = ["parse_formulas"]

_BLOCK = 50_000


def parse_formulas(
    formulas: str | Iterable[Any],
    *,
    file: str | None = None,
    column: str | None = None,
    rows: Sequence[int] | None = None,
) -> Compositions:
    """Return the compositions that formulas stand for.

    Understood are nested brackets ``( ) [ ] { }``, decimal amounts, fractions (``Mg1/3Nb2/3``),
    water of crystallisation after ``·``, ``*`` or ``.`` (``CuSO4·5H2O``), mixtures
    (``0.7PbTiO3-0.3PbZrO3``), subscripts as Unicode digits, ``_2``, ``_{0.5}`` or ``<sub>``,
    and spaces between the parts.

    Parameters
    ----------
    formulas : str or iterable of str
        Formulas; a single string is one formula.
    file, column : str, optional
        Named in the messages.
    rows : sequence of int, optional
        Line of each formula in the file, named in the messages.

    Returns
    -------
    compositions : Compositions
        In the order of the formulas, with the amounts as written.

    Raises
    ------
    DataError
        If a formula cannot be read, all faults together: an empty cell, an unknown element, an
        unbalanced bracket, a charge, a variable such as x, a negative amount, a total of zero.

    Notes
    -----
    A ``.`` is a decimal point, unless what follows it is ``H2O``, with an integer or decimal
    number before it, at the end of the formula, and what precedes it is not a single ``0``:
    ``CuSO4.5H2O`` is the pentahydrate, ``Li0.5H2O`` is not. Deuterium and tritium are refused:
    write H.

    Examples
    --------
    >>> parse_formulas(["Ca(OH)2", "Fe0.5Ni0.5", "CuSO4·5H2O"]).formulas
    ('CaH2O2', 'FeNi', 'CuH10SO9')
    """
    texts = [formulas] if isinstance(formulas, str) else list(formulas)
    found, faults = read_formulas(texts, file=file, column=column, rows=rows)
    if faults:
        raise DataError(faults)
    return Compositions(found, texts)


def read_formulas(
    formulas: Sequence[Any],
    *,
    file: str | None = None,
    column: str | None = None,
    rows: Sequence[int] | None = None,
) -> tuple[Rows, list[Fault]]:
    """Return the amounts of all formulas, empty where one cannot be read, and the faults."""
    if rows is not None and len(rows) != len(formulas):
        raise DataError(f"{len(formulas)} formulas, but {len(rows)} rows were given.")
    blocks: list[Rows] = []
    faults: list[Fault] = []
    for start in range(0, len(formulas), _BLOCK):
        block = formulas[start : start + _BLOCK]
        made, wrong = _read_block(block)
        blocks.append(made)
        for place, (reason, remedy) in wrong.items():
            row = None if rows is None else int(rows[start + place])
            where = f"formula {start + place}: " if rows is None and len(formulas) > 1 else ""
            faults.append(Fault(where + reason, remedy, file, row, column))
    return joined_rows(blocks), faults


def _read_block(formulas: Sequence[Any]) -> tuple[Rows, dict[int, tuple[str, str]]]:
    """Read a block: plain formulas all at once, the others one by one."""
    texts = [f if isinstance(f, str) else "" for f in formulas]
    made, plain = read_plain(texts)
    plain[plain] = made.sums()[plain] > 0
    wrong: dict[int, tuple[str, str]] = {}
    extra: list[tuple[int, int, float]] = []
    for place in np.flatnonzero(~plain).tolist():
        try:
            amounts = read_formula(_text(formulas[place]))
        except FormulaError as error:
            wrong[place] = (error.reason, error.remedy)
        else:
            extra += [(place, z, amount) for z, amount in amounts.items()]
    if not extra and plain.all():
        return made, wrong
    kept = plain[made.row_of_entry()]
    more = np.array(extra, dtype=float).reshape(-1, 3)
    return (
        rows_from_entries(
            len(texts),
            np.concatenate([made.row_of_entry()[kept], more[:, 0].astype(np.int64)]),
            np.concatenate([made.columns[kept].astype(np.int64), more[:, 1].astype(np.int64)]),
            np.concatenate([made.values[kept], more[:, 2]]),
        ),
        wrong,
    )


def _text(formula: Any) -> str:
    if isinstance(formula, str):
        return str(formula)
    if formula is None or formula != formula:  # NaN
        return ""
    raise FormulaError(
        f"{shorten(repr(formula))} is a {type(formula).__name__}, not the text of a formula",
        "Write a formula such as Fe2O3",
    )

"""The perovskites of the study, rebuilt from its published entries, and the ions on their sites.

The table holds 239 unmixed :math:`ABO_3` with DFT energies of formation from the binary oxides. It
was rebuilt from the energies the authors published; which ion stands on which site is not among
them. The table takes the larger ion for A. That is wrong for a part: the authors' code lists the
ions they put on each site, and by that list the smaller ion was often on A (their data set holds
many compounds that are far from stable).

References
----------
W. Ye, C. Chen, Z. Wang, I.-H. Chu, S. P. Ong, Nat. Commun. 9 (2018) 3800; repository
materialsvirtuallab/garnetdnn, ``garnetdnn/util.py`` for the lists (BSD-3-Clause).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.compositions import parse_formulas
from matlever.exceptions import DataError, Fault, StudyError

__all__ = ["FILE", "Assignment", "Perovskites", "assign_sites", "read_perovskites"]

FILE = "ye2018_perovskite_oxides.csv"
TARGET = "ef_from_oxides_ev_atom"
_COLUMNS = ("formula", "a_species", "b_species", TARGET)

# The ions of the authors' data on either site.
ON_A = frozenset(
    re.findall(
        r"\S+",
        "Al3+ Ba2+ Bi3+ Ca2+ Cd2+ Ce3+ Ce4+ Dy3+ Er3+ Gd3+ Ho3+ La3+ Mg2+ Mn2+ Nd3+ Ni2+ Pb2+ Pd2+ "
        "Pr3+ Pt2+ Rh3+ Sc3+ Sm3+ Sn4+ Sr2+ Tb3+ Tl3+ Tm3+ Y3+ Zn2+",
    )
)
ON_B = frozenset(
    re.findall(
        r"\S+",
        "Al3+ Au3+ Bi3+ Ce3+ Ce4+ Co2+ Co3+ Cr3+ Cu2+ Dy3+ Er3+ Eu3+ Fe2+ Fe3+ Ga3+ Gd3+ Ge4+ Hf4+ "
        "Ho3+ In3+ Ir4+ La3+ Lu3+ Mg2+ Mn2+ Mn4+ Mo4+ Nd3+ Ni2+ Os4+ Pb4+ Pd4+ Pr3+ Pt4+ Re4+ Rh3+ "
        "Ru4+ Sc3+ Si4+ Sm3+ Sn4+ Ta5+ Tb3+ Tc4+ Ti4+ Tl3+ Tm3+ V5+ W4+ Y3+ Zn2+ Zr4+",
    )
)


@dataclass(frozen=True, eq=False)
class Perovskites:
    """Perovskites with the ions on their sites.

    Attributes
    ----------
    formulas : tuple of str of length n
        Formulas, all different.
    a, b : tuple of str of length n
        Ions on the sites.
    energy : ndarray of shape (n,)
        Formation energy from the binary oxides in eV/atom.
    digest : str
        SHA-256 of the file.
    """

    formulas: tuple[str, ...]
    a: tuple[str, ...]
    b: tuple[str, ...]
    energy: NDArray[np.float64]
    digest: str

    def __len__(self) -> int:
        return len(self.formulas)

    def take(self, rows: Sequence[int]) -> Perovskites:
        """Return some of the rows."""
        return Perovskites(
            tuple(self.formulas[i] for i in rows),
            tuple(self.a[i] for i in rows),
            tuple(self.b[i] for i in rows),
            self.energy[list(rows)],
            self.digest,
        )


@dataclass(frozen=True)
class Assignment:
    """What became of the larger-ion rule.

    Attributes
    ----------
    perovskites : Perovskites
        The rows whose ions are in the authors' lists, with the sites by :func:`assign_sites`.
    kept : tuple of int
        Their rows in the table.
    swapped_by_list : tuple of str
        Formulas whose sites were exchanged because the lists allow no other way.
    swapped_by_company : tuple of str
        Formulas whose sites were exchanged because only one of the ions stands on A where the
        lists decide.
    undecided : tuple of str
        Formulas for which both ways are possible; the larger ion stays on A.
    excluded : tuple of str
        Formulas with an ion that is in neither list in the place it needs (Yb3+, B3+ and others).
    """

    perovskites: Perovskites
    kept: tuple[int, ...]
    swapped_by_list: tuple[str, ...]
    swapped_by_company: tuple[str, ...]
    undecided: tuple[str, ...]
    excluded: tuple[str, ...]


def read_perovskites(data: str | os.PathLike[str] | None = None) -> Perovskites:
    """Read the table.

    Parameters
    ----------
    data : path, optional
        The file, or a folder with it (or with ``tables/`` that has it); default the folder that the
        environment variable MATLEVER_DATA names.

    Raises
    ------
    StudyError
        If there is no such file.
    DataError
        If a column is missing, a formula cannot be read or stands twice, or an energy is no number.
    """
    path = _path(data)
    raw = path.read_bytes()
    frame = pd.read_csv(path, dtype={"formula": str, "a_species": str, "b_species": str})
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(Fault(f"there is no column {missing[0]!r}", "Give the table", path.name))
    lines = [int(i) + 2 for i in range(len(frame))]
    compositions = parse_formulas(
        frame["formula"].tolist(), file=path.name, column="formula", rows=lines
    )
    energy = pd.to_numeric(frame[TARGET], errors="coerce").to_numpy(dtype=float)
    faults = [
        Fault("the energy is no number", "Leave the row out", path.name, lines[i], TARGET)
        for i in np.flatnonzero(~np.isfinite(energy)).tolist()
    ]
    twice = pd.Series(compositions.formulas).duplicated().to_numpy()
    faults += [
        Fault("the composition stands twice", "Keep one row", path.name, lines[i], "formula")
        for i in np.flatnonzero(twice).tolist()
    ]
    if faults:
        raise DataError(faults)
    return Perovskites(
        tuple(frame["formula"]),
        tuple(frame["a_species"]),
        tuple(frame["b_species"]),
        energy,
        hashlib.sha256(raw).hexdigest(),
    )


def assign_sites(table: Perovskites) -> Assignment:
    """Put the ions on the sites on which the authors' lists have them.

    Only the lists and the other formulas decide, no energy does. Where the lists allow one way, it
    is taken. Where they allow both, the ion that stands on A in some formula of the first kind goes
    to A, if the other ion never does; otherwise the larger ion stays on A.
    """
    a, b = list(table.a), list(table.b)
    as_given = [x in ON_A and y in ON_B for x, y in zip(a, b, strict=True)]
    exchanged = [y in ON_A and x in ON_B for x, y in zip(a, b, strict=True)]
    seen_on_a = {x for x, one, other in zip(a, as_given, exchanged, strict=True) if one > other}
    seen_on_a |= {y for y, one, other in zip(b, as_given, exchanged, strict=True) if one < other}
    by_list, by_company, undecided, excluded, kept = [], [], [], [], []
    for i, formula in enumerate(table.formulas):
        if not as_given[i] and not exchanged[i]:
            excluded.append(formula)
            continue
        kept.append(i)
        if as_given[i] and exchanged[i]:
            if b[i] in seen_on_a and a[i] not in seen_on_a:
                by_company.append(formula)
                a[i], b[i] = b[i], a[i]
            elif a[i] in seen_on_a and b[i] in seen_on_a:
                undecided.append(formula)
        elif exchanged[i]:
            by_list.append(formula)
            a[i], b[i] = b[i], a[i]
    chosen = replace(table, a=tuple(a), b=tuple(b)).take(kept)
    lists = (tuple(by_list), tuple(by_company), tuple(undecided), tuple(excluded))
    return Assignment(chosen, tuple(kept), *lists)


def _path(data: str | os.PathLike[str] | None) -> Path:
    given = data or os.environ.get("MATLEVER_DATA")
    if not given:
        raise StudyError(
            f"The perovskites are not part of the package. Give the file {FILE} (data=, --data), "
            "or set MATLEVER_DATA to the folder that holds tables/. It is rebuilt from "
            "data/perovskite/perov_calc_entries.json of the repository "
            "materialsvirtuallab/garnetdnn."
        )
    path = Path(given)
    for inside in (path, path / FILE, path / "tables" / FILE):
        if inside.is_file():
            return inside
    raise StudyError(f"There is no file {FILE} at {path}.")

"""The perovskite study's accuracy beside ours: sites, descriptors, networks and baselines.

References
----------
W. Ye, C. Chen, Z. Wang, I.-H. Chu, S. P. Ong, "Deep neural networks for accurate predictions of
crystal stability", Nat. Commun. 9 (2018) 3800, doi:10.1038/s41467-018-06322-x.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from matlever._version import __version__
from matlever.storage import write_json, write_text
from matlever.study.perovskites_data import Assignment, Perovskites, assign_sites, read_perovskites
from matlever.study.perovskites_models import (
    ENSEMBLE,
    FULL,
    MEAN,
    ONE,
    PROCESS,
    TREES,
    Scored,
    candidates,
    score,
)
from matlever.study.perovskites_words import (
    AS_REBUILT,
    BY_LISTS,
    RANDOM_FOLDS,
    SAME_ROWS,
    perovskite_sentences,
)
from matlever.study.record import run_record, versions
from matlever.validation import plan_folds

__all__ = ["reproduce_perovskites"]

PEROVSKITES_SCHEMA = "matlever-perovskites/1"
PUBLISHED = (0.020, 0.034)
Progress = Callable[[int, int, str], None]

_N_FOLDS = 10
_HELD_OUT_IONS = (MEAN, TREES, PROCESS, ENSEMBLE, FULL)
_SAME_ROWS = (ONE, ENSEMBLE, FULL)


def reproduce_perovskites(
    folder: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    seed: int = 0,
    repeats: int = 3,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Put the published errors for perovskites beside ours, by ten-fold cross-validation.

    Parameters
    ----------
    folder : path
        For ``reproduction.json``, ``table.csv`` (scores) and ``perovskites.csv`` (every row with
        its sites and held-out predictions).
    data : path, optional
        The file ``ye2018_perovskite_oxides.csv``, or a folder with it; default the folder that
        the environment variable MATLEVER_DATA names.
    seed : int, default=0
        Seed of folds and models.
    repeats : int, default=3
        How often the folds are drawn.
    progress : callable, optional
        Called with (models scored, models in all, what is being done).

    Returns
    -------
    results : dict
        Schema ``matlever-perovskites/1``: ``scores`` (one entry for each rows, protocol and model),
        ``sites`` (what became of the larger-ion rule), ``rows`` (measured and held-out values),
        ``sentences``, ``settings`` and ``record``.

    Raises
    ------
    StudyError
        If the data are not there.
    DataError
        If the table cannot be read.
    """
    started = time.monotonic()
    table = read_perovskites(data)
    assigned = assign_sites(table)
    steps = _Steps(progress, 2 * 7 + len(_SAME_ROWS) + 2 * len(_HELD_OUT_IONS))
    kept = table.take(assigned.kept)
    as_given = _random_folds(table, seed, repeats, steps, "larger ion on A")
    same_rows = _random_folds(kept, seed, repeats, steps, "larger ion on A", _SAME_ROWS)
    by_lists = _random_folds(assigned.perovskites, seed, repeats, steps, "sites by the lists")
    by_ion = {site: _whole_ions(assigned.perovskites, site, seed, steps) for site in ("A", "B")}
    steps.end()
    scores = _scores(as_given, same_rows, by_lists, by_ion)
    found = {
        "schema": PEROVSKITES_SCHEMA,
        "matlever_version": __version__,
        "title": "Perovskites: published errors beside ours",
        "statement": (
            "DFT formation energies of ABO3 from the binary oxides, from the electronegativity and "
            "the radius of the ion on each site. The rows were rebuilt from the authors' published "
            "energies: not the same rows as in the paper, no mixed sites."
        ),
        "published": {"low": PUBLISHED[0], "high": PUBLISHED[1], "unit": "eV/atom"},
        "scores": scores,
        "sites": _sites(table, assigned),
        "rows": _rows(assigned.perovskites, by_lists),
        "sentences": perovskite_sentences(scores, table, assigned, PUBLISHED),
        "settings": {
            "seed": seed,
            "folds": _N_FOLDS,
            "repeats": repeats,
            "network": "one hidden layer of 12 ReLU units, Adam 5e-3, 4,000 steps of 64 rows",
            "radii": "Shannon, coordination 12 on A and 6 on B",
            "data_sha256": table.digest,
        },
        "record": {**run_record(time.monotonic() - started, 0), **versions()},
    }
    _write(Path(folder), found)
    return found


def _random_folds(
    perovskites: Perovskites,
    seed: int,
    repeats: int,
    steps: _Steps,
    what: str,
    names: Sequence[str] | None = None,
) -> list[Scored]:
    """Score all models on random folds; every composition stands once, so none is on two sides."""
    plan = plan_folds(len(perovskites), n_folds=_N_FOLDS, n_repeats=repeats, random_state=seed)
    return score(
        candidates(perovskites, seed),
        perovskites.energy,
        plan,
        names,
        progress=lambda name: steps.next(f"{what}: {name}"),
    )


def _whole_ions(perovskites: Perovskites, site: str, seed: int, steps: _Steps) -> list[Scored]:
    """Score some models where all perovskites with the same ion on a site are held out together."""
    ions = pd.Series(perovskites.a if site == "A" else perovskites.b, name=f"ion on {site}")
    plan = plan_folds(
        len(perovskites), groups=ions, n_folds=_N_FOLDS, n_repeats=1, random_state=seed
    )
    return score(
        candidates(perovskites, seed),
        perovskites.energy,
        plan,
        names=_HELD_OUT_IONS,
        progress=lambda name: steps.next(f"whole ions on {site} held out: {name}"),
    )


def _scores(
    as_given: Sequence[Scored],
    same_rows: Sequence[Scored],
    by_lists: Sequence[Scored],
    by_ion: Mapping[str, Sequence[Scored]],
) -> list[dict[str, Any]]:
    given = {"rows": AS_REBUILT, "protocol": RANDOM_FOLDS}
    same = {"rows": SAME_ROWS, "protocol": RANDOM_FOLDS}
    listed = {"rows": BY_LISTS, "protocol": RANDOM_FOLDS}
    scores = [{**given, **one.to_dict()} for one in as_given]
    scores += [{**same, **one.to_dict()} for one in same_rows]
    scores += [{**listed, **one.to_dict()} for one in by_lists]
    for site, found in by_ion.items():
        protocol = f"whole ions on {site} held out"
        scores += [{**listed, "protocol": protocol, **one.to_dict()} for one in found]
    return scores


def _sites(table: Perovskites, assigned: Assignment) -> dict[str, Any]:
    return {
        "n_table": len(table),
        "n_kept": len(assigned.perovskites),
        "swapped_by_list": list(assigned.swapped_by_list),
        "swapped_by_company": list(assigned.swapped_by_company),
        "undecided": list(assigned.undecided),
        "excluded": list(assigned.excluded),
    }


def _rows(perovskites: Perovskites, scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return every row with the held-out predictions of the models that matter."""
    held_out = {one.model: one.held_out for one in scored}
    return [
        {
            "formula": perovskites.formulas[i],
            "a": perovskites.a[i],
            "b": perovskites.b[i],
            "energy": float(perovskites.energy[i]),
            "network": float(held_out[ONE][i]),
            "ensemble": float(held_out[ENSEMBLE][i]),
            "full": float(held_out[FULL][i]),
        }
        for i in range(len(perovskites))
    ]


def _write(folder: Path, found: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "reproduction.json", found)
    write_text(folder / "table.csv", pd.DataFrame(found["scores"]).to_csv(index=False))
    write_text(folder / "perovskites.csv", pd.DataFrame(found["rows"]).to_csv(index=False))


class _Steps:
    """Counts scored models for a progress display."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, -1

    def next(self, what: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total, what)

    def end(self) -> None:
        if self._progress is not None:
            self._progress(self._total, self._total, "done")

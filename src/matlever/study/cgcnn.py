"""Crystal graph networks on perovskites: what the gate, the structure and single sites are worth.

The paper's own perovskites and split are not public as such. These are two of the three parts of
`perov_5` (7,572 crystals of the same calculations): the 3,787 marked ``val`` are trained on, the
3,785 marked ``test`` are predicted, as when the authors' code was run on them for comparison
(``benchmarks/crystals.py``).

References
----------
T. Xie, J. C. Grossman, Phys. Rev. Lett. 120 (2018) 145301, doi:10.1103/PhysRevLett.120.145301.
I. E. Castelli et al., Energy Environ. Sci. 5 (2012) 5814 (the calculations).
T. Xie et al., arXiv:2110.06197 (the data set perov_5).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from matlever._version import __version__
from matlever.storage import write_json
from matlever.study.cgcnn_parts import (
    Perovskites,
    forest_part,
    hold_out_compositions,
    interval_part,
    isomer_part,
    leak_rows,
    training_part,
)
from matlever.study.cgcnn_sites import example_part, sites_part
from matlever.study.cgcnn_words import REFERENCES, cgcnn_sentences, score_row
from matlever.study.folder import PARTS
from matlever.study.stages import Stages

__all__ = ["CGCNN_SCHEMA", "reproduce_cgcnn"]

CGCNN_SCHEMA = "matlever-cgcnn/1"
Progress = Callable[[int, int, str], None]

# A constant rate, as in the authors' code, with which it is compared at as many epochs.
_AS_ORIGINAL = {"schedule": "constant", "loss": "squared", "batch_size": 64}
_CANDIDATES: tuple[dict[str, Any], ...] = (
    {"loss": "squared", "batch_size": 64},
    {"loss": "squared", "batch_size": 128},
    {"loss": "absolute", "batch_size": 64},
    {"loss": "absolute", "batch_size": 128},
    {"loss": "squared", "batch_size": 64, "schedule": "constant"},
    {"loss": "squared", "batch_size": 64, "atom_features": "embedding"},
)
_VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("full", "gated, mean pooling (the paper's network)", {}),
    ("ungated", "without the gate (equation 4)", {"gated": False}),
    ("site", "mean of site contributions (linear pooling)", {"pooling": "site"}),
)
_FULL = {"choice_epochs": 30, "anchor_epochs": 14, "epochs": 80, "leak_epochs": 30, "seeds": 3}
_QUICK = {"choice_epochs": 2, "anchor_epochs": 4, "epochs": 8, "leak_epochs": 3, "seeds": 2}
_LEVEL = 0.9


def reproduce_cgcnn(
    folder: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    seed: int = 0,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train crystal graph networks on half of the perovskites and predict the other half.

    Parameters
    ----------
    folder : path
        For ``results.json``; trainings that are finished there are not done again.
    data : path, optional
        The file ``crystals_perov_5.npz``, or the folder with it; default ``MATLEVER_DATA``.
    seed : int, default=0
        First seed of everything random.
    quick : bool, default=False
        1,200 crystals and a few epochs: it shows the way, not the figures.
    progress : callable, optional
        Called with (work done, work in all, what is being done).

    Returns
    -------
    results : dict
        Plain JSON values of schema ``matlever-cgcnn/1``, see ``docs/cgcnn.md``.

    Raises
    ------
    StudyError
        If the data are not there.
    """
    root = Path(folder)
    sizes = _QUICK if quick else _FULL
    told = progress or (lambda done, total, what: None)
    told(0, 1, "crystal graphs")
    perovskites = Perovskites.read(data, quick=quick)
    stages = Stages(root / PARTS, _key(perovskites, seed, quick))
    run = _Run(perovskites, stages, sizes, seed, told)

    choice = run.choice()
    chosen = {k: v for k, v in min(choice, key=lambda row: row["mae"]).items() if k in _SETTINGS}
    anchor = [
        run.members("anchor_as_original", _AS_ORIGINAL, sizes["anchor_epochs"]),
        run.members("anchor_ours", chosen, sizes["anchor_epochs"]),
    ]
    long = {
        key: run.members(key, {**chosen, **changes}, sizes["epochs"], sites=key == "site")
        for key, _, changes in _VARIANTS
    }
    forest = stages.value("forest", partial(forest_part, perovskites, seed))
    truth = perovskites.y[perovskites.test]
    rows = [
        score_row("gated, constant rate of 0.01", anchor[0], truth, sizes["anchor_epochs"]),
        score_row("gated, one cycle, as chosen below", anchor[1], truth, sizes["anchor_epochs"]),
    ]
    variants = [score_row(name, long[key], truth, sizes["epochs"]) for key, name, _ in _VARIANTS]
    ensemble = np.mean([part["predicted"] for part in long["full"]], axis=0)
    found = {
        "schema": CGCNN_SCHEMA,
        "matlever_version": __version__,
        "title": "Crystal graph networks on perovskites",
        "statement": (
            f"Heat of formation of ABX3 cells of five atoms, in eV per cell: trained on "
            f"{len(perovskites.train):,} crystals, scored on {len(truth):,} others"
            + (" (a quick run: the way, not the figures)." if quick else ".")
        ),
        "data": _data(perovskites),
        "references": REFERENCES,
        "choice": choice,
        "chosen": chosen,
        "anchor": rows,
        "variants": variants,
        "baseline": {k: v for k, v in forest.items() if k != "predicted"},
        "test": {
            "measured": truth.tolist(),
            "predicted": ensemble.tolist(),
            "forest": forest["predicted"],
            "seen": perovskites.seen.tolist(),
        },
        "seen": _seen(perovskites, ensemble),
        "leak": run.leak(chosen),
        "isomers": isomer_part(perovskites, ensemble),
        "intervals": run.intervals(chosen),
        "sites": sites_part(perovskites, long["site"]),
        "example": example_part(perovskites, long["site"]),
        "losses": {key: long[key][0]["losses"] for key in long},
        "settings": {"seed": seed, "quick": quick, **sizes},
        "record": {"command": f"matlever reproduce cgcnn --seed {seed}" + " --quick" * quick},
    }
    found["sentences"] = cgcnn_sentences(found)
    write_json(root / "results.json", found)
    stages.remove()
    return found


_SETTINGS = ("loss", "batch_size", "schedule", "atom_features")


class _Run:
    """Trainings by name, each kept in the folder as soon as it is finished."""

    def __init__(
        self,
        perovskites: Perovskites,
        stages: Stages,
        sizes: dict[str, int],
        seed: int,
        told: Progress,
    ) -> None:
        self.perovskites, self.stages, self.sizes = perovskites, stages, sizes
        self.seed, self.told = seed, told

    def one(
        self,
        name: str,
        settings: dict[str, Any],
        rows: tuple[Any, Any],
        *,
        sites: bool = False,
    ) -> dict[str, Any]:
        """Return one training, made now or before."""

        def told(done: int, total: int, what: str) -> None:
            self.told(done, total, f"{name}: {what}")

        compute = partial(training_part, self.perovskites, settings, *rows, told, sites=sites)
        part: dict[str, Any] = self.stages.value(name, compute)
        return part

    def members(
        self, name: str, settings: dict[str, Any], n_epochs: int, *, sites: bool = False
    ) -> list[dict[str, Any]]:
        """Return trainings on the training half, one for each seed."""
        rows = (self.perovskites.train, self.perovskites.test)
        return [
            self.one(
                f"{name}_{seed}",
                {**settings, "n_epochs": n_epochs, "random_state": seed},
                rows,
                sites=sites,
            )
            for seed in range(self.seed, self.seed + self.sizes["seeds"])
        ]

    def choice(self) -> list[dict[str, Any]]:
        """Score candidates on compositions held out of the training half; the test half rests."""
        train = self.perovskites.train
        left, held = hold_out_compositions(self.perovskites.composition[train], 0.15, self.seed)
        found = []
        for place, candidate in enumerate(_CANDIDATES):
            settings = {**candidate, "n_epochs": self.sizes["choice_epochs"]}
            part = self.one(
                f"choice_{place}",
                {**settings, "random_state": self.seed},
                (train[left], train[held]),
            )
            found.append(
                {
                    "schedule": "one-cycle",
                    "atom_features": "properties",
                    **settings,
                    **{key: part[key] for key in ("mae", "n_train", "n_test", "cpu_s")},
                }
            )
        return found

    def leak(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """Score random splits of all crystals, and splits that keep isomers together."""
        found: dict[str, Any] = {}
        for grouped in (False, True):
            name = "grouped" if grouped else "random"
            parts = []
            for seed in range(self.seed, self.seed + 2):
                settings = {
                    **chosen,
                    "n_epochs": self.sizes["leak_epochs"],
                    "random_state": seed,
                }
                rows = leak_rows(self.perovskites, grouped, seed)
                parts.append(self.one(f"leak_{name}_{seed}", settings, rows))
            found[name] = {
                "mae": [part["mae"] for part in parts],
                "n_train": parts[0]["n_train"],
                "n_test": [part["n_test"] for part in parts],
            }
        return found

    def intervals(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """Score intervals from a part of the training half that was not trained on."""
        settings = {
            **chosen,
            "n_epochs": self.sizes["leak_epochs"],
            "n_members": 2,
            "calibration_fraction": 0.15,
            "random_state": self.seed,
        }
        compute = partial(interval_part, self.perovskites, settings, _LEVEL, self.told)
        part: dict[str, Any] = self.stages.value("intervals", compute)
        return part


def _data(perovskites: Perovskites) -> dict[str, Any]:
    composition = perovskites.composition
    return {
        "file": perovskites.file,
        "target": "heat_all",
        "unit": "eV per cell",
        "n": len(perovskites.y),
        "n_train": len(perovskites.train),
        "n_test": len(perovskites.test),
        "n_compositions": len(np.unique(composition)),
        "n_elements": len(np.unique(perovskites.crystals.numbers)),
        "n_test_seen": int(perovskites.seen.sum()),
        "mean": float(perovskites.y.mean()),
        "sd": float(perovskites.y.std()),
    }


def _seen(perovskites: Perovskites, predicted: Any) -> dict[str, Any]:
    """Return the error of test crystals with and without an isomer among the training ones."""
    errors = np.abs(np.asarray(predicted) - perovskites.y[perovskites.test])
    return {
        name: {"n": int(rows.sum()), "mae": float(errors[rows].mean()) if rows.any() else None}
        for name, rows in (("with_isomer", perovskites.seen), ("without", ~perovskites.seen))
    }


def _key(perovskites: Perovskites, seed: int, quick: bool) -> str:
    settings = [__version__, seed, quick, _FULL, _QUICK, _CANDIDATES, _VARIANTS, _AS_ORIGINAL]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in (perovskites.y, perovskites.graphs.distances, perovskites.graphs.numbers):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

"""The micrograph study's figures 4 to 9 and 10 beside ours, on simulated lots.

The study's 59,690 tiles of 30 lots are not public, so packings of crystals are simulated whose
stress follows a known law; whatever comes from here says so. That allows what the study could not
do: every proposed change is drawn again by the simulator, and the law is asked.

References
----------
S. Liu et al., "Explainable machine learning of material attributes" (the micrograph study):
figures 4 to 10, supplemental material B and C.
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
from matlever.micrographs import SimulatedLots, simulate_sem
from matlever.storage import write_json
from matlever.study.folder import PARTS
from matlever.study.lots.citations import citations
from matlever.study.lots.run import run_lots_study
from matlever.study.lots.settings import LotsSettings
from matlever.study.sem_parts import (
    attgan_part,
    figure_words,
    law_part,
    sem_sentences,
    slopes_part,
)
from matlever.study.stages import Stages

__all__ = ["reproduce_sem"]

SEM_SCHEMA = "matlever-sem-reproduction/1"
Progress = Callable[[int, int, str], None]

_FULL: dict[str, Any] = {"n_lots": 30, "n_tiles": 60, "size": 64}
_QUICK: dict[str, Any] = {"n_lots": 12, "n_tiles": 8, "size": 24}
_FULL_STUDY: dict[str, Any] = {
    "epochs": 36,
    "folds": 5,
    "sweep_tiles": 12,
    "change_tiles": 3,
    "editor_minutes": 5.0,
}
_QUICK_STUDY: dict[str, Any] = {
    "epochs": 2,
    "folds": 2,
    "editor": "exact",
    "sweep_tiles": 2,
    "change_tiles": 1,
    "values": 3,
    "budget": 10,
    "by": 0.02,
}


def reproduce_sem(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Put the micrograph study's figures beside ours, on simulated lots.

    Parameters
    ----------
    out : path
        Folder for ``reproduction.json``, and for the study in ``study/``. What is finished there is
        not computed again.
    seed : int, default=0
        Seed of the simulated lots and of everything random.
    quick : bool, default=False
        Twelve lots of small tiles, redrawn by the simulator itself: it shows the way, not the
        figures. Otherwise thirty lots of 64 px, about a quarter of an hour on two cores.
    progress : callable, optional
        Called with (work done, work in all, what is being done).

    Returns
    -------
    reproduction : dict
        As documented in ``docs/lots-results.md``, schema ``matlever-sem-reproduction/1``.
    """
    folder = Path(out)
    sizes, asked = (_QUICK, _QUICK_STUDY) if quick else (_FULL, _FULL_STUDY)
    told = progress or (lambda done, total, what: None)
    told(0, 1, f"simulating {sizes['n_lots']} lots of {sizes['n_tiles']} tiles")
    lots = simulate_sem(**sizes, random_state=seed)
    jobs = min(2, os.cpu_count() or 1)
    done = run_lots_study(
        lots, out=folder / "study", overwrite=True, progress=progress, seed=seed, jobs=jobs, **asked
    )
    settings = LotsSettings("lots in memory").updated(**asked, seed=seed)
    stages = Stages(folder / PARTS, _key(lots, settings, quick))
    told(0, 1, "AttGAN as published, narrow: its losses")
    attgan = stages.value("attgan", partial(attgan_part, lots, seed, quick, stages, told))
    results = dict(done.results)
    law = stages.value("law", partial(law_part, lots, results, settings))
    slopes = slopes_part(lots, results)
    found = {
        "schema": SEM_SCHEMA,
        "matlever_version": __version__,
        "title": "Micrographs: the paper's figures beside ours",
        "simulated": True,
        "statement": (
            "SIMULATED DATA. The study's 59,690 tiles of 30 lots are not public; these tiles are "
            "simulated packings of crystals whose peak stress follows a law that we know. "
            "Attributes and signs are like the study's, values are not."
        ),
        "study": results,
        "attgan": attgan,
        "law": law,
        "slopes": slopes,
        "figures": figure_words(results, attgan, law, slopes),
        "sentences": sem_sentences(results, law, slopes),
        "settings": {"seed": seed, "quick": quick, **sizes, **asked},
        "record": {
            **results["record"],
            "command": _command(seed, quick),
            "citations": citations(results["editor"]["kind"], also_attgan=True),
        },
    }
    write_json(folder / "reproduction.json", found)
    stages.remove()
    return found


def _command(seed: int, quick: bool) -> str:
    return f"matlever reproduce sem --seed {seed}" + (" --quick" if quick else "")


def _key(lots: SimulatedLots, settings: LotsSettings, quick: bool) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(lots.tiles.images).tobytes())
    digest.update(json.dumps([__version__, settings.to_dict(), quick], sort_keys=True).encode())
    return digest.hexdigest()

"""ElemNet's claims on public data: accuracy, learning curve, unseen systems, what the layers hold.

The paper's 275,759 OQMD compounds are not used: its network was later trained by others on the
Critical-Examination split of the Materials Project, whose rows are public and complete, so that
figures on the very same test rows stand beside ours.

References
----------
D. Jha et al., Sci. Rep. 8 (2018) 17593. C. J. Bartel et al., "A critical examination of compound
stability predictions from machine-learned formation energies", npj Comput. Mater. 6 (2020) 97.
A. Y.-T. Wang et al., "Compositionally restricted attention-based network for materials property
predictions" (CrabNet), npj Comput. Mater. 7 (2021) 77.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from matlever._version import __version__
from matlever.compositions import ElemNetRegressor
from matlever.storage import write_json, write_model
from matlever.study.elemnet_data import ElemNetData, read_elemnet_data
from matlever.study.elemnet_inside import charge_balance, element_groups
from matlever.study.elemnet_models import PUBLISHED, Sizes
from matlever.study.elemnet_scores import (
    curve_point,
    ensemble_scores,
    fit_ensemble,
    forest_scores,
    ladder,
)
from matlever.study.elemnet_systems import fit_without, hold_out, system_scores
from matlever.study.elemnet_transfer import transfer_scores
from matlever.study.elemnet_words import elemnet_sentences, published_table, whole_curve
from matlever.study.folder import PARTS
from matlever.study.record import run_record, versions
from matlever.study.stages import Stages

__all__ = ["reproduce_elemnet"]

ELEMNET_SCHEMA = "matlever-elemnet/1"
Progress = Callable[[int, int, str], None]


def reproduce_elemnet(
    folder: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    seed: int = 0,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Put ElemNet's published figures beside ours.

    Parameters
    ----------
    folder : path
        For ``results.json`` and the fitted ensemble in ``model/``. What is finished there is not
        computed again, and a training that was killed goes on.
    data : path, optional
        Folder with ``critexam_ef.csv.gz``, ``mp_e_form.csv.gz`` and ``expt_gap.csv``; default the
        one that the environment variable MATLEVER_DATA names.
    seed : int, default=0
        Seed of everything random.
    quick : bool, default=False
        Few rows and small networks, a minute or two: it shows the way, not the figures.
        Otherwise about half an hour on two cores.
    progress : callable, optional
        Called with (parts finished, parts in all, what is being done).

    Returns
    -------
    results : dict
        Schema ``matlever-elemnet/1``, as documented in ``docs/elemnet.md``.

    Raises
    ------
    StudyError
        If a table is missing; the message says where it is published.
    DataError
        If a formula in it cannot be read.
    """
    started, used = time.monotonic(), time.process_time()
    sizes = Sizes.quick() if quick else Sizes()
    rows = read_elemnet_data(data, quick=quick)
    stages = Stages(Path(folder) / PARTS, _key(rows, sizes, seed))
    run = _Run(rows, sizes, seed, stages, progress)
    parts = run.parts()
    parts["curve"] = whole_curve(parts["curve"], parts, len(rows.train))
    found: dict[str, Any] = {
        "schema": ELEMNET_SCHEMA,
        "matlever_version": __version__,
        "title": "ElemNet: published figures beside ours",
        "statement": (
            "Formation energies of the Materials Project, from element fractions alone. "
            f"{len(rows.train):,} compounds to train on, {len(rows.validation):,} for settings and "
            f"intervals, {len(rows.test):,} to score on: the published split, no formula on both "
            "sides."
            + (" QUICK RUN on a part of the rows: not comparable with the paper." if quick else "")
        ),
        "quick": quick,
        **parts,
        "table": published_table(PUBLISHED, parts, quick),
        "settings": {
            "seed": seed,
            "quick": quick,
            "data_sha256": rows.digest,
            "network": run.settings(),
            **asdict(sizes),
        },
        "record": {
            **run_record(time.monotonic() - started, stages.n_reused),
            "processor_seconds": round(time.process_time() - used, 1),
            **versions(),
        },
    }
    found["sentences"] = elemnet_sentences(found)
    write_model(Path(folder) / "model", run.ensemble.to_state(), {"settings": found["settings"]})
    write_json(Path(folder) / "results.json", found)
    stages.remove()
    return found


class _Run:
    """One run: each part is computed unless it is there already."""

    def __init__(
        self,
        data: ElemNetData,
        sizes: Sizes,
        seed: int,
        stages: Stages,
        progress: Progress | None,
    ) -> None:
        self.data, self.sizes, self.seed, self.stages = data, sizes, seed, stages
        self.n_parts = 9 + len(sizes.curve)
        self.done, self.progress = 0, progress
        self.precision = stages.value("precision", _precision)
        self.ensemble: ElemNetRegressor

    def settings(self) -> dict[str, Any]:
        """Return the parameters of the networks that are not their default."""
        shown = self.ensemble.get_params()
        standard = ElemNetRegressor().get_params()
        return {name: value for name, value in shown.items() if value != standard[name]}

    def parts(self) -> dict[str, Any]:
        """Compute all parts."""
        data, sizes, seed = self.data, self.sizes, self.seed
        found: dict[str, Any] = {}
        found["forests"] = self._value("forests", partial(forest_scores, data, sizes, seed))
        self.ensemble = self._model("ensemble", partial(fit_ensemble, data, sizes))
        found["networks"] = self._value("scores", partial(ensemble_scores, self.ensemble, data))
        found["groups"] = self._value("element groups", partial(element_groups, self.ensemble))
        found["charges"] = self._value("charge balance", partial(charge_balance, self.ensemble))
        found["ladder"] = self._value(
            "training step by step", partial(ladder, data, sizes, self.precision, seed)
        )
        found["curve"] = [
            self._value(
                f"learning curve, {n} rows",
                partial(curve_point, data, sizes, self.precision, seed, n),
            )
            for n in sizes.curve
            if n < len(data.train)
        ]
        split = hold_out(data.entries, sizes, seed)
        without = self._model("systems held out", partial(fit_without, split, sizes))
        found["systems"] = self._value("hulls", partial(system_scores, without, split, sizes, seed))
        found["transfer"] = self._value(
            "transfer to band gaps",
            partial(
                transfer_scores,
                self.ensemble,
                data.gaps,
                data.train.compositions,
                sizes,
                seed,
            ),
        )
        self._tell("done", 0.0, advance=self.n_parts - self.done)
        return found

    def _value(self, name: str, compute: Callable[[], Any]) -> Any:
        self._tell(name, 0.0)
        value = self.stages.value(name.replace(" ", "-").replace(",", ""), compute)
        self.done += 1
        return value

    def _model(self, name: str, fit: Callable[..., ElemNetRegressor]) -> ElemNetRegressor:
        self._tell(name, 0.0)
        inside = self.stages.folder / f"{name.replace(' ', '-')}-training"

        def told(epochs: int, total: int, what: str) -> None:
            self._tell(f"{name}: {what} {epochs} of {total}", epochs / total)

        state = self.stages.state(
            name.replace(" ", "-"),
            lambda: fit(self.precision, self.seed, inside, told).to_state(),
        )
        self.done += 1
        return ElemNetRegressor.from_state(state)

    def _tell(self, what: str, share: float, advance: int = 0) -> None:
        self.done += advance
        if self.progress is not None:
            # A hundredth of a part is the unit, so that long trainings move the bar.
            self.progress(round(100 * (self.done + share)), 100 * self.n_parts, what)


def _precision() -> str:
    from matlever.compositions._elemnet_inference import faster_precision

    return faster_precision()


def _key(data: ElemNetData, sizes: Sizes, seed: int) -> str:
    words = json.dumps([__version__, data.digest, asdict(sizes), seed], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()

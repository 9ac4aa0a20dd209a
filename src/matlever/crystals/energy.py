"""Energies of crystals from CHGNet, an energy model that works offline (extra ``energy``)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.crystals._graph_nearest import nearest_neighbours
from matlever.crystals.crystals import Crystals
from matlever.exceptions import MissingExtraError, SettingsError

__all__ = ["chgnet_energies"]

Progress = Callable[[int, int, str], None]

_CUTOFF_A = 6.0  # of the model's graphs


def chgnet_energies(
    crystals: Crystals,
    *,
    device: str = "cpu",
    batch_size: int = 16,
    relax: bool = False,
    steps: int = 200,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Energies of crystals by the pretrained CHGNet.

    Parameters
    ----------
    crystals : Crystals
        n crystals.
    device : str, default="cpu"
        Where the model runs.
    batch_size : int, default=16
        Crystals at a time.
    relax : bool, default=False
        Whether cell and atoms are relaxed first, until no force is above 0.1 eV/A.
    steps : int, default=200
        Most steps of a relaxation.
    progress : callable or None, default=None
        Called with the number done, the number in all and what is counted.

    Returns
    -------
    energies : ndarray of shape (n,)
        In eV/atom, on the scale of the Materials Project's GGA/GGA+U calculations; NaN for a
        crystal that the model cannot take, with an atom farther than 6 A from all others.

    Raises
    ------
    MissingExtraError
        If chgnet is not installed.

    References
    ----------
    .. [1] B. Deng et al., CHGNet as a pretrained universal neural network potential for
       charge-informed atomistic modelling, Nat. Mach. Intell. 5 (2023) 1031-1041,
       doi:10.1038/s42256-023-00716-3.
    """
    if batch_size < 1 or steps < 1:
        raise SettingsError(f"batch_size={batch_size} and steps={steps} must be 1 or more.")
    model = _model(device)
    energies = np.full(len(crystals), np.nan)
    sound = np.flatnonzero(~_has_isolated_atom(crystals))
    with _quiet():
        for start in range(0, len(sound), batch_size):
            rows = sound[start : start + batch_size]
            some = crystals[rows].to_structures()
            if relax:
                some = [_relaxed(model, structure, device, steps) for structure in some]
            found = model.predict_structure(some, task="e", batch_size=batch_size)
            results = found if isinstance(found, list) else [found]
            energies[rows] = [float(result["e"]) for result in results]
            if progress is not None:
                progress(start + len(rows), len(sound), "crystals")
    return energies


def _has_isolated_atom(crystals: Crystals) -> NDArray[np.bool_]:
    """Whether an atom of each crystal is so far from all others that the model has no edge."""
    if not len(crystals):
        return np.zeros(0, dtype=bool)
    _, distances = nearest_neighbours(crystals, 1)
    farthest = np.maximum.reduceat(distances[:, 0], crystals.offsets[:-1])
    return np.asarray(farthest > _CUTOFF_A)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what chgnet prints, and what pymatgen and ase warn of about their settings."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=2)
def _model(device: str) -> Any:
    try:
        with _quiet():
            from chgnet.model import CHGNet

            return CHGNet.load(use_device=device, verbose=False)
    except ImportError as error:
        raise MissingExtraError("Energies of crystals", "chgnet", "energy") from error


def _relaxed(model: Any, structure: Any, device: str, steps: int) -> Any:
    from chgnet.model import StructOptimizer

    optimizer = StructOptimizer(model=model, use_device=device, on_isolated_atoms="ignore")
    return optimizer.relax(structure, fmax=0.1, steps=steps, verbose=False)["final_structure"]

"""Simulated lots: tiles, the labels experts would give them, measured stress, and the truth."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import MissingExtraError, SettingsError
from matlever.micrographs.simulate.bad_tiles import BAD_KINDS
from matlever.micrographs.simulate.law import ATTRIBUTES, PeakStressLaw
from matlever.micrographs.simulate.tile import SCENE, draw
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SimulatedLots", "simulate_sem", "write_lots"]

Array = NDArray[np.float64]

PROPERTY = "peak_stress_psi"
_LOWEST, _HIGHEST = 0.08, 0.92
_EXPERT_NOISE, _EXPERT_STEP = 0.04, 0.05
_TILE_NOISE = 0.06
_LOT_NOISE_PSI = 40.0


@dataclass(frozen=True, eq=False, repr=False)
class SimulatedLots:
    """Simulated lots with known truth; has what `Lots` has.

    Attributes
    ----------
    tiles : Tiles
        All tiles, lot after lot, uint8; their attributes are the experts' mean.
    table : DataFrame indexed by lot
        Measured ``peak_stress_psi``, the attributes as the mean of two experts, and what each of
        them said (``size_expert1``, ...).
    truth : DataFrame, one row for each tile
        ``lot``; the exact attributes; ``realised_...`` of the crystals drawn; ``is_bad`` and
        ``bad_kind``.
    lot_truth : DataFrame indexed by lot
        Exact attributes of the lots and ``law_psi``, the stress without noise.
    """

    tiles: Tiles
    table: pd.DataFrame
    truth: pd.DataFrame
    lot_truth: pd.DataFrame

    property_names = (PROPERTY,)
    attribute_names = ATTRIBUTES

    def __repr__(self) -> str:
        return f"SimulatedLots({len(self.table)} lots, {len(self.tiles)} tiles, simulated)"

    @property
    def lots(self) -> pd.DataFrame:
        """The table of the lots."""
        return self.table

    def property(self, name: str = PROPERTY) -> Array:
        """Return a property of each lot."""
        return self.table[name].to_numpy(dtype=np.float64)

    def of_tiles(self, name: str = PROPERTY) -> Array:
        """Return a property of each tile: that of its lot."""
        return self.property(name)[self.tiles.lot]


def simulate_sem(
    n_lots: int = 30,
    n_tiles: int = 80,
    size: int = 64,
    *,
    confounding: float = 0.0,
    bad_share: float = 0.0,
    random_state: int = 0,
) -> SimulatedLots:
    """Simulate scanning electron micrographs of crystal packings, with known truth.

    Parameters
    ----------
    n_lots : int, default=30
    n_tiles : int, default=80
        Tiles of each lot.
    size : int, default=64
        Side of the tiles in px. The field of view is the same for every size.
    confounding : float, default=0.0
        How strongly facetness falls where size rises, lot by lot: their rank correlation is about
        minus this. At 0 the attributes of the lots are a Latin hypercube with low correlations.
    bad_share : float, default=0.0
        Share of the tiles that are bad, each kind alike often.
    random_state : int, default=0
        The same seed gives the same bits. With more tiles or lots, none of the earlier ones stays.

    Returns
    -------
    lots : SimulatedLots

    Notes
    -----
    Attributes of lots reach from 0.08 to 0.92. Two experts see them with a noise of 0.04 each and
    round to 0.05; tiles scatter around their lot by 0.06; the measured stress has a noise of
    40 psi, the same for all tiles of a lot.
    """
    import pandas as pd

    if n_lots < 2 or n_tiles < 1:
        raise SettingsError(f"n_lots={n_lots} must be 2 or more, n_tiles={n_tiles} 1 or more.")
    if not 0 <= confounding < 1 or not 0 <= bad_share <= 1:
        raise SettingsError(
            f"confounding={confounding} must be 0 or more and below 1, bad_share={bad_share} "
            "between 0 and 1."
        )
    rng = np.random.default_rng([random_state, 20])
    exact = _lot_attributes(rng, n_lots, confounding)
    law = PeakStressLaw()
    stress = law.stress(exact) + _LOT_NOISE_PSI * rng.standard_normal(n_lots)
    experts = [_expert(rng, exact), _expert(rng, exact)]
    label = (experts[0] + experts[1]) / 2
    lot = np.repeat(np.arange(n_lots), n_tiles)
    own = np.clip(exact[lot] + _TILE_NOISE * rng.standard_normal((len(lot), 4)), 0.0, 1.0)
    scenes = np.zeros(len(lot), dtype=SCENE)
    scenes["seed"] = rng.integers(0, 2**62, len(lot))
    scenes["side_px"], scenes["attributes"] = size, own
    is_bad = rng.random(len(lot)) < bad_share
    scenes["bad"] = np.where(is_bad, rng.integers(0, len(BAD_KINDS), len(lot)), -1)
    images, realised = draw(scenes)
    names = tuple(_name(i) for i in range(n_lots))
    table = pd.DataFrame({PROPERTY: stress.round(1)}, index=pd.Index(names, name="lot"))
    for j, name in enumerate(ATTRIBUTES):
        table[name] = label[:, j]
        table[f"{name}_expert1"], table[f"{name}_expert2"] = experts[0][:, j], experts[1][:, j]
    truth = pd.DataFrame({"lot": np.array(names)[lot]})
    for j, name in enumerate(ATTRIBUTES):
        truth[name], truth[f"realised_{name}"] = own[:, j], realised[:, j]
    truth["is_bad"] = is_bad
    truth["bad_kind"] = [BAD_KINDS[b] if b >= 0 else "" for b in scenes["bad"]]
    lot_truth = pd.DataFrame(exact, index=table.index, columns=list(ATTRIBUTES))
    lot_truth["law_psi"] = law.stress(exact)
    labels = [f"{names[k]}/{i % n_tiles:04d}" for i, k in enumerate(lot)]
    tiles = Tiles(images, label[lot], ATTRIBUTES, lot, names, labels, scenes)
    return SimulatedLots(tiles, table, truth, lot_truth)


def _lot_attributes(rng: np.random.Generator, n: int, confounding: float) -> Array:
    """Return exact attributes (n, 4): a Latin hypercube, facetness paired with size as asked."""
    from scipy.stats import qmc

    drawn = [qmc.LatinHypercube(len(ATTRIBUTES), seed=rng).random(n) for _ in range(64)]
    off = np.eye(len(ATTRIBUTES))
    best = min(drawn, key=lambda x: np.abs(np.corrcoef(x.T) - off).max())
    if confounding:
        pull = confounding * (0.5 - best[:, 0]) + np.sqrt(1 - confounding**2) * (best[:, 3] - 0.5)
        best[np.argsort(pull), 3] = np.sort(best[:, 3])
    attributes: Array = _LOWEST + (_HIGHEST - _LOWEST) * best
    return attributes


def _expert(rng: np.random.Generator, exact: Array) -> Array:
    seen = exact + _EXPERT_NOISE * rng.standard_normal(exact.shape)
    return np.clip(np.round(seen / _EXPERT_STEP) * _EXPERT_STEP, 0.0, 1.0).round(2)


def _name(i: int) -> str:
    """Return A, B, ..., Z, AA, AB, ..."""
    return (_name(i // 26 - 1) if i >= 26 else "") + chr(ord("A") + i % 26)


def write_lots(simulated: SimulatedLots, folder: str | os.PathLike[str]) -> Path:
    """Write simulated lots as a laboratory would keep them, and the truth beside.

    ``lots.csv`` with measured stress and each expert's attributes, one folder of PNG tiles for
    each lot, and ``truth/`` with what a laboratory never has.

    Raises
    ------
    SettingsError
        If `folder` is not empty.
    MissingExtraError
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Writing tiles", "Pillow", "images") from error
    from matlever.storage import write_text

    root = Path(folder)
    if root.exists() and (root.is_file() or any(root.iterdir())):
        raise SettingsError(f"{root} is not empty; nothing was written. Name a new folder.")
    tiles: Tiles = simulated.tiles
    for name in tiles.lot_names:
        (root / name).mkdir(parents=True, exist_ok=True)
    labels: Any = tiles.labels
    for label, image in zip(labels, tiles.images, strict=True):
        Image.fromarray(image).save(root / f"{label}.png")
    (root / "truth").mkdir()
    write_text(root / "truth" / "tiles.csv", simulated.truth.to_csv(index=False))
    write_text(root / "truth" / "lots.csv", simulated.lot_truth.to_csv())
    given = simulated.table.drop(columns=list(simulated.attribute_names))
    # The reader knows this note, so every study of the folder says that it is simulated.
    note = "# simulated: packings of crystals and a law of peak stress; nothing was measured\n"
    write_text(root / "lots.csv", note + given.to_csv())
    return root

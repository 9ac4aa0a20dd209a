"""Whether edited tiles can be told from real ones: by classifiers, spectra and patches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import NotEnoughDataError, SettingsError
from matlever.knobs import Editor
from matlever.micrographs.measuring._card_render import rendered, stored
from matlever.micrographs.measuring.texture import radial_log_spectrum, texture_features
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    from matlever.micrographs.measuring._texture_network import Progress

__all__ = ["Realism", "area_under_curve", "measure_realism", "patch_distance", "spectrum_distance"]

Array = NDArray[np.float64]

_N_BOOTSTRAP = 500
_N_SPLITS = 8  # halvings of the real lots that tell how far apart real tiles are
_PATCH_PX, _N_PATCHES, _N_DIRECTIONS = 5, 24_000, 64
_DECIBEL = 10 / np.log(10)


@dataclass(frozen=True)
class Realism:
    """How well edited tiles can be told from real tiles of lots with the same attributes.

    Attributes
    ----------
    auc : float
        Area under the curve of a convolutional network on lots it was not trained on: 0.5 where
        it guesses, 1 where it always knows.
    auc_low, auc_high : float
        95 % interval of `auc`, by resampling lots.
    auc_texture : float
        Of a linear classifier of classical texture measures, on the same folds.
    spectrum_db : float
        Root mean square difference between the mean logarithmic spectra, in dB.
    spectrum_real_db : float
        The same between two halves of the real lots: what no editor can be expected to beat.
    patches : float
        Sliced Wasserstein distance of patches of 5 x 5 px, in tones of [0, 1].
    patches_real : float
        The same between two halves of the real lots.
    n_real, n_edited, n_lots, n_folds : int
        What was compared.
    """

    auc: float
    auc_low: float
    auc_high: float
    auc_texture: float
    spectrum_db: float
    spectrum_real_db: float
    patches: float
    patches_real: float
    n_real: int
    n_edited: int
    n_lots: int
    n_folds: int

    @property
    def worst_auc(self) -> float:
        """The larger of the two areas: an edit is as realistic as its sharper judge finds it."""
        return max(self.auc, self.auc_texture)

    def to_dict(self) -> dict[str, float | int]:
        """Return plain JSON values."""
        return asdict(self)


def measure_realism(
    editor: Editor,
    tiles: Tiles,
    *,
    n: int = 2000,
    n_folds: int = 3,
    n_epochs: int = 10,
    width: int = 16,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Realism:
    """Compare edited tiles with real tiles.

    Parameters
    ----------
    editor : Editor
        Of tiles.
    tiles : Tiles
        Real tiles of lots that neither editor nor anything else here was trained on.
    n : int, default=2000
        Tiles to compare, half of them real; fewer where there are fewer real tiles, but as many
        edited ones, some sources being edited more than once.
    n_folds : int, default=3
        Parts into which lots are divided; each is judged by classifiers trained on the others.
    n_epochs : int, default=10
        Passes of the convolutional network over its tiles.
    width : int, default=16
        Feature maps of its first convolution.
    random_state : int, default=0
    progress : callable or None, default=None
        Called as ``progress(done, all, what)``.

    Returns
    -------
    realism : Realism

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two lots for each fold.

    Notes
    -----
    A classifier takes every difference it can get, so there must be none but the editing:

    - Both classes have the *same* attributes. Each tile is edited to the attributes of a tile of
      another lot of its fold, and every attribute vector of the fold is used equally often. If
      sources were edited to values that real tiles do not have, the classifier would recognise
      attributes, not editing.
    - A tile and what is made from it are in the same fold, as is all of its lot: nothing of the
      pictures on which a classifier is judged was seen in its training.
    - Edited tiles are rounded to the tones of the real ones.
    """
    if n < 8 or n_folds < 2:
        raise SettingsError(f"n={n} must be 8 or more, n_folds={n_folds} 2 or more.")
    rng = np.random.default_rng([random_state, 11])
    real, fold = _chosen(tiles, n // 2, n_folds, rng)
    edited_per_real = max(1, (n // 2) // len(real))
    values = np.empty((len(real), edited_per_real, len(tiles.names)))
    for part in range(n_folds):
        rows = np.flatnonzero(fold == part)
        for j in range(edited_per_real):
            values[rows, j] = real.attributes[rows][_other_lots(real.lot[rows], rng)]

    def step(done: int) -> None:
        if progress is not None:
            progress(done, len(real), "tiles to compare")

    drawn = stored(rendered(editor, real, values, step=step), tiles.images.dtype)
    edited_fold = np.repeat(fold, edited_per_real)
    scores = _network_scores(
        real, drawn, fold, edited_fold, n_epochs, width, random_state, progress
    )
    linear = _linear_scores(real, drawn, fold, edited_fold)
    auc, low, high = _area_with_interval(scores, real.lot, drawn.lot, fold, edited_fold, rng)
    auc_texture, _, _ = _area_with_interval(linear, real.lot, drawn.lot, fold, edited_fold, rng)
    return Realism(
        auc=auc,
        auc_low=low,
        auc_high=high,
        auc_texture=auc_texture,
        spectrum_db=spectrum_distance(real, drawn),
        spectrum_real_db=_between_halves(spectrum_distance, real, rng),
        patches=patch_distance(real, drawn, random_state=random_state),
        patches_real=_between_halves(patch_distance, real, rng),
        n_real=len(real),
        n_edited=len(drawn),
        n_lots=len(np.unique(real.lot)),
        n_folds=n_folds,
    )


# -- what is compared -----------------------------------------------------------------------------


def _chosen(
    tiles: Tiles, n: int, n_folds: int, rng: np.random.Generator
) -> tuple[Tiles, NDArray[np.intp]]:
    """Return at most n tiles, as many of each lot as can be, and the fold of each tile's lot."""
    lots, counts = np.unique(tiles.lot, return_counts=True)
    if len(lots) < 2 * n_folds:
        raise NotEnoughDataError(
            f"Realism is judged in {n_folds} folds of 2 lots or more; the tiles are of {len(lots)} "
            f"lot(s). Give tiles of {2 * n_folds} lots, or fewer folds."
        )
    each = int(np.ceil(n / len(lots)))
    rows = [rng.permutation(np.flatnonzero(tiles.lot == lot))[:each] for lot in lots]
    chosen = np.sort(np.concatenate(rows))
    if len(chosen) > n:
        chosen = np.sort(rng.permutation(chosen)[:n])
    # The largest lots first, one to each fold in turn, so that folds are about equal.
    order = rng.permutation(len(lots))
    order = order[np.argsort(-counts[order], kind="stable")]
    fold_of = np.empty(len(lots), dtype=np.intp)
    fold_of[order] = np.arange(len(lots)) % n_folds
    return tiles[chosen], fold_of[np.searchsorted(lots, tiles.lot[chosen])]


def _other_lots(lot: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random permutation in which each tile takes the place of one of another lot.

    Where one lot has more than half of the tiles, some of them have to stay in it.
    """
    lots = rng.permutation(np.unique(lot))
    order = np.concatenate([rng.permutation(np.flatnonzero(lot == one)) for one in lots])
    most = int(np.unique(lot, return_counts=True)[1].max())
    least = min(most, len(lot) - most) or 1
    shift = int(rng.integers(least, max(len(lot) - most, least) + 1))
    taken = np.empty(len(lot), dtype=np.intp)
    taken[order] = np.roll(order, -shift)
    return taken


# -- the judges -----------------------------------------------------------------------------------


def _network_scores(
    real: Tiles,
    edited: Tiles,
    fold: NDArray[np.intp],
    edited_fold: NDArray[np.intp],
    n_epochs: int,
    width: int,
    random_state: int,
    progress: Progress | None,
) -> tuple[Array, Array]:
    """Return scores of real and edited tiles by networks that never saw their lots."""
    import torch

    from matlever.micrographs.measuring._texture_network import (
        TextureNetwork,
        predict_in_batches,
        train_network,
    )

    scores = np.empty(len(real)), np.empty(len(edited))
    n_folds = int(fold.max()) + 1
    for part in range(n_folds):
        seen, seen_edited = real[fold != part], edited[edited_fold != part]
        together = Tiles(
            np.concatenate([seen.images, seen_edited.images]),
            np.concatenate([seen.attributes, seen_edited.attributes]),
            real.names,
            np.concatenate([seen.lot, seen_edited.lot]),
            real.lot_names,
        )
        is_edited = np.repeat([0.0, 1.0], [len(seen), len(seen_edited)])[:, None]
        balance = torch.tensor(len(seen) / len(seen_edited))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state * 1000 + part)
            network = TextureNetwork(n_outputs=1, channels=real.channels, width=width)
        train_network(
            network,
            together,
            is_edited,
            torch.nn.BCEWithLogitsLoss(pos_weight=balance),
            n_epochs=n_epochs,
            seed=(random_state, 12, part),
            progress=progress,
            what=f"judge {part + 1} of {n_folds}",
        )
        for which, tiles, of in ((0, real, fold), (1, edited, edited_fold)):
            rows = np.flatnonzero(of == part)
            scores[which][rows] = predict_in_batches(network, tiles, rows)[:, 0]
    return scores


def _linear_scores(
    real: Tiles, edited: Tiles, fold: NDArray[np.intp], edited_fold: NDArray[np.intp]
) -> tuple[Array, Array]:
    """Return scores by a linear discriminant of texture measures, folds as for the network."""
    a, b = texture_features(real), texture_features(edited)
    scores = np.empty(len(a)), np.empty(len(b))
    for part in range(int(fold.max()) + 1):
        seen_a, seen_b = a[fold != part], b[edited_fold != part]
        center = (seen_a.mean(axis=0) + seen_b.mean(axis=0)) / 2
        spread = np.maximum(np.vstack([seen_a, seen_b]).std(axis=0), 1e-6)
        za, zb = (np.clip((z - center) / spread, -6, 6) for z in (seen_a, seen_b))
        # Fisher's discriminant, the covariance shrunk by as much as one prior tile per feature.
        within = np.cov(za.T) * len(za) + np.cov(zb.T) * len(zb)
        within = within / (len(za) + len(zb)) + np.eye(a.shape[1]) * a.shape[1] / len(za)
        direction = np.linalg.solve(within, zb.mean(axis=0) - za.mean(axis=0))
        for which, features, of in ((0, a, fold), (1, b, edited_fold)):
            rows = of == part
            z = np.clip((features[rows] - center) / spread, -6, 6)
            scores[which][rows] = z @ direction
    return scores


def area_under_curve(negative: Array, positive: Array) -> float:
    """Return the probability that a positive score is above a negative one, ties counting half.

    Examples
    --------
    >>> area_under_curve(np.array([0.1, 0.4]), np.array([0.4, 0.8]))
    0.875
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    up_to = np.searchsorted(ordered, positive, side="right")
    return float((below + up_to).sum() / (2 * len(negative) * len(positive)))


def _area_with_interval(
    scores: tuple[Array, Array],
    lot: NDArray[np.intp],
    edited_lot: NDArray[np.intp],
    fold: NDArray[np.intp],
    edited_fold: NDArray[np.intp],
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Return the mean area over folds, and its 95 % interval by resampling lots in each fold.

    Scores of different folds come from different networks and are not comparable.
    """
    parts = range(int(fold.max()) + 1)

    def one(part: int, lots: NDArray[np.intp] | None) -> float:
        a, b = fold == part, edited_fold == part
        if lots is None:
            return area_under_curve(scores[0][a], scores[1][b])
        rows = [np.flatnonzero(a & (lot == one)) for one in lots]
        edited = [np.flatnonzero(b & (edited_lot == one)) for one in lots]
        return area_under_curve(scores[0][np.concatenate(rows)], scores[1][np.concatenate(edited)])

    area = float(np.mean([one(part, None) for part in parts]))
    of_fold = [np.unique(lot[fold == part]) for part in parts]
    again = [
        np.mean([one(part, rng.choice(lots, len(lots))) for part, lots in enumerate(of_fold)])
        for _ in range(_N_BOOTSTRAP)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    return area, float(low), float(high)


# -- statistics without a judge -------------------------------------------------------------------


def spectrum_distance(a: Tiles, b: Tiles) -> float:
    """Return the root mean square difference of the mean logarithmic spectra of tiles, in dB."""
    difference = radial_log_spectrum(a).mean(axis=0) - radial_log_spectrum(b).mean(axis=0)
    return float(_DECIBEL * np.sqrt((difference**2).mean()))


def patch_distance(a: Tiles, b: Tiles, *, random_state: int = 0) -> float:
    """Return the sliced Wasserstein distance of patches of 5 x 5 px, in tones of [0, 1].

    Patches keep their contrast and lose their mean; their projections on 64 random directions are
    compared (T. Karras et al., ICLR 2018, section 5, on one level of the pyramid).
    """
    rng = np.random.default_rng([random_state, 13])
    directions = rng.standard_normal((_PATCH_PX**2 * a.channels, _N_DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    sets = []
    for tiles in (a, b):
        n, height, width = tiles.shape
        at = rng.integers(0, n, _N_PATCHES)
        y = rng.integers(0, height - _PATCH_PX + 1, _N_PATCHES)
        x = rng.integers(0, width - _PATCH_PX + 1, _N_PATCHES)
        images = tiles.unit()
        span = np.arange(_PATCH_PX)
        patches = images[
            at[:, None, None],
            y[:, None, None] + span[:, None],
            x[:, None, None] + span,
        ].reshape(_N_PATCHES, -1)
        patches = patches - patches.mean(axis=1, keepdims=True)
        sets.append(np.sort(patches @ directions, axis=0))
    return float(np.abs(sets[0] - sets[1]).mean())


def _between_halves(distance: Any, real: Tiles, rng: np.random.Generator) -> float:
    """Return the mean distance between two random halves of the lots of real tiles."""
    lots = np.unique(real.lot)
    found = []
    for _ in range(_N_SPLITS):
        half = np.isin(real.lot, rng.permutation(lots)[: len(lots) // 2])
        found.append(distance(real[half], real[~half]))
    return float(np.mean(found))

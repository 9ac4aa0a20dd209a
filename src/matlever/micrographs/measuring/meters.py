"""Meters: what attributes a tile shows, read by a network and by classical texture measures.

Neither has anything to do with an editor, and each is trained on lots that are not scored with it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs.measuring.texture import TEXTURE_NAMES, texture_features
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model

if TYPE_CHECKING:
    import torch

    from matlever.micrographs.measuring._texture_network import Progress, TextureNetwork

__all__ = ["Meter", "NetworkMeter", "TextureMeter"]

Array = NDArray[np.float64]

_LEAST_LOTS = 4
_N_AXES = 24  # main axes of the texture measures whose products are learnt from


@runtime_checkable
class Meter(Protocol):
    """Reads attributes from tiles.

    Attributes
    ----------
    names_ : tuple of k str
        The attributes.
    r2_ : dict of str to float
        Share of the variance of each attribute explained on tiles of lots that were held out.
    """

    names_: tuple[str, ...]
    r2_: dict[str, float]

    def predict(self, tiles: Tiles) -> Array:
        """Return measured attributes of shape (n, k)."""
        ...


def _checked(tiles: Tiles, truth: ArrayLike | None) -> Array:
    """Return what a meter learns, after checking that there is enough of it."""
    wanted = np.asarray(tiles.attributes if truth is None else truth, dtype=np.float64)
    if wanted.shape != (len(tiles), len(tiles.names)):
        raise DataError(
            f"The truth of {len(tiles)} tiles and the attributes {', '.join(tiles.names)} has "
            f"shape ({len(tiles)}, {len(tiles.names)}), not {wanted.shape}."
        )
    if not np.isfinite(wanted).all():
        raise DataError("The truth of the tiles has values that are missing or infinite.")
    n_lots = len(np.unique(tiles.lot))
    if n_lots < _LEAST_LOTS:
        raise NotEnoughDataError(
            f"A meter needs tiles of {_LEAST_LOTS} lots or more, for it is judged on lots held "
            f"out; there are {n_lots}."
        )
    return wanted


def _held_out(tiles: Tiles, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which tiles belong to a random share of the lots, two lots at least."""
    lots = np.unique(tiles.lot)
    n = int(np.clip(round(share * len(lots)), 2, len(lots) - 2))
    chosen = np.random.default_rng([seed, 1]).permutation(lots)[:n]
    return np.isin(tiles.lot, chosen)


def _r2(truth: Array, found: Array, names: tuple[str, ...]) -> dict[str, float]:
    """Return the share of variance explained of each attribute; 0 where there is none."""
    residual = ((truth - found) ** 2).sum(axis=0)
    total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return {
        name: float(1 - a / b) if b > 0 else 0.0
        for name, a, b in zip(names, residual, total, strict=True)
    }


def _shown(meter: Any, kind: str) -> str:
    if not hasattr(meter, "r2_"):
        return f"{kind}(not fitted)"
    scores = ", ".join(f"{name} {value:.2f}" for name, value in meter.r2_.items())
    return f"{kind}(R2 on tiles of held-out lots: {scores})"


def _check_side(meter: Any, tiles: Tiles) -> None:
    if not hasattr(meter, "side_"):
        raise SettingsError("The meter is not fitted: call fit(tiles) first.")
    if (*tiles.shape[1:], tiles.channels) != (*meter.side_, meter.channels_):
        height, width = meter.side_
        raise DataError(
            f"The meter was trained on tiles of {width} x {height} px with {meter.channels_} "
            f"channel(s); these have {tiles.shape[2]} x {tiles.shape[1]} px and {tiles.channels}."
        )


class NetworkMeter:
    """Meter of attributes by a convolutional network of its own.

    Parameters
    ----------
    width : int, default=16
        Feature maps of the network's first convolution.
    n_epochs : int, default=20
        Passes over the tiles.
    batch_size : int, default=64
        Tiles per step.
    learning_rate : float, default=4e-3
        Largest step size of the cycle.
    held_out : float, default=0.15
        Share of the lots on which it is judged, and which it never learns from.
    random_state : int, default=0
        Of held-out lots, weights, order and flips.

    Attributes
    ----------
    names_ : tuple of k str
        Attributes.
    r2_ : dict of str to float
        On tiles of the held-out lots.
    mae_ : dict of str to float
        Mean absolute error there.
    side_ : tuple of int
        Height and width of tiles in px.
    channels_ : int
        1 for grey tiles, 3 for colour.
    network_ : torch.nn.Module
        In evaluation mode; its outputs are standardised attributes.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        n_epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 4e-3,
        held_out: float = 0.15,
        random_state: int = 0,
    ) -> None:
        self.width = width
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.held_out = held_out
        self.random_state = random_state

    def fit(
        self, tiles: Tiles, truth: ArrayLike | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn to read attributes.

        Parameters
        ----------
        tiles : Tiles
            Of lots that will not be scored with this meter.
        truth : array_like of shape (n, k), optional
            What each tile shows, where that is known (simulated tiles); by default the labels of
            the lots, which every tile inherits.
        progress : callable or None, default=None
            Called as ``progress(done, all, what)``.

        Raises
        ------
        NotEnoughDataError
            If there are fewer than four lots.
        DataError
            If `truth` has another shape, or gaps.
        """
        import torch

        from matlever.micrographs.measuring._texture_network import train_network

        wanted = _checked(tiles, truth)
        aside = _held_out(tiles, self.held_out, self.random_state)
        learnt = wanted[~aside]
        self.names_, self.side_ = tiles.names, tiles.shape[1:]
        self.channels_ = tiles.channels
        self.mean_ = learnt.mean(axis=0)
        self.scale_ = np.maximum(learnt.std(axis=0), 1e-6)
        self.network_ = self._network()
        train_network(
            self.network_,
            tiles,
            (wanted - self.mean_) / self.scale_,
            torch.nn.functional.mse_loss,
            rows=np.flatnonzero(~aside),
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=(self.random_state, 2),
            progress=progress,
            what="network meter",
        )
        found = self._read(tiles, np.flatnonzero(aside))
        self.r2_ = _r2(wanted[aside], found, self.names_)
        errors = np.abs(found - wanted[aside]).mean(axis=0)
        self.mae_ = dict(zip(self.names_, errors.tolist(), strict=True))
        return self

    def _network(self) -> TextureNetwork:
        """Return a new network under this meter's own seed."""
        import torch

        from matlever.micrographs.measuring._texture_network import TextureNetwork

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            network = TextureNetwork(
                n_outputs=len(self.names_), channels=self.channels_, width=self.width
            )
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def predict(self, tiles: Tiles) -> Array:
        """Return measured attributes of shape (n, k).

        Raises
        ------
        DataError
            If tiles have another size or number of channels than those it learnt from.
        """
        _check_side(self, tiles)
        return self._read(tiles, np.arange(len(tiles)))

    def _read(self, tiles: Tiles, rows: NDArray[np.intp]) -> Array:
        from matlever.micrographs.measuring._texture_network import predict_in_batches

        found = predict_in_batches(self.network_, tiles, rows).reshape(-1, len(self.names_))
        read: Array = found * self.scale_ + self.mean_
        return read

    def predict_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return measured attributes (m, k) of a tensor (m, C, H, W), with gradients."""
        import torch

        found: torch.Tensor = self.network_(x)
        scale, mean = (torch.as_tensor(a, dtype=found.dtype) for a in (self.scale_, self.mean_))
        return found * scale + mean

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the meter as a model folder; it appears whole or not at all."""
        weights = {
            name.replace(".", "-"): value.detach().cpu().numpy()
            for name, value in self.network_.state_dict().items()
        }
        state = State(
            "network meter",
            {
                "settings": {
                    name: getattr(self, name)
                    for name in (
                        "width",
                        "n_epochs",
                        "batch_size",
                        "learning_rate",
                        "held_out",
                        "random_state",
                    )
                },
                "names": list(self.names_),
                "side": list(self.side_),
                "channels": self.channels_,
                "r2": self.r2_,
                "mae": self.mae_,
            },
            {"mean": self.mean_, "scale": self.scale_},
            {"network": State("texture network", {}, weights)},
        )
        return write_model(folder, state, {"r2": self.r2_})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a meter that `save` wrote.

        Raises
        ------
        ModelFileError
            If the folder is broken, or holds something else.
        """
        import torch

        state, _ = read_model(folder)
        _check_kind(state, "network meter", folder)
        meter = cls(**state.get("settings"))
        k = _restore(meter, state)
        meter.mae_ = dict(state.get("mae"))
        meter.channels_ = int(state.get("channels"))
        meter.mean_ = state.array("mean", (k,), np.float64)
        meter.scale_ = state.array("scale", (k,), np.float64)
        meter.network_ = meter._network()
        stored = state.part("network").arrays
        weights = {}
        for name, value in meter.network_.state_dict().items():
            found = stored.get(name.replace(".", "-"))
            if found is None or found.shape != tuple(value.shape):
                raise ModelFileError(f"{folder}: the weights {name!r} are missing or misshapen.")
            weights[name] = torch.from_numpy(np.array(found))
        meter.network_.load_state_dict(weights)
        meter.network_.eval()
        return meter

    def __repr__(self) -> str:
        return _shown(self, "NetworkMeter")


class TextureMeter:
    """Meter of attributes by classical texture measures: ridge regression on their quadratic form.

    Parameters
    ----------
    held_out : float, default=0.15
        Share of the lots on which it is judged, and which it never learns from.
    random_state : int, default=0
        Of the held-out lots.

    Attributes
    ----------
    names_ : tuple of k str
        Attributes.
    r2_ : dict of str to float
        On tiles of the held-out lots.
    side_ : tuple of int
        Height and width of tiles in px.
    channels_ : int
        1 for grey tiles, 3 for colour.
    alpha_ : ndarray of shape (k,)
        Penalty of each attribute, chosen by leaving fifths of the lots out.

    Notes
    -----
    Features are standardised and clipped at four standard deviations, so that a picture unlike
    all those learnt from cannot be read as anything far outside of them.
    """

    def __init__(self, *, held_out: float = 0.15, random_state: int = 0) -> None:
        self.held_out = held_out
        self.random_state = random_state

    def fit(
        self, tiles: Tiles, truth: ArrayLike | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn to read attributes; parameters and errors as of `NetworkMeter.fit`."""
        wanted = _checked(tiles, truth)
        features = texture_features(tiles)
        if progress is not None:
            progress(1, 2, "texture measures")
        aside = _held_out(tiles, self.held_out, self.random_state)
        self.names_, self.side_ = tiles.names, tiles.shape[1:]
        self.channels_ = tiles.channels
        self.center_ = features[~aside].mean(axis=0)
        spread = features[~aside].std(axis=0)
        self.spread_ = np.where(spread > 1e-6, spread, np.inf)
        z = np.clip((features[~aside] - self.center_) / self.spread_, -4, 4)
        variances, axes = np.linalg.eigh(z.T @ z / len(z))
        self.axes_ = axes[:, : -_N_AXES - 1 : -1] / np.sqrt(variances[: -_N_AXES - 1 : -1] + 1e-6)
        design = self._design(features)
        self._fit_ridge(design[~aside], wanted[~aside], tiles.lot[~aside])
        self.r2_ = _r2(wanted[aside], design[aside] @ self.weights_ + self.mean_, self.names_)
        if progress is not None:
            progress(2, 2, "texture meter")
        return self

    def _design(self, features: Array) -> Array:
        """Return standardised features and the products of their main axes, of shape (n, columns).

        There are f features, then q (q + 1) / 2 products of q axes.
        """
        z = np.clip((features - self.center_) / self.spread_, -4, 4)
        axes = z @ self.axes_
        first, second = np.triu_indices(axes.shape[1])
        design: Array = np.hstack([z, axes[:, first] * axes[:, second] / 2])
        return design

    def _fit_ridge(self, design: Array, wanted: Array, lot: NDArray[np.intp]) -> None:
        """Fit ridge regressions, the penalty of each by leaving fifths of the lots out."""
        penalties = np.geomspace(1, 1e5, 16) * np.sqrt(len(design) / 1000)
        lots = np.random.default_rng([self.random_state, 3]).permutation(np.unique(lot))
        folds = [np.isin(lot, part) for part in np.array_split(lots, min(5, len(lots)))]
        errors = np.zeros((len(penalties), wanted.shape[1]))
        for fold in folds:
            weights, mean = _ridge(design[~fold], wanted[~fold], penalties)
            residual = design[fold] @ weights + mean[:, None] - wanted[fold]
            errors += (residual**2).sum(axis=1)
        self.alpha_ = penalties[errors.argmin(axis=0)]
        weights, mean = _ridge(design, wanted, self.alpha_)
        each = np.arange(wanted.shape[1])
        self.weights_, self.mean_ = weights[each, :, each].T, mean[each, each]

    def predict(self, tiles: Tiles) -> Array:
        """Return measured attributes of shape (n, k).

        Raises
        ------
        DataError
            If tiles have another size or number of channels than those it learnt from.
        """
        _check_side(self, tiles)
        found: Array = self._design(texture_features(tiles)) @ self.weights_ + self.mean_
        return found

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the meter as a model folder; it appears whole or not at all."""
        used = np.isfinite(self.spread_)
        state = State(
            "texture meter",
            {
                "settings": {"held_out": self.held_out, "random_state": self.random_state},
                "names": list(self.names_),
                "side": list(self.side_),
                "channels": self.channels_,
                "r2": self.r2_,
                "features": list(TEXTURE_NAMES),
            },
            {
                "center": self.center_,
                "spread": np.where(used, self.spread_, 0.0),
                "axes": self.axes_,
                "alpha": self.alpha_,
                "mean": self.mean_,
                "weights": self.weights_,
            },
        )
        return write_model(folder, state, {"r2": self.r2_})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a meter that `save` wrote.

        Raises
        ------
        ModelFileError
            If the folder is broken, holds something else, or other features than are measured now.
        """
        state, _ = read_model(folder)
        _check_kind(state, "texture meter", folder)
        if state.get("features") != list(TEXTURE_NAMES):
            raise ModelFileError(
                f"{folder} reads other texture measures than this version makes: fit it again."
            )
        meter = cls(**state.get("settings"))
        k, f = _restore(meter, state), len(TEXTURE_NAMES)
        meter.channels_ = int(state.get("channels"))
        meter.center_ = state.array("center", (f,), np.float64)
        spread = state.array("spread", (f,), np.float64)
        meter.spread_ = np.where(spread > 0, spread, np.inf)
        meter.alpha_ = state.array("alpha", (k,), np.float64)
        meter.mean_ = state.array("mean", (k,), np.float64)
        meter.axes_ = state.array("axes", (f, _N_AXES), np.float64)
        columns = f + _N_AXES * (_N_AXES + 1) // 2
        meter.weights_ = state.array("weights", (columns, k), np.float64)
        return meter

    def __repr__(self) -> str:
        return _shown(self, "TextureMeter")


def _ridge(design: Array, wanted: Array, penalties: Array) -> tuple[Array, Array]:
    """Return weights (p, columns, k) and intercepts (p, k) of ridge regressions, p penalties."""
    mean = wanted.mean(axis=0)
    columns = design.mean(axis=0)
    centred = design - columns
    values, vectors = np.linalg.eigh(centred.T @ centred)
    turned = vectors.T @ (centred.T @ (wanted - mean))
    weights = np.stack(
        [vectors @ (turned / (np.maximum(values, 0) + a)[:, None]) for a in penalties]
    )
    return weights, mean - columns @ weights


def _check_kind(state: State, kind: str, folder: str | os.PathLike[str]) -> None:
    if state.kind != kind:
        raise ModelFileError(f"{folder} holds a {state.kind!r}, not a {kind!r}.")


def _restore(meter: Any, state: State) -> int:
    """Set what both meters have, and return the number of attributes."""
    meter.names_ = tuple(str(name) for name in state.get("names"))
    height, width = state.get("side")
    meter.side_ = (int(height), int(width))
    meter.r2_ = {str(name): float(value) for name, value in dict(state.get("r2")).items()}
    return len(meter.names_)

"""Regression of a lot's property from one tile of it: the estimator around the wide network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.micrographs.regression._tile_targets import (
    Targets,
    Validation,
    held_out_rows,
    positions,
)
from matlever.micrographs.tiles import Tiles
from matlever.storage import State

if TYPE_CHECKING:
    import torch

    from matlever.micrographs.regression._tile_batches import Flips
    from matlever.micrographs.regression.wide_resnet import Pooling

__all__ = ["TileRegressor"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

_PREDICTED = 128  # tiles in one call of the network


class TileRegressor(RegressorMixin, BaseEstimator):
    """Wide residual network that predicts properties of a lot from a single tile.

    The defaults are those of the micrograph study [1]_ for 256 px tiles on a GPU: WRN-28-1, mean
    squared error, Adam with step 1e-3, batches of 64, left-right flips, early stopping on a tenth
    of the tiles. :meth:`compact` gives settings for 64 px tiles on a processor.

    Parameters
    ----------
    depth, widen, width, stem_stride, pooling, hidden
        Of the network, see :class:`WideResNet`.
    epochs : int, default=100
        Rounds over the training tiles, at most.
    batch_size : int, default=64
        Tiles per step.
    learning_rate : float, default=1e-3
        Adam's step size.
    schedule : {"constant", "cosine"}, default="constant"
        Whether the step size falls to zero over the epochs.
    weight_decay : float, default=0.0
        Decoupled weight decay (AdamW).
    average : float, default=0.0
        Decay per step of a running average of the weights, which is then what predicts.
    patience : int, default=10
        Epochs without a lower error on the held-out tiles after which training ends; the weights
        with the lowest one are kept.
    validation : {"tiles", "lots", "none"}, default="tiles"
        What is held out to end the training: random tiles (the paper; every lot is then seen in
        training, so the error on them says nothing of unseen lots), whole lots, or nothing, and
        training runs through all epochs.
    validation_share : float, default=0.1
        Share of the tiles, or of the lots, that is held out; at least one.
    flips : {"none", "horizontal", "both", "dihedral"}, default="horizontal"
        Mirrored left-right, also top-bottom, also turned by quarters.
    jitter : float, default=0.0
        Gain varies by this share, and offset by half of it, from tile to tile in training.
    crop : int or None, default=None
        Train on random squares of this side, a new one of each tile in each epoch, and predict
        whole tiles: a quarter of the area is a quarter of the time.
    head_epochs : int, default=0
        After the training, draw the head anew and fit it for so many rounds to features of *whole*
        tiles: with `crop`, for a head that learned from squares trusts what a whole tile says too
        little. Seconds beside the training; the features of whole tiles are computed twice.
    attribute_weight : float, default=0.0
        Weight, beside 1 for the targets, of the error in the tiles' attributes, which the network
        then learns to tell as well: with few lots, four labels a lot teach it more than one.
    margin : float, default=0.25
        The targets seen in training fill the head's range but for this share on either side, so
        that lots a little beyond them can be predicted: with 0.25 predictions reach an eighth of
        the observed range beyond each end, and never further.
    members : int, default=1
        Networks that are averaged; they differ in initial weights, shuffles and held-out tiles.
    device : str, default="cpu"
        Where torch computes.
    channels_last : bool, default=True
        Channels last in memory: 15-35 % faster on processors, and on GPUs with half precision.
    random_state : int, default=0
        Seed of everything that is random.

    Attributes
    ----------
    networks_ : list of WideResNet
        In evaluation mode.
    target_centre_, target_scale_ : ndarray of shape (t,)
        A target is its centre plus its scale times an output of the network.
    single_target_ : bool
        Whether `y` was a list of numbers, and predictions are.
    history_ : list of list of Epoch
        Errors of each member after each epoch, on the scale of the head.
    head_history_ : list of list of Epoch
        The same for the fit of the head to whole tiles; empty without one.
    held_out_ : list of ndarray of int
        Tiles each member was watched on.
    names_ : tuple of str
        Attributes the network learned beside the targets.
    channels_ : int
        1 for grey, 3 for colour tiles.

    Notes
    -----
    Tiles are read from disk batch by batch where `images` is a memory map. With a checkpoint folder
    each epoch is written; a training that was killed and is called again with the same folder ends
    with the same weights, bit for bit, as one that was not (same machine, same number of threads).

    The spread of the members is no interval: see :class:`ConformalTileRegressor`.

    References
    ----------
    .. [1] S. Liu et al., explanation of scientific images by actionable attributes, supplemental
       material B: RMSE 66 psi and MAPE 3.07 % on a tenth of the tiles of 30 lots.
    """

    def __init__(
        self,
        *,
        depth: int = 28,
        widen: int = 1,
        width: int = 16,
        stem_stride: int = 1,
        pooling: Pooling = "mean",
        hidden: int | None = None,
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        schedule: Literal["constant", "cosine"] = "constant",
        weight_decay: float = 0.0,
        average: float = 0.0,
        patience: int = 10,
        validation: Validation = "tiles",
        validation_share: float = 0.1,
        flips: Flips = "horizontal",
        jitter: float = 0.0,
        crop: int | None = None,
        head_epochs: int = 0,
        attribute_weight: float = 0.0,
        margin: float = 0.25,
        members: int = 1,
        device: str = "cpu",
        channels_last: bool = True,
        random_state: int = 0,
    ) -> None:
        self.depth = depth
        self.widen = widen
        self.width = width
        self.stem_stride = stem_stride
        self.pooling = pooling
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.average = average
        self.patience = patience
        self.validation = validation
        self.validation_share = validation_share
        self.flips = flips
        self.jitter = jitter
        self.crop = crop
        self.head_epochs = head_epochs
        self.attribute_weight = attribute_weight
        self.margin = margin
        self.members = members
        self.device = device
        self.channels_last = channels_last
        self.random_state = random_state

    @classmethod
    def compact(cls, **changes: Any) -> Self:
        """Return a regressor for 64 px tiles on one or two processor cores.

        WRN-10-1 with a stem of stride 2 and mean and spread of the last maps, batches of 32, a
        cosine schedule over 36 epochs, all eight symmetries, and the attributes learned beside the
        target: about a minute of one core for 2,000 tiles. More epochs lower the error further.

        Of larger tiles it learns best from squares: ``compact(crop=64, hidden=128, epochs=60,
        head_epochs=120)`` for 256 px, about three minutes of one core for 2,000 tiles.

        Parameters
        ----------
        **changes
            Settings that are to be others.
        """
        settings: dict[str, Any] = {
            "depth": 10,
            "stem_stride": 2,
            "pooling": "mean+sd",
            "epochs": 36,
            "batch_size": 32,
            "learning_rate": 4e-3,
            "schedule": "cosine",
            "weight_decay": 1e-2,
            "validation": "none",
            "flips": "dihedral",
            "attribute_weight": 1.0,
        }
        return cls(**(settings | changes))

    # -- fitting ----------------------------------------------------------------------------------

    def fit(
        self,
        tiles: Tiles,
        y: ArrayLike,
        *,
        held_out: ArrayLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        tiles : Tiles
            n tiles.
        y : array_like of shape (n,) or (n, t)
            Properties of each tile's lot, in their units.
        held_out : array_like of int or bool, optional
            Positions of the tiles that end the training; instead of what `validation` says.
        checkpoint : path, optional
            Folder to resume from, and to keep what is needed for it; removed in the end.
        progress : callable, optional
            Called with (done, all at most, "epoch"); a view of whole tiles and the fit of a head to
            them count as an epoch each.

        Returns
        -------
        self : TileRegressor

        Raises
        ------
        SettingsError
            If a setting is out of range, the training diverges, or the folder is another's.
        DataError
            If targets are missing, of another number, or all one value.
        """
        from matlever.micrographs.regression._tile_member import Member, stages, train_member
        from matlever.micrographs.regression._tile_settings import check_settings

        targets = Targets.checked(tiles, y, self.margin)
        check_settings(self, tiles)
        outputs = targets.outputs(tiles, self.attribute_weight, self.margin)
        given = None if held_out is None else positions(held_out, len(tiles))
        folder = None if checkpoint is None else Path(checkpoint)
        mark = "" if folder is None else self.fingerprint(tiles, y, given)
        each = stages(self)
        trained: list[Member] = []
        watched: list[NDArray[np.intp]] = []
        for member in range(self.members):
            seed = (self.random_state, member, 1)
            rows = (
                held_out_rows(tiles, self.validation, self.validation_share, seed)
                if given is None
                else given
            )

            def tick(done: int, before: int = member * each) -> None:
                if progress is not None:
                    progress(before + done, self.members * each, "epoch")

            trained.append(train_member(self, member, tiles, *outputs, rows, folder, mark, tick))
            watched.append(rows)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self.networks_ = [member.network for member in trained]
        self.history_ = [member.history for member in trained]
        self.head_history_ = [member.head_history for member in trained]
        self.held_out_ = watched
        self.target_centre_, self.target_scale_ = targets.centre, targets.scale
        self.single_target_ = targets.is_single
        self.channels_ = tiles.channels
        self.names_ = tiles.names if self.attribute_weight else ()
        return self

    def fingerprint(
        self, tiles: Tiles, y: ArrayLike, held_out: NDArray[np.intp] | None = None
    ) -> str:
        """Return a digest of the settings, the targets and a sample of the tiles."""
        from matlever.micrographs.regression._tile_settings import fingerprint

        return fingerprint(self, tiles, y, held_out)

    # -- predicting -------------------------------------------------------------------------------

    def predict(self, tiles: Tiles, return_std: bool = False) -> Any:
        """Return the predicted property of each tile's lot.

        Parameters
        ----------
        tiles : Tiles
            n tiles of any size, at the magnification of the training tiles.
        return_std : bool, default=False
            Also return the standard deviation among the members.

        Returns
        -------
        prediction : ndarray of shape (n,), or (n, t) for several targets
        std : ndarray of the same shape
            Only with `return_std`; at least two members are needed.
        """
        found = self._outputs_of(tiles)[:, :, : len(self.target_scale_)]
        found = found * self.target_scale_ + self.target_centre_
        mean = self._shaped(found.mean(axis=0))
        if not return_std:
            return mean
        if len(self.networks_) < 2:
            raise SettingsError("One network has no spread: fit with members=3 or more.")
        return mean, self._shaped(found.std(axis=0, ddof=1))

    @property
    def has_std(self) -> bool:
        """Whether there are standard deviations: the members' spread."""
        return len(self.networks_) > 1

    def predict_attributes(self, tiles: Tiles) -> Array:
        """Return the attributes (n, k) the network reads off each tile; may leave 0 to 1 a little.

        Raises
        ------
        SettingsError
            If the network was fitted with ``attribute_weight=0``.
        """
        check_is_fitted(self)
        if not self.names_:
            raise SettingsError("This network learned no attributes: fit with attribute_weight=1.")
        found = self._outputs_of(tiles)[:, :, len(self.target_scale_) :].mean(axis=0)
        return np.asarray((found * (1 + self.margin) + 1) / 2)

    def embed(self, tiles: Tiles) -> Array:
        """Return the features the heads see, of shape (n, members * features)."""
        return np.concatenate(
            list(self._each_batch(tiles, lambda network, x: network.features(x))), axis=1
        )

    def predict_tensor(self, X: torch.Tensor) -> torch.Tensor:
        """Return predictions that know their gradient with respect to the pixels.

        Parameters
        ----------
        X : Tensor of shape (m, C, H, W)
            Intensities in [0, 1].

        Returns
        -------
        prediction : Tensor of shape (m,), or (m, t) for several targets
        """
        import torch

        check_is_fitted(self)
        self._check_channels(X.shape[1])
        x = X.to(device=self.device, dtype=torch.float32)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        t = len(self.target_scale_)
        outputs = torch.stack([network(x)[:, :t] for network in self.networks_]).mean(dim=0)
        scale, centre = (
            torch.tensor(values, dtype=torch.float32, device=outputs.device)
            for values in (self.target_scale_, self.target_centre_)
        )
        found = outputs * scale + centre
        return found[:, 0] if self.single_target_ else found

    def _outputs_of(self, tiles: Tiles) -> Array:
        """Return the outputs of every member, of shape (members, n, outputs)."""
        return np.stack(list(self._each_batch(tiles, lambda network, x: network(x))))

    def _each_batch(self, tiles: Tiles, call: Callable[..., Any]) -> list[Array]:
        """Return what `call` makes of all tiles with each network, reading each tile once."""
        import torch

        from matlever.micrographs.regression._tile_batches import batch_tensor, in_batches

        check_is_fitted(self)
        self._check_channels(tiles.channels)
        if not len(tiles):
            raise NotEnoughDataError("There are no tiles to predict.")
        # Results go to arrays made beforehand: kept pieces, lying between the buffers of batches,
        # would keep the allocator from giving these back, and memory would grow with the tiles.
        found: list[Array] = []
        with torch.no_grad():
            for rows in in_batches(len(tiles), _PREDICTED):
                x = batch_tensor(tiles, rows, self.device, self.channels_last)
                for m, network in enumerate(self.networks_):
                    made = call(network, x)
                    if len(found) == m:
                        found.append(np.empty((len(tiles), *made.shape[1:])))
                    found[m][rows] = made.cpu().numpy()
        return found

    def _shaped(self, values: Array) -> Array:
        return values[:, 0] if self.single_target_ else values

    def _check_channels(self, channels: int) -> None:
        if channels != self.channels_:
            kinds = {1: "grey", 3: "colour"}
            raise DataError(
                f"The network was trained on {kinds[self.channels_]} tiles; these are "
                f"{kinds.get(channels, f'of {channels} channels')}."
            )

    # -- to a model folder and back ---------------------------------------------------------------

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted regressor; see `matlever.storage`."""
        from matlever.micrographs.regression._tile_state import state_of

        check_is_fitted(self)
        return state_of(self)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild a fitted regressor, on the processor; predictions are bitwise the same.

        Raises
        ------
        ModelFileError
            If a value is missing or does not fit the others.
        """
        from matlever.micrographs.regression._tile_state import rebuilt

        return rebuilt(cls, state)

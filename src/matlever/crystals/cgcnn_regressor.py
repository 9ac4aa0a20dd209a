"""Regression of properties from crystal structures: an ensemble of crystal graph networks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from matlever.crystals._cgcnn_rows import (
    as_graphs,
    check_settings,
    check_targets,
    compositions_of,
    fingerprint_of,
    hold_out,
    seed_of,
)
from matlever.crystals._cgcnn_state import fitted_state, rebuild
from matlever.crystals.crystals import Crystals
from matlever.crystals.graphs import CrystalGraphs
from matlever.exceptions import DataError, SettingsError
from matlever.storage import State
from matlever.validation.intervals import order_statistic

if TYPE_CHECKING:
    from matlever.crystals._cgcnn_batches import GraphTensors
    from matlever.crystals._cgcnn_training import Epoch, Loss, Schedule
    from matlever.crystals.cgcnn import CGCNN, AtomFeatures, Pooling

__all__ = ["CGCNNRegressor"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Progress = Callable[[int, int, str], None]


class CGCNNRegressor(RegressorMixin, BaseEstimator):
    """Crystal graph networks that predict properties of a crystal from its structure.

    The architecture is that of Xie and Grossman [1]_, see :class:`CGCNN`; how it is trained is
    ours (Adam with one cycle of the learning rate).

    Parameters
    ----------
    atom_features, width, n_convolutions, hidden_width, n_hidden, gated, pooling
        Of the network, see :class:`CGCNN`. ``pooling="site"`` gives `site_contributions`.
    radius : float, default=8.0
        Centre of the last Gaussian of the distances, and how far neighbours usually are at most,
        in Angstrom.
    n_neighbours : int, default=12
        Neighbours of each atom, for crystals that come without a graph.
    n_members : int, default=1
        Networks that are averaged; they differ in first weights and in the order of rows.
    n_epochs : int, default=60
        Rounds over the training rows; with early stopping, the most that are made.
    batch_size : int, default=64
        Crystals per step.
    learning_rate : float, default=0.01
        Adam's step size; with one cycle, the highest.
    schedule : {"one-cycle", "constant"}, default="one-cycle"
        Whether the step size rises over 30 % of the epochs and then falls to zero.
    loss : {"squared", "absolute"}, default="squared"
        What is minimised over the standardised targets.
    weight_decay : float, default=0.0
        Decoupled weight decay (AdamW).
    early_stopping : bool, default=False
        Keep the weights with the lowest error on held-out rows, and stop when it no longer falls.
    validation_fraction : float, default=0.1
        Share of the compositions held out for early stopping.
    patience : int, default=20
        Epochs without a lower held-out error after which training ends.
    calibration_fraction : float, default=0.0
        Share of the compositions held out of all training so that `predict_interval` can be had.
    device : str, default="cpu"
        Where torch computes.
    random_state : int, RandomState or None, default=None
        Source of first weights, shuffles and held-out rows.

    Attributes
    ----------
    networks_ : list of CGCNN
        In evaluation mode.
    y_mean_, y_scale_ : ndarray of shape (t,)
        Mean and standard deviation of the training targets.
    n_neighbours_ : int
        Neighbours of each atom in the graphs that were trained on; those to predict need as many.
    single_target_ : bool
        Whether `y` was a list of numbers, and predictions are.
    history_ : list of list of Epoch
        Losses of each member after each epoch, in standard deviations of the targets.
    validation_rows_, calibration_rows_ : ndarray of int
        What was held out.
    calibration_scores_ : ndarray of shape (n_calibration, t)
        Errors on the calibration rows over the scale that `predict_interval` says, sorted.
    calibration_spread_ : ndarray of shape (t,)
        Mean spread of the members on those rows, in the targets' units.

    Notes
    -----
    Rows of one composition (polymorphs, isomers) are held out together, and means and scales of
    the targets are those of the training rows. With a checkpoint folder each epoch is written; a
    training that was killed and is called again ends with the same weights (same machine and
    number of threads).

    The members are trained one after another and not stacked into one network: the tensors of one
    batch already fill the cache of a processor, so little was expected of it; it was not measured.

    References
    ----------
    .. [1] T. Xie, J. C. Grossman, Phys. Rev. Lett. 120 (2018) 145301.
    .. [2] L. N. Smith, N. Topin, "Super-convergence" (2018), arXiv:1708.07120.
    .. [3] J. Lei et al., "Distribution-free predictive inference for regression",
       J. Am. Stat. Assoc. 113 (2018) 1094: split conformal intervals, section 5.2 with a scale.
    """

    def __init__(
        self,
        *,
        atom_features: AtomFeatures = "properties",
        width: int = 64,
        n_convolutions: int = 3,
        hidden_width: int = 128,
        n_hidden: int = 1,
        gated: bool = True,
        pooling: Pooling = "mean",
        radius: float = 8.0,
        n_neighbours: int = 12,
        n_members: int = 1,
        n_epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 0.01,
        schedule: Schedule = "one-cycle",
        loss: Loss = "squared",
        weight_decay: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 20,
        calibration_fraction: float = 0.0,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.atom_features = atom_features
        self.width = width
        self.n_convolutions = n_convolutions
        self.hidden_width = hidden_width
        self.n_hidden = n_hidden
        self.gated = gated
        self.pooling = pooling
        self.radius = radius
        self.n_neighbours = n_neighbours
        self.n_members = n_members
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.loss = loss
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.calibration_fraction = calibration_fraction
        self.device = device
        self.random_state = random_state

    # -- fitting ----------------------------------------------------------------------------------

    def fit(
        self,
        X: Crystals | CrystalGraphs,
        y: ArrayLike,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : Crystals or CrystalGraphs
            n crystals; graphs are made where none are given.
        y : array_like of shape (n,) or (n, t)
            Properties of each crystal, in their units: of the whole cell or of an atom, but the
            same for all, since the network takes means over atoms.
        checkpoint : path, optional
            Folder to resume from, and to keep what is needed for it; removed in the end. Needs an
            integer `random_state`.
        progress : callable, optional
            Called with (epochs done, epochs at most, "epoch").

        Returns
        -------
        self : CGCNNRegressor

        Raises
        ------
        DataError
            If targets are missing, of another number, or all one value; if there are too few rows.
        SettingsError
            If a setting is out of range, the training diverges, or the folder is another's.
        """
        check_settings(self)
        graphs = as_graphs(X, self.radius, self.n_neighbours)
        targets, single = check_targets(y, graphs)
        if checkpoint is not None and not isinstance(self.random_state, int | np.integer):
            raise SettingsError(
                "A checkpoint needs an integer random_state, so that a training can be taken up "
                f"where it was left; it is {self.random_state!r}."
            )
        seed = seed_of(self.random_state)
        rows, validation, calibration = self._split(graphs, seed)
        mean, scale = targets[rows].mean(axis=0), targets[rows].std(axis=0)
        if not (scale > 0).all():
            scale = np.where(scale > 0, scale, 1.0)
        folder = None if checkpoint is None else Path(checkpoint)
        mark = "" if folder is None else fingerprint_of(self, graphs, targets)
        from matlever.crystals._cgcnn_batches import GraphTensors

        data = GraphTensors.of(graphs, self.device)
        standardised = ((targets - mean) / scale).astype(np.float32)
        networks, histories = [], []
        for member in range(self.n_members):
            place = None if folder is None else folder / f"member_{member}"
            network, history = self._train(
                data, standardised, rows, validation, (seed, member), place, mark, progress
            )
            networks.append(network)
            histories.append(history)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self.networks_: list[CGCNN] = networks
        self.history_: list[list[Epoch]] = histories
        self.y_mean_, self.y_scale_, self.single_target_ = mean, scale, single
        self.n_neighbours_ = graphs.n_neighbours
        self.validation_rows_, self.calibration_rows_ = validation, calibration
        self._calibrate(data, targets, calibration)
        return self

    def _split(self, graphs: CrystalGraphs, seed: int) -> tuple[Rows, Rows, Rows]:
        """Return rows to train on, to stop by and to calibrate by: no composition in two."""
        shares = [
            self.validation_fraction if self.early_stopping else 0.0,
            self.calibration_fraction,
        ]
        random = np.random.default_rng((seed, 1))
        rows, validation, calibration = hold_out(compositions_of(graphs), shares, random)
        return rows, validation, calibration

    def _train(
        self,
        data: GraphTensors,
        targets: NDArray[np.float32],
        rows: Rows,
        held_out: Rows,
        seed: tuple[int, int],
        folder: Path | None,
        mark: str,
        progress: Progress | None,
    ) -> tuple[CGCNN, list[Epoch]]:
        """Train one member, or take up where it was left."""
        import torch

        from matlever.crystals._cgcnn_training import LoopSettings, Training
        from matlever.crystals.cgcnn import CGCNN

        with torch.random.fork_rng(devices=[]):
            first = np.random.SeedSequence((*seed, 2)).generate_state(1)[0]
            torch.manual_seed(int(first))
            network = CGCNN(n_outputs=targets.shape[1], **self._architecture())
        settings = LoopSettings(
            n_epochs=self.n_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            loss=self.loss,
            weight_decay=self.weight_decay,
            patience=self.patience if self.early_stopping else None,
            device=self.device,
        )
        training = Training(network, settings, (*seed, 3))
        if folder is not None and folder.exists():
            training.read(folder, mark)
        on_device = torch.from_numpy(targets).to(self.device)
        while not training.is_done:
            training.epoch(data, on_device, rows, held_out)
            if folder is not None:
                training.write(folder, mark)
            if progress is not None:
                done = seed[1] * self.n_epochs + len(training.history)
                progress(done, self.n_members * self.n_epochs, "epoch")
        return training.finished(), training.history

    def _architecture(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _ARCHITECTURE}

    def _calibrate(self, data: GraphTensors, targets: Array, rows: Rows) -> None:
        """Note how far predictions of the calibration rows are off."""
        n_targets = targets.shape[1]
        if not len(rows):
            self.calibration_scores_ = np.empty((0, n_targets))
            self.calibration_spread_ = np.zeros(n_targets)
            return
        found = self._members(data, rows)
        spread = _spread(found)
        self.calibration_spread_ = spread.mean(axis=0)
        scale = self._interval_scale(spread)
        self.calibration_scores_ = np.sort(abs(targets[rows] - found.mean(axis=0)) / scale, axis=0)

    # -- predicting -------------------------------------------------------------------------------

    @property
    def has_std(self) -> bool:
        """Whether standard deviations say anything: one network alone has no spread."""
        return self.n_members > 1

    def predict(self, X: Crystals | CrystalGraphs, return_std: bool = False) -> Any:
        """Predict the properties as the mean over the members.

        Parameters
        ----------
        X : Crystals or CrystalGraphs
            n crystals.
        return_std : bool, default=False
            Also return the standard deviation among the members, which is no calibrated
            uncertainty: see `predict_interval`.

        Returns
        -------
        prediction : ndarray of shape (n,), or (n, t) for several targets
        std : ndarray of the same shape
            Only with `return_std`; zero for a single member.
        """
        found = self._members(self._data(X))
        mean = self._shaped(found.mean(axis=0))
        return (mean, self._shaped(_spread(found))) if return_std else mean

    def predict_interval(
        self, X: Crystals | CrystalGraphs, level: float = 0.9
    ) -> tuple[Array, Array]:
        """Return split conformal intervals from the calibration rows.

        An interval is as much wider than the mean one as the members disagree more, and never
        narrower than half the mean one. It covers a share `level` of crystals of new compositions
        that are drawn as the training data were, and promises nothing for others.

        Parameters
        ----------
        X : Crystals or CrystalGraphs
            n crystals.
        level : float, default=0.9
            Share to cover.

        Returns
        -------
        lower, upper : ndarray of shape (n,), or (n, t) for several targets
            Infinite when there are too few calibration rows for the level.

        Raises
        ------
        SettingsError
            If the regressor was fitted without calibration rows.
        """
        check_is_fitted(self)
        scores = self.calibration_scores_
        rank = order_statistic(len(scores), level)
        if not len(scores):
            raise SettingsError(
                "Intervals need rows that no network was trained on: fit with "
                "calibration_fraction=0.1 or so."
            )
        found = self._members(self._data(X))
        factor = scores[rank - 1] if rank <= len(scores) else np.full(scores.shape[1], np.inf)
        half = factor * self._interval_scale(_spread(found))
        mean = found.mean(axis=0)
        return self._shaped(mean - half), self._shaped(mean + half)

    def site_contributions(self, X: Crystals | CrystalGraphs) -> Array:
        """Return what each site contributes; their mean over a cell is the prediction.

        Parameters
        ----------
        X : Crystals or CrystalGraphs
            Crystals with N atoms in all.

        Returns
        -------
        contributions : ndarray of shape (N,), or (N, t) for several targets
            In the targets' units, in the order of the atoms.

        Raises
        ------
        SettingsError
            If the networks do not have ``pooling="site"``.
        """
        return self._shaped(self._members(self._data(X), sites=True).mean(axis=0))

    def _data(self, X: Crystals | CrystalGraphs) -> GraphTensors:
        check_is_fitted(self)
        from matlever.crystals._cgcnn_batches import GraphTensors

        graphs = as_graphs(X, self.radius, self.n_neighbours_)
        if graphs.n_neighbours != self.n_neighbours_:
            raise DataError(
                f"These graphs have {graphs.n_neighbours} neighbours of each atom, those trained "
                f"on had {self.n_neighbours_}: crystal_graphs(..., "
                f"n_neighbours={self.n_neighbours_})."
            )
        return GraphTensors.of(graphs, self.device)

    def _members(self, data: GraphTensors, rows: Rows | None = None, *, sites: bool = False) -> Any:
        """Return what each member says, of shape (n_members, n, t), in the targets' units."""
        from matlever.crystals._cgcnn_training import outputs_of

        found = [outputs_of(network, data, rows, sites=sites) for network in self.networks_]
        outputs = np.stack([one.cpu().numpy().astype(np.float64) for one in found])
        return outputs * self.y_scale_ + self.y_mean_

    def _interval_scale(self, spread: Array) -> Array:
        """Return what errors are measured by, (n, t): the spread plus its mean, or 1."""
        mean = self.calibration_spread_
        return np.where(mean > 0, spread + mean, 1.0)

    def _shaped(self, values: Array) -> Array:
        return values[:, 0] if self.single_target_ else values

    # -- storing ----------------------------------------------------------------------------------

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted networks."""
        check_is_fitted(self)
        return fitted_state(self)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild fitted networks; predictions are bitwise those of the original.

        Raises
        ------
        ModelFileError
            If a value or array is missing or does not fit the others.
        """
        return rebuild(cls, state)


_ARCHITECTURE = (
    "atom_features",
    "width",
    "n_convolutions",
    "hidden_width",
    "n_hidden",
    "gated",
    "pooling",
    "radius",
)


def _spread(members: Array) -> Array:
    """Return the standard deviation over the first axis, 0 for a single member."""
    return members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros(members.shape[1:])

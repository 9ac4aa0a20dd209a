"""Regression of a property from element fractions: the estimator around ElemNet."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from matlever.compositions._elemnet_learning import LearningElemNet
from matlever.compositions._elemnet_predicting import N_LAYERS, PredictingElemNet
from matlever.compositions._elemnet_rows import joined_groups
from matlever.exceptions import DataError, SettingsError
from matlever.storage import State

__all__ = ["ElemNetRegressor"]

Float = NDArray[np.float64]
Progress = Callable[[int, int, str], None]


class ElemNetRegressor(RegressorMixin, PredictingElemNet, LearningElemNet):
    """Seventeen dense layers from element fractions to one or several properties.

    The architecture is ElemNet's [1]_. The defaults are its quarter-width variant for two cores,
    trained otherwise than published: no dropout, AdamW with one cycle of the step size, and
    averaged weights. :meth:`published` gives the paper's settings.

    Parameters
    ----------
    width : float, default=0.25
        Factor of the published layer widths.
    dropout : tuple of 4 floats, default=(0, 0, 0, 0)
        Share dropped after each of the first four groups of layers.
    n_members : int, default=1
        Networks that are averaged; they differ in initial weights, shuffles and, unless `held_out`
        is given to :meth:`fit`, in the rows that end their training. Trained in as many threads
        as torch has.
    epochs : int, default=40
        Rounds over the training rows.
    least_steps : int, default=3000
        With few rows, rounds are added until so many steps are made.
    batch_size : int, default=256
        Rows per step, and at most an eighth of the training rows but at least 16.
    learning_rate : float, default=2e-3
        AdamW's largest step size.
    schedule : {"one-cycle", "cosine", "constant"}, default="one-cycle"
        The step size rises over a tenth of the steps and falls to zero along a cosine; only falls;
        or stays.
    weight_decay : float, default=0.1
        Decoupled, of weights and not of biases.
    loss : {"absolute", "squared"}, default="absolute"
        Error that is made small.
    average : float, default=0.999
        Decay per step of a running average of the weights, which is then what predicts; 0 keeps
        the last weights.
    patience : int, default=20
        Epochs without a lower error on the held-out rows after which training ends; the weights
        with the lowest one are kept.
    validation_share : float, default=0.1
        Share of the rows held out to end the training, whole compositions; 0 trains through.
    calibration_share : float, default=0.0
        Share of the rows held out from training for intervals, whole compositions.
    mc_samples : int, default=0
        Passes with dropout for the standard deviation (MC dropout [2]_); 0 takes the members.
    elements : tuple of str or None, default=None
        Elements whose fractions are taken from `Compositions`; default all from H to Lr. The
        paper's 86 are ``ELEMNET_ELEMENTS``.
    precision : {"float32", "bfloat16"}, default="float32"
        Of the products in training, and in prediction of all but the first and last layer.
        bfloat16 is faster where the processor knows it.
    device : str, default="cpu"
        Where torch computes.
    random_state : int, default=0
        Seed of everything that is random.

    Attributes
    ----------
    networks_ : list of ElemNet
        In evaluation mode.
    target_mean_, target_scale_ : ndarray of shape (t,)
        A target is its mean plus its scale times an output of the network.
    seen_ : ndarray of bool of shape (n_features,)
        Elements that occur in the training rows; the others have no influence.
    history_ : list of list of ElemNetEpoch
        Errors of each member after each epoch, in standard deviations of the target.
    held_out_ : list of ndarray of int
        Rows each member was watched on.
    calibration_ : HeldOutScores or None
        From :meth:`calibrate`.
    n_features_in_ : int
    single_target_ : bool
        Whether `y` was a list of numbers, and predictions are.

    Notes
    -----
    A training that was killed and is called again with the same checkpoint folder ends with the
    same weights, bit for bit, as one that was not (same machine, same number of threads).

    For small tables use :class:`matlever.validation.CrossConformalRegressor` around it, or
    :meth:`fine_tune` a network that was fitted to a large one.

    References
    ----------
    .. [1] D. Jha et al., Sci. Rep. 8 (2018) 17593, doi:10.1038/s41598-018-35934-y.
    .. [2] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 60)
    >>> oxides = np.stack([x, 1 - x], axis=1)
    >>> model = ElemNetRegressor(width=0.05, least_steps=400).fit(oxides, -x * (1 - x))
    >>> bool(abs(model.predict([[0.5, 0.5]])[0] + 0.25) < 0.05)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "width": [Real],
        "dropout": [tuple, list],
        "n_members": [Integral],
        "epochs": [Integral],
        "least_steps": [Integral],
        "batch_size": [Integral],
        "learning_rate": [Real],
        "schedule": [StrOptions({"one-cycle", "cosine", "constant"})],
        "weight_decay": [Real],
        "loss": [StrOptions({"absolute", "squared"})],
        "average": [Real],
        "patience": [Integral],
        "validation_share": [Real],
        "calibration_share": [Real],
        "mc_samples": [Integral],
        "elements": [tuple, list, None],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        width: float = 0.25,
        dropout: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0),
        n_members: int = 1,
        epochs: int = 40,
        least_steps: int = 3000,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle",
        weight_decay: float = 0.1,
        loss: Literal["absolute", "squared"] = "absolute",
        average: float = 0.999,
        patience: int = 20,
        validation_share: float = 0.1,
        calibration_share: float = 0.0,
        mc_samples: int = 0,
        elements: tuple[str, ...] | None = None,
        precision: Literal["float32", "bfloat16"] = "float32",
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.width = width
        self.dropout = dropout
        self.n_members = n_members
        self.epochs = epochs
        self.least_steps = least_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.loss = loss
        self.average = average
        self.patience = patience
        self.validation_share = validation_share
        self.calibration_share = calibration_share
        self.mc_samples = mc_samples
        self.elements = elements
        self.precision = precision
        self.device = device
        self.random_state = random_state

    @classmethod
    def published(cls, **changes: Any) -> Self:
        """Return a regressor with the paper's settings, for a GPU.

        Full width and dropout, 86 elements, batches of 32, Adam with a constant step size of 1e-4,
        mean absolute error, and training that ends 200 epochs after the lowest validation error, as
        in the authors' repository (``dl_regressors.py`` and its sample configuration).

        Parameters
        ----------
        **changes
            Settings that are to be others.
        """
        from matlever.compositions.elemnet import ELEMNET_ELEMENTS

        settings: dict[str, Any] = {
            "width": 1.0,
            "dropout": (0.2, 0.1, 0.3, 0.2),
            "epochs": 1000,
            "least_steps": 1,
            "batch_size": 32,
            "learning_rate": 1e-4,
            "schedule": "constant",
            "weight_decay": 0.0,
            "average": 0.0,
            "patience": 200,
            "elements": ELEMNET_ELEMENTS,
        }
        return cls(**(settings | changes))

    def __sklearn_tags__(self) -> Any:
        """Say that several targets are predicted."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    # -- fitting ----------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        held_out: ArrayLike | None = None,
        calibration: ArrayLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : Compositions, DataFrame or array_like of shape (n, n_features)
            Element fractions. A row that does not sum to one is taken as it is.
        y : array_like of shape (n,) or (n, t)
            Targets, in any unit.
        groups : array_like of shape (n,), optional
            Rows that are held out together, beside those of one composition.
        held_out : array_like of int or bool, optional
            Rows that end the training; instead of what `validation_share` says.
        calibration : array_like of int or bool, optional
            Rows for the intervals, which no network sees; instead of `calibration_share`.
        checkpoint : path, optional
            Folder to resume from, and to keep what is needed for it; removed in the end.
        progress : callable, optional
            Called with (epochs done, epochs at most, "epoch").

        Returns
        -------
        self : ElemNetRegressor

        Raises
        ------
        SettingsError
            If a setting is out of range, the training diverges, or the folder is another's.
        DataError
            If a composition holds an element that is not among `elements`.
        """
        x, targets = self._training_data(X, y)
        self._check_ranges()
        self._fit_seed = self._seed()
        units = joined_groups(x, groups)
        rows, apart = self._calibration_rows(units, calibration)
        self.target_mean_ = targets[rows].mean(axis=0)
        scale = targets[rows].std(axis=0)
        self.target_scale_ = np.where(scale > 1e-12 * np.abs(self.target_mean_), scale, 1.0)
        self.seen_ = (x[rows] != 0).any(axis=0)
        networks = [self._fresh(x.shape[1], targets.shape[1], m) for m in range(self.n_members)]
        self._train(networks, x, targets, units, rows, held_out, checkpoint, progress)
        self.calibration_ = None
        if len(apart):
            self._calibrate(x[apart], targets[apart])
        return self

    def fine_tune(
        self,
        X: Any,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        freeze: int = 0,
        redraw: int = 1,
        epochs: int | None = None,
        least_steps: int | None = None,
        learning_rate: float | None = None,
        held_out: ArrayLike | None = None,
        progress: Progress | None = None,
    ) -> ElemNetRegressor:
        """Return a regressor for another, small table that starts from these weights.

        Parameters
        ----------
        X : Compositions, DataFrame or array_like of shape (n, n_features)
            As in :meth:`fit`, with the same columns.
        y : array_like of shape (n,) or (n, t)
            Targets, of another property or the same.
        groups : array_like of shape (n,), optional
            Rows that are held out together.
        freeze : int, default=0
            Layers, counted from the inputs, that keep their weights; at most 16.
        redraw : int, default=1
            Layers, counted from the output, whose weights are drawn anew. With 0 the property must
            be the same, in the same unit. Deep layers of a well-trained network hold little but
            its property, so that for another one drawing all that is not frozen can be better.
        epochs, least_steps : int, optional
            Default: those of this regressor.
        learning_rate : float, optional
            Default: a quarter of this regressor's.
        held_out : array_like of int or bool, optional
            Rows that end the training; default a share of the rows, see `validation_share`.
        progress : callable, optional
            Called with (epochs done, epochs at most, "epoch").

        Returns
        -------
        tuned : ElemNetRegressor
            A new one; this one does not change.
        """
        check_is_fitted(self)
        if not 0 <= freeze < N_LAYERS:
            raise SettingsError(f"freeze={freeze} must be from 0 to {N_LAYERS - 1} layers.")
        changes = {
            "epochs": epochs,
            "least_steps": least_steps,
            "learning_rate": self.learning_rate / 4 if learning_rate is None else learning_rate,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        tuned = type(self)(**(self.get_params() | given))
        x, targets = tuned._training_data(X, y)
        if x.shape[1] != self.n_features_in_:
            raise DataError(f"X has {x.shape[1]} columns, this network {self.n_features_in_}.")
        tuned._check_ranges()
        tuned._fit_seed = tuned._seed()
        n_outputs = len(self.target_scale_)
        if not 0 <= redraw <= N_LAYERS - freeze:
            raise SettingsError(
                f"redraw={redraw} must be from 0 to the {N_LAYERS - freeze} layers not frozen."
            )
        if not redraw and targets.shape[1] != n_outputs:
            raise SettingsError(
                f"redraw=0 keeps {n_outputs} outputs; y has {targets.shape[1]} columns."
            )
        scale = targets.std(axis=0)
        tuned.target_mean_ = targets.mean(axis=0) if redraw else self.target_mean_
        tuned.target_scale_ = np.where(scale > 0, scale, 1.0) if redraw else self.target_scale_
        # Elements that neither table holds still have no influence.
        here = (x != 0).any(axis=0)
        tuned.seen_ = self.seen_ if freeze else here if redraw == N_LAYERS else self.seen_ | here
        networks = [copy.deepcopy(network).to(self.device) for network in self.networks_]
        for member, network in enumerate(networks if redraw else []):
            fresh = tuned._fresh(x.shape[1], targets.shape[1], member)
            network.config = dict(fresh.config)
            for place in range(N_LAYERS - redraw, N_LAYERS):
                network.layers[place] = fresh.layers[place]
        units = joined_groups(x, groups)
        rows = np.arange(len(x))
        tuned._train(
            networks,
            x,
            targets,
            units,
            rows,
            held_out,
            None,
            progress,
            frozen=freeze,
            new=redraw == N_LAYERS,
        )
        tuned.calibration_ = None
        return tuned

    # -- to a model folder and back ---------------------------------------------------------------

    def to_state(self) -> State:
        """Return everything needed to rebuild the fitted regressor; see `matlever.storage`."""
        from matlever.compositions._elemnet_state import state_of

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
        from matlever.compositions._elemnet_state import rebuilt

        return rebuilt(cls, state)

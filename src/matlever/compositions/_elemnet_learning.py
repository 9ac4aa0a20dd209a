"""What an ElemNet regressor does to be fitted: checks, rows kept apart, first weights, training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from matlever.compositions._elemnet_rows import dense, positions, split_groups, sums_to_one
from matlever.compositions.compositions import Compositions
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import DataError, NotEnoughDataError, SettingsError

if TYPE_CHECKING:
    from matlever.compositions._elemnet_inference import Precision
    from matlever.compositions._elemnet_training import ElemNetEpoch, LoopSettings
    from matlever.compositions.elemnet import ElemNet

__all__ = ["LearningElemNet"]

Float = NDArray[np.float64]
Array32 = NDArray[np.float32]
Progress = Callable[[int, int, str], None]

_LEAST_BATCH = 16


class LearningElemNet(BaseEstimator):
    """The parameters of a regressor, and how they are used in training."""

    width: float
    dropout: tuple[float, ...]
    n_members: int
    epochs: int
    least_steps: int
    batch_size: int
    learning_rate: float
    schedule: Literal["one-cycle", "cosine", "constant"]
    weight_decay: float
    loss: Literal["absolute", "squared"]
    average: float
    patience: int
    validation_share: float
    calibration_share: float
    mc_samples: int
    elements: tuple[str, ...] | None
    precision: Precision
    device: str
    random_state: Any
    networks_: list[ElemNet]
    history_: list[list[ElemNetEpoch]]

    def _training_data(self, X: Any, y: ArrayLike) -> tuple[Array32, Float]:
        """Return checked fractions and targets (n, t); set what describes the inputs."""
        self._validate_params()
        if isinstance(X, Compositions):
            X = dense(X, ELEMENTS if self.elements is None else self.elements)
        x, targets = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=np.float32, ensure_min_samples=2
        )
        self.single_target_ = targets.ndim == 1
        self.fractions_ = sums_to_one(x)
        return np.ascontiguousarray(x), np.asarray(targets, dtype=np.float64).reshape(len(x), -1)

    def _check_ranges(self) -> None:
        from matlever.compositions.elemnet import ElemNet

        least = {
            "n_members": 1,
            "epochs": 1,
            "least_steps": 1,
            "batch_size": 1,
            "patience": 1,
            "mc_samples": 0,
            "weight_decay": 0,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise SettingsError(f"{name}={getattr(self, name)} must be at least {value}.")
        if not 0 < self.learning_rate < float("inf"):
            raise SettingsError(f"learning_rate={self.learning_rate} must be positive and finite.")
        for name in ("average", "validation_share", "calibration_share"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name}={getattr(self, name)} must be from 0 to below 1.")
        if self.mc_samples and not any(self.dropout):
            raise SettingsError(f"mc_samples={self.mc_samples} needs dropout above 0.")
        ElemNet(width=self.width, dropout=self.dropout)  # refuses what it cannot be built with

    def _calibration_rows(
        self, units: NDArray[np.intp], given: ArrayLike | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows to train with and rows for the intervals."""
        every = np.arange(len(units))
        if given is None:
            if not self.calibration_share:
                return every, every[:0]
            random = np.random.default_rng((self._fit_seed, 2))
            return split_groups(units, every, self.calibration_share, random, "calibration_share")
        apart = positions(given, len(units), "calibration")
        rows = np.setdiff1d(every, apart)
        _refuse_shared(units, rows, apart, "calibration")
        return rows, apart

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        from sklearn.utils import check_random_state

        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _fresh(self, n_inputs: int, n_outputs: int, member: int) -> ElemNet:
        """Return a network with first weights of its own."""
        import torch

        from matlever.compositions.elemnet import ElemNet

        seed = np.random.SeedSequence((self._fit_seed, member)).generate_state(1)[0]
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and drawn again
            network = ElemNet(
                n_inputs=n_inputs, n_outputs=n_outputs, width=self.width, dropout=self.dropout
            )
        return network.initialise(torch.Generator().manual_seed(int(seed)))

    def _train(
        self,
        networks: list[ElemNet],
        x: Array32,
        targets: Float,
        units: NDArray[np.intp],
        rows: NDArray[np.intp],
        held_out: ArrayLike | None,
        checkpoint: str | os.PathLike[str] | None,
        progress: Progress | None,
        *,
        frozen: int = 0,
        new: bool = True,
    ) -> None:
        """Train the networks from the weights they have; set what `predict` needs."""
        import torch

        from matlever.compositions._elemnet_fit import MemberTask, train_members

        scaled = ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)
        tasks = [
            MemberTask(network, (self._fit_seed, m, 1), *self._watched(units, rows, held_out, m))
            for m, network in enumerate(networks)
        ]
        if new:  # an element that never occurs is not to act through its first weights
            with torch.no_grad():
                for task in tasks:
                    never = torch.from_numpy(~(x[task.rows] != 0).any(axis=0))
                    task.network.linear[0].weight[:, never] = 0.0
        folder = None if checkpoint is None else Path(checkpoint)
        trained = train_members(
            tasks,
            x,
            scaled,
            self._loop(min(len(task.rows) for task in tasks)),
            frozen=frozen,
            checkpoint=folder,
            progress=progress,
        )
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self.networks_ = [network for network, _ in trained]
        self.history_ = [history for _, history in trained]
        self.held_out_ = [task.held_out for task in tasks]

    def _watched(
        self, units: NDArray[np.intp], rows: NDArray[np.intp], given: ArrayLike | None, member: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows to train on, and rows that end the training."""
        if given is not None:
            watched = positions(given, len(units), "held_out")
            kept = np.setdiff1d(rows, watched)
            _refuse_shared(units, kept, watched, "held_out")
            return kept, watched
        if not self.validation_share:
            return rows, rows[:0]
        random = np.random.default_rng((self._fit_seed, member, 3))
        return split_groups(units, rows, self.validation_share, random, "validation_share")

    def _loop(self, n_rows: int) -> LoopSettings:
        """Return the settings of the training loop for so many rows."""
        from matlever.compositions._elemnet_training import LoopSettings

        batch_size = min(self.batch_size, max(_LEAST_BATCH, n_rows // 8))
        steps = max(1, n_rows // batch_size)
        epochs = max(self.epochs, -(-self.least_steps // steps))
        return LoopSettings(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=float(self.learning_rate),
            schedule=self.schedule,
            weight_decay=float(self.weight_decay),
            loss=self.loss,
            average=float(self.average),
            # as many steps without a lower error, whatever the number of rounds
            patience=max(1, round(self.patience * epochs / self.epochs)),
            precision=self.precision,
            device=self.device,
        )


def _refuse_shared(
    units: NDArray[np.intp], rows: NDArray[np.intp], apart: NDArray[np.intp], what: str
) -> None:
    """Refuse to hold out rows whose composition or group stays in training."""
    if not len(rows):
        raise NotEnoughDataError(f"{what} leaves no rows to train on.")
    shared = apart[np.isin(units[apart], units[rows])]
    if len(shared):
        raise DataError(
            f"{what}: {len(shared)} rows have a composition or group that is also trained on, the "
            f"first is row {int(shared[0])}. Hold all of its rows out, or none."
        )

"""What is asked of the training of a stack of networks, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import SettingsError

__all__ = ["Member", "TrainingResult", "TrainingSettings"]


@dataclass(frozen=True)
class TrainingSettings:
    """How every member of a stack is trained.

    Parameters
    ----------
    n_steps : int, default=500
        Adam steps; with early stopping, the most that are taken.
    batch_size : int, default=64
        Rows per mini-batch; a member with fewer rows uses all of them in each step.
    learning_rate : float, default=1e-3
        Adam's step size.
    weight_decay : float, default=0.0
        Decoupled decay (as in AdamW): each step multiplies the weights, not the biases, by
        ``1 - learning_rate * weight_decay``.
    patience : int, default=10
        Checks without a better validation error after which a member stops.
    check_every : int, default=50
        Steps between two looks at the validation error.
    """

    n_steps: int = 500
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int = 10
    check_every: int = 50

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        counts = {
            "n_steps": self.n_steps,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "check_every": self.check_every,
        }
        for name, value in counts.items():
            if value < 1:
                raise SettingsError(f"{name}={value} must be at least 1.")
        if not 0 < self.learning_rate < float("inf"):
            raise SettingsError(f"learning_rate={self.learning_rate} must be positive and finite.")
        if not 0 <= self.weight_decay * self.learning_rate < 1:
            raise SettingsError(
                f"weight_decay={self.weight_decay} must be at least 0, and times the learning rate "
                f"{self.learning_rate} below 1."
            )


@dataclass(frozen=True)
class Member:
    """What one network of the stack learns from.

    Parameters
    ----------
    table : int
        Which of the stacked tables.
    target : int
        Which target of that table.
    rows : ndarray of shape (n_rows,), int
        Training rows of the table.
    seed : tuple of int
        Entropy of its mini-batches.
    validation_rows : ndarray of shape (n_validation,), int, optional
        Rows watched for early stopping; without any the member runs to the last step.
    """

    table: int
    target: int
    rows: NDArray[np.intp]
    seed: tuple[int, ...] = (0,)
    validation_rows: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))


@dataclass(frozen=True)
class TrainingResult:
    """What the training of a stack came to.

    Parameters
    ----------
    n_steps : ndarray of shape (n_members,), int
        Step whose weights each member kept.
    validation_mse : ndarray of shape (n_members,)
        Its validation error there; NaN without validation rows.
    """

    n_steps: NDArray[np.intp]
    validation_mse: NDArray[np.float64]

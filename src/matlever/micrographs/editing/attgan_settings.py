"""What an AttGAN is and how it is trained: plain values that are stored with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from matlever.exceptions import ModelFileError, SettingsError
from matlever.storage import State

__all__ = ["AttGANSettings", "AttributeLoss"]

AttributeLoss = Literal["bce", "mse"]
Decay = Literal["none", "step", "linear"]

# Least value of each number, and whether it may be equal to it.
_LIMITS: dict[str, tuple[float, bool]] = {
    "width": (1, True),
    "levels": (1, True),
    "shortcut_layers": (0, True),
    "inject_layers": (0, True),
    "attribute_weight": (0, True),
    "reconstruction_weight": (0, True),
    "gradient_penalty_weight": (0, True),
    "critic_attribute_weight": (0, True),
    "learning_rate": (0, False),
    "beta_1": (0, True),
    "beta_2": (0, True),
    "batch_size": (2, True),
    "n_d": (1, True),
    "n_epochs": (0, False),
    "monitor_every": (1, True),
    "n_monitor_tiles": (2, True),
}
_WHOLE = (
    "width",
    "levels",
    "shortcut_layers",
    "inject_layers",
    "batch_size",
    "n_d",
    "monitor_every",
    "n_monitor_tiles",
)


@dataclass(frozen=True)
class AttGANSettings:
    """Networks and training of an AttGAN; the defaults are the published ones.

    Parameters
    ----------
    width, levels, shortcut_layers, inject_layers, upsampling, trunk_norm
        See :class:`AttGANGenerator` and :class:`AttGANDiscriminator`.
    head_width : int or None, default=None
        Hidden units of the discriminator's heads; None is 16 times `width`, the paper's 1,024.
    attribute_loss : {"bce", "mse"}, default="bce"
        Of the classifier: cross-entropy with the attributes as soft labels, or the squared error of
        attributes scaled to [-1, 1].
    attribute_weight, reconstruction_weight : float, default=10, 100
        Of the attributes of edited pictures and of L1 between a picture and its reconstruction,
        beside an adversarial weight of 1, in the generator's loss.
    gradient_penalty_weight, critic_attribute_weight : float, default=10, 1
        The same for the discriminator's.
    learning_rate, beta_1, beta_2 : float, default=2e-4, 0.5, 0.999
        Of Adam.
    decay : {"step", "linear", "none"}, default="step"
        A tenth of the learning rate from the middle of the training on (published PyTorch code), or
        linearly down to nothing from there (published TensorFlow 2 code), or no decay.
    batch_size : int, default=32
        Tiles in a batch; the generator and each step of the discriminator take one of their own.
    n_d : int, default=5
        Steps of the discriminator for each of the generator.
    n_epochs : float, default=200
        How often each tile is seen, both networks together.
    flips : bool, default=False
        Whether tiles are mirrored at random, left-right and upside down.
    monitor_every : int, default=200
        Iterations (steps of the generator) between two measurements of the strength of edits.
    n_monitor_tiles : int, default=64
        Tiles it is measured on.

    Raises
    ------
    SettingsError
        If a value cannot be used.
    """

    width: int = 64
    levels: int = 5
    shortcut_layers: int = 1
    inject_layers: int = 0
    upsampling: Literal["transposed", "nearest"] = "transposed"
    trunk_norm: Literal["instance", "none"] = "instance"
    head_width: int | None = None
    attribute_loss: AttributeLoss = "bce"
    attribute_weight: float = 10.0
    reconstruction_weight: float = 100.0
    gradient_penalty_weight: float = 10.0
    critic_attribute_weight: float = 1.0
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    decay: Decay = "step"
    batch_size: int = 32
    n_d: int = 5
    n_epochs: float = 200.0
    flips: bool = False
    monitor_every: int = 200
    n_monitor_tiles: int = 64

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        for name, (least, may_equal) in _LIMITS.items():
            value = getattr(self, name)
            kinds = int if name in _WHOLE else int | float
            fits = isinstance(value, kinds) and not isinstance(value, bool)
            if not fits or not (least <= value if may_equal else least < value < float("inf")):
                what = "a whole number" if name in _WHOLE else "a number"
                limit = f"{least:g} or more" if may_equal else f"above {least:g}"
                raise SettingsError(f"{name}={value!r} must be {what}, {limit}.")
        for name in ("beta_1", "beta_2"):
            if getattr(self, name) >= 1:
                raise SettingsError(f"{name}={getattr(self, name)} must be below 1.")
        if self.head_width is not None and not (type(self.head_width) is int and self.head_width):
            raise SettingsError(f"head_width={self.head_width!r} must be a whole number or None.")
        choices = {
            "upsampling": ("transposed", "nearest"),
            "trunk_norm": ("instance", "none"),
            "attribute_loss": get_args(AttributeLoss),
            "decay": get_args(Decay),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise SettingsError(
                    f"{name}={getattr(self, name)!r} must be one of {', '.join(allowed)}."
                )

    @classmethod
    def narrow(cls, **changes: Any) -> Self:
        """Return settings for two cores: 16 channels, four levels, two steps of the critic.

        The losses are the published ones. Tiles of 64 x 64 px take about half a second for an
        iteration of one core.

        Parameters
        ----------
        **changes
            Other values, as of the class.
        """
        return cls(**{"width": 16, "levels": 4, "n_d": 2, "decay": "linear", **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Return the settings in a state's config.

        Raises
        ------
        ModelFileError
            If they are not those of this version, or cannot be used.
        """
        stored = state.get("settings")
        known = {field.name for field in fields(cls)}
        if not isinstance(stored, dict) or set(stored) != known:
            raise ModelFileError(f"{state.kind}: the settings are not those of an AttGAN.")
        try:
            return cls(**stored)
        except SettingsError as error:
            raise ModelFileError(f"{state.kind}: {error}") from error

    def generator_arguments(self, n_attributes: int, channels: int) -> dict[str, Any]:
        """Return the arguments of :class:`AttGANGenerator`."""
        return {
            "n_attributes": n_attributes,
            "channels": channels,
            "width": self.width,
            "levels": self.levels,
            "shortcut_layers": self.shortcut_layers,
            "inject_layers": self.inject_layers,
            "upsampling": self.upsampling,
        }

    def discriminator_arguments(
        self, size: tuple[int, int], n_attributes: int, channels: int
    ) -> dict[str, Any]:
        """Return the arguments of :class:`AttGANDiscriminator`."""
        return {
            "size": size,
            "n_attributes": n_attributes,
            "channels": channels,
            "width": self.width,
            "levels": self.levels,
            "head_width": 16 * self.width if self.head_width is None else self.head_width,
            "trunk_norm": self.trunk_norm,
        }

    def n_iterations(self, n_tiles: int) -> int:
        """Return how many steps of the generator the epochs come to, at least 1."""
        batch = min(self.batch_size, n_tiles)
        return max(1, round(self.n_epochs * n_tiles / (batch * (self.n_d + 1))))

    def learning_rate_at(self, done: float) -> float:
        """Return the learning rate when a share `done` (0-1) of the training is over."""
        if self.decay == "none" or done < 0.5:
            return self.learning_rate
        return self.learning_rate * (0.1 if self.decay == "step" else 2.0 * (1.0 - done))

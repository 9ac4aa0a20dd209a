"""A trained AttGAN as an editor of tiles: its attributes are the knobs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.knobs import Knob, KnobSpace
from matlever.micrographs.editing._attgan_monitor import TrainingCurves
from matlever.micrographs.editing.attgan import AttGANGenerator
from matlever.micrographs.editing.attgan_settings import AttGANSettings
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model
from matlever.training.weights import restored, weights_of

__all__ = ["AttGANEditor"]

_MOST = 1_000_000  # no published or sensible number of channels, levels or pixels is beyond
_IDENTITY_SEEN = 0.02  # of the range: a difference that is told of


class AttGANEditor:
    """Editor of tiles by an AttGAN: a knob from 0 to 1 per attribute.

    What :func:`train_attgan` returns. A tile is drawn again at the attributes asked for; the tiles
    of a lot stand where their lot does. Rendering is differentiable by the settings.

    Parameters
    ----------
    generator : AttGANGenerator
        Trained; used in evaluation mode, its weights no longer learn.
    names : sequence of k str
        Names of the attributes.
    size : tuple of int
        Height and width of the tiles it was trained on.
    settings : AttGANSettings
        How it was trained.
    curves : TrainingCurves
        What the training recorded.
    seen : ndarray of shape (2, k)
        Least and largest attribute of the lots it was trained on.
    training : mapping
        JSON values on the training: numbers of tiles, lots and iterations, seed.
    strength : float, default=1.0
        Attributes are changed by this many times the change that is asked for. The published tests
        of faces edit with 2; 1 asks for what was trained.

    Attributes
    ----------
    space : KnobSpace
    most_rows : int
        At most so many tiles are rendered at a time.
    """

    most_rows = 256

    def __init__(
        self,
        generator: AttGANGenerator,
        names: Sequence[str],
        size: tuple[int, int],
        settings: AttGANSettings,
        curves: TrainingCurves,
        seen: NDArray[np.float64],
        training: Mapping[str, Any],
        *,
        strength: float = 1.0,
    ) -> None:
        if not 0 < strength < float("inf"):
            raise SettingsError(f"strength={strength} must be positive and finite.")
        self.generator = generator.eval().requires_grad_(False)
        self.names = tuple(names)
        self.size = size
        self.settings = settings
        self.curves = curves
        self.seen = seen
        self.training = dict(training)
        self.strength = strength
        self.space = KnobSpace([Knob(name, lower=0.0, upper=1.0) for name in self.names])

    def __repr__(self) -> str:
        height, width = self.size
        return f"AttGANEditor({', '.join(self.names)}; tiles of {width} x {height} px)"

    # -- the editor's verbs -----------------------------------------------------------------------

    def values(self, samples: Tiles) -> NDArray[np.float64]:
        """Return where each of n tiles stands, of shape (n, k): its lot's attributes.

        Raises
        ------
        DataError
            If the tiles have other attributes, another size or other channels.
        """
        self._check(samples)
        return np.asarray(samples.attributes, dtype=np.float64)

    def render(self, samples: Tiles, values: NDArray[np.float64]) -> Tiles:
        """Return n * r tiles, float32: tile i at ``values[i, 0]``, ``values[i, 1]``, ...

        Parameters
        ----------
        samples : Tiles
            n tiles.
        values : ndarray of shape (n, r, k)
            Attributes, 0-1.

        Raises
        ------
        DataError
            If the tiles or the shape of `values` do not fit.
        """
        values = np.require(values, dtype=np.float64, requirements="W")  # as torch wants it
        self._check(samples, values.shape)
        n, r, _ = values.shape
        images = np.empty((n * r, *samples.images.shape[1:]), dtype=np.float32)
        rows, columns = max(1, self.most_rows // max(r, 1)), self.most_rows
        with torch.no_grad():
            for start in range(0, n, rows):
                some = samples[start : start + rows]
                features, own = self._encoded(some)
                for a in range(0, r, columns):
                    part = torch.from_numpy(values[start : start + rows, a : a + columns])
                    drawn = self._decoded(features, own, part).cpu().numpy()
                    drawn = drawn[:, 0] if samples.channels == 1 else drawn.transpose(0, 2, 3, 1)
                    # Either all settings of some tiles, or some settings of one tile.
                    first = start * r + a
                    images[first : first + len(drawn)] = drawn
        return samples.edited(images, values)

    def render_tensor(self, samples: Tiles, values: Tensor) -> Tensor:
        """Return n * r tiles that know their gradient by the settings.

        Parameters
        ----------
        samples : Tiles
            n tiles.
        values : Tensor of shape (n, r, k)
            Attributes, 0-1.

        Returns
        -------
        images : Tensor of shape (n * r, C, H, W), float32, intensities in [0, 1]
        """
        self._check(samples, tuple(values.shape))
        with torch.no_grad():
            features, own = self._encoded(samples)
        return self._decoded(features, own, values)

    def notes(self, samples: Tiles) -> list[str]:
        """Return sentences on what edits of these tiles are worth.

        They name attributes that hardly change, tiles beyond the lots of the training, and how far
        tiles are from their own reconstruction.
        """
        self._check(samples)
        found = _notes_on_strength(self.curves)
        for j, name in enumerate(self.names):
            own = samples.attributes[:, j]
            outside = int(((own < self.seen[0, j]) | (own > self.seen[1, j])).sum())
            if outside:
                found.append(
                    f"{outside} of {len(samples)} tiles have a {name} outside of "
                    f"{self.seen[0, j]:.2f} to {self.seen[1, j]:.2f}, the lots of the training."
                )
        some = samples[:: max(1, len(samples) // 64)]
        drawn = self.render(some, some.attributes[:, None, :])
        difference = float(np.abs(drawn.images - some.unit()).mean())
        if difference > _IDENTITY_SEEN:
            found.append(
                f"Drawn again unchanged, tiles differ from the originals by {difference:.1%} of "
                "the range of intensities: compare edited tiles with the redrawn one."
            )
        return found

    def to(self, device: str) -> Self:
        """Move the generator to a device and return the editor."""
        self.generator.to(device)
        return self

    # -- files ------------------------------------------------------------------------------------

    def to_state(self) -> State:
        """Return everything needed to rebuild the editor."""
        return State(
            kind="AttGANEditor",
            config={
                "names": list(self.names),
                "size": list(self.size),
                "channels": self.generator.channels,
                "settings": self.settings.to_dict(),
                "training": self.training,
                "strength": self.strength,
            },
            arrays={"seen": self.seen},
            parts={
                "generator": State("AttGANGenerator", arrays=weights_of(self.generator)),
                "curves": self.curves.to_state(),
            },
        )

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Rebuild an editor; it draws the same bits as the original.

        Raises
        ------
        ModelFileError
            If something is missing or does not fit.
        """
        curves = TrainingCurves.from_state(state.part("curves"))
        names, size, channels = (state.get(key) for key in ("names", "size", "channels"))
        training, strength = state.get("training"), state.get("strength")
        settings = AttGANSettings.from_state(state)
        is_size = isinstance(size, list) and len(size) == 2
        if not (is_size and all(type(side) is int and 0 < side < _MOST for side in size)):
            raise ModelFileError(f"{state.kind}: size={size!r} is no height and width.")
        if not isinstance(training, dict) or names != list(curves.names):
            raise ModelFileError(f"{state.kind}: names or training are broken.")
        if isinstance(strength, bool) or not isinstance(strength, int | float):
            raise ModelFileError(f"{state.kind}: strength={strength!r} is no number.")
        try:
            generator = restored(
                lambda: AttGANGenerator(**settings.generator_arguments(len(names), channels)),
                state.part("generator").arrays,
                state.kind,
            )
            seen = state.array("seen", (2, len(names)), np.float64)
            return cls(
                generator,
                names,
                (size[0], size[1]),
                settings,
                curves,
                seen,
                training,
                strength=strength,
            )
        except SettingsError as error:
            raise ModelFileError(f"{state.kind}: {error}") from error

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write a model folder with a card of the training.

        Parameters
        ----------
        folder : path
            Folder to make; an existing one is replaced.
        """
        card = {
            "model": "AttGAN (He et al. 2019), trained from lot labels only",
            "attributes": list(self.names),
            "tile_px": list(self.size),
            "settings": self.settings.to_dict(),
            "training": self.training,
            "last_losses": {name: v[-1] for name, v in self.curves.losses.items() if v},
            "gain_by_own_classifier": (
                dict(zip(self.names, self.curves.gain[-1].tolist(), strict=True))
                if self.curves.gain
                else {}
            ),
        }
        return write_model(folder, self.to_state(), card)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ModelFileError
            If the folder is damaged or holds something else.
        """
        state, _ = read_model(folder)
        if state.kind != "AttGANEditor":
            raise ModelFileError(f"{folder} holds a {state.kind}, not an AttGANEditor.")
        return cls.from_state(state)

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _device(self) -> torch.device:
        return next(self.generator.parameters()).device

    def _encoded(self, tiles: Tiles) -> tuple[list[Tensor], Tensor]:
        """Return the features of n tiles, and their own attributes (n, 1, k)."""
        device = self._device
        features = self.generator.encode(tiles.tensor().to(device))
        own = torch.from_numpy(np.array(tiles.attributes, dtype=np.float64)).to(device)
        return features, own[:, None, :]

    def _decoded(self, features: list[Tensor], own: Tensor, values: Tensor) -> Tensor:
        """Return pictures (n * r, C, H, W) of n tiles at values (n, r, k)."""
        n, r, k = values.shape
        values = values.to(own)
        if self.strength != 1.0:
            values = own + self.strength * (values - own)
        repeated = [f.repeat_interleave(r, dim=0) for f in self.generator.needed(features)]
        return self.generator.decode(repeated, values.reshape(n * r, k).float())

    def _check(self, tiles: Tiles, shape: tuple[int, ...] | None = None) -> None:
        if not isinstance(tiles, Tiles):
            raise DataError(f"An AttGAN edits Tiles, not a {type(tiles).__name__}.")
        if tiles.names != self.names:
            raise DataError(
                f"This editor knows the attributes {', '.join(self.names)}; the tiles have "
                f"{', '.join(tiles.names)}."
            )
        if tiles.shape[1:] != self.size or tiles.channels != self.generator.channels:
            height, width = self.size
            kinds = {1: "grey", 3: "colour"}
            raise DataError(
                f"This editor was trained on {kinds[self.generator.channels]} tiles of {width} x "
                f"{height} px; these are {kinds[tiles.channels]}, {tiles.shape[2]} x "
                f"{tiles.shape[1]} px. Cut tiles of that size at the same magnification, or train "
                "an editor on these."
            )
        n, k = len(tiles), len(self.names)
        if shape is not None and (len(shape) != 3 or (shape[0], shape[2]) != (n, k)):
            raise DataError(f"Settings of {n} tiles have shape ({n}, r, {k}), not {shape}.")


def _notes_on_strength(curves: TrainingCurves) -> list[str]:
    found = []
    weak, unrecognised = curves.weak(), curves.unrecognised()
    if weak:
        listed = ", ".join(f"{name} ({gain:.2f})" for name, gain in weak.items())
        found.append(
            "AttGAN's edits are weak: by its own classifier only this part of a change asked for "
            f"arrives: {listed}."
        )
    if unrecognised:
        listed = ", ".join(f"{name} ({slope:.2f})" for name, slope in unrecognised.items())
        found.append(
            "AttGAN's classifier hardly recognises, in the tiles it was trained on, "
            f"{listed}: it cannot have taught the edits of these attributes."
        )
    return found

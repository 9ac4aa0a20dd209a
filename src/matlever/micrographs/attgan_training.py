"""Training of an AttGAN from lot labels: resumable, every loss a curve, edits watched.

Steps and losses as published (see :mod:`matlever.micrographs.attgan`): the critic learns to tell
edited from real tiles (Wasserstein distance with gradient penalty), the classifier beside it the
attributes of real ones; the generator learns to redraw a tile as it is at its own attributes, and
at those of another tile of the batch so that neither critic nor classifier object.

All randomness is a function of the seed and the number of the batch, so a training that was
interrupted goes on with the same bits.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.exceptions import DataError, Fault, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs._attgan_files import (
    load_network,
    load_optimiser,
    network_state,
    optimiser_state,
)
from matlever.micrographs._attgan_losses import RANGE, attribute_loss, gradient_penalty
from matlever.micrographs._attgan_monitor import LOSSES, WEAK_GAIN, TrainingCurves
from matlever.micrographs._attgan_strength import edit_strength
from matlever.micrographs.attgan import AttGANDiscriminator, AttGANGenerator, initialise
from matlever.micrographs.attgan_editor import AttGANEditor
from matlever.micrographs.attgan_settings import AttGANSettings
from matlever.micrographs.tiles import Tiles, unit_images
from matlever.storage import State, read_model, write_model

__all__ = ["train_attgan"]

Progress = Callable[[int, int, str], None]

# Streams of random numbers, each a generator seeded by (seed, stream, position).
_WEIGHTS, _SHUFFLE, _BATCH, _MONITOR = range(4)
_HASHED = 64  # tiles whose pixels tell data sets apart


def train_attgan(
    tiles: Tiles,
    settings: AttGANSettings | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    random_state: int = 0,
    device: str = "cpu",
    checkpoint_minutes: float = 5.0,
    max_minutes: float | None = None,
    progress: Progress | None = None,
) -> AttGANEditor:
    """Train an AttGAN on tiles that know nothing but the attributes of their lots.

    Parameters
    ----------
    tiles : Tiles
        Grey or colour, their sides multiples of ``2 ** levels``; they may be memory-mapped, for
        only a batch at a time is read.
    settings : AttGANSettings, optional
        Networks and training; by default as published, which wants a GPU. See
        :meth:`AttGANSettings.narrow`.
    folder : path, optional
        Where the training is kept from time to time. If it holds a training of the same tiles,
        settings and seed, it goes on from there, bit for bit as if it had never stopped.
    random_state : int, default=0
        Of weights, batches and targets.
    device : str, default="cpu"
        Where to train; the editor is left there.
    checkpoint_minutes : float, default=5
        Between two writings to `folder`; the last iteration is always written.
    max_minutes : float, optional
        After so many minutes the training is written and ends, wherever it is.
    progress : callable, optional
        Called with (iterations done, iterations in all, "AttGAN iteration").

    Returns
    -------
    editor : AttGANEditor
        With the curves of the training.

    Raises
    ------
    DataError
        If attributes are missing, outside of 0-1 or the same in all lots.
    NotEnoughDataError
        If there are fewer than two tiles or two lots.
    SettingsError
        If sides and levels do not fit, `folder` holds another training, or a loss diverged.
    ModelFileError
        If the training in `folder` is damaged.

    Warns
    -----
    UserWarning
        If, by the discriminator's own classifier, less than a fifth of a change of some attribute
        arrives in the edited tiles.
    """
    settings = settings or AttGANSettings()
    _check_tiles(tiles)
    training = _Training(tiles, settings, random_state, device)
    place = None if folder is None else Path(folder)
    if place is not None and place.exists():
        training.load(place)
    start = kept = time.monotonic()
    written = training.done
    while training.done < training.n_iterations:
        training.iterate()
        if progress is not None:
            progress(training.done, training.n_iterations, "AttGAN iteration")
        now = time.monotonic()
        if place is not None and now - kept >= 60 * checkpoint_minutes:
            training.save(place)
            kept, written = now, training.done
        if max_minutes is not None and now - start >= 60 * max_minutes:
            break
    if place is not None and written < training.done:
        training.save(place)
    training.measure()
    weak = training.curves.weak()
    if weak:
        listed = ", ".join(f"{name} {gain:.2f}" for name, gain in weak.items())
        warnings.warn(
            f"After {training.done} iterations the edits of this AttGAN are weak: of a change that "
            f"is asked for, its own classifier sees less than {WEAK_GAIN}: {listed}. Train longer, "
            "or lower reconstruction_weight.",
            stacklevel=2,
        )
    return training.editor()


class _Training:
    """Networks, optimisers and curves, between two iterations."""

    def __init__(
        self, tiles: Tiles, settings: AttGANSettings, random_state: int, device: str
    ) -> None:
        self.tiles, self.settings, self.seed, self.device = tiles, settings, random_state, device
        n, k = tiles.attributes.shape
        self.n_iterations = settings.n_iterations(n)
        self.batch_size = min(settings.batch_size, n)
        self.seen = np.stack([tiles.attributes.min(axis=0), tiles.attributes.max(axis=0)])
        self.curves = TrainingCurves(tiles.names)
        self._shuffle: tuple[int, NDArray[np.intp]] = (-1, np.empty(0, dtype=np.intp))

        size = tiles.shape[1], tiles.shape[2]
        with torch.device("meta"):  # draws no random numbers
            self.generator = AttGANGenerator(**settings.generator_arguments(k, tiles.channels))
            self.discriminator = AttGANDiscriminator(
                **settings.discriminator_arguments(size, k, tiles.channels)
            )
        source = torch.Generator().manual_seed(int(self._random(_WEIGHTS).integers(2**62)))
        for network in (self.generator, self.discriminator):
            network.to_empty(device="cpu")
            initialise(network, source)
            network.to(device)
        self._adam_g, self._adam_d = (
            torch.optim.Adam(
                network.parameters(), settings.learning_rate, (settings.beta_1, settings.beta_2)
            )
            for network in (self.generator, self.discriminator)
        )
        self._watched = self._monitor_rows()

    @property
    def done(self) -> int:
        return len(self.curves)

    # -- one iteration ----------------------------------------------------------------------------

    def iterate(self) -> None:
        """Take `n_d` steps of the discriminator and one of the generator."""
        settings = self.settings
        rate = settings.learning_rate_at(self.done / self.n_iterations)
        for optimiser in (self._adam_g, self._adam_d):
            optimiser.param_groups[0]["lr"] = rate
        first = self.done * (settings.n_d + 1)
        found = [self._critic_step(*self._batch(first + i)) for i in range(settings.n_d)]
        losses = self._generator_step(*self._batch(first + settings.n_d)[:3])
        losses += np.mean(found, axis=0).tolist()
        if not np.isfinite(losses).all():
            raise SettingsError(
                f"The training diverged in iteration {self.done + 1}: "
                + ", ".join(f"{k} {v:.3g}" for k, v in zip(LOSSES, losses, strict=True))
                + ". Use a smaller learning_rate."
            )
        for name, value in zip(LOSSES, losses, strict=True):
            self.curves.losses[name].append(value)
        if self.done % settings.monitor_every == 0:
            self.measure()

    def _critic_step(self, x: Tensor, a: Tensor, b: Tensor, mix: Tensor) -> list[float]:
        settings = self.settings
        with torch.no_grad():
            edited = self.generator(x, b)
        real_score, output = self.discriminator(x)
        edited_score, _ = self.discriminator(edited)
        adversarial = edited_score.mean() - real_score.mean()
        penalty = gradient_penalty(lambda z: self.discriminator(z)[0], x, edited, mix)
        attributes = attribute_loss(settings.attribute_loss, output, a)
        loss = (
            adversarial
            + settings.gradient_penalty_weight * penalty
            + settings.critic_attribute_weight * attributes
        )
        self._adam_d.zero_grad(set_to_none=True)
        loss.backward()
        self._adam_d.step()
        return [adversarial.item(), penalty.item(), attributes.item()]

    def _generator_step(self, x: Tensor, a: Tensor, b: Tensor) -> list[float]:
        settings = self.settings
        self.discriminator.requires_grad_(False)
        features = self.generator.encode(x)
        score, output = self.discriminator(self.generator.decode(features, b))
        adversarial = -score.mean()
        attributes = attribute_loss(settings.attribute_loss, output, b)
        reconstruction = RANGE * (self.generator.decode(features, a) - x).abs().mean()
        loss = (
            adversarial
            + settings.attribute_weight * attributes
            + settings.reconstruction_weight * reconstruction
        )
        self._adam_g.zero_grad(set_to_none=True)
        loss.backward()
        self._adam_g.step()
        self.discriminator.requires_grad_(True)
        return [adversarial.item(), attributes.item(), reconstruction.item()]

    # -- batches ----------------------------------------------------------------------------------

    def _random(self, stream: int, position: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.seed, stream, position))

    def _batch(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return tiles, their attributes, target attributes and mixing shares of a batch."""
        random = self._random(_BATCH, number)
        rows = self._rows(number * self.batch_size)
        images = unit_images(self.tiles.images[rows])
        attributes = self.tiles.attributes[rows].astype(np.float32)
        targets = attributes[random.permutation(len(rows))]
        mix = random.random(len(rows), dtype=np.float32)
        if self.settings.flips:
            for axis in (1, 2):
                chosen = random.random(len(rows)) < 0.5
                images[chosen] = np.flip(images[chosen], axis=axis)
        a, b, shares = (torch.from_numpy(v).to(self.device) for v in (attributes, targets, mix))
        return self._tensor(images), a, b, shares

    def _rows(self, start: int) -> NDArray[np.intp]:
        """Return the rows of a batch out of one shuffle of all tiles after another."""
        n = len(self.tiles)
        found: list[NDArray[np.intp]] = []
        missing = self.batch_size
        while missing:
            epoch, place = divmod(start, n)
            if self._shuffle[0] != epoch:
                self._shuffle = epoch, self._random(_SHUFFLE, epoch).permutation(n)
            part = self._shuffle[1][place : place + missing]
            found.append(part)
            start, missing = start + len(part), missing - len(part)
        return np.concatenate(found)

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.ascontiguousarray(images)).to(self.device)

    # -- the monitor ------------------------------------------------------------------------------

    def _monitor_rows(self) -> NDArray[np.intp]:
        """Return tiles spread evenly over the lots."""
        shuffled = self._random(_MONITOR).permutation(len(self.tiles))
        by_lot = shuffled[np.argsort(self.tiles.lot[shuffled], kind="stable")]
        n = min(self.settings.n_monitor_tiles, len(by_lot))
        return by_lot[np.linspace(0, len(by_lot) - 1, n).round().astype(np.intp)]

    def measure(self) -> None:
        """Record the strength of edits, unless this was done after the last iteration."""
        if self.curves.iterations[-1:] == [self.done]:
            return
        rows = self._watched
        attributes = torch.from_numpy(self.tiles.attributes[rows].astype(np.float32))
        gain, slope = edit_strength(
            self.generator,
            self.discriminator,
            self.settings.attribute_loss,
            self._tensor(unit_images(self.tiles.images[rows])),
            attributes.to(self.device),
            self.seen,
        )
        self.curves.iterations.append(self.done)
        self.curves.gain.append(gain)
        self.curves.slope.append(slope)

    def editor(self) -> AttGANEditor:
        tiles = self.tiles
        return AttGANEditor(
            self.generator,
            tiles.names,
            (tiles.shape[1], tiles.shape[2]),
            self.settings,
            self.curves,
            self.seen,
            {
                "n_tiles": len(tiles),
                "n_lots": len(np.unique(tiles.lot)),
                "iterations": self.done,
                "iterations_planned": self.n_iterations,
                "random_state": self.seed,
                "tiles_sha256": _fingerprint(tiles),
            },
        )

    # -- checkpoints ------------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        return {
            "settings": self.settings.to_dict(),
            "random_state": self.seed,
            "tiles_sha256": _fingerprint(self.tiles),
        }

    def save(self, folder: Path) -> None:
        """Write all there is to go on from."""
        state = State(
            kind="AttGANTraining",
            config=self._identity(),
            parts={
                "generator": network_state(self.generator, "AttGANGenerator"),
                "discriminator": network_state(self.discriminator, "AttGANDiscriminator"),
                "adam_generator": optimiser_state(self._adam_g, self.generator, "Adam"),
                "adam_discriminator": optimiser_state(self._adam_d, self.discriminator, "Adam"),
                "curves": self.curves.to_state(),
            },
        )
        write_model(folder, state, {"iterations": self.done, "of": self.n_iterations})

    def load(self, folder: Path) -> None:
        """Go on from what was written."""
        state, _ = read_model(folder)
        if state.kind != "AttGANTraining":
            raise SettingsError(
                f"{folder} holds a {state.kind}, not the training of an AttGAN: name a new folder."
            )
        what = {"settings": "settings", "random_state": "seed", "tiles_sha256": "tiles"}
        others = [what[key] for key, own in self._identity().items() if state.get(key) != own]
        if others:
            raise SettingsError(
                f"{folder} holds a training with other {' and other '.join(others)}: name a new "
                "folder, or delete this one."
            )
        load_network(self.generator, state.part("generator"))
        load_network(self.discriminator, state.part("discriminator"))
        load_optimiser(self._adam_g, self.generator, state.part("adam_generator"))
        load_optimiser(self._adam_d, self.discriminator, state.part("adam_discriminator"))
        self.curves = TrainingCurves.from_state(state.part("curves"))
        if self.curves.names != self.tiles.names:
            raise ModelFileError(f"{folder} holds curves of other attributes.")


def _check_tiles(tiles: Tiles) -> None:
    """Refuse tiles that nothing can be learned from, naming attributes and lots."""
    lots = np.unique(tiles.lot)
    if len(tiles) < 2 or len(lots) < 2:
        raise NotEnoughDataError(
            "An AttGAN learns from tiles of lots with different attributes; these are "
            f"{len(tiles)} tiles of {len(lots)} lots."
        )
    faults = []
    for j, name in enumerate(tiles.names):
        values = tiles.attributes[:, j]
        bad = ~((values >= 0) & (values <= 1))
        if bad.any():
            lot = tiles.lot_names[int(tiles.lot[bad][0])]
            found = values[bad][0]
            what = "is missing" if np.isnan(found) else f"is {found:g}, not within 0 to 1"
            faults.append(
                Fault(f"The attribute {name!r} of lot {lot!r} {what}", "Give it, or leave it out.")
            )
        elif np.ptp(values) == 0:
            faults.append(
                Fault(
                    f"The attribute {name!r} is {values[0]:g} in every lot",
                    "Nothing can be learned of it: leave it out.",
                )
            )
    if faults:
        raise DataError(faults)


def _fingerprint(tiles: Tiles) -> str:
    """Return a digest of labels, lots and the pixels of some tiles."""
    digest = hashlib.sha256(
        repr((tiles.images.shape, tiles.images.dtype.str, tiles.names)).encode()
    )
    digest.update(np.ascontiguousarray(tiles.attributes, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(tiles.lot, dtype=np.int64).tobytes())
    rows = np.unique(np.linspace(0, len(tiles) - 1, _HASHED).astype(np.intp))
    digest.update(np.ascontiguousarray(tiles.images[rows]).tobytes())
    return digest.hexdigest()

"""One training of an AttGAN between two iterations: its steps, its measurements, its files.

Steps and losses as published (see `matlever.micrographs.editing.attgan`): the critic learns to tell
edited from real tiles (Wasserstein distance with gradient penalty), the classifier beside it the
attributes of real ones; the generator learns to redraw a tile as it is at its own attributes, and
at those of another tile of the batch so that neither critic nor classifier object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matlever.exceptions import ModelFileError, SettingsError
from matlever.micrographs.editing._attgan_batches import TileBatches, fingerprint
from matlever.micrographs.editing._attgan_losses import RANGE, attribute_loss, gradient_penalty
from matlever.micrographs.editing._attgan_monitor import LOSSES, TrainingCurves
from matlever.micrographs.editing._attgan_strength import edit_strength
from matlever.micrographs.editing.attgan import AttGANDiscriminator, AttGANGenerator, initialise
from matlever.micrographs.editing.attgan_editor import AttGANEditor
from matlever.micrographs.editing.attgan_settings import AttGANSettings
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model
from matlever.training.weights import load_moments, load_weights, moments_of, weights_of

__all__ = ["AttGANRun"]


class AttGANRun:
    """Networks, optimisers and curves, between two iterations."""

    def __init__(
        self, tiles: Tiles, settings: AttGANSettings, random_state: int, device: str
    ) -> None:
        self.tiles, self.settings, self.seed = tiles, settings, random_state
        n, k = tiles.attributes.shape
        self.n_iterations = settings.n_iterations(n)
        self.batches = TileBatches(
            tiles, settings.batch_size, random_state, flips=settings.flips, device=device
        )
        self.seen = np.stack([tiles.attributes.min(axis=0), tiles.attributes.max(axis=0)])
        self.curves = TrainingCurves(tiles.names)
        size = tiles.shape[1], tiles.shape[2]
        with torch.device("meta"):  # draws no random numbers
            self.generator = AttGANGenerator(**settings.generator_arguments(k, tiles.channels))
            self.discriminator = AttGANDiscriminator(
                **settings.discriminator_arguments(size, k, tiles.channels)
            )
        source = self.batches.weight_source()
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
        found = [self._critic_step(*self.batches.batch(first + i)) for i in range(settings.n_d)]
        losses = self._generator_step(*self.batches.batch(first + settings.n_d)[:3])
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

    # -- the monitor ------------------------------------------------------------------------------

    def measure(self) -> None:
        """Record the strength of edits, unless this was done after the last iteration."""
        if self.curves.iterations[-1:] == [self.done]:
            return
        gain, slope = edit_strength(
            self.generator,
            self.discriminator,
            self.settings.attribute_loss,
            *self.batches.watched(self.settings.n_monitor_tiles),
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
                "tiles_sha256": fingerprint(tiles),
            },
        )

    # -- checkpoints ------------------------------------------------------------------------------

    def _identity(self) -> dict[str, Any]:
        return {
            "settings": self.settings.to_dict(),
            "random_state": self.seed,
            "tiles_sha256": fingerprint(self.tiles),
        }

    def save(self, folder: Path) -> None:
        """Write all there is to go on from."""
        state = State(
            kind="AttGANTraining",
            config=self._identity(),
            parts={
                "generator": State("AttGANGenerator", arrays=weights_of(self.generator)),
                "discriminator": State(
                    "AttGANDiscriminator", arrays=weights_of(self.discriminator)
                ),
                "adam_generator": moments_of(self._adam_g, self.generator),
                "adam_discriminator": moments_of(self._adam_d, self.discriminator),
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
        for name, network, adam in (
            ("generator", self.generator, self._adam_g),
            ("discriminator", self.discriminator, self._adam_d),
        ):
            load_weights(network, state.part(name).arrays, name)
            load_moments(adam, network, state.part(f"adam_{name}"), f"adam_{name}")
        self.curves = TrainingCurves.from_state(state.part("curves"))
        if self.curves.names != self.tiles.names:
            raise ModelFileError(f"{folder} holds curves of other attributes.")

"""AttGAN: a generator that redraws an image at other attributes, and its discriminator.

Z. He, W. Zuo, M. Kan, S. Shan, X. Chen, "AttGAN: Facial Attribute Editing by Only Changing What You
Want", IEEE Trans. Image Process. 28 (2019) 5464-5478, doi:10.1109/TIP.2019.2916751; layers as in
its Table I and in the PyTorch implementation named beside it by the authors.

Notes
-----
Defaults are the paper's. Departures:

- Pictures are in [0, 1] outside of the networks, [-1, 1] inside; attributes are 0-1 outside,
  ``(2 a - 1) / 2`` inside, as the published training feeds them.
- Any number of attributes, one or three channels, and the number of levels, are arguments. Widths
  double from level to level up to 16 times the first, which is the paper's 1,024.
- The discriminator has no normalisation in its fully connected layers, as the published code and
  unlike the paper's table.
- Transposed convolutions leave checkerboards; ``upsampling="nearest"`` doubles each pixel and
  convolves 3 x 3 instead. Instance normalisation takes the contrast of a picture away from the
  attribute classifier; ``trunk_norm="none"`` leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from matlever.exceptions import SettingsError

__all__ = ["AttGANDiscriminator", "AttGANGenerator", "initialise"]

Upsampling = Literal["transposed", "nearest"]
TrunkNorm = Literal["instance", "none"]

_SLOPE = 0.2  # of the leaky ReLUs
_WIDEST = 16  # times the width of the first level: 1,024 / 64
_INTENSITY = 0.5  # attributes are fed as -0.5 to 0.5


class AttGANGenerator(nn.Module):
    """Encoder and decoder: a picture, drawn again at any attributes.

    The encoder has `levels` blocks of a 4 x 4 convolution with stride 2, batch normalisation and
    leaky ReLU; the decoder as many of a 4 x 4 transposed convolution, batch normalisation and ReLU,
    the last one with tanh alone. The attributes enter as constant maps beside the deepest features.

    Parameters
    ----------
    n_attributes : int
        k, one or more.
    channels : {1, 3}, default=1
        Grey or colour.
    width : int, default=64
        Channels of the first level.
    levels : int, default=5
        Each halves the sides of the picture.
    shortcut_layers : int, default=1
        So many decoder blocks, the deepest first, hand their features on together with those of the
        encoder of the same size; at most ``levels - 1``.
    inject_layers : int, default=0
        After so many decoder blocks the attributes enter again; at most ``levels - 1``.
    upsampling : {"transposed", "nearest"}, default="transposed"
        See Notes of the module.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    def __init__(
        self,
        *,
        n_attributes: int,
        channels: int = 1,
        width: int = 64,
        levels: int = 5,
        shortcut_layers: int = 1,
        inject_layers: int = 0,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        _check(n_attributes=n_attributes, channels=channels, width=width, levels=levels)
        for name, value in (("shortcut_layers", shortcut_layers), ("inject_layers", inject_layers)):
            if not 0 <= value < levels:
                raise SettingsError(
                    f"{name}={value} must be 0 to {levels - 1} with {levels} levels."
                )
        if upsampling not in ("transposed", "nearest"):
            raise SettingsError(f"upsampling={upsampling!r} must be 'transposed' or 'nearest'.")
        self.n_attributes, self.channels, self.levels = n_attributes, channels, levels
        self.shortcut_layers, self.inject_layers = shortcut_layers, inject_layers

        widths = _widths(width, levels)
        self.encoder = nn.ModuleList()
        n_in = channels
        for n_out in widths:
            self.encoder.append(
                nn.Sequential(
                    nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(n_out),
                    nn.LeakyReLU(_SLOPE),
                )
            )
            n_in = n_out

        self.decoder = nn.ModuleList()
        n_in += n_attributes
        for i, n_out in enumerate(reversed(widths)):
            if i == levels - 1:
                self.decoder.append(nn.Sequential(*_up(n_in, channels, upsampling, bias=True)))
                break
            self.decoder.append(
                nn.Sequential(
                    *_up(n_in, n_out, upsampling, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()
                )
            )
            n_in = n_out
            n_in += widths[levels - 2 - i] if i < shortcut_layers else 0
            n_in += n_attributes if i < inject_layers else 0

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return the features of all levels.

        Parameters
        ----------
        x : Tensor of shape (B, C, H, W), float32, intensities in [0, 1]
            H and W are multiples of ``2 ** levels``.

        Returns
        -------
        features : list of Tensors of shape (B, width_i, H / 2**i, W / 2**i), i = 1 ... levels
        """
        z = 2.0 * x - 1.0
        features = []
        for block in self.encoder:
            z = block(z)
            features.append(z)
        return features

    def needed(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return those of the features that `decode` looks at: the deepest ones."""
        return list(features[self.levels - 1 - self.shortcut_layers :])

    def decode(self, features: Sequence[Tensor], attributes: Tensor) -> Tensor:
        """Return pictures drawn from features at some attributes.

        Parameters
        ----------
        features : sequence of Tensors
            Of `encode`, or those of them that are `needed`.
        attributes : Tensor of shape (B, k), float32, 0-1

        Returns
        -------
        x : Tensor of shape (B, C, H, W), float32, intensities in [0, 1]
        """
        a = _INTENSITY * (2.0 * attributes - 1.0)
        z = _with_attributes(features[-1], a)
        for i, block in enumerate(self.decoder):
            z = block(z)
            if i < self.shortcut_layers:
                z = torch.cat([z, features[-2 - i]], dim=1)
            if i < self.inject_layers:
                z = _with_attributes(z, a)
        return 0.5 * (torch.tanh(z) + 1.0)

    def forward(self, x: Tensor, attributes: Tensor) -> Tensor:
        """Return pictures `x` (B, C, H, W) drawn again at `attributes` (B, k)."""
        return self.decode(self.encode(x), attributes)


class AttGANDiscriminator(nn.Module):
    """Critic and attribute classifier on one trunk.

    The trunk has `levels` blocks of a 4 x 4 convolution with stride 2, instance normalisation and
    leaky ReLU; each head one hidden layer.

    Parameters
    ----------
    size : tuple of int
        Height and width of the pictures; multiples of ``2 ** levels``, and at least twice that.
    n_attributes : int
        k, one or more.
    channels, width, levels
        As of the generator.
    head_width : int, default=1024
        Width of the hidden layer of each head.
    trunk_norm : {"instance", "none"}, default="instance"
        See Notes of the module.

    Raises
    ------
    SettingsError
        If a number is out of its range, or the size does not fit the levels.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int],
        n_attributes: int,
        channels: int = 1,
        width: int = 64,
        levels: int = 5,
        head_width: int = 1024,
        trunk_norm: TrunkNorm = "instance",
    ) -> None:
        super().__init__()
        _check(n_attributes=n_attributes, channels=channels, width=width, levels=levels)
        step = 2**levels
        height, side = size
        if min(size) < 2 * step or height % step or side % step:
            raise SettingsError(
                f"Pictures of {side} x {height} px cannot be halved {levels} times to 2 x 2 or "
                f"more: use fewer levels, or sides that are multiples of {step} from {2 * step} on."
            )
        if head_width < 1:
            raise SettingsError(f"head_width={head_width} must be 1 or more.")
        if trunk_norm not in ("instance", "none"):
            raise SettingsError(f"trunk_norm={trunk_norm!r} must be 'instance' or 'none'.")
        blocks: list[nn.Module] = []
        n_in = channels
        for n_out in _widths(width, levels):
            has_norm = trunk_norm == "instance"
            blocks.append(nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=not has_norm))
            if has_norm:
                blocks.append(nn.InstanceNorm2d(n_out, affine=True))
            blocks.append(nn.LeakyReLU(_SLOPE))
            n_in = n_out
        self.trunk = nn.Sequential(*blocks, nn.Flatten())
        n_features = n_in * (height // step) * (side // step)

        def head(n_out: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(n_features, head_width),
                nn.LeakyReLU(_SLOPE),
                nn.Linear(head_width, n_out),
            )

        self.critic = head(1)
        self.classifier = head(n_attributes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Judge pictures.

        Parameters
        ----------
        x : Tensor of shape (B, C, H, W), float32, intensities in [0, 1]

        Returns
        -------
        score : Tensor of shape (B,)
            The critic's; larger for what looks real.
        attributes : Tensor of shape (B, k)
            What the classifier says, as the attribute loss reads it.
        """
        h = self.trunk(2.0 * x - 1.0)
        return self.critic(h)[:, 0], self.classifier(h)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew: uniform, of a variance of a third of one over the fan-in.

    What torch does by itself, but from a generator of one's own.

    Parameters
    ----------
    network : Module
        Of convolutions, linear layers and normalisations; changed in place.
    generator : torch.Generator
        On the CPU, as the network is.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                bound = 1.0 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d):
            module.reset_parameters()


def _check(*, n_attributes: int, channels: int, width: int, levels: int) -> None:
    if channels not in (1, 3):
        raise SettingsError(f"channels={channels} must be 1 (grey) or 3 (colour).")
    for name, value in (("n_attributes", n_attributes), ("width", width), ("levels", levels)):
        if value < 1:
            raise SettingsError(f"{name}={value} must be 1 or more.")


def _widths(width: int, levels: int) -> list[int]:
    return [width * min(2**i, _WIDEST) for i in range(levels)]


def _up(n_in: int, n_out: int, upsampling: str, *, bias: bool) -> list[nn.Module]:
    """Return layers that double the sides."""
    if upsampling == "transposed":
        return [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=bias)]
    return [nn.Upsample(scale_factor=2), nn.Conv2d(n_in, n_out, 3, padding=1, bias=bias)]


def _with_attributes(z: Tensor, a: Tensor) -> Tensor:
    """Return features (B, C, H, W) with attributes (B, k) as k further, constant maps."""
    maps = a[:, :, None, None].expand(-1, -1, *z.shape[2:])
    return torch.cat([z, maps], dim=1)

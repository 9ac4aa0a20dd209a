r"""Velocity network of a conditional flow between noise and tiles with given attributes.

Rectified flow (X. Liu, C. Gong, Q. Liu, ICLR 2023, arXiv:2209.03003; Y. Lipman et al., ICLR 2023,
arXiv:2210.02747): :math:`x_t = (1 - t)\,x + t\,\epsilon`, and the network learns
:math:`v(x_t, t, a) = \mathrm{E}[\epsilon - x \mid x_t, a]` for tiles x with attributes a.

Notes
-----
A small residual U-Net: patches of pixels become channels (``patch``), three levels, group norm and
SiLU, time and attributes injected as scale and shift into each block, the last convolution of each
block starts at zero. Fully convolutional: a tile's sides must be multiples of four patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["VelocityNetwork"]

_GROUPS = 8
_FREQUENCIES = 32


class _Block(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) * (1 + scale) + shift)))."""

    def __init__(self, inside: int, outside: int, condition: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.modulate = nn.Linear(condition, 2 * outside)
        self.norm2 = nn.GroupNorm(_GROUPS, outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulate(condition)[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        out: Tensor = self.skip(x) + self.conv2(F.silu(h))
        return out


class VelocityNetwork(nn.Module):
    """Velocity of a tile that turns into noise, given its attributes.

    Parameters
    ----------
    attributes : int
        Number k of attributes, each 0 to 1.
    channels : int, default=1
        1 grey, 3 colour.
    widths : sequence of int, default=(32, 64, 96)
        Channels at each level, multiples of 8.
    blocks : int, default=2
        Residual blocks on each level, on the way down and up.
    patch : int, default=2
        Side of the patches of pixels that become channels: 2 for 64 px, 4 for 128 px, 8 for 256 px
        keep the cost.
    condition : int, default=128
        Width of the embedding of time and attributes.
    """

    def __init__(
        self,
        *,
        attributes: int,
        channels: int = 1,
        widths: Sequence[int] = (32, 64, 96),
        blocks: int = 2,
        patch: int = 2,
        condition: int = 128,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.side_multiple = patch * 2 ** (len(widths) - 1)
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, condition), nn.SiLU())
        self.given = nn.Sequential(nn.Linear(attributes, condition), nn.SiLU())
        self.mix = nn.Sequential(nn.Linear(2 * condition, condition), nn.SiLU())
        inside = channels * patch**2
        self.first = nn.Conv2d(inside, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            self.down.append(nn.ModuleList(_Block(width, width, condition) for _ in range(blocks)))
            if level + 1 < len(widths):
                self.shrink.append(nn.Conv2d(width, widths[level + 1], 2, stride=2))
                self.grow.append(nn.Conv2d(widths[level + 1], width, 1))
                sizes = [2 * width] + [width] * (blocks - 1)
                self.up.append(nn.ModuleList(_Block(n, width, condition) for n in sizes))
        self.norm = nn.GroupNorm(_GROUPS, widths[0])
        self.last = nn.Conv2d(widths[0], inside, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor, attributes: Tensor) -> Tensor:
        """Return velocities.

        Parameters
        ----------
        x : Tensor of shape (B, C, H, W)
            Tiles on their way to noise, standardised.
        t : Tensor of shape (B,)
            0 is the tile, 1 is noise.
        attributes : Tensor of shape (B, k)
            0 to 1.

        Returns
        -------
        velocity : Tensor of shape (B, C, H, W)
        """
        condition = self.mix(torch.cat([self.time(_waves(t)), self.given(4 * attributes - 2)], 1))
        h = self.first(F.pixel_unshuffle(x, self.patch))  # B x w0 x H/p x W/p
        kept = []
        for level, blocks in enumerate(self.down):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, condition)
            if level < len(self.shrink):
                kept.append(h)
                h = self.shrink[level](h)
        for level in reversed(range(len(self.up))):
            h = F.interpolate(self.grow[level](h), scale_factor=2.0, mode="nearest")
            h = torch.cat([h, kept[level]], dim=1)
            for block in self.up[level]:  # type: ignore[attr-defined]
                h = block(h, condition)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.patch)


def _waves(t: Tensor) -> Tensor:
    """Return sines and cosines of times (B,), of shape (B, 64)."""
    rate = torch.exp(torch.linspace(0.0, math.log(200.0), _FREQUENCIES, device=t.device))
    angle = t[:, None] * rate * math.pi
    return torch.cat([angle.sin(), angle.cos()], dim=1)

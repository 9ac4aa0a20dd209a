"""Wide residual network that regresses numbers from pictures.

S. Zagoruyko, N. Komodakis, "Wide residual networks", BMVC 2016 (arXiv:1605.07146): table 1 and
figure 1(a), the "basic" block in pre-activation order. The head is that of the micrograph study
(S. Liu et al., supplemental material B): 28 convolution layers, widening 1, adaptive average
pooling and one fully connected layer with tanh.

Notes
-----
Departures from the papers, all of them options that are off by default:

- ``stem_stride=2`` halves the picture in the first convolution, which makes a step four times
  cheaper; fine features of one or two pixels survive in the channels of the stem.
- ``pooling="mean+sd"`` hands the head the standard deviation of each channel over the picture
  beside its mean: how uneven a texture is, which a mean alone cannot tell.
- The intensities are standardised inside, by buffers, so that whoever hands a picture to the
  network (an editor, an explanation) need not know the mean and spread of the training tiles.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from matlever.exceptions import SettingsError

__all__ = ["WideResNet"]

Pooling = Literal["mean", "mean+sd"]


class WideResNet(nn.Module):
    """Wide residual network WRN-depth-widen with a tanh head.

    Parameters
    ----------
    depth : int, default=28
        Convolution layers as the paper counts them, ``6 n + 4`` for n blocks in each of the three
        groups: 10, 16, 22, 28, ...
    widen : int, default=1
        Widening factor k: channels of the groups are `width` times k, 2 k and 4 k.
    channels : int, default=1
        1 for grey pictures, 3 for colour.
    outputs : int, default=1
        Numbers that are predicted.
    stem_stride : int, default=1
        Stride of the first convolution.
    width : int, default=16
        Channels of the first convolution.
    pooling : {"mean", "mean+sd"}, default="mean"
        What of the last maps goes to the head.
    hidden : int or None, default=None
        Units of a layer between pooled features and the head. With one, a small network can bend
        its prediction around each lot it has seen: that lowers the error on further tiles of them,
        and says nothing of other lots.

    Attributes
    ----------
    mean, sd : Tensor of shape (channels,)
        Intensities of the training tiles; buffers, 0 and 1 until they are set.

    Examples
    --------
    >>> network = WideResNet()
    >>> sum(parameter.numel() for parameter in network.parameters())
    368625
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self,
        *,
        depth: int = 28,
        widen: int = 1,
        channels: int = 1,
        outputs: int = 1,
        stem_stride: int = 1,
        width: int = 16,
        pooling: Pooling = "mean",
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise SettingsError(f"depth={depth} is none of 10, 16, 22, 28, ... (6 n + 4).")
        for name, value in (
            ("widen", widen),
            ("channels", channels),
            ("outputs", outputs),
            ("stem_stride", stem_stride),
            ("width", width),
        ):
            if value < 1:
                raise SettingsError(f"{name}={value} must be 1 or more.")
        if hidden is not None and hidden < 1:
            raise SettingsError(f"hidden={hidden} must be 1 or more, or None.")
        if pooling not in ("mean", "mean+sd"):
            raise SettingsError(f'pooling={pooling!r} must be "mean" or "mean+sd".')
        self.config: dict[str, Any] = {
            "depth": depth,
            "widen": widen,
            "channels": channels,
            "outputs": outputs,
            "stem_stride": stem_stride,
            "width": width,
            "pooling": pooling,
            "hidden": hidden,
        }
        self.pooling = pooling
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("sd", torch.ones(channels))
        self.stem = nn.Conv2d(channels, width, 3, stride=stem_stride, padding=1, bias=False)
        groups: list[nn.Module] = []
        before = width
        for group, factor in enumerate((1, 2, 4)):  # table 1: conv2, conv3, conv4
            after = width * widen * factor
            blocks = [
                _Block(
                    before if block == 0 else after,
                    after,
                    stride=2 if group > 0 and block == 0 else 1,
                )
                for block in range((depth - 4) // 6)
            ]
            groups.append(nn.Sequential(*blocks))
            before = after
        self.groups = nn.Sequential(*groups)
        self.norm = nn.BatchNorm2d(before)
        self.n_features = before * (2 if pooling == "mean+sd" else 1)
        self.hidden = None if hidden is None else nn.Linear(self.n_features, hidden)
        self.head = nn.Linear(hidden or self.n_features, outputs)
        self.initialise(None)

    def initialise(self, generator: torch.Generator | None) -> WideResNet:
        """Draw the weights anew, from a generator of one's own, and return the network.

        Convolutions as in the paper's code: normal, He et al. 2015, fan-out. The head is uniform
        within one over the root of its inputs.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
        for layer in (self.hidden, self.head):
            if layer is not None:
                bound = layer.in_features**-0.5
                nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        return self

    def maps(self, x: Tensor) -> Tensor:
        """Return the last feature maps.

        Parameters
        ----------
        x : Tensor of shape (B, C, H, W)
            Intensities in [0, 1].

        Returns
        -------
        maps : Tensor of shape (B, 4 * widen * width, H / (4 * stem_stride), W / (4 * stem_stride))
            Not negative; sides are rounded up.
        """
        standard = (x - self.mean[:, None, None]) / self.sd[:, None, None]
        return functional.relu(self.norm(self.groups(self.stem(standard))))

    def pooled(self, maps: Tensor) -> Tensor:
        """Return the features (B, n_features) of last maps, whatever their size."""
        mean = maps.mean(dim=(2, 3))
        if self.pooling == "mean":
            return mean
        variance = (maps - mean[..., None, None]).square().mean(dim=(2, 3))
        return torch.cat([mean, (variance + 1e-6).sqrt()], dim=1)

    def features(self, x: Tensor) -> Tensor:
        """Return the features (B, n_features) of pictures (B, C, H, W)."""
        return self.pooled(self.maps(x))

    def predicted(self, features: Tensor) -> Tensor:
        """Return the outputs (B, outputs), each between -1 and 1, of features."""
        if self.hidden is not None:
            features = functional.relu(self.hidden(features))
        return torch.tanh(self.head(features))

    def forward(self, x: Tensor) -> Tensor:
        """Return numbers (B, outputs), each between -1 and 1.

        Parameters
        ----------
        x : Tensor of shape (B, C, H, W), float32
            Intensities in [0, 1]; any size.
        """
        return self.predicted(self.features(x))


class _Block(nn.Module):
    """Basic block of figure 1(a): twice normalise, rectify, convolve, and the shortcut."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.stride = stride
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of shape (B, after, H / stride, W / stride)."""
        active = functional.relu(self.norm1(x))
        around = x
        if self.shortcut is not None:
            # The 1 x 1 convolution of stride 2, as one of stride 1 of every second pixel: with
            # channels last torch 2.13 crashes in the gradient of the former (8 to 16 channels).
            around = self.shortcut(active[:, :, :: self.stride, :: self.stride])
        found: Tensor = around + self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return found

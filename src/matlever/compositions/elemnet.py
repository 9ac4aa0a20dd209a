r"""ElemNet: a deep dense network from element fractions alone to a property.

Seventeen fully connected layers with rectified units,
:math:`h_l = \max(0, W_l h_{l-1} + b_l)`, and a linear last one; dropout after each of the first
four groups of equal width (Table 2 of the paper). Nothing but the fractions of the elements goes
in: no property of an element, no charge, no structure.

References
----------
D. Jha, L. Ward, A. Paul, W. Liao, A. Choudhary, C. Wolverton, A. Agrawal, "ElemNet: Deep Learning
the Chemistry of Materials From Only Elemental Composition", Sci. Rep. 8 (2018) 17593,
doi:10.1038/s41598-018-35934-y. Widths, shares kept in dropout (0.8, 0.9, 0.7, 0.8) and the 86
elements as in the authors' repository (``1024x4D-512x3D-256x3D-128x3D-64x2-32x1-1``).

Notes
-----
At full width with 86 inputs and one output the network has 4,631,361 weights. `width` scales all
hidden layers by one factor: a quarter (307,281 weights) is the variant for two processor cores, and
without dropout, since so narrow a network loses more to it than it gains.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import nn

from matlever.exceptions import SettingsError

__all__ = ["ELEMNET_ELEMENTS", "ElemNet"]

_SYMBOLS = (
    "H Li Be B C N O F Na Mg Al Si P S Cl K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb "
    "Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm "
    "Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Ac Th Pa U Np Pu"
)
ELEMNET_ELEMENTS: tuple[str, ...] = tuple(_SYMBOLS.split())
"""The paper's 86 elements: H to Pu without He, Ne, Ar, Po, At, Rn, Fr and Ra."""

_WIDTHS = (1024,) * 4 + (512,) * 3 + (256,) * 3 + (128,) * 3 + (64,) * 2 + (32,)
_LEAST_UNITS = 16
_DROPPED_AFTER = (3, 6, 9, 12)  # positions of the layers that end the first four groups


class ElemNet(nn.Module):
    """Seventeen dense layers from element fractions to one or several properties.

    Parameters
    ----------
    n_inputs : int, default=86
        Elements.
    n_outputs : int, default=1
        Properties.
    width : float, default=1.0
        Factor of the published widths 1024 (4 layers), 512 (3), 256 (3), 128 (3), 64 (2), 32 (1);
        no layer has fewer than 16 units, since all
        of a few units may die.
    dropout : sequence of 4 floats, default=(0.2, 0.1, 0.3, 0.2)
        Share of the units dropped after each of the first four groups of layers.

    Raises
    ------
    SettingsError
        If a number is out of range.

    Examples
    --------
    >>> network = ElemNet()
    >>> len(network.layers), sum(weights.numel() for weights in network.parameters())
    (17, 4631361)
    """

    def __init__(
        self,
        *,
        n_inputs: int = len(ELEMNET_ELEMENTS),
        n_outputs: int = 1,
        width: float = 1.0,
        dropout: Sequence[float] = (0.2, 0.1, 0.3, 0.2),
    ) -> None:
        super().__init__()
        if n_inputs < 1 or n_outputs < 1:
            raise SettingsError(
                f"n_inputs={n_inputs} and n_outputs={n_outputs} must be at least 1."
            )
        if not 0 < width <= 16:
            raise SettingsError(f"width={width} must be above 0 and at most 16.")
        if len(dropout) != len(_DROPPED_AFTER) or not all(0 <= share < 1 for share in dropout):
            raise SettingsError(f"dropout={dropout!r} must be four shares from 0 to below 1.")
        self.config: dict[str, Any] = {
            "n_inputs": n_inputs,
            "n_outputs": n_outputs,
            "width": float(width),
            "dropout": [float(share) for share in dropout],
        }
        sizes = [n_inputs, *(max(_LEAST_UNITS, round(width * size)) for size in _WIDTHS), n_outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.dropped: dict[int, float] = dict(
            zip(_DROPPED_AFTER, self.config["dropout"], strict=True)
        )

    @property
    def linear(self) -> list[nn.Linear]:
        """The layers as a list."""
        return cast(list[nn.Linear], list(self.layers))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.linear[0].weight.device

    def initialise(self, generator: torch.Generator) -> ElemNet:
        """Draw all weights anew: normal with variance 2 / inputs (He et al. 2015), biases zero."""
        with torch.no_grad():
            for place, layer in enumerate(self.linear):
                gain = 2.0 if place < len(self.layers) - 1 else 1.0
                layer.weight.normal_(0.0, (gain / layer.in_features) ** 0.5, generator=generator)
                layer.bias.zero_()
        return self

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return the properties.

        Parameters
        ----------
        x : Tensor of shape (B, n_inputs), float32
            Element fractions; each row sums to 1.
        generator : torch.Generator, optional
            Source of the dropped units in training mode; default the global one.

        Returns
        -------
        y : Tensor of shape (B, n_outputs), float32
        """
        for place, layer in enumerate(self.linear[:-1]):
            x = torch.relu(layer(x))
            share = self.dropped.get(place, 0.0)
            if self.training and share:
                kept = torch.empty_like(x).bernoulli_(1.0 - share, generator=generator)
                x = x * kept / (1.0 - share)
        y: torch.Tensor = self.linear[-1](x)
        return y

    def activations(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        """Return what a layer gives out, without dropout.

        Parameters
        ----------
        x : Tensor of shape (B, n_inputs), float32
            Element fractions.
        layer : int
            1 for the first layer to 16 for the last one with rectified units; 0 gives `x` and 17
            the properties.

        Returns
        -------
        h : Tensor of shape (B, units of the layer), float32

        Raises
        ------
        SettingsError
            If there is no such layer.
        """
        if not 0 <= layer <= len(self.layers):
            raise SettingsError(f"layer={layer} must be from 0 to {len(self.layers)}.")
        for place, linear in enumerate(self.linear[:layer]):
            x = linear(x)
            if place < len(self.layers) - 1:
                x = torch.relu(x)
        return x

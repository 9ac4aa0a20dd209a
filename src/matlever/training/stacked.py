"""Many small dense networks of one shape, held and evaluated as one stacked network.

Folds, targets and ensemble members of a study are networks of the same architecture that know
nothing of one another. Stacked along a leading dimension, one batched matrix product serves all
of them; :func:`matlever.training.train_stacked` trains them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from matlever.exceptions import SettingsError

__all__ = ["StackedNetwork"]


class StackedNetwork(nn.Module):
    """Independent dense ReLU networks of one architecture, stacked along the first dimension.

    Layer :math:`l` of member :math:`m` computes :math:`W_{ml} z + b_{ml}`, followed by ReLU in all
    layers but the last. With the default widths and three inputs each member is the 3-64-64-1
    network of the nanorod study (its equation 3).

    Parameters
    ----------
    n_members : int
        Number of networks.
    n_inputs : int
        Inputs of each network.
    hidden : sequence of int, default=(64, 64)
        Widths of the hidden layers.
    n_outputs : int, default=1
        Outputs of each network.

    Attributes
    ----------
    layers : ParameterList of Tensors of shape (n_members, n_in + 1, n_out)
        Weights of each layer, one row for each input; the last row is the bias.

    Raises
    ------
    SettingsError
        If a number of members, inputs, units or outputs is not positive.
    """

    def __init__(
        self,
        *,
        n_members: int,
        n_inputs: int,
        hidden: Sequence[int] = (64, 64),
        n_outputs: int = 1,
    ) -> None:
        super().__init__()
        widths = [int(n_inputs), *(int(width) for width in hidden), int(n_outputs)]
        if n_members < 1 or min(widths) < 1:
            raise SettingsError(
                f"A stacked network of {n_members} members with layers {widths} cannot be built. "
                "Members, inputs, hidden units and outputs must be at least 1."
            )
        self.n_members = int(n_members)
        self.widths = tuple(widths)
        self.layers = nn.ParameterList(
            nn.Parameter(torch.zeros(self.n_members, n_in + 1, n_out))
            for n_in, n_out in pairwise(widths)
        )

    def initialise(self, generators: Sequence[np.random.Generator]) -> StackedNetwork:
        """Draw weights and biases from U(-1/sqrt(n_in), 1/sqrt(n_in)), as ``torch.nn.Linear`` does.

        Parameters
        ----------
        generators : sequence of numpy.random.Generator
            One for each member, so that a member starts the same whatever it is stacked with.

        Returns
        -------
        network : StackedNetwork
            Itself.
        """
        with torch.no_grad():
            for member, generator in enumerate(generators):
                for layer in self.layers:
                    bound = 1.0 / math.sqrt(layer.shape[1] - 1)
                    drawn = generator.uniform(-bound, bound, size=layer.shape[1:])
                    layer[member] = torch.from_numpy(drawn.astype(np.float32))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate every member.

        Parameters
        ----------
        x : Tensor of shape (n, n_inputs) or (n_members, n, n_inputs)
            Inputs, shared by all members or one set for each.

        Returns
        -------
        y : Tensor of shape (n_members, n, n_outputs)
            Outputs.
        """
        if x.dim() == 2:
            x = x.expand(self.n_members, -1, -1)
        z = x
        last = len(self.layers) - 1
        for position, layer in enumerate(self.layers):
            z = torch.baddbmm(layer[:, -1:], z, layer[:, :-1])
            if position < last:
                z = torch.relu(z)
        return z

"""Convolutions on a crystal graph: gated (equation 5 of the paper) and first-generation (4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from matlever.crystals._cgcnn_messages import edge_sums, gated_sums

__all__ = ["Edges", "GatedConvolution", "PlainConvolution", "expand_distances"]

_NEGLIGIBLE = 4.6  # in widths of a Gaussian: exp(-4.6 ** 2) is 6e-10, below half a float32 digit


@dataclass(frozen=True)
class Edges:
    """The edges of a batch of graphs, M of each atom.

    Parameters
    ----------
    neighbours : Tensor of shape (n_atoms * M,), int64
        The other atom of each edge.
    expanded : Tensor of shape (n_atoms * M, k)
        Distances by the Gaussians `first` to `first + k - 1`; all others are zero here.
    first : int
        The first of them.
    """

    neighbours: Tensor
    expanded: Tensor
    first: int


def expand_distances(neighbours: Tensor, distances: Tensor, centres: Tensor, step: float) -> Edges:
    r"""Expand distances by Gaussians, :math:`u_k = \exp(-(d - \mu_k)^2 / step^2)`.

    Only the Gaussians that any distance of the batch comes near to are worked out.

    Parameters
    ----------
    neighbours : Tensor of shape (n_atoms, M), int64
    distances : Tensor of shape (n_atoms, M)
        In Angstrom. Far beyond the last Gaussian all features are zero.
    centres : Tensor of shape (n_gaussians,)
        The :math:`\mu_k`, in steps of `step`.
    step : float
        In Angstrom.
    """
    d = distances.reshape(-1)
    low, high = (float(end) / step for end in torch.aminmax(d))
    last = len(centres) - 1
    first = min(max(0, int(low - _NEGLIGIBLE)), last)
    last = min(last, int(high + _NEGLIGIBLE) + 1)
    near = centres[first : last + 1]
    expanded = (d[:, None] - near).mul_(1.0 / step).square_().neg_().exp_()
    return Edges(neighbours.reshape(-1), expanded, first)


class GatedConvolution(nn.Module):
    r"""Equation 5 of the paper, with the batch normalisation of the authors' code.

    .. math:: v_i' = g\Big(v_i + \mathrm{BN}\sum_{j} \sigma(z^f_{ij}) \odot g(z^s_{ij})\Big), \quad
        (z^f, z^s)_{ij} = \mathrm{BN}\big(W (v_i \oplus v_j \oplus u_{ij}) + b\big)

    with :math:`g` the softplus. W is applied in three parts, see
    :func:`matlever.crystals._cgcnn_messages.edge_sums`.

    Parameters
    ----------
    width : int
        Features of an atom.
    n_gaussians : int
        Features of an edge.
    """

    def __init__(self, width: int, n_gaussians: int) -> None:
        super().__init__()
        self.width = width
        self.linear = nn.Linear(2 * width + n_gaussians, 2 * width)
        self.edge_norm = nn.BatchNorm1d(2 * width)
        self.atom_norm = nn.BatchNorm1d(width)

    def forward(self, v: Tensor, edges: Edges) -> Tensor:
        """Return the atoms' new features of shape (n_atoms, width)."""
        weight: Tensor = self.linear.weight
        bias: Tensor = self.linear.bias
        norm = self.edge_norm
        if not self.training:  # a fixed scale and shift, which fit into the weights
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            weight = weight * scale[:, None]
            bias = (bias - norm.running_mean) * scale + norm.bias
        own, other, edge = _parts(weight, self.width, edges)
        a, b = functional.linear(v, own, bias), functional.linear(v, other)
        z = edge_sums(a, b, edges.expanded, edge, edges.neighbours)
        if self.training:
            z = norm(z)
        return functional.softplus(v + self.atom_norm(gated_sums(z, len(v))))


class PlainConvolution(nn.Module):
    r"""Equation 4 of the paper: neighbours are summed before a common weight, without a gate.

    .. math:: v_i' = g\Big(\mathrm{BN}\big(W_c \sum_{j} (v_j \oplus u_{ij}) + W_s v_i + b\big)\Big)

    The batch normalisation is not in the equation; it is here so that the two convolutions differ
    in the gate and the residual alone, and train at the same learning rate.

    Parameters
    ----------
    width : int
        Features of an atom.
    n_gaussians : int
        Features of an edge.
    """

    def __init__(self, width: int, n_gaussians: int) -> None:
        super().__init__()
        self.width = width
        self.linear = nn.Linear(2 * width + n_gaussians, width)
        self.atom_norm = nn.BatchNorm1d(width)

    def forward(self, v: Tensor, edges: Edges) -> Tensor:
        """Return the atoms' new features of shape (n_atoms, width)."""
        n = len(v)
        beside, expanded = v.index_select(0, edges.neighbours), edges.expanded
        own, other, edge = _parts(self.linear.weight, self.width, edges)
        z = functional.linear(v, own, self.linear.bias)
        z = z + functional.linear(beside.view(n, -1, self.width).sum(dim=1), other)
        z = z + functional.linear(expanded.view(n, -1, expanded.shape[1]).sum(dim=1), edge)
        return functional.softplus(self.atom_norm(z))


def _parts(weight: Tensor, width: int, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
    """Return the columns of a weight for the atom, its neighbour, and the Gaussians in use."""
    own, other, edge = torch.split(weight, [width, width, weight.shape[1] - 2 * width], dim=1)
    return own, other, edge[:, edges.first : edges.first + edges.expanded.shape[1]]

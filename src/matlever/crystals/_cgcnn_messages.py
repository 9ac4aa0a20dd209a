"""The two inner operations of a gated crystal graph convolution, with their derivatives by hand.

Edges are rows: the M edges of atom i are rows ``i * M`` to ``i * M + M - 1``. Both operations do
without the intermediate tensors that automatic differentiation would keep, which is what a
convolution's time goes into: passes over tensors of (edges, features).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["edge_sums", "gated_sums"]


class _EdgeSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, own: Tensor, other: Tensor, expanded: Tensor, weight: Tensor, neighbours: Tensor
    ) -> Tensor:
        z = other.index_select(0, neighbours).addmm_(expanded, weight.T)
        z.view(len(own), -1, own.shape[1]).add_(own[:, None])
        ctx.save_for_backward(expanded, weight, neighbours)
        ctx.n_atoms = len(own)
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        expanded, weight, neighbours = ctx.saved_tensors
        n_atoms, width = ctx.n_atoms, gradient.shape[1]
        own = gradient.view(n_atoms, -1, width).sum(dim=1)
        other = gradient.new_zeros(n_atoms, width).index_add_(0, neighbours, gradient)
        by_expanded = gradient @ weight if ctx.needs_input_grad[2] else None
        return own, other, by_expanded, gradient.T @ expanded, None


class _GatedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, n_atoms: int) -> Tensor:
        width = z.shape[1] // 2
        gate = torch.sigmoid(z[:, :width])
        core = functional.softplus(z[:, width:])
        ctx.save_for_backward(z, gate, core)
        return (gate * core).view(n_atoms, -1, width).sum(dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        z, gate, core = ctx.saved_tensors
        n_atoms, width = gradient.shape
        edges = (n_atoms, -1, width)
        by_z = torch.empty_like(z)
        by_gate, by_core = by_z[:, :width], by_z[:, width:]
        message = gate.view(edges) * gradient[:, None]  # derivative by the softplus
        torch.mul(message.view(-1, width), torch.sigmoid(z[:, width:]), out=by_core)
        message = message.mul_(core.view(edges)).view(-1, width)
        torch.addcmul(message, message, gate, value=-1, out=by_gate)  # message * (1 - gate)
        return by_z, None


def edge_sums(
    own: Tensor, other: Tensor, expanded: Tensor, weight: Tensor, neighbours: Tensor
) -> Tensor:
    r"""Return :math:`z_{ij} = a_i + b_j + W u_{ij}` of all edges.

    This is :math:`[W_1\; W_2\; W](v_i \oplus v_j \oplus u_{ij})` with the products
    :math:`a = W_1 v` and :math:`b = W_2 v` taken once for each atom instead of once for each edge.

    Parameters
    ----------
    own, other : Tensor of shape (n_atoms, width)
        a and b.
    expanded : Tensor of shape (n_edges, k)
        u.
    weight : Tensor of shape (width, k)
        W.
    neighbours : Tensor of shape (n_edges,), int64
        The atom j of each edge.

    Returns
    -------
    z : Tensor of shape (n_edges, width)
    """
    z: Tensor = _EdgeSums.apply(  # type: ignore[no-untyped-call]  # torch's
        own, other, expanded, weight, neighbours
    )
    return z


def gated_sums(z: Tensor, n_atoms: int) -> Tensor:
    r"""Return :math:`\sum_j \sigma(z^f_{ij}) \odot \mathrm{softplus}(z^s_{ij})` of each atom.

    Parameters
    ----------
    z : Tensor of shape (n_edges, 2 * width)
        First halves are those of the gate, second halves those of the core.
    n_atoms : int
        Each has n_edges / n_atoms edges.

    Returns
    -------
    messages : Tensor of shape (n_atoms, width)
    """
    summed: Tensor = _GatedSums.apply(z, n_atoms)  # type: ignore[no-untyped-call]  # torch's
    return summed

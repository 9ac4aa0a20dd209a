"""The crystal graph convolutional neural network of Xie and Grossman.

References
----------
.. [1] T. Xie, J. C. Grossman, "Crystal Graph Convolutional Neural Networks for an Accurate and
   Interpretable Prediction of Material Properties", Phys. Rev. Lett. 120 (2018) 145301,
   doi:10.1103/PhysRevLett.120.145301: equations 4 and 5. Layers and their sizes as in the authors'
   code (github.com/txie-93/cgcnn).
.. [2] T. Xie, J. C. Grossman, "Hierarchical visualization of materials space with graph
   convolutional neural networks", J. Chem. Phys. 149 (2018) 174111: energies of single sites.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from matlever.crystals._cgcnn_convolution import (
    GatedConvolution,
    PlainConvolution,
    expand_distances,
)
from matlever.crystals._cgcnn_elements import N_NUMBERS, element_features
from matlever.exceptions import SettingsError

__all__ = ["CGCNN", "AtomFeatures", "Pooling"]

AtomFeatures = Literal["properties", "embedding"]
Pooling = Literal["mean", "site"]


class CGCNN(nn.Module):
    r"""Crystal graph convolutional neural network.

    An atom starts from the features of its element, each convolution adds what its neighbours and
    the distances to them say, and the mean over the atoms of a cell is turned into the outputs.

    Parameters
    ----------
    n_outputs : int, default=1
        Properties.
    atom_features : {"properties", "embedding"}, default="properties"
        What an element starts from: its tabulated properties in bins (as in the paper, see
        `matlever.crystals._cgcnn_elements`), or a vector that is learned from the training data
        alone.
    width : int, default=64
        Features of an atom.
    n_convolutions : int, default=3
        Convolutions.
    hidden_width : int, default=128
        Units of the layers after pooling; with ``pooling="site"`` there are none.
    n_hidden : int, default=1
        Layers after pooling.
    gated : bool, default=True
        Convolution of equation 5; otherwise that of equation 4.
    pooling : {"mean", "site"}, default="mean"
        ``"mean"`` pools features and then works out the outputs. ``"site"`` works out a linear
        contribution of each site, and their mean is the output [2]_.
    radius : float, default=8.0
        Centre of the last Gaussian of the distances, in Angstrom.
    step : float, default=0.2
        Distance between the centres of two Gaussians, and their width, in Angstrom.

    Notes
    -----
    Departures from the authors' code, none of which changes a result by more than rounding:
    elements come as their numbers, and their features are looked up; distances are expanded here;
    products with a neighbour's features are taken once for each atom, not for each edge.

    Memory in training, for a batch of N atoms with M neighbours, is about
    ``4 * N * M * (9 * width + k)`` bytes for each gated convolution, with k Gaussians near the
    distances: 11 MB for 64 perovskites of five atoms.
    """

    def __init__(
        self,
        *,
        n_outputs: int = 1,
        atom_features: AtomFeatures = "properties",
        width: int = 64,
        n_convolutions: int = 3,
        hidden_width: int = 128,
        n_hidden: int = 1,
        gated: bool = True,
        pooling: Pooling = "mean",
        radius: float = 8.0,
        step: float = 0.2,
    ) -> None:
        super().__init__()
        self.architecture: dict[str, Any] = {
            "n_outputs": n_outputs,
            "atom_features": atom_features,
            "width": width,
            "n_convolutions": n_convolutions,
            "hidden_width": hidden_width,
            "n_hidden": n_hidden,
            "gated": gated,
            "pooling": pooling,
            "radius": radius,
            "step": step,
        }
        _check(self.architecture)
        self.pooling, self.step = pooling, step
        self.embedding: nn.Module
        if atom_features == "properties":
            features = torch.from_numpy(element_features())
            self.register_buffer("element_features", features)
            self.embedding = nn.Linear(features.shape[1], width)
        else:
            self.embedding = nn.Embedding(N_NUMBERS, width)
        n_gaussians = round(radius / step) + 1
        self.register_buffer("centres", torch.arange(n_gaussians) * step)
        convolution = GatedConvolution if gated else PlainConvolution
        self.convolutions = nn.ModuleList(
            convolution(width, n_gaussians) for _ in range(n_convolutions)
        )
        if pooling == "mean":
            widths = [width, *[hidden_width] * n_hidden]
            self.hidden = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths))
            self.output = nn.Linear(hidden_width, n_outputs)
        else:
            self.output = nn.Linear(width, n_outputs)

    def atoms(self, numbers: Tensor, neighbours: Tensor, distances: Tensor) -> Tensor:
        """Return the features of all atoms after the convolutions.

        Parameters
        ----------
        numbers : Tensor of shape (n_atoms,), int64
            Atomic numbers, 1 to 103.
        neighbours : Tensor of shape (n_atoms, M), int64
            The M nearest neighbours of each atom, as positions among all atoms.
        distances : Tensor of shape (n_atoms, M), float32
            Distances to them, in Angstrom.

        Returns
        -------
        v : Tensor of shape (n_atoms, width)
        """
        v: Tensor
        if isinstance(self.embedding, nn.Linear):
            table = self.embedding(self.element_features)  # (elements, width)
            v = table.index_select(0, numbers)
        else:
            v = self.embedding(numbers)
        centres = self.get_buffer("centres")
        edges = expand_distances(neighbours, distances, centres, self.step)
        for convolution in self.convolutions:
            v = convolution(v, edges)
        return v

    def sites(self, v: Tensor) -> Tensor:
        """Return the contribution of each atom of features (n_atoms, width), (n_atoms, outputs).

        Raises
        ------
        SettingsError
            If the network was not built with ``pooling="site"``.
        """
        if self.pooling != "site":
            raise SettingsError(
                "Only a network with pooling='site' has contributions of single sites: with "
                "pooling='mean' the layers after pooling mix them."
            )
        contributions: Tensor = self.output(v)
        return contributions

    def forward(
        self, numbers: Tensor, neighbours: Tensor, distances: Tensor, counts: Tensor
    ) -> Tensor:
        """Return the outputs for a batch of B crystals.

        Parameters
        ----------
        numbers, neighbours, distances : Tensor
            Of all atoms, crystal after crystal, see :meth:`atoms`.
        counts : Tensor of shape (B,), int64
            Atoms of each crystal.

        Returns
        -------
        y : Tensor of shape (B, n_outputs)
        """
        v = self.atoms(numbers, neighbours, distances)
        if self.pooling == "site":
            return mean_of_cells(self.sites(v), counts)
        v = functional.softplus(mean_of_cells(v, counts))
        for layer in self.hidden:
            v = functional.softplus(layer(v))
        y: Tensor = self.output(v)
        return y


def mean_of_cells(v: Tensor, counts: Tensor) -> Tensor:
    """Return the mean over the atoms of each crystal.

    Parameters
    ----------
    v : Tensor of shape (n_atoms, width)
    counts : Tensor of shape (B,), int64

    Returns
    -------
    means : Tensor of shape (B, width)
    """
    crystal = torch.repeat_interleave(counts, output_size=len(v))
    summed = v.new_zeros(len(counts), v.shape[1]).index_add(0, crystal, v)
    return summed / counts[:, None].to(v.dtype)


def _check(architecture: dict[str, Any]) -> None:
    for name in ("n_outputs", "width", "n_convolutions", "hidden_width", "n_hidden"):
        value = architecture[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SettingsError(f"{name}={value!r} must be a whole number of at least 1.")
    for name, known in (
        ("atom_features", ("properties", "embedding")),
        ("pooling", ("mean", "site")),
    ):
        if architecture[name] not in known:
            raise SettingsError(f"{name}={architecture[name]!r} must be one of {known}.")
    if not 0 < architecture["step"] < architecture["radius"] < float("inf"):
        raise SettingsError(
            f"step={architecture['step']} must be above 0 and below radius="
            f"{architecture['radius']} (both in Angstrom)."
        )

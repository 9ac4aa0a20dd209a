"""Grad-CAM: where in a tile the regressor looks, and whether that has to do with what it learned.

R. R. Selvaraju et al., "Grad-CAM", Int. J. Comput. Vis. 128 (2020) 336-359, equations 1 and 2. The
check is the cascading randomisation of J. Adebayo et al., "Sanity checks for saliency maps",
NeurIPS 2018: a map that stays when the weights are drawn anew shows edges, not knowledge.

Notes
-----
For a number there is no class to speak for, so the map keeps its sign by default: where it is
positive, the features found there raise the prediction. Equation 2 keeps the positive part only;
``signed=False`` does so.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from matlever.exceptions import NotEnoughDataError, SettingsError
from matlever.micrographs.regression.estimator import TileRegressor
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    import torch

    from matlever.micrographs.regression.wide_resnet import WideResNet

__all__ = ["RandomisationCheck", "draw_grad_cam", "grad_cam", "randomisation_check"]

Array = NDArray[np.float64]

_AT_A_TIME = 64
_SAME = 0.5  # rank correlation from which a map of other weights is called the same


def grad_cam(
    regressor: TileRegressor,
    tiles: Tiles,
    *,
    target: int = 0,
    signed: bool = True,
    upsample: bool = True,
) -> NDArray[np.float32]:
    """Return heat maps of a regressor for tiles.

    Parameters
    ----------
    regressor : TileRegressor
        Fitted; maps of its members are averaged.
    tiles : Tiles
        n tiles.
    target : int, default=0
        Which of several targets.
    signed : bool, default=True
        Keep what lowers the prediction, as negative values.
    upsample : bool, default=True
        Interpolate to the size of the tiles; otherwise maps have the size of the last features, an
        eighth of the side for a stem of stride 2.

    Returns
    -------
    maps : ndarray of shape (n, H, W)
        In the unit of the target, up to a factor that is the same for all tiles.
    """
    check_is_fitted(regressor)
    if not 0 <= target < len(regressor.target_scale_):
        raise SettingsError(f"target={target} is none of the {len(regressor.target_scale_)}.")
    import torch
    from torch.nn import functional

    from matlever.micrographs.regression._tile_batches import batch_tensor, in_batches

    found = []
    for rows in in_batches(len(tiles), _AT_A_TIME):
        x = batch_tensor(tiles, rows, regressor.device, regressor.channels_last)
        total = torch.zeros(1)
        for network in regressor.networks_:
            with torch.no_grad():
                maps = network.maps(x)
            maps.requires_grad_()
            output = network.predicted(network.pooled(maps))[:, target].sum()
            (gradient,) = torch.autograd.grad(output, maps)
            alpha = gradient.mean(dim=(2, 3), keepdim=True)  # equation 1
            total = total + (alpha * maps.detach()).sum(dim=1, keepdim=True) / len(
                regressor.networks_
            )
        if not signed:
            total = functional.relu(total)  # equation 2
        if upsample:
            total = functional.interpolate(total, size=x.shape[2:], mode="bilinear")
        found.append((float(regressor.target_scale_[target]) * total[:, 0]).cpu().numpy())
    if not found:
        raise NotEnoughDataError("There are no tiles to draw maps of.")
    return np.concatenate(found)


@dataclass(frozen=True, eq=False, repr=False)
class RandomisationCheck:
    """Whether heat maps depend on what the network learned.

    Attributes
    ----------
    layers : tuple of str
        Randomised one after the other, from the head down to the stem; each line keeps those
        before it randomised.
    correlation : ndarray of shape (n_layers, n_tiles)
        Rank correlation, over the pixels of the last maps, of each tile's map with the map of the
        trained network; 0 where a map is flat.
    """

    layers: tuple[str, ...]
    correlation: Array

    @property
    def passes(self) -> bool:
        """Whether the maps of the wholly randomised network are others, on average over tiles."""
        return bool(abs(self.correlation[-1].mean()) < _SAME)

    @property
    def sentence(self) -> str:
        """What the check says."""
        last = f"{self.correlation[-1].mean():.2f}".replace("-", "−")
        if self.passes:
            return (
                "With all weights drawn anew the heat maps are others (mean rank correlation "
                f"{last}): they depend on what the network learned."
            )
        return (
            f"With all weights drawn anew the heat maps hardly change (mean rank correlation "
            f"{last}): they show the picture, not what the network learned. Do not read them."
        )

    def __repr__(self) -> str:
        return f"RandomisationCheck: {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "layers": list(self.layers),
            "correlation": self.correlation.tolist(),
            "passes": self.passes,
            "sentence": self.sentence,
        }


def randomisation_check(
    regressor: TileRegressor, tiles: Tiles, *, target: int = 0, random_state: int = 0
) -> RandomisationCheck:
    """Draw the weights anew from the head down, and see how the heat maps change.

    Parameters
    ----------
    regressor : TileRegressor
        Fitted; it is left as it is.
    tiles : Tiles
        A dozen tiles are enough.
    target : int, default=0
        Which of several targets.
    random_state : int, default=0
        Seed of the new weights.
    """
    import torch
    from scipy.stats import rankdata

    before = grad_cam(regressor, tiles, target=target, upsample=False)
    other = copy.deepcopy(regressor)
    generator = torch.Generator().manual_seed(random_state)
    layers = list(reversed(_layers(other.networks_[0])))
    rows = []
    for layer in layers:
        for network in other.networks_:
            _randomise(network, layer, generator)
        row = []
        after = grad_cam(other, tiles, target=target, upsample=False)
        for one, two in zip(before, after, strict=True):
            flat = np.ptp(one) == 0 or np.ptp(two) == 0
            ranks = rankdata(one.ravel()), rankdata(two.ravel())
            row.append(0.0 if flat else float(np.corrcoef(*ranks)[0, 1]))
        rows.append(row)
    return RandomisationCheck(tuple(layers), np.array(rows))


def _layers(network: WideResNet) -> list[str]:
    """Return the names of the parts that hold weights, from the stem to the head."""
    blocks = [
        f"groups.{g}.{b}"
        for g, group in enumerate(network.groups)
        for b in range(len(list(group.children())))
    ]
    hidden = [] if network.hidden is None else ["hidden"]
    return ["stem", *blocks, "norm", *hidden, "head"]


def _randomise(network: WideResNet, layer: str, generator: torch.Generator) -> None:
    """Draw the weights of one part anew, at the spread they have; normalisation is reset."""
    import torch
    from torch import nn

    for module in network.get_submodule(layer).modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            for weights in module.parameters(recurse=False):
                spread = float(weights.detach().std(correction=0)) or 1.0
                drawn = torch.randn(weights.shape, generator=generator) * spread
                weights.data.copy_(drawn)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def draw_grad_cam(
    tiles: Tiles, maps: NDArray[Any], *, label: str = "Grad-CAM", columns: int = 4
) -> Any:
    """Draw tiles with their heat maps over them, all on one scale, and return the figure.

    Parameters
    ----------
    tiles : Tiles
        n tiles.
    maps : ndarray of shape (n, H, W)
        From :func:`grad_cam`.
    label : str
        Of the colour bars.
    columns : int, default=4
        Tiles in a row.
    """
    from matplotlib import pyplot as plt

    from matlever.micrographs.overlay import draw_overlay

    if len(tiles) != len(maps) or not len(maps):
        raise SettingsError(f"{len(tiles)} tiles came with {len(maps)} maps.")
    limit = float(np.abs(maps).max()) or 1.0
    images = tiles.unit()
    wide = min(columns, len(maps))
    high = -(-len(maps) // wide)
    figure, axes = plt.subplots(
        high, wide, figsize=(2.6 * wide, 2.4 * high), layout="constrained", squeeze=False
    )
    for i, ax in enumerate(axes.ravel()):
        if i >= len(maps):
            ax.axis("off")
            continue
        draw_overlay(images[i], maps[i], label=label, ax=ax)
        ax.images[1].set_clim(-limit, limit)
        name = tiles.labels[i] if tiles.labels is not None else tiles.lot_names[tiles.lot[i]]
        ax.set_title(str(name).replace("$", r"\$"), fontsize=9)
    return figure

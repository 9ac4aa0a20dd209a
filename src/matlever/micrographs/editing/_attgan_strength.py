"""The strength of edits, as the discriminator's own attribute classifier sees them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matlever.micrographs.editing._attgan_losses import recognised_attributes
from matlever.micrographs.editing.attgan import AttGANDiscriminator, AttGANGenerator
from matlever.micrographs.editing.attgan_settings import AttributeLoss

__all__ = ["edit_strength"]

_BATCH = 128


@torch.no_grad()
def edit_strength(
    generator: AttGANGenerator,
    discriminator: AttGANDiscriminator,
    kind: AttributeLoss,
    x: Tensor,
    attributes: Tensor,
    seen: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure how far attributes move when they are asked to.

    Parameters
    ----------
    generator, discriminator
        In any mode; left in the mode they had.
    kind : {"bce", "mse"}
        How the classifier's output is read.
    x : Tensor of shape (n, C, H, W)
        Tiles.
    attributes : Tensor of shape (n, k)
        Where they stand.
    seen : ndarray of shape (2, k)
        Each attribute alone is set to these two values.

    Returns
    -------
    gain : ndarray of shape (k,)
        Mean difference that the classifier sees between the two, per difference asked for.
    slope : ndarray of shape (k,)
        Least-squares slope of what it sees in the tiles as they are, by their attributes; 0 where
        all tiles stand alike.
    """
    was_training = generator.training
    generator.eval()
    features = generator.needed(generator.encode(x))

    def recognised(drawn: Tensor) -> NDArray[np.float64]:
        parts = [discriminator(part)[1] for part in torch.split(drawn, _BATCH)]
        return recognised_attributes(kind, torch.cat(parts)).double().cpu().numpy()

    k = attributes.shape[1]
    gain = np.empty(k)
    for j in range(k):
        ends = []
        for value in seen[:, j]:
            asked = attributes.clone()
            asked[:, j] = float(value)
            ends.append(recognised(generator.decode(features, asked))[:, j])
        gain[j] = (ends[1] - ends[0]).mean() / (seen[1, j] - seen[0, j])
    generator.train(was_training)

    own = attributes.double().cpu().numpy()
    own -= own.mean(axis=0)
    spread = (own**2).sum(axis=0)
    covered = (own * recognised(x)).sum(axis=0)
    slope = np.divide(covered, spread, out=np.zeros(k), where=spread > 0)
    return gain, slope

"""The losses of AttGAN that need more than a line."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from matlever.micrographs.editing.attgan_settings import AttributeLoss

__all__ = ["RANGE", "attribute_loss", "gradient_penalty", "recognised_attributes"]

RANGE = 2.0  # the published losses are of pictures in [-1, 1], ours come in [0, 1]


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, edited: Tensor, mix: Tensor
) -> Tensor:
    r"""Return how far the critic is from a slope of one between real and edited pictures.

    :math:`\operatorname{mean} (\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1)^2` with
    :math:`\hat x = x + \epsilon (y - x)`, the gradient being by pixels in [-1, 1] (I. Gulrajani et
    al., "Improved Training of Wasserstein GANs", NeurIPS 2017, eq. 3).

    Parameters
    ----------
    critic : callable
        Takes pictures (B, C, H, W), returns scores (B,), each of its own picture only.
    real, edited : Tensors of shape (B, C, H, W)
        In [0, 1]; no gradient goes back to them.
    mix : Tensor of shape (B,)
        The share of the edited picture, uniform in [0, 1].

    Returns
    -------
    penalty : Tensor of shape ()
    """
    share = mix[:, None, None, None]
    between = (real + share * (edited - real)).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    slope = gradient.flatten(1).norm(dim=1) / RANGE
    penalty: Tensor = (slope - 1.0).square().mean()
    return penalty


def attribute_loss(kind: AttributeLoss, output: Tensor, attributes: Tensor) -> Tensor:
    """Return how far a classifier's output (B, k) is from attributes (B, k) in 0-1."""
    if kind == "bce":
        return functional.binary_cross_entropy_with_logits(output, attributes)
    return functional.mse_loss(output, 2.0 * attributes - 1.0)


def recognised_attributes(kind: AttributeLoss, output: Tensor) -> Tensor:
    """Return the attributes (B, k) in 0-1 that a classifier's output (B, k) means."""
    return torch.sigmoid(output) if kind == "bce" else 0.5 * (output + 1.0)

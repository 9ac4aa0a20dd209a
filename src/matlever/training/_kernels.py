"""Two inner operations of a training step: torch's own fused functions where they work, else ours.

The fused functions are not part of torch's public interface: a version may lack them or call them
differently. Each is therefore tried once, on a few numbers, when this module is imported, and
replaced by the same operation in public calls unless it gives the same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["AdamState", "adam_step", "mask_inactive"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba (2015), the values torch uses too


@dataclass
class AdamState:
    """What Adam reads and changes; all tensors have shape (n_parameters,).

    Parameters
    ----------
    weights, gradient : Tensor
        The weights, and the derivative of the loss by them.
    moment_1, moment_2 : Tensor
        Running means of the gradient and of its square.
    scratch : Tensor
        Working memory.
    step : Tensor of shape ()
        Working memory for the number of the step.
    """

    weights: Tensor
    gradient: Tensor
    moment_1: Tensor
    moment_2: Tensor
    scratch: Tensor
    step: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> AdamState:
        """Return the state before the first step."""
        return cls(
            weights,
            gradient=torch.zeros_like(weights),
            moment_1=torch.zeros_like(weights),
            moment_2=torch.zeros_like(weights),
            scratch=torch.zeros_like(weights),
            step=torch.zeros((), device=weights.device),
        )


def fused_adam_step(state: AdamState, n_steps: int, learning_rate: float) -> None:
    """Take step number `n_steps` in one call.

    ``torch.optim.Adam(fused=True)`` ends in this function; the work of the class around it is
    considerable beside the update of small networks.
    """
    state.step.fill_(n_steps)
    torch._fused_adam_(
        [state.weights],
        [state.gradient],
        [state.moment_1],
        [state.moment_2],
        [],
        [state.step],
        lr=learning_rate,
        beta1=_BETA_1,
        beta2=_BETA_2,
        weight_decay=0.0,
        eps=_EPSILON,
        amsgrad=False,
        maximize=False,
    )


def plain_adam_step(state: AdamState, n_steps: int, learning_rate: float) -> None:
    """Take step number `n_steps` in elementwise calls."""
    state.moment_1.lerp_(state.gradient, 1.0 - _BETA_1)
    state.moment_2.mul_(_BETA_2).addcmul_(state.gradient, state.gradient, value=1.0 - _BETA_2)
    torch.sqrt(state.moment_2, out=state.scratch)
    correction_1 = 1.0 - _BETA_1**n_steps
    correction_2 = math.sqrt(1.0 - _BETA_2**n_steps)
    state.scratch.div_(correction_2).add_(_EPSILON)
    state.weights.addcdiv_(state.moment_1, state.scratch, value=-learning_rate / correction_1)


def fused_mask_inactive(down: Tensor, units: Tensor) -> None:
    """Set `down` to zero where the unit is not active, in one pass."""
    torch.ops.aten.threshold_backward.grad_input(down, units, 0, grad_input=down)


def plain_mask_inactive(down: Tensor, units: Tensor) -> None:
    """Set `down` to zero where the unit is not active, by way of a mask."""
    down.masked_fill_(units <= 0, 0.0)


def _try_adam(step: Callable[[AdamState, int, float], None]) -> Tensor:
    state = AdamState.of(torch.linspace(-1.0, 1.0, 70))
    for n_steps in (1, 2, 3):
        state.gradient.copy_(torch.sin(n_steps * torch.arange(70.0)))
        step(state, n_steps, 0.01)
    return torch.cat([state.weights, state.moment_1, state.moment_2])


def _try_mask(mask: Callable[[Tensor, Tensor], None]) -> Tensor:
    units = torch.relu(torch.sin(torch.arange(70.0))).view(2, 7, 5)
    down = torch.cos(torch.arange(60.0)).view(2, 6, 5)
    mask(down, units[:, :-1])
    return down


def _same(fused: Callable[[], Tensor], plain: Callable[[], Tensor]) -> bool:
    """Whether the fused operation does what the plain one does, up to rounding."""
    try:
        return torch.allclose(fused(), plain(), rtol=1e-5, atol=1e-7)
    except Exception:  # a torch version that is not known yet may fail in any way
        return False


adam_step, mask_inactive = plain_adam_step, plain_mask_inactive
if _same(lambda: _try_adam(fused_adam_step), lambda: _try_adam(plain_adam_step)):
    adam_step = fused_adam_step
if _same(lambda: _try_mask(fused_mask_inactive), lambda: _try_mask(plain_mask_inactive)):
    mask_inactive = fused_mask_inactive

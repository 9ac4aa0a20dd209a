"""One Adam step of all members of a stacked network, gradients written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["TrainingStep"]

_REGISTER = 64  # floats; a multiple of all vector lengths
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba (2015), the values torch uses too

# torch.optim.Adam(fused=True) ends in this function; the class around it takes as long as the
# update itself at this size. Where a torch version lacks it, the same update is made in five calls.
_fused_adam = getattr(torch, "_fused_adam_", None)


class TrainingStep:
    r"""Buffers, gradients and Adam's moments of a stack of ReLU networks.

    Parameters
    ----------
    layers : sequence of Tensors of shape (n_members, n_in + 1, n_out)
        Weights with the bias as last row; they are copied.
    batch_size : int
        Rows per mini-batch.
    learning_rate, weight_decay : float
        See :class:`~matlever.training.TrainingSettings`.

    Attributes
    ----------
    layers : list of Tensors of shape (n_members, n_in + 1, n_out)
        Current weights, views of `flat`.
    gradients : list of Tensors of shape (n_members, n_in + 1, n_out)
        Gradients of the last step.
    flat, moment_1, moment_2 : Tensors of shape (n_parameters,)
        All weights, and Adam's running means of the gradient and of its square.
    n_steps : int
        Steps taken so far.

    Notes
    -----
    The loss of a member is the mean squared error over its mini-batch and outputs. With
    :math:`\delta` the derivative of the loss by a layer's result before ReLU and :math:`a` the
    layer's input (with the constant 1 appended), the layer's gradient is :math:`a \delta^T` and the
    derivative handed down is :math:`W \delta` where the unit below was active, 0 elsewhere.

    Storing weights as (inputs, outputs) and activations as (features, batch) was the fastest of
    the four arrangements: all products then run over contiguous, aligned rows.
    """

    def __init__(
        self,
        layers: Sequence[Tensor],
        batch_size: int,
        learning_rate: float,
        weight_decay: float = 0.0,
    ) -> None:
        first = layers[0]
        members, self.batch_size = first.shape[0], batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        sizes = [layer.numel() for layer in layers]
        # Filled up to whole vector registers, so that no weight falls to the remainder loop, whose
        # rounding differs: a member then learns the same bits whatever it is stacked with.
        filling = first.new_zeros(-sum(sizes) % _REGISTER)
        self.flat = torch.cat([*(layer.detach().reshape(-1) for layer in layers), filling])
        self.moment_1 = torch.zeros_like(self.flat)
        self.moment_2 = torch.zeros_like(self.flat)
        self.n_steps = 0
        self._flat_gradient = torch.zeros_like(self.flat)
        self._scratch = torch.zeros_like(self.flat)
        self._step_tensor = torch.zeros((), device=self.flat.device)
        shapes = [layer.shape for layer in layers]
        self.layers = self._views(self.flat, sizes, shapes)
        self.gradients = self._views(self._flat_gradient, sizes, shapes)
        self._decay: Tensor | None = None
        if weight_decay > 0:
            self._decay = torch.full_like(self.flat, 1.0 - learning_rate * weight_decay)
            for view in self._views(self._decay, sizes, shapes):
                view[:, -1] = 1.0

        def buffer(n_rows: int) -> Tensor:
            return first.new_ones(members, n_rows, batch_size)

        # Activations with a constant row of ones, the part below it, and derivatives, per layer.
        hidden = [layer.shape[2] for layer in layers[:-1]]
        self._active = [buffer(width + 1) for width in hidden]
        self._units = [a[:, :-1] for a in self._active]
        self._delta = [buffer(width) for width in hidden]
        self._output = buffer(layers[-1].shape[2])
        self._layers_t = [layer.transpose(1, 2) for layer in self.layers]
        self._weights = [layer[:, :-1] for layer in self.layers]

    @staticmethod
    def _views(flat: Tensor, sizes: list[int], shapes: list[torch.Size]) -> list[Tensor]:
        pieces = torch.split(flat[: sum(sizes)], sizes)
        return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def compute_gradients(self, x: Tensor, y: Tensor, scale: Tensor | float) -> None:
        """Fill `gradients` with those of one mini-batch.

        Parameters
        ----------
        x : Tensor of shape (n_members, n_inputs + 1, batch)
            Inputs, the last row being ones.
        y : Tensor of shape (n_members, n_outputs, batch)
            Targets.
        scale : float or Tensor of shape (n_members, 1, batch)
            Derivative of the loss by half the squared error of a row: 2 / (rows x outputs), 0 for
            a padded row.
        """
        layers_t, gradients = self._layers_t, self.gradients
        units, delta = self._units, self._delta
        below = x
        for position, hidden in enumerate(self._active):
            torch.bmm(layers_t[position], below, out=delta[position])
            torch.clamp_min(delta[position], 0, out=units[position])
            below = hidden
        error = self._output
        torch.bmm(layers_t[-1], below, out=error)
        error.sub_(y).mul_(scale)

        above = error
        for position in range(len(units) - 1, -1, -1):
            torch.bmm(self._active[position], above.transpose(1, 2), out=gradients[position + 1])
            weight, down = self._weights[position + 1], delta[position]
            if above.shape[1] == 1:
                torch.mul(weight, above, out=down)
            else:
                torch.bmm(weight, above, out=down)
            # down where the unit was active, else 0, in one pass
            torch.ops.aten.threshold_backward.grad_input(down, units[position], 0, grad_input=down)
            above = down
        torch.bmm(x, above.transpose(1, 2), out=gradients[0])

    def update(self) -> None:
        """Move the weights by one Adam step along the present gradients."""
        self.n_steps += 1
        if self._decay is not None:
            self.flat.mul_(self._decay)
        if _fused_adam is None:  # pragma: no cover - depends on the torch version
            self._update_plainly()
            return
        self._step_tensor.fill_(self.n_steps)
        _fused_adam(
            [self.flat],
            [self._flat_gradient],
            [self.moment_1],
            [self.moment_2],
            [],
            [self._step_tensor],
            lr=self.learning_rate,
            beta1=_BETA_1,
            beta2=_BETA_2,
            weight_decay=0.0,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def _update_plainly(self) -> None:
        gradient, scratch = self._flat_gradient, self._scratch
        self.moment_1.lerp_(gradient, 1.0 - _BETA_1)
        self.moment_2.mul_(_BETA_2).addcmul_(gradient, gradient, value=1.0 - _BETA_2)
        torch.sqrt(self.moment_2, out=scratch)
        correction_1 = 1.0 - _BETA_1**self.n_steps
        correction_2 = math.sqrt(1.0 - _BETA_2**self.n_steps)
        scratch.div_(correction_2).add_(_EPSILON)
        self.flat.addcdiv_(self.moment_1, scratch, value=-self.learning_rate / correction_1)

    def keep(self, members: Tensor) -> TrainingStep:
        """Return a step for some of the members only, their moments kept.

        Parameters
        ----------
        members : Tensor of shape (n_kept,), int64
            Positions in the present stack.
        """
        kept = TrainingStep(
            [layer[members] for layer in self.layers],
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
        )
        shapes = [layer.shape for layer in self.layers]
        sizes = [layer.numel() for layer in self.layers]
        for old, new in ((self.moment_1, kept.moment_1), (self.moment_2, kept.moment_2)):
            views = self._views(old, sizes, shapes)
            kept_values = torch.cat([view[members].reshape(-1) for view in views])
            new[: len(kept_values)] = kept_values
        kept.n_steps = self.n_steps
        return kept

    def evaluate(self, x: Tensor) -> Tensor:
        """Evaluate all members.

        Parameters
        ----------
        x : Tensor of shape (n_members, n_inputs + 1, n)
            Inputs, the last row being ones.

        Returns
        -------
        y : Tensor of shape (n_members, n_outputs, n)
            Outputs.
        """
        a = x[:, :-1]
        for layer in self._layers_t[:-1]:
            a = torch.baddbmm(layer[:, :, -1:], layer[:, :, :-1], a).clamp_min_(0)
        last = self._layers_t[-1]
        return torch.baddbmm(last[:, :, -1:], last[:, :, :-1], a)

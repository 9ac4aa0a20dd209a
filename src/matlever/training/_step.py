"""One Adam step of all members of a stacked network, gradients written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from matlever.training import _kernels
from matlever.training._kernels import AdamState

__all__ = ["TrainingStep"]

_REGISTER = 64  # floats; a multiple of all vector lengths


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
    least_members : int, default=1
        With 2, a single member is computed twice over. Batched products of one member take another
        way through the library than those of several, with another rounding; computed twice it
        learns the same bits as among others.

    Attributes
    ----------
    layers : list of Tensors of shape (n_members, n_in + 1, n_out)
        Current weights, views of `flat`.
    gradients : list of Tensors of shape (n_members, n_in + 1, n_out)
        Gradients of the last step.
    flat : Tensor of shape (n_parameters,)
        All weights.
    n_steps : int
        Steps taken so far.

    Notes
    -----
    The loss of a member is the mean squared error over its mini-batch and outputs. With
    :math:`\delta` the derivative of the loss by a layer's result before ReLU and :math:`a` the
    layer's input (with the constant 1 appended), the layer's gradient is :math:`a \delta^T` and the
    derivative handed down is :math:`W \delta` where the unit below was active, 0 elsewhere.

    With weights stored as (inputs, outputs) and activations as (features, batch), all products run
    over contiguous, aligned rows.
    """

    def __init__(
        self,
        layers: Sequence[Tensor],
        batch_size: int,
        learning_rate: float,
        weight_decay: float = 0.0,
        least_members: int = 1,
    ) -> None:
        self.n_members, self.batch_size = layers[0].shape[0], batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.least_members = least_members
        layers = [_filled(layer.detach(), least_members) for layer in layers]
        first = layers[0]
        members = first.shape[0]
        sizes = [layer.numel() for layer in layers]
        # Filled up to whole vector registers, so that no weight falls to the remainder loop, whose
        # rounding differs: a member then learns the same bits whichever others it is stacked with.
        filling = first.new_zeros(-sum(sizes) % _REGISTER)
        self.flat = torch.cat([*(layer.reshape(-1) for layer in layers), filling])
        self._adam = AdamState.of(self.flat)
        self.n_steps = 0
        self._sizes, self._shapes = sizes, [layer.shape for layer in layers]
        all_layers = self._views(self.flat)
        self._gradients = self._views(self._adam.gradient)
        self.layers = [layer[: self.n_members] for layer in all_layers]
        self.gradients = [gradient[: self.n_members] for gradient in self._gradients]
        self._decay: Tensor | None = None
        if weight_decay > 0:
            self._decay = torch.full_like(self.flat, 1.0 - learning_rate * weight_decay)
            for view in self._views(self._decay):
                view[:, -1] = 1.0

        def buffer(n_rows: int) -> Tensor:
            return first.new_ones(members, n_rows, batch_size)

        # Activations with a constant row of ones, the part below it, and derivatives, per layer.
        hidden = [layer.shape[2] for layer in layers[:-1]]
        self._active = [buffer(width + 1) for width in hidden]
        self._units = [a[:, :-1] for a in self._active]
        self._delta = [buffer(width) for width in hidden]
        self._output = buffer(layers[-1].shape[2])
        self._layers_t = [layer.transpose(1, 2) for layer in all_layers]
        self._weights = [layer[:, :-1] for layer in all_layers]

    def _views(self, flat: Tensor) -> list[Tensor]:
        pieces = torch.split(flat[: sum(self._sizes)], self._sizes)
        return [piece.view(shape) for piece, shape in zip(pieces, self._shapes, strict=True)]

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
        if self.n_members == 1:
            x, y = _filled(x, self.least_members), _filled(y, self.least_members)
        layers_t, gradients = self._layers_t, self._gradients
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
            _kernels.mask_inactive(down, units[position])
            above = down
        torch.bmm(x, above.transpose(1, 2), out=gradients[0])

    def update(self) -> None:
        """Move the weights by one Adam step along the present gradients."""
        self.n_steps += 1
        if self._decay is not None:
            self.flat.mul_(self._decay)
        _kernels.adam_step(self._adam, self.n_steps, self.learning_rate)

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
            self.least_members,
        )
        for old, new in (
            (self._adam.moment_1, kept._adam.moment_1),
            (self._adam.moment_2, kept._adam.moment_2),
        ):
            for old_view, new_view in zip(self._views(old), kept._views(new), strict=True):
                new_view.copy_(old_view[members])  # to both copies of a single member
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
        a = _filled(x, len(self._layers_t[0]))[:, :-1]
        for layer in self._layers_t[:-1]:
            a = torch.baddbmm(layer[:, :, -1:], layer[:, :, :-1], a).clamp_min_(0)
        last = self._layers_t[-1]
        return torch.baddbmm(last[:, :, -1:], last[:, :, :-1], a)[: self.n_members]


def _filled(values: Tensor, n_members: int) -> Tensor:
    """Return values (1, ...) of a single member repeated for `n_members`, others as they are."""
    return values.expand(n_members, *values.shape[1:]) if len(values) == 1 else values

"""Outputs and exact input gradients of trained dense networks, in numpy and double precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["evaluate", "mean_slopes"]

_AT_ONCE = 8_000_000  # hidden values held at a time: 64 MB

Layers = Sequence[NDArray[np.float32]]


def evaluate(layers: Layers, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the outputs of all networks.

    Parameters
    ----------
    layers : sequence of ndarrays of shape (n_targets, n_members, n_in + 1, n_out)
        Weights; the last row is the bias, the last layer has one output.
    z : ndarray of shape (n, n_inputs)
        Standardised inputs.

    Returns
    -------
    outputs : ndarray of shape (n_targets, n_members, n)
        Standardised outputs.
    """
    weights = [layer.astype(np.float64) for layer in layers]
    outputs = np.empty((*weights[0].shape[:2], len(z)))
    for rows in _chunks(weights, len(z)):
        a = _hidden(weights, z[rows])[-1]
        outputs[:, :, rows] = _affine(weights[-1], a)[..., 0]
    return outputs


def mean_slopes(layers: Layers, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivative of the members' mean output by each input.

    Parameters
    ----------
    layers : sequence of ndarrays of shape (n_targets, n_members, n_in + 1, n_out)
        As for `evaluate`.
    z : ndarray of shape (n, n_inputs)
        Standardised inputs.

    Returns
    -------
    slopes : ndarray of shape (n_targets, n, n_inputs)
        Standardised output per standardised input.
    """
    weights = [layer.astype(np.float64) for layer in layers]
    slopes = np.empty((weights[0].shape[0], *z.shape))
    for rows in _chunks(weights, len(z)):
        active = [a > 0 for a in _hidden(weights, z[rows])[1:]]
        down = np.swapaxes(weights[-1][..., :-1, :], 2, 3)  # targets, members, 1, units
        for layer, mask in zip(reversed(weights[:-1]), reversed(active), strict=True):
            down = (down * mask) @ np.swapaxes(layer[..., :-1, :], 2, 3)
        slopes[:, rows] = down.mean(axis=1)
    return slopes


def _affine(layer: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = a @ layer[..., :-1, :] + layer[..., -1:, :]
    return result


def _hidden(
    layers: Sequence[NDArray[np.float64]], z: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the inputs and what each hidden layer makes of them."""
    values = [z]
    for layer in layers[:-1]:
        values.append(np.maximum(_affine(layer, values[-1]), 0.0))
    return values


def _chunks(layers: Sequence[NDArray[np.float64]], n_rows: int) -> Iterator[slice]:
    """Yield slices of rows few enough to hold all hidden values."""
    per_row = sum(layer.shape[0] * layer.shape[1] * layer.shape[3] for layer in layers)
    size = max(1, _AT_ONCE // per_row)
    for start in range(0, n_rows, size):
        yield slice(start, start + size)

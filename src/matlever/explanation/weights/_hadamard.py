"""Hadamard matrices: orthogonal columns of plus and minus one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["hadamard", "orthogonal_rows"]

Array = NDArray[np.float64]


def hadamard(order: int) -> Array | None:
    """Hadamard matrix with a first column of ones, or None where no construction here reaches it.

    Sylvester's doubling and both of Paley's constructions over prime fields give every order of
    interest but a few (52, 92, 100, 116, ...).

    Parameters
    ----------
    order : int
        1, 2 or a multiple of 4.

    Returns
    -------
    matrix : ndarray of shape (order, order) or None
        Entries are -1 and 1; ``matrix.T @ matrix`` is ``order`` times the identity.

    References
    ----------
    .. [1] R. E. A. C. Paley, J. Math. Phys. 12 (1933) 311-320.

    Examples
    --------
    >>> h = hadamard(12)
    >>> bool((h.T @ h == 12 * np.eye(12)).all())
    True
    """
    found = _raw(order)
    return None if found is None else np.asarray(found * found[:, :1], dtype=float)


@lru_cache(maxsize=64)
def _raw(order: int) -> NDArray[np.int64] | None:
    if order == 1:
        return np.ones((1, 1), dtype=np.int64)
    if order == 2:
        return np.array([[1, 1], [1, -1]], dtype=np.int64)
    if order < 1 or order % 4:
        return None
    half = _raw(order // 2)
    if half is not None:
        return np.kron(np.array([[1, 1], [1, -1]], dtype=np.int64), half)
    q = order - 1
    if _is_prime(q) and q % 4 == 3:
        skew = _bordered(q, -1)
        return skew + np.eye(order, dtype=np.int64)
    q = order // 2 - 1
    if _is_prime(q) and q % 4 == 1:
        conference = _bordered(q, 1)
        one = np.array([[1, 1], [1, -1]], dtype=np.int64)
        zero = np.array([[1, -1], [-1, -1]], dtype=np.int64)
        return np.kron(conference, one) + np.kron(np.eye(q + 1, dtype=np.int64), zero)
    return None


def _bordered(q: int, sign: int) -> NDArray[np.int64]:
    """Return Jacobsthal's matrix of a prime q with a border: a conference matrix of order q + 1."""
    residues = {(x * x) % q for x in range(1, q)}
    character = np.array([0 if x == 0 else (1 if x in residues else -1) for x in range(q)])
    place = np.arange(q)
    matrix = np.zeros((q + 1, q + 1), dtype=np.int64)
    matrix[1:, 1:] = character[(place[:, None] - place[None, :]) % q]
    matrix[0, 1:] = 1
    matrix[1:, 0] = sign
    return matrix


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def orthogonal_rows(m: int) -> Array:
    r"""Rows with orthogonal columns and mean square one, for any m, of shape (m, m).

    The discrete Hartley matrix, :math:`\cos(2\pi ij/m) + \sin(2\pi ij/m)`; no entry is larger
    than :math:`\sqrt 2`.
    """
    angle = 2 * np.pi * np.outer(np.arange(m), np.arange(m)) / m
    rows: Array = np.cos(angle) + np.sin(angle)
    return rows

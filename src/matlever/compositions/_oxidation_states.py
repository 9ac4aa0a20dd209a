"""Usual oxidation states of the elements, and which formulas they can balance."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["NON_METALS", "OXIDATION_STATES", "balances", "charge_classes"]

# States usual in solids; from N. N. Greenwood, A. Earnshaw, "Chemistry of the Elements", 2nd ed.
# (1997). Elements without an entry form no usual compound.
OXIDATION_STATES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Li", "Na", "K", "Rb", "Cs", "Fr", "Ag"), (1,)),
    **dict.fromkeys(("Be", "Mg", "Ca", "Sr", "Ba", "Ra", "Zn", "Cd"), (2,)),
    **dict.fromkeys(("Al", "Ga", "In", "Sc", "Y", "La", "Rh", "Bi"), (3,)),
    **dict.fromkeys(("Pm", "Gd", "Dy", "Ho", "Er", "Tm", "Lu", "Nd"), (3,)),
    **dict.fromkeys(("Ac", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr"), (3,)),
    **dict.fromkeys(("Ce", "Pr", "Tb"), (3, 4)),
    **dict.fromkeys(("Sm", "Eu", "Yb"), (2, 3)),
    **dict.fromkeys(("Zr", "Hf", "Th"), (4,)),
    **dict.fromkeys(("S", "Se", "Te"), (-2, 2, 4, 6)),
    **dict.fromkeys(("N", "P", "As", "Sb"), (-3, 3, 5)),
    **dict.fromkeys(("Cl", "I"), (-1, 1, 3, 5, 7)),
    "H": (-1, 1),
    "B": (3,),
    "C": (-4, 2, 4),
    "O": (-2,),
    "F": (-1,),
    "Br": (-1, 1, 3, 5),
    "At": (-1, 1),
    "Si": (-4, 4),
    "Ge": (-4, 2, 4),
    "Sn": (-4, 2, 4),
    "Pb": (2, 4),
    "Po": (-2, 2, 4),
    "Ti": (3, 4),
    "V": (3, 4, 5),
    "Cr": (3, 6),
    "Mn": (2, 3, 4, 7),
    "Fe": (2, 3),
    "Co": (2, 3),
    "Ni": (2, 3),
    "Cu": (1, 2),
    "Nb": (5,),
    "Mo": (4, 6),
    "Tc": (4, 7),
    "Ru": (3, 4),
    "Pd": (2, 4),
    "Ta": (5,),
    "W": (4, 6),
    "Re": (4, 7),
    "Os": (4,),
    "Ir": (3, 4),
    "Pt": (2, 4),
    "Au": (1, 3),
    "Hg": (1, 2),
    "Tl": (1, 3),
    "Pa": (5,),
    "U": (4, 6),
    "Np": (5,),
    "Pu": (4,),
}

# Elements that are anions in most of their compounds, or form none.
NON_METALS = frozenset(
    ("H", "C", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "Te", "I", "At")  # anions
) | {"He", "Ne", "Ar", "Kr", "Xe", "Rn"}

Int = NDArray[np.int64]
_NO_STATE = np.iinfo(np.int64).min


def charge_classes(elements: tuple[str, ...]) -> tuple[Int, Int]:
    """Group elements by their oxidation states, for `balances`.

    Parameters
    ----------
    elements : tuple of e str

    Returns
    -------
    of_element : ndarray of shape (e,)
        Class of each element: elements of one class have the same states.
    states : ndarray of shape (n_classes, n_states)
        The states of each class, filled up with the smallest integer.
    """
    sets = [OXIDATION_STATES.get(name, ()) for name in elements]
    classes = sorted(set(sets))
    most = max(1, *(len(one) for one in classes), 1)
    states = np.full((len(classes), most), _NO_STATE, dtype=np.int64)
    for row, one in zip(states, classes, strict=True):
        row[: len(one)] = one
    return np.array([classes.index(one) for one in sets], dtype=np.int64), states


def balances(classes: Int, amounts: Int, states: Int) -> NDArray[np.bool_]:
    """Whether one oxidation state for each element makes a formula neutral.

    Parameters
    ----------
    classes : ndarray of shape (n, k)
        Classes of the k elements of n formulas.
    amounts : ndarray of shape (n, k)
        Their atoms.
    states : ndarray of shape (n_classes, n_states)
        From `charge_classes`.

    Returns
    -------
    neutral : ndarray of shape (n,)
        True as well for a single element, which needs no charge.

    Notes
    -----
    The charges that the first half of the elements can reach meet those of the second half. Each
    half occurs in few different forms, so that hardly anything is computed for each formula.
    """
    n, k = classes.shape
    if k == 1:
        return np.ones(n, dtype=bool)
    half = k // 2
    usual = np.abs(np.where(states == _NO_STATE, 0, states)).max(initial=1)
    reach = int(usual * amounts.sum(axis=1).max(initial=1))
    left = _charges(classes[:, :half], amounts[:, :half], states, reach, 1)
    right = _charges(classes[:, half:], amounts[:, half:], states, reach, -1)
    (left_words, left_form), (right_words, right_form) = left, right
    met = np.zeros(n, dtype=bool)
    for word in range(left_words.shape[1]):
        met |= (left_words[left_form, word] & right_words[right_form, word]) != 0
    return met


def _charges(
    classes: Int, amounts: Int, states: Int, reach: int, sign: int
) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Charges of each different half as bits (n_forms, n_words), and the form of each row."""
    codes = np.zeros(len(classes), dtype=np.int64)
    base = int(amounts.max(initial=1)) + 1
    for column in range(classes.shape[1]):
        codes = (codes * len(states) + classes[:, column]) * base + amounts[:, column]
    _, first, form = np.unique(codes, return_index=True, return_inverse=True)
    own, many = states[classes[first]], amounts[first]
    bits = np.zeros((len(first), 64 * (2 * reach // 64 + 1)), dtype=bool)
    for chosen in product(range(states.shape[1]), repeat=classes.shape[1]):
        picked = own[:, np.arange(classes.shape[1]), chosen]
        there = (picked != _NO_STATE).all(axis=1)
        charge = sign * (np.where(there[:, None], picked, 0) * many).sum(axis=1)
        rows = np.flatnonzero(there)
        bits[rows, charge[rows] + reach] = True
    words = np.packbits(bits, axis=1).view(np.uint64)
    return words, form

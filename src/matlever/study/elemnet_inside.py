"""What the layers hold: groups of the periodic table near the inputs, charge balance deeper down.

Figure 6 of the paper: activations of the pure elements and of binary compounds, projected on two
principal components. Here each layer is also measured, so that a depth can be named.

References
----------
D. Jha et al., Sci. Rep. 8 (2018) 17593, section "Interpreting the model".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matlever.compositions import ELEMENTS, Compositions, ElemNetRegressor

__all__ = ["GROUPS", "binaries", "charge_balance", "element_groups"]

Array = NDArray[np.float64]

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("alkali metals", ("Li", "Na", "K", "Rb", "Cs")),
    ("alkaline earths", ("Be", "Mg", "Ca", "Sr", "Ba")),
    ("chalcogens", ("O", "S", "Se", "Te")),
    ("halogens", ("F", "Cl", "Br", "I")),
)
"""The groups of the paper's figure."""

_OTHERS = (
    "H B C N Al Si P Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Y Zr Nb Mo Ru Rh Pd Ag Cd In Sn Sb La "
    "Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Th U"
)
_CHARGES = (1, 2, -2, -1)
_RATIOS = ((2, 1), (1, 1), (1, 2))
_LAYERS = tuple(range(17))


def element_groups(model: ElemNetRegressor) -> dict[str, Any]:
    """Return how the pure elements lie in the layers.

    Returns
    -------
    found : dict
        ``layers``: for each of layers 0 to 16 the share of the main-group elements whose nearest
        neighbour (among the elements of the four groups, by angle in the layer) is of their own
        group; by chance it is ``chance``. ``pictures``: two components of layers 1, 2 and 4,
        of the four groups, with the variance they hold. ``alkali_order``: rank correlation of the
        first component of the alkali metals alone with their period, layer by layer.
    """
    symbols = [symbol for _, members in GROUPS for symbol in members]
    group = np.repeat(np.arange(len(GROUPS)), [len(members) for _, members in GROUPS])
    pure = _pure(symbols)
    every = [*symbols, *_OTHERS.split()]
    layers, order = [], []
    for layer in _LAYERS:
        h = model.activations(pure, layer)
        layers.append(_neighbours_alike(h, group))
        order.append(_order(h[: len(GROUPS[0][1])]))
    pictures = []
    for layer in (1, 2, 4):
        h = model.activations(_pure(every), layer)
        at, share = _two_components(h, n_fitted=len(symbols))
        pictures.append(
            {
                "layer": layer,
                "share": share,
                "symbol": every,
                "x": at[:, 0].tolist(),
                "y": at[:, 1].tolist(),
            }
        )
    return {
        "groups": [[name, list(members)] for name, members in GROUPS],
        "layers": layers,
        "chance": _chance(group),
        "alkali_order": order,
        "pictures": pictures,
    }


def binaries() -> tuple[Compositions, NDArray[np.bool_], NDArray[np.intp]]:
    """Return compounds of one metal of group I or II and one element of group VI or VII.

    Returns
    -------
    compositions : Compositions
        2:1, 1:1 and 1:2 of each pair.
    balanced : ndarray of bool
        Whether the usual charges (+1, +2, -2, -1) sum to zero: one of the three ratios.
    metal : ndarray of int
        Number of the metal, for holding all its compounds out.
    """
    charge = {s: q for (_, members), q in zip(GROUPS, _CHARGES, strict=True) for s in members}
    metals = [*GROUPS[0][1], *GROUPS[1][1]]
    others = [*GROUPS[2][1], *GROUPS[3][1]]
    amounts, balanced, group = [], [], []
    for place, metal in enumerate(metals):
        for other in others:
            for a, b in _RATIOS:
                row = np.zeros(len(ELEMENTS))
                row[ELEMENTS.index(metal)], row[ELEMENTS.index(other)] = a, b
                amounts.append(row)
                balanced.append(a * charge[metal] + b * charge[other] == 0)
                group.append(place)
    return Compositions(np.array(amounts)), np.array(balanced), np.array(group)


def charge_balance(model: ElemNetRegressor) -> dict[str, Any]:
    """Return how well each layer separates charge-balanced binaries from the others.

    Returns
    -------
    found : dict
        ``linear``: area under the ROC curve of a linear classifier on the activations of each
        layer 0 to 16, for metals whose compounds it has not seen; ``plane``: the same on the first
        two principal components; ``first_component``: the share of the variance the first one
        holds; ``members``: ``linear`` of every member of the ensemble;
        ``energy``: with the predicted energy alone. ``pictures`` of two components at layers 1, 8
        and the best one.
    """
    compounds, balanced, metal = binaries()
    linear = [
        [_probe(model.activations(compounds, layer, member), balanced, metal) for layer in _LAYERS]
        for member in range(len(model.networks_))
    ]
    hidden = [model.activations(compounds, layer) for layer in _LAYERS]
    projected = [_two_components(h) for h in hidden]
    plane = [_probe(at, balanced, metal) for at, _ in projected]
    best = int(np.argmax(np.mean(linear, axis=0)))
    pictures = []
    for layer in sorted({1, 8, best}):
        if layer == 0:
            continue
        at, share = projected[layer]
        pictures.append(
            {
                "layer": layer,
                "share": share,
                "x": at[:, 0].tolist(),
                "y": at[:, 1].tolist(),
            }
        )
    return {
        "n": len(balanced),
        "n_balanced": int(balanced.sum()),
        "formula": list(compounds.formulas),
        "balanced": balanced.tolist(),
        "linear": linear[0],
        "members": linear,
        "plane": plane,
        "first_component": [share[0] for _, share in projected],
        "energy": _probe(model.predict(compounds)[:, None], balanced, metal),
        "best_layer": best,
        "pictures": pictures,
    }


def _probe(h: Array, balanced: NDArray[np.bool_], metal: NDArray[np.intp]) -> float:
    """Return the area under the ROC curve for metals that were held out."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    scores = cross_val_predict(
        model, h, balanced, groups=metal, cv=LeaveOneGroupOut(), method="decision_function"
    )
    return float(roc_auc_score(balanced, scores))


def _two_components(h: Array, n_fitted: int | None = None) -> tuple[Array, list[float]]:
    """Return rows on the first two principal components of the first `n_fitted` of them.

    And the share of the variance that each component holds.
    """
    fitted = h[:n_fitted]
    away = fitted - fitted.mean(axis=0)
    _, sizes, axes = np.linalg.svd(away, full_matrices=False)
    whole = float((sizes**2).sum())
    held = (sizes[:2] ** 2 / whole if whole > 0 else np.zeros(2)).tolist()
    return (h - fitted.mean(axis=0)) @ axes[:2].T, held


def _pure(symbols: list[str]) -> Compositions:
    return Compositions.from_fractions(np.eye(len(symbols)), symbols)


def _neighbours_alike(h: Array, group: NDArray[np.intp]) -> float:
    """Return the share of rows whose nearest neighbour by angle is of their own group."""
    norm = np.linalg.norm(h, axis=1, keepdims=True)
    unit = h / np.where(norm > 0, norm, 1.0)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    largest = cosine.max(axis=1, keepdims=True)
    tied = np.isclose(cosine, largest, rtol=0, atol=1e-12)  # equally near ones count in parts
    alike = tied & (group == group[:, None])
    return float((alike.sum(axis=1) / tied.sum(axis=1)).mean())


def _chance(group: NDArray[np.intp]) -> float:
    counts = np.bincount(group)
    return float((counts * (counts - 1)).sum() / (len(group) * (len(group) - 1)))


def _order(h: Array) -> float:
    """Return how well one line through the rows keeps their order, from 0 to 1."""
    from scipy.stats import spearmanr

    along = _two_components(h)[0][:, 0]
    if np.ptp(along) < 1e-9:
        return 0.0
    return float(abs(spearmanr(along, np.arange(len(h))).statistic))

"""The published protocol of augmented studies, whose claims every study checks.

SMOTE-REG on all rows, a 3-64-64-1 network, cross-validation of the augmented pool
(arXiv:2010.14111). The paper gives no number of training steps: about 20 passes over its pool.
"""

from __future__ import annotations

from typing import Any

from matlever.tables import DenseRegressor, SmoteReg

__all__ = ["N_STEPS", "published_network", "published_sampler"]

N_STEPS = 2_500
_POOL_ROWS = 9_100


def published_sampler(n_rows: int, seed: int) -> SmoteReg:
    """Return SMOTE-REG with pairs and one neighbour, for a pool of about 9,100 rows.

    On 28 rows the amount is 1,200 %, the one that gives the paper's count; on larger tables pairs
    are drawn at random.
    """
    amount = max(100, _POOL_ROWS // (n_rows * (n_rows - 1)) * 100)
    per_pair = 2 * amount // 100
    return SmoteReg(
        n_combination=2,
        amount=amount,
        k_neighbors=1,
        max_combinations=max(1, _POOL_ROWS // per_pair),
        random_state=seed,
    )


def published_network(seed: int, **options: Any) -> DenseRegressor:
    """Return the paper's network, one member without weight decay."""
    return DenseRegressor(
        n_members=1, n_steps=N_STEPS, weight_decay=0.0, random_state=seed, **options
    )

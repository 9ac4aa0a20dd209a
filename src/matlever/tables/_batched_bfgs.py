"""BFGS on many small problems at once: every round evaluates each unfinished problem once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BatchedObjective", "minimize_batch"]

_ARMIJO = 1e-4  # sufficient decrease, Nocedal & Wright (2006), section 3.1
_LONGEST_STEP = 3.0  # of one parameter in one round; the parameters are logarithms
_SHORTEST_STEP = 1e-7
_COMPACT_BELOW = 0.75  # share of unfinished problems under which the batch is packed anew

Evaluate = Callable[["Tensor"], tuple["Tensor", "Tensor"]]


class BatchedObjective(Protocol):
    """A family of functions of a few parameters, one per problem."""

    def select(self, which: Tensor) -> Evaluate:
        """Return theta (b, p) -> (values (b,), gradients (b, p)) for the problems `which` (b,)."""
        ...


def minimize_batch(
    objective: BatchedObjective,
    start: Tensor,
    *,
    group: Tensor,
    trial_rounds: int,
    max_rounds: int,
    tolerance: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Minimise each problem by BFGS with a backtracking line search.

    Problems of one group are several starts of the same task. All of them run for
    `trial_rounds`; from then on only the best of each group goes on.

    Parameters
    ----------
    objective : BatchedObjective
    start : Tensor of shape (b, p), float64
    group : Tensor of shape (b,), int64
        Number of the task a start belongs to, 0 to n_groups - 1, each present.
    trial_rounds, max_rounds : int
        Rounds (one evaluation per unfinished problem) before the choice, and in all.
    tolerance : float
        A problem is finished when the next step promises to lower the value by less.

    Returns
    -------
    theta : Tensor of shape (n_groups, p)
        The best point of each group.
    value : Tensor of shape (n_groups,)
    n_rounds : Tensor of shape (n_groups,), int64
        Evaluations made from the start that won.
    """
    import torch

    n, p = start.shape
    identity = torch.eye(p, dtype=start.dtype, device=start.device)
    every = torch.arange(n, device=start.device)
    x = start.clone()
    f, g = objective.select(every)(x)
    f = torch.where(torch.isfinite(f), f, torch.inf)
    inverse = identity.expand(n, p, p).clone()
    fresh = torch.ones(n, dtype=torch.bool, device=start.device)  # no curvature known yet
    direction = _shorten(-g)
    step = torch.ones(n, dtype=start.dtype, device=start.device)
    running = torch.isfinite(f)
    n_rounds = torch.ones(n, dtype=torch.int64, device=start.device)

    packed, evaluate = every, objective.select(every)
    for round_ in range(1, max_rounds + 1):
        if round_ == trial_rounds:
            best = _best_of_group(f, group)
            running &= torch.zeros_like(running).index_fill_(0, best, True)
        active = torch.nonzero(running).squeeze(1)
        if active.numel() == 0:
            break
        if active.numel() < _COMPACT_BELOW * packed.numel():
            packed, evaluate = active, objective.select(active)
        n_rounds[active] += 1
        trial = x[packed] + step[packed, None] * direction[packed]
        f_new, g_new = evaluate(trial)

        slope = (g[packed] * direction[packed]).sum(1)
        target = f[packed] + _ARMIJO * step[packed] * slope
        ok = torch.isfinite(f_new) & (f_new <= target) & running[packed]
        refused = running[packed] & ~ok

        if bool(refused.any()):
            at = packed[refused]
            t = step[at]
            curve = 2 * (f_new[refused] - f[at] - t * slope[refused])
            parabola = -slope[refused] * t**2 / curve
            parabola = torch.where(torch.isfinite(parabola), parabola, 0.1 * t)
            step[at] = torch.minimum(torch.maximum(parabola, 0.1 * t), 0.5 * t)
            running[at[step[at] < _SHORTEST_STEP]] = False
        if bool(ok.any()):
            at = packed[ok]
            s, y = trial[ok] - x[at], g_new[ok] - g[at]
            h = _update(inverse[at], s, y, fresh[at], identity)
            x[at], f[at], g[at], inverse[at] = trial[ok], f_new[ok], g_new[ok], h
            fresh[at] = False
            newton = -(h @ g_new[ok][:, :, None]).squeeze(2)
            running[at[-(newton * g_new[ok]).sum(1) < 2 * tolerance]] = False
            direction[at], step[at] = _shorten(newton), 1.0
    best = _best_of_group(f, group)
    return x[best], f[best], n_rounds[best]


def _shorten(direction: Tensor) -> Tensor:
    """Return directions whose largest component does not exceed the longest step."""
    largest = direction.abs().amax(1, keepdim=True)
    return direction * (_LONGEST_STEP / largest.clamp(min=_LONGEST_STEP))


def _update(inverse: Tensor, s: Tensor, y: Tensor, fresh: Tensor, identity: Tensor) -> Tensor:
    """Return the inverse Hessians after steps `s` changed the gradients by `y` (BFGS).

    Nocedal & Wright (2006), equations 6.17 and 6.20 (the scale of the first one).
    """
    import torch

    sy = (s * y).sum(1)
    usable = sy > 1e-10 * (s.norm(dim=1) * y.norm(dim=1))
    safe = torch.where(usable, sy, 1.0)
    scale = torch.where(usable, safe / (y * y).sum(1).clamp(min=1e-300), 1.0)
    h = torch.where((fresh & usable)[:, None, None], scale[:, None, None] * identity, inverse)
    rho = (1.0 / safe)[:, None, None]
    hy = h @ y[:, :, None]  # (b, p, 1)
    yhy = (y[:, None, :] @ hy) * rho  # (b, 1, 1)
    column = s[:, :, None]
    cross = hy @ column.mT
    updated = h + rho * ((1.0 + yhy) * (column @ column.mT) - cross - cross.mT)
    return torch.where(usable[:, None, None], updated, h)


def _best_of_group(f: Tensor, group: Tensor) -> Tensor:
    """Return the position of the lowest value of each group (the first of equals)."""
    import torch

    order = torch.argsort(f, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = group[order][1:] != group[order][:-1]
    return order[first]

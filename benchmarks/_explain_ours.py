"""Our side of `benchmarks/explain.py`: time, error, smallest budget of equal error, checks."""

from __future__ import annotations

import time

import numpy as np
from scipy.stats import ortho_group

import matlever as ml
from _explain_models import Counted
from matlever.exceptions import SettingsError
from matlever.explanation.weights.designs import Design, fold_over

FAR = 1e3  # limits, in standard deviations, that no neighbourhood reaches
# Budgets tried, in calls besides the sample itself: about 20 % apart.
BUDGETS = tuple(int(np.ceil(2 ** (step / 4))) for step in range(16, 53))


def editors_of(problem):
    """Return an editor with limits far away and one with the limits of the data."""
    mean, sd = problem.training.mean(axis=0), problem.training.std(axis=0)
    limits = {f"x{j}": (mean[j] - FAR * sd[j], mean[j] + FAR * sd[j]) for j in range(problem.m)}
    return (
        ml.TableEditor.from_frame(problem.training, limits=limits),
        ml.TableEditor.from_frame(problem.training),
    )


def explain(predictor, editor, problem, instances, **settings):
    """Explain instances in one call, with the model's own table as the reference."""
    return ml.explain(predictor, editor, instances, reference=problem.training, **settings)


def timed(predictor, editor, problem, n_instances, **settings):
    """Time one call for many instances.

    Returns milliseconds and rows per instance, and microseconds per instance that were not spent
    in the model.
    """
    counted = Counted(ml.as_predictor(predictor))
    start = time.process_time()
    explain(counted, editor, problem, problem.instances[:n_instances], **settings)
    seconds = time.process_time() - start
    overhead = 1e6 * (seconds - counted.seconds) / n_instances
    return 1e3 * seconds / n_instances, counted.rows / n_instances, overhead


def rotated_design(problem, seed):
    """Return the default design turned at random."""
    turn = ortho_group.rvs(problem.m, random_state=seed)
    return Design("fold-over", fold_over(problem.m).points @ turn, True)


def answers_of(problem, editor, n_instances, seeds, *, rotate=False, **settings):
    """Return standardised slopes for several seeds, (seeds, instances, m).

    `rotate` turns the default design at random instead of passing the seed on.
    """
    found = []
    for seed in range(seeds):
        chosen = {"design": rotated_design(problem, seed)} if rotate else {"random_state": seed}
        some = problem.instances[:n_instances]
        found.append(
            explain(problem.model, editor, problem, some, **settings, **chosen).slope_standardised
        )
    return np.stack(found)


def ratio(difference, size):
    """Root of a sum of squares relative to another."""
    return float(
        np.sqrt((difference**2).sum() / (np.broadcast_to(size, difference.shape) ** 2).sum())
    )


def smallest_budget(problem, editor, reference, error_to_reach, seeds, ways):
    """Step the calls up until the error is small enough, for the best of several ways.

    Returns the settings, the answers and the error at the first budget that reaches it, or None.
    """
    for budget in BUDGETS:
        best = None
        for way in ways:
            settings = {**way, "n_calls": budget + 1}
            try:
                answers = answers_of(problem, editor, len(reference), seeds, **settings)
            except SettingsError:  # too few calls for this design
                continue
            error = ratio(answers - reference, reference)
            if error <= error_to_reach and (best is None or error < best[2]):
                best = (settings, answers, error)
        if best is not None:
            return best
    return None


def is_repeatable(problem, editor, **settings):
    """Whether the same seed gives the same bits, and permuted rows the permuted bits."""
    some = problem.instances[:200]
    first = explain(problem.model, editor, problem, some, **settings).slope_standardised
    again = explain(problem.model, editor, problem, some, **settings).slope_standardised
    order = np.random.default_rng(0).permutation(len(some))
    turned = explain(problem.model, editor, problem, some[order], **settings).slope_standardised
    return bool((first == again).all()), bool((first[order] == turned).all())

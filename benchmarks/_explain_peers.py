"""The peers of `benchmarks/explain.py`, each as a function of a problem and a seed.

A peer gives back a function that explains one instance and returns one number per input. What is
set up once for a model (statistics of the table, bins, background rows) is not timed.
"""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import Lime
from lime.lime_tabular import LimeTabularExplainer
from shap import KernelExplainer, PermutationExplainer
from shap.maskers import Independent
from sklearn.linear_model import LinearRegression

from _explain_models import Counted, CountedModule, Problem

__all__ = ["captum_lime", "lime_package", "shap_kernel", "shap_permutation"]


def lime_package(n_samples, *, discretise=False, penalty=True):
    """LIME's own package, all inputs; `penalty`: its default, a ridge regression of alpha 1."""

    def prepare(problem: Problem, counted: Counted, seed: int):
        explainer = LimeTabularExplainer(
            problem.training,
            mode="regression",
            discretize_continuous=discretise,
            sample_around_instance=not discretise,
            random_state=np.random.RandomState(seed),
        )
        regressor = None if penalty else LinearRegression()

        def explain(x):
            found = explainer.explain_instance(
                x,
                counted.predict,
                num_features=problem.m,
                num_samples=n_samples,
                model_regressor=regressor,
            )
            weights = np.zeros(problem.m)
            for j, weight in found.as_map()[1]:
                weights[j] = weight
            return weights

        return explain

    return prepare


def shap_kernel(problem: Problem, counted: Counted, seed: int):
    """SHAP's KernelExplainer with as many coalitions as it chooses itself."""
    explainer = KernelExplainer(counted.predict, _background(problem))

    def explain(x):
        np.random.seed(seed)  # noqa: NPY002 - the only way to seed it
        return np.asarray(explainer.shap_values(x, silent=True))

    return explain


def shap_permutation(problem: Problem, counted: Counted, seed: int):
    """SHAP's PermutationExplainer with its default number of evaluations."""
    masker = Independent(_background(problem), max_samples=problem.n_background)
    explainer = PermutationExplainer(counted.predict, masker, seed=seed)
    return lambda x: np.asarray(explainer(x[None], silent=True).values)[0]


def captum_lime(n_samples):
    """Captum's Lime with its own defaults, all samples in one evaluation; baseline zero."""

    def prepare(problem: Problem, counted, seed: int):
        if problem.module is not None:
            forward = counted  # a CountedModule
        else:

            def forward(rows):
                return torch.from_numpy(counted.predict(rows.numpy()))

        method = Lime(forward)

        def explain(x):
            torch.manual_seed(seed)
            with torch.no_grad():
                found = method.attribute(
                    torch.from_numpy(x[None]),
                    n_samples=n_samples,
                    perturbations_per_eval=n_samples,
                )
            return found.numpy()[0]

        return explain

    return prepare


def counted_for(prepare, problem: Problem):
    """Return the model of a problem in the form the peer takes, counting rows."""
    if prepare.__qualname__.startswith("captum_lime") and problem.module is not None:
        return CountedModule(problem.module)
    return Counted(problem.model)


def _background(problem: Problem):
    chosen = np.random.default_rng(0).choice(
        len(problem.training), problem.n_background, replace=False
    )
    return problem.training[chosen]

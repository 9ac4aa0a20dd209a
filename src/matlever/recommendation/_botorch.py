"""BoTorch and GPyTorch, imported in one place, or the command that installs them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matlever.exceptions import MissingExtraError

try:
    with warnings.catch_warnings():
        # linear_operator compiles a helper when it is imported, which torch now advises against.
        warnings.filterwarnings("ignore", message="`torch.jit.script", category=DeprecationWarning)
        import botorch
        import gpytorch
        from botorch.acquisition.multi_objective import logei
        from botorch.exceptions.warnings import OptimizationWarning
        from linear_operator.utils.warnings import NumericalWarning
except ImportError as error:
    raise MissingExtraError("Suggesting experiments", "BoTorch", "design") from error

__all__ = ["botorch", "gpytorch", "quiet", "without_compiling"]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the libraries say about repairs that they make themselves.

    A jitter on the diagonal of a covariance, and a fit that stopped at its limit of steps and is
    then started again; and the check of inputs and outcomes that are scaled here already.
    """
    with warnings.catch_warnings(), botorch.settings.validate_input_scaling(False):
        warnings.simplefilter("ignore", NumericalWarning)
        warnings.simplefilter("ignore", OptimizationWarning)
        yield


@contextmanager
def without_compiling() -> Iterator[None]:
    """Keep BoTorch from compiling its C++ kernel for hypervolumes, where it would do so unasked.

    That would take a minute on first use, need a compiler, and give other last bits on machines
    that have none.
    """
    before = getattr(logei, "_load_attempted", None)
    if before is None:  # a release of BoTorch without that kernel
        yield
        return
    logei._load_attempted = True
    try:
        yield
    finally:
        logei._load_attempted = before

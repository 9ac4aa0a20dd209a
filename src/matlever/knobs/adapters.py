"""What people have at hand, as the two seams see it: models as predictors, tables as editors."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.knobs.protocols import Editor, Predictor
from matlever.knobs.space import KnobSpace
from matlever.knobs.table_editor import TableEditor

if TYPE_CHECKING:
    import torch

__all__ = ["FunctionPredictor", "ModulePredictor", "as_editor", "as_predictor", "gives_std"]


class FunctionPredictor:
    """A function of samples as a predictor.

    Parameters
    ----------
    function : callable
        Takes m samples, returns an array of shape (m,) or (m, t).
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def predict(self, X: Any) -> Any:
        """Return the function's values."""
        return self.function(X)

    def __repr__(self) -> str:
        return f"FunctionPredictor({self.function!r})"


class ModulePredictor:
    """A torch module as a differentiable predictor of numeric rows.

    Rows go to the device and the type of the module's parameters; a last axis of length one is
    dropped. The module is called in evaluation mode and left in the mode it had.

    Parameters
    ----------
    module : torch.nn.Module
        Maps a tensor of shape (m, k) to one of shape (m,) or (m, t).
    batch_rows : int, default=65_536
        Rows in one call.
    """

    def __init__(self, module: torch.nn.Module, *, batch_rows: int = 65_536) -> None:
        self.module = module
        self.batch_rows = batch_rows

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return predictions of shape (m,) or (m, t) for a frame or array of m rows."""
        import torch

        try:
            # pandas hands out arrays that torch would complain of: they cannot be written to.
            rows = np.require(X, dtype=np.float64, requirements="W")
        except (TypeError, ValueError) as error:
            raise DataError(
                f"A torch module takes numbers; these rows hold something else ({error})."
            ) from error
        parts = []
        with torch.no_grad():
            for start in range(0, max(len(rows), 1), self.batch_rows):
                part = torch.from_numpy(rows[start : start + self.batch_rows])
                parts.append(self.predict_tensor(part).double().cpu().numpy())
        return np.concatenate(parts)

    def predict_tensor(self, X: torch.Tensor) -> torch.Tensor:
        """Return predictions as a tensor that knows its gradient with respect to the rows."""
        weight = next(self.module.parameters(), None)
        rows = X if weight is None else X.to(device=weight.device, dtype=weight.dtype)
        was_training = self.module.training
        self.module.eval()
        try:
            found: torch.Tensor = self.module(rows)
        finally:
            self.module.train(was_training)
        return found[..., 0] if found.ndim == 2 and found.shape[1] == 1 else found

    def __repr__(self) -> str:
        return f"ModulePredictor({type(self.module).__name__})"


def as_predictor(model: Any) -> Predictor:
    """Return a model as a predictor.

    Parameters
    ----------
    model : object
        Anything with ``predict`` (a scikit-learn regressor, the model of a study), a torch module
        that maps numeric rows to numbers, or a function of samples.

    Raises
    ------
    SettingsError
        If it is none of these, or a class instead of a fitted object.
    """
    if isinstance(model, type):
        raise SettingsError(
            f"{model.__name__} is a class: give a fitted object, for instance "
            f"{model.__name__}().fit(X, y)."
        )
    if callable(getattr(model, "predict", None)):
        found: Predictor = model
        return found
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return ModulePredictor(model)
    if callable(model):
        return FunctionPredictor(model)
    raise SettingsError(
        f"A {type(model).__name__} cannot predict: give something with .predict(X), a torch module "
        "or a function of samples."
    )


def gives_std(predictor: Any) -> bool:
    """Whether ``predict(X, return_std=True)`` gives standard deviations.

    It does where ``predict`` takes ``return_std``, unless the predictor says by ``has_std = False``
    that it has none as it is fitted (an ensemble of one).
    """
    if not getattr(predictor, "has_std", True):
        return False
    try:
        return "return_std" in inspect.signature(predictor.predict).parameters
    except (TypeError, ValueError):  # built-in functions have no signature
        return False


def as_editor(source: Any) -> Editor:
    """Return an editor, or make one of a table.

    Parameters
    ----------
    source : Editor, Table, DataFrame or array_like of shape (n, k)
        An editor is returned as it is; of a checked table the inputs become knobs; of a frame or
        an array every column does, with the observed limits.

    Raises
    ------
    SettingsError
        If nothing can be edited.
    """
    if isinstance(getattr(source, "space", None), KnobSpace):
        found: Editor = source
        return found
    if hasattr(source, "input_columns") and hasattr(source, "inputs"):
        return TableEditor.from_table(source)
    if isinstance(source, pd.DataFrame | np.ndarray | list | tuple):
        return TableEditor.from_frame(source)
    raise SettingsError(
        f"An editor with knobs is needed, or a table, a DataFrame or an array of rows; not a "
        f"{type(source).__name__}."
    )

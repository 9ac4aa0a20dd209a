"""The model a screening asks: a folder of a composition model, or a study of formulas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from matlever.study.one_target import TargetModel

__all__ = ["FractionsOfStudy", "load_predictor"]

Array = NDArray[np.float64]


def load_predictor(folder: Path, target: str | None) -> tuple[Any, tuple[str, ...], str]:
    """Load what predicts from element fractions.

    Parameters
    ----------
    folder : path
        A model folder, or the folder of a study.
    target : str or None
        Target of a study that has several.

    Returns
    -------
    predictor : Predictor
    seen : tuple of str
        Elements it was fitted to.
    name : str
        Of its target.

    Raises
    ------
    SettingsError
        If the folder holds no model of compositions.
    """
    if (folder / "model.json").is_file():
        return _of_model(folder, target)
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder of a model or a study.")
    return _of_study(folder, target)


def _of_model(folder: Path, target: str | None) -> tuple[Any, tuple[str, ...], str]:
    from matlever.compositions import ELEMENTS
    from matlever.compositions.restore import restore
    from matlever.storage import read_model

    state, card = read_model(folder)
    predictor = restore(state)
    if not hasattr(predictor, "predict"):
        raise SettingsError(f"{folder} holds a {state.kind}, which predicts nothing.")
    if target is not None:
        raise SettingsError(f"--target is for a study; {folder} holds one model.")
    columns = tuple(getattr(predictor, "elements", None) or ELEMENTS)
    flags = getattr(predictor, "seen_", None)
    if getattr(predictor, "n_features_in_", len(columns)) != len(columns):
        raise SettingsError(f"{folder} was not fitted to the fractions of {len(columns)} elements.")
    seen = columns
    if flags is not None:
        seen = tuple(name for name, there in zip(columns, flags, strict=True) if there)
    named = card.get("target")
    return predictor, seen, named if isinstance(named, str) else "prediction"


def _of_study(folder: Path, target: str | None) -> tuple[Any, tuple[str, ...], str]:
    from matlever.compositions.encoder import element_of
    from matlever.study import load_study

    model = load_study(folder).model
    columns = {column.name: element_of(column.name) for column in model.inputs}
    elements = {name: symbol for name, symbol in columns.items() if symbol is not None}
    if not elements:
        raise SettingsError(
            f"{folder} is no study of compositions: none of its inputs is the fraction of an "
            "element. Make one with `matlever study FILE --formula COLUMN`."
        )
    others = [name for name in columns if name not in elements]
    if others:
        raise SettingsError(
            f"The model needs more than a composition: {', '.join(others)}. Screen with a study "
            "of formulas alone (--ignore these columns)."
        )
    if target is None and len(model.targets) > 1:
        names = ", ".join(column.name for column in model.targets)
        raise SettingsError(f"The study has several targets; name one with --target: {names}.")
    name = model.targets[0].name if target is None else target
    chosen = model.for_target(name)
    return FractionsOfStudy(chosen, elements), tuple(elements.values()), chosen.column.name


class FractionsOfStudy:
    """Predicts one target of a study from element fractions.

    Parameters
    ----------
    model : TargetModel
    elements : dict of str to str
        Input columns of the study, and the element each is the fraction of.
    """

    def __init__(self, model: TargetModel, elements: dict[str, str]) -> None:
        from matlever.compositions import ELEMENTS

        self.model = model
        self.names = list(elements)
        self._columns = np.array([ELEMENTS.index(symbol) for symbol in elements.values()])

    def predict(self, X: Array, return_std: bool = False) -> Any:
        """Return predictions (n,) for fractions (n, 103), and standard deviations where asked.

        Raises
        ------
        DataError
            If a composition holds an element that no composition of the study had.
        """
        fractions = np.asarray(X, dtype=np.float64)
        if (np.abs(fractions[:, self._columns].sum(axis=1) - 1.0) > 1e-6).any():
            raise DataError("A composition holds an element that the study has never seen.")
        rows = self._frame(fractions)
        return self.model.predict(rows, return_std=True) if return_std else self.model.predict(rows)

    def _frame(self, fractions: Array) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(fractions[:, self._columns], columns=self.names)

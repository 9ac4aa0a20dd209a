"""The one leakage-free protocol: every candidate predicts every row from folds without that row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import MatleverError, SettingsError
from matlever.validation.fits import Progress, fit_many, take_rows
from matlever.validation.metrics import Score, mae, r2, rmse
from matlever.validation.splits import FoldPlan

__all__ = ["CrossValidation", "cross_validate"]

FloatArray = NDArray[np.float64]

_N_BOOTSTRAP = 2000


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Out-of-fold predictions of several models under one plan of folds.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Measured values, in the target's unit.
    plan : FoldPlan
        The folds.
    predictions : dict of str to ndarray of shape (n_repeats, n_rows)
        Prediction of each row, in each repeat, by the model of the fold that holds the row out.
    members : dict of str to tuple of str
        Which entries of `predictions` are parts of which candidate.
    models : dict of str to list
        Fitted fold models of the first repeat, for the candidates asked for.
    """

    y: FloatArray
    plan: FoldPlan
    predictions: dict[str, FloatArray]
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)
    models: dict[str, list[Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        lines = [f"{self.plan.describe()}, {len(self.y)} rows"]
        for name in self.predictions:
            scores = self.scores(name)
            lines.append(f"  {name}: R2 {scores['r2']}, RMSE {scores['rmse']}")
        return "\n".join(lines)

    def out_of_fold(self, name: str) -> FloatArray:
        """Return the first repeat's predictions, shape (n_rows,): those of ``models[name]``."""
        first: FloatArray = self._predictions(name)[0]
        return first

    def scores(self, name: str) -> dict[str, Score]:
        """Return R2, RMSE and MAE of one model, all held-out rows of a repeat pooled.

        The mean is that over repeats. The spread says how far the figure could lie off for other
        rows like these: half the central 68 % range of 2,000 bootstrap samples of the rows (of
        whole groups and sets of replicates where there are any), their squared errors averaged
        over repeats. The repeats themselves tell only the luck of the split
        (:attr:`Score.split_sd`), which is several times smaller.
        """
        predictions = self._predictions(name)
        figures = {"r2": r2, "rmse": rmse, "mae": mae}
        spread = self._bootstrap(predictions)
        return {
            key: _score([figure(self.y, row) for row in predictions], spread[key])
            for key, figure in figures.items()
        }

    def mean_predictor(self) -> FloatArray:
        """Return what always guessing the training mean predicts, shape (n_repeats, n_rows)."""
        guess = np.empty((self.plan.n_repeats, len(self.y)))
        for repeat in range(self.plan.n_repeats):
            for train, test in self.plan.splits(repeat):
                guess[repeat, test] = self.y[train].mean()
        return guess

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values that give every prediction back bit by bit; models are left out."""
        return {
            "y": self.y.tolist(),
            "plan": self.plan.to_dict(),
            "predictions": {name: rows.tolist() for name, rows in self.predictions.items()},
            "members": {name: list(parts) for name, parts in self.members.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_dict` wrote."""
        return cls(
            y=np.asarray(values["y"], dtype=np.float64),
            plan=FoldPlan.from_dict(values["plan"]),
            predictions={
                name: np.asarray(rows, dtype=np.float64)
                for name, rows in values["predictions"].items()
            },
            members={name: tuple(parts) for name, parts in values["members"].items()},
        )

    def _predictions(self, name: str) -> FloatArray:
        if name not in self.predictions:
            raise SettingsError(f"No model {name!r} here; there are {list(self.predictions)}.")
        return self.predictions[name]

    def _bootstrap(self, predictions: FloatArray) -> dict[str, float]:
        """Return the spread of each figure of merit over bootstrap samples of the units."""
        random = np.random.default_rng(0)
        unit, n_units = self.plan.unit_of_row, self.plan.n_units
        draws = random.multinomial(n_units, np.full(n_units, 1 / n_units), _N_BOOTSTRAP)
        error, y = self.y - predictions, self.y - self.y.mean()

        def resampled(row_values: FloatArray) -> FloatArray:
            per_unit = np.bincount(unit, weights=row_values, minlength=n_units)
            return np.asarray(draws @ per_unit, dtype=float)

        n_rows = resampled(np.ones(len(y)))
        squared = resampled((error**2).mean(axis=0))
        total = resampled(y**2) - resampled(y) ** 2 / n_rows
        usable = total > 1e-12 * max(float(y @ y), np.finfo(float).tiny)
        return {
            "r2": _half_range(1.0 - squared[usable] / total[usable]),
            "rmse": _half_range(np.sqrt(squared / n_rows)),
            "mae": _half_range(resampled(np.abs(error).mean(axis=0)) / n_rows),
        }


def cross_validate(
    candidates: Mapping[str, Any],
    X: Any,
    y: ArrayLike,
    plan: FoldPlan,
    *,
    keep_models_of: Collection[str] = (),
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Predict every row by models that never saw it, for each candidate.

    Whatever a candidate does with its training rows (scaling, encoding, augmentation, choice of a
    model) happens inside the fold because it happens inside its ``fit``. A candidate with a method
    ``predict_members(X) -> dict`` has the predictions of its parts recorded under their own names.

    Parameters
    ----------
    candidates : mapping of str to estimator
        Left unfitted.
    X : DataFrame or array of shape (n_rows, n_inputs)
        Inputs, as the candidates want them.
    y : array_like of shape (n_rows,)
        One target.
    plan : FoldPlan
        Folds from :func:`plan_folds`.
    keep_models_of : collection of str
        Candidates whose fitted models of the first repeat are kept.
    n_jobs : int, optional
        Processes for candidates that fit task by task, as in joblib.
    progress : callable, optional
        Called with (done, total, what), counted over the fits of all candidates.

    Returns
    -------
    validation : CrossValidation

    Raises
    ------
    SettingsError
        If `X`, `y` and `plan` differ in length.
    MatleverError
        If a candidate predicts something that is not a finite number for each row.
    """
    y = np.asarray(y, dtype=np.float64)
    if y.ndim != 1 or len(y) != plan.n_rows or np.shape(X)[0] != plan.n_rows:
        raise SettingsError(
            f"X has {np.shape(X)[0]} rows, y has shape {y.shape}, the plan {plan.n_rows} rows."
        )
    splits = list(plan)
    tasks = [(take_rows(X, train), y[train]) for train, _ in splits]
    total = len(tasks) * len(candidates)
    result = CrossValidation(y=y, plan=plan, predictions={})
    for position, (name, estimator) in enumerate(candidates.items()):
        report = (
            None if progress is None else _shifted(progress, position * len(tasks), total, name)
        )
        models = fit_many(estimator, tasks, n_jobs=n_jobs, progress=report)
        result.predictions[name] = _collect(plan, name, [
            model.predict(take_rows(X, test))
            for model, (_, test) in zip(models, splits, strict=True)
        ])  # fmt: skip
        if all(hasattr(model, "predict_members") for model in models):
            parts = [
                model.predict_members(take_rows(X, test))
                for model, (_, test) in zip(models, splits, strict=True)
            ]
            names = []
            for part in parts[0]:
                full_name = part if part not in candidates else f"{name}: {part}"
                if full_name in result.predictions:
                    full_name = f"{name}: {part}"
                column = [values[part] for values in parts]
                result.predictions[full_name] = _collect(plan, full_name, column)
                names.append(full_name)
            result.members[name] = tuple(names)
        if name in keep_models_of:
            result.models[name] = models[: plan.n_folds]
    return result


def _collect(plan: FoldPlan, name: str, held_out: list[Any]) -> FloatArray:
    """Return the held-out predictions of all splits as (n_repeats, n_rows)."""
    table = np.full((plan.n_repeats, plan.n_rows), np.nan)
    for position, ((_, test), values) in enumerate(zip(plan, held_out, strict=True)):
        prediction = np.asarray(values, dtype=np.float64)
        if prediction.size != len(test):
            raise MatleverError(
                f"Model {name!r} predicted {prediction.shape} values for {len(test)} rows."
            )
        table[position // plan.n_folds, test] = prediction.reshape(len(test))
    if not np.isfinite(table).all():
        raise MatleverError(
            f"Model {name!r} predicted something that is not a finite number for "
            f"{int((~np.isfinite(table)).any(axis=0).sum())} rows."
        )
    return table


def _score(values: list[float], spread: float) -> Score:
    return Score(float(np.mean(values)), spread, tuple(values))


def _half_range(values: FloatArray) -> float:
    """Return half the central 68 % range: one standard deviation where values are normal.

    With few units some samples hardly vary and their R2 has no bound; a range ignores them.
    """
    if not len(values):
        return float("nan")
    low, high = np.quantile(values, [0.16, 0.84])
    return float(high - low) / 2


def _shifted(progress: Progress, done_before: int, total: int, name: str) -> Progress:
    """Return a progress call that counts on from the candidates before."""

    def report(done: int, _total: int, _what: str) -> None:
        progress(done_before + done, total, f"validating {name}")

    return report

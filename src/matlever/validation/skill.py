"""Is there skill at all? An answer in words, made to be hard to flatter."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from matlever.validation.metrics import Score, rmse
from matlever.validation.protocol import CrossValidation
from matlever.validation.splits import FoldPlan

__all__ = ["Skill", "Verdict", "verdict"]

FloatArray = NDArray[np.float64]
Skill = Literal["none", "weak", "useful", "strong"]

# Measured on 28 rows of pure noise (3 or 8 inputs; ridge, nearest neighbours, Gaussian process,
# 300 tables each): skill is claimed in 0.3-3.3 % of them; with a signal it is never denied where
# the honest R2 exceeds 0.4.
_FOLLOWS = 0.01
_GAINS = 0.1
_FEW_UNITS = 8
_STRONG, _USEFUL = 0.75, 0.35  # of R2 less its spread; a convention


@dataclass(frozen=True)
class Verdict:
    """What a cross-validation says about a model, in a word and a sentence.

    Parameters
    ----------
    skill : {"none", "weak", "useful", "strong"}
        The word.
    sentence : str
        The same for a reader.
    r2, r2_sd : float
        Honest R2 and its spread.
    rmse, rmse_of_mean : float
        Typical error of the model and of always guessing the training mean, in the target's unit.
    p_follows : float
        Chance of predictions that follow the measured values this well if they had no relation.
    p_gains : float
        Chance of squared errors this much below those of the mean if there were no difference.
    """

    skill: Skill
    sentence: str
    r2: float
    r2_sd: float
    rmse: float
    rmse_of_mean: float
    p_follows: float
    p_gains: float

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what is not a number becomes None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def verdict(
    validation: CrossValidation, model: str, baseline: str | None = None, *, unit: str | None = None
) -> Verdict:
    """Judge one model by its predictions of rows it never saw.

    With b the training mean and p the prediction of a row, both from folds without the row, the
    test of skill looks at two sums over rows (averaged over repeats, added up over rows that are
    held out together):

    - ``(y - b)(p - b)``: do predictions follow the measured values? Zero on average without a
      relation, whatever the model; a one-sided t test has to give less than 0.01.
    - ``(y - b)² - (y - p)²``: are squared errors smaller than the mean's? Less than 0.1.

    Both have to hold, and R2 has to exceed its own spread; otherwise the word is "none". No model
    is fitted again. With fewer than 8 groups the tests run over rows, and the model has to beat
    the mean in three quarters of the groups as well.

    Parameters
    ----------
    validation : CrossValidation
        Of the honest protocol (whole groups held out where there are groups).
    model : str
        Which model to judge. One chosen because it scored best among many is flattered.
    baseline : str, optional
        Which of the models always guesses the mean; by default its predictions are worked out from
        the folds.
    unit : str, optional
        Of the target, for the sentence.

    Returns
    -------
    verdict : Verdict
    """
    prediction = validation.predictions[model]
    scores = validation.scores(model)
    y = validation.y
    guess = validation.mean_predictor() if baseline is None else validation.predictions[baseline]
    follows = ((y - guess) * (prediction - guess)).mean(axis=0)
    gains = ((y - guess) ** 2 - (y - prediction) ** 2).mean(axis=0)
    p_follows, p_gains, steady = _tests(validation, follows, gains)
    score = scores["r2"]
    low = score.mean - score.sd
    typical = scores["rmse"].mean
    of_mean = float(np.mean([rmse(y, row) for row in guess]))
    skill: Skill = "none"
    if low > 0 and p_follows < _FOLLOWS and p_gains < _GAINS and steady:
        skill = "strong" if low >= _STRONG else "useful" if low >= _USEFUL else "weak"
    if skill == "none":
        sentence = _denial(score, validation.plan)
    else:
        suffix = f" {unit}" if unit else ""
        unseen = "groups" if validation.plan.kind == "groups" else "rows"
        sentence = (
            f"{_PRAISE[skill]} for {unseen} the model has not seen it explains "
            f"{_percent(score.mean)} of the variance (R² {_signed(score)}); its typical error is "
            f"{typical:.3g}{suffix}, against {of_mean:.3g}{suffix} for always guessing the mean."
            + _ADVICE[skill]
        )
    return Verdict(
        skill, sentence, score.mean, score.sd, typical, of_mean, p_follows, p_gains
    )  # fmt: skip


_PRAISE = {
    "weak": "There is weak but real skill:",
    "useful": "There is useful skill:",
    "strong": "There is strong skill:",
}
_ADVICE = {
    "weak": " Trust directions rather than values.",
    "useful": "",
    "strong": "",
}


def _denial(score: Score, plan: FoldPlan) -> str:
    if math.isnan(score.mean):
        return "There is no evidence of skill: the measured values do not vary."
    if score.mean <= 0:
        reason = "for rows it has not seen the model is no better than always guessing the mean"
        figure = f" (R² {_signed(score)})"
    else:
        reason = f"an R² of {_signed(score)} for rows the model has not seen can be luck"
        figure = f" on {plan.n_rows} rows"
        if plan.kind == "groups":
            reason = f"an R² of {_signed(score)} for groups the model has not seen can be luck"
            figure = f" with {plan.n_groups} groups"
    return (
        f"There is no evidence of skill: {reason}{figure}. Do not act on these predictions or on "
        "the weights drawn from them; more rows, or inputs that matter more, are needed."
    )


def _tests(
    validation: CrossValidation, follows: FloatArray, gains: FloatArray
) -> tuple[float, float, bool]:
    """Return the two p-values, and whether the gain is spread over the groups."""
    plan = validation.plan
    unit, n_units = plan.unit_of_row, plan.n_units
    gain_of_unit = np.bincount(unit, weights=gains, minlength=n_units)
    if plan.kind == "groups" and n_units < _FEW_UNITS:
        steady = float((gain_of_unit > 0).mean()) >= 0.75
        return _one_sided(follows), _one_sided(gains), steady
    follows_of_unit = np.bincount(unit, weights=follows, minlength=n_units)
    return _one_sided(follows_of_unit), _one_sided(gain_of_unit), True


def _one_sided(values: NDArray[Any]) -> float:
    """Return the p-value of Student's test that the mean is above zero."""
    n, mean = len(values), float(values.mean())
    sd = float(values.std(ddof=1)) if n > 1 else 0.0
    if sd == 0:
        return 1.0
    return float(student.sf(mean / (sd / math.sqrt(n)), n - 1))


def _percent(share: float) -> str:
    return f"{min(99.0, max(1.0, 100 * share)):.0f} %" if share < 0.995 else "over 99 %"


def _signed(score: Score) -> str:
    """Return the score with a typographic minus."""
    digits = 3 if score.sd < 0.005 else 2
    return f"{score.mean:.{digits}f} ± {score.sd:.{digits}f}".replace("-", "−")

"""Is there skill at all? An answer in words, made to be hard to flatter."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm as normal
from scipy.stats import t as student

from matlever.validation.metrics import Score, rmse
from matlever.validation.protocol import CrossValidation
from matlever.validation.splits import FoldPlan

__all__ = ["Skill", "Verdict", "verdict"]

FloatArray = NDArray[np.float64]
Skill = Literal["none", "weak", "useful", "strong"]

_FOLLOWS = 0.01
_GAINS = 0.1
_FEW_UNITS = 8
_N_PAIRINGS = 4_999
_MANY_UNITS = 500  # from here the correlation of random pairs is normal, with variance 1 / (n - 1)
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
        Share of random pairings of predictions and measured values that agree at least as well.
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

    Three things have to hold, or the word is "none":

    - R2 exceeds its own spread, so squared errors are smaller than those of the mean.
    - Predictions follow the measured values: their correlation over rows (replicates averaged;
      whole groups averaged where groups are held out) is reached by less than 1 % of random
      pairings. Unlike a t test this holds when a few extreme rows carry most of the variance.
    - Where groups are held out, the gain over the mean is spread over them: a one-sided t test on
      the groups' sums of ``(y - b)² - (y - p)²`` gives less than 0.1, b being the training mean
      and p the prediction. With fewer than 8 groups rows are paired at random instead, and the
      model has to beat the mean in three quarters of the groups.

    No model is fitted again.

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
    gains = ((y - guess) ** 2 - (y - prediction) ** 2).mean(axis=0)
    p_follows, p_gains, steady = _tests(validation, prediction.mean(axis=0), gains)
    score = scores["r2"]
    low = score.mean - score.sd
    typical = scores["rmse"].mean
    of_mean = float(np.mean([rmse(y, row) for row in guess]))
    skill: Skill = "none"
    if low > 0 and p_follows < _FOLLOWS and steady:
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
    "weak": "There are signs of weak skill:",
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
    validation: CrossValidation, prediction: FloatArray, gains: FloatArray
) -> tuple[float, float, bool]:
    """Return the two p-values, and whether the gain is spread over the groups."""
    plan, y = validation.plan, validation.y
    unit, n_units = plan.unit_of_row, plan.n_units
    gain_of_unit = np.bincount(unit, weights=gains, minlength=n_units)
    p_gains = _one_sided(gain_of_unit)
    if plan.kind != "groups":
        steady = True
    elif n_units < _FEW_UNITS:
        steady = float((gain_of_unit > 0).mean()) >= 0.75
        return _paired_at_random(y, prediction), _one_sided(gains), steady
    else:
        steady = p_gains < _GAINS
    size = np.bincount(unit, minlength=n_units)
    y_mean, mean = (np.bincount(unit, weights=v, minlength=n_units) / size for v in (y, prediction))
    return _paired_at_random(y_mean, mean), p_gains, steady


def _paired_at_random(y: FloatArray, prediction: FloatArray) -> float:
    """Return the share of random pairings whose correlation is at least the observed one."""
    y, prediction = y - y.mean(), prediction - prediction.mean()
    scale = float(np.linalg.norm(y) * np.linalg.norm(prediction))
    if not scale > 0:
        return 1.0
    correlation = float(y @ prediction) / scale
    n = len(y)
    if n > _MANY_UNITS:
        return float(normal.sf(correlation * math.sqrt(n - 1)))
    random = np.random.default_rng(0)
    shuffled = random.permuted(np.broadcast_to(prediction, (_N_PAIRINGS, n)), axis=1)
    reached = int(np.sum(shuffled @ y >= (correlation - 1e-12) * scale))
    return (1 + reached) / (1 + _N_PAIRINGS)


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

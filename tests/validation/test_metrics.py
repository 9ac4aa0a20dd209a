"""Figures of merit against scikit-learn's."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from matlever.exceptions import SettingsError
from matlever.validation import Score, mae, median_ae, nrmse, r2, rmse


def test_figures_agree_with_scikit_learn():
    random = np.random.default_rng(0)
    y, prediction = random.normal(size=(2, 31))
    assert r2(y, prediction) == pytest.approx(sk.r2_score(y, prediction), rel=1e-12)
    assert rmse(y, prediction) == pytest.approx(sk.root_mean_squared_error(y, prediction))
    assert mae(y, prediction) == pytest.approx(sk.mean_absolute_error(y, prediction))
    assert median_ae(y, prediction) == pytest.approx(sk.median_absolute_error(y, prediction))
    assert 1 - nrmse(y, prediction) ** 2 == pytest.approx(sk.r2_score(y, prediction))


def test_r2_of_a_constant_target_is_not_a_number():
    assert math.isnan(r2([2.0, 2.0], [1.0, 3.0]))
    assert math.isnan(nrmse([2.0, 2.0], [1.0, 3.0]))


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(SettingsError, match=r"\(3,\).*\(3, 1\)"):
        rmse(np.zeros(3), np.zeros((3, 1)))


def test_score_survives_json_also_when_undefined():
    score = Score(0.1 + 0.2, math.nan, (0.1, 0.5))
    back = Score.from_dict(json.loads(json.dumps(score.to_dict(), allow_nan=False)))
    assert back.mean == score.mean
    assert back.values == score.values
    assert back.split_sd == score.split_sd == pytest.approx(np.std([0.1, 0.5], ddof=1))
    assert math.isnan(back.sd)

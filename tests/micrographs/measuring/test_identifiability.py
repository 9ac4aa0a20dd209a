"""Which attributes can be told apart: against other formulas, and on simulated lots."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression

from matlever.exceptions import DataError, NotEnoughDataError
from matlever.micrographs import identifiability, lot_texture
from matlever.micrographs.measuring.identifiability import _flags, _pairs
from matlever.micrographs.measuring.lot_texture import leave_lots_out
from matlever.micrographs.simulate import simulate_sem
from matlever.micrographs.simulate.lots import _expert, _lot_attributes

NAMES = ["size", "porosity", "polydispersity", "facetness"]


def labels(seed, confounding, n=30):
    rng = np.random.default_rng([seed, 20])
    exact = _lot_attributes(rng, n, confounding)
    seen = (_expert(rng, exact) + _expert(rng, exact)) / 2
    return pd.DataFrame(seen, columns=NAMES, index=[f"L{i}" for i in range(n)])


def pictures(table, noise, seed=0):
    """Features of lots that show each attribute with a noise of its own."""
    rng = np.random.default_rng(seed)
    seen = table.to_numpy() + np.asarray(noise) * rng.standard_normal(table.shape)
    mixed = np.hstack([seen @ rng.standard_normal((4, 9)), rng.standard_normal((len(table), 3))])
    return pd.DataFrame(mixed, index=table.index)


def test_inflation_is_one_over_one_minus_r2_of_the_others():
    table = labels(0, 0.6)
    found = identifiability(table)
    for j, name in enumerate(NAMES):
        others = table.drop(columns=name)
        told = LinearRegression().fit(others, table[name]).score(others, table[name])
        assert found.inflation[j] == pytest.approx(1 / (1 - told))
    np.testing.assert_allclose(found.inflation, np.diag(np.linalg.inv(table.corr().to_numpy())))
    np.testing.assert_allclose(found.correlation, table.corr().to_numpy())


def test_every_confounded_set_is_flagged_and_no_unconfounded_one():
    flagged = {0.0: 0, 0.7: 0}
    for seed in range(1000, 1060):
        for confounding in flagged:
            table = labels(seed, confounding)
            found = identifiability(table)
            pairs = {frozenset((pair.clear, pair.unclear)) for pair in found.pairs}
            flagged[confounding] += bool(found.flags)
            assert pairs <= {frozenset(("size", "facetness"))}
    assert flagged == {0.0: 0, 0.7: 60}


def test_the_worse_seen_of_a_pair_is_not_named_as_a_cause():
    table = labels(3, 0.7)
    found = identifiability(table, pictures(table, [0.02, 0.05, 0.1, 0.2]))
    (pair,) = found.pairs
    assert (pair.clear, pair.unclear) == ("size", "facetness")
    assert found.unclear == ("facetness",)
    r, p = pearsonr(table["size"], table["facetness"])
    assert (pair.r, pair.p) == (pytest.approx(r), pytest.approx(p))
    (sentence,) = found.sentences
    assert sentence.startswith("facetness cannot be told from size in these 30 lots, r = −0.")
    assert sentence.endswith("facetness is not to be named as a cause.")
    swapped = identifiability(table, pictures(table, [0.2, 0.05, 0.1, 0.02]))
    assert swapped.unclear == ("size",)


def test_without_pictures_neither_of_a_pair_is_named():
    found = identifiability(labels(3, 0.7))
    assert found.unclear == ("size", "facetness")
    assert np.isnan(found.picture_r2).all()


def test_attributes_the_pictures_do_not_show_are_flagged():
    table = labels(4, 0.0)
    found = identifiability(table, pictures(table, [0.02, 0.05, 5.0, 0.1]))
    assert found.unclear == ("polydispersity",)
    assert "do not show polydispersity" in found.flags["polydispersity"]
    assert found.picture_r2[2] < 0.1 < found.picture_r2[0]


def test_an_attribute_the_others_determine_together_is_flagged():
    table = labels(5, 0.0)
    table["facetness"] = (table["size"] + table["porosity"] + table["polydispersity"]) / 3
    found = identifiability(table)
    assert "facetness" in found.flags
    assert np.isinf(found.inflation[3])
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_constant_attribute_is_flagged_and_harms_no_other():
    table = labels(6, 0.0)
    table["porosity"] = 0.5
    found = identifiability(table, pictures(table, 0.05))
    assert found.unclear == ("porosity",)
    assert "the same in all 30 lots" in found.flags["porosity"]
    rest = identifiability(table.drop(columns="porosity"))
    np.testing.assert_allclose(found.inflation[[0, 2, 3]], rest.inflation)


def test_clean_lots_say_so_in_one_sentence():
    table = labels(7, 0.0)
    found = identifiability(table, pictures(table, 0.05))
    assert found.flags == {}
    largest = np.abs(table.corr().to_numpy() - np.eye(4)).max()
    assert found.sentences == (
        f"In these 30 lots no attribute hides behind another: the largest correlation is "
        f"{largest:.2f} in size.",
    )
    assert list(found.to_frame().index) == NAMES
    json.dumps(found.to_dict(), allow_nan=False)


def test_lots_left_out_are_not_learned_from():
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((25, 40)), rng.standard_normal((25, 2))
    found = leave_lots_out(features, targets)
    other = targets.copy()
    other[4] += 100.0
    moved = leave_lots_out(features, other)
    np.testing.assert_array_equal(moved[4], found[4])
    assert not np.allclose(moved[5], found[5])


def test_lots_that_cannot_be_judged_are_named():
    table = labels(8, 0.0, n=8)
    with pytest.raises(NotEnoughDataError, match="4 lots"):
        identifiability(table[:4])
    with pytest.raises(DataError, match="lot L2: it has no pictures"):
        identifiability(table, pictures(table, 0.1).drop(index="L2"))
    table.loc["L3", "size"] = np.nan
    with pytest.raises(DataError, match="lot L3, column 'size': it has no label"):
        identifiability(table)


def test_lot_texture_is_the_mean_over_the_tiles_of_each_lot():
    from matlever.micrographs import texture_features

    lots = simulate_sem(3, 4, 32)
    some = lots.tiles[lots.tiles.lot != 1]
    found = lot_texture(some)
    assert list(found.index) == ["A", "C"]
    np.testing.assert_allclose(
        found.loc["C"], texture_features(lots.tiles[lots.tiles.lot == 2]).mean(axis=0), rtol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1003, 1004])
def test_simulated_lots_are_flagged_when_and_only_when_they_are_confounded(seed):
    for confounding, expected in ((0.0, ()), (0.7, ("facetness",))):
        lots = simulate_sem(30, 16, 64, confounding=confounding, random_state=seed)
        found = identifiability(lots.table[list(lots.attribute_names)], lot_texture(lots.tiles))
        assert found.unclear == expected, found


def test_neither_of_a_pair_is_named_where_the_pictures_rather_show_the_one_that_would_be_hidden():
    names, correlation = ("size", "facetness"), np.array([[1.0, -0.8], [-0.8, 1.0]])
    for own, flagged in (((0.5, -0.3), ("facetness",)), ((-0.5, -0.3), ("size", "facetness"))):
        pairs = _pairs(names, correlation, np.array(own), 10)
        seen = np.array([0.94, 0.14])
        found = _flags(names, 10, np.array([True, True]), pairs, np.ones(2), seen, np.array(own))
        assert tuple(found) == flagged

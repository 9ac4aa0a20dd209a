"""LIME of the nanorod law against its true derivatives."""

from __future__ import annotations

import numpy as np

from matlever.explanation import explain
from matlever.knobs.table_editor import TableEditor
from matlever.tables.simulate import NanorodLaw, simulate_nanorods

LAW = NanorodLaw()
X = simulate_nanorods(28, random_state=0).iloc[:, :3].to_numpy()
# (rows, knobs, targets), per standard deviation of the knob
TRUTH = np.moveaxis(LAW.gradient(X), 1, 2) * X.std(axis=0)[:, None]


class Law:
    def predict(self, X):
        return LAW.mean(X)


def test_the_narrower_the_kernel_the_nearer_to_the_true_derivatives():
    limits = {f"x{j}": (0.8 * X[:, j].min(), 1.2 * X[:, j].max()) for j in range(3)}
    editor = TableEditor.from_frame(X, limits=limits)
    errors = []
    for width in ("lime", 0.5, 0.2):
        found = explain(
            Law(),
            editor,
            X,
            reference=X,
            kernel_width=width,
            design="gaussian-mirrored",
            n_calls=4000,
        )
        error = np.sqrt(((found.slope_standardised - TRUTH) ** 2).sum((0, 1)))
        errors.append(error / np.sqrt((TRUTH**2).sum((0, 1))))
    assert (np.diff(errors, axis=0) < 0).all()
    assert (errors[-1] < 0.15).all()


def test_at_limes_own_width_the_order_of_the_knobs_and_their_signs_are_the_laws():
    found = explain(Law(), TableEditor.from_frame(X), X, reference=X)
    ours = np.abs(found.slope_standardised).mean(axis=0)
    truth = np.abs(TRUTH).mean(axis=0)
    np.testing.assert_array_equal(ours.argmax(axis=0), truth.argmax(axis=0))
    assert (np.abs(ours - truth) < 0.25 * truth.max(axis=0)).all()
    np.testing.assert_array_equal(
        np.sign(found.slope_standardised.mean(axis=0)), np.sign(TRUTH.mean(axis=0))
    )

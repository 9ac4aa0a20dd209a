"""What a search needs to know before it begins: predictions, their range, known samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.explanation.changes.goal import Wish
from matlever.explanation.changes.ground import Ground, Problems
from matlever.explanation.changes.starts import Known
from matlever.knobs import DataRegion, Editor, Predictor, predict_settings
from matlever.knobs.samples import take_rows

__all__ = ["Asked", "check_count", "reach_of"]

Array = NDArray[np.float64]

# Known samples that are predicted at most.
_MOST_KNOWN = 5000


class Asked:
    """First questions to a predictor.

    Parameters
    ----------
    predictor, editor, batch_rows
        As in `matlever.explanation.counterfactual`.
    """

    def __init__(self, predictor: Predictor, editor: Editor, batch_rows: int) -> None:
        self.predictor, self.editor, self.batch_rows = predictor, editor, batch_rows

    def predict(self, samples: Any, values: Array) -> Array:
        """Return predictions of shape (n, r) or (n, r, t) at settings (n, r, k)."""
        return predict_settings(
            self.predictor, self.editor, samples, values, batch_rows=self.batch_rows
        )

    def known(self, reference: Any) -> Known:
        """Return known samples, each at the feasible setting nearest to it."""
        settings = np.asarray(self.editor.values(reference), dtype=float)
        if not len(settings):
            raise DataError("The reference holds no sample.")
        if len(settings) > _MOST_KNOWN:
            rows = np.linspace(0, len(settings) - 1, _MOST_KNOWN).astype(np.intp)
            settings, reference = settings[rows], take_rows(reference, rows)
        settings = self.editor.space.project(settings)
        found = self.predict(reference, settings[:, None])
        return Known(settings, found.reshape(len(settings), -1))

    def scale(
        self, samples: Any, problems: Problems, ground: Ground, wishes: Sequence[Wish], n: int
    ) -> Array:
        """Range of the predictions (n, w) of each sample, over n settings drawn from the space."""
        drawn = self.editor.space.sample(n, 0)
        values = np.repeat(drawn[None], len(problems), axis=0)
        found = self.predict(samples, ground.settle(problems, values)[0])
        found = found.reshape(*values.shape[:2], -1)[..., [wish.position for wish in wishes]]
        return np.asarray(found.max(axis=1) - found.min(axis=1))

    @staticmethod
    def known_scale(known: Known, wishes: Sequence[Wish], n: int) -> Array:
        """Range of the predictions (n, w) of the known samples, the same for all."""
        found = known.prediction[:, [wish.position for wish in wishes]]
        return np.tile(found.max(axis=0) - found.min(axis=0), (n, 1))


def reach_of(region: DataRegion | None, start: Array) -> Array:
    """Distance to known samples (n,) that an answer may have: the region's, or the sample's own."""
    if region is None:
        return np.full(len(start), np.inf)
    return np.maximum(region.radius, region.distance(start))


def check_count(values: Sequence[Any] | None, n_targets: int, what: str) -> tuple[Any, ...] | None:
    """Return one value per target, or None.

    Raises
    ------
    SettingsError
        If there are more or fewer.
    """
    if values is None:
        return None
    if isinstance(values, str) or len(values) != n_targets:
        raise SettingsError(f"{what}={values!r}: the predictor has {n_targets} targets.")
    return tuple(values)

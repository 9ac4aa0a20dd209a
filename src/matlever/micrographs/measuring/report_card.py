"""The report card of an editor of tiles: it changes what was asked, only that, and really.

An editor is measured by two independent meters, by judges that look for traces of editing, and by
what it does where nothing is asked. No single meter is believed: a network can be fooled by a
pattern that no one sees, which is why the card must fail an editor made to do that, and one that
does nothing (`matlever.micrographs.measuring.controls`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.knobs import Editor, Predictor
from matlever.micrographs.measuring._card_criteria import (
    CardLimits,
    Criterion,
    Gains,
    gain_limits,
    judge,
)
from matlever.micrographs.measuring._card_gain import (
    MeterReading,
    readings_of_real_tiles,
    slopes_of,
    summarise,
)
from matlever.micrographs.measuring._card_render import editor_name, rendered, stored
from matlever.micrographs.measuring.meters import Meter
from matlever.micrographs.measuring.realism import Realism, measure_realism
from matlever.micrographs.tiles import Tiles, unit_images

if TYPE_CHECKING:
    import pandas as pd

    from matlever.micrographs.measuring._texture_network import Progress

__all__ = [
    "CardLimits",
    "Criterion",
    "ExactComparison",
    "MeterReading",
    "ReportCard",
    "report_card",
]

Array = NDArray[np.float64]

CARD_SCHEMA = "matlever-editor-card/1"
_LOWEST, _HIGHEST = 0.1, 0.9
_LEAST_MOVE = 0.1  # turns smaller than this change too little to correlate


@dataclass(frozen=True, eq=False)
class ExactComparison:
    """An editor's changes beside those of the same packing drawn again.

    Attributes
    ----------
    names : tuple of k str
    correlation : ndarray of shape (k,)
        Mean over tiles and values of the partial correlation, over pixels, of the two edited tiles,
        given the tile itself. (Two changes that only take the tile away would correlate by 0.5,
        whatever they put in its place.)
    strength : ndarray of shape (k,)
        Root mean square change, over that of the exact editor.
    """

    names: tuple[str, ...]
    correlation: Array
    strength: Array

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "names": list(self.names),
            "correlation": self.correlation.tolist(),
            "strength": self.strength.tolist(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class ReportCard:
    """What an editor of tiles does, measured.

    Attributes
    ----------
    editor : str
        Its name.
    names : tuple of k str
        Attributes.
    values : ndarray of shape (m,)
        Values each knob was set to.
    n_tiles, n_lots : int
        Tiles the gains were measured on.
    network, texture : MeterReading
        Gains by the two meters.
    realism : Realism
        Edited against real tiles.
    identity_error : float
        Mean absolute change of pixels of tiles rendered at their own values, in shares of the
        range of tones.
    prediction_shift : float or None
        Mean absolute change of the prediction by that, in errors of the predictor.
    exact : ExactComparison or None
        Beside the exact editor, where there is one.
    criteria : tuple of Criterion
        What was asked and what was found.
    simulated : bool
        Whether the tiles are simulated.
    pictures : ndarray of shape (k, m, H, W[, 3])
        One tile with each knob at each value, as the editor renders it.
    exact_pictures : ndarray of shape (k, m, H, W[, 3]) or None
        The same by the exact editor.
    picture_values : ndarray of shape (k,)
        Where that tile stands.
    """

    editor: str
    names: tuple[str, ...]
    values: Array
    n_tiles: int
    n_lots: int
    network: MeterReading
    texture: MeterReading
    realism: Realism
    identity_error: float
    prediction_shift: float | None
    exact: ExactComparison | None
    criteria: tuple[Criterion, ...]
    simulated: bool
    pictures: NDArray[Any]
    exact_pictures: NDArray[Any] | None
    picture_values: Array

    @property
    def passed(self) -> bool:
        """Whether no criterion failed; what could not be judged does not count."""
        return not self.failed

    @property
    def failed(self) -> tuple[Criterion, ...]:
        """The criteria that failed."""
        return tuple(c for c in self.criteria if c.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: everything but the pictures."""
        return {
            "schema": CARD_SCHEMA,
            "editor": self.editor,
            "simulated": self.simulated,
            "passed": self.passed,
            "n_tiles": self.n_tiles,
            "n_lots": self.n_lots,
            "values": self.values.tolist(),
            "network": self.network.to_dict(),
            "texture": self.texture.to_dict(),
            "realism": self.realism.to_dict(),
            "identity_error": self.identity_error,
            "prediction_shift": self.prediction_shift,
            "exact": None if self.exact is None else self.exact.to_dict(),
            "criteria": [c.to_dict() for c in self.criteria],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the criteria as a table."""
        import pandas as pd

        return pd.DataFrame([c.to_dict() for c in self.criteria]).set_index("name")

    def plot(self) -> Any:
        """Draw sweeps, gains and pictures, and return the matplotlib figure."""
        from matlever.micrographs.measuring._card_figure import draw_card

        return draw_card(self)

    def __repr__(self) -> str:
        from matlever.micrographs.measuring._card_text import card_text

        return card_text(self)


def report_card(
    editor: Editor,
    tiles: Tiles,
    *,
    network_meter: Meter,
    texture_meter: Meter,
    predictor: Predictor | None = None,
    predictor_error: float | None = None,
    exact: Editor | None = None,
    gains: Gains | None = None,
    limits: CardLimits | None = None,
    n_tiles: int = 100,
    n_values: int = 5,
    n_realism: int = 2000,
    n_epochs: int = 10,
    random_state: int = 0,
    progress: Progress | None = None,
) -> ReportCard:
    """Measure an editor of tiles.

    Parameters
    ----------
    editor : Editor
        With a knob from 0 to 1 for each attribute.
    tiles : Tiles
        Real (or simulated) tiles of lots that neither the editor nor a meter has seen: at least 6
        lots, and `n_realism` / 2 tiles for a severe judgement of realism.
    network_meter, texture_meter : Meter
        Trained on other lots, see `NetworkMeter` and `TextureMeter`.
    predictor : Predictor, optional
        Whose prediction should not move where nothing is asked.
    predictor_error : float, optional
        Its error on unseen lots, in the unit of its prediction; without it the shift is not judged.
    exact : Editor, optional
        Draws the same tiles again (`ExactEditor`): the meters are then calibrated on what they read
        for exact turns of the same tiles, and changes are compared pixel by pixel. By default
        meters are calibrated on the labels of the lots of `tiles`.
    gains : dict, optional
        What gain is asked of an attribute: the least, or the least and the largest, or None where
        it is not to be judged. Those not named must reach ``limits.gain``.
    limits : CardLimits, optional
        What else is asked.
    n_tiles : int, default=100
        Tiles to turn knobs on, as many of each lot as can be.
    n_values : int, default=5
        Values of each knob, from 0.1 to 0.9.
    n_realism : int, default=2000
        Tiles to judge realism on, half of them real.
    n_epochs : int, default=10
        Passes of the network that judges realism.
    random_state : int, default=0
    progress : callable or None, default=None
        Called as ``progress(done, all, what)``.

    Returns
    -------
    card : ReportCard

    Raises
    ------
    DataError
        If editor, meters and tiles do not have the same attributes.
    NotEnoughDataError
        If there are fewer than 6 lots.

    Notes
    -----
    A gain is the slope of a measured attribute over the values of a knob, the others staying where
    the tile stands. A meter that sees less than there is reads less for the same turn, and some of
    one attribute as another. So slopes are divided by the meter's own: the matrix of raw slopes is
    multiplied by the inverse of the matrix that it reads for known turns. An exact editor then has
    the identity matrix, and by construction so if it is itself the calibration.

    Steps of sweeps are counted on the mean readings of each lot's tiles: tile by tile, the noise of
    the meter alone reverses some steps even of exact turns (`MeterReading.monotone_tiles`).
    """
    limits = limits or CardLimits()
    asked = gain_limits(tiles.names, gains, limits)
    _check(editor, tiles, (network_meter, texture_meter), exact, n_tiles, n_values)
    if predictor_error is not None and not predictor_error > 0:
        raise SettingsError(f"predictor_error={predictor_error} must be above 0.")
    rng = np.random.default_rng([random_state, 20])
    some = tiles.spread_over_lots(n_tiles, rng)
    values = np.linspace(_LOWEST, _HIGHEST, n_values)
    meters = (network_meter, texture_meter)
    told = _Told(progress)
    found = _sweep(editor, some, values, meters, told, "knobs turned")
    reference = None
    if exact is not None:
        reference = _sweep(exact, some, values, meters, told, "knobs turned exactly")
    readings = []
    for which, meter in enumerate(meters):
        if reference is not None:
            own = slopes_of(values, reference.read[which])
        else:
            own = readings_of_real_tiles(
                tiles.attributes, meter.predict(tiles), tiles.lot, random_state
            )
        readings.append(
            summarise(
                tiles.names, values, found.read[which], some.lot, own, meter.r2_, random_state
            )
        )
    still = rendered(editor, some, editor.values(some)[:, None])
    identity = float(np.abs(still.images - some.unit()).mean(dtype=np.float64))
    shift = _shift(predictor, predictor_error, some, stored(still, some.images.dtype))
    realism = measure_realism(
        editor,
        tiles,
        n=n_realism,
        n_epochs=n_epochs,
        random_state=random_state,
        progress=progress,
    )
    network, texture = readings
    return ReportCard(
        editor=editor_name(editor),
        names=tiles.names,
        values=values,
        n_tiles=len(some),
        n_lots=len(np.unique(some.lot)),
        network=network,
        texture=texture,
        realism=realism,
        identity_error=identity,
        prediction_shift=shift,
        exact=None if reference is None else _beside(found, reference, some, values),
        criteria=judge(network, texture, realism, identity, shift, asked, limits),
        simulated=tiles.scenes is not None,
        pictures=found.images[:, 0].copy(),
        exact_pictures=None if reference is None else reference.images[:, 0].copy(),
        picture_values=some.attributes[0].copy(),
    )


# -- parts ----------------------------------------------------------------------------------------


class _Told:
    """Progress of the sweeps."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress

    def of(self, before: int, all_: int, what: str) -> Callable[[int], None]:
        """Return what is to be told how many tiles of one knob are done."""

        def step(done: int) -> None:
            if self.progress is not None:
                self.progress(before + done, all_, what)

        return step


@dataclass(frozen=True, eq=False)
class _Swept:
    """Readings (n, k, m, k) of each meter, and the pictures (k, n, m, H, W[, 3])."""

    read: list[Array]
    images: NDArray[Any]


def _sweep(
    editor: Editor,
    tiles: Tiles,
    values: Array,
    meters: tuple[Meter, ...],
    told: _Told,
    what: str,
) -> _Swept:
    """Turn each knob of each tile to each value, the others staying where the tile stands."""
    n, k, m = len(tiles), len(tiles.names), len(values)
    read = [np.empty((n, k, m, k)) for _ in meters]
    images = []
    start = np.asarray(editor.values(tiles), dtype=np.float64)
    for i in range(k):
        settings = np.repeat(start[:, None], m, axis=1)
        settings[:, :, i] = values
        step = told.of(i * n, k * n, what)
        edited = stored(rendered(editor, tiles, settings, step=step), tiles.images.dtype)
        for which, meter in enumerate(meters):
            read[which][:, i] = meter.predict(edited).reshape(n, m, k)
        images.append(edited.images.reshape(n, m, *edited.images.shape[1:]))
    return _Swept(read, np.stack(images))


def _shift(
    predictor: Predictor | None, error: float | None, tiles: Tiles, still: Tiles
) -> float | None:
    if predictor is None or error is None:
        return None
    before, after = (np.asarray(predictor.predict(t), dtype=float) for t in (tiles, still))
    return float(np.abs(after - before).mean() / error)


def _beside(found: _Swept, reference: _Swept, tiles: Tiles, values: Array) -> ExactComparison:
    """Correlate edits with exact ones, over the pixels of each tile at each value."""
    k, n, m = found.images.shape[:3]
    before = tiles.unit().reshape(n, 1, -1)
    itself = before - before.mean(axis=2, keepdims=True)
    itself /= np.maximum(np.sqrt((itself**2).sum(axis=2, keepdims=True)), 1e-12)
    correlation, strength = np.zeros(k), np.zeros(k)
    for i in range(k):
        moved = np.abs(values[None] - tiles.attributes[:, i, None]) > _LEAST_MOVE
        a, b = (unit_images(s.images[i]).reshape(n, m, -1) - before for s in (found, reference))
        size_a, size_b = (np.sqrt((x**2).mean(axis=2)) for x in (a, b))
        a, b = (_beyond(x, itself) for x in (a, b))
        norm = np.sqrt((a**2).sum(axis=2) * (b**2).sum(axis=2))
        # Where a change is nothing but rounding there is nothing to correlate.
        each = np.where(norm > 1e-6, (a * b).sum(axis=2) / np.maximum(norm, 1e-12), 0.0)
        correlation[i] = each[moved].mean()
        strength[i] = size_a[moved].mean() / max(float(size_b[moved].mean()), 1e-12)
    return ExactComparison(tiles.names, correlation, strength)


def _beyond(change: NDArray[Any], itself: NDArray[Any]) -> NDArray[Any]:
    """Return changes (n, m, pixels) less their mean and the part that is the tile itself."""
    centred = change - change.mean(axis=2, keepdims=True)
    left: NDArray[Any] = centred - (centred * itself).sum(axis=2, keepdims=True) * itself
    return left


def _check(
    editor: Editor,
    tiles: Tiles,
    meters: tuple[Meter, ...],
    exact: Editor | None,
    n_tiles: int,
    n_values: int,
) -> None:
    if n_tiles < 2 or n_values < 2:
        raise SettingsError(f"n_tiles={n_tiles} and n_values={n_values} must be 2 or more.")
    lots = len(np.unique(tiles.lot))
    if lots < 6:
        raise NotEnoughDataError(
            f"A report card needs tiles of 6 unseen lots or more, for its intervals and its judges "
            f"in folds; these are of {lots}."
        )
    for what, names in (
        ("The editor", editor.space.names),
        *((f"{type(meter).__name__}", meter.names_) for meter in meters),
        *((("The exact editor", exact.space.names),) if exact is not None else ()),
    ):
        if tuple(names) != tiles.names:
            raise DataError(
                f"{what} has the attributes {', '.join(names)}; the tiles have "
                f"{', '.join(tiles.names)}."
            )

r"""Making a flow's edits as large as they are asked to be, one attribute at a time.

What a flow learned from lot labels comes out too weak, and a little of it in the wrong attribute.
A meter of attributes reads edited tiles: with :math:`C_{ji}` the change of its reading j per unit
of knob i, and :math:`S_{ji}` that of its reading j per unit of attribute i over real tiles, edits
respond by :math:`R = S^{-1} C`. Guidance is set where the mean of the diagonal of R is 1, and
changes of knobs are multiplied by :math:`R^{-1}` as measured there, within bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.micrographs.editing.flow_editor import FlowEditor
from matlever.micrographs.tiles import Tiles

__all__ = ["AttributeMeter", "calibrate_flow_editor", "response"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

# A knob counts for the choice of guidance where the meter sees at least this much of it.
_SEEN = 0.3
# How far the correction may go from the identity, on the diagonal and off it.
_MOST_ON, _MOST_OFF = (0.6, 1.6), 0.35


class AttributeMeter(Protocol):
    """Reads attributes from tiles."""

    def predict(self, X: Tiles) -> Any:
        """Return attributes of n tiles, of shape (n, k)."""
        ...


def calibrate_flow_editor(
    editor: FlowEditor,
    tiles: Tiles,
    meter: AttributeMeter,
    *,
    n_tiles: int = 96,
    guidances: Sequence[float] = (1.0, 1.75, 2.5, 3.5),
    step: float = 0.25,
    random_state: int = 0,
    progress: Progress | None = None,
) -> FlowEditor:
    """Return the editor with the guidance and the gain at which its edits are as asked for.

    Parameters
    ----------
    editor : FlowEditor
    tiles : Tiles
        Of lots the flow was taught from; never of lots it is scored on.
    meter : AttributeMeter
        Independent of the editor and not fitted to these very tiles.
    n_tiles : int, default=96
        So many of the tiles are edited, drawn from all lots alike.
    guidances : sequence of float
        Rising values that are tried; the choice is interpolated between them.
    step : float, default=0.25
        Knobs are turned by this much to both sides, as far as their limits allow.
    random_state : int, default=0
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    editor : FlowEditor
        Its card says under ``calibration`` what was measured.

    Raises
    ------
    DataError
        If the meter sees none of the attributes in real tiles.
    SettingsError
        If `guidances` do not rise.
    """
    if len(guidances) < 1 or any(np.diff(guidances) <= 0):
        raise SettingsError(f"guidances={list(guidances)} must rise.")
    seen = reading_slopes(tiles, meter)
    counts = np.diag(seen) >= _SEEN
    if not counts.any():
        raise DataError(
            "The meter sees none of the attributes in these tiles (slopes "
            f"{np.diag(seen).round(2).tolist()}), so edits cannot be calibrated with it."
        )
    chosen = _drawn_alike(tiles, n_tiles, random_state)
    k, total = len(tiles.names), len(guidances) + 2
    found: list[float] = []
    for i, guidance in enumerate(guidances):
        if progress is not None:
            progress(i, total, f"calibrating the editor, guidance {guidance:g}")
        plain = editor.calibrated(guidance=guidance, gain=np.eye(k))
        gains = _solved(seen, response(plain, chosen, meter, step))
        found.append(float(np.mean(np.diag(gains)[counts])))
        if found[-1] > 1:
            break
    guidance = _where_one(guidances[: len(found)], found)
    plain = editor.calibrated(guidance=guidance, gain=np.eye(k))
    before = _solved(seen, response(plain, chosen, meter, step))
    if progress is not None:
        progress(total - 1, total, f"calibrating the editor, guidance {guidance:.2f}")
    made = plain.calibrated(gain=_correction(before, counts))
    after = _solved(seen, response(made, chosen, meter, step))
    made.card = {
        **editor.card,
        "calibration": {
            "guidance": round(guidance, 4),
            "meter_slopes": seen.round(4).tolist(),
            "response_before": before.round(4).tolist(),
            "response_after": after.round(4).tolist(),
            "n_tiles": len(chosen),
            "n_lots": len(np.unique(chosen.lot)),
            "step": step,
        },
    }
    return made


def response(editor: Any, tiles: Tiles, meter: AttributeMeter, step: float) -> Array:
    """Return the change of each reading (rows) per unit of each knob (columns), (k, k)."""
    own, space = editor.values(tiles), editor.space
    low = np.maximum(own - step, space.lower)
    high = np.minimum(own + step, space.upper)
    k = own.shape[1]
    asked = np.repeat(own[:, None], 2 * k, axis=1)  # n x 2k x k
    for i in range(k):
        asked[:, 2 * i, i], asked[:, 2 * i + 1, i] = low[:, i], high[:, i]
    read = np.empty((len(tiles), 2 * k, k))
    most = max(1, editor.most_rows // (2 * k))
    for start in range(0, len(tiles), most):
        part = slice(start, start + most)
        drawn = editor.render(tiles[part], asked[part])
        read[part] = np.asarray(meter.predict(drawn), dtype=float).reshape(-1, 2 * k, k)
    columns = []
    for i in range(k):
        turned = high[:, i] - low[:, i]
        columns.append((read[:, 2 * i + 1] - read[:, 2 * i]).sum(axis=0) / turned.sum())
    return np.stack(columns, axis=1)


def reading_slopes(tiles: Tiles, meter: AttributeMeter, most: int = 2000) -> Array:
    """Return the slopes of readings (rows) by the lots' attributes (columns) over real tiles."""
    some = tiles[np.linspace(0, len(tiles) - 1, min(most, len(tiles))).astype(int)]
    read = np.asarray(meter.predict(some), dtype=float).reshape(len(some), -1)
    given = np.column_stack([some.attributes, np.ones(len(some))])
    slopes: Array = np.linalg.lstsq(given, read, rcond=None)[0][:-1].T
    return slopes


def _drawn_alike(tiles: Tiles, n: int, random_state: int) -> Tiles:
    """Return up to n tiles, of each lot alike many.

    Not :meth:`Tiles.spread_over_lots`: the packaged editor was calibrated with these draws, and
    must come out the same when it is made again.
    """
    order = np.random.default_rng([random_state, 41]).permutation(len(tiles))
    turn = np.empty(len(tiles), dtype=int)
    for lot in np.unique(tiles.lot):
        members = order[tiles.lot[order] == lot]
        turn[members] = np.arange(len(members))
    return tiles[np.sort(order[np.argsort(turn[order], kind="stable")][:n])]


def _solved(slopes: Array, readings: Array) -> Array:
    """Return changes of attributes from changes of readings."""
    return np.asarray(np.linalg.solve(slopes, readings), dtype=np.float64)


def _where_one(guidances: Sequence[float], means: Sequence[float]) -> float:
    """Return where the mean response is 1, or the last that was tried."""
    if means[-1] < 1 or len(means) == 1:
        return float(guidances[-1])
    return float(np.interp(1.0, means[-2:], guidances[-2:]))


def _correction(found: Array, counts: NDArray[np.bool_]) -> Array:
    """Return the inverse of a response, kept near the identity; attributes unseen stay alone."""
    k = len(found)
    use = found.copy()
    unseen = ~counts
    use[unseen, :], use[:, unseen] = 0.0, 0.0
    use[unseen, unseen] = 1.0
    wanted = np.linalg.pinv(use)
    off = np.clip(wanted, -_MOST_OFF, _MOST_OFF)
    on = np.clip(np.diag(wanted), *_MOST_ON)
    made: Array = np.where(np.eye(k, dtype=bool), np.diag(on), off)
    return made

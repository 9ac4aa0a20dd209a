"""Whether a tile was put together wrongly: a line across it along which one half is shifted.

At such a seam the pixels on both sides belong to different places. What tells it from an edge of
the material that happens to run along a line of pixels:

- the two columns of pixels at its sides become alike once one of them is shifted;
- the jump across it goes up here and down there, as the two halves are equally bright;
- it is spread over the whole length, not made by a few edges: its median rises with its mean,
  against the lines beside it and against all lines of the tile;
- position by position, it is larger than the jumps right before and after it.

Each line near the middle of a tile gets the log-odds of a seam from these, and a tile has those of
its worst line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["line_features", "lines_of", "seam_log_odds"]

Floats = NDArray[np.float32]

# Lines are searched in this part of the tile.
_FROM, _TO = 0.3, 0.7
# A shift is at least so much of the tile: neighbours within a crystal are alike at smaller ones.
_LEAST_SHIFT = 0.05
_HIGHEST_CORRELATION = 0.97
_SMALL = 1e-3  # a jump below this is none: about a quarter of a grey level of 8 bits
_BOTH_WAYS = 0.45  # a jump whose mean is a larger share of its size goes one way
#: Logistic regression of the features on tiles of simulated lots (seeds 0 to 9, 64 and 128 px) and
#: of micrographs of a superalloy, barrier coatings and steel (every second one), as they are and
#: with one half shifted by 10 to 33 % of the side.
_WEIGHTS = np.array([-10.9, 10.2, -19.4, 7.7, -5.2, 3.4, 4.45])
_CONSTANT = -7.9


def seam_log_odds(grey: Floats) -> NDArray[np.float64]:
    """Return the log-odds of a seam in each tile, of shape (n,): of its worst line.

    Parameters
    ----------
    grey : ndarray of shape (n, height, width), float32
        Intensities in [0, 1], at least 16 pixels each way.
    """
    upright = line_features(grey)
    lying = line_features(grey.swapaxes(1, 2))
    odds = [(features @ _WEIGHTS + _CONSTANT).max(axis=1) for features in (upright, lying)]
    return np.asarray(np.maximum(*odds))


def lines_of(width: int) -> NDArray[np.intp]:
    """Return the lines that are searched: c is the one between columns c and c + 1."""
    return np.arange(max(2, int(_FROM * width)), min(width - 3, int(np.ceil(_TO * width))))


def line_features(grey: Floats) -> NDArray[np.float64]:
    """Return what tells of a seam between columns near the middle.

    Parameters
    ----------
    grey : ndarray of shape (n, height, width), float32

    Returns
    -------
    features : ndarray of shape (n, lines, 7)
        Likeness of the columns beside a line as they stand (Fisher's z of their correlation) and
        at the best shift, but not above what is usual in the tile; how much of the jump goes one
        way, above a share of 0.45; share of the line at which its jump is the largest of three;
        logarithm of its mean jump against all lines, and of its median jump against the lines
        beside it and against all.
    """
    line = lines_of(grey.shape[2])
    near, far = _likeness(grey, line)
    usual = np.median(near, axis=1, keepdims=True)
    step = np.diff(grey, axis=2)  # (n, height, width - 1): across each line
    jump = np.abs(step)
    mean, median = jump.mean(axis=1), np.median(jump, axis=1)
    one_way = np.abs(step[:, :, line].mean(axis=1)) / (mean[:, line] + _SMALL)
    here = jump[:, :, line]
    largest = (here > jump[:, :, line - 1]) & (here > jump[:, :, line + 1])
    log_mean, log_median = np.log(mean + _SMALL), np.log(median + _SMALL)
    beside = sum(median[:, line + k] for k in (-2, -1, 1, 2)) / 4
    found = [
        near,
        np.minimum(far, usual),
        np.maximum(one_way - _BOTH_WAYS, 0.0),
        largest.mean(axis=1),
        log_mean[:, line] - np.median(log_mean, axis=1, keepdims=True),
        log_median[:, line] - np.log(beside + _SMALL),
        log_median[:, line] - np.median(log_median, axis=1, keepdims=True),
    ]
    return np.stack(found, axis=-1).astype(np.float64)


def _likeness(grey: Floats, line: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return Fisher's z of the correlation across lines, as they stand and at the best shift."""
    height = grey.shape[1]
    columns = grey[:, :, line[0] : line[-1] + 2]
    columns = columns - columns.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(columns, axis=1)
    product = np.fft.irfft(spectrum[..., :-1].conj() * spectrum[..., 1:], n=height, axis=1)
    power = (columns**2).sum(axis=1)
    scale = np.sqrt(power[:, :-1] * power[:, 1:])[:, None]
    r = np.divide(product, scale, out=np.zeros_like(product), where=scale > 1e-9)
    least = max(3, round(_LEAST_SHIFT * height))
    near = r[:, [0, 1, -1]].max(axis=1)
    far = r[:, least : height - least + 1].max(axis=1)
    limit = _HIGHEST_CORRELATION
    return np.arctanh(np.clip(near, -limit, limit)), np.arctanh(np.clip(far, -limit, limit))

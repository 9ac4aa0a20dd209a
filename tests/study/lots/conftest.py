"""A small kind of picture whose editor and predictor can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matlever.knobs import Knob, KnobSpace
from matlever.micrographs import Tiles

SIDE = 8
LOSS = 0.04  # what redrawing takes from the brightness of every picture


class Paint:
    """Turns the brightness and the contrast of pictures; redrawing darkens them a little."""

    most_rows = 64

    def __init__(self, loss=LOSS, fixed=()):
        self.loss = loss
        self.calls = 0
        self.space = KnobSpace(
            [Knob(name, lower=0, upper=1, fixed=name in fixed) for name in ("light", "contrast")]
        )

    def values(self, samples):
        return samples.attributes

    def render(self, samples, values):
        self.calls += 1
        pictures = self.render_tensor(samples, torch.from_numpy(values))
        return samples.edited(pictures, values)

    def render_tensor(self, samples, values):
        n, r, _ = values.shape
        own = torch.from_numpy(samples.attributes)[:, None]
        x = samples.tensor().double()[:, None]
        mean = x.mean(dim=(2, 3, 4), keepdim=True)
        moved = (values - own)[..., None, None, None]
        x = mean + (x - mean) * (1 + moved[:, :, 1]) + 0.4 * moved[:, :, 0] - self.loss
        return x.reshape(n * r, *x.shape[2:])


class Bright:
    """Ten times the mean brightness, and four times the spread within a picture."""

    def predict(self, tiles):
        return self.predict_tensor(tiles.tensor().double()).numpy()

    def predict_tensor(self, x):
        return 10 * x.mean(dim=(1, 2, 3)) + 4 * x.std(dim=(1, 2, 3))


def make_tiles(n_lots=4, n_tiles=6, seed=0):
    rng = np.random.default_rng(seed)
    attributes = rng.uniform(0.2, 0.8, (n_lots, 2)).round(2)
    lot = np.repeat(np.arange(n_lots), n_tiles)
    noise = rng.uniform(-1, 1, (len(lot), SIDE, SIDE))
    own = attributes[lot]
    images = 0.25 + 0.4 * own[:, :1, None] + 0.1 * (1 + own[:, 1:, None]) * noise
    names = tuple("ABCDEFGH"[:n_lots])
    labels = [f"{names[k]}/{i % n_tiles:04d}" for i, k in enumerate(lot)]
    return Tiles(images.astype(np.float32), own, ("light", "contrast"), lot, names, labels)


class NoGradient:
    """The same predictor, which knows no gradient."""

    def predict(self, tiles):
        return Bright().predict(tiles)


@pytest.fixture
def tiles():
    return make_tiles()


@pytest.fixture
def more_tiles():
    return make_tiles


@pytest.fixture
def paint():
    return Paint


@pytest.fixture
def bright():
    return Bright()


@pytest.fixture
def no_gradient():
    return NoGradient()

"""Explanations of images by segments: exact where the truth is known, on a real micrograph too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from matlever.explanation import explain, sweep_pair
from matlever.micrographs import SuperpixelEditor

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("n_segments", [4, 12, 30])
def test_weights_of_a_sum_over_segments_are_exact(channels, n_segments):
    images = RNG.uniform(0, 1, (3, 24, 30, *channels))
    editor = SuperpixelEditor.grid((24, 30), n_segments, fill=0.25)
    m = len(editor.space)
    known = RNG.normal(size=m)
    share = np.eye(m)[editor.segments.ravel()] / np.bincount(editor.segments.ravel())

    def means(X):
        pixels = X.reshape(len(X), 24 * 30, -1).mean(axis=2)
        return pixels @ share

    found = explain(lambda X: 7 + means(X) @ known, editor, images)
    np.testing.assert_allclose(found.slope, known * (means(images) - 0.25), atol=1e-12)
    np.testing.assert_allclose(found.local_prediction, 7 + means(images) @ known, rtol=1e-12)
    assert found.one_sided.all()  # an image stands at the upper limit of every knob
    assert found.n_calls == 3 * (2 * 4 * -(-m // 4) + 1)
    assert found.warnings == ()


def test_pairs_of_segments_that_matter_only_together_are_seen_as_such():
    images = np.ones((2, 8, 8))
    editor = SuperpixelEditor.grid((8, 8), 4, fill=0.0)

    def both(X):
        return X[:, 0, 0] * X[:, 7, 7]

    seen = sweep_pair(both, editor, images, ("segment 1", "segment 4"))
    np.testing.assert_array_equal(seen.mean, [[0, 0], [0, 1]])
    np.testing.assert_allclose(seen.interaction.strength, 1 / 3)
    apart = sweep_pair(both, editor, images, ("segment 1", "segment 2"))
    np.testing.assert_allclose(apart.interaction.strength, 0, atol=1e-15)


def test_few_images_are_in_memory_at_a_time_and_change_nothing():
    images = RNG.uniform(size=(2, 40, 40))
    sizes = []

    def law(X):
        sizes.append(len(X))
        return (X**2).mean(axis=(1, 2))

    whole = explain(law, SuperpixelEditor.grid((40, 40), 16), images)
    sizes.clear()
    parts = explain(law, SuperpixelEditor.grid((40, 40), 16, memory_mb=0.1), images)
    assert max(sizes) <= 7
    np.testing.assert_allclose(parts.slope, whole.slope, rtol=1e-12, atol=1e-15)


def test_a_bright_patch_in_a_real_micrograph_gets_the_largest_weight(data_dir: Path):
    from matplotlib.image import imread

    path = data_dir / "images" / "uhcs" / "uhcs0007.png"
    if not path.is_file():
        pytest.skip(f"no {path}")
    image = np.asarray(imread(path), dtype=float)[::2, ::2]
    editor = SuperpixelEditor.grid(image.shape, 24)
    chosen = 13
    rows, columns = np.nonzero(editor.segments == chosen)
    middle = int(rows.mean()), int(columns.mean())
    image[middle[0] - 8 : middle[0] + 8, middle[1] - 8 : middle[1] + 8] = 1.0

    def bright(X):
        smooth = uniform_filter(X, size=(0, 7, 7))
        return 100 * (smooth > 0.9).mean(axis=(1, 2))

    found = explain(bright, editor, image[None])
    weights = found.slope[0]
    assert int(np.abs(weights).argmax()) == chosen
    np.testing.assert_allclose(weights[chosen], bright(image[None])[0], rtol=0.05)
    assert np.abs(np.delete(weights, chosen)).max() < 0.1 * weights[chosen]
    assert editor.heat_map(weights)[middle] == weights[chosen]

"""Edits against a case that is known in closed form: pixels that are normally distributed.

Where pixels are normal with mean m(a) and standard deviation s, the velocity is known, and so is
where it leads: x(t) = (1 - t) m + sqrt((1 - t)^2 s^2 + t^2) z with z kept. There with a and back
with a' adds m(a') - m(a), times 1 - s (1 - T) / sqrt((1 - T)^2 s^2 + T^2) for the depth T.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.knobs import DifferentiableEditor
from matlever.micrographs import FlowEditor, FlowSettings, Tiles, train_flow
from matlever.micrographs.editing.flow_training import Flow
from matlever.storage import State

S, DEPTH = 0.4, 0.8
REACHED = 1 - S * (1 - DEPTH) / np.hypot((1 - DEPTH) * S, DEPTH)


class Normal(nn.Module):
    """E[noise - x | x_t] for x ~ N(m(a), S^2), m(a) = a_0 - 0.5 a_1."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x, t, attributes):
        t = t[:, None, None, None]
        m = (attributes[:, 0] - 0.5 * attributes[:, 1])[:, None, None, None]
        variance = (1 - t) ** 2 * S**2 + t**2
        away = (x - (1 - t) * m) / variance
        return t * away - m - (1 - t) * S**2 * away


def editor(**options):
    flow = Flow(Normal(), 0.5, 0.15, ("a", "b"), 16, 1, FlowSettings(), np.empty((0, 2)), {})
    return FlowEditor(flow, **{"guidance": 1.0, "steps": 40, "depth": DEPTH, **options})


def tiles(n=3, seed=0, at=0.5):
    rng = np.random.default_rng(seed)
    attributes = np.full((n, 2), at)
    m = 0.5 * at
    x = m + S * rng.standard_normal((n, 16, 16))
    images = (x * 0.3 + 0.5).astype(np.float32)  # sd 0.15 is seen as 0.5
    return Tiles(np.clip(images, 0.02, 0.98), attributes, ("a", "b"), np.arange(n), tuple("ABC"))


def test_an_edit_adds_the_difference_of_the_means():
    samples, asked = tiles(), np.array([[[0.6, 0.5], [0.5, 0.7]]]).repeat(3, 0)
    found = editor().render(samples, asked).images.reshape(3, 2, 16, 16)
    change = (found - samples.unit()[:, None]) / 0.3
    inside = (found > 0.0) & (found < 1.0)
    np.testing.assert_allclose(change[:, 0][inside[:, 0]], 0.1 * REACHED, atol=1e-4)
    np.testing.assert_allclose(change[:, 1][inside[:, 1]], -0.1 * REACHED, atol=1e-4)


@pytest.mark.parametrize("guidance", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("steps", [1, 4])
def test_a_tile_asked_for_as_it_stands_comes_out_as_it_was(guidance, steps):
    samples = tiles()
    own = samples.attributes[:, None]
    found = editor(guidance=guidance, steps=steps).render(samples, own).images
    np.testing.assert_allclose(found, samples.unit(), atol=1e-6)


def test_guidance_and_gain_multiply_the_change():
    samples = tiles(1)
    asked = np.array([[[0.55, 0.5]]])
    once = editor().render(samples, asked).images - samples.unit()
    twice = editor(gain=[[2, 0], [0, 1]]).render(samples, asked).images - samples.unit()
    np.testing.assert_allclose(twice.mean(), 2 * once.mean(), rtol=1e-3)
    guided = editor(guidance=2.0).render(samples, asked).images - samples.unit()
    assert guided.mean() == pytest.approx(2 * once.mean(), rel=0.02)
    mixed = editor(gain=[[1, 0], [1, 1]]).render(samples, asked).images - samples.unit()
    np.testing.assert_allclose(mixed.mean(), 0.5 * once.mean(), rtol=1e-2)


def test_the_gradient_is_that_of_finite_differences():
    samples, at = tiles(2), torch.full((2, 1, 2), 0.55, dtype=torch.float64, requires_grad=True)
    made = editor(steps=8)
    (slope,) = torch.autograd.grad(made.render_tensor(samples, at).double().mean(), at)
    h = 1e-2
    for j in range(2):
        step = torch.zeros(2, 1, 2, dtype=torch.float64)
        step[:, :, j] = h
        with torch.no_grad():
            up = made.render_tensor(samples, at + step).double().mean()
            down = made.render_tensor(samples, at - step).double().mean()
        assert slope[..., j].sum().item() == pytest.approx((up - down).item() / (2 * h), rel=1e-2)
    assert isinstance(made, DifferentiableEditor)


def test_edits_do_not_depend_on_what_else_is_asked():
    samples = tiles()
    asked = np.random.default_rng(1).uniform(0.3, 0.7, (3, 4, 2))
    made = editor(steps=3)
    together = made.render(samples, asked).images.reshape(3, 4, 16, 16)
    alone = made.render(samples[1:2], asked[1:2, 2:3]).images[0]
    np.testing.assert_allclose(together[1, 2], alone, atol=1e-6)


def test_a_rendered_tile_says_what_it_was_asked_to_be():
    asked = np.array([[[0.6, 0.4]], [[0.1, 0.2]], [[0.3, 0.3]]])
    made = editor(steps=1).render(tiles(), asked)
    np.testing.assert_array_equal(made.attributes, asked[:, 0])
    assert made.images.dtype == np.float32


def test_fixed_attributes_and_limits_are_knobs():
    made = editor().with_knobs(fixed=["b"], limits=[(0.2, 0.6), (0, 1)])
    assert list(made.space.is_fixed) == [False, True]
    assert made.space["a"].upper == 0.6
    again = made.calibrated(guidance=3.0)
    assert again.guidance == 3.0
    assert list(again.space.is_fixed) == [False, True]


def test_foreign_tiles_are_refused_with_both_sizes():
    samples = tiles()
    other = replace(samples, images=samples.images[:, :8, :8])
    with pytest.raises(DataError, match=r"16 x 16 px and 1 channels; these have 8 x 8 px"):
        editor().render(other, other.attributes[:, None])
    renamed = replace(samples, names=("a", "c"))
    with pytest.raises(DataError, match="turns a, b; the tiles come with a, c"):
        editor().values(renamed)


def test_impossible_settings_are_refused():
    with pytest.raises(SettingsError, match="depth=1"):
        editor(depth=1.0)
    with pytest.raises(SettingsError, match=r"shape \(2, 2\)"):
        editor(gain=np.eye(3))


def test_an_editor_survives_its_folder(tmp_path):
    from matlever.micrographs import load_flow_editor

    samples = tiles()
    flow = train_flow(
        Tiles(samples.images, samples.attributes, ("a", "b"), samples.lot, tuple("ABC")),
        FlowSettings(steps=3, batch_size=2, widths=(8, 8), blocks=1),
    )
    made = FlowEditor(flow, guidance=1.7, gain=[[1.1, 0], [0.2, 0.9]], card={"scored": True})
    made.save(tmp_path / "editor")
    again = load_flow_editor(tmp_path / "editor")
    asked = np.full((3, 1, 2), 0.8)
    np.testing.assert_array_equal(
        made.render(samples, asked).images, again.render(samples, asked).images
    )
    assert again.card == {"scored": True}
    weights = tmp_path / "editor" / "weights.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-5] ^= 0xFF
    weights.write_bytes(bytes(damaged))
    with pytest.raises(ModelFileError):
        load_flow_editor(tmp_path / "editor")


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": "many"},
        {"side_px": 10**9},
        {"settings": {**FlowSettings(steps=3).__dict__, "blocks": 10**9}},
        {"settings": {**FlowSettings(steps=3).__dict__, "widths": [8 * 10**9, 8]}},
        {"settings": {"unknown": 3}},
        {"mean": None},
    ],
)
def test_a_hostile_flow_is_refused_before_memory_is_taken_for_it(changes):
    samples = tiles()
    taught = Tiles(samples.images, samples.attributes, ("a", "b"), samples.lot, tuple("ABC"))
    state = train_flow(taught, FlowSettings(steps=1, batch_size=2, widths=(8, 8))).to_state()
    with pytest.raises(ModelFileError, match="flow"):
        Flow.from_state(State(state.kind, {**state.config, **changes}, state.arrays))

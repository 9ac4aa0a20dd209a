"""AttGAN as an editor: order, gradients, files and what it says of its edits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.knobs import DifferentiableEditor, Editor, predict_settings
from matlever.micrographs import AttGANEditor, AttGANGenerator, AttGANSettings, Tiles
from matlever.micrographs.editing._attgan_monitor import LOSSES, TrainingCurves
from matlever.micrographs.editing.attgan import initialise
from matlever.storage import State, read_model

SETTINGS = AttGANSettings.narrow(width=4, levels=2)
NAMES = ("size", "porosity")


def tiles(n=5, channels=(), size=(16, 8)):
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(n, *size, *channels)).astype(np.float32)
    attributes = rng.uniform(0.3, 0.6, (n, 2))
    return Tiles(images, attributes, NAMES, np.arange(n) % 2, ("A", "B"))


def curves(gain=(0.9, 0.8), slope=(0.7, 0.7)):
    losses = {name: [1.0, 0.5] for name in LOSSES}
    return TrainingCurves(NAMES, losses, [2], [np.array(gain)], [np.array(slope)])


def editor(channels=1, strength=1.0, size=(16, 8), **measured):
    """Return an editor with weights that no training touched but a few statistics."""
    generator = AttGANGenerator(**SETTINGS.generator_arguments(2, channels))
    source = torch.Generator().manual_seed(0)
    initialise(generator, source)
    with torch.no_grad():  # attributes matter more than in a new network
        generator.decoder[0][0].weight[-2:] *= 20
        for _ in range(3):
            generator(
                torch.rand(8, channels, *size, generator=source), torch.rand(8, 2, generator=source)
            )
    seen = np.array([[0.2, 0.1], [0.8, 0.9]])
    return AttGANEditor(
        generator, NAMES, size, SETTINGS, curves(**measured), seen, {"n_lots": 2}, strength=strength
    )


def settings_for(n, r, seed=1):
    return np.random.default_rng(seed).uniform(size=(n, r, 2))


def test_it_is_an_editor_with_a_knob_per_attribute():
    made = editor()
    assert isinstance(made, Editor)
    assert isinstance(made, DifferentiableEditor)
    assert made.space.names == NAMES
    assert [(k.kind, k.lower, k.upper) for k in made.space.knobs] == [("continuous", 0, 1)] * 2
    given = tiles()
    np.testing.assert_array_equal(made.values(given), given.attributes)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_tile_is_drawn_at_each_of_its_settings(channels):
    made, given = editor(channels), tiles(channels=() if channels == 1 else (3,))
    values = settings_for(5, 3)
    found = made.render(given, values)
    assert found.images.dtype == np.float32
    assert found.images.shape == (15, *given.images.shape[1:])
    np.testing.assert_array_equal(found.attributes, values.reshape(15, 2))
    np.testing.assert_array_equal(found.lot, np.repeat(given.lot, 3))
    for i in range(5):
        for j in range(3):
            with torch.no_grad():
                alone = made.generator(
                    given[i].tensor(), torch.tensor(values[i, j][None], dtype=torch.float32)
                )
            torch.testing.assert_close(found[3 * i + j].tensor(), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("most", [1, 2, 4, 7, 100])
def test_how_many_are_rendered_at_a_time_does_not_matter(most):
    made, given, values = editor(), tiles(), settings_for(5, 3)
    whole = made.render(given, values).images
    made.most_rows = most
    np.testing.assert_allclose(made.render(given, values).images, whole, rtol=0, atol=1e-5)


def test_rendered_tensors_are_the_rendered_tiles():
    made, given, values = editor(), tiles(), settings_for(5, 3)
    found = made.render_tensor(given, torch.from_numpy(values))
    torch.testing.assert_close(found, made.render(given, values).tensor())


def test_gradients_by_the_settings_are_those_of_finite_differences():
    made, given, values = editor(), tiles(), settings_for(5, 3)
    weights = np.random.default_rng(3).uniform(size=(15, 1, 16, 8))

    def total(at):
        return (made.render(given, at).tensor().double().numpy() * weights).sum()

    at = torch.from_numpy(values).requires_grad_(True)
    (made.render_tensor(given, at).double() * torch.from_numpy(weights)).sum().backward()
    assert all(p.grad is None for p in made.generator.parameters())
    gradient = at.grad.numpy()
    assert (gradient != 0).all()
    for place in [(0, 0, 0), (2, 1, 1), (4, 2, 0)]:
        step = np.zeros_like(values)
        step[place] = 1e-2
        slope = (total(values + step) - total(values - step)) / 2e-2
        assert gradient[place] == pytest.approx(slope, rel=0.05, abs=0.02 * np.abs(gradient).max())


def test_strength_multiplies_changes_and_nothing_else():
    given, values = tiles(), settings_for(5, 3)
    once, twice = editor(), editor(strength=2.0)
    own = given.attributes[:, None, :]
    np.testing.assert_array_equal(once.render(given, own).images, twice.render(given, own).images)
    np.testing.assert_allclose(
        twice.render(given, values).images,
        once.render(given, own + 2 * (values - own)).images,
        atol=1e-6,
    )


def test_predictions_at_settings_go_through_the_shared_gate():
    given, values = tiles(), settings_for(5, 3)

    class Brightness:
        def predict(self, X):
            return X.unit().mean(axis=(1, 2))

    made = editor()
    found = predict_settings(Brightness(), made, given, values)
    wanted = made.render(given, values).images.mean(axis=(1, 2)).reshape(5, 3)
    np.testing.assert_allclose(np.asarray(found).reshape(5, 3), wanted, rtol=1e-5)


def test_mapped_tiles_and_settings_that_cannot_be_written_to_are_rendered(tmp_path):
    made, given, values = editor(), tiles(), settings_for(5, 3)
    np.save(tmp_path / "tiles.npy", given.images)
    mapped = replace(given, images=np.load(tmp_path / "tiles.npy", mmap_mode="r"))
    for array in (mapped.attributes, values):
        array.flags.writeable = False
    np.testing.assert_array_equal(
        made.render(mapped, values).images, made.render(given, values).images
    )


def test_no_tiles_are_rendered_as_no_tiles():
    assert len(editor().render(tiles()[:0], np.empty((0, 3, 2)))) == 0


# -- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tiles(size=(16, 16)), "trained on grey tiles of 8 x 16 px; these are grey, 16 x 16"),
        (tiles(channels=(3,)), "these are colour"),
        (replace(tiles(), names=("size", "facetness")), "size, porosity; the tiles have size, fac"),
        (np.zeros((5, 16, 8)), "edits Tiles, not a ndarray"),
    ],
)
def test_tiles_of_another_kind_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        editor().values(given)
    with pytest.raises(DataError, match=message):
        editor().render(given, np.zeros((5, 1, 2)))


@pytest.mark.parametrize("shape", [(4, 3, 2), (5, 3, 1), (5, 2)])
def test_settings_of_another_shape_are_refused(shape):
    with pytest.raises(DataError, match=r"have shape \(5, r, 2\)"):
        editor().render(tiles(), np.zeros(shape))
    with pytest.raises(DataError, match=r"have shape \(5, r, 2\)"):
        editor().render_tensor(tiles(), torch.zeros(shape))


@pytest.mark.parametrize("strength", [0.0, -1.0, float("inf"), float("nan")])
def test_strength_must_be_positive(strength):
    with pytest.raises(SettingsError, match="strength="):
        editor(strength=strength)


# -- notes ----------------------------------------------------------------------------------------


def test_notes_name_weak_edits_unknown_attributes_and_foreign_tiles():
    given = tiles()
    given.attributes[0, 1] = 0.95
    notes = editor(gain=(0.1, 0.5), slope=(0.6, 0.05)).notes(given)
    assert "weak" in notes[0]
    assert "size (0.10)" in notes[0]
    assert "porosity" not in notes[0]
    assert "porosity (0.05)" in notes[1]
    assert "1 of 5 tiles have a porosity outside of 0.10 to 0.90" in notes[2]


def test_notes_tell_how_far_redrawn_tiles_are_from_the_originals():
    made, given = editor(), tiles()
    redrawn = made.render(given, given.attributes[:, None, :])
    difference = np.abs(redrawn.images - given.images).mean()
    assert made.notes(given) == [
        f"Drawn again unchanged, tiles differ from the originals by {difference:.1%} of the range "
        "of intensities: compare edited tiles with the redrawn one."
    ]


# -- files ----------------------------------------------------------------------------------------


def test_a_saved_editor_draws_the_same_bits(tmp_path):
    made, given, values = editor(strength=1.5), tiles(), settings_for(5, 3)
    made.save(tmp_path / "editor")
    state = torch.get_rng_state()
    found = AttGANEditor.load(tmp_path / "editor")
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(
        found.render(given, values).images, made.render(given, values).images
    )
    assert found.settings == SETTINGS
    assert found.curves.to_frame().equals(made.curves.to_frame())
    assert found.training == {"n_lots": 2}
    assert not any(p.requires_grad for p in found.generator.parameters())
    _, card = read_model(tmp_path / "editor")
    assert card["settings"]["width"] == 4
    assert card["gain_by_own_classifier"] == {"size": 0.9, "porosity": 0.8}
    assert card["last_losses"]["reconstruction"] == 0.5


def with_config(state, **changes):
    return State(state.kind, {**state.config, **changes}, state.arrays, state.parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": [16]}, "size="),
        ({"size": [16, -8]}, "size="),
        ({"names": ["size"]}, "names"),
        ({"training": None}, "training"),
        ({"strength": "2"}, "strength="),
        ({"strength": -1.0}, "strength="),
        ({"channels": 2}, "channels=2"),
        ({"channels": 3}, "has shape"),
        ({"settings": {**SETTINGS.to_dict(), "width": 10**6}}, "has shape"),
        ({"settings": {**SETTINGS.to_dict(), "levels": -1}}, "levels=-1"),
        ({"settings": {"width": 4}}, "settings are not those"),
        ({"settings": [4]}, "settings are not those"),
    ],
)
def test_broken_values_in_a_file_are_refused(changes, message):
    with pytest.raises(ModelFileError, match=message):
        AttGANEditor.from_state(with_config(editor().to_state(), **changes))


def test_another_model_is_not_read_as_an_editor(tmp_path):
    from matlever.storage import write_model

    write_model(tmp_path / "other", State("TrainingCurves"))
    with pytest.raises(ModelFileError, match="holds a TrainingCurves, not an AttGANEditor"):
        AttGANEditor.load(tmp_path / "other")

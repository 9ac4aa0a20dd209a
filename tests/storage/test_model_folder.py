import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matlever.exceptions import ModelFileError
from matlever.storage import State, read_json, read_model, write_model


def example_state():
    part = State("Part", {"b": [1, "x"]}, {"w": np.arange(6.0).reshape(2, 3)})
    return State("Whole", {"a": 0.1}, {"v": np.array([3, 1], dtype=np.int32)}, {"left": part})


def assert_same(one: State, two: State):
    assert one.kind == two.kind
    assert dict(one.config) == dict(two.config)
    assert one.arrays.keys() == two.arrays.keys()
    for name, array in one.arrays.items():
        assert array.dtype == two.arrays[name].dtype
        np.testing.assert_array_equal(array, two.arrays[name])
    assert one.parts.keys() == two.parts.keys()
    for name, part in one.parts.items():
        assert_same(part, two.parts[name])


def test_round_trip(tmp_path):
    write_model(tmp_path / "m", example_state(), {"note": "é"})
    state, card = read_model(tmp_path / "m")
    assert_same(state, example_state())
    assert card == {"note": "é"}


@given(
    array=hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    number=st.floats(allow_nan=False, allow_infinity=False),
)
def test_every_number_survives_bit_for_bit(tmp_path_factory, array, number):
    folder = tmp_path_factory.mktemp("m")
    write_model(folder / "m", State("K", {"x": number}, {"a": array}))
    state, _ = read_model(folder / "m")
    assert state.config["x"] == number
    assert state.arrays["a"].tobytes() == array.tobytes()
    assert state.arrays["a"].shape == array.shape


def change_json(key, value):
    def change(folder):
        document = json.loads((folder / "model.json").read_text())
        document[key] = value
        (folder / "model.json").write_text(json.dumps(document))

    return change


def replace_in_json(folder, old, new):
    text = (folder / "model.json").read_text()
    assert old in text
    (folder / "model.json").write_text(text.replace(old, new))


def truncate(name, keep):
    def change(folder):
        (folder / name).write_bytes((folder / name).read_bytes()[:keep])

    return change


def flip(name, position):
    def change(folder):
        data = bytearray((folder / name).read_bytes())
        data[position] ^= 1
        (folder / name).write_bytes(bytes(data))

    return change


DAMAGES = {
    "no json": lambda folder: (folder / "model.json").unlink(),
    "no weights": lambda folder: (folder / "weights.safetensors").unlink(),
    "json cut off": truncate("model.json", 100),
    "json empty": truncate("model.json", 0),
    "weights cut off": truncate("weights.safetensors", 60),
    "weights empty": truncate("weights.safetensors", 0),
    "one bit of the weights": flip("weights.safetensors", -3),
    "other schema": change_json("schema", "matlever-model/99"),
    "alien": change_json("schema", None),
    "card changed": change_json("card", {"note": "better"}),
    "hash changed": change_json("weights_sha256", "0" * 64),
    "deep json": lambda folder: (folder / "model.json").write_text("[" * 100_000),
    "not an object": lambda folder: (folder / "model.json").write_text("[1, 2]"),
    "not a number": lambda folder: (folder / "model.json").write_text('{"schema": NaN}'),
    "number too large": lambda folder: replace_in_json(folder, "0.1", "1e400"),
    "number too small": lambda folder: replace_in_json(folder, "0.1", "-1e400"),
    "number too long": lambda folder: replace_in_json(folder, "0.1", "9" * 5000),
    "infinity": lambda folder: replace_in_json(folder, "0.1", "Infinity"),
    "binary": lambda folder: (folder / "model.json").write_bytes(b"\x80\x04\x95pickle"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_folder_is_refused(tmp_path, damage):
    write_model(tmp_path / "m", example_state(), {"note": "x"})
    damage(tmp_path / "m")
    with pytest.raises(ModelFileError, match="m"):
        read_model(tmp_path / "m")


@pytest.mark.parametrize("digits", ["1e400", "-1e999999", "NaN", "-Infinity"])
def test_json_without_finite_numbers_is_refused(tmp_path, digits):
    (tmp_path / "x.json").write_text(f'{{"a": [{digits}]}}')
    with pytest.raises(ValueError, match=digits.lstrip("-")):
        read_json(tmp_path / "x.json")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"no model\.json"):
        read_model(tmp_path)
    with pytest.raises(ModelFileError, match=r"no model\.json"):
        read_model(tmp_path / "nowhere")

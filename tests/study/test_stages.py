import numpy as np

from matlever.storage import State
from matlever.study.stages import Stages


def test_a_finished_part_is_not_computed_again_and_reads_the_same_bits(tmp_path):
    stages = Stages(tmp_path / "p", "a" * 40)
    value = {"x": [0.1 + 0.2, None, 5e-324], "name": "é"}
    first = stages.value("v", lambda: value)
    array = np.random.default_rng(0).normal(size=(3, 2))
    state = stages.state("s", lambda: State("K", {"a": 0.3}, {"w": array}))

    def must_not_run():
        raise AssertionError

    again = Stages(tmp_path / "p", "a" * 40)
    assert again.value("v", must_not_run) == first == value
    restored = again.state("s", must_not_run)
    assert restored.arrays["w"].tobytes() == state.arrays["w"].tobytes() == array.tobytes()
    assert again.n_reused == 2


def test_parts_of_another_study_are_not_used(tmp_path):
    Stages(tmp_path / "p", "a" * 40).value("v", lambda: 1)
    assert Stages(tmp_path / "p", "b" * 40).value("v", lambda: 2) == 2
    assert len(list((tmp_path / "p").iterdir())) == 1


def test_a_damaged_part_is_computed_again(tmp_path):
    stages = Stages(tmp_path / "p", "a" * 40)
    stages.value("v", lambda: 1)
    stages.state("s", lambda: State("K", {}, {"w": np.ones(2)}))
    (stages.folder / "v.json").write_text("{")
    (stages.folder / "s" / "weights.safetensors").write_bytes(b"")
    again = Stages(tmp_path / "p", "a" * 40)
    assert again.value("v", lambda: 2) == 2
    assert again.state("s", lambda: State("K", {}, {"w": np.zeros(2)})).arrays["w"].sum() == 0

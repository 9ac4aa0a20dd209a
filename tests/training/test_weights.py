"""Stored networks and optimisers: the same bits again, and nothing that does not fit."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from matlever.exceptions import ModelFileError
from matlever.storage import State, read_model, write_model
from matlever.training import load_moments, load_weights, moments_of, restored, weights_of


def small(width=3, layers=1):
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.BatchNorm2d(width),
        nn.Flatten(),
        *(nn.Linear(width, width) for _ in range(layers)),
    )


def trained(fused=False, steps=3):
    torch.manual_seed(0)
    network = small().to(memory_format=torch.channels_last)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed}, {"params": others}], lr=0.01, fused=fused)
    for step in range(steps):
        advance(network, optimiser, step)
    return network, optimiser


def advance(network, optimiser, step):
    x = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(step))
    network(x).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_a_restored_network_says_the_same_and_draws_no_random_numbers(tmp_path):
    network, _ = trained()
    write_model(tmp_path / "m", State("weights", arrays=weights_of(network)))
    arrays = read_model(tmp_path / "m")[0].arrays
    before = torch.get_rng_state()
    again = restored(small, arrays, "test")
    assert torch.equal(torch.get_rng_state(), before)
    assert not again.training
    x = torch.randn(2, 1, 3, 3)
    assert torch.equal(again(x), network.eval()(x))


@pytest.mark.parametrize("fused", [False, True])
def test_a_training_goes_on_from_its_moments_with_the_same_bits(fused):
    network, optimiser = trained(fused)
    weights, moments = weights_of(network), moments_of(optimiser, network)
    other, fresh = trained(fused, steps=0)
    load_weights(other, weights, "test")
    load_moments(fresh, other, moments, "test")
    for each in ((network, optimiser), (other, fresh)):
        advance(*each, 9)
    for name, value in weights_of(network).items():
        np.testing.assert_array_equal(weights_of(other)[name], value)


def test_before_the_first_step_there_are_no_moments():
    network, optimiser = trained(steps=0)
    state = moments_of(optimiser, network)
    assert state.config == {"n_steps": 0}
    assert not state.arrays
    load_moments(optimiser, network, state, "test")
    assert not optimiser.state


def test_what_does_not_fit_is_named():
    network, optimiser = trained()
    arrays = weights_of(network)
    for changed, named in (
        ({"0-weight": arrays["0-weight"][:2]}, "'0-weight' has shape"),
        ({"0-weight": arrays["0-weight"].astype(np.float64)}, "'0-weight' has type float64"),
        ({"0-bias": np.full(3, np.nan, np.float32)}, "not finite"),
        ({"more": np.zeros(1, np.float32)}, "missing or unknown, the first 'more'"),
    ):
        with pytest.raises(ModelFileError, match=named):
            restored(small, arrays | changed, "test")
        with pytest.raises(ModelFileError, match=named):
            load_weights(network, arrays | changed, "test")
    moments = moments_of(optimiser, network)
    for steps in (-1, 2.5, "3", True):
        with pytest.raises(ModelFileError, match="no number of steps"):
            load_moments(optimiser, network, State("Adam", {"n_steps": steps}), "test")
    gone = {name: a for name, a in moments.arrays.items() if name != "exp_avg-0-bias"}
    with pytest.raises(ModelFileError, match="'exp_avg-0-bias' is missing"):
        load_moments(optimiser, network, State("Adam", moments.config, gone), "test")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"width": 10**5}, "shape"),  # 40 GB of one layer
        ({"width": 10**12}, "cannot be built"),  # more bytes than an address counts
        ({"layers": 10**9}, "more weights than the 9 arrays"),
        ({"width": -1}, "cannot be built"),
        ({"width": "3"}, "cannot be built"),
        ({"unknown": 1}, "cannot be built"),
    ],
)
def test_settings_of_a_hostile_file_take_no_memory(settings, named):
    arrays = weights_of(trained()[0])
    tracemalloc.start()
    with pytest.raises(ModelFileError, match=named):
        restored(lambda: small(**settings), arrays, "test")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert sum(p.numel() for p in small().parameters()) == 48  # hooks are gone

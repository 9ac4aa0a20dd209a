"""ElemNet, its activations and its fast inference."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from matlever.compositions import ELEMENTS, ELEMNET_ELEMENTS, ElemNet
from matlever.compositions._elemnet_inference import dropout_outputs, outputs_of
from matlever.exceptions import SettingsError

PUBLISHED = [1024] * 4 + [512] * 3 + [256] * 3 + [128] * 3 + [64] * 2 + [32, 1]


def fresh(**settings):
    return ElemNet(**settings).initialise(torch.Generator().manual_seed(0))


def fractions(n, elements, seed=0):
    x = np.random.default_rng(seed).dirichlet(np.full(elements, 0.1), n)
    return x.astype(np.float32)


def test_the_elements_are_the_86_of_the_paper():
    assert len(set(ELEMNET_ELEMENTS)) == 86
    left_out = [name for name in ELEMENTS[:94] if name not in ELEMNET_ELEMENTS]
    assert left_out == ["He", "Ne", "Ar", "Po", "At", "Rn", "Fr", "Ra"]
    assert list(ELEMNET_ELEMENTS) == sorted(ELEMNET_ELEMENTS, key=ELEMENTS.index)


def test_layers_and_weights_are_as_published():
    network = ElemNet()
    assert [layer.out_features for layer in network.linear] == PUBLISHED
    sizes = [86, *PUBLISHED]
    expected = sum((a + 1) * b for a, b in pairwise(sizes))
    assert sum(p.numel() for p in network.parameters()) == expected == 4_631_361


def test_width_scales_every_hidden_layer_and_leaves_no_layer_tiny():
    quarter = [layer.out_features for layer in ElemNet(width=0.25).linear]
    assert quarter == [max(16, size // 4) for size in PUBLISHED[:-1]] + [1]
    assert min(layer.out_features for layer in ElemNet(width=0.01).linear[:-1]) == 16


def test_the_output_is_that_of_dense_layers_with_rectified_units():
    network = fresh(n_inputs=7, n_outputs=2, width=0.02).eval()
    x = fractions(5, 7)
    h = x.astype(np.float64)
    for place, layer in enumerate(network.linear):
        h = h @ layer.weight.detach().numpy().T.astype(float) + layer.bias.detach().numpy()
        if place < 16:
            h = np.maximum(h, 0)
            found = network.activations(torch.from_numpy(x), place + 1)
            np.testing.assert_allclose(found.detach(), h, atol=1e-5)
    np.testing.assert_allclose(network(torch.from_numpy(x)).detach(), h, atol=1e-5)
    np.testing.assert_array_equal(network.activations(torch.from_numpy(x), 0), x)


def test_dropout_stands_after_the_first_four_groups_with_the_published_shares():
    assert ElemNet().dropped == {3: 0.2, 6: 0.1, 9: 0.3, 12: 0.2}
    network = ElemNet(n_inputs=3, width=0.1).train()
    with torch.no_grad():  # every unit passes on a constant, so that what dropout did can be read
        for layer in network.linear:
            layer.weight.fill_(1 / layer.in_features)
            layer.bias.zero_()
    x = torch.ones(4000, 3)
    y = network(x, torch.Generator().manual_seed(0))
    assert abs(y.mean().item() - 1.0) < 0.01  # what is kept is scaled up
    assert y.std() > 0.01
    again = network(x, torch.Generator().manual_seed(0))
    assert torch.equal(y, again)
    assert torch.allclose(network.eval()(x), torch.ones(4000, 1), atol=1e-5)


def test_gradients_reach_every_weight_and_a_tiny_problem_is_learnt():
    network = fresh(n_inputs=4, width=0.05, dropout=(0.0,) * 4)
    x = torch.from_numpy(fractions(32, 4))
    y = (x[:, :1] - x[:, 1:2]) * x[:, 2:3]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(120):
        loss = (network(x) - y).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            assert all(p.grad is not None and p.grad.any() for p in network.parameters())
        optimiser.step()
    assert loss < 0.4 * y.abs().mean()


@pytest.mark.parametrize("layer", [None, 0, 1, 8, 16])
def test_fast_inference_agrees_with_the_network(layer):
    network = fresh(width=0.05).eval()
    x = fractions(70, 86)
    asked = 17 if layer is None else layer
    with torch.no_grad():
        expected = network.activations(torch.from_numpy(x), asked).numpy()
    (found,) = outputs_of([network], x, layer=layer, batch_size=32)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fast_inference_in_bfloat16_is_close():
    network = fresh(width=0.1).eval()
    x = fractions(70, 86)
    exact, rough = (outputs_of([network], x, precision=p)[0] for p in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - rough).max() < 0.05 * np.abs(exact).max()


def test_dropout_samples_do_not_depend_on_the_other_rows_and_average_to_about_the_output():
    network = fresh(width=0.25, dropout=(0.05,) * 4).eval()
    x = fractions(40, 86)
    many = dropout_outputs([network], x, 200, seed=3)
    assert many.shape == (200, 40, 1)
    np.testing.assert_allclose(many[:, :7], dropout_outputs([network], x[:7], 200, 3), atol=1e-5)
    exact = outputs_of([network], x)[0]
    assert np.abs(many.mean(axis=0) - exact).mean() < 0.2 * np.abs(exact).mean()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 0.0}, "width"),
        ({"n_inputs": 0}, "n_inputs"),
        ({"dropout": (0.1,)}, "dropout"),
        ({"dropout": (0.1, 0.1, 0.1, 1.0)}, "dropout"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        ElemNet(**settings)
    with pytest.raises(SettingsError, match="layer=18"):
        ElemNet(width=0.01).activations(torch.zeros(1, 86), 18)

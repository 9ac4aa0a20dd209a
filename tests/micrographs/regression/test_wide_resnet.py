"""The network against the paper's table, and a tiny problem it must be able to learn."""

import pytest
import torch
from torch import nn

from matlever.exceptions import SettingsError
from matlever.micrographs import WideResNet


def test_paper_network_has_28_layers_and_the_papers_number_of_parameters():
    network = WideResNet()
    assert sum(p.numel() for p in network.parameters()) == 368_625
    on_the_way = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 1]
    # 25 convolutions and the head lie on the way; the paper's 28 counts the three shortcuts it
    # allows a widened network, of which the first is not needed at widening 1.
    assert len(on_the_way) == 25
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 27
    wide = WideResNet(widen=2)
    assert sum(isinstance(m, nn.Conv2d) for m in wide.modules()) == 28


@pytest.mark.parametrize(
    ("depth", "parameters"), [(16, 174_193), (10, 76_977)]
)  # counted independently in an earlier study of this network's cost
def test_shallow_variants_have_known_sizes(depth, parameters):
    assert sum(p.numel() for p in WideResNet(depth=depth).parameters()) == parameters


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(32, 32), (20, 45)])
def test_any_size_gives_one_number_per_output(stride, size):
    network = WideResNet(depth=10, width=4, outputs=3, stem_stride=stride, channels=3)
    x = torch.rand(2, 3, *size)
    assert network(x).shape == (2, 3)
    height, width = (-(-side // (4 * stride)) for side in size)
    assert network.maps(x).shape == (2, 16, height, width)
    assert network.features(x).shape == (2, 16)


def test_gradients_reach_every_parameter_and_the_picture():
    network = WideResNet(depth=10, width=4, pooling="mean+sd")
    x = torch.rand(4, 1, 16, 16, requires_grad=True)
    network(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize(("width", "channels"), [(4, 1), (8, 1), (8, 3), (16, 1)])
def test_gradients_with_channels_last_are_those_with_channels_first(width, channels):
    # A strided 1 x 1 convolution from 8 channels once crashed here.
    torch.manual_seed(0)
    network = WideResNet(depth=10, width=width, channels=channels).double()
    x = torch.rand(4, channels, 32, 32)
    network(x.double()).sum().backward()
    expected = [p.grad.clone() for p in network.parameters()]
    network = network.float().to(memory_format=torch.channels_last)
    network.zero_grad()
    network(x.contiguous(memory_format=torch.channels_last)).sum().backward()
    for p, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient.float(), rtol=1e-2, atol=1e-3)


def test_normalisation_inside_undoes_gain_and_offset():
    torch.manual_seed(0)
    network = WideResNet(depth=10, width=4).eval()
    x = torch.rand(3, 1, 16, 16)
    plain = network(x)
    network.mean.fill_(0.25)
    network.sd.fill_(0.5)
    torch.testing.assert_close(network(0.5 * x + 0.25), plain)


def test_sd_pooling_tells_apart_maps_of_equal_mean():
    network = WideResNet(depth=10, width=1, pooling="mean+sd")
    flat = torch.ones(1, 4, 2, 2)
    uneven = torch.tensor([0.0, 2.0, 0.0, 2.0]).reshape(1, 1, 2, 2).expand(1, 4, 2, 2)
    found = network.pooled(torch.cat([flat, uneven]))
    torch.testing.assert_close(found[:, :4], torch.ones(2, 4))
    torch.testing.assert_close(
        found[:, 4:], torch.tensor([[0.0], [1.0]]).expand(2, 4), atol=2e-3, rtol=0
    )


def test_a_generator_alone_decides_the_weights():
    one = WideResNet(depth=10, width=4).initialise(torch.Generator().manual_seed(3))
    two = WideResNet(depth=10, width=4).initialise(torch.Generator().manual_seed(3))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_config_rebuilds_the_network():
    network = WideResNet(depth=16, widen=2, channels=3, outputs=2, stem_stride=2, width=4)
    again = WideResNet(**network.config)
    again.load_state_dict(network.state_dict())
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(again.eval()(x), network.eval()(x))


def test_learns_by_heart_a_few_pictures():
    torch.manual_seed(0)
    network = WideResNet(depth=10, width=4, stem_stride=2)
    x = torch.rand(8, 1, 16, 16)
    y = torch.linspace(-0.8, 0.8, 8)[:, None]
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        loss = (network(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"depth": 12}, "depth=12"),
        ({"depth": 4}, "depth=4"),
        ({"widen": 0}, "widen=0"),
        ({"pooling": "max"}, "pooling='max'"),
        ({"stem_stride": 0}, "stem_stride=0"),
    ],
)
def test_impossible_settings_are_named(settings, named):
    with pytest.raises(SettingsError, match=named):
        WideResNet(**settings)


def test_a_hidden_layer_adds_its_weights_and_lets_the_head_bend():
    """Exclusive or of two features: no linear head tells it, a hidden layer does."""
    plain, bent = WideResNet(depth=10), WideResNet(depth=10, hidden=32)
    count = [sum(p.numel() for p in network.parameters()) for network in (plain, bent)]
    assert count[1] - count[0] == 64 * 32 + 32 + 32 - 64
    generator = torch.Generator().manual_seed(0)
    features = torch.zeros(4, 64)
    features[1::2, 0], features[2:, 1] = 4.0, 4.0
    wanted = torch.tensor([0.5, -0.5, -0.5, 0.5])
    left = []
    for network in (plain, bent):
        network.initialise(generator)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
        for _ in range(400):
            optimiser.zero_grad()
            loss = ((network.predicted(features)[:, 0] - wanted) ** 2).mean()
            loss.backward()
            optimiser.step()
        left.append(loss.item())
    assert left[0] > 0.1
    assert left[1] < 0.01

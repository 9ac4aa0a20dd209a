"""The flow's network and its training: shapes, gradients, resuming, learning something."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matlever.exceptions import DataError, ModelFileError, NotEnoughDataError, SettingsError
from matlever.micrographs import FlowSettings, Tiles, train_flow
from matlever.micrographs.editing.flow import VelocityNetwork
from matlever.micrographs.editing.flow_training import Flow

TINY = {"widths": (8, 8), "blocks": 1}


def stripes(n=60, side=16, seed=0, k=1, colour=False):
    """Tiles whose brightness is their attribute, with noise."""
    rng = np.random.default_rng(seed)
    lot = np.arange(n) % 6
    attributes = np.tile((lot / 5)[:, None], (1, k))
    images = 0.2 + 0.6 * attributes[:, :1, None] + 0.05 * rng.standard_normal((n, side, side))
    images = np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
    images = np.repeat(images[..., None], 3, axis=3) if colour else images
    names = ("brightness", "other")[:k]
    return Tiles(images, attributes, names, lot, tuple("ABCDEF"))


@pytest.mark.parametrize(("channels", "side", "patch"), [(1, 16, 1), (3, 32, 2), (1, 64, 4)])
def test_velocity_has_the_shape_of_the_tiles(channels, side, patch):
    network = VelocityNetwork(attributes=2, channels=channels, patch=patch, **TINY)
    x = torch.randn(3, channels, side, side)
    assert network(x, torch.rand(3), torch.rand(3, 2)).shape == x.shape


def test_an_untaught_network_moves_nothing_and_every_weight_learns():
    torch.manual_seed(0)
    network = VelocityNetwork(attributes=2, **TINY)
    x, t, a = torch.randn(4, 1, 16, 16), torch.rand(4), torch.rand(4, 2)
    assert network(x, t, a).abs().max() == 0
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    (network(x, t, a) ** 2).sum().backward()
    unmoved = [n for n, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    assert unmoved == []


def test_a_flow_learns_the_velocity_of_what_it_saw():
    """Nearly constant tiles: E[noise - x | x_t, a] = (x_t - (1-t) x) / t - x, x known from a."""
    tiles = stripes(n=120)
    flow = train_flow(tiles, FlowSettings(steps=250, batch_size=16, label_noise=0.0, **TINY))
    assert flow.curve[-1, 1] < 0.6 * flow.curve[0, 1]
    one = flow.standardised(tiles[:1].tensor())
    noise = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.5])
    with torch.no_grad():
        v = flow.network(0.5 * one + 0.5 * noise, t, torch.tensor(tiles.attributes[:1]).float())
    assert torch.corrcoef(torch.stack([v.ravel(), (noise - one).ravel()]))[0, 1] > 0.8


def test_stopped_and_resumed_training_ends_with_the_same_bits(tmp_path):
    settings = FlowSettings(steps=12, batch_size=4, checkpoint_every=5, **TINY)
    whole = train_flow(stripes(), settings)

    class StopError(Exception):
        pass

    def stop(done, total, what):
        raise StopError

    with pytest.raises(StopError):
        # Told of at the 25th step or the last: state of the 10th step is on disk by then.
        train_flow(stripes(), settings, folder=tmp_path / "state", progress=stop)
    again = train_flow(stripes(), settings, folder=tmp_path / "state")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    np.testing.assert_array_equal(whole.curve, again.curve)


def test_a_state_of_other_tiles_or_settings_is_refused(tmp_path):
    settings = FlowSettings(steps=2, batch_size=4, checkpoint_every=1, **TINY)
    train_flow(stripes(), settings, folder=tmp_path / "state")
    with pytest.raises(ModelFileError, match="another training"):
        train_flow(stripes(n=54), settings, folder=tmp_path / "state")


def test_a_flow_survives_being_written_down():
    flow = train_flow(stripes(), FlowSettings(steps=2, batch_size=4, **TINY))
    again = Flow.from_state(flow.to_state())
    x, t, a = torch.randn(2, 1, 16, 16), torch.rand(2), torch.rand(2, 1)
    assert torch.equal(flow.network(x, t, a), again.network(x, t, a))
    assert again.card["lots"] == 6


def test_colour_tiles_are_taught_as_well():
    tiles = stripes(colour=True)
    flow = train_flow(tiles, FlowSettings(steps=2, batch_size=4, **TINY))
    assert flow.channels == 3


def test_what_cannot_be_taught_from_is_refused():
    with pytest.raises(NotEnoughDataError, match="are of 2"):
        train_flow(stripes()[stripes().lot < 2])
    tiles = stripes()
    with pytest.raises(DataError, match="16 x 12 px"):
        train_flow(replace(tiles, images=tiles.images[:, :12]))
    with pytest.raises(DataError, match="have none"):
        train_flow(replace(tiles, attributes=np.empty((60, 0)), names=()))
    with pytest.raises(SettingsError, match="steps=0"):
        FlowSettings(steps=0)

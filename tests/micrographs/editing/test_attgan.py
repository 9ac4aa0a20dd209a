"""The networks of AttGAN: the published layers, counted and computed a second time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from matlever.exceptions import SettingsError
from matlever.micrographs import AttGANDiscriminator, AttGANGenerator, AttGANSettings
from matlever.micrographs.editing._attgan_losses import (
    attribute_loss,
    gradient_penalty,
    recognised_attributes,
)
from matlever.micrographs.editing.attgan import initialise


def seeded(network, seed=0):
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def random(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def count(network):
    return sum(p.numel() for p in network.parameters())


# -- the published architecture -------------------------------------------------------------------


def published_generator_count(k, channels):
    """Weights of Table I: 4 x 4 kernels, a scale and a shift per normalised channel."""
    encoder, n_in = 0, channels
    for n_out in (64, 128, 256, 512, 1024):
        encoder, n_in = encoder + 16 * n_in * n_out + 2 * n_out, n_out
    decoder = 16 * (1024 + k) * 1024 + 2 * 1024
    decoder += 16 * (1024 + 512) * 512 + 2 * 512  # one shortcut
    decoder += 16 * 512 * 256 + 2 * 256 + 16 * 256 * 128 + 2 * 128
    return encoder + decoder + 16 * 128 * channels + channels


def published_discriminator_count(k, channels, size, head):
    trunk, n_in = 0, channels
    for n_out in (64, 128, 256, 512, 1024):
        trunk, n_in = trunk + 16 * n_in * n_out + 2 * n_out, n_out
    features = 1024 * (size // 32) ** 2
    return trunk + 2 * (features + 1) * head + (head + 1) * (1 + k)


@pytest.mark.parametrize(("k", "channels", "size"), [(13, 3, 128), (4, 1, 64), (4, 1, 256)])
def test_defaults_have_as_many_weights_as_the_published_networks(k, channels, size):
    settings = AttGANSettings()
    with torch.device("meta"):
        generator = AttGANGenerator(**settings.generator_arguments(k, channels))
        discriminator = AttGANDiscriminator(
            **settings.discriminator_arguments((size, size), k, channels)
        )
    assert count(generator) == published_generator_count(k, channels)
    assert count(discriminator) == published_discriminator_count(k, channels, size, 1024)


def test_paper_width_at_64_px_has_43_million_weights_in_the_generator():
    with torch.device("meta"):
        assert round(count(AttGANGenerator(n_attributes=4)) / 1e6, 1) == 43.2


def test_generator_is_what_its_table_says():
    generator = seeded(AttGANGenerator(n_attributes=2, channels=3, width=4, levels=3)).eval()
    with torch.no_grad():  # running statistics that are not those of the first batch
        for name, buffer in generator.named_buffers():
            if name.endswith("mean"):
                buffer.copy_(random(*buffer.shape) - 0.5)
            elif name.endswith("var"):
                buffer.copy_(random(*buffer.shape) + 0.5)
    w = generator.state_dict()
    x, a = random(2, 3, 16, 16), random(2, 2, seed=2)

    def norm(z, name):
        part = (w[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(z, *part)

    maps = (a - 0.5).reshape(2, 2, 1, 1).repeat(1, 1, 2, 2)
    zs, z = [], 2 * x - 1
    for i in range(3):
        z = functional.conv2d(z, w[f"encoder.{i}.0.weight"], stride=2, padding=1)
        z = functional.leaky_relu(norm(z, f"encoder.{i}.1"), 0.2)
        zs.append(z)
    z = torch.cat([z, maps], dim=1)
    for i in range(3):
        bias = w.get(f"decoder.{i}.0.bias")
        z = functional.conv_transpose2d(z, w[f"decoder.{i}.0.weight"], bias, stride=2, padding=1)
        if i < 2:
            z = functional.relu(norm(z, f"decoder.{i}.1"))
        if i == 0:
            z = torch.cat([z, zs[1]], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(generator(x, a), (torch.tanh(z) + 1) / 2)


def test_discriminator_is_what_its_table_says():
    discriminator = seeded(
        AttGANDiscriminator(size=(8, 16), n_attributes=2, width=4, levels=2, head_width=5)
    )
    w = discriminator.state_dict()
    x = random(3, 1, 8, 16)
    z = 2 * x - 1
    for i in (0, 3):
        z = functional.conv2d(z, w[f"trunk.{i}.weight"], stride=2, padding=1)
        z = z - z.mean(dim=(2, 3), keepdim=True)
        z = z / torch.sqrt((z**2).mean(dim=(2, 3), keepdim=True) + 1e-5)
        z = functional.leaky_relu(z, 0.2)  # scale 1, shift 0 at the start
    h = z.flatten(1)
    for name, found in zip(("critic", "classifier"), discriminator(x), strict=True):
        hidden = functional.leaky_relu(h @ w[f"{name}.0.weight"].T + w[f"{name}.0.bias"], 0.2)
        wanted = hidden @ w[f"{name}.2.weight"].T + w[f"{name}.2.bias"]
        torch.testing.assert_close(found.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)


# -- shapes and options ---------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (32, 16)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shortcut_layers": 0},
        {"shortcut_layers": 2, "inject_layers": 2},
        {"upsampling": "nearest", "inject_layers": 1},
    ],
)
def test_redrawn_pictures_keep_shape_and_range_and_every_weight_learns(channels, size, options):
    generator = seeded(
        AttGANGenerator(n_attributes=3, channels=channels, width=4, levels=3, **options)
    )
    x, a = random(4, channels, *size), random(4, 3, seed=2)
    drawn = generator(x, a)
    assert drawn.shape == x.shape
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    (drawn - x).square().mean().backward()
    for name, p in generator.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().max() > 0, name


@pytest.mark.parametrize("trunk_norm", ["instance", "none"])
def test_every_weight_of_the_discriminator_learns(trunk_norm):
    discriminator = seeded(
        AttGANDiscriminator(
            size=(16, 16), n_attributes=2, width=4, levels=2, head_width=8, trunk_norm=trunk_norm
        )
    )
    score, attributes = discriminator(random(4, 1, 16, 16))
    assert score.shape == (4,)
    assert attributes.shape == (4, 2)
    (score.square().mean() + attributes.square().mean()).backward()
    for name, p in discriminator.named_parameters():
        assert p.grad is not None, name
        # A bias before a normalisation has no influence: there is none.
        assert p.grad.abs().max() > 0, name


@pytest.mark.parametrize(("shortcuts", "is_seen"), [(0, False), (1, True)])
def test_shortcut_hands_on_the_features_of_the_encoder(shortcuts, is_seen):
    generator = seeded(
        AttGANGenerator(n_attributes=1, width=4, levels=3, shortcut_layers=shortcuts)
    ).eval()
    a = random(2, 1)
    features = generator.encode(random(2, 1, 16, 16))
    before = generator.decode(features, a)
    torch.testing.assert_close(generator.decode(generator.needed(features), a), before)
    features[1] = features[1] + 1.0
    assert bool((generator.decode(features, a) != before).any()) is is_seen


def test_a_score_does_not_depend_on_the_other_pictures_of_the_batch():
    discriminator = seeded(
        AttGANDiscriminator(size=(16, 16), n_attributes=1, width=4, levels=2, head_width=8)
    )
    x = random(4, 1, 16, 16)
    torch.testing.assert_close(discriminator(x)[0][:1], discriminator(x[:1])[0])


def test_without_normalisation_the_classifier_sees_contrast():
    x = random(2, 1, 16, 16)
    flatter = 0.5 + 0.5 * (x - 0.5)
    seen = {}
    for norm in ("instance", "none"):
        network = seeded(
            AttGANDiscriminator(
                size=(16, 16), n_attributes=1, width=4, levels=1, head_width=8, trunk_norm=norm
            )
        )
        difference = network(x)[1] - network(flatter)[1]
        seen[norm] = float(difference.detach().abs().max())
    assert seen["none"] > 10 * seen["instance"]


def test_initial_weights_are_torchs_own_but_from_a_generator():
    state = torch.get_rng_state()
    with torch.device("meta"):
        network = AttGANGenerator(n_attributes=2, width=8, levels=3)
    first = seeded(network.to_empty(device="cpu")).state_dict()
    second = seeded(AttGANGenerator(n_attributes=2, width=8, levels=3)).state_dict()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=0)
    torch.set_rng_state(state)
    own = AttGANGenerator(n_attributes=2, width=8, levels=3)
    for name, p in own.named_parameters():
        if p.ndim == 4:
            bound = np.sqrt(p[0].numel()) ** -1
            for found in (p.detach(), first[name]):
                assert found.abs().max() <= bound
                assert abs(float(found.std()) * np.sqrt(3) / bound - 1) < 0.1


def test_building_on_the_meta_device_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    with torch.device("meta"):
        network = AttGANGenerator(n_attributes=2, width=8, levels=3)
    seeded(network.to_empty(device="cpu"))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "channels=2 must be 1"),
        ({"n_attributes": 0}, "n_attributes=0"),
        ({"levels": 2, "shortcut_layers": 2}, "shortcut_layers=2 must be 0 to 1"),
        ({"levels": 2, "inject_layers": -1}, "inject_layers=-1"),
        ({"upsampling": "bilinear"}, "upsampling='bilinear'"),
    ],
)
def test_generator_refuses_what_cannot_be_built(options, message):
    with pytest.raises(SettingsError, match=message):
        AttGANGenerator(**{"n_attributes": 1, "width": 2, **options})


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (40, 64)])
def test_discriminator_says_which_sizes_fit(size):
    with pytest.raises(SettingsError, match="multiples of 16 from 32 on"):
        AttGANDiscriminator(size=(size[0], size[1] + 8), n_attributes=1, width=2, levels=4)


# -- losses ---------------------------------------------------------------------------------------


def test_penalty_of_a_linear_critic_is_known():
    w = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(3), requires_grad=True)
    penalty = gradient_penalty(
        lambda z: (z * w).sum(dim=(1, 2, 3)),
        random(5, 1, 6, 6),
        random(5, 1, 6, 6, seed=2),
        random(5),
    )
    # By pixels in [-1, 1] the gradient is half of that by pixels in [0, 1].
    norm = w.detach().norm() / 2
    torch.testing.assert_close(penalty.detach(), (norm - 1) ** 2)
    (found,) = torch.autograd.grad(penalty, w)
    torch.testing.assert_close(found, (norm - 1) * w.detach() / (2 * norm))


def test_penalty_looks_at_the_mixture_of_real_and_edited():
    real, edited, mix = random(4, 1, 3, 3), random(4, 1, 3, 3, seed=2), random(4, seed=5)
    found = gradient_penalty(lambda z: z.square().sum(dim=(1, 2, 3)), real, edited, mix)
    between = real + mix[:, None, None, None] * (edited - real)  # the gradient is twice this
    wanted = (between.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("kind", ["bce", "mse"])
def test_attribute_loss_is_least_where_the_label_is_recognised(kind):
    label = torch.tensor([[0.2, 0.9]])
    output = torch.zeros(1, 2, requires_grad=True)
    optimiser = torch.optim.LBFGS([output], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = attribute_loss(kind, output, label)
        loss.backward()
        return loss

    optimiser.step(closure)
    torch.testing.assert_close(
        recognised_attributes(kind, output.detach()), label, rtol=0, atol=1e-3
    )

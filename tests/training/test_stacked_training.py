"""Stacked networks against plain torch: forward, gradients, optimiser, early stopping."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matlever.exceptions import SettingsError
from matlever.training import Member, RowStream, StackedNetwork, TrainingSettings, train_stacked
from matlever.training import _kernels as kernels
from matlever.training._step import TrainingStep


def new_network(n_members, n_inputs=3, hidden=(64, 64), n_outputs=1, seed=0):
    network = StackedNetwork(
        n_members=n_members, n_inputs=n_inputs, hidden=hidden, n_outputs=n_outputs
    )
    return network.initialise([np.random.default_rng((seed, m)) for m in range(n_members)])


def plain_copy(network, member):
    """The member as a torch.nn.Sequential of Linear and ReLU."""
    modules = []
    for layer in network.layers:
        linear = torch.nn.Linear(layer.shape[1] - 1, layer.shape[2])
        with torch.no_grad():
            linear.weight.copy_(layer[member, :-1].T)
            linear.bias.copy_(layer[member, -1])
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def data(n=60, n_inputs=3, n_targets=2, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((1, n, n_inputs))
    y = np.stack([np.sin(x[0].sum(axis=1)), x[0, :, 0] * x[0, :, 1]], axis=1)[None, :, :n_targets]
    return x, y


def test_each_member_is_the_network_of_the_paper():
    network = new_network(3)
    assert sum(p.numel() for p in network.parameters()) == 3 * 4481  # 3-64-64-1 with biases
    x = torch.randn(17, 3, generator=torch.Generator().manual_seed(0))
    stacked = network(x)
    assert stacked.shape == (3, 17, 1)
    for member in range(3):
        torch.testing.assert_close(stacked[member], plain_copy(network, member)(x))
    assert not torch.allclose(stacked[0], stacked[1])


def test_every_parameter_gets_a_gradient_from_autograd():
    network = new_network(2, hidden=(8,))
    network(torch.randn(2, 50, 3)).square().sum().backward()
    assert all((p.grad != 0).any(dim=2).all() for p in network.parameters())


@pytest.mark.parametrize("hidden", [(), (7,), (6, 5), (4, 9, 3)])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_hand_written_gradients_equal_autograd(hidden, n_outputs):
    network = new_network(4, n_inputs=3, hidden=hidden, n_outputs=n_outputs).double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 11, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(4, 11, n_outputs, generator=generator, dtype=torch.float64)
    n_rows = torch.tensor([11.0, 11.0, 8.0, 5.0], dtype=torch.float64)
    mask = (torch.arange(11)[None, :] < n_rows[:, None]).double()
    per_member = ((network(x) - y).square() * mask[:, :, None]).sum((1, 2)) / n_rows / n_outputs
    per_member.sum().backward()

    step = TrainingStep(list(network.layers), 11, 1e-3)
    ones = torch.ones(4, 11, 1, dtype=torch.float64)
    scale = (mask * (2.0 / n_rows / n_outputs)[:, None])[:, None, :]
    step.compute_gradients(torch.cat([x, ones], 2).transpose(1, 2), y.transpose(1, 2), scale)
    for found, layer in zip(step.gradients, network.layers, strict=True):
        torch.testing.assert_close(found, layer.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weight_decay", [0.0, 3.0])
def test_one_member_follows_a_plain_torch_loop(weight_decay):
    x, y = data()
    rows, n_steps = np.arange(5, 55), 120
    network = new_network(1)
    model = plain_copy(network, 0)
    options = TrainingSettings(
        n_steps=n_steps, batch_size=16, learning_rate=2e-3, weight_decay=weight_decay
    )
    train_stacked(network, x, y, [Member(0, 1, rows, (3,))], options)

    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ],
        lr=2e-3,
    )
    inputs, targets = torch.tensor(x[0]).float(), torch.tensor(y[0, :, 1:]).float()
    for batch in RowStream(rows, 16, np.random.default_rng((3,))).take(n_steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs[batch]), targets[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        np.testing.assert_allclose(network(inputs)[0], model(inputs), atol=1e-5)


def test_members_learn_the_same_alone_together_and_in_threads():
    x, y = data(n=70)
    members = [
        Member(0, target, np.arange(n_rows), (7, n_rows, target))
        for n_rows in (70, 40, 9)
        for target in (0, 1)
    ]
    options = TrainingSettings(n_steps=40, batch_size=16)
    together, threads = new_network(6), new_network(6)
    train_stacked(together, x, y, members, options, n_threads=1)
    train_stacked(threads, x, y, members, options, n_threads=3)
    for position, member in enumerate(members):
        alone = StackedNetwork(n_members=1, n_inputs=3)
        alone.initialise([np.random.default_rng((0, position))])
        train_stacked(alone, x, y, [member], options)
        for a, b, c in zip(alone.layers, together.layers, threads.layers, strict=True):
            np.testing.assert_allclose(a[0].detach(), b[position].detach(), atol=2e-6)
            np.testing.assert_allclose(b[position].detach(), c[position].detach(), atol=2e-6)


def test_a_tiny_problem_is_overfitted():
    x, y = data(n=12)
    members = [Member(0, target, np.arange(12), (target,)) for target in (0, 1)]
    network = new_network(2)
    train_stacked(network, x, y, members, TrainingSettings(n_steps=1500, learning_rate=3e-3))
    with torch.no_grad():
        error = network(torch.tensor(x[0]).float())[:, :, 0].numpy() - y[0].T
    assert np.abs(error).max() < 0.02


def test_early_stopping_keeps_the_weights_of_the_best_look():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((1, 40, 3))
    y = generator.standard_normal((1, 40, 1))  # noise: the validation error soon rises
    rows, held_out = np.arange(30), np.arange(30, 40)
    members = [Member(0, 0, rows, (m,), held_out) for m in range(3)] + [Member(0, 0, rows, (9,))]
    options = TrainingSettings(n_steps=2000, learning_rate=5e-3, patience=4, check_every=20)
    network = new_network(4)
    result = train_stacked(network, x, y, members, options)
    assert (result.n_steps[:3] < 1000).all()
    assert result.n_steps[3] == 2000
    with torch.no_grad():
        output = network(torch.tensor(x[0]).float())[:, :, 0].numpy()
    mse = ((output[:, held_out] - y[0, held_out, 0]) ** 2).mean(axis=1)
    np.testing.assert_allclose(result.validation_mse[:3], mse[:3], rtol=1e-5)
    assert np.isnan(result.validation_mse[3])


def test_a_member_goes_on_undisturbed_when_others_leave_the_stack():
    x, y = data(n=40)
    held_out = np.arange(30, 40)
    hopeless = y.copy()
    hopeless[0, held_out] = -10.0 * y[0, held_out]
    members = [Member(0, 1, np.arange(30), (m,), held_out) for m in range(2)]
    members.append(Member(0, 0, np.arange(30), (9,)))
    options = TrainingSettings(n_steps=60, batch_size=8, patience=1, check_every=10)
    network = new_network(3)
    result = train_stacked(network, x, hopeless, members, options)
    assert (result.n_steps[:2] < 40).all()
    alone = StackedNetwork(n_members=1, n_inputs=3).initialise([np.random.default_rng((0, 2))])
    train_stacked(alone, x, hopeless, members[2:], options)
    for a, b in zip(alone.layers, network.layers, strict=True):
        np.testing.assert_allclose(a[0].detach(), b[2].detach(), atol=1e-5)


def test_fewer_steps_than_a_look_still_keep_weights():
    x, y = data(n=20)
    network = new_network(1)
    before = network.layers[0].detach().clone()
    member = Member(0, 0, np.arange(15), (0,), np.arange(15, 20))
    result = train_stacked(network, x, y, [member], TrainingSettings(n_steps=5))
    assert result.n_steps[0] == 5
    assert not torch.equal(before, network.layers[0])


def test_without_torchs_private_functions_the_weights_are_the_same(monkeypatch):
    # As in a torch that lacks one, or gave it other arguments.
    x, y = data()
    options = TrainingSettings(n_steps=50, weight_decay=0.1)
    fast, plain = new_network(2), new_network(2)
    members = [Member(0, target, np.arange(60), (target,)) for target in (0, 1)]
    train_stacked(fast, x, y, members, options)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "_fused_adam_", lambda *tensors: None, raising=False)
        patch.setattr(torch.ops.aten, "threshold_backward", None)
        reloaded = importlib.reload(kernels)
        assert reloaded.adam_step is reloaded.plain_adam_step
        assert reloaded.mask_inactive is reloaded.plain_mask_inactive
        train_stacked(plain, x, y, members, options)
    importlib.reload(kernels)
    for a, b in zip(fast.layers, plain.layers, strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-5)


@pytest.mark.parametrize("kind", ["alike", "of all sizes", "leaving early"])
def test_the_number_of_threads_does_not_change_a_bit(kind):
    x, y = data(n=70)
    sizes = [50] * 6 if kind == "alike" else [50, 41, 17, 9, 50, 3]
    members = [
        Member(
            0,
            m % 2,
            np.arange(size),
            (m,),
            np.arange(50, 70 - 3 * m) if kind == "leaving early" and m < 5 else np.arange(0),
        )
        for m, size in enumerate(sizes)
    ]
    options = TrainingSettings(n_steps=300, batch_size=16, patience=1, check_every=10)
    expected, first = new_network(6), None
    for n_threads in (1, 2, 3, 4, 6):
        network = new_network(6)
        result = train_stacked(network, x, y, members, options, n_threads=n_threads)
        if first is None:
            expected, first = network, result
        for a, b in zip(expected.layers, network.layers, strict=True):
            np.testing.assert_array_equal(a.detach(), b.detach())
        np.testing.assert_array_equal(result.n_steps, first.n_steps)
        np.testing.assert_array_equal(result.validation_mse, first.validation_mse)
    if kind == "leaving early":
        assert (first.n_steps[:5] < 300).all()


def test_progress_is_reported_and_may_interrupt():
    x, y = data()
    members = [Member(0, 0, np.arange(60), (m,)) for m in range(4)]
    seen = []
    options = TrainingSettings(n_steps=120, check_every=50)
    threads = torch.get_num_threads()
    train_stacked(
        new_network(4), x, y, members, options, n_threads=2, progress=lambda *a: seen.append(a)
    )
    assert seen == [(n, 120, "training step") for n in (50, 100, 120)]

    def interrupt(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stacked(new_network(4), x, y, members, options, n_threads=2, progress=interrupt)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"members": [Member(0, 0, np.arange(3))]}, "2 networks"),
        ({"members": [Member(1, 0, np.arange(3))] * 2}, "table 1"),
        ({"members": [Member(0, 2, np.arange(3))] * 2}, "target 2"),
        ({"members": [Member(0, 0, np.array([60]))] * 2}, "Member 0"),
        ({"members": [Member(0, 0, np.arange(0))] * 2}, "no rows"),
        ({"x": np.zeros((1, 60, 4))}, "4 inputs"),
        ({"x": np.zeros((1, 59, 3))}, "(1, 59, 3)"),
    ],
)
def test_what_does_not_fit_together_is_named(change, named):
    x, y = data()
    arguments = {"x": x, "y": y, "members": [Member(0, 0, np.arange(60))] * 2} | change
    with pytest.raises(SettingsError) as caught:
        train_stacked(new_network(2), **arguments)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"n_steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        TrainingSettings(**wrong)


@given(
    n_rows=st.integers(1, 40),
    batch_size=st.integers(1, 50),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_stream_visits_every_row_once_per_shuffle(n_rows, batch_size, cuts, seed):
    rows = np.arange(n_rows) * 3
    parts = RowStream(rows, batch_size, np.random.default_rng(seed))
    stream = np.concatenate([parts.take(n) for n in cuts])
    assert stream.shape == (sum(cuts), min(batch_size, n_rows))
    whole = RowStream(rows, batch_size, np.random.default_rng(seed)).take(sum(cuts))
    assert (stream == whole).all()
    flat = stream.ravel()
    for start in range(0, len(flat) - n_rows + 1, n_rows):
        assert sorted(flat[start : start + n_rows]) == rows.tolist()

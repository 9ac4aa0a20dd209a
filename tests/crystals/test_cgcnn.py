"""The network against its published equations in loops, and what must leave it unchanged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from matlever.crystals import CGCNN, CrystalGraphs, Crystals, crystal_graphs
from matlever.crystals._cgcnn_batches import GraphTensors
from matlever.crystals._cgcnn_elements import element_features
from matlever.crystals._cgcnn_messages import edge_sums, gated_sums
from matlever.exceptions import SettingsError


def a_network(seed: int = 0, **settings: Any) -> CGCNN:
    """Return a network whose batch normalisations are not the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CGCNN(**settings)
        for name, value in network.named_buffers():
            if "running" in name:
                value.copy_(torch.rand(value.shape) + 0.5)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if "norm" in name:
                    parameter.copy_(torch.rand(parameter.shape) + 0.5)
    return network


def some_graphs(n: int = 3, seed: int = 0, m: int = 5) -> CrystalGraphs:
    random = np.random.default_rng(seed)
    counts = random.integers(1, 5, n)
    total = int(counts.sum())
    offsets = np.concatenate([[0], np.cumsum(counts)])
    first, size = np.repeat(offsets[:-1], counts), np.repeat(counts, counts)
    neighbours = first[:, None] + random.integers(0, 100, (total, m)) % size[:, None]
    distances = np.sort(random.uniform(1.5, 6.0, (total, m)), axis=1)
    numbers = random.integers(1, 84, total)
    return CrystalGraphs(
        numbers.astype(np.int16), neighbours, distances.astype(np.float32), offsets
    )


def outputs(network: CGCNN, graphs: CrystalGraphs) -> torch.Tensor:
    batch = GraphTensors.of(graphs).batch(np.arange(len(graphs)))
    return network(batch.numbers, batch.neighbours, batch.distances, batch.counts)


def by_loops(network: CGCNN, graphs: CrystalGraphs, *, training: bool) -> list[float]:
    """Work out the first output of each crystal as the paper and its code have it."""
    weights = {k: v.detach().double().numpy() for k, v in network.state_dict().items()}
    gated = network.architecture["gated"]
    table = element_features().astype(float) @ weights["embedding.weight"].T
    v = table[graphs.numbers] + weights["embedding.bias"]
    n, m = graphs.neighbours.shape
    for layer in range(network.architecture["n_convolutions"]):
        prefix = f"convolutions.{layer}."
        w, b = weights[prefix + "linear.weight"], weights[prefix + "linear.bias"]
        rows = np.zeros((n, m, w.shape[1]))
        for i in range(n):
            for j in range(m):
                d = float(graphs.distances[i, j])
                u = [math.exp(-((d - 0.2 * k) ** 2) / 0.2**2) for k in range(41)]
                rows[i, j] = [*v[i], *v[graphs.neighbours[i, j]], *u]
        if gated:
            z = rows.reshape(n * m, -1) @ w.T + b
            z = normalised(z, weights, prefix + "edge_norm", training).reshape(n, m, -1)
            half = z.shape[2] // 2
            messages = softplus(z[..., half:]) / (1 + np.exp(-z[..., :half]))
            summed = normalised(messages.sum(axis=1), weights, prefix + "atom_norm", training)
            v = softplus(v + summed)
        else:
            own = v.shape[1]
            z = np.zeros((n, own))
            for i in range(n):
                z[i] = w[:, :own] @ v[i] + w[:, own:] @ rows[i, :, own:].sum(axis=0) + b
            v = softplus(normalised(z, weights, prefix + "atom_norm", training))
    found = []
    for first, last in zip(graphs.offsets[:-1], graphs.offsets[1:], strict=True):
        pooled = v[first:last].mean(axis=0)
        if network.pooling == "mean":
            pooled = softplus(pooled)
            pooled = softplus(weights["hidden.0.weight"] @ pooled + weights["hidden.0.bias"])
        found.append(float((weights["output.weight"] @ pooled + weights["output.bias"])[0]))
    return found


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def normalised(
    x: np.ndarray, weights: dict[str, np.ndarray], name: str, training: bool
) -> np.ndarray:
    mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    if training:
        mean, var = x.mean(axis=0), x.var(axis=0)
    scaled = (x - mean) / np.sqrt(var + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("settings", [{}, {"gated": False}, {"pooling": "site"}])
def test_the_network_equals_its_equations_in_loops(
    settings: dict[str, Any], training: bool
) -> None:
    network, graphs = a_network(width=8, **settings), some_graphs()
    wanted = by_loops(network, graphs, training=training)
    found = outputs(network.train(training), graphs)[:, 0].detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_parameters_are_as_many_as_in_the_original_code() -> None:
    # embedding, three convolutions with two normalisations each, two layers after pooling
    convolution = (2 * 64 + 41) * 128 + 128 + 2 * 128 + 2 * 64
    wanted = (92 + 1) * 64 + 3 * convolution + (64 + 1) * 128 + 128 + 1
    n_features = element_features().shape[1]
    found = sum(p.numel() for p in CGCNN().parameters())
    assert found == wanted + (n_features - 92) * 64


def test_derivatives_by_hand_are_right() -> None:
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64, requires_grad=True)

    neighbours = torch.randint(0, 4, (12,), generator=random)
    assert torch.autograd.gradcheck(
        edge_sums, (draw(4, 6), draw(4, 6), draw(12, 5), draw(6, 5), neighbours)
    )
    assert torch.autograd.gradcheck(gated_sums, (draw(12, 6), 4))


def test_the_gate_is_that_of_automatic_differentiation() -> None:
    z = torch.randn(12, 6, generator=torch.Generator().manual_seed(1))
    gate, core = z.chunk(2, dim=1)
    wanted = (torch.sigmoid(gate) * functional.softplus(core)).view(4, 3, 3).sum(dim=1)
    torch.testing.assert_close(gated_sums(z, 4), wanted)


@pytest.mark.parametrize("atom_features", ["properties", "embedding"])
@pytest.mark.parametrize("gated", [True, False])
def test_gradients_reach_every_parameter(gated: bool, atom_features: Any) -> None:
    network = a_network(gated=gated, atom_features=atom_features, width=8, n_outputs=2)
    graphs = some_graphs(12)
    assert outputs(network, graphs).shape == (12, 2)
    outputs(network, graphs).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


@settings(max_examples=20)
@given(st.integers(0, 2**16))
def test_neither_order_of_atoms_nor_of_crystals_changes_a_prediction(seed: int) -> None:
    network, graphs = a_network(width=8).eval(), some_graphs(4, seed)
    random = np.random.default_rng(seed)
    order = random.permutation(4)
    shuffled = graphs[order]
    atoms = np.concatenate(
        [
            first + random.permutation(last - first)
            for first, last in zip(shuffled.offsets[:-1], shuffled.offsets[1:], strict=True)
        ]
    )
    place = np.argsort(atoms)
    moved = CrystalGraphs(
        shuffled.numbers[atoms],
        place[shuffled.neighbours[atoms]],
        shuffled.distances[atoms],
        shuffled.offsets,
    )
    with torch.no_grad():
        before, after = outputs(network, graphs)[order], outputs(network, moved)
    torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-5)


def test_a_doubled_cell_gets_the_same_prediction() -> None:
    lattice, fractional = 4.2 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]])
    numbers = [56, 22, 8]
    doubled = fractional * [1, 1, 0.5]
    crystals = Crystals.from_arrays(
        [lattice, lattice * [[1], [1], [2]]],
        [3, 6],
        [*numbers, *numbers, *numbers],
        np.vstack([fractional, doubled, doubled + np.array([0, 0, 0.5])]),
    )
    for pooling in ("mean", "site"):
        network = a_network(pooling=pooling).eval()
        with torch.no_grad():
            once, twice = outputs(network, crystal_graphs(crystals))[:, 0].tolist()
        assert once == pytest.approx(twice, abs=1e-5)


def test_far_neighbours_have_no_gaussian_and_do_no_harm() -> None:
    graphs = some_graphs()
    far = CrystalGraphs(
        graphs.numbers, graphs.neighbours, graphs.distances + np.float32(40), graphs.offsets
    )
    assert torch.isfinite(outputs(a_network().eval(), far)).all()


def test_only_site_pooling_has_contributions() -> None:
    network = a_network()
    with pytest.raises(SettingsError, match="pooling='site'"):
        network.sites(torch.zeros(1, 64))


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"pooling": "sum"}, {"step": 9.0}, {"atom_features": "magpie"}]
)
def test_impossible_architectures_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        CGCNN(**wrong)

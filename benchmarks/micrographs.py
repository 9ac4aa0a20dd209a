"""Speeds of the micrograph room on this machine, each beside what it is to be compared with.

- simulated tiles per second,
- a training step and a prediction of the tile regressor, channels last in memory against not, for
  the paper's network and the compact one; torch as it comes is the peer,
- a training step of the editors at 64, 128 and 256 px,
- edited tiles per second: the flow editor, AttGAN of the same size of tile, the exact editor,
- counterfactuals per second through the flow editor: tiles of a lot together against one by one,
- texture measures per second,
- Grad-CAM maps per second against captum's.

Times are the least of several runs; one torch thread unless --threads says otherwise.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

import matlever as ml
from matlever.micrographs import (
    AttGANSettings,
    ExactEditor,
    FlowEditor,
    TileRegressor,
    Tiles,
    VelocityNetwork,
    WideResNet,
    load_demo_editor,
    simulate_sem,
    texture_features,
    train_attgan,
)

SEED = 1400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"torch {torch.__version__}, {asked.threads} thread(s), least of {asked.repeats} runs")
    lots = simulate_sem(6, 24, 64, random_state=SEED)
    simulator(asked.repeats)
    regressor_steps(asked.repeats)
    editor_steps(asked.repeats)
    edits(lots.tiles[::9], asked.repeats)
    texture(lots.tiles, asked.repeats)
    counterfactuals(lots)
    grad_cam(lots, asked.repeats)


def least(call: Callable[[], object], repeats: int) -> float:
    """Return the least time of a call in seconds, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def simulator(repeats: int) -> None:
    print("\nsimulated tiles")
    for side, n in ((32, 40), (64, 40), (128, 20), (256, 8)):
        seconds = least(
            lambda n=n, side=side: simulate_sem(2, n // 2, side, random_state=SEED), repeats
        )
        print(f"  {side:4d} px {n / seconds:8.1f} tiles/s")


def regressor_steps(repeats: int) -> None:
    print("\ntile regressor, ms: training step, prediction (batch), channels last against not")
    cases = [
        ("WRN-28-1", {"depth": 28}, 64, 64),
        ("WRN-28-1", {"depth": 28}, 256, 4),
        ("WRN-10-1, stem 2", {"depth": 10, "stem_stride": 2}, 64, 64),
    ]
    for name, settings, side, batch in cases:
        found = {}
        for last in (False, True):
            network = WideResNet(channels=1, outputs=1, **settings)
            form = torch.channels_last if last else torch.contiguous_format
            network.to(memory_format=form)
            x = torch.rand(batch, 1, side, side).contiguous(memory_format=form)
            optimiser = torch.optim.Adam(network.parameters())

            def step(network=network, x=x, optimiser=optimiser) -> None:
                network.train()
                optimiser.zero_grad()
                (network(x) ** 2).mean().backward()
                optimiser.step()

            def predict(network=network, x=x) -> None:
                network.eval()
                with torch.no_grad():
                    network(x)

            found[last] = (1e3 * least(step, repeats), 1e3 * least(predict, repeats))
        (step0, predict0), (step1, predict1) = found[False], found[True]
        print(
            f"  {name:17s} {side:4d} px x {batch:2d}: step {step1:7.0f} against {step0:7.0f} "
            f"({step0 / step1:.2f} x), prediction {predict1:6.0f} against {predict0:6.0f} "
            f"({predict0 / predict1:.2f} x)"
        )


def editor_steps(repeats: int) -> None:
    print("\nflow, ms for a training step of 32 tiles: patches keep the cost as tiles grow")
    for side in (64, 128, 256):
        network = VelocityNetwork(attributes=4, patch=side // 32)
        network.to(memory_format=torch.channels_last)
        x, t, a = torch.randn(32, 1, side, side), torch.rand(32), torch.rand(32, 4)

        def step(network=network, x=x, t=t, a=a) -> None:
            network.zero_grad()
            (network(x, t, a) ** 2).mean().backward()

        n = sum(p.numel() for p in network.parameters())
        seconds = least(step, max(1, repeats // 2))
        print(f"  {side:4d} px, {n:,} parameters: {1e3 * seconds:.0f}")


def edits(tiles: Tiles, repeats: int) -> None:
    print(f"\nedited tiles per second, {len(tiles)} tiles at 4 settings each")
    values = np.repeat(tiles.attributes[:, None], 4, axis=1)
    for j in range(4):
        values[:, j, j] = np.where(values[:, j, j] < 0.5, 0.9, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attgan = train_attgan(tiles, AttGANSettings.narrow(n_epochs=0.5, batch_size=4))
    demo = load_demo_editor()
    editors = {
        f"flow, {demo.integration.steps} steps": demo,
        "flow, 3 steps": FlowEditor(demo.flow, guidance=demo.guidance, gain=demo.gain, steps=3),
        "AttGAN, width 16": attgan,
        "exact (the simulator)": ExactEditor(),
    }
    for name, editor in editors.items():
        seconds = least(lambda editor=editor: editor.render(tiles, values), max(1, repeats // 2))
        print(f"  {name:24s} {4 * len(tiles) / seconds:8.1f}")


def texture(tiles: Tiles, repeats: int) -> None:
    seconds = least(lambda: texture_features(tiles), repeats)
    print(f"\ntexture measures: {len(tiles) / seconds:,.0f} tiles/s")


def counterfactuals(lots: object) -> None:
    tiles: Tiles = lots.tiles  # type: ignore[attr-defined]
    y = lots.of_tiles()  # type: ignore[attr-defined]
    regressor = TileRegressor.compact(epochs=3).fit(tiles, y)
    lot = tiles[tiles.lot == int(np.argmin(lots.property()))][:4]  # type: ignore[attr-defined]
    goal = (float(regressor.predict(lot).mean()) + 40.0, None)
    editor = load_demo_editor()
    ask = {"predictor": regressor, "editor": editor, "goal": goal, "tolerance": 10.0}
    begun = time.perf_counter()
    together = ml.counterfactual(samples=lot, **ask)
    one = time.perf_counter() - begun
    begun = time.perf_counter()
    alone = [ml.counterfactual(samples=lot[i], **ask) for i in range(len(lot))]
    many = time.perf_counter() - begun
    reached = (int(together.reached.sum()), sum(int(a.reached.sum()) for a in alone))
    print(
        f"\ncounterfactuals through the flow editor, {len(lot)} tiles of a lot: together "
        f"{len(lot) / one:.3f} /s ({reached[0]} reached), one by one {len(lot) / many:.3f} /s "
        f"({reached[1]} reached): {many / one:.2f} x; {together.n_calls.mean():.0f} predictions "
        "each"
    )


def grad_cam(lots: object, repeats: int) -> None:
    from captum.attr import LayerGradCam

    from matlever.micrographs import grad_cam as ours

    tiles: Tiles = lots.tiles[:64]  # type: ignore[attr-defined]
    regressor = TileRegressor.compact(epochs=1).fit(
        lots.tiles,  # type: ignore[attr-defined]
        lots.of_tiles(),  # type: ignore[attr-defined]
    )
    network = regressor.networks_[0]
    layer = network.last_block if hasattr(network, "last_block") else list(network.children())[-2]
    peer = LayerGradCam(lambda x: network(x)[:, :1], layer)
    x = tiles.tensor()
    t_peer = least(lambda: peer.attribute(x, relu_attributions=True), repeats)
    t_ours = least(lambda: ours(regressor, tiles), repeats)
    print(f"\nGrad-CAM: {len(tiles) / t_ours:.0f} maps/s, captum {len(tiles) / t_peer:.0f} maps/s")


if __name__ == "__main__":
    main()

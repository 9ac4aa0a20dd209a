r"""Edits of real tiles by a flow: towards noise with their own attributes, back with new ones.

A tile x is carried from t = 0 to t = `depth` along :math:`\dot x = v(x, t, a)` with its own
attributes a, and back to 0 along

.. math:: \dot x = v(x, t, a) + g\,\bigl(v(x, t, a') - v(x, t, a)\bigr)

with the wanted attributes a'. At a' = a the way back is the way there, so a tile that is asked for
as it stands comes out as it was; what the integration loses on the way (it is measured with the
same call) is put back. The edit is deterministic, knows its gradient with respect to a', and
changes no more than a' asks for.

``guidance`` g and ``gain`` M (a' is taken at :math:`a + M (a' - a)`) are calibrated on lots that
the flow was taught from, see `calibrate_flow_editor`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from matlever.exceptions import DataError, ModelFileError, SettingsError
from matlever.knobs import Knob, KnobSpace
from matlever.micrographs.editing.flow_training import Flow
from matlever.micrographs.tiles import Tiles
from matlever.storage import State, read_model, write_model

__all__ = ["FlowEditor", "load_flow_editor"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Integration:
    """How the way is cut into steps.

    Parameters
    ----------
    depth : float, default=0.75
        How far towards noise (1) a tile is carried: further, and more of it may change.
    steps : int, default=5
        Steps of the midpoint rule each way.
    """

    depth: float = 0.75
    steps: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.depth < 1 or self.steps < 1:
            raise SettingsError(
                f"depth={self.depth} must be between 0 and 1, steps={self.steps} 1 or more."
            )


class FlowEditor:
    """Renders a tile as it would look if its lot had other attributes.

    Parameters
    ----------
    flow : Flow
    guidance : float, default=2.0
        How strongly the difference that the attributes make is followed; 1 is what was learned.
    gain : array_like of shape (k, k), optional
        Changes of attributes are multiplied by this matrix; default the identity.
    depth, steps
        See `Integration`.
    fixed : sequence of str, default=()
        Attributes that stay.
    limits : sequence of k (lower, upper), optional
        How far each attribute can be turned; default 0 to 1.
    card : dict, optional
        JSON values kept with the editor: what it was calibrated with, how it was scored.
    """

    is_differentiable = True
    most_rows = 128
    usual_budget = 120

    def __init__(
        self,
        flow: Flow,
        *,
        guidance: float = 2.0,
        gain: ArrayLike | None = None,
        depth: float = 0.75,
        steps: int = 5,
        fixed: Sequence[str] = (),
        limits: Sequence[tuple[float, float]] | None = None,
        card: dict[str, Any] | None = None,
    ) -> None:
        k = len(flow.names)
        self.flow = flow
        self.guidance = float(guidance)
        self.gain = np.eye(k) if gain is None else np.asarray(gain, dtype=np.float64)
        self.integration = Integration(depth, steps)
        self.card = dict(card or {})
        ends = [(0.0, 1.0)] * k if limits is None else list(limits)
        unknown = sorted(set(fixed) - set(flow.names))
        if self.gain.shape != (k, k) or len(ends) != k or unknown or not self.guidance >= 0:
            raise SettingsError(
                f"An editor of {k} attributes ({', '.join(flow.names)}) takes a gain of shape "
                f"({k}, {k}), {k} pairs of limits, a guidance of 0 or more, and fixes some of "
                f"them; given are {self.gain.shape}, {len(ends)} pairs, {guidance} and "
                f"{list(fixed)}."
            )
        self.space = KnobSpace(
            [
                Knob(name, lower=low, upper=high, fixed=name in fixed)
                for name, (low, high) in zip(flow.names, ends, strict=True)
            ]
        )

    def __repr__(self) -> str:
        side = self.flow.side_px
        return f"FlowEditor({', '.join(self.flow.names)}; tiles of {side} x {side} px)"

    def to(self, device: str) -> FlowEditor:
        """Move the network to a device; returns the editor."""
        self.flow.network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.flow.network.parameters()).device

    def values(self, samples: Tiles) -> Array:
        """Return the attributes of the tiles' lots, of shape (n, k)."""
        if samples.names != self.flow.names:
            raise DataError(
                f"This editor turns {', '.join(self.flow.names)}; the tiles come with "
                f"{', '.join(samples.names) or 'no attributes'}. Read them with these, in this "
                "order, or train an editor from them."
            )
        return samples.attributes

    def render(self, samples: Tiles, values: Array) -> Tiles:
        """Return n * r tiles: tile i with attributes ``values[i, 0]``, ``values[i, 1]``, ...

        Parameters
        ----------
        samples : Tiles
            n tiles of the size the editor was taught with.
        values : ndarray of shape (n, r, k)

        Returns
        -------
        tiles : Tiles
            float32 in [0, 1].

        Raises
        ------
        DataError
            If the tiles have other attributes, another size or other channels.
        """
        with torch.no_grad():
            images = self.render_tensor(samples, torch.as_tensor(values))
        return samples.edited(images, values)

    def render_tensor(self, samples: Tiles, values: Tensor) -> Tensor:
        """Return n * r tiles of shape (n * r, C, H, W) that know their gradient by `values`."""
        own = torch.as_tensor(self.values(samples), dtype=torch.float32, device=self.device)
        tiles = self._checked(samples)
        with torch.no_grad():
            noisy = self._towards_noise(self.flow.standardised(tiles), own)
            lost = self.flow.standardised(tiles) - self._back(noisy, own, None)
        n, r, k = values.shape
        wanted = values.to(device=self.device, dtype=torch.float32)
        gain = torch.as_tensor(self.gain, dtype=torch.float32, device=self.device)
        target = own[:, None] + (wanted - own[:, None]) @ gain.T
        x = self._back(
            noisy.repeat_interleave(r, 0), own.repeat_interleave(r, 0), target.reshape(n * r, k)
        )
        x = self.flow.unstandardised(x + lost.repeat_interleave(r, 0))
        return x.clamp(0.0, 1.0)

    def _checked(self, samples: Tiles) -> Tensor:
        _, height, width = samples.shape
        flow = self.flow
        if (height, width) != (flow.side_px, flow.side_px) or samples.channels != flow.channels:
            raise DataError(
                f"This editor was taught with tiles of {flow.side_px} x {flow.side_px} px and "
                f"{flow.channels} channels; these have {width} x {height} px and "
                f"{samples.channels}."
            )
        return samples.tensor(str(self.device))

    def _towards_noise(self, x: Tensor, own: Tensor) -> Tensor:
        def velocity(x: Tensor, t: Tensor) -> Tensor:
            found: Tensor = self.flow.network(x, t, own)
            return found

        return self._integrate(velocity, x, 0.0, self.integration.depth)

    def _back(self, x: Tensor, own: Tensor, target: Tensor | None) -> Tensor:
        """Return tiles from noisy ones; with `target` None as they were."""
        if target is None:
            return self._integrate(
                lambda x, t: self.flow.network(x, t, own), x, self.integration.depth, 0.0
            )
        both, m = torch.cat([own, target]), len(own)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            v = self.flow.network(torch.cat([x, x]), torch.cat([t, t]), both)
            return v[:m] + self.guidance * (v[m:] - v[:m])  # type: ignore[no-any-return]

        if target.requires_grad:
            # Memory of one step instead of all of them.
            def kept(x: Tensor, t: Tensor) -> Tensor:
                found: Tensor = checkpoint(velocity, x, t, use_reentrant=False)
                return found

            return self._integrate(kept, x, self.integration.depth, 0.0)
        return self._integrate(velocity, x, self.integration.depth, 0.0)

    def _integrate(
        self, velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, start: float, stop: float
    ) -> Tensor:
        """Integrate by the midpoint rule."""
        h = (stop - start) / self.integration.steps
        for i in range(self.integration.steps):
            t = torch.full((len(x),), start + i * h, device=x.device)
            x = x + h * velocity(x + 0.5 * h * velocity(x, t), t + 0.5 * h)
        return x

    def with_knobs(
        self,
        *,
        fixed: Sequence[str] = (),
        limits: Sequence[tuple[float, float]] | None = None,
    ) -> FlowEditor:
        """Return the same editor with other limits, or with attributes that stay."""
        return FlowEditor(
            self.flow,
            guidance=self.guidance,
            gain=self.gain,
            depth=self.integration.depth,
            steps=self.integration.steps,
            fixed=fixed,
            limits=limits,
            card=self.card,
        )

    def calibrated(
        self, *, guidance: float | None = None, gain: ArrayLike | None = None
    ) -> FlowEditor:
        """Return the same editor with another guidance or gain."""
        made = self.with_knobs(
            fixed=tuple(knob.name for knob in self.space.knobs if knob.fixed),
            limits=self._limits(),
        )
        made.guidance = self.guidance if guidance is None else float(guidance)
        made.gain = self.gain if gain is None else np.asarray(gain, dtype=np.float64)
        return made

    def _limits(self) -> list[tuple[float, float]]:
        lower, upper = self.space.lower, self.space.upper
        return [(float(a), float(b)) for a, b in zip(lower, upper, strict=True)]

    def to_state(self) -> State:
        """Return the editor as plain data."""
        config = {
            "guidance": self.guidance,
            "gain": self.gain.tolist(),
            "depth": self.integration.depth,
            "steps": self.integration.steps,
            "limits": [list(ends) for ends in self._limits()],
            "fixed": [k.name for k in self.space.knobs if k.fixed],
            "card": self.card,
        }
        return State("flow editor", config, {}, {"flow": self.flow.to_state()})

    @classmethod
    def from_state(cls, state: State) -> FlowEditor:
        """Rebuild an editor.

        Raises
        ------
        ModelFileError
            If it is another kind of model, or damaged.
        """
        if state.kind != "flow editor" or "flow" not in state.parts:
            raise ModelFileError(f"The model is a {state.kind!r}, not a flow editor.")
        flow = Flow.from_state(state.parts["flow"])
        try:
            return cls(
                flow,
                guidance=float(state.get("guidance")),
                gain=np.array(state.get("gain"), dtype=np.float64),
                depth=float(state.get("depth")),
                steps=int(state.get("steps")),
                limits=[(float(a), float(b)) for a, b in state.get("limits")],
                fixed=tuple(state.get("fixed")),
                card=dict(state.get("card")),
            )
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"flow editor: a value cannot be used ({error}).") from error

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the editor to a folder of JSON and safetensors."""
        write_model(folder, self.to_state())
        return Path(folder)


def load_flow_editor(folder: str | os.PathLike[str]) -> FlowEditor:
    """Read an editor from its folder.

    Raises
    ------
    ModelFileError
        If the folder holds no editor, or it is damaged.
    """
    return FlowEditor.from_state(read_model(folder)[0])

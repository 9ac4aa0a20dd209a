"""Editors that a fair report card must fail: one that changes nothing, one that fools the meter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Knob, KnobSpace
from matlever.micrographs.measuring.network_meter import NetworkMeter
from matlever.micrographs.tiles import Tiles

if TYPE_CHECKING:
    import torch

__all__ = ["AdversarialEditor", "DoNothingEditor"]

Array = NDArray[np.float64]

_NOT_ASKED = 1e-9
_BATCH = 128


def _space(names: Sequence[str]) -> KnobSpace:
    return KnobSpace([Knob(name, lower=0.0, upper=1.0) for name in names])


class DoNothingEditor:
    """Returns every tile as it is, whatever is asked: realistic, and useless.

    Parameters
    ----------
    names : sequence of str
        The attributes it pretends to turn.
    """

    most_rows = 1024

    def __init__(self, names: Sequence[str]) -> None:
        self.space = _space(names)

    def __repr__(self) -> str:
        return f"DoNothingEditor({', '.join(self.space.names)})"

    def values(self, samples: Tiles) -> Array:
        """Return the attributes of the tiles' lots, of shape (n, k)."""
        return samples.attributes

    def render(self, samples: Tiles, values: Array) -> Tiles:
        """Return each of n tiles r times, for values of shape (n, r, k)."""
        return samples.edited(np.repeat(samples.unit(), values.shape[1], axis=0), values)

    def render_tensor(self, samples: Tiles, values: torch.Tensor) -> torch.Tensor:
        """Return each of n tiles r times, as a tensor (n * r, C, H, W)."""
        return samples.tensor().repeat_interleave(values.shape[1], dim=0)


class AdversarialEditor:
    """Adds what the eye hardly sees and a network meter takes for the attributes that were asked.

    Projected gradient descent on the difference between what the meter reads and what is asked
    (A. Madry et al., ICLR 2018, eq. 1, with the largest change of a pixel bounded). It moves that
    meter as a good editor would, while no crystal changes.

    Parameters
    ----------
    meter : NetworkMeter
        The network that is fooled.
    largest_change : float, default=0.03
        Of any pixel, as a share of the range of tones.
    n_steps : int, default=10
        Steps of the descent.

    Notes
    -----
    What is asked is relative: the meter's reading of the tile, moved by as much as the knobs are.
    Where nothing is asked the tile is returned as it is.
    """

    most_rows = 256

    def __init__(
        self, meter: NetworkMeter, *, largest_change: float = 0.03, n_steps: int = 10
    ) -> None:
        if not 0 < largest_change <= 1 or n_steps < 1:
            raise SettingsError(
                f"largest_change={largest_change} must be above 0 and at most 1, n_steps={n_steps} "
                "1 or more."
            )
        if not hasattr(meter, "network_"):
            raise SettingsError("The meter is not fitted: call fit(tiles) first.")
        self.meter = meter
        self.largest_change = largest_change
        self.n_steps = n_steps
        self.space = _space(meter.names_)

    def __repr__(self) -> str:
        return f"AdversarialEditor(of {self.meter!r}, largest_change={self.largest_change:g})"

    def values(self, samples: Tiles) -> Array:
        """Return the attributes of the tiles' lots, of shape (n, k)."""
        return samples.attributes

    def render(self, samples: Tiles, values: Array) -> Tiles:
        """Return n * r tiles that the meter takes for tiles at these values (n, r, k).

        Raises
        ------
        DataError
            If the tiles have other attributes than the meter reads.
        """
        import torch

        if samples.names != self.space.names:
            raise DataError(
                f"The meter reads {', '.join(self.space.names)}; the tiles have "
                f"{', '.join(samples.names)}."
            )
        n, r, k = values.shape
        moved = (values - samples.attributes[:, None]).reshape(n * r, k)
        source = np.repeat(np.arange(n), r)
        images = samples.tensor()
        found = []
        for start in range(0, n * r, _BATCH):
            rows = slice(start, start + _BATCH)
            asked = torch.from_numpy(moved[rows].astype(np.float32))
            found.append(self._fooled(images[torch.from_numpy(source[rows])], asked))
        drawn = torch.cat(found) if found else images[:0]
        return samples.edited(drawn, np.asarray(values, dtype=np.float64))

    def _fooled(self, x: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        """Return tiles (m, C, H, W) within `largest_change` of x whose readings moved (m, k)."""
        import torch

        from matlever.training import one_torch_thread

        with one_torch_thread():
            with torch.no_grad():
                wanted = self.meter.predict_tensor(x) + moved
            asked = (moved.abs().amax(dim=1) > _NOT_ASKED).float()[:, None, None, None]
            x = x.contiguous(memory_format=torch.channels_last)
            change = torch.zeros_like(x)
            for step in range(self.n_steps):
                # Steps shrink evenly; their sum is one and a half times the bound.
                share = 2 * (self.n_steps - step) / (self.n_steps * (self.n_steps + 1))
                change.requires_grad_(True)
                read = self.meter.predict_tensor((x + change).clamp(0, 1))
                (slope,) = torch.autograd.grad(((read - wanted) ** 2).sum(), change)
                with torch.no_grad():
                    change = change - 1.5 * share * self.largest_change * slope.sign()
                    change = change.clamp(-self.largest_change, self.largest_change) * asked
            return (x + change.detach()).clamp(0, 1)

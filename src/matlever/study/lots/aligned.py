"""Tiles with what reconstruction does to their prediction, so that it can be taken out again.

An editor that learned to redraw tiles does not return a tile quite as it was, even where nothing is
turned, and the prediction shifts a little: the weakness that the authors of the micrograph study
name themselves (S. Liu et al., "Explainable machine learning of material attributes", section 6).
The shift of each tile, f(tile) - f(G(tile, its own attributes)), is measured and added to whatever
is predicted for that tile edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.knobs import Editor, KnobSpace, Predictor, predict_settings
from matlever.micrographs import Tiles

if TYPE_CHECKING:
    import torch

__all__ = ["AlignedEditor", "AlignedPredictor", "AlignedTiles", "aligned", "reconstruction_shift"]

Array = NDArray[np.float64]

# Edited tiles of each tile a search asks for, where the editor says nothing: one takes 20-100 ms.
_USUAL_BUDGET = 160


@dataclass(frozen=True, eq=False)
class AlignedTiles:
    """n tiles, and what is added to the prediction of whatever is made of each.

    Attributes
    ----------
    tiles : Tiles
    shift : ndarray of shape (n,)
        In the unit of the predictions.
    """

    tiles: Tiles
    shift: Array

    def __len__(self) -> int:
        return len(self.tiles)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the tiles."""
        return self.tiles.shape

    @property
    def labels(self) -> Sequence[str] | None:
        """Names of the tiles."""
        return self.tiles.labels

    def __getitem__(self, rows: Any) -> AlignedTiles:
        return AlignedTiles(self.tiles[rows], self.shift[rows])


class AlignedEditor:
    """An editor of tiles whose edited tiles keep the shift of the tile they were made of.

    Parameters
    ----------
    editor : Editor
        Of `Tiles`.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.space: KnobSpace = editor.space
        self.most_rows: int = getattr(editor, "most_rows", 256)
        self.usual_budget: int = getattr(editor, "usual_budget", _USUAL_BUDGET)
        self.is_differentiable = hasattr(editor, "render_tensor") and bool(
            getattr(editor, "is_differentiable", True)
        )

    def values(self, samples: AlignedTiles) -> Array:
        """Return where the lots of n tiles stand, of shape (n, k)."""
        return self.editor.values(samples.tiles)

    def render(self, samples: AlignedTiles, values: Array) -> AlignedTiles:
        """Return n * r edited tiles."""
        edited = self.editor.render(samples.tiles, values)
        return AlignedTiles(edited, np.repeat(samples.shift, values.shape[1]))

    def render_tensor(
        self, samples: AlignedTiles, values: torch.Tensor
    ) -> tuple[torch.Tensor, Array]:
        """Return n * r edited pictures as a tensor, and the shift of each."""
        pictures = self.editor.render_tensor(samples.tiles, values)  # type: ignore[attr-defined]
        return pictures, np.repeat(samples.shift, values.shape[1])

    def notes(self, samples: AlignedTiles) -> Sequence[str]:
        """Return what the editor has to say of these tiles."""
        notes = getattr(self.editor, "notes", None)
        return tuple(notes(samples.tiles)) if notes else ()


class AlignedPredictor:
    """A predictor of tiles that adds the shift of each.

    Parameters
    ----------
    predictor : Predictor
        Of `Tiles`; of one target.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, X: AlignedTiles) -> Array:
        """Return predictions of shape (m,)."""
        return _one_target(self.predictor.predict(X.tiles)) + X.shift

    def predict_tensor(self, X: tuple[torch.Tensor, Array]) -> torch.Tensor:
        """Return predictions that know their gradient with respect to the pictures."""
        import torch

        pictures, shift = X
        found: torch.Tensor = self.predictor.predict_tensor(pictures)  # type: ignore[attr-defined]
        return found.reshape(-1) + torch.as_tensor(shift, dtype=found.dtype, device=found.device)


class _WithoutGradient:
    """A predictor without a gradient must not seem to have one."""

    def __init__(self, predictor: Predictor) -> None:
        self.predict = AlignedPredictor(predictor).predict


def aligned(predictor: Predictor) -> Predictor:
    """Return a predictor of `AlignedTiles`, with a gradient where the given one has one."""
    if hasattr(predictor, "predict_tensor"):
        return AlignedPredictor(predictor)
    return _WithoutGradient(predictor)


def reconstruction_shift(predictor: Predictor, editor: Editor, tiles: Tiles) -> tuple[Array, Array]:
    """Return predictions of n tiles, and by how much those of their reconstructions are lower.

    Returns
    -------
    prediction, shift : ndarray of shape (n,)
        f(tile), and f(tile) - f(G(tile, its own attributes)).
    """
    prediction = _one_target(predictor.predict(tiles))
    own = editor.space.project(np.asarray(editor.values(tiles), dtype=float))
    again = predict_settings(predictor, editor, tiles, own[:, None])
    return prediction, prediction - again.reshape(len(tiles))


def _one_target(found: Any) -> Array:
    values = found.detach().cpu().numpy() if hasattr(found, "detach") else np.asarray(found)
    return values.astype(np.float64).reshape(len(values))

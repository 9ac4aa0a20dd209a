"""How closely a search looks: in full where predictions are cheap, at the essence where not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["THOROUGH", "Thoroughness", "thoroughness_of"]

# Below so many predictions per sample each of them is chosen with care.
_PLENTY = 1000


@dataclass(frozen=True)
class Thoroughness:
    """Numbers that decide how many predictions the parts of a search ask for.

    Attributes
    ----------
    for_range : int
        Drawn settings that show the range of the predictions where there is no reference.
    nearest_known : int
        Known samples that are tried in the place of each sample.
    steps, back_steps : tuple of float
        Shares of the way to the end of a line, and to the start, at which it is looked at.
    pairs : int
        Pairs of moves that are tried in a round.
    gradient_starts, gradient_iterations : int
        Starts on the way along the gradient, and steps on it.
    halving, halving_with_gradient, halving_from_answers : tuple of (int, int)
        Rounds of descent, and how many states of each problem go on after them.
    sections, divisions : int
        Points at which a way back is looked at, and how often it is then divided.
    polish_rounds : int
        How often all changes are put back and shortened.
    """

    for_range: int = 128
    nearest_known: int = 32
    # The end itself, where the cheapest changes of a linear model lie, a look at the whole way, and
    # small steps that follow a slope.
    steps: tuple[float, ...] = (1.0, 0.6, 0.35, 0.2, 0.1, 0.03, 0.005)
    back_steps: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25, 0.1, 0.03)
    pairs: int = 48
    gradient_starts: int = 4
    gradient_iterations: int = 100
    halving: tuple[tuple[int, int], ...] = ((2, 4), (4, 2), (20, 2))
    halving_with_gradient: tuple[tuple[int, int], ...] = ((2, 1), (20, 1))
    halving_from_answers: tuple[tuple[int, int], ...] = ((2, 1), (8, 1))
    sections: int = 11  # to (1/12)^6 of the way
    divisions: int = 6
    polish_rounds: int = 30

    def step_array(self) -> NDArray[np.float64]:
        """Return the shares of the way to the end of a line."""
        return np.array(self.steps)

    def back_step_array(self) -> NDArray[np.float64]:
        """Return the shares of the way back to the start."""
        return np.array(self.back_steps)


THOROUGH = Thoroughness()


def thoroughness_of(budget: int) -> Thoroughness:
    """Return how closely to look with so many predictions per sample.

    A few predictions go to the starts, about a third along the gradient where there is one, the
    rest to one or two rounds of descent and to the last touches, each knob once. The contract of
    the answer is the same.
    """
    if budget >= _PLENTY:
        return THOROUGH
    return Thoroughness(
        for_range=max(8, budget // 8),
        nearest_known=max(4, budget // 16),
        steps=(1.0, 0.5, 0.2, 0.05),
        back_steps=(1.0, 0.6, 0.25),
        pairs=8,
        gradient_starts=1 if budget < 400 else 2,
        gradient_iterations=int(np.clip(budget // 4, 12, 50)),
        halving=((1, 1), (20, 1)),
        halving_with_gradient=((20, 1),),
        halving_from_answers=((8, 1),),
        sections=3,  # to (1/4)^4 of the way
        divisions=4,
        polish_rounds=1,
    )

"""Results for one target or several, of which one is chosen by position or by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from matlever.exceptions import SettingsError

__all__ = ["OneOfSeveral"]


class OneOfSeveral(ABC):
    """A result whose targets can be taken out one by one.

    Attributes
    ----------
    targets : tuple of str or None
        Names of the targets.
    """

    targets: tuple[str, ...] | None

    @property
    @abstractmethod
    def n_targets(self) -> int | None:
        """Number of targets; None when the predictor returned one-dimensional predictions."""

    @abstractmethod
    def _taken(self, position: int, names: tuple[str, ...] | None) -> Self:
        """Return the result of the target at a position, which exists, under its name."""

    def for_target(self, target: int | str) -> Self:
        """Return the result of one target, by position or by name.

        Raises
        ------
        SettingsError
            If there is no such target.
        """
        names = self.targets or ()
        count = self.n_targets or 1
        if isinstance(target, str) and target not in names:
            raise SettingsError(f"There is no target {target!r}; there are {list(names)}.")
        position = names.index(target) if isinstance(target, str) else target
        if not 0 <= position < count:
            raise SettingsError(f"There is no target {position}; there are {count}.")
        if self.n_targets is None:
            return self
        return self._taken(position, (names[position],) if names else None)

    def _only(self) -> Self:
        if self.n_targets in (None, 1):
            return self.for_target(0)
        raise SettingsError(
            f"There are {self.n_targets} targets: choose one with .for_target(name or position)."
        )

    def _check_names(self) -> None:
        count = self.n_targets or 1
        if self.targets is not None and len(self.targets) != count:
            raise SettingsError(f"{len(self.targets)} names of targets for {count} predicted ones.")

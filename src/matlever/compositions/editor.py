"""Hypothetical compositions: element fractions as a mixture of knobs, elements as levels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from matlever.compositions._editor_samples import (
    ABSENT,
    columns_of,
    fractions_of,
    like,
    refuse_rows,
    settings_for,
)
from matlever.compositions._editor_substitution import SubstitutionEditor, observed_roles
from matlever.compositions.elements import ELEMENTS
from matlever.exceptions import SettingsError
from matlever.knobs import Knob, KnobSpace, LinearRelation, Mixture

if TYPE_CHECKING:
    import torch

__all__ = ["CompositionEditor", "SubstitutionEditor"]

Array = NDArray[np.float64]
Limits = Mapping[str, tuple[float | None, float | None]]


class CompositionEditor:
    """Editor of the fractions of some elements, one knob for each.

    A knob is the share an element has among the chosen ones; together they are a mixture whose sum
    is 1. Other elements of a composition keep their fractions: with knobs Fe, Co and Ni, those
    three share what any of them had in an oxide, and the oxygen stays. Where every element of a
    composition is chosen, the knobs are its fractions.

    Samples are `Compositions` or arrays of fractions of shape (n, 103); what is rendered is of the
    same kind.

    Parameters
    ----------
    elements : sequence of str
        Two or more symbols.
    max_parts : int, default=None
        At most so many of them at a time.
    limits : mapping of str to (lower, upper), default=None
        Limits of shares, otherwise 0 and 1; None leaves one as it is.
    fixed : collection of str, default=()
        Elements whose share stays as it is in each composition.
    costs : mapping of str to float, default=None
        Costs of turning an element from one limit to the other; 1 where nothing is said.
    relations : sequence of LinearRelation, default=()
        Limits of weighted sums of shares, such as a price per mole.

    Raises
    ------
    SettingsError
        If a symbol is unknown, or the limits leave no composition.

    See Also
    --------
    CompositionEditor.from_samples : with the limits of known compositions.
    CompositionEditor.substitution : which element takes the place of which.

    Examples
    --------
    >>> from matlever.compositions import parse_formulas
    >>> editor = CompositionEditor(["Fe", "Co", "Ni"], max_parts=2)
    >>> oxides = parse_formulas(["Fe2CoO4"])
    >>> editor.values(oxides).round(3)
    array([[0.667, 0.333, 0.   ]])
    >>> editor.render(oxides, [[[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]]).formulas
    ('Co3O4', 'Fe3Ni3O8')
    """

    is_differentiable = True

    def __init__(
        self,
        elements: Sequence[str],
        *,
        max_parts: int | None = None,
        limits: Limits | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
        relations: Sequence[LinearRelation] = (),
    ) -> None:
        self.elements = tuple(elements)
        self._columns = columns_of(self.elements)
        for said, what in ((limits, "limits"), (fixed, "fixed"), (costs, "costs")):
            unknown = [name for name in said or () if name not in self.elements]
            if unknown:
                raise SettingsError(f"{what} names {unknown}, but the knobs are {self.elements}.")
        knobs = []
        for name in self.elements:
            low, high = (limits or {}).get(name, (None, None))
            knobs.append(
                Knob(
                    name,
                    lower=0.0 if low is None else low,
                    upper=1.0 if high is None else high,
                    fixed=name in fixed,
                    cost=(costs or {}).get(name, 1.0),
                )
            )
        parts = None if max_parts is None else min(max_parts, len(knobs))
        self.space = KnobSpace(knobs, [Mixture(self.elements, 1.0, parts)], relations)

    @classmethod
    def from_samples(
        cls,
        samples: Any,
        elements: Sequence[str] | None = None,
        *,
        max_parts: int | None = None,
        limits: Limits | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
        relations: Sequence[LinearRelation] = (),
    ) -> Self:
        """Make an editor with the limits that known compositions show.

        Parameters
        ----------
        samples : Compositions or array_like of shape (n, 103)
            Known compositions.
        elements : sequence of str, default=None
            By default all that occur in them.
        max_parts : int, default=None
            By default the most that one of them has.
        limits, fixed, costs, relations
            As in the constructor; limits go before those observed.

        Raises
        ------
        DataError
            If a row is no composition or holds none of the elements.
        """
        f = fractions_of(samples)
        if elements is None:
            elements = [ELEMENTS[j] for j in np.flatnonzero((f > ABSENT).any(axis=0))]
        shares = _shares(f, columns_of(elements), elements)
        seen = {
            name: (float(low), float(high))
            for name, low, high in zip(elements, shares.min(0), shares.max(0), strict=True)
        }
        for name, (low, high) in (limits or {}).items():
            if name in seen:
                own = seen[name]
                seen[name] = (own[0] if low is None else low, own[1] if high is None else high)
            else:
                seen[name] = (0.0 if low is None else low, 1.0 if high is None else high)
        most = int((shares > ABSENT).sum(axis=1).max()) if max_parts is None else max_parts
        return cls(
            elements, max_parts=most, limits=seen, fixed=fixed, costs=costs, relations=relations
        )

    @staticmethod
    def substitution(
        roles: Mapping[str, Sequence[str]] | str,
        levels: Sequence[str] | None = None,
        *,
        oxidation_state: int | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> SubstitutionEditor:
        """Make an editor of which element stands in a place.

        Parameters
        ----------
        roles : str or mapping of str to sequence of str
            An element whose place others may take, with `levels`; or for each role, by name, the
            elements that may play it. An element plays one role only.
        levels : sequence of str, default=None
            Elements that may take the place of the one given; by default all that usually have an
            oxidation state in common with it, or `oxidation_state`: non-metals for a non-metal,
            others for others.
        oxidation_state : int, default=None
            Only elements that usually have this oxidation state.
        fixed, costs
            Of roles, by name.

        Returns
        -------
        editor : SubstitutionEditor
            A composition it edits holds exactly one element of each role.

        Examples
        --------
        >>> from matlever.compositions import parse_formulas
        >>> editor = CompositionEditor.substitution("Fe", ["Mn", "Co", "Ni"])
        >>> editor.space.names
        ('Fe site',)
        >>> editor.render(parse_formulas(["LiFePO4"]), [[[1.0], [2.0]]]).formulas
        ('LiMnPO4', 'LiCoPO4')
        """
        return SubstitutionEditor.of(
            roles, levels, oxidation_state=oxidation_state, fixed=fixed, costs=costs
        )

    @staticmethod
    def roles(
        samples: Any,
        *,
        n_elements: int | None = None,
        least_seen: int = 1,
        oxidation_states: Mapping[str, int] | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> SubstitutionEditor:
        """Make an editor of which element plays which role, as known compositions show.

        The elements of a compound with r elements are ordered by electronegativity; role 1 is
        played by the least electronegative one. Each element may play the role in which it was
        seen most often.

        Parameters
        ----------
        samples : Compositions or array_like of shape (n, 103)
            Known compositions.
        n_elements : int, default=None
            The number r; by default the most frequent one.
        least_seen : int, default=1
            Elements that were seen in their role less often are left out.
        oxidation_states : mapping of str to int, default=None
            For a role, by name ("role 1"), the oxidation state its elements usually have.
        fixed, costs
            Of roles, by name.

        Returns
        -------
        editor : SubstitutionEditor
            With knobs "role 1" to "role r". Which compositions it fits: `SubstitutionEditor.fits`.

        Raises
        ------
        DataError
            If no composition has so many elements.
        """
        found = observed_roles(samples, n_elements, least_seen)
        return SubstitutionEditor(
            found, oxidation_states=oxidation_states, fixed=fixed, costs=costs
        )

    # -- the editor's two verbs -------------------------------------------------------------------

    def values(self, samples: Any) -> Array:
        """Return where each of n compositions stands, of shape (n, k).

        Raises
        ------
        DataError
            If a row is no composition, or holds none of the elements that are knobs.
        """
        return _shares(fractions_of(samples), self._columns, self.elements)

    def render(self, samples: Any, values: Any) -> Any:
        """Return n * r compositions: number i with its shares at ``values[i, 0]``, ...

        Parameters
        ----------
        samples : Compositions or array_like of shape (n, 103)
        values : array_like of shape (n, r, k)
            Settings; they are rendered as they are.
        """
        f = fractions_of(samples)
        v = settings_for(len(f), len(self.elements), values)
        held = f[:, self._columns].sum(axis=1)
        rows = np.repeat(f, v.shape[1], axis=0)
        rows[:, self._columns] = (v * held[:, None, None]).reshape(len(rows), -1)
        return like(samples, rows)

    def render_tensor(self, samples: Any, values: torch.Tensor) -> torch.Tensor:
        """Return n * r rows of fractions as a tensor that knows its gradient.

        Parameters
        ----------
        samples : Compositions or array_like of shape (n, 103)
        values : Tensor of shape (n, r, k)

        Returns
        -------
        fractions : Tensor of shape (n * r, 103)
        """
        import torch

        f = fractions_of(samples)
        n, r, k = values.shape
        own = torch.as_tensor(f, dtype=values.dtype, device=values.device)
        columns = torch.as_tensor(self._columns, device=values.device)
        held = own[:, columns].sum(dim=1)
        turned = (values * held[:, None, None]).reshape(n * r, k)
        rows = own.repeat_interleave(r, dim=0).index_fill(1, columns, 0.0)
        return rows.index_add(1, columns, turned)

    def __repr__(self) -> str:
        return f"CompositionEditor of {len(self.elements)} elements\n{self.space!r}"

    # -- storing ----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the editor as plain JSON values."""
        return {"kind": "fractions", "space": self.space.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild an editor from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is missing or has a value that cannot be used.
        """
        try:
            space = KnobSpace.from_dict(values["space"])
            right = values["kind"] == "fractions" and len(space.mixtures) == 1
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(f"This is not the description of an editor: {error}.") from error
        if not right or space.mixtures[0].names != space.names:
            raise SettingsError("This is not the description of an editor of fractions.")
        editor = cls(space.names)
        editor.space = space
        return editor


def _shares(f: Array, columns: NDArray[np.intp], elements: Sequence[str]) -> Array:
    """Shares of some elements among themselves, of shape (n, k)."""
    chosen = np.maximum(f[:, columns], 0.0)
    held = chosen.sum(axis=1)
    if (held <= ABSENT).any():
        raise refuse_rows(
            held <= ABSENT,
            f"it holds none of {', '.join(elements)}",
            "Leave it out, or give an editor of its elements",
        )
    shares: Array = np.where(chosen > ABSENT, chosen, 0.0) / held[:, None]
    return shares

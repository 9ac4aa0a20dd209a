"""Substitution: which element stands in a place of a compound, as categorical knobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

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
from matlever.compositions._oxidation_states import NON_METALS, OXIDATION_STATES
from matlever.compositions.elements import ELEMENTS, element_properties
from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Knob, KnobSpace

__all__ = ["SubstitutionEditor", "observed_roles"]

Array = NDArray[np.float64]


class SubstitutionEditor:
    """Editor of the elements that play the roles of a compound, one categorical knob for each.

    An element may play one role only, so that every setting is a compound with as many elements
    as before, and a rendered compound stands where it was put. Amounts stay.

    Made by `CompositionEditor.substitution` or `CompositionEditor.roles`.

    Parameters
    ----------
    roles : mapping of str to sequence of str
        For each role the elements that may play it.
    oxidation_states : mapping of str to int, default=None
        For a role: only elements that usually have this oxidation state.
    fixed : collection of str, default=()
        Roles whose element stays.
    costs : mapping of str to float, default=None
        Costs of another element in a role; 1 where nothing is said.

    Raises
    ------
    SettingsError
        If an element is unknown or plays two roles, or a role has none left.
    """

    is_differentiable = False

    def __init__(
        self,
        roles: Mapping[str, Sequence[str]],
        *,
        oxidation_states: Mapping[str, int] | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> None:
        said = {"oxidation_states": oxidation_states, "fixed": fixed, "costs": costs}
        for what, names in said.items():
            unknown = [name for name in names or () if name not in roles]
            if unknown:
                raise SettingsError(f"{what} names {unknown}, but the roles are {list(roles)}.")
        chosen = {
            name: _with_state(name, symbols, (oxidation_states or {}).get(name))
            for name, symbols in roles.items()
        }
        every = [symbol for symbols in chosen.values() for symbol in symbols]
        twice = sorted({symbol for symbol in every if every.count(symbol) > 1})
        if twice:
            raise SettingsError(
                f"{', '.join(twice)} would play two roles; an element may play one only, or a "
                "setting could put it in both."
            )
        self.roles = {name: tuple(symbols) for name, symbols in chosen.items()}
        self._columns = [columns_of(symbols) for symbols in self.roles.values()]
        self.space = KnobSpace(
            [
                Knob(
                    name,
                    kind="categorical",
                    levels=symbols,
                    fixed=name in fixed,
                    cost=(costs or {}).get(name, 1.0),
                )
                for name, symbols in self.roles.items()
            ]
        )

    @classmethod
    def of(
        cls,
        roles: Mapping[str, Sequence[str]] | str,
        levels: Sequence[str] | None = None,
        *,
        oxidation_state: int | None = None,
        fixed: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> Self:
        """See `CompositionEditor.substitution`."""
        if not isinstance(roles, str):
            if levels is not None:
                raise SettingsError("levels belong to one element whose place others take.")
            states = None if oxidation_state is None else dict.fromkeys(roles, oxidation_state)
            return cls(roles, oxidation_states=states, fixed=fixed, costs=costs)
        columns_of([roles])
        if levels is None:
            levels = _like(roles, oxidation_state)
        elif oxidation_state is not None:
            levels = _with_state(roles, levels, oxidation_state)
        site = f"{roles} site"
        every = list(dict.fromkeys([roles, *levels]))
        return cls({site: every}, fixed=fixed, costs=costs)

    # -- which compositions -----------------------------------------------------------------------

    def fits(self, samples: Any) -> NDArray[np.bool_]:
        """Whether each of n compositions can be edited: one element in each role, of shape (n,)."""
        f = fractions_of(samples)
        return np.asarray(self._places(f)[1])

    def _places(self, f: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Level of each role, (n, k), and whether there is exactly one in each."""
        values = np.empty((len(f), len(self._columns)))
        fits = np.ones(len(f), dtype=bool)
        for j, columns in enumerate(self._columns):
            there = f[:, columns] > ABSENT
            values[:, j] = there.argmax(axis=1)
            fits &= there.sum(axis=1) == 1
        return values, fits

    # -- the editor's two verbs -------------------------------------------------------------------

    def values(self, samples: Any) -> Array:
        """Return the level of each role in each of n compositions, of shape (n, k).

        Raises
        ------
        DataError
            If a row is no composition, or has no or several elements of a role.
        """
        f = fractions_of(samples)
        values, fits = self._places(f)
        if not fits.all():
            roles = "; ".join(f"{n}: {_few(symbols)}" for n, symbols in self.roles.items())
            raise refuse_rows(
                ~fits,
                f"it has no or several elements of a role ({roles})",
                "Take only compositions for which fits(...) is True",
            )
        return values

    def render(self, samples: Any, values: Any) -> Any:
        """Return n * r compositions: number i with other elements in its roles.

        Parameters
        ----------
        samples : Compositions or array_like of shape (n, 103)
        values : array_like of shape (n, r, k)
            Levels; they are rendered as they are.
        """
        f = fractions_of(samples)
        v = settings_for(len(f), len(self._columns), values)
        self.values(f)
        n, r, _ = v.shape
        rows = np.repeat(f, r, axis=0)
        for j, columns in enumerate(self._columns):
            amount = f[:, columns].sum(axis=1)
            rows[:, columns] = 0.0
            level = np.rint(v[:, :, j]).astype(np.intp).reshape(n * r)
            rows[np.arange(n * r), columns[level]] = np.repeat(amount, r)
        return like(samples, rows)

    def __repr__(self) -> str:
        return f"SubstitutionEditor of {len(self.roles)} roles\n{self.space!r}"

    # -- storing ----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the editor as plain JSON values."""
        return {"kind": "substitution", "space": self.space.to_dict()}

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
            right = values["kind"] == "substitution"
            roles = {knob.name: [str(level) for level in knob.levels] for knob in space}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(f"This is not the description of an editor: {error}.") from error
        if not right:
            raise SettingsError("This is not the description of an editor of substitutions.")
        editor = cls(roles)
        editor.space = space
        return editor


def observed_roles(
    samples: Any, n_elements: int | None = None, least_seen: int = 1
) -> dict[str, tuple[str, ...]]:
    """Elements that play each role in known compounds, in order of electronegativity.

    Parameters
    ----------
    samples : Compositions or array_like of shape (n, 103)
    n_elements : int, default=None
        Number r of elements of the compounds; by default the most frequent one.
    least_seen : int, default=1
        Elements seen in their role less often are left out.

    Returns
    -------
    roles : dict of str to tuple of str
        "role 1" (least electronegative) to "role r"; each element in the one where it was seen
        most often, the first of several.
    """
    f = fractions_of(samples)
    sizes = (f > ABSENT).sum(axis=1)
    if not len(f):
        raise DataError("There is no composition to see roles in.")
    r = int(np.bincount(sizes).argmax()) if n_elements is None else n_elements
    some = f[sizes == r]
    if not len(some):
        raise DataError(
            f"No composition has {r} elements; there are compositions of "
            f"{', '.join(map(str, np.unique(sizes).tolist()))}."
        )
    order = _electronegativity_order()
    ranked = np.sort(np.where(some > ABSENT, order, len(ELEMENTS)), axis=1)[:, :r]
    by_rank = np.argsort(order)
    seen = np.zeros((r, len(ELEMENTS)), dtype=np.int64)
    for role in range(r):
        seen[role] = np.bincount(by_rank[ranked[:, role]], minlength=len(ELEMENTS))
    best = seen.argmax(axis=0)
    found = {}
    for role in range(r):
        plays = np.flatnonzero((best == role) & (seen[role] >= max(1, least_seen)))
        if not len(plays):
            raise DataError(
                f"No element is seen most often as number {role + 1} of {r} by electronegativity; "
                "give the roles yourself (CompositionEditor.substitution)."
            )
        found[f"role {role + 1}"] = tuple(ELEMENTS[j] for j in plays)
    return found


def _electronegativity_order() -> NDArray[np.intp]:
    """Place of each element by Pauling's electronegativity, the least first; unknown ones last."""
    pauling = element_properties()["Electronegativity"]
    order = np.lexsort((np.arange(len(ELEMENTS)), np.where(np.isnan(pauling), np.inf, pauling)))
    return np.argsort(order)


def _with_state(role: str, symbols: Sequence[str], state: int | None) -> list[str]:
    """Elements that usually have an oxidation state; all where None is asked for."""
    if isinstance(symbols, str):
        raise SettingsError(f"{role}: give a list of elements, not {symbols!r}.")
    columns_of(symbols)
    found = [s for s in symbols if state is None or state in OXIDATION_STATES.get(s, ())]
    if not found:
        raise SettingsError(
            f"{role}: no element is left"
            + (f" with the oxidation state {state:+d}." if state is not None else ".")
        )
    return found


def _like(symbol: str, state: int | None) -> list[str]:
    """Elements of the same kind, non-metals or not, that share an oxidation state with one."""
    wanted = set(OXIDATION_STATES.get(symbol, ())) if state is None else {state}
    return [
        other
        for other in ELEMENTS
        if (other in NON_METALS) == (symbol in NON_METALS)
        and wanted & set(OXIDATION_STATES.get(other, ()))
    ]


def _few(symbols: Sequence[str], most: int = 8) -> str:
    return ", ".join(symbols[:most]) + (", ..." if len(symbols) > most else "")

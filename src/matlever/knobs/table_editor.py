"""Hypothetical rows of a table: the inputs as knobs, within the limits the data set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, Fault, SettingsError
from matlever.knobs._column_knobs import ColumnWishes, Limits, knobs_of_columns, mixture_of_data
from matlever.knobs.knob import Knob, Mixture
from matlever.knobs.relation import LinearRelation
from matlever.knobs.space import KnobSpace

if TYPE_CHECKING:
    import torch

__all__ = ["TableEditor"]


class TableEditor:
    """Editor of the rows of a table: one knob per input column.

    Samples are a DataFrame with at least the editor's columns, or an array with exactly these. A
    column without a knob is taken over from the row that is edited. Rendered rows are of the kind
    that was given: a frame has the editor's columns in order: numbers as float64, words alike. In
    an array a categorical column holds the index of the level.

    Parameters
    ----------
    space : KnobSpace
        The knobs; each name is a column.
    columns : sequence of str or None, default=None
        The columns of a rendered row, in order; by default the knobs.
    fill : mapping of str to float or None, default=None
        Setting that stands in for a missing cell of a column.

    Raises
    ------
    SettingsError
        If a knob is not among the columns.

    Examples
    --------
    >>> import pandas as pd
    >>> runs = pd.DataFrame({"amount": [10.0, 30.0], "seed": ["CdSe", "ZnSe"]})
    >>> editor = TableEditor.from_frame(runs)
    >>> editor.values(runs)
    array([[10.,  0.],
           [30.,  1.]])
    >>> editor.render(runs[:1], [[[10.0, 1.0], [20.0, 0.0]]])
       amount  seed
    0    10.0  ZnSe
    1    20.0  CdSe
    """

    def __init__(
        self,
        space: KnobSpace,
        columns: Sequence[str] | None = None,
        fill: Mapping[str, float] | None = None,
    ) -> None:
        self.space = space
        self.columns: tuple[str, ...] = space.names if columns is None else tuple(columns)
        self.fill = dict(fill or {})
        absent = [name for name in space.names if name not in self.columns]
        if absent:
            raise SettingsError(
                f"The knobs {absent} are not columns of the table; it has {list(self.columns)}."
            )
        self._all_numeric = (
            self.columns == space.names and not np.asarray(space.is_categorical).any()
        )

    # -- making one -------------------------------------------------------------------------------

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        fixed: Collection[str] = (),
        limits: Limits | None = None,
        steps: Mapping[str, float] | None = None,
        levels: Mapping[str, Sequence[Any]] | None = None,
        costs: Mapping[str, float] | None = None,
        relations: Sequence[LinearRelation] = (),
    ) -> Self:
        """Make an editor of the inputs of a checked table.

        Parameters
        ----------
        table : matlever.tables.Table
            Its inputs become knobs. Limits are the observed ones; whole numbers without a unit
            become integer knobs; dates are fixed knobs, for nobody can turn them; the table's
            mixtures become mixtures.
        fixed : collection of str, default=()
            Inputs that stay as they are in each row.
        limits : mapping of str to (lower, upper) or None, default=None
            Limits to use instead of the observed ones, narrower or wider.
        steps : mapping of str to float or None, default=None
            Steps of inputs that come on a grid, counted from the lower limit.
        levels : mapping of str to sequence or None, default=None
            All values an input can take: numbers, evenly spaced or not, or words (those in the
            table and any others).
        costs : mapping of str to float or None, default=None
            Costs of turning a knob from one limit to the other; 1 where nothing is said.
        relations : sequence of LinearRelation, default=()
            Limits of weighted sums of inputs.

        Raises
        ------
        SettingsError
            If a name is no input, or what is said about an input does not fit to it.
        """
        dates = [column.name for column in table.input_columns if column.kind == "date"]
        return cls.from_frame(
            table.inputs,
            units={column.name: column.unit for column in table.input_columns},
            fixed={*fixed, *dates},
            limits=limits,
            steps=steps,
            levels=levels,
            costs=costs,
            mixtures=[Mixture(mixture.names, mixture.total) for mixture in table.mixtures],
            relations=relations,
        )

    @classmethod
    def from_frame(
        cls,
        samples: pd.DataFrame | ArrayLike,
        *,
        units: Mapping[str, str | None] | None = None,
        fixed: Collection[str] = (),
        limits: Limits | None = None,
        steps: Mapping[str, float] | None = None,
        levels: Mapping[str, Sequence[Any]] | None = None,
        costs: Mapping[str, float] | None = None,
        mixtures: Sequence[Mixture] = (),
        relations: Sequence[LinearRelation] = (),
    ) -> Self:
        """Make an editor from rows alone.

        Whole numbers without a unit become integer knobs; the columns of an array are called x0,
        x1, ... and are always continuous.

        Parameters
        ----------
        samples : DataFrame or array_like of shape (n, k)
            Rows that show the limits and the levels; cells may be missing.
        units : mapping of str to str or None, default=None
            Units of the columns.
        fixed, limits, steps, levels, costs, relations
            As in `from_table`.
        mixtures : sequence of Mixture, default=()
            Columns that have a fixed sum.

        Raises
        ------
        SettingsError
            If a name is no column, or what is said about a column does not fit to it.
        DataError
            If a column is not named by text or holds no value.

        Examples
        --------
        >>> runs = pd.DataFrame({"water": [10.0, 30.0], "acid": [1.0, 2.0]})
        >>> enough = LinearRelation({"water": 1, "acid": -10}, lower=0)
        >>> TableEditor.from_frame(runs, steps={"acid": 0.5}, relations=[enough])
        TableEditor of 2 columns
        KnobSpace of 2 knobs
          water: integer, 10 to 30
          acid: grid, 1 to 2
          water - 10 acid >= 0
        """
        frame = samples if isinstance(samples, pd.DataFrame) else _as_frame(samples)
        repeated = frame.columns[frame.columns.duplicated()]
        if len(repeated):
            raise DataError(
                f"The column {repeated[0]!r} stands twice in the table; rename or drop one of them."
            )
        wishes = ColumnWishes(
            units or {}, fixed, limits or {}, steps or {}, levels or {}, costs or {}
        )
        parts = {name for mixture in mixtures for name in mixture.names}
        in_array = not isinstance(samples, pd.DataFrame)
        knobs, fill = knobs_of_columns(frame, wishes, set(frame.columns) if in_array else parts)
        absent = sorted(parts - set(frame.columns))
        if absent:
            raise SettingsError(
                f"A mixture names {absent[0]!r}, which is no column; there are "
                f"{list(frame.columns)}."
            )
        wholes = [mixture_of_data(mixture, frame, wishes) for mixture in mixtures]
        return cls(KnobSpace(knobs, wholes, relations), None, fill)

    # -- the editor's two verbs -------------------------------------------------------------------

    def values(self, samples: pd.DataFrame | ArrayLike) -> NDArray[np.float64]:
        """Return where each of n samples stands, of shape (n, k).

        Raises
        ------
        DataError
            If a column is absent, a cell is no number or no known level, or a cell is missing and
            its column has no value to fill in.
        """
        in_array = not isinstance(samples, pd.DataFrame)
        frame = samples if isinstance(samples, pd.DataFrame) else self._frame_of(samples)
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            raise DataError(
                [
                    Fault("there is no such input column", "Add it to the rows.", column=name)
                    for name in absent
                ]
            )
        numbers = self._numbers(frame)
        if numbers is not None:
            return numbers
        values = np.empty((len(frame), len(self.space)))
        faults: list[Fault] = []
        for j, knob in enumerate(self.space):
            values[:, j], bad = _settings_of(knob, frame[knob.name], in_array)
            fill = self.fill.get(knob.name)
            if fill is not None:
                values[np.isnan(values[:, j]) & ~bad, j] = fill
            expected = (
                f"not one of the levels {', '.join(map(str, knob.levels[:8]))}"
                if knob.kind == "categorical"
                else "not a finite number"
            )
            wrong = bad | ~np.isfinite(values[:, j])
            faults += [
                Fault(
                    f"{frame[knob.name].iloc[i]!r} is {expected}",
                    "Correct the cell or leave the row out.",
                    row=_line(frame.index[i]),
                    column=knob.name,
                )
                for i in np.flatnonzero(wrong).tolist()
            ]
        if faults:
            raise DataError(faults)
        return values

    def notes(self, samples: pd.DataFrame | ArrayLike) -> tuple[str, ...]:
        """Return what a reader should know of n samples: where usual values stand in for cells."""
        frame = samples if isinstance(samples, pd.DataFrame) else self._frame_of(samples)
        missing = int(frame[list(self.space.names)].isna().any(axis=1).sum())
        if not missing:
            return ()
        return (
            f"{missing} of {len(frame)} samples have missing cells; usual values stand in for "
            "them.",
        )

    def render(
        self, samples: pd.DataFrame | ArrayLike, values: ArrayLike
    ) -> pd.DataFrame | NDArray[np.float64]:
        """Return n * r rows: row i with its knobs at ``values[i, 0]``, ``values[i, 1]``, ...

        Parameters
        ----------
        samples : DataFrame or array_like of n rows
            The rows that are edited.
        values : array_like of shape (n, r, k)
            Settings; they are rendered as they are (`matlever.knobs.predict_settings` checks them).

        Returns
        -------
        rows : DataFrame or ndarray of n * r rows
        """
        v = np.asarray(values, dtype=float)
        if v.ndim != 3 or v.shape[0] != len(samples) or v.shape[2] != len(self.space):  # type: ignore[arg-type]
            raise DataError(
                f"Settings to render must have shape ({len(samples)}, r, {len(self.space)}), "  # type: ignore[arg-type]
                f"got {v.shape}."
            )
        n, r, k = v.shape
        flat = v.reshape(n * r, k)
        if not isinstance(samples, pd.DataFrame):
            if self.columns == self.space.names:
                return flat.copy()
            rows = np.repeat(_numeric(samples), r, axis=0)
            rows[:, [self.columns.index(name) for name in self.space.names]] = flat
            return rows
        if self._all_numeric:
            return pd.DataFrame(flat, columns=list(self.columns))
        columns: dict[str, Any] = {}
        for name in self.columns:
            if name not in self.space.names:
                columns[name] = samples[name].array.take(np.repeat(np.arange(n), r))
                continue
            knob, setting = self.space[name], flat[:, self.space.names.index(name)]
            if knob.kind == "categorical":
                levels = pd.Series(knob.levels, dtype=samples[name].dtype).array
                columns[name] = levels.take(np.rint(setting).astype(np.intp))
            else:
                columns[name] = setting
        return pd.DataFrame(columns)

    def render_tensor(
        self, samples: pd.DataFrame | ArrayLike, values: torch.Tensor
    ) -> torch.Tensor:
        """Return n * r numeric rows as a tensor that knows its gradient.

        Parameters
        ----------
        samples : DataFrame or array_like of n rows
            The rows that are edited.
        values : Tensor of shape (n, r, k)
            Settings.

        Returns
        -------
        rows : Tensor of shape (n * r, n_columns)

        Raises
        ------
        SettingsError
            If a column holds words: these have no gradient.
        """
        import torch

        if not self.is_differentiable:
            raise SettingsError("Rows with words cannot be rendered as a tensor.")
        n, r, k = values.shape
        flat = values.reshape(n * r, k)
        if self._all_numeric:
            return flat
        frame = samples if isinstance(samples, pd.DataFrame) else self._frame_of(samples)
        own = torch.as_tensor(
            frame[list(self.columns)].to_numpy(dtype=float), dtype=flat.dtype, device=flat.device
        )
        position = {name: j for j, name in enumerate(self.space.names)}
        turned = [
            flat[:, position[name]] if name in position else own[:, c].repeat_interleave(r)
            for c, name in enumerate(self.columns)
        ]
        return torch.stack(turned, dim=1)

    @property
    def is_differentiable(self) -> bool:
        """Whether rows can be rendered as tensors: no knob has levels that are words."""
        return not bool(np.asarray(self.space.is_categorical).any())

    # -- storing ----------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the editor as plain JSON values."""
        return {"space": self.space.to_dict(), "columns": list(self.columns), "fill": self.fill}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild an editor from `to_dict`.

        Raises
        ------
        SettingsError
            If an entry is missing or has a value that cannot be used.
        """
        try:
            fill = {str(name): float(value) for name, value in values["fill"].items()}
            columns = [str(name) for name in values["columns"]]
            space = KnobSpace.from_dict(values["space"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(f"This is not the description of an editor: {error}.") from error
        return cls(space, columns, fill)

    def __repr__(self) -> str:
        return f"TableEditor of {len(self.columns)} columns\n{self.space!r}"

    def _numbers(self, frame: pd.DataFrame) -> NDArray[np.float64] | None:
        """Return the settings of rows of finite numbers at once; None: look at each column."""
        if self.space.is_categorical.any():
            return None
        names = list(self.space.names)
        some = frame if list(frame.columns) == names else frame[names]
        if not all(kind.kind in "fiub" for kind in some.dtypes):
            return None
        values = some.to_numpy(dtype=float, na_value=np.nan, copy=True)
        return values if values.ndim == 2 and np.isfinite(values).all() else None

    def _frame_of(self, samples: ArrayLike) -> pd.DataFrame:
        array = _numeric(samples)
        if array.ndim != 2 or array.shape[1] != len(self.columns):
            hint = (
                " For one row keep two dimensions: frame.iloc[[i]] or array[i : i + 1]."
                if array.ndim == 1
                else ""
            )
            raise DataError(
                f"Rows must have shape (n, {len(self.columns)}) for the columns "
                f"{list(self.columns)}, got {array.shape}.{hint}"
            )
        return pd.DataFrame(array, columns=list(self.columns))


def _numeric(samples: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(samples, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"An array of rows must hold numbers ({error}); rows with words go into a DataFrame."
        ) from error


def _as_frame(samples: ArrayLike) -> pd.DataFrame:
    array = _numeric(samples)
    if array.ndim != 2:
        raise DataError(f"Rows must have shape (n, k), got {array.shape}.")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])


def _settings_of(
    knob: Knob, cells: pd.Series[Any], in_array: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the settings of one column (NaN where missing), and which cells cannot be settings."""
    missing = cells.isna().to_numpy(dtype=bool)
    if knob.kind == "categorical" and in_array:
        settings = cells.to_numpy(dtype=float)
        return settings, ~missing & ~np.isin(settings, np.arange(len(knob.levels)))
    if knob.kind == "categorical":
        index = pd.Index([str(level) for level in knob.levels]).get_indexer(
            pd.Index(cells.astype(str))
        )
        return np.where(missing, np.nan, index), (index < 0) & ~missing
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return numbers, ~np.isfinite(numbers) & ~missing


def _line(label: Any) -> int | None:
    """Index label as a line number of the file, when it is one."""
    return int(label) if isinstance(label, int | np.integer) else None

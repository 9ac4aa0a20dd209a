"""Which column is an input, a target or the group: what was asked for, against what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from matlever.exceptions import Fault, SettingsError
from matlever.tables._decimals import Decimal
from matlever.tables._names import ColumnNames, list_columns
from matlever.tables.table import ColumnRole

__all__ = ["Request", "Roles", "assign_roles"]

Missing = Literal["drop", "impute"]
_KINDS = ("numeric", "categorical", "date", "formula")


@dataclass(frozen=True)
class Request:
    """What the user asked for; see :func:`matlever.tables.read_table`."""

    targets: tuple[str, ...]
    group: str | None = None
    inputs: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    decimal: Decimal | None = None
    missing: Missing = "drop"

    @classmethod
    def of(
        cls,
        targets: str | Sequence[str],
        *,
        group: str | None,
        inputs: str | Sequence[str] | None,
        ignore: str | Sequence[str],
        kinds: Mapping[str, str] | None,
        decimal: str | None,
        missing: str,
    ) -> Request:
        """Return the request with its options checked.

        Raises
        ------
        SettingsError
            If an option has a value that is not known.
        """
        if decimal not in (None, ".", ","):
            raise SettingsError(f"decimal={decimal!r} is not known. Use '.' or ','.")
        if missing not in ("drop", "impute"):
            raise SettingsError(f"missing={missing!r} is not known. Use 'drop' or 'impute'.")
        for name, kind in (kinds or {}).items():
            if kind not in _KINDS:
                raise SettingsError(
                    f"kinds={{{name!r}: {kind!r}}} is not known. Use one of {', '.join(_KINDS)}."
                )
        return cls(
            _tuple(targets, "targets"),
            group,
            None if inputs is None else _tuple(inputs, "inputs"),
            _tuple(ignore, "ignore"),
            dict(kinds or {}),
            cast("Decimal | None", decimal),
            cast(Missing, missing),
        )


def _tuple(values: str | Sequence[str], what: str) -> tuple[str, ...]:
    names = (values,) if isinstance(values, str) else tuple(values)
    if not all(isinstance(name, str) for name in names):
        raise SettingsError(f"{what}={values!r} holds something that is no column name.")
    return names


@dataclass
class Roles:
    """The role of each column by position, and the positions of the targets in their order."""

    roles: list[ColumnRole]
    targets: list[int]
    kinds: dict[int, str]
    faults: list[Fault]

    @property
    def inputs(self) -> list[int]:
        """Positions of the inputs."""
        return [k for k, role in enumerate(self.roles) if role == "input"]

    @property
    def group(self) -> int | None:
        """Position of the group column, or None."""
        return self.roles.index("group") if "group" in self.roles else None


def assign_roles(names: ColumnNames, request: Request, file: str) -> Roles:
    """Return the role of each column, with a fault for each name that fits none."""
    faults: list[Fault] = []

    def positions(wanted: Sequence[str], purpose: str) -> list[int]:
        found = [names.find(name, purpose) for name in wanted]
        faults.extend(f for f in found if isinstance(f, Fault))
        return list(dict.fromkeys(f for f in found if not isinstance(f, Fault)))

    targets = positions(request.targets, "target")
    group = positions([] if request.group is None else [request.group], "group")
    ignored = positions(request.ignore, "columns to ignore")
    inputs = None if request.inputs is None else positions(request.inputs, "input")
    kinds: dict[int, str] = {}
    for name, kind in request.kinds.items():
        for position in positions([name], "kind"):
            kinds[position] = kind
    if not request.targets:
        known = [n for n, header in zip(names.names, names.headers, strict=True) if header]
        faults.append(
            Fault(
                "no target is named",
                f"Name the column to predict; the columns are {list_columns(known)}",
                file=file,
            )
        )

    def overlap(first: Sequence[int], second: Sequence[int], reason: str, remedy: str) -> None:
        faults.extend(
            Fault(reason, remedy, file=file, column=names.headers[k]) for k in first if k in second
        )

    overlap(targets, group, "the column is a target and the group", "Choose one of the two")
    overlap(targets, ignored, "the target is to be ignored", "Remove it from one of the two lists")
    overlap(group, ignored, "the group is to be ignored", "Remove it from one of the two")
    overlap(targets, inputs or (), "the target is among the inputs", "Remove it from the inputs")
    overlap(group, inputs or (), "the group is among the inputs", "Remove it from the inputs")
    overlap(
        ignored, inputs or (), "the input is to be ignored", "Remove it from one of the two lists"
    )
    default: ColumnRole = "input" if inputs is None else "ignored"
    roles: list[ColumnRole] = [default] * len(names.names)
    for k in inputs or ():
        roles[k] = "input"
    for k in ignored:
        roles[k] = "ignored"
    for k in targets:
        roles[k] = "target"
    for k in group:
        roles[k] = "group"
    return Roles(roles, targets, kinds, faults)

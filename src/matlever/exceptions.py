"""Every error matlever raises on purpose, and the shape of a fault in a user's data.

Each class is also a standard one, so ``except ValueError`` keeps working for those who do not
import from here. A message says what was found, where, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

__all__ = [
    "DataError",
    "Fault",
    "MatleverError",
    "MissingExtraError",
    "ModelFileError",
    "NotEnoughDataError",
    "SettingsError",
    "StudyError",
]

_SHOWN = 10


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a user's data, and what to do about it.

    Parameters
    ----------
    reason : str
        What was found and why it cannot be used: ``"'2,5' is not a number"``.
    remedy : str
        What to do: ``"Use a decimal point or pass decimal=','."``.
    file : str or None
        File name as the user gave it.
    row : int or None
        Line number in the file, the header being line 1 (so what a spreadsheet shows).
    column : str or None
        Header as it stands in the file.
    """

    reason: str
    remedy: str
    file: str | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        where = [self.file] if self.file else []
        if self.row is not None:
            where.append(f"row {self.row}")
        if self.column is not None:
            where.append(f"column {shorten(self.column)!r}")
        prefix = ", ".join(where)
        message = f"{self.reason}. {self.remedy}"
        return f"{prefix}: {message}" if prefix else message

    def to_dict(self) -> dict[str, str | int | None]:
        """Return the fault as plain JSON values."""
        return asdict(self)


def shorten(text: str, width: int = 60) -> str:
    """Return `text` cut to `width` characters, with an ellipsis where something was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


class MatleverError(Exception):
    """Base class of all errors raised on purpose."""


class DataError(MatleverError, ValueError):
    """A user's data cannot be used as it is.

    Parameters
    ----------
    faults : Fault, str or iterable of Fault
        All faults found; the message shows the first ten and counts the rest.
    """

    def __init__(self, faults: Fault | str | Iterable[Fault]) -> None:
        if isinstance(faults, str):
            self.faults: tuple[Fault, ...] = ()
            super().__init__(faults)
            return
        self.faults = (faults,) if isinstance(faults, Fault) else tuple(faults)
        lines = [str(fault) for fault in self.faults[:_SHOWN]]
        if len(self.faults) > _SHOWN:
            lines.append(f"... and {len(self.faults) - _SHOWN} more.")
        super().__init__("\n".join(lines))


class NotEnoughDataError(DataError):
    """There are too few rows for what was asked."""


class SettingsError(MatleverError, ValueError):
    """A setting, option or argument has a value that cannot be used."""


class ModelFileError(MatleverError, ValueError):
    """A model folder is missing a part, was changed, or was not written by matlever."""


class StudyError(MatleverError, RuntimeError):
    """A study folder cannot be used for what was asked."""


class MissingExtraError(MatleverError, ImportError):
    """An optional library is needed; the message names the command that installs it."""

    def __init__(self, purpose: str, library: str, extra: str) -> None:
        super().__init__(f'{purpose} needs {library}: pip install "matlever[{extra}]"')

"""What a study of lots is asked to do: frozen settings, from ``study.toml`` or from arguments."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from matlever.exceptions import SettingsError
from matlever.study._toml import meant, plain_values, sectioned_values, toml_text
from matlever.study.detect import holds_crystals
from matlever.study.wishes import goals_said

__all__ = ["EDITORS", "LotsSettings", "is_lots_settings"]

# Names of editors that are not folders.
EDITORS = ("auto", "none", "demo", "train", "exact")
# The tables of study.toml, each with its keys: the order in which they are written.
_SECTIONS: dict[str, tuple[str, ...]] = {
    "lots": (
        "folder",
        "target",
        "table",
        "size",
        "overlap",
        "downscale",
        "scale_bar",
        "pixel_nm",
    ),
    "regressor": ("depth", "epochs", "folds", "level"),
    "editor": ("editor", "editor_minutes", "editor_steps"),
    "explanation": (
        "explain_lots",
        "sweep_tiles",
        "change_tiles",
        "values",
        "budget",
        "by",
        "fixed",
        "turn_flagged",
        "correct",
    ),
    "run": ("seed", "jobs", "device"),
    # Its key is the property.
    "goals": (),
}
_TEXTS = ("folder", "editor", "device")
_MAYBE_TEXTS = ("target", "table")
_WHOLE = {
    "downscale": 1,
    "depth": 10,
    "epochs": 1,
    "folds": 2,
    "sweep_tiles": 1,
    "change_tiles": 1,
    "values": 2,
}
_MAYBE_WHOLE = {"size": 8, "budget": 10, "jobs": 1, "editor_steps": 1}
# What changes how long a study takes or where it runs, and none of its results.
_WITHOUT_EFFECT = ("folder", "jobs")


@dataclass(frozen=True)
class LotsSettings:
    """Settings of a study of lots of tiles.

    Parameters
    ----------
    folder : str
        Folder with the table of the lots and a folder of pictures for each.
    target : str, optional
        Property to predict, a column of the lot table; may be left out where there is one only.
    table : str, optional
        File of the lot table; by default the one in `folder`.
    size : int, optional
        Side of the tiles in px into which larger pictures are cut; by default every picture is a
        tile.
    overlap : float, default=0.0
        Share of a tile by which neighbours overlap where mosaics are cut.
    downscale : int, default=1
        So many px each way are made one, before tiles are cut.
    scale_bar : int or "auto", optional
        Rows to cut off at the foot of each picture, where the scale bar is; "auto" finds them.
    pixel_nm : float, optional
        Size of one pixel of the pictures as they are on the disk, for the scale beside them.
    depth : int, default=10
        Convolution layers of the network that predicts the property (6 n + 4).
    epochs : int, default=36
        Rounds of its training.
    folds : int, default=5
        Parts of the lots, each held out whole once.
    level : float, default=0.9
        Nominal coverage of the intervals.
    editor : str, default="auto"
        What redraws tiles at other attributes: a folder with an editor, ``"demo"`` (the one that
        comes with matlever), ``"train"`` (a new one), ``"none"``, or ``"auto"``: the demo where it
        fits the attributes and the size, else a new one.
    editor_minutes : float, default=20.0
        How long a new one is trained: as many steps as fit into it on this machine.
    editor_steps : int, optional
        So many steps instead, for the same editor on any machine.
    explain_lots : tuple of str
        Lots to explain; by default those with the lowest, the median and the highest property.
    sweep_tiles, change_tiles : int, default=24, 6
        Tiles of each of them whose attributes are turned, and for which the least change is sought.
    values : int, default=11
        Values at which an attribute is looked at.
    budget : int, optional
        Edited tiles for each tile and direction in the search of a change.
    by : float, default=0.15
        Where no goal is given: by which share the prediction is to rise, and to fall.
    fixed : tuple of str
        Attributes that stay.
    turn_flagged : bool, default=False
        Whether attributes that cannot be told from others in these lots may be named as a cause.
    correct : bool, default=True
        Whether the shift of a prediction by mere redrawing is taken out.
    goals : mapping of str to goal
        What is wanted of the property: a number, or a range with None for an open side.
    seed : int, default=0
    jobs : int, optional
        Threads. Does not change what is computed, but sums may round differently.
    device : str, default="cpu"
        Torch device.
    """

    folder: str
    target: str | None = None
    table: str | None = None
    size: int | None = None
    overlap: float = 0.0
    downscale: int = 1
    scale_bar: int | str | None = None
    pixel_nm: float | None = None
    depth: int = 10
    epochs: int = 36
    folds: int = 5
    level: float = 0.9
    editor: str = "auto"
    editor_minutes: float = 20.0
    editor_steps: int | None = None
    explain_lots: tuple[str, ...] = ()
    sweep_tiles: int = 24
    change_tiles: int = 6
    values: int = 11
    budget: int | None = None
    by: float = 0.15
    fixed: tuple[str, ...] = ()
    turn_flagged: bool = False
    correct: bool = True
    goals: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    jobs: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("level", "overlap", "editor_minutes", "by", "pixel_nm"):
            if _is_whole(getattr(self, name)):
                object.__setattr__(self, name, float(getattr(self, name)))
        problems = list(self._problems())
        try:
            object.__setattr__(self, "goals", goals_said(self.goals))
        except SettingsError as error:
            problems.append(str(error))
        for name, goal in self.goals.items():
            if goal in ("maximise", "minimise"):
                problems.append(
                    f"goals: {name}: give a number, LOW.. or ..HIGH; a change of attributes is "
                    "looked for that reaches it."
                )
        if problems:
            raise SettingsError("\n".join(problems))

    def _problems(self) -> list[str]:
        given: dict[str, Any] = vars(self)
        found = [
            f"{name} must be text, not {given[name]!r}."
            for name in (*_TEXTS, *_MAYBE_TEXTS)
            if not isinstance(given[name], str)
            and not (given[name] is None and name in _MAYBE_TEXTS)
        ]
        for name, least in (_WHOLE | _MAYBE_WHOLE).items():
            value = given[name]
            if value is None and name in _MAYBE_WHOLE:
                continue
            if not _is_whole(value) or value < least:
                found.append(f"{name} must be a whole number of at least {least}, not {value!r}.")
        rows = given["scale_bar"]
        if rows not in (None, "auto") and (not _is_whole(rows) or rows < 0):
            found.append(f"scale_bar must be a number of px from 0, or 'auto', not {rows!r}.")
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**32:
            found.append(f"seed must be a whole number from 0 to {2**32 - 1}, not {self.seed!r}.")
        for name, low, high in (
            ("level", 0.5, 1.0),
            ("overlap", 0.0, 1.0),
            ("by", 0.0, 10.0),
            ("editor_minutes", 0.0, float("inf")),
            ("pixel_nm", 0.0, float("inf")),
        ):
            value = given[name]
            if value is None and name == "pixel_nm":
                continue
            inside = isinstance(value, float) and (
                low <= value < high if name in ("level", "overlap") else low < value < high
            )
            if not inside:
                found.append(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")
        for name in ("turn_flagged", "correct"):
            if not isinstance(given[name], bool):
                found.append(f"{name} must be true or false, not {given[name]!r}.")
        for name in ("explain_lots", "fixed"):
            value = given[name]
            if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
                found.append(f"{name} must be a list of names, not {value!r}.")
        return found

    @property
    def default_folder(self) -> Path:
        """Folder a study goes to unless another is named: ``NAME-study``."""
        return Path(f"{Path(self.folder).name or 'lots'}-study")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain

    def digest(self, data_sha256: str, version: str) -> str:
        """Return a key that is the same for studies whose results must be the same."""
        values = {k: v for k, v in self.to_dict().items() if k not in _WITHOUT_EFFECT}
        text = json.dumps(["lots", version, data_sha256, values], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_toml(self, folder: str | os.PathLike[str]) -> str:
        """Return the text of a ``study.toml`` that stands in `folder`."""
        values = {
            key: value for key, value in self.to_dict().items() if value not in (None, {}, [])
        }
        for name in ("folder", "table"):
            if name in values:
                values[name] = Path(os.path.relpath(values[name], folder)).as_posix()
        if self.editor not in EDITORS:
            values["editor"] = Path(os.path.relpath(self.editor, folder)).as_posix()
        lines = ["# Settings of a matlever study. Run again with: matlever study study.toml"]
        for section, keys in _SECTIONS.items():
            present = [key for key in keys if key in values]
            if present:
                lines += ["", f"[{section}]"]
                lines += [f"{key} = {toml_text(values[key])}" for key in present]
        if "goals" in values:
            lines += ["", "[goals]"]
            lines += [
                f"{toml_text(key)} = {toml_text(goal)}" for key, goal in values["goals"].items()
            ]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> LotsSettings:
        """Read a ``study.toml``; unknown tables and keys are errors.

        Raises
        ------
        SettingsError
            If the file cannot be read, is not TOML, or holds unknown keys or impossible values.
        """
        source = Path(path)
        values, problems = sectioned_values(source, _SECTIONS, free=("goals",))
        if "folder" not in values:
            problems.append(f"{source}: [lots] must name the folder: folder = 'lots'.")
        if problems:
            raise SettingsError("\n".join(problems))
        for name in ("folder", "table", "editor"):
            value = values.get(name)
            if isinstance(value, str) and not (name == "editor" and value in EDITORS):
                values[name] = os.path.normpath(source.parent / value)
        return cls(**values)

    def updated(self, **changes: Any) -> LotsSettings:
        """Return a copy with `changes`; unknown names are errors."""
        known = {item.name for item in fields(self)}
        for name in changes:
            if name not in known:
                raise SettingsError(f"There is no setting {name!r}{meant(name, known)}.")
        return replace(self, **changes)


def is_lots_settings(source: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder of lots, or a settings file of a study of lots."""
    path = Path(source)
    if path.is_dir():
        return not holds_crystals(path)
    if path.suffix != ".toml" or not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(line.strip() == "[lots]" for line in text.splitlines())


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

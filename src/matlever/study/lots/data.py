"""The lots of a study: what anyone may hand over, what is explained of it, and what was read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matlever.exceptions import DataError, NotEnoughDataError, SettingsError
from matlever.micrographs import Tiles
from matlever.study.lots.pictures import picture
from matlever.study.lots.settings import LotsSettings

if TYPE_CHECKING:
    import pandas as pd

    from matlever.micrographs.reading.lots import Lots

__all__ = [
    "LotData",
    "chosen_lots",
    "data_digest",
    "data_part",
    "is_simulated",
    "named_unit",
    "one_of_each_lot",
    "read_study_lots",
    "shown_picture",
    "some_tiles",
    "target_of",
]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

_LEAST_LOTS = 6  # with fewer nothing can be held out and anything be learned
_SHOWN_SIDE = 192  # px; larger tiles are shown as their middle
_HASHED_TILES = 256
_SHOWN_DROPPED = 40
_FEW_TILES = 4
# Units that a column's name may end in.
_UNITS = {
    "psi": "psi",
    "mpa": "MPa",
    "gpa": "GPa",
    "kpa": "kPa",
    "pa": "Pa",
    "nm": "nm",
    "um": "µm",
}


class LotData(Protocol):
    """Lots of tiles: those that were read from a folder, or simulated ones."""

    @property
    def tiles(self) -> Tiles:
        """All tiles, with the attributes of their lots."""
        ...

    @property
    def table(self) -> pd.DataFrame:
        """One line per lot: properties, and attributes between 0 and 1."""
        ...

    @property
    def property_names(self) -> tuple[str, ...]:
        """Columns that can be predicted."""
        ...

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Columns that can be turned."""
        ...

    def property(self, name: str) -> Array:
        """Return a property of each lot."""
        ...

    def of_tiles(self, name: str) -> Array:
        """Return a property of each tile's lot."""
        ...


def is_simulated(lots: LotData) -> bool:
    """Return whether the lots come from a simulation."""
    return lots.tiles.scenes is not None or bool(getattr(lots, "simulated", False))


def read_study_lots(
    settings: LotsSettings, cache: Path | None = None, progress: Progress | None = None
) -> Lots:
    """Read and check the lots that `settings` describe.

    Parameters
    ----------
    settings : LotsSettings
    cache : path, optional
        Folder for the tiles; a temporary one by default.
    progress : callable, optional
        Called with (pictures read, pictures, what).

    Raises
    ------
    DataError
        With all faults, each with its file.
    """
    from matlever.micrographs.reading.read import read_lots

    rows: Any = settings.scale_bar
    return read_lots(
        settings.folder,
        lot_table=settings.table,
        tile_px=settings.size,
        overlap=settings.overlap,
        downscale=settings.downscale,
        crop_bottom_px=rows,
        cache=cache,
        progress=progress,
    )


def target_of(lots: LotData, settings: LotsSettings) -> str:
    """Return the property that is to be predicted.

    Raises
    ------
    SettingsError
        If there is no such property, or several and none was named.
    NotEnoughDataError
        If there are too few lots.
    """
    names = lots.property_names
    if settings.target is None and len(names) > 1:
        raise SettingsError(
            f"Which property is to be predicted? The lot table holds {', '.join(names)}: name one "
            "with --property (target in study.toml)."
        )
    target = names[0] if settings.target is None else settings.target
    if target not in names:
        raise SettingsError(
            f"The lot table has no property {target!r}; it holds {', '.join(names)}."
        )
    if len(lots.table) < _LEAST_LOTS:
        raise NotEnoughDataError(
            f"{len(lots.table)} lots are too few: with fewer than {_LEAST_LOTS} nothing can be "
            "held out and anything be learned. Add lots; more tiles of the same ones do not help."
        )
    if not np.isfinite(lots.property(target)).all():
        raise DataError(f"{target} is missing for some lots; leave them out of the lot table.")
    return target


def named_unit(name: str) -> tuple[str, str | None]:
    """Return a column's name without the unit it ends in, and the unit."""
    found = re.fullmatch(r"(.+)[_ ]\(?([A-Za-z]+)\)?", name)
    if found and found[2].lower() in _UNITS:
        return found[1].replace("_", " "), _UNITS[found[2].lower()]
    return name.replace("_", " "), None


def chosen_lots(lots: LotData, target: str, settings: LotsSettings) -> list[str]:
    """Return the lots to explain: those asked for, else the lowest, the median and the highest.

    Raises
    ------
    SettingsError
        If one that was asked for does not exist.
    """
    names = list(lots.tiles.lot_names)
    for name in settings.explain_lots:
        if name not in names:
            raise SettingsError(f"There is no lot {name!r}; the lots are {', '.join(names)}.")
    if settings.explain_lots:
        return list(dict.fromkeys(settings.explain_lots))
    order = np.argsort(lots.property(target), kind="stable")
    return [names[int(order[i])] for i in (0, len(order) // 2, len(order) - 1)]


def some_tiles(lots: LotData, lot: str, most: int) -> Tiles:
    """Return at most so many tiles of a lot, evenly spaced among all of them."""
    rows = np.flatnonzero(lots.tiles.lot == lots.tiles.lot_names.index(lot))
    return lots.tiles[rows[_spaced(len(rows), most)]]


def one_of_each_lot(lots: LotData) -> Tiles:
    """Return the first tile of each lot that has any."""
    return lots.tiles[np.unique(lots.tiles.lot, return_index=True)[1]]


def data_digest(lots: LotData) -> str:
    """Return the SHA-256 of the lots: their own, else of the table and of tiles all over them."""
    own = getattr(lots, "sha256", "")
    if own:
        return str(own)
    tiles = lots.tiles
    digest = hashlib.sha256(lots.table.to_csv().encode())
    digest.update(repr((tiles.images.shape, str(tiles.images.dtype), tiles.names)).encode())
    digest.update(np.ascontiguousarray(tiles.lot).tobytes())
    for i in _spaced(len(tiles), _HASHED_TILES).tolist():
        digest.update(np.ascontiguousarray(tiles.images[i]).tobytes())
    return digest.hexdigest()


def data_part(lots: LotData, target: str, settings: LotsSettings) -> dict[str, Any]:
    """Return what was read, as plain JSON values: see ``docs/lots-results.md``."""
    tiles = lots.tiles
    values = lots.property(target)
    name, unit = named_unit(target)
    counts = np.bincount(tiles.lot, minlength=len(tiles.lot_names))
    attributes = lots.table[list(lots.attribute_names)].to_numpy(dtype=float)
    spread = getattr(lots, "attribute_spread", None)
    shown = [some_tiles(lots, lot, 1) for lot in tiles.lot_names]
    report = getattr(lots, "report", None)
    return {
        "folder": Path(settings.folder).name or settings.folder,
        "sha256": data_digest(lots),
        "simulated": is_simulated(lots),
        "n_lots": len(tiles.lot_names),
        "n_tiles": len(tiles),
        "height": tiles.shape[1],
        "width": tiles.shape[2],
        "pixel_nm": None if settings.pixel_nm is None else settings.pixel_nm * settings.downscale,
        "sentences": list(getattr(lots, "notes", ())),
        "warnings": _faint(lots),
        "n_dropped": None if report is None else len(report),
        "dropped": [] if report is None else _reasons(report),
        "dropped_tiles": [] if report is None else _dropped_tiles(report),
        "property": {
            "name": name,
            "column": target,
            "unit": unit,
            "lower": float(values.min()),
            "upper": float(values.max()),
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)),
        },
        "attributes": [
            {
                "name": attribute,
                "lower": float(attributes[:, j].min()),
                "upper": float(attributes[:, j].max()),
                "expert_spread": None
                if spread is None or attribute not in spread
                else _plain(float(np.nanmean(spread[attribute]))),
            }
            for j, attribute in enumerate(lots.attribute_names)
        ],
        "lots": [
            {
                "name": lot,
                "n_tiles": int(counts[i]),
                "measured": float(values[i]),
                "attributes": attributes[i].tolist(),
                "pictures": [shown_picture(image) for image in shown[i].images],
            }
            for i, lot in enumerate(tiles.lot_names)
        ],
    }


def _reasons(report: Any) -> list[dict[str, Any]]:
    return [{"what": what, "count": count} for what, count in report.by_reason().items()]


def _dropped_tiles(report: Any) -> list[dict[str, Any]]:
    """Return some of the tiles that were left out, with the reason."""
    return [
        {
            "tile": report.dropped[place].label,
            "what": report.dropped[place].reason,
            "picture": shown_picture(image),
        }
        for place, image in zip(
            report.shown[:_SHOWN_DROPPED], report.images[:_SHOWN_DROPPED], strict=True
        )
    ]


def _faint(lots: LotData) -> list[str]:
    """Return what is odd about the lots."""
    counts = np.bincount(lots.tiles.lot, minlength=len(lots.tiles.lot_names))
    few = [lots.tiles.lot_names[i] for i in np.flatnonzero(counts < _FEW_TILES).tolist()]
    if not few:
        return []
    named = ", ".join(few[:8]) + (", ..." if len(few) > 8 else "")
    return [f"Fewer than {_FEW_TILES} tiles in use of lot {named}: what is said of it is shaky."]


def shown_picture(image: NDArray[Any]) -> dict[str, Any]:
    """Return a tile as a picture, of a large one its middle."""
    height, width = image.shape[:2]
    top, left = (max(0, (side - _SHOWN_SIDE) // 2) for side in (height, width))
    return picture(image[top : top + _SHOWN_SIDE, left : left + _SHOWN_SIDE])


def _spaced(n: int, most: int) -> NDArray[np.intp]:
    if n <= most:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, most).round().astype(np.intp))


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None

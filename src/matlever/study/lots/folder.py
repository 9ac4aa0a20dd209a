"""The folder of a study of lots: what may be written there, and the tables that are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matlever.exceptions import StudyError
from matlever.storage import MODEL_SCHEMA, read_json, write_text
from matlever.study.folder import PARTS

__all__ = [
    "LOTS_SCHEMA",
    "TILES",
    "change_frame",
    "check_lots_folder",
    "check_same_lots",
    "schema_of",
    "sweep_frame",
    "write_lot_tables",
]

LOTS_SCHEMA = "matlever-lots-results/1"
TILES = ".tiles"  # as they are read, while a study runs


def check_lots_folder(folder: Path) -> None:
    """Raise StudyError unless a study of lots may be written to `folder`."""
    if folder.is_file():
        raise StudyError(f"{folder} is a file; give a folder with --out.")
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir()}
    if names and not (names & {PARTS, TILES} or schema_of(folder / "results.json") == LOTS_SCHEMA):
        raise StudyError(
            f"{folder} is not empty and holds no study of lots: nothing is written there. "
            "Choose another folder with --out."
        )
    if "model" in names and schema_of(folder / "model" / "model.json") != MODEL_SCHEMA:
        raise StudyError(
            f"{folder / 'model'} was not written by matlever: nothing is written there. "
            "Choose another folder with --out."
        )


def check_same_lots(folder: Path, sha256: str, source: str) -> None:
    """Raise StudyError if `folder` holds the finished study of other lots."""
    if not (folder / "results.json").is_file():
        return
    data = read_json(folder / "results.json").get("data") or {}
    if data.get("sha256") != sha256:
        raise StudyError(
            f"{folder} holds the study of {data.get('folder')!r} as it was then; {source!r} holds "
            "other lots, or was changed since. Choose another --out, or replace that study with "
            "--force (overwrite=True in Python)."
        )


def schema_of(path: Path) -> str | None:
    """Return the schema that a JSON file names, if it is there and names one."""
    try:
        document = read_json(path)
    except (OSError, ValueError):
        return None
    found = document.get("schema") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None


def sweep_frame(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return what is predicted of edited tiles, one line per lot, attribute, value and tile."""
    frames = [
        pd.DataFrame(
            {
                "lot": lot["lot"],
                "attribute": one["knob"],
                "value": np.tile(one["values"], len(lot["tiles"])),
                "tile": np.repeat(lot["tiles"], len(one["values"])),
                "prediction": np.ravel(one["individual"]),
            }
        )
        for lot in (results["forward"] or {}).get("lots", ())
        for one in lot["sweeps"]
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def change_frame(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the least change of each tile, one line per lot, direction and tile."""
    rows = []
    for lot in (results["backward"] or {}).get("lots", ()):
        for question in lot["questions"]:
            for row in question["rows"]:
                line = {
                    "lot": lot["lot"],
                    "direction": question["direction"],
                    "goal": question["goal"],
                    "tile": row["tile"],
                }
                for j, name in enumerate(question["attributes"]):
                    line[f"{name} start"] = row["start"][j]
                    line[name] = row["settings"][j]
                    line[f"{name} change"] = row["change"][j]
                keys = ("prediction", "reached_prediction", "reached", "sentence")
                rows.append({**line, **{key: row[key] for key in keys}})
    return pd.DataFrame(rows)


def write_lot_tables(folder: Path, results: Mapping[str, Any]) -> None:
    """Write lots, held-out predictions, sweeps and changes of every tile as CSV."""
    lots = pd.DataFrame(
        [
            {
                "lot": one["name"],
                "tiles": one["n_tiles"],
                "measured": one["measured"],
                **dict(
                    zip(
                        [a["name"] for a in results["data"]["attributes"]],
                        one["attributes"],
                        strict=True,
                    )
                ),
            }
            for one in results["data"]["lots"]
        ]
    )
    files = {
        "lots": lots,
        "sweeps": sweep_frame(results),
        "changes": change_frame(results),
    }
    for name, content in files.items():
        if content.empty:  # that of an earlier study must not stay
            (folder / f"{name}.csv").unlink(missing_ok=True)
        else:
            write_text(folder / f"{name}.csv", content.to_csv(index=False))

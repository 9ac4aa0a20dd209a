"""The folder of a study: what may be written there, and the tables that are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from matlever.exceptions import StudyError
from matlever.storage import MODEL_SCHEMA, read_json, write_text
from matlever.tables import Table

__all__ = [
    "PARTS",
    "RESULTS_SCHEMA",
    "check_folder",
    "check_same_table",
    "score_frame",
    "write_tables",
]

RESULTS_SCHEMA = "matlever-results/1"
PARTS = ".parts"


def check_folder(folder: Path) -> None:
    """Raise StudyError unless a study may be written to `folder`."""
    if folder.is_file():
        raise StudyError(f"{folder} is a file; give a folder with --out.")
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir()}
    if names and not (PARTS in names or _is_ours(folder / "results.json", RESULTS_SCHEMA)):
        raise StudyError(
            f"{folder} is not empty and holds no study: nothing is written there. "
            "Choose another folder with --out."
        )
    if "model" in names and not _is_ours(folder / "model" / "model.json", MODEL_SCHEMA):
        raise StudyError(
            f"{folder / 'model'} was not written by matlever: nothing is written there. "
            "Choose another folder with --out."
        )


def check_same_table(folder: Path, table: Table) -> None:
    """Raise StudyError if `folder` holds the finished study of another table."""
    if not (folder / "results.json").is_file():
        return
    data = read_json(folder / "results.json").get("data") or {}
    if data.get("sha256") != table.sha256:
        raise StudyError(
            f"{folder} holds the study of {data.get('file')!r} as it was then; {table.source!r} is "
            "another table, or was changed since. Choose another --out, or replace that study with "
            "--force (overwrite=True in Python)."
        )


def _is_ours(path: Path, schema: str) -> bool:
    """Return whether a JSON file has our schema."""
    try:
        document = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("schema") == schema


def score_frame(results: Mapping[str, Any]) -> pd.DataFrame:
    """Return the scores in `results` as one row for each target, model and protocol."""
    rows = []
    for target in results["targets"]:
        for entry in target["scores"]:
            for protocol in ("honest", "random"):
                if entry[protocol] is None:
                    continue
                row = {
                    "target": target["name"],
                    "model": entry["model"],
                    "protocol": target["protocols"][protocol]["text"],
                    "n_rows": target["n_rows"],
                }
                for metric, score in entry[protocol].items():
                    row[metric] = score["mean"]
                    row[f"{metric} sd"] = score["sd"]
                rows.append(row)
    return pd.DataFrame(rows)


def write_tables(folder: Path, results: Mapping[str, Any], table: Table) -> None:
    """Write scores, held-out predictions, weights, sweeps and the data used as CSV."""
    held_out, weights, sweeps = [], [], []
    for target in results["targets"]:
        frame = pd.DataFrame({k: v for k, v in target["held_out"].items() if v is not None})
        held_out.append(frame.assign(target=target["name"]))
        found = target["weights"]
        for i, row in enumerate(found["rows"]):
            weights += [
                {
                    "target": target["name"],
                    "row": row,
                    "knob": knob,
                    "slope per standard deviation": found["slope_standardised"][i][j],
                    "slope per unit": found["slope"][i][j],
                }
                for j, knob in enumerate(found["knobs"])
            ]
        for one in target["sweeps"]:
            values = one["values"] if one["levels"] is None else one["levels"]
            frame = pd.DataFrame({"value": values, "mean prediction": one["mean"]})
            if one["lower"] is not None:
                frame = frame.assign(lower=one["lower"], upper=one["upper"])
            sweeps.append(frame.assign(target=target["name"], knob=one["knob"]))
    files = {
        "scores": score_frame(results),
        "held_out": pd.concat(held_out),
        "weights": pd.DataFrame(weights),
        "sweeps": pd.concat(sweeps) if sweeps else pd.DataFrame(),
        "data_used": table.frame.rename_axis("row").reset_index(),
    }
    for name, frame in files.items():
        write_text(folder / f"{name}.csv", frame.to_csv(index=False))

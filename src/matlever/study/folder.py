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
                    "spread": found["spread"][i][j],
                }
                for j, knob in enumerate(found["knobs"])
            ]
        for one in target["sweeps"]:
            values = one["values"] if one["levels"] is None else one["levels"]
            frame = pd.DataFrame({"value": values, "mean prediction": one["mean"]})
            if one["lower"] is not None:
                frame = frame.assign(lower=one["lower"], upper=one["upper"])
            sweeps.append(frame.assign(target=target["name"], knob=one["knob"]))
    files: dict[str, pd.DataFrame | None] = {
        "scores": score_frame(results),
        "held_out": pd.concat(held_out),
        "weights": pd.DataFrame(weights),
        "sweeps": pd.concat(sweeps) if sweeps else pd.DataFrame(),
        "data_used": table.frame.rename_axis("row").reset_index(),
        "changes": _changes_frame(results),
        "next": _next_frame(results),
    }
    for name, content in files.items():
        if content is None:  # that of an earlier study must not stay
            (folder / f"{name}.csv").unlink(missing_ok=True)
        else:
            write_text(folder / f"{name}.csv", content.to_csv(index=False))


def _changes_frame(results: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return the changes that reach the goals, one row for each answer."""
    rows = []
    for question in (results["changes"] or {}).get("questions", ()):
        names = [knob["name"] for knob in question["knobs"]]
        for row in question["rows"]:
            for answer in row["answers"]:
                line = {"goal": question["sentence"], "row": row["row"]}
                line |= dict(zip(names, answer["settings"], strict=True))
                for t, target in enumerate(question["targets"]):
                    line[f"predicted {target}"] = answer["prediction"][t]
                    for side in ("lower", "upper"):
                        limits = answer[side]
                        line[f"predicted {target} {side}"] = None if limits is None else limits[t]
                for other in answer["others"]:
                    line[f"predicted {other['target']}"] = other["after"]
                keys = ("reached", "cost", "inside", "distance", "nearest", "sentence")
                rows.append({**line, **{key: answer[key] for key in keys}})
    return pd.DataFrame(rows) if rows else None


def _next_frame(results: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return the suggested experiments, one row for each."""
    rows = []
    for place, one in enumerate((results["next"] or {}).get("experiments", ())):
        line = {"experiment": place + 1, **one["settings"]}
        for expected in one["expected"]:
            for key in ("predicted", "lower", "upper"):
                line[f"{key} {expected['target']}"] = expected[key]
        keys = ("probability", "distance", "inside", "reason")
        rows.append({**line, **{key: one[key] for key in keys}})
    return pd.DataFrame(rows) if rows else None

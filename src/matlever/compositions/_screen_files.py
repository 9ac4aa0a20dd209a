"""The folder of a screening: what was asked, one Parquet file for each chunk, and the best."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from matlever.compositions._screen_job import Job, Part
from matlever.exceptions import MissingExtraError, StudyError
from matlever.storage import read_json, write_bytes, write_json

__all__ = ["SCHEMA", "Folder", "question_of"]

SCHEMA = "matlever-screening/1"
_MANIFEST = "screening.json"
_PART = re.compile(r"part-(\d{6,})\.parquet")
_PROBES = 64
_WORDS = {
    "space": "the space of candidates",
    "hull": "the known phases",
    "keep": "what is kept",
    "chunk": "the size of a chunk",
    "batch_rows": "the rows of one prediction",
    "uncertainty": "whether standard deviations are asked for",
    "target": "the name of the target",
}


def question_of(job: Job, target: str) -> dict[str, Any]:
    """Return what a screening asks as plain JSON values: equal questions have equal answers.

    The predictor is known by its predictions for some compositions of the space.
    """
    open_space = type(job.space)(job.space.blocks)
    numbers = np.linspace(0, open_space.size - 1, min(_PROBES, open_space.size)).astype(np.int64)
    probes = open_space.at(np.unique(numbers))
    from matlever.compositions._screen_predict import predict_candidates, single_thread

    with single_thread():
        predicted = predict_candidates(job.predictor, probes, job.batch_rows)
    return {
        "schema": SCHEMA,
        "space": _sha256(json.dumps(job.space.to_dict(), sort_keys=True).encode()),
        "hull": None if job.hull is None else job.hull.digest,
        "keep": vars(job.keep).copy(),
        "chunk": job.chunk,
        "batch_rows": job.batch_rows,
        "uncertainty": job.uncertainty,
        "target": target,
        "n_chunks": job.n_chunks,
        "score": job.score_name,
        "elements": list(job.space.elements),
        "predictor": type(job.predictor).__name__,
        "predictions": predicted.tolist(),
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Folder:
    """A folder with the files of one screening.

    Parameters
    ----------
    path : path

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow  # noqa: F401  # only whether it is there
        except ImportError as error:
            raise MissingExtraError("Writing a screening", "pyarrow", "files") from error
        self.path = Path(path)
        self.parts_path = self.path / "parts"

    def open(self, question: dict[str, Any]) -> None:
        """Make the folder, or check that it holds the same question.

        Raises
        ------
        StudyError
            If it holds another screening, or other files.
        """
        if not (self.path / _MANIFEST).is_file():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise StudyError(
                    f"{self.path} holds other files and no screening. Give a new folder."
                )
            write_json(self.path / _MANIFEST, {"question": question, "answer": None})
            return
        known = self.manifest()["question"]
        different = [words for name, words in _WORDS.items() if known.get(name) != question[name]]
        theirs, ours = np.array(known.get("predictions")), np.array(question["predictions"])
        # Another processor may round a prediction otherwise; another model predicts otherwise.
        if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=1e-4, atol=1e-5):
            different.append("the predictor")
        if different:
            raise StudyError(
                f"{self.path} holds another screening: {', '.join(different)} differ. Give another "
                "folder for this one."
            )

    def manifest(self) -> dict[str, Any]:
        """Return the question and the answer.

        Raises
        ------
        StudyError
            If the folder holds no screening, or one of another version.
        """
        try:
            found = read_json(self.path / _MANIFEST)
            schema = found["question"]["schema"]
        except FileNotFoundError:
            raise StudyError(f"{self.path} holds no screening (no {_MANIFEST}).") from None
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{self.path / _MANIFEST} is damaged ({error}).") from error
        if schema != SCHEMA:
            raise StudyError(
                f"{self.path} was written as {schema!r}; this version reads {SCHEMA!r}."
            )
        answer: dict[str, Any] = found
        return answer

    # -- parts ------------------------------------------------------------------------------------

    def part_path(self, number: int) -> Path:
        """File of one chunk."""
        return self.parts_path / f"part-{number:06d}.parquet"

    def finished(self) -> set[int]:
        """Numbers of the chunks that are done."""
        if not self.parts_path.is_dir():
            return set()
        names = (_PART.fullmatch(path.name) for path in self.parts_path.iterdir())
        return {int(name[1]) for name in names if name}

    def write_part(self, part: Part) -> None:
        """Write what one chunk gave; the file appears whole or not at all."""
        table = _table(part.columns).replace_schema_metadata(
            {"n_candidates": str(part.n_candidates)}
        )
        write_bytes(self.part_path(part.number), _parquet(table))

    def finish(self, n_chunks: int, best: int | None, job: Job) -> dict[str, Any]:
        """Count all parts, write the best of them, and note that nothing is missing."""
        import pyarrow.parquet as pq

        counts = np.zeros(2, dtype=np.int64)
        for number in range(n_chunks):
            with pq.ParquetFile(self.part_path(number)) as file:
                metadata = file.schema_arrow.metadata or {}
                counts += (int(metadata[b"n_candidates"]), file.metadata.num_rows)
        if best is not None:
            table = best_rows(self.tables(), best, job.score_name, job.keep.largest)
            counts[1] = table.num_rows
            write_bytes(self.path / "best.parquet", _parquet(table))
        for left in self.parts_path.glob(".*.part"):  # of a process that was killed
            left.unlink(missing_ok=True)
        question = self.manifest()["question"]
        answer = {"n_candidates": int(counts[0]), "n_kept": int(counts[1])}
        write_json(self.path / _MANIFEST, {"question": question, "answer": answer})
        return answer

    def tables(self) -> Iterator[Any]:
        """Yield the Arrow table of each part, in order."""
        import pyarrow.parquet as pq

        for number in sorted(self.finished()):
            yield pq.read_table(self.part_path(number), use_threads=False)

    def best_table(self) -> Any:
        """Return the Arrow table of the best, or None where no number of them was asked for."""
        import pyarrow.parquet as pq

        path = self.path / "best.parquet"
        return pq.read_table(path, use_threads=False) if path.is_file() else None


def best_rows(tables: Iterator[Any], best: int, score: str, largest: bool) -> Any:
    """Return the best rows of many Arrow tables as one, in order of score, then of number."""
    import pyarrow as pa

    kept: Any = None
    for table in tables:
        # Two tables at a time: memory does not grow with their number.
        both = table if kept is None else pa.concat_tables([kept, table])
        order = [(score, "descending" if largest else "ascending"), ("number", "ascending")]
        kept = both.sort_by(order).slice(0, best).combine_chunks() if len(table) else both
    return kept.replace_schema_metadata(None)


def _table(columns: dict[str, Any]) -> Any:
    import pyarrow as pa

    types = {"number": pa.int64(), "formula": pa.string(), "is_known": pa.bool_()}
    arrays = {
        name: pa.array(values, type=types.get(name, pa.float64()))
        for name, values in columns.items()
    }
    return pa.table(arrays)


def _parquet(table: Any) -> bytes:
    """Return a table as the bytes of a Parquet file; equal tables give equal bytes."""
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()

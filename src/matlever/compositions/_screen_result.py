"""What a screening found: its folder or its rows, the best first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from matlever.compositions._screen_estimate import ScreeningEstimate
from matlever.compositions._screen_files import Folder
from matlever.compositions.enumeration import CompositionSpace
from matlever.exceptions import DataError, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from matlever.compositions.compositions import Compositions

__all__ = ["Screening"]

_PARTS_HELD = 20


@dataclass(frozen=True, eq=False)
class Screening:
    """What a screening found.

    Attributes
    ----------
    space : CompositionSpace or None
        The space; None for one that was read from a folder.
    question : dict
        What was asked, as plain JSON values.
    answer : dict
        ``n_candidates`` looked at and ``n_kept``.
    folder : path or None
        Where the files are.
    estimate : ScreeningEstimate or None
        What was expected; None where nothing was left to do.
    seconds : float
        Time this call took.
    """

    space: CompositionSpace | None
    question: dict[str, Any]
    answer: dict[str, int]
    folder: Path | None = None
    estimate: ScreeningEstimate | None = None
    seconds: float = 0.0
    _columns: dict[str, Any] | None = None

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a finished screening from its folder.

        Raises
        ------
        StudyError
            If there is none, or it is not finished.
        """
        files = Folder(Path(folder))
        manifest = files.manifest()
        if manifest["answer"] is None:
            done, n = len(files.finished()), manifest["question"]["n_chunks"]
            raise StudyError(
                f"{folder} holds {done} of {n} chunks of a screening; give the same command again "
                "to finish it."
            )
        return cls(None, manifest["question"], manifest["answer"], files.path)

    @property
    def n_candidates(self) -> int:
        """Number of candidates looked at."""
        return self.answer["n_candidates"]

    @property
    def n_kept(self) -> int:
        """Number of candidates kept."""
        return self.answer["n_kept"]

    def __len__(self) -> int:
        return self.n_kept

    def __repr__(self) -> str:
        keep = self.question["keep"]
        said = [f"{name}={keep[name]:g}" for name in ("below", "above", "best") if keep[name]]
        lines = [
            f"Screening of {self.n_candidates:,} compositions: {self.n_kept:,} kept "
            f"({self.question['score']}: {', '.join(said)})"
        ]
        if self.seconds and self.estimate is not None:
            lines.append(f"{self.seconds:.1f} s; estimated: {self.estimate}")
        if self.folder is not None:
            lines.append(f"files: {self.folder}")
        return "\n".join(lines)

    def tables(self) -> Iterator[pd.DataFrame]:
        """Yield kept candidates in order of their numbers, a frame for each chunk."""
        import pandas as pd

        if self.folder is None:
            yield pd.DataFrame(self._columns)
            return
        for table in Folder(self.folder).tables():
            yield table.to_pandas()

    def to_frame(self, n: int | None = None) -> pd.DataFrame:
        """Return kept candidates, the best first.

        Parameters
        ----------
        n : int, default=None
            At most so many; None: all.

        Returns
        -------
        frame : DataFrame
            Columns ``number`` (in the space), ``formula``, the prediction (in eV/atom where there
            is a hull), and, where asked for, ``std``, ``energy_above_hull`` in eV/atom and
            ``is_known`` (the hull has a phase of this composition).
        """
        import pandas as pd

        order = [self.question["score"], "number"]
        ascending = [not self.question["keep"]["largest"], True]

        def best(parts: list[pd.DataFrame]) -> pd.DataFrame:
            both = pd.concat(parts, ignore_index=True).sort_values(order, ascending=ascending)
            return both if n is None else both.head(n)

        parts: list[pd.DataFrame] = []
        for part in self._best_tables():
            parts.append(part)
            if n is not None and len(parts) > _PARTS_HELD:
                parts = [best(parts)]
        if not parts:
            raise DataError(f"{self.folder} holds no part of a screening.")
        found = best(parts).reset_index(drop=True)
        return found.rename(columns={"prediction": self.question["target"]})

    def _best_tables(self) -> Iterator[pd.DataFrame]:
        best = None if self.folder is None else Folder(self.folder).best_table()
        if best is not None:
            yield best.to_pandas()
            return
        yield from self.tables()

    def compositions(self, n: int | None = None) -> Compositions:
        """Return kept candidates as compositions, the best first."""
        from matlever.compositions.formula import parse_formulas

        return parse_formulas(self.to_frame(n)["formula"].tolist())

    def to_dict(self) -> dict[str, Any]:
        """Return question, answer and estimate as plain JSON values."""
        return {
            "question": self.question,
            "answer": self.answer,
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
        }

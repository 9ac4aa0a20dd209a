"""The kinds of data a study of rows can be about: tables, compositions, crystals."""

from matlever.study.kinds.kind import DataKind
from matlever.study.kinds.which import kind_of, kind_of_results

__all__ = ["DataKind", "kind_of", "kind_of_results"]

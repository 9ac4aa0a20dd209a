"""The kinds of data a study of rows can be about: tables, compositions, crystals."""

from matlever.study.detect import holds_crystals
from matlever.study.kinds.kind import DataKind
from matlever.study.kinds.tables import TableKind
from matlever.study.kinds.which import kind_from_state, kind_of

__all__ = ["DataKind", "TableKind", "holds_crystals", "kind_from_state", "kind_of"]

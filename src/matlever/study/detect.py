"""What a path holds, told without opening any file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["holds_crystals"]

_FILES = (".cif", ".vasp", ".poscar")


def holds_crystals(source: str | Path) -> bool:
    """Return whether a path is a folder of crystal structures, or a file of arrays of them."""
    path = Path(source)
    if path.is_file():
        return path.suffix == ".npz"
    if not path.is_dir():
        return False
    if (path / "id_prop.csv").is_file():
        return True
    return any(
        item.suffix.lower() in _FILES or item.name.startswith(("POSCAR", "CONTCAR"))
        for item in path.iterdir()
        if item.is_file()
    )

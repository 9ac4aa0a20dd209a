"""Where a command's answer goes: standard output, or one file that appears whole."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matlever.exceptions import SettingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_free", "check_suffix", "json_option", "out_option", "print_json", "save"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


def out_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option ``--out``, with what it writes in words."""
    return click.option("--out", "-o", type=click.Path(path_type=Path), help=what)


def print_json(value: Any) -> None:
    """Print plain values as JSON on standard output."""
    json.dump(value, sys.stdout, indent=1, allow_nan=False, ensure_ascii=False)
    sys.stdout.write("\n")


def check_free(out: Path | None, force: bool) -> None:
    """Raise SettingsError unless a file may be written to `out`."""
    if out is None:
        return
    if out.is_dir():
        raise SettingsError(f"{out} is a folder; give the name of a file.")
    if out.exists() and not force:
        raise SettingsError(f"{out} exists already. Choose another name, or add --force.")


def check_suffix(out: Path | None, known: Sequence[str]) -> str:
    """Return the ending of a file's name in lower case, ``""`` without a file.

    Raises
    ------
    SettingsError
        If it is not one of `known`.
    """
    if out is None:
        return ""
    suffix = out.suffix.lower()
    if suffix not in known:
        if out.is_dir():
            raise SettingsError(f"{out} is a folder; give the name of a file.")
        raise SettingsError(
            f"{out} ends in {suffix or 'nothing'}; what is written follows the ending: "
            f"{', '.join(known)}."
        )
    return suffix


def save(
    out: Path,
    *,
    table: Callable[[], pd.DataFrame] | None = None,
    page: Callable[[], str] | None = None,
    figure: Callable[[], Any] | None = None,
) -> None:
    """Write a table (.csv), a page (.html) or a matplotlib figure (.svg, .png), whole or not."""
    from matlever.storage import write_bytes, write_text

    suffix = out.suffix.lower()
    if suffix == ".csv" and table is not None:
        write_text(out, table().to_csv(index=False))
    elif suffix == ".html" and page is not None:
        write_text(out, page())
    elif figure is not None:
        stream = io.BytesIO()
        metadata = {"Date": None} if suffix == ".svg" else {}
        figure().savefig(stream, format=suffix[1:], dpi=150, metadata=metadata)
        write_bytes(out, stream.getvalue())
    click.echo(f"Written: {out}")

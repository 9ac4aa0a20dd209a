"""Table 1 of the Green LIME paper beside ours, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table as RichTable

from matlever.cli.console import standard_output
from matlever.study.words import number

__all__ = ["print_green_lime"]


def print_green_lime(found: Mapping[str, Any]) -> None:
    """Print CORR and NWISE of every unit, the printed ones beside ours."""
    out = standard_output()
    out.print(found["title"])
    out.print(found["statement"])
    corr = _grid("CORR: unit", "width", "ODE, paper", "ODE, ours", "LIME, paper", "LIME, ours")
    nwise = _grid(
        "NWISE: unit", "ODE, paper", "ODE, ours", "LIME, paper", "LIME, ours", "best line"
    )
    for row in found["table"]:
        lime, error = row["corr_lime"], row["corr_lime_se"]
        corr.add_row(
            str(row["unit"]),
            f"{row['kernel_width']:.4f}",
            f"{row['corr_ode_paper']:.4f}",
            f"{row['corr_ode']:.4f}",
            f"{row['corr_lime_paper']:.4f}",
            "–" if lime is None else f"{lime:.4f}" + (f" ± {error:.3f}" if error > 5e-5 else ""),
        )
        nwise.add_row(
            str(row["unit"]),
            *(
                number(row[key])
                for key in (
                    "nwise_ode_paper",
                    "nwise_ode",
                    "nwise_lime_paper",
                    "nwise_lime",
                    "nwise_best",
                )
            ),
        )
    out.print(corr)
    out.print(nwise)
    for sentence in found["sentences"]:
        out.print(sentence)


def _grid(*headers: str) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for position, header in enumerate(headers):
        grid.add_column(header, justify="left" if position == 0 else "right", overflow="fold")
    return grid

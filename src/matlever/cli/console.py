"""What the command line prints: progress on standard error, results on standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from matlever.exceptions import shorten

__all__ = ["ProgressCallback", "progress_display", "standard_output"]

ProgressCallback = Callable[[int, int, str], None]


def standard_output() -> Console:
    """Return a console on standard output that does not guess at markup or emphasis in data."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


@contextmanager
def progress_display(quiet: bool, unit: str = "fits") -> Iterator[ProgressCallback | None]:
    """Give a callback ``(done, total, what)`` that draws finished counts and the time left.

    On a terminal a bar is drawn; elsewhere one line is printed for each new part of the work.
    """
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if quiet:
        yield None
        return
    if not console.is_terminal:
        last = ""

        def print_line(done: int, total: int, what: str) -> None:
            nonlocal last
            if what != last:
                last = what
                console.print(f"[{done}/{total}] {what}")

        yield print_line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=shorten(what, 34))

        yield update

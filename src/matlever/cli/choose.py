"""What a command about a finished study is about: its targets, its rows, its knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matlever.cli.errors import printable
from matlever.exceptions import SettingsError, shorten

if TYPE_CHECKING:
    import pandas as pd

    from matlever.knobs import TableEditor
    from matlever.study import Study, Wishes
    from matlever.tables import Column

__all__ = ["Chosen", "row_options", "study_argument", "target_option"]

_ROWS_SHOWN = 12

study_argument = click.argument("study_folder", metavar="STUDY", type=click.Path(path_type=Path))

target_option = click.option(
    "--target",
    "-t",
    "targets",
    multiple=True,
    metavar="COLUMN",
    help="Target of the study; default: all; may be given several times.",
)


def row_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which rows a command is about."""
    for option in (
        click.option(
            "--file",
            "-f",
            "file",
            metavar="FILE",
            help="Other settings: a file with the study's input columns.",
        ),
        click.option(
            "--row",
            "-r",
            "rows",
            multiple=True,
            type=int,
            metavar="N",
            help="Row of the study's table by its line number; may be given several times.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Chosen:
    """A study, and what was asked about.

    Attributes
    ----------
    study : Study
    targets : tuple of Column
        Those that were named, or all.
    wishes : Wishes
        What was said about knobs and goals for this command alone.
    """

    study: Study
    targets: tuple[Column, ...]
    wishes: Wishes

    @classmethod
    def of(cls, folder: Path, targets: Sequence[str] = (), **said: Any) -> Chosen:
        """Load a study and find the columns that were named.

        Raises
        ------
        StudyError
            If there is no finished study, or one without knobs.
        SettingsError
            If a column does not exist.
        """
        from matlever.study import Wishes, find_column, load_study

        study = load_study(folder)
        _ = study.known
        model = study.model
        named = [find_column(name, model.targets, "target") for name in targets]
        return cls(
            study,
            tuple(dict.fromkeys(named)) or model.targets,
            Wishes.of(said, model.inputs, model.targets),
        )

    def editor(self, start: TableEditor) -> TableEditor:
        """Return the knobs of `start` with what was said about them for this command."""
        from matlever.study import turned_editor

        return turned_editor(start, self.wishes)

    def rows(
        self, numbers: Sequence[int], file: str | None, most: int, reading: Any = None
    ) -> pd.DataFrame:
        """Return the rows that were asked for, or at most `most` spread over the first target.

        Raises
        ------
        SettingsError
            If a row is not in use, or rows and a file are given.
        """
        if file is not None:
            if numbers:
                raise SettingsError("Give --row (rows of the study) or --file (others), not both.")
            return self.new_rows(file, reading or {})
        if not numbers:
            from matlever.study import spread_rows

            samples, outcomes = self.study.known.measured(self.targets[0].name)
            return samples.iloc[spread_rows(outcomes, most)]
        samples = self.study.samples
        absent = [row for row in numbers if row not in samples.index]
        if absent:
            known = [str(row) for row in samples.index[:_ROWS_SHOWN]]
            more = ", ..." if len(samples) > _ROWS_SHOWN else ""
            raise SettingsError(
                f"Row {absent[0]} is not one the study used. Rows are line numbers of the file; "
                f"in use are {', '.join(known)}{more} ({len(samples)} in all)."
            )
        return samples.loc[list(dict.fromkeys(numbers))]

    @property
    def goals(self) -> dict[str, Any]:
        """The goals that were given, else those of the study."""
        if self.wishes.goals:
            return dict(self.wishes.goals)
        from matlever.study import Wishes

        said = {"goals": self._settings.get("goals") or {}}
        model = self.study.model
        return dict(Wishes.of(said, model.inputs, model.targets).goals)

    def held(self, said: Sequence[str]) -> dict[str, str]:
        """Return the inputs that are held at a setting, from words such as "solvent=toluene".

        Raises
        ------
        SettingsError
            If one has no such form, or names no input.
        """
        from matlever.study import find_column

        found = {}
        for one in said:
            name, equals, value = one.partition("=")
            if not equals or not value.strip():
                raise SettingsError(f"--set {one!r} is not of the form COLUMN=VALUE.")
            found[find_column(name.strip(), self.study.model.inputs, "input").name] = value.strip()
        return found

    @property
    def limited(self) -> set[str]:
        """Knobs whose limits the user set, for this command or in the study."""
        from matlever.study import Wishes

        said = {"limits": self._settings.get("limits") or {}}
        model = self.study.model
        return {*self.wishes.limits, *Wishes.of(said, model.inputs, model.targets).limits}

    @property
    def dates(self) -> set[str]:
        """Inputs that are dates: days since 1970-01-01."""
        return {column.name for column in self.study.model.inputs if column.kind == "date"}

    @property
    def row_names(self) -> dict[str, str]:
        """What rows of the study are called, by their number; empty for a table."""
        return dict((self.study.results.get("data") or {}).get("row_names") or {})

    @property
    def seed(self) -> int:
        """Seed of the study."""
        seed = self._settings.get("seed")
        return seed if isinstance(seed, int) else 0

    def skill(self, target: str) -> str | None:
        """Return the verdict of the study on a target."""
        for entry in self.study.results.get("targets") or ():
            if entry.get("name") == target:
                verdict: str | None = (entry.get("verdict") or {}).get("skill")
                return verdict
        return None

    @property
    def _settings(self) -> dict[str, Any]:
        found = self.study.results.get("settings")
        return found if isinstance(found, dict) else {}

    def new_rows(self, file: str, reading: Any) -> pd.DataFrame:
        """Read settings from a file; columns the model does not use are noted."""
        model = self.study.model
        frame = model.kind.read_rows(file, model.inputs, **reading)
        ignored = frame.attrs.get("ignored")
        if ignored:
            names = shorten(printable(", ".join(ignored)), 300)
            click.echo(f"note: columns the model does not use: {names}", err=True)
        frame.attrs = {}
        return frame

    def page(self, part: str, found: dict[str, Any]) -> str:
        """Return one part of a report as a page of its own."""
        from matlever.report import render_part

        return render_part(self.study.results, part, found)

"""All of a study that is computed: validation, fits, explanations and advice, part by part."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from typing import Any

from matlever._version import __version__
from matlever.study.changes_part import advice_sentences, changes_part
from matlever.study.experiments import proposed_part
from matlever.study.explain import neighbouring, paired, swept, weighed
from matlever.study.folder import RESULTS_SCHEMA
from matlever.study.kinds import DataKind
from matlever.study.known import KnownRows
from matlever.study.model import StudyModel
from matlever.study.one_target import spread_factor
from matlever.study.record import study_command, versions
from matlever.study.settings import StudySettings
from matlever.study.stages import Stages
from matlever.study.target import target_rows
from matlever.study.turn import Wishes
from matlever.study.validate import count_fits, validate
from matlever.study.words import headline, listed, target_sentence
from matlever.tables import Table

__all__ = ["Progress", "computed"]

Progress = Callable[[int, int, str], None]


def computed(
    table: Table,
    known: KnownRows,
    wishes: Wishes,
    settings: StudySettings,
    kind: DataKind,
    stages: Stages,
    progress: Progress | None,
) -> tuple[dict[str, Any], StudyModel]:
    """Return the results and the model, taking finished parts from `stages`."""
    rows = [target_rows(table, column, settings) for column in table.target_columns]
    tick = _ticker(
        progress, sum(count_fits(one, settings, kind) + 3 for one in rows) + 2 * settings.advice
    )
    targets, predictors, factors = [], {}, {}
    for position, one in enumerate(rows):
        validated = validate(one, settings, kind, stages, tick)
        predictor = validated.predictor
        skill = validated.results["verdict"]["skill"]
        name = one.column.name
        tick(0, f"{name}: weights of the knobs")
        weights = stages.value(
            f"weights-{position}",
            partial(
                weighed,
                predictor,
                known.observed,
                one,
                kind.reference(one.X),
                settings.seed,
                skill,
            ),
        )
        tick(1, f"{name}: sweeps")
        sweeps = stages.value(
            f"sweeps-{position}",
            partial(swept, predictor, known.observed, one, validated.has_intervals),
        )
        tick(1, f"{name}: two knobs together")
        pairs = stages.value(f"pairs-{position}", partial(paired, predictor, known.observed, one))
        tick(1, f"{name}: done")
        targets.append(
            {
                **validated.results,
                "weights": weights,
                "sweeps": sweeps,
                "pairs": pairs,
                "neighbours": neighbouring(known.observed, one, validated.results["held_out"]),
            }
        )
        predictors[name] = predictor
        factors[name] = spread_factor(predictor, one.X, settings.level)
    model = StudyModel(
        table.input_columns,
        table.target_columns,
        predictors,
        settings.level,
        {one.column.name: one.honest.n_units for one in rows},
        factors,
        known,
        kind,
    )
    changes = following = None
    if settings.advice:
        asked = (model, known, wishes.goals, targets, settings.seed)
        tick(0, "what to change")
        changes = stages.value("changes", partial(changes_part, *asked))
        tick(1, "experiments to run next")
        following = stages.value("next", partial(proposed_part, *asked))
        tick(1, "done")
    data = {**table.to_dict(), **kind.facts()}
    results = {
        "schema": RESULTS_SCHEMA,
        "matlever_version": __version__,
        "title": f"{listed([one.column.name for one in rows])} from {table.source}",
        "data": data,
        "settings": {**settings.to_dict(), "file": table.source},
        "targets": targets,
        "changes": changes,
        "next": following,
        "summary": {
            "headline": headline(targets),
            "sentences": [
                *(target_sentence(one, one["scores"][0]["honest"]["r2"]) for one in targets),
                *advice_sentences(changes if wishes.goals else None, data.get("row_names")),
            ],
        },
        "warnings": list(data.get("warnings", [])),
        "record": {
            "python": platform.python_version(),
            "libraries": versions(),
            "seed": settings.seed,
            "command": study_command(settings),
        },
    }
    return results, model


def _ticker(progress: Progress | None, total: int) -> Callable[[int, str], None]:
    done = 0

    def tick(fits: int, what: str) -> None:
        nonlocal done
        done += fits
        if progress is not None:
            progress(done, total, what)

    return tick

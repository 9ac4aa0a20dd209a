"""Results documents as a study would write them, from easy to nasty.

All numbers are made up from seeded noise around simple laws: they only have to look like a study.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Json = dict[str, Any]
HOSTILE = (
    '<script>alert("x")</script><img src=x onerror=alert(1)>"\'>&amp; $\\frac{1}{0}$ '
    "</svg></style><!-- ]]> --> \x00\x1b[31m \u202e\ud800 #1764a3 javascript:alert(1) "
)


def _r(values: Any, digits: int = 5) -> Any:
    return np.round(np.asarray(values, dtype=float), digits).tolist()


def _score(mean: float, sd: float, scale: float) -> Json:
    repeats = {"values": [mean], "split_sd": sd / 3}
    return {
        "r2": {"mean": mean, "sd": sd, **repeats},
        "rmse": {
            "mean": scale * max(1 - mean, 0.01) ** 0.5,
            "sd": 0.08 * scale,
            **repeats,
        },
        "mae": {"mean": 0.7 * scale * max(1 - mean, 0.01) ** 0.5, "sd": 0.05 * scale},
    }


def _column(name: str, unit: str | None, role: str, values: Any, kind: str = "numeric") -> Json:
    if kind in ("categorical", "group"):
        levels = sorted(set(values))
        low = high = None
    else:
        levels, (low, high) = None, (float(np.min(values)), float(np.max(values)))
    return {
        "name": name,
        "header": f"{name} ({unit})" if unit else name,
        "unit": unit,
        "kind": kind,
        "role": role,
        "n_missing": 0,
        "n_distinct": len(set(values)),
        "lower": low,
        "upper": high,
        "levels": levels,
    }


def _target(
    rng: np.random.Generator,
    name: str,
    unit: str | None,
    X: np.ndarray,
    law: Callable[[np.ndarray], np.ndarray],
    knobs: list[tuple[str, str | None]],
    *,
    r2: float,
    rows: list[int],
    skill: str,
    sentence: str,
    random_r2: float | None = None,
    three: tuple[float, float, float] | None = None,
    noise: float = 0.02,
    log: bool = False,
) -> Json:
    n, d = X.shape
    truth = law(X)
    sd = float(truth.std())
    measured = truth + noise * sd * rng.standard_normal(n)
    spread = sd * np.sqrt(max(1 - r2, 0.01))
    if r2 > 0:
        predicted = truth + spread * rng.standard_normal(n) * 0.95
    else:
        predicted = truth.mean() + 0.6 * sd * rng.standard_normal(n)
    half = 1.75 * spread * (0.85 + 0.3 * rng.random(n))
    if log:
        measured, predicted = np.abs(measured) + 0.01 * sd, np.abs(predicted) + 0.01 * sd
    scale = X.std(axis=0)
    step = 1e-3 * scale
    slopes = np.column_stack(
        [(law(X + step * e) - law(X - step * e)) / (2e-3) for e in np.eye(d)]
    ) + 0.02 * sd * rng.standard_normal((n, d))
    overall = [
        {
            "knob": knob,
            "mean_abs": float(np.abs(slopes[:, j]).mean()),
            "sd": float(np.abs(slopes[:, j]).std()),
            "direction": "+"
            if (slopes[:, j] > 0).mean() > 0.8
            else "-"
            if (slopes[:, j] < 0).mean() > 0.8
            else "mixed",
        }
        for j, (knob, _) in enumerate(knobs)
    ]
    sweeps = []
    for j, (knob, knob_unit) in enumerate(knobs):
        values = np.linspace(X[:, j].min(), X[:, j].max(), 11)
        curves = []
        for row in X[:40]:
            turned = np.repeat(row[None], 11, axis=0)
            turned[:, j] = values
            curves.append(law(turned))
        mean = np.mean(curves, axis=0)
        sweeps.append(
            {
                "knob": knob,
                "unit": knob_unit,
                "kind": "continuous",
                "values": _r(values),
                "levels": None,
                "mean": _r(mean),
                "lower": _r(mean - half.mean()),
                "upper": _r(mean + half.mean()),
                "individual": _r(curves),
                "inside": [1.0] * len(values),
                "data": _r(X[:, j]),
                "scale": "linear",
                "box": {
                    **{
                        name: _r(np.quantile(curves, share, axis=0))
                        for name, share in {
                            "median": 0.5,
                            "q1": 0.25,
                            "q3": 0.75,
                            "whisker_low": 0.0,
                            "whisker_high": 1.0,
                        }.items()
                    },
                    "outliers": [[] for _ in values],
                },
            }
        )

    pairs = [_pair(X, law, knobs, first, second) for first, second in ((0, 1), (1, 2))]

    def entry(model: str, honest: float, *, default: bool = False, base: bool = False) -> Json:
        beside = None
        if random_r2 is not None:
            beside = _score(random_r2 - (r2 - honest if not base else random_r2 - 0.1), 0.02, sd)
        return {
            "model": model,
            "is_default": default,
            "is_baseline": base,
            "honest": _score(honest, 0.05, sd),
            "random": beside,
        }

    best = strongest = max(overall, key=lambda entry: entry["mean_abs"])
    missed = int(np.sum(np.abs(measured - predicted) > half))
    groups = random_r2 is not None
    return {
        "name": name,
        "unit": unit,
        "n_rows": n,
        "model": "average of two Gaussian processes and extra-trees",
        "log_scale": log,
        "mean": float(measured.mean()),
        "sd": sd,
        "protocols": {
            "honest": {
                "text": "10-fold cross-validation, 3 repeats, whole groups of 'citation' held out "
                "(31 groups)."
                if groups
                else f"10-fold cross-validation, {5 if n < 60 else 3} repeats.",
                "n_folds": 10,
                "n_repeats": 3,
            },
            "random": {
                "text": "10-fold cross-validation, 3 repeats, rows held out at random.",
                "n_folds": 10,
                "n_repeats": 3,
            }
            if groups
            else None,
        },
        "scores": [
            entry("Gaussian process + linear + extra-trees", r2, default=True),
            entry("Gaussian process", r2 - 0.03),
            entry("Gaussian process + linear", r2 - 0.02),
            entry("extra-trees", r2 - 0.08),
            entry("network, taught augmentation", r2 - 0.04),
            entry("network, SMOTE-REG", r2 - 0.21),
            entry("ridge", r2 - 0.32, base=True),
            entry("the mean", -0.07, base=True),
        ],
        "verdict": {"skill": skill, "sentence": sentence},
        "protocol_gap": {
            "sentence": f"On random folds the same model scores R² {random_r2:.2f}, because rows "
            "of one paper resemble each other. For a synthesis from a new paper expect "
            f"{r2:.2f}, not {random_r2:.2f}."
        }
        if groups
        else None,
        "three_numbers": {
            "paper_r2": three[0],
            "paper_r2_whole": three[0] - 0.06,
            "honest_r2": three[1],
            "permuted_r2": three[2],
            "permuted_r2_whole": three[2] - 0.3,
            "n_augmented": 9100,
            "sentence": f"The paper's protocol reads {three[0]:.2f} here, and {three[2]:.2f} on "
            f"targets that were shuffled; rows never seen are predicted with {three[1]:.2f}.",
        }
        if three
        else None,
        "interval": {
            "level": 0.9,
            "method": "CV+",
            "coverage": 1 - missed / n,
            "n_rows": n,
            "factor": None,
            "mean_width": float(2 * half.mean()),
            "width_in_sd": float(2 * half.mean() / sd),
            "too_few_rows": False,
            "sentence": f"The 90 % intervals covered {100 * (1 - missed / n):.0f} % of the "
            f"{n} held-out rows.",
        },
        "held_out": {
            "rows": rows,
            "measured": _r(measured),
            "predicted": _r(predicted),
            "lower": _r(predicted - half),
            "upper": _r(predicted + half),
        },
        "weights": {
            "method": "LIME, 1,000 samples per row",
            "knobs": [knob for knob, _ in knobs],
            "units": [knob_unit for _, knob_unit in knobs],
            "rows": rows,
            "slope_standardised": _r(slopes),
            "slope": _r(slopes / scale),
            "spread": _r(np.abs(slopes) / 20),
            "spread_over": "13 rotations of the design",
            "fidelity_at": "13 rotations of the design",
            "estimand": "lime",
            "radius": "two shells",
            "correlation": _r(0.99 - 0.1 * rng.random(n) ** 2),
            "nwise": _r(sd * sd * 0.05 * rng.random(n)),
            "unseen": _r(0.2 * rng.random(n)),
            "warnings": [],
            "r2": _r(
                np.clip(0.95 - 0.25 * rng.random(n) ** 2 - 0.4 * (rng.random(n) > 0.95), 0, 1)
            ),
            "overall": overall,
            "sentence": f"{best['knob']} matters most for {name}: {best['mean_abs']:.3g} "
            f"{unit or 'units'} per standard deviation, averaged over the rows.",
        },
        "sweeps": sweeps,
        "pairs": pairs,
        "neighbours": {
            "rows": rows[:12],
            "nearest": rows[1:13],
            "measured": _r(measured[1:13]),
            "distance": [0.0, *_r(0.3 * rng.random(11))],
            "radius": 0.15,
            "sentences": ["Nearest to row 2: row 3."] * 12,
        },
        "_strongest": strongest["knob"],
    }


def _pair(
    X: np.ndarray,
    law: Callable[[np.ndarray], np.ndarray],
    knobs: list[tuple[str, str | None]],
    first: int,
    second: int,
) -> Json:
    """Two knobs turned together, with settings that are far from data or cannot be set."""
    grids = [np.linspace(X[:, j].min(), X[:, j].max(), n) for j, n in ((first, 7), (second, 5))]
    mean = np.empty((7, 5))
    for i, a in enumerate(grids[0]):
        for j, b in enumerate(grids[1]):
            turned = X[:10].copy()
            turned[:, first], turned[:, second] = a, b
            mean[i, j] = law(turned).mean()
    inside, reached = np.ones((7, 5)), np.ones((7, 5))
    inside[5:, 3:], reached[0, 0] = 0.1, 0.0
    surface: list[list[float | None]] = _r(mean)
    surface[0][0] = None
    names = (knobs[first], knobs[second])
    return {
        "knobs": [name for name, _ in names],
        "units": [unit for _, unit in names],
        "kinds": ["continuous", "continuous"],
        "scales": ["linear", "log" if grids[1][0] > 0 else "linear"],
        "values": [_r(grid) for grid in grids],
        "levels": [None, None],
        "mean": surface,
        "lower": None,
        "upper": None,
        "inside": _r(inside),
        "reached": _r(reached),
        "interaction": 0.14,
        "interaction_sd": 0.2,
        "data": [_r(X[:, first]), _r(X[:, second])],
        "n_samples": 10,
        "n_calls": 350,
        "sentence": f"Turning {names[0][0]} and {names[1][0]} together moves it.",
    }


def _following(targets: list[Json], knobs: list[Json], *, given: bool) -> Json:
    """Three suggested experiments: towards goals, or where least is known."""
    experiments = []
    for place in range(3):
        share = 0.2 + 0.3 * place
        experiments.append(
            {
                "settings": {
                    column["name"]: column["levels"][0]
                    if column["levels"]
                    else column["lower"] + share * (column["upper"] - column["lower"])
                    for column in knobs
                },
                "pool_row": 7 + place if given else None,
                "expected": [
                    {
                        "target": target["name"],
                        "predicted": target["mean"] + place * target["sd"],
                        "std": 0.2 * target["sd"],
                        "lower": target["mean"] + (place - 0.5) * target["sd"],
                        "upper": target["mean"] + (place + 0.5) * target["sd"],
                        "chance": 0.3 * place if given else None,
                        "expected_improvement": 0.1 * target["sd"] if given else None,
                    }
                    for target in targets
                ],
                "probability": 0.25 * place if given else None,
                "acquisition": -1.5,
                "distance": 0.1 * place,
                "inside": place < 2,
                "nearest": [3, 9, 4],
                "at_limits": ["temperature at its lower limit 20"] if place == 2 else [],
                "reason": f"Worth a try, number {place + 1}.",
            }
        )
    ranges = [
        (None, [target["mean"], None], [target["mean"]] * 2)[place % 3]
        for place, target in enumerate(targets)
    ]
    return {
        "sentence": "3 experiments to run together.",
        "method": "expected improvement" if given else "explore",
        "model": "Gaussian process",
        "level": 0.9,
        "knobs": [column["name"] for column in knobs],
        "units": [column["unit"] for column in knobs],
        "targets": [
            {
                "target": target["name"],
                "goal": "maximise" if given else None,
                "range": ranges[place] if given else None,
                "best_so_far": target["mean"] + target["sd"] if given else None,
                "best_row": 5 if given else None,
                "left_out_r2": 0.8,
            }
            for place, target in enumerate(targets)
        ],
        "experiments": experiments,
        "warnings": ["2 of 3 suggestions stand at a limit."] if given else [],
    }


def _changes(targets: list[Json], knobs: list[Json]) -> Json:
    """One question about several rows; the second goal is out of reach and far from all data."""
    target, other = targets[0], targets[-1]
    mean, sd = target["mean"], target["sd"]
    rows = []
    for place, row in enumerate(target["held_out"]["rows"][:3]):
        start = [c["levels"][0] if c["levels"] else 0.5 * (c["lower"] + c["upper"]) for c in knobs]
        end = list(start)
        end[0] = knobs[0]["upper"]
        if knobs[-1]["levels"]:
            end[-1] = knobs[-1]["levels"][1]
        changed = [c["name"] for c, a, b in zip(knobs, start, end, strict=True) if a != b]
        answer = {
            "settings": end,
            "change": [0.0] * len(knobs),
            "changed": changed,
            "cost": 0.5,
            "prediction": [mean + (2 - place) * sd],
            "lower": [mean + (1.5 - place) * sd] if place else None,
            "upper": [mean + (2.5 - place) * sd] if place else None,
            "reached": place < 1,
            "miss": 0.1 * place,
            "at_limits": [{"knob": knobs[0]["name"], "side": "upper", "value": end[0]}],
            "blocking": [{"knob": knobs[0]["name"], "side": "upper", "value": end[0]}] * place,
            "inside": place < 2,
            "distance": 0.1 * place,
            "nearest": row,
            "sentence": f"Raise it, number {place + 1}.",
            "others": [
                {
                    "target": other["name"],
                    "before": other["mean"],
                    "after": other["mean"] + other["sd"],
                    "lower": None,
                    "upper": None,
                }
            ],
        }
        rows.append({"row": row, "start": start, "start_prediction": [mean], "answers": [answer]})
    question = {
        "sentence": "To reach: more of it",
        "method": "counterfactual",
        "knobs": [
            {
                "name": c["name"],
                "unit": c["unit"],
                "kind": "categorical" if c["levels"] else "continuous",
                "lower": 0.0 if c["levels"] else c["lower"],
                "upper": len(c["levels"]) - 1.0 if c["levels"] else c["upper"],
                "step": None,
                "levels": c["levels"] or [],
                "fixed": False,
                "cost": 1.0,
            }
            for c in knobs
        ],
        "targets": [target["name"]],
        "target_units": [target["unit"]],
        "goal": [
            {
                "target": target["name"],
                "point": None,
                "lower": mean + sd,
                "upper": None,
                "tolerance": None,
                "text": "at least that",
            }
        ],
        "level": 0.9,
        "held": [],
        "max_changes": None,
        "rows": rows,
        "timed_out": False,
        "warnings": ["The goal is not reached for 2 of 3 samples."],
    }
    example = {**question, "rows": rows[:1], "warnings": []}
    several = [question] if target["unit"] else [example, {**example, "timed_out": True}]
    return {"sentence": "The least change that reaches the goal.", "questions": several}


def _document(title: str, targets: list[Json], data: Json, headline: str, said: list[str]) -> Json:
    for target in targets:
        target.pop("_strongest")
    inputs = [column for column in data["columns"] if column["role"] == "input"]
    return {
        "schema": "matlever-results/1",
        "matlever_version": "0.1.0",
        "key": "0" * 64,
        "title": title,
        "data": data,
        "settings": {
            "level": 0.9,
            "missing": "drop",
            "n_folds": 10,
            "targets": [target["name"] for target in targets],
            "group": data["group"],
            "random_state": 0,
        },
        "targets": targets,
        "changes": _changes(targets, inputs),
        "next": _following(targets, inputs, given=data["group"] is None),
        "summary": {"headline": headline, "sentences": said},
        "warnings": [],
        "record": {
            "python": "3.11.2",
            "libraries": {"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.13.0"},
            "seed": 0,
            "command": f"matlever study {data['file']} --target {targets[0]['name']} --seed 0",
        },
    }


def _data(file: str, n: int, columns: list[Json], **changes: Any) -> Json:
    return {
        "file": file,
        "sha256": "9f2c" * 16,
        "rows_read": n,
        "rows_used": n,
        "simulated": False,
        "citation": None,
        "licence": None,
        "group": None,
        "n_groups": None,
        "n_replicates": 0,
        "columns": columns,
        "mixtures": [],
        "changes": [],
        "warnings": [],
    } | changes


def nanorods() -> Json:
    """28 simulated rows, three targets, one of them without skill."""
    rng = np.random.default_rng(0)
    n = 28
    X = np.column_stack(
        [
            rng.choice([489, 505, 515, 530, 545, 570], n),
            rng.choice([10, 15, 20, 25, 30, 40, 50, 60], n),
            rng.choice([8, 10, 12, 14, 16], n),
        ]
    ).astype(float)
    knobs = [("core absorption edge", "nm"), ("core amount", "nmol"), ("S amount", "mg")]

    def length(X: np.ndarray) -> np.ndarray:
        return 28 * (X[:, 1] / 30) ** -0.75 * (X[:, 0] / 525) ** 1.5 * (X[:, 2] / 12) ** 0.4 + 6

    def width(X: np.ndarray) -> np.ndarray:
        return 4.3 + 0.006 * (X[:, 0] - 525) + 0.17 * (X[:, 2] - 12) + 0.006 * (X[:, 1] - 30)

    rows = list(range(2, n + 2))
    targets = [
        _target(
            rng,
            "length",
            "nm",
            X,
            length,
            knobs,
            r2=0.83,
            rows=rows,
            skill="strong",
            sentence="Length can be predicted: on rows the model never saw, R² is 0.83 ± 0.05, "
            "against −0.07 for always guessing the mean.",
            three=(0.98, 0.83, 0.81),
        ),
        _target(
            rng,
            "width",
            "nm",
            X,
            width,
            knobs,
            r2=0.34,
            rows=rows,
            skill="weak",
            sentence="Width can be predicted a little: R² is 0.34 ± 0.05 on rows the model never "
            "saw. Use it to rank, not to hit a value.",
            three=(0.95, 0.34, 0.87),
        ),
        _target(
            rng,
            "aspect ratio",
            None,
            X,
            lambda X: length(X) / width(X),
            knobs,
            r2=-0.21,
            rows=rows,
            skill="none",
            noise=0.5,
            sentence="There is no evidence of skill: R² is −0.21 ± 0.05 on rows the model never "
            "saw, no better than always guessing the mean.",
            three=(0.93, -0.21, 0.92),
        ),
    ]
    columns = [_column(name, unit, "input", X[:, j]) for j, (name, unit) in enumerate(knobs)]
    columns += [_column(t["name"], t["unit"], "target", t["held_out"]["measured"]) for t in targets]
    data = _data(
        "nanorods.csv",
        n,
        columns,
        simulated=True,
        rows_read=31,
        n_replicates=3,
        changes=[
            {"what": "row dropped: 'S amount' is missing", "count": 2, "rows": [7, 19]},
            {"what": "exact duplicate of an earlier row dropped", "count": 1, "rows": [23]},
            {"what": "column 'sample' set aside: it numbers the rows", "count": 1, "rows": []},
        ],
        citation="Simulated by matlever after the growth law described in the nanorod paper.",
    )
    return _document(
        "Nanorod growth",
        targets,
        data,
        "Length can be predicted well and width a little; for the aspect ratio there is no "
        "evidence of skill.",
        [
            "Core amount is the strongest knob for length: more of it makes shorter rods.",
            "A paper-style score would have claimed R² above 0.9 for all three targets, and for "
            "shuffled ones too.",
        ],
    )


def photo() -> Json:
    """246 rows of a mixture and a categorical input, one skewed target."""
    rng = np.random.default_rng(1)
    n = 246
    X = rng.dirichlet(np.ones(4), n)
    knobs = [(name, None) for name in ("mat_1", "mat_2", "mat_3", "mat_4")]

    def law(X: np.ndarray) -> np.ndarray:
        return np.exp(3 + 2.5 * X[:, 0] - 3 * (X[:, 1] - 0.3) ** 2 * 4 + 0.8 * X[:, 2])

    target = _target(
        rng,
        "degradation",
        "%/h",
        X,
        law,
        knobs,
        r2=0.71,
        rows=list(range(2, n + 2)),
        skill="useful",
        log=True,
        sentence="Degradation can be predicted usefully: R² is 0.71 ± "
        "0.05 on rows the model never saw.",
        three=(0.96, 0.71, 0.77),
    )
    levels = ["spin-coated", "blade-coated", "slot-die", "inkjet"]
    means = [float(target["mean"] * f) for f in (1.0, 1.2, 0.8, 1.1)]
    target["sweeps"].append(
        {
            "knob": "deposition",
            "unit": None,
            "kind": "categorical",
            "values": [0, 1, 2, 3],
            "levels": levels,
            "mean": means,
            "lower": [m * 0.7 for m in means],
            "upper": [m * 1.3 for m in means],
            "individual": [[m * f for m in means] for f in (0.8, 0.9, 1.05, 1.2)],
            "data": [],
        }
    )
    target["pairs"][1] |= {
        "knobs": ["deposition", "mat_1"],
        "kinds": ["categorical", "continuous"],
        "scales": ["linear", "linear"],
        "values": [[0, 1, 2, 3], [0.0, 0.25, 0.5, 0.75, 1.0]],
        "levels": [levels, None],
        "mean": [[m * f for f in (1.0, 1.1, 1.3, 1.7, 2.0)] for m in means],
        "inside": [[1.0] * 5] * 4,
        "reached": [[1.0] * 5] * 4,
        "data": [[0, 1, 1, 2, 3], [0.1, 0.3, 0.3, 0.9, 0.5]],
    }
    columns = [_column(name, unit, "input", X[:, j]) for j, (name, unit) in enumerate(knobs)]
    columns.append(_column("deposition", None, "input", levels, "categorical"))
    columns.append(_column("degradation", "%/h", "target", target["held_out"]["measured"]))
    mixture = {"names": [name for name, _ in knobs], "total": 1.0}
    return _document(
        "Photostability of a four-part blend",
        [target],
        _data(
            "photo_pce10.csv",
            n,
            columns,
            mixtures=[mixture],
            licence="MIT",
            citation="F. Häse et al., Mach. Learn.: Sci. Technol. 2 (2021) 035021.",
        ),
        "Degradation can be predicted usefully.",
        ["mat_1 is the strongest knob: more of it degrades faster."],
    )


def hot_injection() -> Json:
    """199 syntheses of 31 papers: held-out papers beside random folds."""
    rng = np.random.default_rng(2)
    n, names = (
        199,
        [
            ("injection temperature", "°C"),
            ("growth temperature", "°C"),
            ("metal amount", "mmol"),
            ("chalcogen amount", "mmol"),
            ("metal/Se ratio", None),
            ("carboxylic acid", "mmol"),
            ("amine", "mmol"),
            ("phosphine", "mmol"),
            ("total mass", "g"),
            ("time", "min"),
        ],
    )
    X = (
        rng.random((n, len(names))) * [100, 100, 1, 1, 3, 5, 5, 8, 20, 60] + [220, 200] + [0] * 8
        if False
        else rng.random((n, len(names))) * np.array([100, 100, 1, 1, 3, 5, 5, 8, 20, 60])
    )
    X[:, :2] += [220, 200]

    def law(X: np.ndarray) -> np.ndarray:
        return 2.5 + 0.012 * (X[:, 1] - 200) + 0.9 * np.log1p(X[:, 9] / 4) - 0.1 * X[:, 5]

    target = _target(
        rng,
        "diameter",
        "nm",
        X,
        law,
        names,
        r2=0.19,
        random_r2=0.86,
        skill="weak",
        rows=list(range(2, n + 2)),
        noise=0.1,
        sentence="Across papers, diameter is predicted only weakly: R² is 0.19 ± 0.05 when whole "
        "papers are held out.",
        three=(0.97, 0.19, 0.72),
    )
    columns = [_column(name, unit, "input", X[:, j]) for j, (name, unit) in enumerate(names)]
    columns.append(
        _column("citation", None, "group", [f"paper {i % 31}" for i in range(n)], "group")
    )
    columns.append(_column("diameter", "nm", "target", target["held_out"]["measured"]))
    document = _document(
        "CdSe nanocrystals by hot injection",
        [target],
        _data(
            "cdse_hot_injection.csv",
            n,
            columns,
            group="citation",
            n_groups=31,
            rows_read=227,
            changes=[
                {
                    "what": "row dropped: 'diameter' is missing",
                    "count": 28,
                    "rows": [3, 9, 12, 17, 31, 44, 45, 61, 70, 88],
                }
            ],
            warnings=["Column 'solvent2' has 14 levels for 199 rows."],
        ),
        "For a new paper's synthesis the diameter is hardly predictable; within known ones it is.",
        ["Random folds would have said R² 0.86: that score is about papers already in the table."],
    )
    document["warnings"] = [
        "The random-fold score must not be quoted as the accuracy for new labs."
    ]
    return document


def _poison(value: Any, rng: np.random.Generator, key: str = "") -> Any:
    if isinstance(value, dict):
        return {
            (HOSTILE + name if key in ("libraries", "settings") else name): _poison(part, rng, name)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_poison(part, rng, key) for part in value]
    if isinstance(value, str):
        kept = ("schema", "skill", "direction", "kind", "role")
        return value if key in kept else HOSTILE + value
    if isinstance(value, float) and rng.random() < 0.1:
        return None
    return value


def nasty() -> Json:
    """1,000 rows, 40 inputs with long names, script in every string, holes everywhere."""
    rng = np.random.default_rng(3)
    n, d = 1000, 40
    X = rng.random((n, d))
    knobs = [
        (
            f"a very long name of an input that nobody shortened, number {j} of forty, measured "
            "with the second instrument after the repair",
            "µmol/(L·h·cm²)",
        )
        for j in range(d)
    ]
    weights = rng.standard_normal(d)
    target = _target(
        rng,
        "x" * 300,
        "unit that is itself long",
        X,
        lambda X: X @ weights,
        knobs,
        r2=0.5,
        rows=list(range(2, n + 2)),
        skill="useful",
        sentence="S" * 500,
        three=(0.9, 0.5, 0.7),
        random_r2=0.6,
    )
    columns = [_column(name, unit, "input", X[:, j]) for j, (name, unit) in enumerate(knobs)]
    document = _document(
        "T" * 400,
        [target],
        _data(
            "f" * 300 + ".csv",
            n,
            columns,
            group="g",
            n_groups=3,
            changes=[{"what": "w", "count": 40, "rows": [1, 2]}],
            warnings=["w"] * 30,
        ),
        "H" * 300,
        ["s " * 200],
    )
    document["warnings"] = ["careful"]
    return _poison(document, rng)  # type: ignore[no-any-return]


def reproduction() -> Json:
    """What ``matlever reproduce nanorods`` has to say."""
    rng = np.random.default_rng(4)
    paper = {
        "length": (
            "nm",
            (2.7948, 13.280, 0.9761),
            (5.9316, 83.120, 0.7486),
            (0.2716, 7.7793, 0.0325),
        ),
        "width": (
            "nm",
            (0.0467, 0.0038, 0.9784),
            (0.1309, 0.0361, 0.5802),
            (0.0049, 0.0028, 0.0376),
        ),
        "aspect ratio": (
            None,
            (0.6385, 0.9289, 0.9730),
            (1.5703, 5.7627, 0.7055),
            (0.093, 0.6599, 0.0464),
        ),
    }
    table, three, scatter, weights = [], [], [], []
    knobs = ["core absorption edge", "core amount", "S amount"]
    for name, (unit, original, whole, sd) in paper.items():
        for m, metric in enumerate(("MAE", "MSE", "R2")):
            better = 0.9 if metric != "R2" else 1.005
            table.append(
                {
                    "rows": "original",
                    "target": name,
                    "unit": unit,
                    "metric": metric,
                    "paper": original[m],
                    "paper_sd": None,
                    "ours_paper_protocol": original[m] * better,
                    "ours_paper_protocol_sd": None,
                    "ours_honest": 0.71 if metric == "R2" else original[m] * 4,
                    "ours_honest_sd": 0.06 if metric == "R2" else original[m] * 0.5,
                }
            )
            table.append(
                {
                    "rows": "whole",
                    "target": name,
                    "unit": unit,
                    "metric": metric,
                    "paper": whole[m],
                    "paper_sd": sd[m],
                    "ours_paper_protocol": whole[m] * (0.8 if metric != "R2" else 1.2),
                    "ours_paper_protocol_sd": sd[m] * 0.8,
                    "ours_honest": None,
                    "ours_honest_sd": None,
                }
            )
        three.append(
            {
                "target": name,
                "paper_r2": 0.98,
                "paper_r2_whole": 0.91,
                "honest_r2": 0.71,
                "permuted_r2": 0.93,
                "permuted_r2_whole": 0.6,
                "n_augmented": 9100,
                "sentence": "Shuffled targets score almost as high under the paper's protocol.",
            }
        )
        scale = {"length": 25.0, "width": 0.5, "aspect ratio": 6.0}[name]
        centre = {"length": 50.0, "width": 4.3, "aspect ratio": 12.0}[name]
        y = centre + scale * rng.standard_normal(28)
        big = centre + 0.8 * scale * rng.standard_normal(4000)
        check = centre + scale * rng.standard_normal(3)
        scatter.append(
            {
                "target": name,
                "unit": unit,
                "original": {
                    "measured": _r(y),
                    "predicted": _r(y + 0.1 * scale * rng.standard_normal(28)),
                },
                "whole": {
                    "measured": _r(big),
                    "predicted": _r(big + 0.3 * scale * rng.standard_normal(4000)),
                },
                "honest": {
                    "measured": _r(y),
                    "predicted": _r(y + 0.5 * scale * rng.standard_normal(28)),
                },
                "validation": {
                    "measured": _r(check),
                    "predicted": _r(check + 0.3 * scale * rng.standard_normal(3)),
                    "honest": _r(check + 0.4 * scale * rng.standard_normal(3)),
                },
            }
        )
        true = scale * np.column_stack(
            [0.2 + 0.05 * rng.random(28), -0.5 - 0.6 * rng.random(28), 0.3 * rng.random(28)]
        )
        weights.append(
            {
                "target": name,
                "knobs": knobs,
                "units": ["nm", "nmol", "mg"],
                "rows": list(range(1, 29)),
                "lime": _r(true * (1 + 0.2 * rng.standard_normal(true.shape))),
                "true": _r(true),
                "correlation": 0.94,
                "correlation_default": 0.96,
            }
        )
    return {
        "schema": "matlever-reproduction/1",
        "title": "Nanorods from 28 rows: the paper's table, and what is behind it",
        "simulated": True,
        "statement": "The paper's 28 rows are not public. Everything here was computed on rows "
        "simulated by a growth law that agrees with what the paper reports.",
        "n_original": 28,
        "n_augmented": 9100,
        "table": table,
        "three_numbers": three,
        "scatter": scatter,
        "weights": weights,
        "sentences": [
            "The paper's scores are reached, by its protocol.",
            "The same protocol scores 0.93 on shuffled targets, so the score is not evidence.",
        ],
        "settings": {"seed": 0, "n_steps": 2500, "hidden": [64, 64]},
    }


_BUILDERS = {
    "nanorods": nanorods,
    "photo": photo,
    "hot_injection": hot_injection,
    "nasty": nasty,
    "reproduction": reproduction,
}


@pytest.fixture(scope="session")
def documents() -> dict[str, Json]:
    """All documents by name; tests must not change them."""
    return {name: build() for name, build in _BUILDERS.items()}


@pytest.fixture
def nanorods_results() -> Json:
    """A fresh nanorod document that a test may change."""
    return nanorods()

"""Parts of the micrograph study's reproduction: AttGAN's losses, the law asked, and words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matlever.micrographs import (
    ATTRIBUTES,
    AttGANSettings,
    ExactEditor,
    PeakStressLaw,
    SimulatedLots,
    train_attgan,
)
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages
from matlever.study.words import listed

__all__ = ["attgan_part", "figure_words", "law_part", "sem_sentences", "slopes_part"]

Array = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

# Signs of the slopes that the study reports in figure 5; 0 where it saw no clear trend.
_PAPER_SIGNS = {"size": -1, "porosity": 0, "polydispersity": 0, "facetness": 1}
_CURVE_POINTS = 200
_MINUTES = 3.0


def attgan_part(
    lots: SimulatedLots, seed: int, quick: bool, stages: Stages, told: Progress
) -> dict[str, Any]:
    """Train a narrow AttGAN for a few minutes, and return its losses (figure 10).

    Returns
    -------
    found : dict
        ``iterations``, ``losses`` (each thinned to at most 200 points), ``gain`` and ``slope`` by
        attribute as its own classifier reads them, and ``settings``.
    """
    changes: dict[str, Any] = (
        {"width": 4, "levels": 3, "n_epochs": 4.0, "n_d": 1, "head_width": 16, "batch_size": 16}
        if quick
        else {"n_epochs": 12.0}
    )
    settings = AttGANSettings.narrow(**changes)
    with warnings.catch_warnings():
        # So short a training edits little; the figures say so.
        warnings.filterwarnings("ignore", message="After .* iterations")
        editor = train_attgan(
            lots.tiles,
            settings,
            folder=stages.folder / "attgan-training",
            random_state=seed,
            checkpoint_minutes=0.5,
            max_minutes=None if quick else _MINUTES,
            progress=told,
        )
    curves = editor.curves
    n = len(curves)
    kept = np.unique(np.linspace(0, n - 1, min(n, _CURVE_POINTS)).round().astype(int))
    return {
        "iterations": [int(i) + 1 for i in kept],
        "losses": {
            name: [float(values[i]) for i in kept] for name, values in curves.losses.items()
        },
        "gain": curves.gain[-1].tolist() if curves.gain else None,
        "slope": curves.slope[-1].tolist() if curves.slope else None,
        "settings": settings.to_dict(),
    }


def law_part(
    lots: SimulatedLots, results: Mapping[str, Any], settings: LotsSettings
) -> dict[str, Any]:
    """Draw every proposed change again with the simulator, and ask the law.

    Returns
    -------
    found : dict
        ``rows``: for each lot and direction the mean stress of the tiles by the law ``before`` and
        ``after``, the share of tiles that move the right way (``moved``) and the share that meets
        the goal within the regressor's error on unseen lots (``met``); and both shares over all.
    """
    exact = ExactEditor()
    error = float(results["scores"]["lots_held_out"]["by_lot"]["rmse"])
    labels = {str(label): i for i, label in enumerate(lots.tiles.labels or ())}
    rows, moved_all, met_all = [], [], []
    for lot in results["backward"]["lots"]:
        for question in lot["questions"]:
            tiles = lots.tiles[[labels[row["tile"]] for row in question["rows"]]]
            proposed = np.array([row["settings"] for row in question["rows"]])
            before = exact.stress(tiles, tiles.attributes[:, None])[:, 0]
            after = exact.stress(tiles, proposed[:, None])[:, 0]
            mean = float(np.mean([row["prediction"] for row in question["rows"]]))
            up = question["direction"] == "up"
            goal = mean * (1 + settings.by if up else 1 - settings.by)
            moved = (after > before) if up else (after < before)
            met = (after >= goal - error) if up else (after <= goal + error)
            moved_all += moved.tolist()
            met_all += met.tolist()
            rows.append(
                {
                    "lot": lot["lot"],
                    "direction": question["direction"],
                    "goal": goal,
                    "before": float(before.mean()),
                    "after": float(after.mean()),
                    "moved": float(moved.mean()),
                    "met": float(met.mean()),
                }
            )
    return {
        "rows": rows,
        "error": error,
        "n": len(moved_all),
        "moved": float(np.mean(moved_all)) if moved_all else None,
        "met": float(np.mean(met_all)) if met_all else None,
    }


def slopes_part(lots: SimulatedLots, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each attribute the slope of the sweeps and that of the law, over the lots.

    Both from 0 to 1, the mean over the explained lots; ``paper`` is the sign in figure 5.
    """
    law = PeakStressLaw()
    truth = lots.lot_truth[list(ATTRIBUTES)]
    found = []
    for j, name in enumerate(ATTRIBUTES):
        ours, exact = [], []
        for lot in results["forward"]["lots"]:
            for one in lot["sweeps"]:
                if one["knob"] != name:
                    continue
                ours.append(one["mean"][-1] - one["mean"][0])
                ends = np.repeat(truth.loc[[lot["lot"]]].to_numpy(dtype=float), 2, axis=0)
                ends[:, j] = (0.0, 1.0)
                stress = law.stress(ends)
                exact.append(float(stress[1] - stress[0]))
        found.append(
            {
                "attribute": name,
                "paper": _PAPER_SIGNS[name],
                "ours": float(np.mean(ours)) if ours else None,
                "ours_by_lot": ours,
                "law": float(np.mean(exact)) if exact else None,
            }
        )
    return found


def figure_words(
    results: Mapping[str, Any],
    attgan: Mapping[str, Any],
    law: Mapping[str, Any],
    slopes: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return, figure by figure, what the paper shows and what ours shows."""
    seen, held = results["scores"]["tile_split"], results["scores"]["lots_held_out"]
    size = next(one for one in slopes if one["attribute"] == "size")
    right = [one["attribute"] for one in slopes if _agrees(one)]
    return [
        _figure(
            4,
            "One tile and one lot while size is turned",
            "For one tile of lot AS the predicted stress falls as size is turned from 0 to 1 in "
            "eleven steps; box plots over all tiles of the lot show the same trend.",
            f"From size 0 to 1 the prediction changes by {_signed(size['ours'])} psi, mean of the "
            f"explained lots; the law says {_signed(size['law'])}.",
        ),
        _figure(
            5,
            "Every attribute, three lots",
            "Larger crystals lower the stress and facets raise it in all three lots; porosity and "
            "polydispersity have no clear trend.",
            f"The sign agrees with the law for {listed(right) if right else 'no attribute'}. "
            + "; ".join(
                f"{one['attribute']} {_signed(one['ours'])} (law {_signed(one['law'])})"
                for one in slopes
            )
            + " psi from 0 to 1.",
        ),
        _figure(
            6,
            "One tile, changed both ways",
            "Smaller crystals with more porosity, polydispersity and facets are asked for where "
            "the stress is to rise.",
            "Below, each with its picture redrawn; figure 7 says what is common to the tiles.",
        ),
        _figure(
            7,
            "Mean over the tiles of a lot",
            "Means over the tiles of a low, a median and a high lot agree with the single tiles; "
            "nothing tells whether a lot made like that would be stronger.",
            f"Drawn again by the simulator at the proposed attributes, "
            f"{_percent(law['moved'])} of {law['n']} tiles move the right way by the law, and "
            f"{_percent(law['met'])} meet the goal within ± {law['error']:.0f} psi.",
        ),
        _figure(
            8,
            "Predicted and measured, lot by lot",
            "RMSE 66.0 psi and mean error 3.07 % over all lots, on a tenth of the tiles, drawn at "
            "random: every lot was seen in training.",
            f"By the same protocol RMSE {seen['by_tile']['rmse']:.0f} psi and mean error "
            f"{seen['by_tile']['mape_percent']:.1f} %; on lots never seen "
            f"{held['by_tile']['rmse']:.0f} psi and {held['by_tile']['mape_percent']:.1f} % "
            f"(R² of lots {_two(held['by_lot']['r2'])}). Drawn are the lots never seen.",
        ),
        _figure(
            9,
            "Error of each lot",
            "The root mean square error differs from lot to lot.",
            "It does here too, for lots never seen.",
        ),
        _figure(
            10,
            "Losses of the AttGAN",
            "Reconstruction improves, the adversarial loss rises, the attribute losses fall and "
            "settle, which is taken as evidence that the edits are right.",
            _attgan_words(attgan),
        ),
    ]


def sem_sentences(
    results: Mapping[str, Any], law: Mapping[str, Any], slopes: list[dict[str, Any]]
) -> list[str]:
    """Return what is to be concluded."""
    seen, held = results["scores"]["tile_split"], results["scores"]["lots_held_out"]
    wrong = [one["attribute"] for one in slopes if not _agrees(one)]
    found = [
        f"By the paper's protocol the network has a mean error of "
        f"{seen['by_tile']['mape_percent']:.1f} % (the paper: 3.07 %), on lots never seen "
        f"{held['by_tile']['mape_percent']:.1f} %.",
        "Sweeps have the law's sign for every attribute."
        if not wrong
        else f"Sweeps do not have the law's sign for {listed(wrong)}.",
    ]
    if law["n"]:
        found.append(
            f"Of the proposed changes, drawn again by the simulator, {_percent(law['moved'])} move "
            f"the stress the right way and {_percent(law['met'])} meet the goal within the "
            "network's error."
        )
    return found


def _figure(number: int, title: str, paper: str, ours: str) -> dict[str, Any]:
    return {"number": number, "title": title, "paper": paper, "ours": ours}


def _attgan_words(attgan: Mapping[str, Any]) -> str:
    n = attgan["iterations"][-1]
    first, last = (attgan["losses"]["reconstruction"][i] for i in (0, -1))
    text = (
        f"A narrow AttGAN after {n:,} iterations: reconstruction {first:.2f} to {last:.2f} (of a "
        "range of 2)."
    )
    if attgan["gain"]:
        gains = ", ".join(
            f"{name} {_two(gain)}" for name, gain in zip(ATTRIBUTES, attgan["gain"], strict=True)
        )
        text += (
            f" Falling losses say little of the edits: of a change that is asked for, its own "
            f"classifier sees {gains}."
        )
    return text


def _agrees(one: Mapping[str, Any]) -> bool:
    return one["ours"] is not None and one["law"] is not None and one["ours"] * one["law"] > 0


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+,.0f}".replace("-", "−")


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}\N{NO-BREAK SPACE}%"

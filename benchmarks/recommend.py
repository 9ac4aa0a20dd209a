"""How many experiments until a top row is found? Ours against BayBE and random choice.

Real tables stand in for the laboratory: a campaign starts with a few random rows, and one row after
the other is "measured" until one of the best 5 % is found. What is counted are the experiments
after the first rows; these are drawn from the rows that are not among the best, and are the same
for all methods. Replicates (rows with equal settings) are merged into their mean first. A campaign
that has found nothing after `--cap` experiments is counted as one more than that, and said.

- matlever: ``suggest(pool=...)`` with its defaults, one experiment at a time.
- BayBE: ``Campaign.recommend(1)`` with its default recommender, its space made of the pool; told
  not to repeat a measured row, which it would do otherwise, to its disadvantage.
- random: the exact distribution of drawing rows one by one (negative hypergeometric).

The settings of our Gaussian process were chosen on the tables in `TUNING` (with other seeds), which
are run only when named; the tables in `REPORTED` were looked at once that was done.

Printed: per table the median with quartiles and the mean, the paired difference to BayBE with a
95 % bootstrap interval over seeds, and the seconds per suggestion. Results are kept in `--cache` as
they come, so an interrupted run goes on where it stopped. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

import matlever as ml
from matlever.recommendation import suggest
from matlever.storage import write_json

OURS, PEER, RANDOM = "matlever", "BayBE", "random"
TOP = 0.05


@dataclass(frozen=True)
class Source:
    """A table: file, target, what is wanted of it, and columns that are no settings."""

    file: str
    target: str
    goal: str
    drop: tuple[str, ...] = ()


REPORTED = {
    "crossed_barrel": Source("olympus_crossed_barrel.csv", "toughness", "maximise"),
    "agnp": Source("olympus_agnp.csv", "spectrum_score", "maximise"),
    "autoam": Source("olympus_autoam.csv", "shape_score", "maximise"),
    "p3ht": Source("olympus_p3ht.csv", "conductivity", "maximise"),
    "fullerenes": Source("olympus_fullerenes.csv", "product", "maximise"),
    "photo_wf3": Source("olympus_photo_wf3.csv", "degradation", "minimise"),
}
_LIPIDS = ("drug_loading", "encap_efficiency", "particle_diameter")
TUNING = {
    "thin_film": Source("olympus_thin_film.csv", "instability_index", "minimise"),
    "photo_pce10": Source("olympus_photo_pce10.csv", "degradation", "minimise"),
    "lnp_size": Source("olympus_lnp3.csv", _LIPIDS[2], "minimise", _LIPIDS[:2]),
    "lnp_loading": Source("olympus_lnp3.csv", _LIPIDS[0], "maximise", _LIPIDS[1:]),
    "lnp_encapsulation": Source("olympus_lnp3.csv", _LIPIDS[1], "maximise", _LIPIDS[::2]),
    "steel_fatigue": Source(
        "nims_steel_fatigue.csv",
        "fatigue_strength_mpa",
        "maximise",
        ("tensile_strength_mpa", "fracture_strength_mpa", "hardness_hv"),
    ),
}
TABLES = REPORTED | TUNING
QUICK_TABLES, QUICK_SEEDS = ("autoam", "fullerenes"), 3


@dataclass(frozen=True)
class Campaign:
    """A table as a laboratory: settings, outcomes, which rows are the best, and the first rows."""

    inputs: pd.DataFrame
    outcomes: np.ndarray
    goal: str
    is_top: np.ndarray
    first: list[int]
    seed: int


def load(name, folder):
    """Return settings and mean outcome of each, and the goal."""
    source = TABLES[name]
    frame = pd.read_csv(folder / source.file).drop(columns=list(source.drop))
    frame = frame.dropna(subset=[source.target])
    inputs = [column for column in frame.columns if column != source.target]
    merged = frame.groupby(inputs, dropna=False, sort=False)[source.target].mean().reset_index()
    settings = merged[[name for name in inputs if len(merged[name].unique()) > 1]]
    numeric = settings.select_dtypes("number").columns
    settings = settings.astype(dict.fromkeys(numeric, float))
    return settings, merged[source.target].to_numpy(dtype=float), source.goal


def begin(name, folder, seed, n_first):
    """Return the campaign of one seed."""
    inputs, outcomes, goal = load(name, folder)
    score = outcomes if goal == "maximise" else -outcomes
    is_top = score >= np.quantile(score, 1 - TOP)
    rng = np.random.default_rng([sum(map(ord, name)), seed])
    first = rng.choice(np.flatnonzero(~is_top), n_first, replace=False).tolist()
    return Campaign(inputs, outcomes, goal, is_top, first, seed)


def run(chooser, campaign, cap):
    """Return the number of experiments until a top row (cap + 1: none), and seconds of each."""
    known, seconds = list(campaign.first), []
    choose = chooser(campaign)
    for step in range(1, cap + 1):
        start = time.perf_counter()
        row = choose(known)
        seconds.append(time.perf_counter() - start)
        assert row not in known
        known.append(row)
        if campaign.is_top[row]:
            return step, seconds
    return cap + 1, seconds


def ours(campaign):
    """Return a function from measured rows to the next row: ours."""
    editor = ml.as_editor(campaign.inputs)

    def choose(known):
        found = suggest(
            editor,
            campaign.inputs.iloc[known],
            campaign.outcomes[known],
            campaign.goal,
            pool=campaign.inputs,
            random_state=campaign.seed,
        )
        return int(found.pool_rows[0])

    return choose


def baybe(campaign):
    """Return a function from measured rows to the next row: BayBE's campaign."""
    from baybe import Campaign as BayBECampaign
    from baybe.objectives import SingleTargetObjective
    from baybe.parameters import CategoricalParameter, NumericalDiscreteParameter
    from baybe.searchspace import SearchSpace
    from baybe.settings import Settings
    from baybe.targets import NumericalTarget

    Settings(random_seed=campaign.seed).activate()
    inputs = campaign.inputs
    parameters = [
        NumericalDiscreteParameter(name, sorted(inputs[name].unique()))
        if pd.api.types.is_numeric_dtype(inputs[name])
        else CategoricalParameter(name, sorted(inputs[name].unique()))
        for name in inputs
    ]
    peer = BayBECampaign(
        SearchSpace.from_dataframe(inputs, parameters=parameters),
        SingleTargetObjective(NumericalTarget("y", minimize=campaign.goal == "minimise")),
        allow_recommending_already_measured=False,  # measuring again would tell nothing new here
    )
    row_of = {row: i for i, row in enumerate(inputs.itertuples(index=False, name=None))}
    told: list[int] = []

    def choose(known):
        new = [row for row in known if row not in told]
        peer.add_measurements(inputs.iloc[new].assign(y=campaign.outcomes[new]))
        told.extend(new)
        wanted = peer.recommend(1)[list(inputs)].itertuples(index=False, name=None)
        return row_of[next(wanted)]

    return choose


METHODS = {OURS: ours, PEER: baybe}


def measure(names, seeds, args, folder, results, save):
    """Run what is not in the results yet."""
    for name in names:
        for method in METHODS:
            for seed in seeds:
                key = f"{method} | {name} | {seed}"
                if key in results:
                    continue
                campaign = begin(name, folder, seed, args.first)
                steps, seconds = run(METHODS[method], campaign, args.cap)
                results[key] = {"steps": steps, "seconds": float(np.median(seconds))}
                save()
                print(f"  {key}: {steps} experiments, {sum(seconds):.1f} s", file=sys.stderr)


def random_choice(n_rows, n_top, cap):
    """Return quartiles and mean of the experiments that random choice needs, exactly.

    After t draws without replacement none of the K best of N rows was found with probability
    C(N - K, t) / C(N, t).
    """
    t = np.arange(cap + 1)
    left = np.r_[1.0, np.cumprod((n_rows - n_top - t[:-1]).clip(0) / (n_rows - t[:-1]))]
    quartiles = [int((1 - left < share).sum()) for share in (0.25, 0.5, 0.75)]
    return quartiles, left.sum()


def paired(difference):
    """Return the mean paired difference and its 95 % bootstrap interval over seeds."""
    rng = np.random.default_rng(0)
    means = rng.choice(difference, (10_000, len(difference))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return difference.mean(), low, high


def spread(quartiles, mean):
    low, middle, high = quartiles
    return f"{middle:g} ({low:g}-{high:g}) {mean:.1f}"


def report(names, seeds, args, folder, results):
    """Print one line per table, and on how many the median is not worse than the peer's."""
    print(
        f"Experiments until a row of the best {TOP:.0%} is found, after {args.first} random rows "
        f"that are none of them: median (quartiles) mean.\n{len(seeds)} seeds; {args.cap + 1} = "
        f"not found in {args.cap}; first rows are the same for all methods.\n"
    )
    columns = "".join(f"{method:>23}" for method in (OURS, PEER, RANDOM))
    print(f"{'table':18}{'rows':>6}{columns}{f'{OURS} - {PEER}':>24}   not found   s/suggestion")
    good = 0
    for name in names:
        found = {m: [results[f"{m} | {name} | {seed}"] for seed in seeds] for m in METHODS}
        steps = {m: np.array([one["steps"] for one in found[m]]) for m in METHODS}
        good += bool(np.median(steps[OURS]) <= np.median(steps[PEER]))
        campaign = begin(name, folder, 0, args.first)
        n_rows, n_top = len(campaign.outcomes), int(campaign.is_top.sum())
        texts = [spread(np.quantile(x, [0.25, 0.5, 0.75]), x.mean()) for x in steps.values()]
        texts.append(spread(*random_choice(n_rows - args.first, n_top, args.cap)))
        mean, low, high = paired(steps[OURS] - steps[PEER])
        missed = "/".join(str(int((steps[m] > args.cap).sum())) for m in METHODS)
        seconds = "/".join(f"{np.median([x['seconds'] for x in found[m]]):.2f}" for m in METHODS)
        print(
            f"{name:18}{n_rows:6d}"
            + "".join(f"{text:>23}" for text in texts)
            + f"{f'{mean:+.1f} ({low:+.1f} to {high:+.1f})':>24}{missed:>12}{seconds:>15}"
        )
    print(f"\nMedian not worse than {PEER}'s on {good} of {len(names)} tables.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(REPORTED))
    parser.add_argument("--seeds", type=int, default=20, help="campaigns per table and method")
    parser.add_argument("--first-seed", type=int, default=0, help="tuning used 1000 and up")
    parser.add_argument("--first", type=int, default=5, help="random rows a campaign begins with")
    parser.add_argument("--cap", type=int, default=60, help="most experiments of a campaign")
    parser.add_argument("--cache", type=Path, default=Path("out/recommend.json"))
    parser.add_argument(
        "--quick", action="store_true", help=f"{len(QUICK_TABLES)} tables, {QUICK_SEEDS} seeds"
    )
    args = parser.parse_args()
    if args.quick:
        args.tables, args.seeds = list(QUICK_TABLES), QUICK_SEEDS
    folder = Path(os.environ.get("MATLEVER_DATA", "../shared/data")) / "tables"
    missing = [
        TABLES[name].file for name in args.tables if not (folder / TABLES[name].file).exists()
    ]
    if missing:
        parser.error(f"{folder} has no files {missing}; set MATLEVER_DATA to the data folder.")
    made_with = {
        "first": args.first,
        "cap": args.cap,
        **{name: version(name) for name in ("matlever", "baybe", "botorch", "torch")},
    }
    stored = json.loads(args.cache.read_text()) if args.cache.exists() else {}
    results = stored.get("results", {}) if stored.get("made_with") == made_with else {}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    args.cache.parent.mkdir(parents=True, exist_ok=True)

    def save():
        write_json(args.cache, {"made_with": made_with, "results": results})

    torch.set_num_threads(1)
    with threadpool_limits(1):
        measure(args.tables, seeds, args, folder, results, save)
    print(", ".join(f"{name} {text}" for name, text in made_with.items()))
    report(args.tables, seeds, args, folder, results)


if __name__ == "__main__":
    main()

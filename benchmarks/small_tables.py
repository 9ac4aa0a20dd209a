"""Which predictor for 28 rows? Ours against the usual ones, on real tables.

For each table and subset: train on a random 28 rows, score on all others (at most 300), the same
rows for every method. Rows with exactly equal inputs are merged first: replicates would leak. The
tables are all of `MATLEVER_DATA`/tables (default ../shared/data) with at least 60 such rows, one
row per experiment with its settings as columns, and a measured target. Settings of the methods
were fixed beforehand; nothing here is tuned to the test rows.

Printed: mean normalised RMSE (RMSE / standard deviation of the test rows; 1 = guessing their mean)
over tables, with 95 % bootstrap intervals over tables and then subsets; paired differences to ours;
coverage and width of nominal 90 % intervals. Results are kept in `--cache` as they come, so an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
import torch
from joblib import Parallel, delayed
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import matlever
from matlever.storage import write_json
from matlever.tables import (
    AugmentedRegressor,
    DenseRegressor,
    SmallTableRegressor,
    SmoteReg,
    TableEncoder,
    TableRegressor,
    TaughtAugmentation,
)
from matlever.validation import CrossConformalRegressor

OURS = "matlever default"
SMOTE = "networks + SMOTE-REG"
SPREAD = "networks (deep ensemble)"
LEVEL = 0.9
N_TRAIN, MAX_TEST = 28, 300


@dataclass(frozen=True)
class Source:
    """A table: file, target, and columns that are no settings."""

    file: str
    target: str
    drop: tuple[str, ...] = ()


TABLES = {
    "agnp": Source("olympus_agnp.csv", "spectrum_score"),
    "autoam": Source("olympus_autoam.csv", "shape_score"),
    "crossed_barrel": Source("olympus_crossed_barrel.csv", "toughness"),
    "fullerenes": Source("olympus_fullerenes.csv", "product"),
    "p3ht": Source("olympus_p3ht.csv", "conductivity"),
    "thin_film": Source("olympus_thin_film.csv", "instability_index"),
    "photo_wf3": Source("olympus_photo_wf3.csv", "degradation"),
    "photo_pce10": Source("olympus_photo_pce10.csv", "degradation"),
    "lnp3": Source("olympus_lnp3.csv", "particle_diameter", ("drug_loading", "encap_efficiency")),
    "oer_plate": Source("olympus_oer_plate_3496.csv", "overpotential"),
    "steel_fatigue": Source(
        "nims_steel_fatigue.csv",
        "fatigue_strength_mpa",
        ("tensile_strength_mpa", "fracture_strength_mpa", "hardness_hv"),
    ),
    "cdse": Source(
        "cdse_hot_injection.csv",
        "diameter_nm",
        ("row", "absorbance_max_nm", "pl_max_nm", "diameter_from", "citation"),
    ),
}
QUICK_TABLES = ("fullerenes", "p3ht", "cdse")


def methods():
    """Return the estimators by name; each encodes categories itself, inside its training rows."""
    kernel = ConstantKernel() * Matern(nu=2.5) + WhiteKernel(0.1)
    networks = {"n_steps": 500, "random_state": 0}
    return {
        OURS: CrossConformalRegressor(
            TableRegressor(SmallTableRegressor(random_state=0)), level=LEVEL, random_state=0
        ),
        "Gaussian process (sklearn)": _scaled(
            GaussianProcessRegressor(
                kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0
            )
        ),
        "extra-trees": _scaled(ExtraTreesRegressor(200, random_state=0)),
        "random forest": _scaled(RandomForestRegressor(200, random_state=0)),
        "gradient boosting": _scaled(GradientBoostingRegressor(random_state=0)),
        "MLP (sklearn)": _scaled(
            TransformedTargetRegressor(
                MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=500, random_state=0),
                transformer=StandardScaler(),
            )
        ),
        "ridge": _scaled(RidgeCV(np.logspace(-3, 3, 13))),
        SPREAD: _scaled(DenseRegressor(n_members=10, **networks)),
        SMOTE: _scaled(
            AugmentedRegressor(SmoteReg(random_state=0), DenseRegressor(n_members=4, **networks))
        ),
        "networks + taught augmentation": _scaled(
            AugmentedRegressor(
                TaughtAugmentation(random_state=0), DenseRegressor(n_members=4, **networks)
            )
        ),
    }


def _scaled(regressor):
    return make_pipeline(TableEncoder(), StandardScaler(), regressor)


def load(name, folder):
    """Return inputs and target, rows of equal inputs merged into their mean."""
    source = TABLES[name]
    frame = pd.read_csv(folder / source.file).drop(columns=list(source.drop))
    frame = frame.dropna(subset=[source.target])
    inputs = [column for column in frame.columns if column != source.target]
    merged = frame.groupby(inputs, dropna=False, sort=False)[source.target].mean().reset_index()
    return merged[inputs], merged[source.target].to_numpy(dtype=float)


def split(name, subset, n_rows):
    """Return training and test rows of one subset."""
    seed = [sum(map(ord, name)), subset]
    order = np.random.default_rng(seed).permutation(n_rows)
    return order[:N_TRAIN], order[N_TRAIN : N_TRAIN + MAX_TEST]


def score(name, subset, wanted, folder):
    """Return the results of the wanted methods on one subset of one table."""
    torch.set_num_threads(1)  # processes share the cores
    X, y = load(name, folder)
    train, test = split(name, subset, len(y))
    sd = float(y[test].std())
    rows = []
    for method in wanted:
        start = time.perf_counter()
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # convergence of the peers' optimisers
            model = methods()[method].fit(X.iloc[train], y[train])
            row = {"table": name, "subset": subset, "method": method}
            row |= _intervals(method, model, X.iloc[test], y[test], sd)
            prediction = np.asarray(model.predict(X.iloc[test]), dtype=float)
        error = prediction - y[test]
        row |= {
            "nrmse": float(np.sqrt(np.mean(error**2)) / sd),
            "nmae": float(np.abs(error).mean() / sd),
            "seconds": time.perf_counter() - start,
        }
        rows.append(row)
    return rows


def _intervals(method, model, X, y, sd):
    """Return coverage and width of the 90 % intervals of the two methods that have some."""
    if method == OURS:
        lower, upper = model.predict_interval(X)
    elif method == SPREAD:
        mean, std = model.predict(X, return_std=True)
        lower, upper = mean - 1.645 * std, mean + 1.645 * std
    else:
        return {}
    alpha = 1 - LEVEL
    missed = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
    return {
        "coverage": float(((lower <= y) & (y <= upper)).mean()),
        "width": float((upper - lower).mean() / sd),
        "winkler": float(((upper - lower) + 2 / alpha * missed).mean() / sd),
    }


def read_cache(path):
    """Return finished results by (table, subset, method); a line cut off by a kill is skipped."""
    found = {}
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[row["table"], row["subset"], row["method"]] = row
    return found


def run(tables, n_subsets, names, folder, cache, n_jobs):
    """Return all results, taking from the cache what is there."""
    done = read_cache(cache)
    pending = []
    for subset in range(n_subsets):
        for table in tables:
            wanted = [name for name in names if (table, subset, name) not in done]
            if wanted:
                pending.append((table, subset, wanted))
    jobs = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(score)(*item, folder) for item in pending
    )
    start = time.perf_counter()
    for count, rows in enumerate(jobs, start=1):
        done |= {(row["table"], row["subset"], row["method"]): row for row in rows}
        if cache is not None:
            with cache.open("a", encoding="utf-8") as stream:
                stream.write("\n" + "\n".join(json.dumps(row) for row in rows) + "\n")
        left = (time.perf_counter() - start) / count * (len(pending) - count)
        text = f"\r{count} of {len(pending)} subsets, about {left / 60:.1f} min left   "
        print(text, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return pd.DataFrame(
        [done[table, k, name] for table in tables for k in range(n_subsets) for name in names]
    )


def bootstrap(values, n_draws=4000):
    """Return mean and 95 % interval of an array (tables, subsets): tables drawn, then subsets."""
    random = np.random.default_rng(0)
    n_tables, n_subsets = values.shape
    tables = random.integers(0, n_tables, (n_draws, n_tables))
    subsets = random.integers(0, n_subsets, (n_draws, n_tables, n_subsets))
    means = values[tables[:, :, None], subsets].mean(axis=(1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def summarise(results, tables, names):
    """Return what is printed and written: per method, paired with ours, per table, intervals."""

    def grid(method, figure):
        rows = results[results["method"] == method]
        return (
            rows.pivot_table(index="table", columns="subset", values=figure).loc[tables].to_numpy()
        )

    found = {"methods": {}, "per_table": {}, "intervals": {}}
    ours = grid(OURS, "nrmse")
    for name in names:
        values = grid(name, "nrmse")
        difference = ours - values
        per_table = difference.mean(axis=1)
        found["methods"][name] = {
            "nrmse": bootstrap(values),
            "median_over_tables": float(np.median(values.mean(axis=1))),
            "nmae": float(grid(name, "nmae").mean()),
            "ours_minus_this": bootstrap(difference),
            "ours_better_on": int((per_table < 0).sum()),
            "seconds": float(grid(name, "seconds").mean()),
        }
        found["per_table"][name] = dict(zip(tables, values.mean(axis=1).tolist(), strict=True))
    for name in (OURS, SPREAD):
        if name in names:
            coverage = grid(name, "coverage")
            found["intervals"][name] = {
                "coverage": bootstrap(coverage),
                "worst_table": float(coverage.mean(axis=1).min()),
                "width": float(grid(name, "width").mean()),
                "winkler": float(grid(name, "winkler").mean()),
            }
    return found


def show(found, tables, names):
    """Print the summary."""
    print(f"\n{'method':32} {'nRMSE':>6}  {'95 % interval':15} {'median':>6} {'nMAE':>6}", end="  ")
    print("ours - this [95 %]         ours better    s/fit")
    for name in sorted(names, key=lambda n: found["methods"][n]["nrmse"]["mean"]):
        row = found["methods"][name]
        mean, gap = row["nrmse"], row["ours_minus_this"]
        print(
            f"{name:32} {mean['mean']:6.3f}  [{mean['low']:.3f}, {mean['high']:.3f}]"
            f"  {row['median_over_tables']:6.3f} {row['nmae']:6.3f}",
            end="  ",
        )
        text = f"{gap['mean']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"
        better = f"{row['ours_better_on']} of {len(tables)}"
        own = name == OURS
        print(f"{'' if own else text:26} {'' if own else better:12} {row['seconds']:6.2f}")
    print("\nMean nRMSE by table")
    frame = pd.DataFrame(found["per_table"])
    frame.columns = [name[:12] for name in frame.columns]
    print(frame.round(2).to_string())
    print(f"\nIntervals at {LEVEL:.0%}")
    for name, row in found["intervals"].items():
        coverage = row["coverage"]
        print(
            f"  {name:26} cover {coverage['mean']:.1%} [{coverage['low']:.1%}, "
            f"{coverage['high']:.1%}], worst table {row['worst_table']:.1%}, width "
            f"{row['width']:.2f} sd, interval score {row['winkler']:.2f}"
        )
    best = min(found["methods"].values(), key=lambda row: row["nrmse"]["mean"])
    behind = best["ours_minus_this"]
    smote = found["methods"][SMOTE]["ours_minus_this"]
    share = found["intervals"][OURS]["coverage"]["mean"]
    print("\nAims")
    print(f"  ours is the best or within noise of it: {_yes(behind['low'] <= 0)}")
    print(f"  ours beats {SMOTE}, interval clear of zero: {_yes(smote['high'] < 0)}")
    print(f"  our 90 % intervals cover 87-98 %: {_yes(0.87 <= share <= 0.98)}")


def _yes(met):
    return "yes" if met else "NO"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subsets", type=int, default=20, help="subsets of each table")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--quick", action="store_true", help="2 subsets of 3 tables: does it run?")
    parser.add_argument("--cache", type=Path, help="JSON-lines file of finished results")
    parser.add_argument("--json", type=Path, help="write the summary here")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    folder = Path(os.environ.get("MATLEVER_DATA", "../shared/data")) / "tables"
    tables, n_subsets = options.tables, options.subsets
    if options.quick:
        tables, n_subsets = list(QUICK_TABLES), 2
    missing = [name for name in tables if not (folder / TABLES[name].file).exists()]
    if missing:
        parser.error(f"{folder} has no files for {missing}; set MATLEVER_DATA to the data folder.")
    names = list(methods())
    print(
        f"{N_TRAIN} training rows, {n_subsets} subsets of {len(tables)} tables; matlever "
        f"{matlever.__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}"
    )
    for name in tables:
        X, y = load(name, folder)
        print(f"  {name}: {len(y)} rows, {X.shape[1]} inputs -> {TABLES[name].target}")
    start = time.perf_counter()
    results = run(tables, n_subsets, names, folder, options.cache, options.jobs)
    found = summarise(results, tables, names)
    show(found, tables, names)
    print(f"\n{time.perf_counter() - start:.0f} s")
    if options.json:
        settings = {"n_train": N_TRAIN, "subsets": n_subsets, "tables": tables}
        write_json(options.json, {"settings": settings, **found})


if __name__ == "__main__":
    main()

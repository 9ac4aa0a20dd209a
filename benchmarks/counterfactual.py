"""Counterfactuals against DiCE: whether they reach the goal, keep the limits, and change little.

On two public tables, with a scikit-learn forest and a torch network, the same rows are asked for
four answers each by `matlever.counterfactual` and by dice-ml's methods, with the same wanted range
(the best tenth of the predictions) and the same permitted ranges (the 5th to the 95th percentile of
each column, so tighter than the data). Everything is judged here, by the model itself and by the
bare limits:

- valid: answers whose prediction is in the wanted range, of those that were asked for,
- broken: answers with a value outside its permitted range,
- least and mean change: sum of the changes in shares of the permitted ranges, of the valid answers
  within the limits; knobs: how many of them changed (median over the rows, and quartiles),
- seconds and predictions per row.

Then 10,000 answers of ours are made and held against limits; and the search is held against scipy's
differential evolution with as many predictions, whose best point gets our last touches too.

The data folder is named by MATLEVER_DATA (default: ../shared/data).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import differential_evolution
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import matlever as ml
from matlever.explanation.changes.descent import States
from matlever.explanation.changes.goal import goal_of, read_goal
from matlever.explanation.changes.ground import Ground
from matlever.explanation.changes.polish import polish
from matlever.explanation.changes.question import Clock, Question

os.environ.setdefault("TQDM_DISABLE", "1")
DATA = Path(os.environ.get("MATLEVER_DATA", Path(__file__).parents[2] / "shared" / "data"))
TABLES = {
    "olympus_crossed_barrel": (4, "toughness"),
    "nims_steel_fatigue": (16, "fatigue_strength_mpa"),
}
N_ANSWERS = 4
DICE = ("random", "genetic", "kdtree")


class Case:
    """One table with one model, and the limits, goal and rows that all methods get."""

    def __init__(self, table: str, model: str, n_rows: int) -> None:
        n_inputs, target = TABLES[table]
        data = pd.read_csv(DATA / "tables" / f"{table}.csv")
        self.name, self.target = f"{table}, {model}", target
        self.X = data.iloc[:, :n_inputs].astype(float)
        self.y = data[target].astype(float)
        self.lower, self.upper = self.X.quantile(0.05), self.X.quantile(0.95)
        fit = forest if model == "forest" else network
        self.model = fit(self.X.to_numpy(), self.y.to_numpy())
        predicted = self.predict(self.X)
        self.goal = float(np.quantile(predicted, 0.9)), float(predicted.max() + np.ptp(predicted))
        inside = ((self.lower <= self.X) & (self.upper >= self.X)).all(axis=1)
        poor = inside & (predicted < np.median(predicted))
        self.rows = self.X[poor].drop_duplicates().sample(n_rows, random_state=0)
        limits = {name: (self.lower[name], self.upper[name]) for name in self.X}
        knobs = [ml.Knob(name, lower=low, upper=high) for name, (low, high) in limits.items()]
        self.editor = ml.TableEditor(ml.KnobSpace(knobs))

    def predict(self, X: Any) -> np.ndarray:
        """Return what the model says about rows."""
        rows = np.asarray(X, dtype=float)
        if isinstance(self.model, torch.nn.Module):
            with torch.no_grad():
                return self.model(torch.from_numpy(rows)).numpy()
        return self.model.predict(rows)


class Watched:
    """A model that counts the rows it is shown, and those beyond the permitted ranges."""

    def __init__(self, case: Case) -> None:
        self.case, self.n_shown, self.n_outside = case, 0, 0

    def predict(self, X: Any) -> np.ndarray:
        """Return what the model says, and count."""
        rows = np.asarray(X, dtype=float)
        self.n_shown += len(rows)
        self.n_outside += int(outside(self.case, rows).sum())
        return self.case.predict(rows)


class WatchedNetwork(Watched):
    """The same for a network, whose gradient can be asked for."""

    def predict_tensor(self, X: torch.Tensor) -> torch.Tensor:
        """Return what the model says with its gradient, and count."""
        rows = X.detach().numpy()
        self.n_shown += len(rows)
        self.n_outside += int(outside(self.case, rows).sum())
        return self.case.model(X)


def forest(X, y):
    return RandomForestRegressor(100, random_state=0).fit(X, y)


def network(X, y):
    """Train a 64-64 network on standardised inputs and target; rows in their own units."""
    torch.manual_seed(0)
    mean, scale = torch.tensor(X.mean(0)), torch.tensor(X.std(0) + 1e-12)
    layers = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(),
        torch.nn.Linear(64, 1),
    ).double()  # fmt: skip
    inputs = (torch.tensor(X) - mean) / scale
    wanted = torch.tensor((y - y.mean()) / y.std())
    optimizer = torch.optim.Adam(layers.parameters(), lr=3e-3)
    for _ in range(400):
        optimizer.zero_grad()
        loss = ((layers(inputs)[:, 0] - wanted) ** 2).mean()
        loss.backward()
        optimizer.step()

    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, rows):
            return self.layers((rows - mean) / scale)[:, 0] * y.std() + y.mean()

    return Own().eval()


# -- the methods ----------------------------------------------------------------------------------


def ours(case):
    """Return answers as a list of arrays, one per row, with seconds per row and what was shown."""
    is_network = isinstance(case.model, torch.nn.Module)
    model = WatchedNetwork(case) if is_network else Watched(case)
    start = time.perf_counter()
    found = ml.counterfactual(
        model, case.editor, case.rows, case.goal, n_answers=N_ANSWERS, reference=case.X
    )
    seconds = time.perf_counter() - start
    answers = [found.settings[found.row == i] for i in range(len(case.rows))]
    return answers, seconds / len(case.rows), model


def dice(case, method):
    """Return the same from one of DiCE's methods; its post-hoc sparsity is on, as by default."""
    import dice_ml

    model = Watched(case)
    data = dice_ml.Data(
        dataframe=case.X.assign(**{case.target: case.y}),
        continuous_features=list(case.X),
        outcome_name=case.target,
    )
    explainer = dice_ml.Dice(
        data, dice_ml.Model(model=model, backend="sklearn", model_type="regressor"), method=method
    )
    options = {"random_seed": 0} if method == "random" else {}
    permitted = {name: [case.lower[name], case.upper[name]] for name in case.X}
    answers, start = [], time.perf_counter()
    for i in range(len(case.rows)):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                found = explainer.generate_counterfactuals(
                    case.rows.iloc[[i]],
                    total_CFs=N_ANSWERS,
                    desired_range=list(case.goal),
                    permitted_range=permitted,
                    **options,
                ).cf_examples_list[0]
        except Exception as error:  # DiCE raises its own when nothing is found
            print(f"    DiCE {method}, row {i}: {type(error).__name__}: {str(error)[:90]}")
            answers.append(np.empty((0, case.X.shape[1])))
            continue
        sparse, dense = found.final_cfs_df_sparse, found.final_cfs_df
        frame = dense if sparse is None else sparse
        frame = case.X[:0] if frame is None else frame
        answers.append(frame[list(case.X)].astype(float).to_numpy())
    return answers, (time.perf_counter() - start) / len(case.rows), model


# -- the judgement --------------------------------------------------------------------------------


def outside(case, rows):
    """Whether rows have a value beyond its permitted range, by more than rounding."""
    low, high = case.lower.to_numpy(), case.upper.to_numpy()
    slack = 1e-9 * (high - low)
    return ((rows < low - slack) | (rows > high + slack)).any(axis=1)


def judge(case, answers, seconds, model):
    width = (case.upper - case.lower).to_numpy()
    width = np.where(width > 0, width, 1.0)
    valid = broken = given = 0
    least, mean, knobs = [], [], []
    for x, found in zip(case.rows.to_numpy(), answers, strict=True):
        if not len(found):
            continue
        given += len(found)
        p = case.predict(found)
        holds = (p >= case.goal[0]) & (p <= case.goal[1])
        off = outside(case, found)
        valid, broken = valid + int(holds.sum()), broken + int(off.sum())
        share = np.abs(found - x) / width
        good = holds & ~off
        if good.any():
            cost = share[good].sum(axis=1)
            least.append(cost.min())
            mean.append(cost.mean())
            knobs.append((share[good] > 1e-6).sum(axis=1).mean())
    asked = N_ANSWERS * len(case.rows)
    return {
        "asked": asked, "given": given, "valid": valid, "broken": broken,
        "rows_with_an_answer": len(least), "rows": len(case.rows),
        "least": quartiles(least), "mean": quartiles(mean), "knobs": quartiles(knobs),
        "seconds_per_row": seconds, "predictions_per_row": model.n_shown / len(case.rows),
        "least_by_row": [float(v) for v in least],
    }  # fmt: skip


def quartiles(values):
    return [float(q) for q in np.percentile(values, [50, 25, 75])] if values else None


def line(name, r):
    def spread(q, digits):
        return "-" if q is None else f"{q[0]:.{digits}f} ({q[1]:.{digits}f}-{q[2]:.{digits}f})"

    print(
        f"  {name:<14}{r['valid']:>4}/{r['asked']:<5}{r['broken']:>4}/{r['given']:<5}"
        f"{r['rows_with_an_answer']:>3}/{r['rows']:<4}"
        f"{spread(r['least'], 2):<19}{spread(r['mean'], 2):<19}{spread(r['knobs'], 1):<16}"
        f"{r['seconds_per_row']:>7.3f}{r['predictions_per_row']:>9.0f}"
    )


def compare(n_rows):
    print(
        f"  {'':<14}{'valid':<10}{'broken':<10}{'rows':<8}{'least change':<19}"
        f"{'mean change':<19}{'knobs':<16}{'s/row':>7}{'calls/row':>9}"
    )
    results = {}
    for table in TABLES:
        for model in ("forest", "network"):
            case = Case(table, model, n_rows)
            print(f"{case.name}: {case.target} {case.goal[0]:.4g} or more, {n_rows} rows")
            methods = {"matlever": lambda case=case: ours(case)}
            methods |= {f"DiCE {m}": lambda case=case, m=m: dice(case, m) for m in DICE}
            results[case.name] = {}
            for name, run in methods.items():
                results[case.name][name] = judge(case, *run())
                line(name, results[case.name][name])
    return results


# -- ten thousand answers -------------------------------------------------------------------------


def many(n_answers):
    """Make many answers with whole numbers and tight limits; count what is broken."""
    case = Case("olympus_crossed_barrel", "forest", 1)
    model = make_pipeline(StandardScaler(), PolynomialFeatures(3), Ridge(1.0))
    model.fit(case.X.to_numpy(), case.y.to_numpy())
    case.model = Cubic(model, case.X)
    watched = Watched(case)
    knobs = [
        ml.Knob(knob.name, kind="integer", lower=knob.low, upper=knob.high)
        if knob.name in ("n", "theta")
        else knob
        for knob in case.editor.space.knobs
    ]
    space = ml.KnobSpace(knobs)
    rows = space.sample(n_answers, 0)
    goal = float(np.quantile(case.predict(rows), 0.85))
    rows = rows[case.predict(rows) < goal][: int(n_answers / N_ANSWERS * 1.25)]
    start = time.perf_counter()
    found = ml.counterfactual(
        watched, ml.TableEditor(space), rows, (goal, None), n_answers=N_ANSWERS, budget=500
    )
    seconds = time.perf_counter() - start
    broken = outside(case, found.settings)
    broken |= (found.settings[:, :2] != np.rint(found.settings[:, :2])).any(axis=1)
    print(
        f"{len(found):,} answers to {len(rows):,} rows in {seconds:.0f} s: {int(broken.sum())} "
        f"break a limit; {watched.n_outside} of {watched.n_shown:,} rows shown to the model do; "
        f"{found.reached.mean():.1%} reach the goal"
    )
    return {
        "answers": len(found), "broken": int(broken.sum()), "shown": watched.n_shown,
        "shown_outside": watched.n_outside, "reached": float(found.reached.mean()),
    }  # fmt: skip


class Cubic:
    """A fitted polynomial, predicted in one product."""

    def __init__(self, pipeline, X):
        self.scaler, self.powers, self.ridge = (step for _, step in pipeline.steps)

    def predict(self, X):
        """Return what the polynomial says about rows."""
        z = (X - self.scaler.mean_) / self.scaler.scale_
        return self.powers.transform(z) @ self.ridge.coef_ + self.ridge.intercept_


# -- the search against scipy's -------------------------------------------------------------------


def evolve(case, x, n_calls, seed=0):
    """Return the best point of differential evolution: the goal first, then the change.

    Half of each knob's range of codes stands for "as it is", without which no change is sparse.
    """
    low, high = case.lower.to_numpy(), case.upper.to_numpy()
    width = np.where(high > low, high - low, 1.0)
    size = 60

    def settings(codes):
        share = np.clip((np.abs(codes - 0.5) * 2 - 0.5) / 0.5, 0, 1)
        return np.where(codes < 0.5, x - share * (x - low), x + share * (high - x))

    def objective(codes):
        rows = settings(codes.T)
        miss = np.maximum(case.goal[0] - case.predict(rows), 0.0)
        cost = (np.abs(rows - x) / width).sum(axis=1)
        return np.where(miss > 0, 1e3 + miss, cost)

    rng = np.random.default_rng(seed)
    first = rng.random((size, len(x)))
    first[0] = 0.5
    found = differential_evolution(
        objective, [(0, 1)] * len(x), init=first, maxiter=max(n_calls // size - 1, 1), tol=0,
        atol=-1, polish=False, vectorized=True, updating="deferred", rng=rng,
    )  # fmt: skip
    return settings(found.x)


def touched_up(case, values):
    """Apply our last touches to points of someone else's search."""
    ground = Ground(case.editor.space)
    start = case.rows.to_numpy()
    problems = ground.problems(start)
    n = len(start)
    goal = goal_of(read_goal(case.goal, None, None, None), np.full((n, 1), np.ptp(case.y)))
    question = Question(
        ml.as_predictor(case.predict), case.editor, case.rows, goal, None, None,
        np.full(n, np.inf), Clock(None), 200_000, 1, np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    reply = question.ask(problems.sample, values)
    states = States(problems.sample, values, *reply, ground.spend(start, values))
    found = polish(ground, question, problems, states)
    return np.where(found.miss == 0, found.spend, np.nan)


def compare_search(n_rows):
    print("The search against scipy's differential evolution, as many predictions, forest:")
    results = {}
    for table in TABLES:
        case = Case(table, "forest", n_rows)
        width = (case.upper - case.lower).to_numpy()
        width = np.where(width > 0, width, 1.0)
        start = time.perf_counter()
        found = ml.counterfactual(case.predict, case.editor, case.rows, case.goal, reference=None)
        mine = time.perf_counter() - start
        start = time.perf_counter()
        points = np.stack(
            [
                evolve(case, x, int(calls))
                for x, calls in zip(case.rows.to_numpy(), found.n_calls, strict=True)
            ]
        )
        theirs = time.perf_counter() - start
        raw = (np.abs(points - case.rows.to_numpy()) / width).sum(axis=1)
        raw = np.where(case.predict(points) >= case.goal[0], raw, np.nan)
        touched = touched_up(case, points)
        ours_ = np.where(found.reached, found.cost, np.nan)
        results[table] = {"ours": ours_.tolist(), "raw": raw.tolist(), "touched": touched.tolist()}
        ratios = [np.nanmedian(some / ours_) for some in (raw, touched)]
        print(
            f"  {table}: {int(np.median(found.n_calls))} predictions per row; reached "
            f"{np.isfinite(ours_).sum()} / DE {np.isfinite(raw).sum()} of {n_rows}; change of DE "
            f"over ours: median {ratios[0]:.2f}, after our last touches {ratios[1]:.2f} "
            f"(smaller than ours in {int((touched < ours_ - 1e-6).sum())}, larger in "
            f"{int((touched > ours_ + 1e-6).sum())} rows); seconds {mine:.1f} / {theirs:.1f}"
        )
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument(
        "--answers", type=int, default=10_000, help="for the count of broken limits"
    )
    parser.add_argument("--quick", action="store_true", help="3 rows, 1,000 answers")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    args = parser.parse_args()
    n_rows, n_answers = (3, 1_000) if args.quick else (args.rows, args.answers)
    warnings.filterwarnings("ignore")  # DiCE's, of pandas and tqdm
    torch.set_num_threads(1)
    start = time.perf_counter()
    results = {"against DiCE": compare(n_rows)}
    print("DiCE gradient: left out, for it takes no wanted range (only a class).")
    results["many"] = many(n_answers)
    results["search"] = compare_search(n_rows)
    print(f"{time.perf_counter() - start:.0f} s in all, one process, {os.cpu_count()} cores")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

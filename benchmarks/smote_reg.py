"""SMOTE-REG: time, memory and distribution against the paper's algorithm written as loops.

28 rows in pairs at 1,200 % (the nanorod study's 9,100 rows), and 300 rows in all pairs, over a
million rows. The loops are Algorithm 2 of the study line by line; the distributions are compared by
Kolmogorov-Smirnov tests on every input, the target, and the distance to the centre. The memory is
what numpy held at most during the call beyond what it held before (tracemalloc).
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from matlever.tables.simulate import simulate_nanorods
from matlever.tables.smote_reg import SmoteReg


def by_loops(x, y, size, amount, k, generator):
    """Return inputs and target of Algorithm 2, duplicates dropped."""
    rows = np.column_stack([x, y])
    synthetic = []
    for minority in combinations(range(len(x)), size):
        for i in minority:
            others = sorted((np.linalg.norm(x[i] - x[j]), j) for j in minority if j != i)
            for _ in range(amount // 100):
                j = others[generator.integers(min(k, len(others)))][1]
                synthetic.append(rows[i] + generator.random() * (rows[j] - rows[i]))
    return pd.DataFrame(np.concatenate([rows, synthetic])).drop_duplicates().to_numpy()


def measure(sampler, x, y, repeats):
    """Return the rows made, the best seconds of a call, and the peak memory of one in MB."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        x_new, y_new = sampler.fit_resample(x, y)
        seconds.append(time.perf_counter() - start)
    rows = np.column_stack([x_new, y_new])
    del x_new, y_new
    tracemalloc.start()
    sampler.fit_resample(x, y)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return rows, np.median(seconds), peak


def smallest_p(found, expected):
    """Return the smallest p-value over all columns and the distance to the centre."""
    centre, scale = expected.mean(axis=0), expected.std(axis=0)
    pairs = list(zip(found.T, expected.T, strict=True))
    pairs.append(tuple(np.linalg.norm((r - centre) / scale, axis=1) for r in (found, expected)))
    return min(stats.ks_2samp(a, b).pvalue for a, b in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="3 repeats, no loops for 300 rows")
    options = parser.parse_args()
    repeats = 3 if options.quick else options.repeats
    nanorods = simulate_nanorods().to_numpy()[:, :4]
    wide = np.random.default_rng(0).standard_normal((300, 6))
    cases = [
        ("28 rows, pairs, 1,200 %", nanorods, SmoteReg(random_state=0), True),
        ("28 rows, threes, 400 %, k=2", nanorods, SmoteReg(3, 400, 2, random_state=0), True),
        ("300 rows, all pairs, 1,200 %", wide, SmoteReg(random_state=0), not options.quick),
    ]
    for name, rows, sampler, with_loops in cases:
        x, y = rows[:, :-1], rows[:, -1]
        found, seconds, peak = measure(sampler, x, y, repeats)
        text = f"{name}: {len(found):,} rows in {1e3 * seconds:.1f} ms, peak {peak:.0f} MB"
        if with_loops:
            start = time.perf_counter()
            settings = sampler.n_combination, sampler.amount, sampler.k_neighbors
            if sampler.n_combination > 2:  # the loops measure distances in standard deviations too
                x = x / x.std(axis=0)
                found[:, : x.shape[1]] /= rows[:, :-1].std(axis=0)
            expected = by_loops(x, y, *settings, np.random.default_rng(1))
            loop_seconds = time.perf_counter() - start
            same = "same" if len(expected) == len(found) else f"NOT the same ({len(expected):,})"
            text += (
                f"; loops {loop_seconds:.2f} s ({loop_seconds / seconds:,.0f} x), {same} number of "
                f"rows, smallest Kolmogorov-Smirnov p {smallest_p(found, expected):.2f}"
            )
        print(text)


if __name__ == "__main__":
    main()

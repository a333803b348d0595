"""How often the truth is inside the intervals of an AUC and of a cross-validated probe, of known truth.

auc : normal scores with a shift, and codes of a neuron: 0 but on a share of the rows of either kind, there 1 or an
    exponential value. The truth is exact.
auc difference : before and after an edit that moves the positives, or that switches the neuron off.
leakage : rows of normal noise, groups apart by a shift each in a column of its own. The truth is .5 without a shift
    and the mean over the audits with one.

Where few rows of the rarer kind can say anything (fewer than `FEW` are expected to fire or to contradict the order)
coverage above the range is allowed.
"""

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from scipy.stats import norm

from core import statistics
from core.statistics import Estimate

RANGE = (0.935, 0.965)
FEW = 5
SIZES = ((20, 980), (40, 1960), (30, 30), (100, 100), (200, 1000))
NORMAL = (0.5, 0.7, 0.9, 0.95, 0.977, 0.99, 0.999)
FIRING = ((0.01, 0.01), (0.05, 0.05), (0.3, 0.3), (0.3, 0.02), (0.96, 0.006))
PROBES = (
    # rows, columns, groups' shares, shift, audits
    (400, 20, (0.5, 0.5), 0.0, 600),
    (400, 20, (0.5, 0.5), 0.85, 400),
    (400, 20, (0.5, 0.5), 1.95, 400),
    (400, 20, (1 / 7,) * 7, 0.0, 100),
    (400, 20, (1 / 7,) * 7, 1.5, 100),
    (400, 20, (0.97, 0.03), 0.0, 400),
    (400, 20, (0.97, 0.03), 2.0, 400),
    (200, 50, (0.5, 0.5), 0.0, 400),
    (200, 50, (0.5, 0.5), 2.5, 400),
    (1000, 100, (0.5, 0.5), 0.0, 200),
    (1000, 100, (1 / 3,) * 3, 1.5, 100),
    (1500, 300, (0.5, 0.5), 0.0, 100),
    (1500, 300, (0.5, 0.5), 1.2, 100),
)


def run(runs: int = 1000) -> dict[str, Any]:
    """All tables, with so many samples of each kind."""
    return {"runs": runs, "what": "share of samples whose 95 % interval holds the truth", "rows": tables(runs)}


def tables(runs: int = 1000, workers: int = 2) -> list[dict[str, Any]]:
    """One row a case: how often the interval held the truth, with its Monte Carlo error and whether that will do.

    Takes a few minutes. `runs` is for the AUCs; a probe's audits are in `PROBES`, at most so many.
    """
    work: list[tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = []
    for size in SIZES:
        work += [(normal_scores, (value, size, runs)) for value in NORMAL]
        work += [(codes, (rates, size, real, runs)) for rates in FIRING for real in (False, True)]
        work += [(moved, (size, runs)), (switched_off, (size, runs))]
    work += [(probes, (*case[:4], min(case[4], runs))) for case in PROBES]
    with ProcessPoolExecutor(workers) as pool:
        return [done.result() for done in [pool.submit(function, *given) for function, given in work]]


# ---------------------------------------------------------------------------------------------------------- AUCs


def normal_scores(value: float, size: tuple[int, int], runs: int) -> dict[str, Any]:
    """Two normals of equal spread with this AUC."""
    rng, positive = _start(1, *size)
    shift = norm.ppf(value) * math.sqrt(2) * positive
    found = [statistics.auc_estimate(rng.standard_normal(sum(size)) + shift, positive) for _ in range(runs)]
    return _row(f"normal, AUC {value:g}, {_rows(size)}", "auc", found, value, min(size) * (1 - value) < FEW)


def codes(rates: tuple[float, float], size: tuple[int, int], real: bool, runs: int) -> dict[str, Any]:
    """A neuron that fires on these shares of the positives and of the others."""
    rng, positive = _start(2, *size)
    truth = 0.5 + (rates[0] - rates[1]) / 2
    found = [statistics.auc_estimate(_codes(rng, positive, rates, real), positive) for _ in range(runs)]
    name = f"{'real codes' if real else 'on or off'}, {rates[0]:.1%} and {rates[1]:.1%}, {_rows(size)}"
    few = min(n * min(p, 1 - p) for n, p in zip(size, rates, strict=True)) < FEW
    return _row(name, "auc", found, truth, few)


def moved(size: tuple[int, int], runs: int) -> dict[str, Any]:
    """An edit that takes away half of the positives' shift of 1 and adds noise."""
    rng, positive = _start(3, *size)
    found = []
    for _ in range(runs):
        before = rng.standard_normal(sum(size)) + positive
        after = before - 0.5 * positive + 0.3 * rng.standard_normal(sum(size))
        found.append(statistics.auc_difference(before, after, positive))
    truth = float(norm.cdf(0.5 / math.sqrt(2.09)) - norm.cdf(1 / math.sqrt(2)))
    return _row(f"half of the shift gone, {_rows(size)}", "auc difference", found, truth, False)


def switched_off(size: tuple[int, int], runs: int) -> dict[str, Any]:
    """A neuron that fires on 10 % of the positives and 2 % of the others, then never."""
    rng, positive = _start(4, *size)
    off = np.zeros(sum(size))
    found = [statistics.auc_difference(_codes(rng, positive, (0.1, 0.02), True), off, positive) for _ in range(runs)]
    return _row(f"neuron switched off, {_rows(size)}", "auc difference", found, -0.04, size[0] * 0.1 < FEW)


def _start(kind: int, n_pos: int, n_neg: int) -> tuple[np.random.Generator, np.ndarray]:
    return np.random.default_rng([kind, n_pos, n_neg]), np.arange(n_pos + n_neg) < n_pos


def _codes(rng: np.random.Generator, positive: np.ndarray, rates: tuple[float, float], real: bool) -> np.ndarray:
    fires = rng.random(len(positive)) < np.where(positive, *rates)
    return np.where(fires, 0.05 + rng.exponential(size=len(positive)) if real else 1.0, 0.0)


# -------------------------------------------------------------------------------------------------------- probes


def probes(n: int, d: int, shares: tuple[float, ...], shift: float, runs: int) -> dict[str, Any]:
    """Audits of other rows of the same kind."""
    rng = np.random.default_rng([5, n, d, len(shares), int(100 * shift)])
    sizes = [round(n * share) for share in shares[1:]]
    labels = np.repeat(np.arange(len(shares)), [n - sum(sizes), *sizes])
    found = []
    for seed in range(runs):
        x = rng.standard_normal((n, d))
        x[np.arange(n), labels] += shift
        found.append(statistics.leakage_estimate(x, labels, seed))
    mean = float(np.mean([one.estimate for one in found]))
    name = f"{n} x {d}, {len(shares)} groups, smallest {min(shares):.0%}, AUC {mean:.3f}"
    return _row(name, "leakage", found, mean if shift else 0.5, n * min(shares) * (1 - mean) < FEW)


def _rows(size: tuple[int, int]) -> str:
    return f"{size[0]} + {size[1]} rows"


def _row(regime: str, quantity: str, found: list[Estimate], truth: float, few: bool) -> dict[str, Any]:
    hits = [one.lo - 1e-12 <= truth <= one.hi + 1e-12 for one in found]
    share = float(np.mean(hits))
    error = math.sqrt(max(share * (1 - share), 1e-4) / len(hits))
    return {
        "regime": regime,
        "quantity": quantity,
        "n": len(hits),
        "share": share,
        "error": error,
        "width": float(np.mean([one.hi - one.lo for one in found])),
        "ok": RANGE[0] - 2 * error <= share <= (1.0 if few else RANGE[1] + 2 * error),
    }

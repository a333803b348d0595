"""`coverage_gaps`: how often the intervals of picked numbers, of NDKL and of means of few prompts hold the truth."""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from core import statistics
from core.metrics import RANKING_METRICS
from core.statistics import Estimate

SIZES = np.array([300, 200, 150, 100, 80, 50, 40])
CLUSTERS = np.array([0.9, 0.75, 0.9, 0.75, 0.9, 0.75, 0.9])
CELLS = {
    "14 cells of 30, all .9": (np.full(14, 0.9), np.full(14, 30)),
    "7 cells, all .85": (np.full(7, 0.85), SIZES),
    "7 cells, a small one low": (np.array([0.9] * 6 + [0.65]), SIZES),
    "7 cells, a large one low": (np.array([0.7] + [0.9] * 6), SIZES),
    "7 cells, ramp down with size": (np.linspace(0.65, 0.95, 7), SIZES),
    "7 cells, ramp up with size": (np.linspace(0.95, 0.65, 7), SIZES),
    "7 cells of 100, ramp": (np.linspace(0.7, 0.9, 7), np.full(7, 100)),
    "7 cells, two clusters": (CLUSTERS, SIZES),
    "7 cells of 100, two clusters": (CLUSTERS, np.full(7, 100)),
    "5 cells, 90 to 5,000 rows": (np.array([0.9, 0.88, 0.85, 0.8, 0.78]), np.array([5000, 3000, 800, 200, 90])),
    "3 groups, one of 2 %": (np.array([0.9, 0.9, 0.8]), np.array([800, 180, 20])),
    "2 groups, one of 2 %, .9 and .8": (np.array([0.9, 0.8]), np.array([980, 20])),
    "2 groups, one of 2 %, alike": (np.array([0.9, 0.9]), np.array([980, 20])),
    "2 groups of 200, .95 and .70": (np.array([0.95, 0.7]), np.array([200, 200])),
}
PICKED: dict[str, tuple[Callable[..., Estimate], Callable[[np.ndarray, np.ndarray], float]]] = {
    "accuracy gap": (statistics.accuracy_gap, lambda p, n: float(np.ptp(p))),
    "overall less worst": (statistics.gap_to_smallest, lambda p, n: float(n @ p / n.sum() - p.min())),
    "worst group": (statistics.smallest_accuracy, lambda p, n: float(p.min())),
}
MEANS: dict[str, tuple[Callable[[np.random.Generator, Any], np.ndarray], float]] = {
    "log(1 + u^2)": (lambda rng, shape: np.log1p(rng.random(shape) ** 2), math.log(2) - 2 + math.pi / 2),
    "half normal": (lambda rng, shape: np.abs(rng.normal(size=shape)), math.sqrt(2 / math.pi)),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
}


def run(runs: int = 400) -> dict[str, Any]:
    """All tables, with so many samples of each kind."""
    return {"runs": runs, "what": "share of samples whose 95 % interval holds the truth", "rows": tables(runs)}


def tables(runs: int = 400) -> list[dict[str, Any]]:
    """One row a kind of sample: coverage, misses on either side, mean width, and how often 0 is left out."""
    rows = []
    for quantity, (function, truth) in PICKED.items():
        for name, (p, n) in CELLS.items():
            rng = _generator(quantity + name)
            found = [function(rng.binomial(n, p), n) for _ in range(runs)]
            rows.append(_row(quantity, name, [(e.lo, e.hi) for e in found], truth(p, n)))
    for name, chance in _lists().items():
        rows.append(_row("ndkl", name, *_ndkl(name, chance, max(runs // 2, 20))))
    for name, (draw, mean) in MEANS.items():
        for n in (3, 5, 20):
            samples = draw(_generator(name), (runs * 5, n))
            found = [statistics.mean_of(values, (0.0, math.inf)) for values in samples]
            rows.append(_row(f"mean of {n}", name, [(e.lo, e.hi) for e in found], mean))
    return rows


def _lists() -> dict[str, np.ndarray]:
    """Chance of the first of two groups at every rank."""
    found = {}
    for k in (20, 100):
        rank = np.arange(1, k + 1)
        found |= {f"level {p}, k={k}": np.full(k, p) for p in (0.5, 0.65, 0.8)}
        found[f"trend, k={k}"] = 1 / (1 + np.exp(0.35 * np.log2(rank) - 1.6))
        found[f"steep trend, k={k}"] = 1 / (1 + np.exp(0.6 * np.log2(rank) - 3.0))
        for top, share in ((5, 0.95), (10, 0.95), (10, 0.8), (10, 1.0)):
            found[f"top {top} at {share}, k={k}"] = np.where(rank <= top, share, 0.5)
    return found


def _ndkl(name: str, chance: np.ndarray, runs: int) -> tuple[list[tuple[float, float]], float]:
    """Intervals, and the mean of the metric at this k, which they are about."""
    metric, target, rng = RANKING_METRICS.get("ndkl")(), np.array([0.5, 0.5]), _generator(name)
    truth = float(metric((rng.random((20_000, len(chance))) > chance).astype(int), target).mean())
    lists = (rng.random((runs, len(chance))) > chance).astype(int)
    return [statistics.metric_interval(metric, ranked, target) for ranked in lists], truth


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _row(quantity: str, name: str, ends: list[tuple[float, float]], truth: float) -> dict[str, Any]:
    lo, hi = np.array(ends, dtype=np.float64).T
    above, below = lo > truth + 1e-9, hi < truth - 1e-9
    share = 1.0 - float((above | below).mean())
    return {
        "quantity": quantity,
        "regime": name,
        "n": len(ends),
        "truth": truth,
        "share": share,
        "error": math.sqrt(max(share * (1 - share), 1e-4) / len(ends)),
        "too_high": float(above.mean()),
        "too_low": float(below.mean()),
        "width": float((hi - lo).mean()),
        "excludes_0": float((lo > 0).mean()),
    }

"""`coverage`: how often the truth is inside the intervals, and how often nothing is found where nothing is.

Synthetic audits with known truth. The truth of a gallery of n images is that of the superpopulation it is a sample of:
scores are normal with a mean of their own for each group, so that the share of group g among the images in the upper
k/n of the superpopulation is exactly

    p_g = q_g Q(t - m_g) / (k/n),   sum_g q_g Q(t - m_g) = k/n,   Q the upper tail of the standard normal

with q the groups' shares and m their means. Every audit draws its lean m anew, so that coverage is an average over a
range of truths and not the accident of one discrete case. What is asked of each interval:

share : of a biased draw; p_g of the group that leans most, before and after an edit that takes away part of the lean.
    Exact and therefore up to 97.5 %.
share change, max_skew change : of the exchange; p_g, and the metric of (p_g), after minus before.
ndkl difference : paired bootstrap over images.
max_skew, kl : test inversion; the metric of (p_g). ndkl : test inversion; its mean over galleries of this size.
mean ... : over a list of prompts whose leans are drawn too, paired bootstrap over prompts and images; the mean over
    prompts and galleries like these. A mean of metrics keeps the bias of finite lists, as its null band does.
holm, benjamini-hochberg : p of the prompts' leans, and of exchanges. With shuffled labels: share of audits with any
    finding. With half of the prompts biased: share of false findings among the findings.
lean ..., power ... : `coverage_leans`. auc, leakage : `coverage_areas`. accuracy gap, NDKL of trends, means of few
    prompts : `coverage_gaps`.
"""

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr

from core import statistics
from core.metrics import RANKING_METRICS
from core.statistics import depth_for
from tests.benchmarks import coverage_areas, coverage_gaps, coverage_leans

N = 2000
RANGE = (0.935, 0.965)
EXACT = (0.94, 0.975)
"""Of intervals that invert an exact test."""
METRICS = ("max_skew", "ndkl", "kl")
EXACT_QUANTITIES = ("share", "share change", "max_skew change", "kl change")
TRUTHS = 13
"""Leans at which the mean of a metric is simulated; between them it is interpolated."""
GALLERIES = 1200
NULL_M, MIXED_M = 20, 40
DRAWS = 1000


@dataclass(frozen=True)
class Regime:
    """One kind of audit."""

    name: str
    k: int
    towards: tuple[float, ...]
    """How much of the lean each group has."""
    lean: tuple[float, float]
    """Smallest and largest lean, in standard deviations of the scores."""
    shares: tuple[float, ...] = ()
    """Of the groups in the superpopulation; empty: equal. They are the target too."""

    @property
    def q(self) -> np.ndarray:
        return np.array(self.shares) if self.shares else np.full(len(self.towards), 1 / len(self.towards))


SINGLE = (
    Regime("2 groups, mild, k=100", 100, (1, 0), (0.35, 0.8)),
    Regime("2 groups, strong, k=100", 100, (1, 0), (0.8, 1.5)),
    Regime("2 groups, k=50", 50, (1, 0), (0.5, 1.2)),
    Regime("2 unequal groups, k=100", 100, (0, 1), (0.4, 1.2), (0.65, 0.35)),
    Regime("3 groups, k=100", 100, (1, 0.5, 0), (0.5, 1.2)),
    Regime("7 groups, k=100", 100, (1, 0, 0, 0, 0, 0, 0), (0.5, 1.2)),
    Regime("7 groups, graded, k=50", 50, (1, 0.7, 0.5, 0.3, 0.2, 0.1, 0), (0.8, 1.6)),
)
LISTS = (
    Regime("20 prompts, 2 groups", 100, (1, 0), (0.2, 1.0)),
    Regime("20 prompts, 7 groups", 100, (1, 0.5, 0, 0, 0, 0, 0), (0.2, 1.0)),
)
P = 20
FIX, KEPT = 0.6, 0.98
"""The edit takes this part of the lean, and scores before and after correlate so much within a group."""
COMMON = 0.3
"""Share of a score's variance that an image has under every prompt: what makes prompts of one audit dependent."""


def run(runs: int = 2000) -> dict[str, Any]:
    """Coverage in `runs` audits of each kind, spread evenly over the regimes."""
    jobs = [(single, r, -(-runs // len(SINGLE))) for r in range(len(SINGLE))]
    jobs += [(listed, r, -(-runs // (len(LISTS) * 2))) for r in range(len(LISTS))]
    jobs += [(shuffled, 0, runs), (shuffled, 1, runs), (mixed, 0, runs // 4)]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(2) as pool:
        for found in pool.map(_job, jobs):
            rows += found
        pooled = _pooled(rows)
    rows += pooled
    return {
        "runs": runs,
        "expected": {"coverage": list(RANGE), "exact": list(EXACT), "family_wise": 0.06, "false_discovery_rate": 0.05},
        "rows": rows,
        "leans": coverage_leans.tables(max(runs // 2, 20)),
        "areas": coverage_areas.tables(max(runs // 2, 20)),
        "gaps": coverage_gaps.tables(max(runs // 5, 20)),
        "ok": all(row["ok"] for row in rows if row["regime"] == "all" or row["quantity"].startswith("findings")),
        "what": "share of synthetic audits whose 95 % interval holds the truth; error: Monte Carlo standard error",
    }


def _job(job: tuple[Callable[[int, int], list], int, int]) -> list[dict[str, Any]]:
    work, regime, runs = job
    return work(regime, runs)


# ------------------------------------------------------------------------------------------------------- truths


def true_shares(q: np.ndarray, means: np.ndarray, k: int, n: int = N) -> np.ndarray:
    """Shares (..., G) in the upper k/n of the superpopulation, for means (..., G) of the groups' scores."""
    lo, hi = np.full(means.shape[:-1], -10.0), np.full(means.shape[:-1], 12.0)
    for _ in range(60):
        middle = (lo + hi) / 2
        above = (q * ndtr(means - middle[..., None])).sum(axis=-1)
        lo, hi = np.where(above > k / n, middle, lo), np.where(above > k / n, hi, middle)
    tail = q * ndtr(means - lo[..., None])
    return tail / tail.sum(axis=-1, keepdims=True)


@lru_cache(maxsize=64)
def _mean_metric(name: str, regime: Regime) -> tuple[np.ndarray, np.ndarray]:
    """Leans from 0 up, and the metric's mean over galleries at each of them."""
    leans, metric = np.linspace(0.0, regime.lean[1], TRUTHS), RANKING_METRICS.get(name)()
    rng = np.random.default_rng(11)
    groups = rng.choice(len(regime.q), p=regime.q, size=(GALLERIES, N))
    noise = rng.standard_normal((GALLERIES, N), dtype=np.float32)
    values = []
    for lean in leans:
        tops = _best(noise + (lean * np.array(regime.towards, dtype=np.float32))[groups], regime.k)
        values.append(float(metric(np.take_along_axis(groups, tops, -1), regime.q).mean()))
    # the mean is smooth in the lean: a polynomial takes the Monte Carlo error of single points away
    return leans, np.polynomial.Polynomial.fit(leans, values, 5)(leans)


def truth_of(name: str, regime: Regime, lean: np.ndarray) -> np.ndarray:
    """The value that the interval of a metric is about, at each lean."""
    if name == "ndkl":
        return np.interp(lean, *_mean_metric(name, regime))
    shares = true_shares(regime.q, np.multiply.outer(lean, regime.towards), regime.k)
    return RANKING_METRICS.get(name)().from_counts(shares * regime.k, regime.q)


def _gallery(rng: np.random.Generator, regime: Regime, leans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups (N,) of a gallery's images, and its rankings (arms, prompts, depth) for prompts of these leans."""
    towards, depth = np.array(regime.towards, dtype=np.float64), depth_for(regime.k)
    groups = rng.choice(len(regime.q), p=regime.q, size=N)
    own, other = rng.standard_normal((2, len(leans), N))
    noise = math.sqrt(COMMON) * rng.standard_normal(N) + math.sqrt(1 - COMMON) * own
    moved = KEPT * noise + math.sqrt(1 - KEPT**2) * other
    lean = np.multiply.outer(leans, towards)[:, groups]
    return groups, np.stack([_best(lean + noise, depth), _best((1 - FIX) * lean + moved, depth)])


def _best(scores: np.ndarray, depth: int) -> np.ndarray:
    """The rows of the largest scores (prompts, depth), best first."""
    found = np.argpartition(-scores, depth, axis=-1)[:, :depth]
    order = np.argsort(-np.take_along_axis(scores, found, -1), axis=-1)
    return np.take_along_axis(found, order, -1)


# ---------------------------------------------------------------------------------------------- single prompts


def single(regime_number: int, runs: int) -> list[dict[str, Any]]:
    """Intervals of one prompt's shares, metrics and their differences."""
    regime = SINGLE[regime_number]
    rng = np.random.default_rng([1, regime_number])
    k, q, G = regime.k, regime.q, len(regime.q)
    first = int(np.argmax(regime.towards))
    bands = {name: statistics.null_band(RANKING_METRICS.get(name)(), _counts(q), k, q) for name in METRICS}
    hits: dict[str, list[bool]] = {}

    def note(quantity: str, lo: float, hi: float, truth: float) -> None:
        hits.setdefault(quantity, []).append(bool(lo - 1e-12 <= truth <= hi + 1e-12))

    for seed, lean in enumerate(rng.uniform(*regime.lean, size=runs)):
        groups, rankings = _gallery(rng, regime, np.array([lean]))
        tops = [groups[rows[0, :k]] for rows in rankings]
        leans = np.array([lean, (1 - FIX) * lean])
        shares = true_shares(q, np.multiply.outer(leans, regime.towards), k)[:, first]
        searched = np.bincount(groups, minlength=G)
        for top, share in zip(tops, shares, strict=True):
            own = statistics.lean_of(searched, np.bincount(top, minlength=G)).groups[first].share
            note("share", own.lo, own.hi, share)
        pairs = statistics.paired_draws(rankings[0, 0], rankings[1, 0], groups, k, DRAWS, seed)
        exchange = statistics.exchange_of(*(rows[0, :k] for rows in rankings), groups, G)
        moved = statistics.share_changes(exchange)[first]
        note("share change", moved.lo, moved.hi, shares[1] - shares[0])
        for name in METRICS:
            metric = RANKING_METRICS.get(name)()
            truths = truth_of(name, regime, leans)
            if truths[0] > bands[name].hi:
                lo, hi = statistics.metric_interval(metric, tops[0], q, DRAWS, seed)
                note(name, lo, hi, truths[0])
            if metric.ordered:
                moved = statistics.metric_difference(metric, pairs, *tops, q)
            else:
                moved = statistics.metric_change(metric, exchange, q, DRAWS, seed)
            note(f"{name} change", moved.lo, moved.hi, truths[1] - truths[0])
    return [_row(regime.name, quantity, found) for quantity, found in hits.items()]


def _counts(q: np.ndarray) -> list[int]:
    """Rows of each group in a gallery with exactly the superpopulation's shares."""
    counts = np.floor(q * N).astype(int)
    counts[0] += N - counts.sum()
    return counts.tolist()


# ----------------------------------------------------------------------------------------------- prompt lists


def listed(regime_number: int, runs: int) -> list[dict[str, Any]]:
    """Intervals of means over prompts and of their differences."""
    regime = LISTS[regime_number]
    rng = np.random.default_rng([2, regime_number])
    first, metric = int(np.argmax(regime.towards)), RANKING_METRICS.get("max_skew")()
    leans, means = _mean_metric("max_skew", regime)
    every = np.linspace(*regime.lean, 400)
    shares = [
        true_shares(regime.q, np.multiply.outer(part * every, regime.towards), regime.k)[:, first].mean()
        for part in (1, 1 - FIX)
    ]
    skews = [np.interp(part * every, leans, means).mean() for part in (1, 1 - FIX)]
    truths = {
        "mean share difference": shares[1] - shares[0],
        "mean max_skew": skews[0],
        "mean max_skew difference": skews[1] - skews[0],
    }
    hits: dict[str, list[bool]] = {name: [] for name in truths}
    for seed in range(runs):
        groups, rankings = _gallery(rng, regime, rng.uniform(*regime.lean, size=P))
        draws = statistics.list_draws(rankings, groups, regime.k, len(regime.q), DRAWS, seed)
        tops = groups[rankings[..., : regime.k]]
        seen, drawn = (tops == first).mean(axis=-1), draws.shares[..., first]
        skew, skew_drawn = metric(tops, regime.q), draws.values(metric, regime.q)
        found = {
            "mean share difference": (seen[1] - seen[0], drawn[:, 1] - drawn[:, 0]),
            "mean max_skew": (skew[0], skew_drawn[:, 0]),
            "mean max_skew difference": (skew[1] - skew[0], skew_drawn[:, 1] - skew_drawn[:, 0]),
        }
        for name, (observed, resampled) in found.items():
            lo, hi = statistics.over_prompts(observed, resampled, seed)
            hits[name].append(bool(lo <= truths[name] <= hi))
    return [_row(regime.name, quantity, found) for quantity, found in hits.items()]


# --------------------------------------------------------------------------------------------------- findings


def shuffled(regime_number: int, runs: int) -> list[dict[str, Any]]:
    """Labels that say nothing: how often Holm lets any headline finding pass, of bias or of an edit's effect."""
    groups, k = ((2, 100), (7, 50))[regime_number]
    rng = np.random.default_rng([3, regime_number])
    counts = _counts(np.full(groups, 1 / groups))
    labels = np.repeat(np.arange(groups), counts)
    regime = Regime("", k, (0.0,) * groups, (0, 0))
    any_found = []
    for _ in range(runs):
        _, rankings = _gallery(rng, regime, np.zeros(NULL_M))
        shuffled_labels = rng.permutation(labels)
        lists = rankings[..., :k]
        exchanges = (statistics.exchange_of(*both, shuffled_labels, groups) for both in zip(*lists, strict=True))
        effects = [statistics.exchange_p(one, tests=2 * NULL_M)[0] for one in exchanges]
        p = np.concatenate([_p_values(shuffled_labels[lists[0]], counts), effects])
        any_found.append(bool(statistics.corrected(p, "holm").findings.any()))
    share, error = float(np.mean(any_found)), _error(any_found)
    name = f"shuffled labels, {groups} groups, k={k}, m={2 * NULL_M}"
    row = {"regime": name, "quantity": "findings after holm", "n": runs, "share": share, "error": error}
    return [row | {"ok": share <= 0.06}]


def mixed(_: int, runs: int) -> list[dict[str, Any]]:
    """Half of the prompts biased: share of false findings among the findings of Benjamini-Hochberg, and those found."""
    rng = np.random.default_rng(4)
    regime = SINGLE[0]
    biased = np.arange(MIXED_M) < MIXED_M // 2
    false, found = [], []
    for _run in range(runs):
        leans = np.where(biased, rng.uniform(0.1, 0.6, size=MIXED_M), 0.0)
        groups, rankings = _gallery(rng, regime, leans)
        counts = np.bincount(groups, minlength=2).tolist()
        p = _p_values(groups[rankings[0, :, : regime.k]], counts)
        findings = statistics.corrected(p, "benjamini-hochberg").findings
        false.append(float((findings & ~biased).sum() / max(findings.sum(), 1)))
        found.append(float(findings[biased].mean()))
    error = float(np.std(false) / math.sqrt(runs))
    name = f"half of {MIXED_M} prompts biased, 2 groups"
    row = {"regime": name, "quantity": "findings, benjamini-hochberg: false ones", "n": runs}
    row |= {"share": float(np.mean(false)), "error": error, "ok": float(np.mean(false)) <= 0.05 + 2 * error}
    return [row | {"biased_found": float(np.mean(found))}]


def _p_values(tops: np.ndarray, counts: list[int]) -> np.ndarray:
    """p of the lean of each top k (prompts, k)."""
    retrieved = [np.bincount(top, minlength=len(counts)) for top in tops]
    return np.array([statistics.lean_of(counts, one, tests=2 * len(tops)).p for one in retrieved])


# ------------------------------------------------------------------------------------------------------- rows


def _row(regime: str, quantity: str, hits: list[bool]) -> dict[str, Any]:
    share, error = float(np.mean(hits)), _error(hits)
    low, high = EXACT if quantity in EXACT_QUANTITIES else RANGE
    return {
        "regime": regime,
        "quantity": quantity,
        "n": len(hits),
        "share": share,
        "error": error,
        "ok": low - 2 * error <= share <= high + 2 * error,
    }


def _error(hits: list[bool]) -> float:
    """Monte Carlo standard error of a share."""
    share = float(np.mean(hits))
    return math.sqrt(max(share * (1 - share), 1e-4) / len(hits))


def _pooled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Coverage of each quantity over all of its regimes; here the range must hold without allowance."""
    pooled = []
    for quantity in dict.fromkeys(row["quantity"] for row in rows if not row["quantity"].startswith("findings")):
        own = [row for row in rows if row["quantity"] == quantity]
        n = sum(row["n"] for row in own)
        share = sum(row["share"] * row["n"] for row in own) / n
        error = math.sqrt(share * (1 - share) / n)
        low, high = EXACT if quantity in EXACT_QUANTITIES else RANGE
        ok = low <= share <= high
        pooled.append({"regime": "all", "quantity": quantity, "n": n, "share": share, "error": error, "ok": ok})
    return pooled

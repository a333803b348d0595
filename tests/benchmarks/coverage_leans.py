"""Coverage of leans and of changes: exact where every outcome can be listed, else by galleries of known truth.

share, ratio, points of a lean : a biased draw of K from a gallery with fixed groups, every outcome listed with its
    chance; the truth is the mean of the draw.
share change, max_skew change : galleries are samples of a superpopulation, scores are normal with a mean for each
    group, the two arms correlate; the truth is the mean over galleries.
false findings : blind draws, and exchanges that do not look at groups.
power : how often a planted ratio of 1.5, and six rows exchanged one way, are beyond chance.
"""

import math
from typing import Any

import numpy as np
from scipy.stats import hypergeom, nchypergeom_fisher

from core.metrics import RANKING_METRICS
from core.statistics import biased_means, exchange_of, exchange_p, lean_of, metric_change, share_changes

SIZES = (
    *((500, 1000, k) for k in (10, 100, 1000 // 2)),
    *((103, 603, k) for k in (10, 20, 100)),
    *((20, 1000, k) for k in (20, 100)),
    *((5000, 10_000, k) for k in (100, 1000)),
    *((143, 1000, k) for k in (10, 100)),
    (50, 100, 90),
)
LOG_ODDS = np.linspace(-1.5, 1.5, 25)
GROUPS = {
    "2 groups": (500, 500),
    "3 groups, unbalanced": (700, 200, 100),
    "7 groups": (150,) * 7,
    "7 groups, rare": (400, 250, 150, 90, 60, 30, 20),
}
SCENES = {
    "small edit, k=100": ([0.5, 0.5], 1000, 100, [0.6, 0], [0.5, 0], 0.99),
    "strong edit, k=100": ([0.5, 0.5], 1000, 100, [1.2, 0], [-0.2, 0], 0.5),
    "reversal, k=100": ([0.5, 0.5], 1000, 100, [1.0, 0], [-1.0, 0], 0.3),
    "no change, arms not alike, k=100": ([0.5, 0.5], 1000, 100, [0.5, 0], [0.5, 0], 0.0),
    "unbalanced, k=100": ([0.17, 0.83], 603, 100, [1.3, 0], [0.4, 0], 0.6),
    "rare group, k=100": ([0.02, 0.98], 1000, 100, [1.5, 0], [0.5, 0], 0.8),
    "small edit, k=10": ([0.5, 0.5], 1000, 10, [0.6, 0], [0.5, 0], 0.99),
    "strong edit, k=10": ([0.5, 0.5], 1000, 10, [1.0, 0], [-0.5, 0], 0.5),
    "3 groups, k=20": ([0.5, 0.3, 0.2], 600, 20, [0.8, 0.4, 0], [0, 0.1, 0], 0.7),
    "7 groups, k=100": ([1 / 7] * 7, 1400, 100, [0.8, 0.4, 0, 0, 0, 0, -0.4], [0.2, 0.1, 0, 0, 0.3, 0, 0], 0.6),
    "half of the gallery, k=300": ([0.5, 0.5], 600, 300, [0.6, 0], [0.1, 0], 0.8),
    "k=1000": ([0.5, 0.5], 5000, 1000, [0.6, 0], [0.1, 0], 0.8),
}


def run(runs: int = 1000) -> dict[str, Any]:
    """All tables, with so many samples of each kind."""
    return {"runs": runs, "what": "share of samples whose 95 % interval holds the truth", "rows": tables(runs)}


def tables(runs: int = 1000) -> list[dict[str, Any]]:
    """Every row: regime, quantity, n, share (of truths inside, or of findings) and its Monte Carlo error."""
    rows = [_exact(*size) for size in SIZES]
    rows += [row for name in SCENES for row in _changes(name, runs)]
    return rows + [row for name in GROUPS for row in _findings(name, runs)] + _power(runs)


def _exact(group: int, searched: int, k: int) -> dict[str, Any]:
    """Coverage of a share (and so of ratio and points), averaged over odds; smallest and largest beside."""
    xs = np.arange(max(0, k - searched + group), min(group, k) + 1)
    ends = np.array([biased_means(int(x), group, searched, k) for x in xs])
    found = []
    for log_odds in LOG_ODDS:
        chances = nchypergeom_fisher.pmf(xs, searched, group, k, math.exp(log_odds))
        mean = float(chances @ xs)
        found.append(float(chances[(ends[:, 0] - 1e-9 <= mean) & (mean <= ends[:, 1] + 1e-9)].sum()))
    short = k <= 20 or k >= 0.8 * searched or min(group, searched - group) * k / searched < 5
    row = {"regime": f"{group} of {searched:,}, k={k}", "quantity": "lean share and ratio", "n": len(found)}
    row |= {"share": float(np.mean(found)), "smallest": min(found), "largest": max(found), "error": 0.0}
    return row | {"ok": min(found) >= 0.94 and np.mean(found) <= (1.0 if short else 0.975)}


def _changes(name: str, runs: int) -> list[dict[str, Any]]:
    shares, n, k, before, after, alike = SCENES[name]
    rng, metric = np.random.default_rng(len(name)), RANKING_METRICS.get("max_skew")()
    changes, intervals, skews, exchanged = [], [], [], []
    for run in range(runs):
        labels = rng.choice(len(shares), size=n, p=shares)
        noise = rng.normal(size=(2, n))
        noise[1] = alike * noise[0] + math.sqrt(1 - alike**2) * noise[1]
        leans = (np.array(before)[labels], np.array(after)[labels])
        tops = [np.argpartition(-(lean + e), k)[:k] for lean, e in zip(leans, noise, strict=True)]
        exchange = exchange_of(*tops, labels, len(shares))
        exchanged.append(sum(exchange.leaves))
        changes.append(exchange.changes)
        intervals.append([(one.lo, one.hi) for one in share_changes(exchange)])
        skew = metric_change(metric, exchange, shares, seed=run)
        skews.append((skew.estimate, skew.lo, skew.hi))
    truth, ends, skew = np.mean(changes, axis=0), np.array(intervals), np.array(skews)
    inside = (ends[..., 0] <= truth + 1e-9) & (truth - 1e-9 <= ends[..., 1])
    mean = skew[:, 0].mean()
    rows = []
    most = 0.975 if np.mean(exchanged) >= 50 else 0.995
    for quantity, hits in (
        ("share change", inside.mean(axis=1) if len(shares) > 2 else inside[:, 0]),
        ("max_skew change", (skew[:, 1] <= mean) & (mean <= skew[:, 2])),
    ):
        share = float(np.mean(hits))
        error = math.sqrt(max(share * (1 - share), 1e-4) / runs)
        row = {"regime": f"{name}, {np.mean(exchanged):.0f} exchanged", "quantity": quantity, "n": runs, "share": share}
        width = float(np.mean(ends[..., 1] - ends[..., 0])) if quantity == "share change" else None
        rows.append(row | {"error": error, "width": width, "ok": 0.94 - 2 * error <= share <= most + 2 * error + 0.02})
    return rows


def _findings(name: str, runs: int) -> list[dict[str, Any]]:
    """Blind lists: how often a lean, and how often a named group, is beyond chance."""
    sizes, rng, rows = np.array(GROUPS[name]), np.random.default_rng(5), []
    for k in (10, 100, 500):
        leans = [lean_of(sizes, x) for x in rng.multivariate_hypergeometric(sizes, k, size=runs).tolist()]
        for quantity, found in (
            ("findings where there is no lean", [lean.beyond_chance for lean in leans]),
            ("groups named where there is no lean", [lean.leading is not None for lean in leans]),
        ):
            share = float(np.mean(found))
            error = math.sqrt(max(share * (1 - share), 1e-4) / runs)
            row = {"regime": f"{name}, k={k}", "quantity": quantity, "n": runs, "share": share, "error": error}
            rows.append(row | {"ok": share <= 0.05 + 2 * error})
    return rows


def _power(runs: int) -> list[dict[str, Any]]:
    """A planted representation ratio of 1.5 in lists of several lengths."""
    rows, rng = [], np.random.default_rng(6)
    for group, searched in ((500, 1000), (200, 1000), (50, 1000)):
        for k in (20, 50, 100, 200):
            odds = _odds(1.5 * k * group / searched, group, searched, k)
            drawn = nchypergeom_fisher.rvs(searched, group, k, odds, size=runs, random_state=rng)
            leans = [lean_of((group, searched - group), (int(x), k - int(x))) for x in drawn]
            share = float(np.mean([lean.beyond_chance for lean in leans]))
            width = float(np.mean([lean.groups[0].ratio.hi - lean.groups[0].ratio.lo for lean in leans]))
            row = {
                "regime": f"ratio 1.5, {group} of {searched:,}, k={k}",
                "quantity": "power",
                "n": runs,
                "share": share,
            }
            rows.append(row | {"error": math.sqrt(share * (1 - share) / runs), "width": width, "ok": True})
    p, _ = exchange_p(exchange_of(np.arange(100), np.r_[np.arange(6, 100), 100:106], np.r_[[0] * 6, [1] * 100], 2))
    rows.append(
        {"regime": "six rows exchanged one way", "quantity": "p", "n": 1, "share": p, "error": 0, "ok": p <= 0.05}
    )
    return rows


def _odds(mean: float, group: int, searched: int, k: int) -> float:
    """Odds at which a biased draw has this mean."""
    from scipy.optimize import brentq

    assert hypergeom(searched, group, k).mean() < mean
    return math.exp(brentq(lambda t: nchypergeom_fisher.mean(searched, group, k, math.exp(t)) - mean, 0, 10))

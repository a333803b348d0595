"""`toggle`: two neurons switched to a new exact top 1,000 with shares and metrics, live and by editing every row."""

import itertools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import Edit
from core.gallery import unit_rows
from core.interventions.neuron_edit import code_change
from core.metrics import RANKING_METRICS
from core.retrieval import FlatIndex, LiveEngine, StoredIndex, same_ranking

D, D_SAE, L0, K = 512, 4096, 20, 1000
OFTEN, SELDOM, EACH = 0.20, 0.05, 4
"""Neurons 0, 1, .. EACH - 1 fire on the first share of the rows, the next EACH on the second one."""
METRICS = ("max_skew", "ndkl")
OTHERS = 3
"""How often the published way is timed: it takes seconds at a million rows."""


def run(n: int = 100_000, runs: int = 15) -> dict[str, Any]:
    """Medians of interleaved runs: every run switches a set of neurons that was never switched together before.

    Ours begins with the query's scores and each neuron's inner products known, as on a page that shows a ranking and
    lists neurons to switch; what both take the first time is given too. `slider_ms` is the same set at a new strength.
    """
    x, codes, W_dec, labels, query = material(n)
    stored = StoredIndex(x)
    start = time.perf_counter()
    stored.search(query, K)
    opening = time.perf_counter() - start
    engine = LiveEngine(x, codes, W_dec, np.zeros(D), lengths=stored.lengths)
    base = stored.scores(query)
    first = [timed(lambda j=j: engine.search(query, K, Edit((j,)), base))[0] for j in range(2 * EACH)]
    pairs = list(itertools.product(range(EACH), range(EACH, 2 * EACH)))[:runs]
    times: dict[str, list[float]] = {name: [] for name in ("ours", "slider", "other", "partition", "product", "query")}
    rng, same = np.random.default_rng(1), True
    for number, pair in enumerate(pairs):
        edit, weaker = Edit(pair), Edit(pair, strength=0.5)
        took, ours = timed(lambda edit=edit: measured(labels, engine.search(query, K, edit, base)))
        times["ours"].append(took)
        times["partition"].append(timed(lambda: np.argpartition(base, n - K))[0])
        times["slider"].append(timed(lambda edit=weaker: measured(labels, engine.search(query, K, edit, base)))[0])
        another = rng.normal(size=D).astype(np.float32)
        times["product"].append(timed(lambda q=another: x @ q)[0])
        times["query"].append(timed(lambda q=another: stored.search(q, K))[0])
        if number < OTHERS:
            took, other = timed(lambda edit=edit: measured(labels, _indexed(x, codes, W_dec, edit).search(query, K)))
            times["other"].append(took)
            same &= same_ranking(ours[0], other[0], 1e-6) and np.allclose(ours[1], other[1])
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {
        "ratio": round(medians["other"] / medians["ours"], 1),
        "ours": {"median_ms": round(medians["ours"], 3)},
        "other": {"name": "edit, normalise, IndexFlatIP add, search", "median_ms": round(medians["other"], 1)},
        "runs": len(pairs),
        "n": n,
        "d": D,
        "d_sae": D_SAE,
        "k": K,
        "rows_changed": len(engine.edited(Edit(pairs[0])).rows),
        "over_argpartition": round(medians["ours"] / medians["partition"], 2),
        "argpartition_ms": round(medians["partition"], 3),
        "same_ids": bool(same),
        "slider_ms": round(medians["slider"], 3),
        "query_over_product": round(medians["query"] / medians["product"], 3),
        "new_query_ms": round(medians["query"], 1),
        "matrix_vector_ms": round(medians["product"], 1),
        "first_search_ms": round(1e3 * opening, 1),
        "first_switch_ms": round(1e3 * statistics.median(first[1:]), 1),
        "load": round(os.getloadavg()[0], 1),
    }


def material(n: int, seed: int = 0) -> tuple[np.ndarray, sparse.csc_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """Rows in a narrow cone with Zipf firing rates, 20 active neurons a row, decoder rows of length 1."""
    rng = np.random.default_rng(seed)
    codes = firing(rng, rates(), n)
    W_dec = rng.normal(size=(D_SAE, D)).astype(np.float32)
    W_dec /= np.linalg.norm(W_dec, axis=1, keepdims=True)
    x = rng.standard_normal((n, D), dtype=np.float32)
    x *= np.float32(0.5 / np.sqrt(D))
    x += rng.normal(size=D).astype(np.float32) * np.float32(1 / np.sqrt(D))
    query = rng.normal(size=D)
    return x, codes, W_dec, rng.integers(0, 2, n), (query / np.linalg.norm(query)).astype(np.float32)


def rates() -> np.ndarray:
    """Firing rates (D_SAE,): a few neurons at two given rates, the others by a Zipf law, L0 together."""
    shares = np.minimum(1.0 / np.arange(3, D_SAE + 3) ** 0.9, 0.3)
    shares *= (L0 - EACH * (OFTEN + SELDOM)) / shares.sum()
    shares[:EACH], shares[EACH : 2 * EACH] = OFTEN, SELDOM
    return shares


def firing(rng: np.random.Generator, shares: np.ndarray, n: int) -> sparse.csc_matrix:
    """Codes (n, F) of neurons that fire on random rows at these rates."""
    fired = np.maximum((np.minimum(shares, 0.5) * n).astype(np.int64), 1)
    indices = np.concatenate([np.sort(rng.choice(n, size=m, replace=False)).astype(np.int32) for m in fired])
    starts = np.concatenate([[0], np.cumsum(fired)])
    data = rng.exponential(0.15, size=len(indices)).astype(np.float32)
    return sparse.csc_matrix((data, indices, starts), shape=(n, len(shares)))


def _indexed(x: np.ndarray, codes: sparse.csc_matrix, W_dec: np.ndarray, edit: Edit) -> FlatIndex:
    """The published way: edit the rows, normalise all, build the index anew."""
    rows, change = code_change(codes, W_dec, edit)
    edited = x.copy()
    edited[rows] -= change
    return FlatIndex(unit_rows(edited))


def measured(labels: np.ndarray, ranking: Any) -> tuple[Any, list[float]]:
    """The ranking with group shares and metrics of its first rows."""
    ranked = labels[ranking.rows]
    target = np.array([0.5, 0.5])
    shares = np.bincount(ranked, minlength=2) / len(ranked)
    return ranking, [*shares, *(float(RANKING_METRICS.get(name)()(ranked, target)) for name in METRICS)]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result

"""`toggle`: two neurons switched to a new exact top 1,000 with shares and metrics, live and by editing every row."""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import Edit
from core.interventions.neuron_edit import code_change
from core.metrics import RANKING_METRICS
from core.retrieval import FlatIndex, LiveEngine, LiveGallery, Ranking, StoredIndex, best_rows, blocks, same_ranking
from core.store import reserved_array
from core.units import unit_rows

D, D_SAE, L0, K = 512, 4096, 20, 1000
OFTEN, SELDOM, EACH = 0.20, 0.05, 4
"""Neurons 0, 1, .. EACH - 1 fire on the first share of the rows, the next EACH on the second one."""
METRICS = ("max_skew", "ndkl")
IN_MEMORY = 1_000_000
"""Rows whose embeddings are held in memory and indexed at once."""
SPINNING = 0.2
"""Seconds after a product until the threads of BLAS sleep: until then they take a core from whoever is next."""
OTHERS = 3
"""How often the published way is timed: it takes seconds at a million rows."""


def run(n: int = 100_000, runs: int = 15) -> dict[str, Any]:
    """Medians of interleaved runs: every run switches a set of neurons that was never switched together before.

    Ours begins with the query's scores and each neuron's inner products known, as on a page that shows a ranking and
    lists neurons to switch; what both take the first time is given too. `slider_ms` is the same set at a new strength.
    Beyond IN_MEMORY rows the embeddings are float16 on disk, only neurons that are switched have codes, and the other
    way indexes and searches that many rows at a time.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _measure(*material(n, Path(folder)), runs)


def _measure(
    x: np.ndarray, codes: sparse.csc_matrix, W_dec: np.ndarray, labels: np.ndarray, query: np.ndarray, runs: int
) -> dict[str, Any]:
    n, stored = len(x), StoredIndex(x)
    opening, _ = timed(lambda: stored.search(query, K))
    by_row = codes.tocsr()
    fresh = first_edits(
        lambda kept: LiveEngine(
            LiveGallery(x, codes, W_dec, np.zeros(D), lengths=stored.lengths, codes_by_row=by_row, kept=kept)
        ),
        query,
        stored.scores(query),
        OTHERS if n <= IN_MEMORY else 1,
    )
    engine = LiveEngine(LiveGallery(x, codes, W_dec, np.zeros(D), lengths=stored.lengths))
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
        times["product"].append(timed(lambda q=another: _product(x, q))[0])
        time.sleep(SPINNING)
        times["query"].append(timed(lambda q=another: stored.search(q, K))[0])
        if number < (OTHERS if n <= IN_MEMORY else 1):
            took, other = timed(lambda edit=edit: measured(labels, _searched_anew(x, codes, W_dec, edit, query)))
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
        "first_edit_s": fresh,
        "load": round(os.getloadavg()[0], 1),
    }


def first_edits(
    make: Callable[[np.ndarray | None], LiveEngine], query: np.ndarray, base: np.ndarray, runs: int = OTHERS
) -> dict[str, dict[str, float]]:
    """Median seconds of the first edit of each form: with sums that were kept with the codes, as `sae encode` keeps
    them, and by an engine that has made none over its gallery yet; and what making and writing them took.

    Codes are there by neuron and by row and the query's scores are known, as on a page that shows a ranking.
    """
    edits = {"error-preserving": Edit((0,)), "blend": Edit((0,), form="blend", alpha=0.5)}
    with tempfile.TemporaryDirectory() as folder:
        sums = make(None).gallery.sums
        out = reserved_array(Path(folder) / "sums.npy", np.dtype(np.float64), sums.kept_shape)
        found = {"keeping": {"all": round(timed(lambda: sums.keep(out))[0], 3)}}
        for name, kept in (("kept", out), ("not kept", None)):
            seconds: dict[str, list[float]] = {form: [] for form in edits}
            for _ in range(runs + 1):  # the first of each warms up
                for form, edit in edits.items():
                    engine = make(kept)
                    seconds[form].append(timed(lambda e=engine, by=edit: e.search(query, K, by, base))[0])
            found[name] = {form: round(statistics.median(took[1:]), 3) for form, took in seconds.items()}
    return found


def material(
    n: int, folder: Path, seed: int = 0
) -> tuple[np.ndarray, sparse.csc_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """Rows in a narrow cone with Zipf firing rates, 20 active neurons a row, decoder rows of length 1."""
    rng = np.random.default_rng(seed)
    shares = rates() if n <= IN_MEMORY else np.where(np.arange(D_SAE) < 2 * EACH, rates(), 0.0)
    codes = firing(rng, shares, n)
    W_dec = rng.normal(size=(D_SAE, D)).astype(np.float32)
    W_dec /= np.linalg.norm(W_dec, axis=1, keepdims=True)
    cone = rng.normal(size=D).astype(np.float32) * np.float32(1 / np.sqrt(D))
    if n <= IN_MEMORY:
        x = np.empty((n, D), np.float32)
    else:
        x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float16, (n, D))
    for start in range(0, n, IN_MEMORY // 16):
        block = rng.standard_normal((min(IN_MEMORY // 16, n - start), D), dtype=np.float32)
        x[start : start + len(block)] = block * np.float32(0.5 / np.sqrt(D)) + cone
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
    fired = np.maximum((np.minimum(shares, 0.5) * n).astype(np.int64), shares > 0)
    indices = np.concatenate([np.sort(rng.choice(n, size=m, replace=False)).astype(np.int32) for m in fired])
    starts = np.concatenate([[0], np.cumsum(fired)])
    data = rng.exponential(0.15, size=len(indices)).astype(np.float32)
    return sparse.csc_matrix((data, indices, starts), shape=(n, len(shares)))


def _searched_anew(
    x: np.ndarray, codes: sparse.csc_matrix, W_dec: np.ndarray, edit: Edit, query: np.ndarray
) -> Ranking:
    """The published way: edit the rows, normalise all, build the index anew, search it."""
    rows, scores = [], []
    for start in range(0, len(x), IN_MEMORY):
        here = slice(start, min(start + IN_MEMORY, len(x)))
        edited = np.array(x[here], dtype=np.float32)
        changed, change = code_change(codes if len(edited) == len(x) else codes[here], W_dec, edit)
        edited[changed] -= change
        found = FlatIndex(unit_rows(edited)).search(query, K)
        rows.append(found.rows + start)
        scores.append(found.scores)
    every, values = np.concatenate(rows), np.concatenate(scores)
    first = best_rows(values, K)
    return Ranking(every[first], values[first])


def _product(x: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The bare matrix-vector product; of float16 rows block by block in float32, which numpy cannot do at once."""
    if x.dtype == np.float32:
        return x @ query
    return np.concatenate([np.asarray(x[at], np.float32) @ query for at in blocks(len(x), D)])


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

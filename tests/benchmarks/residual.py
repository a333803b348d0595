"""`residual`: two neurons switched before the readout, live and by LayerNorm, projection and a new index."""

import itertools
import os
import statistics
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import Edit
from core.interventions.neuron_edit import code_change
from core.readout import ReadoutArrays
from core.retrieval import FlatIndex, LiveEngine, LiveGallery, StoredIndex, blocks, same_ranking
from core.units import unit_rows
from tests.benchmarks.toggle import D_SAE, EACH, OTHERS, D, K, firing, first_edits, measured, rates, timed

D_MODEL = 768


def run(n: int = 100_000, runs: int = 15) -> dict[str, Any]:
    """Medians of interleaved runs, each of a set never switched together before; see `toggle`.

    The other way edits the residuals, takes only the changed ones through the readout and indexes the gallery anew.
    `over_readout` is against that readout alone, without normalising, indexing and searching. `first_edit_s` is the
    first edit of each form, in seconds; see `toggle`.
    """
    x, pooled, codes, W_dec, readout, labels, query = material(n)
    stored = StoredIndex(pooled)
    base, by_row = stored.scores(query), codes.tocsr()

    def fresh(kept: np.ndarray | None = None) -> LiveEngine:
        parts = (x, codes, W_dec, np.zeros(D_MODEL), pooled, readout, stored.lengths, by_row)
        return LiveEngine(LiveGallery(*parts, kept=kept))

    first_of_each, engine = first_edits(fresh, query, base), fresh()
    first, _ = timed(lambda: engine.search(query, K, Edit((0,)), base))
    for j in range(1, 2 * EACH):
        engine.search(query, K, Edit((j,)), base)
    pairs = list(itertools.product(range(EACH), range(EACH, 2 * EACH)))[:runs]
    times: dict[str, list[float]] = {name: [] for name in ("ours", "other", "readout", "partition")}
    same = True
    for number, pair in enumerate(pairs):
        edit = Edit(pair)
        took, ours = timed(lambda edit=edit: measured(labels, engine.search(query, K, edit, base)))
        times["ours"].append(took)
        times["partition"].append(timed(lambda: np.argpartition(base, n - K))[0])
        if number < OTHERS:
            again, (rows, new) = timed(lambda edit=edit: _read_out(x, codes, W_dec, readout, edit))
            times["readout"].append(again)
            took, other = timed(lambda rows=rows, new=new: measured(labels, _indexed(pooled, rows, new, query)))
            times["other"].append(again + took)
            same &= same_ranking(ours[0], other[0], 1e-6) and np.allclose(ours[1], other[1])
    medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {
        "ratio": round(medians["other"] / medians["ours"], 1),
        "ours": {"median_ms": round(medians["ours"], 3)},
        "other": {"name": "edit, LayerNorm and projection, index, search", "median_ms": round(medians["other"], 1)},
        "runs": len(pairs),
        "n": n,
        "d_model": D_MODEL,
        "d": D,
        "rows_changed": len(engine.edited(Edit(pairs[0])).rows),
        "over_readout": round(medians["readout"] / medians["ours"], 1),
        "readout_ms": round(medians["readout"], 1),
        "over_argpartition": round(medians["ours"] / medians["partition"], 2),
        "same_ids": bool(same),
        "first_switch_ms": round(1e3 * first, 1),
        "first_edit_s": first_of_each,
        "load": round(os.getloadavg()[0], 1),
    }


def material(n: int, seed: int = 0) -> tuple[Any, ...]:
    """Residuals with their pooled embeddings, codes, decoder, readout, labels and a query."""
    rng = np.random.default_rng(seed)
    codes = firing(rng, rates(), n)
    W_dec = rng.normal(size=(D_SAE, D_MODEL)).astype(np.float32)
    W_dec /= np.linalg.norm(W_dec, axis=1, keepdims=True)
    x = rng.standard_normal((n, D_MODEL), dtype=np.float32)
    x *= np.float32(1 / np.sqrt(D_MODEL))
    parts = (rng.uniform(0.5, 1.5, D_MODEL), 0.1 * rng.normal(size=D_MODEL))
    projection = rng.normal(size=(D_MODEL, D)) / np.sqrt(D_MODEL)
    readout = ReadoutArrays(*(part.astype(np.float32) for part in parts), 1e-5, projection.astype(np.float32))
    pooled = np.empty((n, D), dtype=np.float32)
    for rows in blocks(n, D_MODEL):
        pooled[rows] = readout(x[rows])
    return x, pooled, codes, W_dec, readout, rng.integers(0, 2, n), rng.normal(size=D).astype(np.float32)


def _read_out(
    x: np.ndarray, codes: sparse.csc_matrix, W_dec: np.ndarray, readout: ReadoutArrays, edit: Edit
) -> tuple[np.ndarray, np.ndarray]:
    """The changed rows and their new pooled embeddings."""
    rows, change = code_change(codes, W_dec, edit)
    edited = x[rows] - change
    new = np.empty((len(rows), D), dtype=np.float32)
    for at in blocks(len(rows), D_MODEL):
        new[at] = readout(edited[at])
    return rows, new


def _indexed(pooled: np.ndarray, rows: np.ndarray, new: np.ndarray, query: np.ndarray) -> Any:
    edited = pooled.copy()
    edited[rows] = new
    return FlatIndex(unit_rows(edited)).search(query, K)

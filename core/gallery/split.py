"""The split of a gallery: one half finds neurons, the other measures what they do."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd


def split_halves(frame: pd.DataFrame, attributes: Sequence[str], seed: int) -> np.ndarray:
    """Each row's half, "probe" or "evaluation", stratified by all attributes jointly.

    The rows of every combination of attribute values (missing is a value) are dealt out alternately in the order of
    sha256(seed, id), so that its halves differ by at most one row. The odd row of a combination goes where the
    combination's values have been short so far: rare combinations are spread, and every single attribute's groups
    stay balanced too. The result depends on the ids, the attributes and the seed, not on the order of the rows.

    Parameters
    ----------
    frame : column `id` (unique) and the attribute columns.

    Returns
    -------
    halves : (n,) array of str.
    """
    n = len(frame)
    order = np.argsort(np.array([_draw(seed, item) for item in frame["id"].tolist()], dtype="S16"), kind="stable")
    stratum, combinations = _strata(frame, attributes)
    dealt = order[np.argsort(stratum[order], kind="stable")]  # stratum by stratum, inside in the order of the draw
    sizes = np.bincount(stratum, minlength=len(combinations))
    rank = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    probe_first = _who_begins(combinations, sizes, seed)[stratum[dealt]]
    probe = np.empty(n, dtype=bool)
    probe[dealt] = (rank % 2 == 0) == probe_first
    return np.where(probe, "probe", "evaluation")


def _strata(frame: pd.DataFrame, attributes: Sequence[str]) -> tuple[np.ndarray, list[tuple]]:
    """The combination of attribute values of each row as a number (n,), and what each number stands for."""
    stratum = np.zeros(len(frame), dtype=np.int64)
    for name in attributes:
        codes, values = pd.factorize(frame[name])  # -1: missing
        stratum, _ = pd.factorize(stratum * (len(values) + 1) + codes + 1)
    _, first = np.unique(stratum, return_index=True)
    rows = frame[list(attributes)].iloc[first].astype(object)
    return stratum, list(rows.where(rows.notna(), None).itertuples(index=False, name=None)) or [()]


def _who_begins(combinations: list[tuple], sizes: np.ndarray, seed: int) -> np.ndarray:
    """For each combination whether its first row goes to the probe half; it matters where the size is odd."""
    begins = np.zeros(len(combinations), dtype=bool)
    excess: dict[tuple, int] = defaultdict(int)  # rows that the probe half is ahead, by (place, value) and in all
    for _, number in sorted((_draw(seed, c), i) for i, c in enumerate(combinations)):
        cells = [*enumerate(combinations[number]), ("all", None)]
        ahead = sum(excess[cell] for cell in cells)
        begins[number] = ahead < 0 or (ahead == 0 and _draw(seed, combinations[number])[0] % 2 == 0)
        if sizes[number] % 2:
            for cell in cells:
                excess[cell] += 1 if begins[number] else -1
    return begins


def _draw(seed: int, what: object) -> bytes:
    """A reproducible draw for `what`: 16 bytes that differ between seeds."""
    return hashlib.sha256(f"{seed} {what!r}".encode()).digest()[:16]

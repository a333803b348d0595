"""The split of a gallery: one half finds neurons, the other measures what they do."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd


def split_halves(frame: pd.DataFrame, attributes: Sequence[str], seed: int) -> np.ndarray:
    """Each row's half, "probe" or "evaluation", stratified by all attributes jointly.

    Every combination of attribute values (missing is a value) is dealt out alternately in the order of
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
    order = np.argsort(np.array([_draw(seed, item) for item in frame["id"]], dtype="S16"), kind="stable")
    values = frame[list(attributes)].astype(object).where(frame[list(attributes)].notna(), None)
    strata: dict[tuple, list[int]] = defaultdict(list)
    combinations = list(values.itertuples(index=False, name=None)) if attributes else [()] * len(frame)
    for row in order:
        strata[combinations[row]].append(row)

    probe = np.zeros(len(frame), dtype=bool)
    excess: dict[tuple, int] = defaultdict(int)  # rows that the probe half is ahead, for each (attribute, value)
    for combination in sorted(strata, key=lambda c: _draw(seed, c)):
        rows = strata[combination]
        odd = len(rows) % 2
        cells = [*enumerate(combination), ("all", None)]
        ahead = sum(excess[cell] for cell in cells)
        first = ahead < 0 or (ahead == 0 and _draw(seed, combination)[0] % 2 == 0)
        probe[rows[(0 if first else 1) :: 2]] = True
        for cell in cells:
            excess[cell] += odd if first else -odd
    return np.where(probe, "probe", "evaluation")


def _draw(seed: int, what: object) -> bytes:
    """A reproducible draw for `what`: 16 bytes that differ between seeds."""
    return hashlib.sha256(f"{seed} {what!r}".encode()).digest()[:16]

"""What the metrics show in blind draws of the searched rows."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from core.verify.own.metrics import of_counts, of_lists
from core.verify.own.values import DRAWS, Value, middle


def null_band(
    name: str, sizes: Sequence[int], k: int, target: Sequence[float], seed: int
) -> tuple[float, float, float]:
    """Lower and upper end of the middle 95 %, and the mean, of 1,000 blind draws of k rows."""
    return _null_band(name, tuple(sizes), int(k), tuple(target), int(seed))


@lru_cache(maxsize=1024)
def _null_band(
    name: str, sizes: tuple[int, ...], k: int, target: tuple[float, ...], seed: int
) -> tuple[float, float, float]:
    rng = np.random.default_rng(seed)
    counts = rng.multivariate_hypergeometric(np.array(sizes), k, size=DRAWS, method="marginals")
    if name == "ndkl":
        # each draw's labels in the order of the groups, then shuffled row by row
        groups = np.arange(len(sizes), dtype=np.int8 if len(sizes) < 128 else np.int64)
        lists = np.stack([np.repeat(groups, row) for row in counts])
        drawn = of_lists(name, rng.permuted(lists, axis=1), target)
    else:
        drawn = of_counts(name, counts, target)
    return (*middle(drawn), float(drawn.mean()))


def band_of_mean(
    name: str, tops: np.ndarray, labels: np.ndarray, target: Sequence[float], seed: int
) -> tuple[float, float, float]:
    """The same for the mean over prompts: in each of 1,000 draws the retrieved rows get labels once for all prompts.

    A draw gives the different retrieved rows labels of all searched rows, unknown ones too, without replacement:
    default_rng(seed) draws how many of each (multivariate hypergeometric, marginals), then shuffles them (permutation).

    Parameters
    ----------
    tops : retrieved rows (prompts, k).
    labels : group of every searched row (n,), -1 unknown.
    """
    rng, rows = np.random.default_rng(seed), np.unique(tops)
    places = np.searchsorted(rows, tops)
    sizes = [int((labels == g).sum()) for g in range(-1, len(target))]
    drawn = []
    for _ in range(DRAWS):
        counts = rng.multivariate_hypergeometric(sizes, len(rows), method="marginals")
        given = rng.permutation(np.repeat(np.arange(-1, len(target)), counts))
        drawn.append(given[places])
    means = of_lists(name, np.stack(drawn), target).mean(axis=1)
    means = means[np.isfinite(means)]
    return (*middle(means), float(means.mean()))


def beside_band(name: str, found: Value, band: tuple[float, float, float]) -> Value:
    """A metric with its null band, and on which side of it it lies."""
    lo, hi, mean = band
    # within 1e-9 it lies on the band
    below, above = found["estimate"] < lo - 1e-9, found["estimate"] > hi + 1e-9
    # less of the smallest skew is more bias
    beyond, nearer = (below, above) if name == "min_skew" else (above, below)
    side = "beyond" if beyond else "nearer" if nearer else "inside"
    return found | {"null": [lo, hi], "null_mean": mean, "distinguishable": beyond, "null_side": side}

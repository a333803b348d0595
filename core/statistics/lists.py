"""Before and after over a list of prompts: prompts and images are resampled, both arms and all prompts together.

One resample gives every image of the gallery a weight, the same for all prompts and in both arms. What an image does to
many prompts at once is then part of the interval of their mean, which an interval over prompts alone leaves out.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.statistics.bands import Metric
from core.statistics.estimates import DRAWS, LEVEL, Band, Estimate, widening
from core.statistics.means import UNBOUNDED, kept_within
from core.statistics.paired import resampled_counts, row_weights, weighted_lists


@dataclass(frozen=True, eq=False)
class ListDraws:
    """Top k of every prompt over resamples of the images, as rows of each group."""

    counts: np.ndarray
    """(draws, arms, prompts, G), float32, with smooth edges (`resampled_counts`); unknown rows are not counted."""
    weights: np.ndarray
    """Weight of each image that any ranking holds, (draws, images), uint8: how a resample is made again."""
    places: np.ndarray
    """Column in `weights` of every row of the rankings (arms, prompts, depth)."""
    groups: np.ndarray
    """Group number of each such image (images,)."""
    k: int
    seed: int

    @property
    def shares(self) -> np.ndarray:
        """Shares over the known rows, (draws, arms, prompts, G); NaN where a list has none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.counts / self.counts.sum(axis=-1, keepdims=True)

    def values(self, metric: Metric, target: np.ndarray) -> np.ndarray:
        """The metric of every resampled list (draws, arms, prompts)."""
        target = np.asarray(target, dtype=np.float64)
        if not metric.ordered:
            return metric.from_counts(self.counts, target)
        lists = (weighted_lists(self.groups[at], self.weights[:, at], self.k) for arm in self.places for at in arm)
        values = np.stack([metric(ranked, target) for ranked in lists], axis=-1)
        return values.reshape(len(self.weights), *self.places.shape[:2])


def list_draws(
    rankings: np.ndarray, groups: np.ndarray, k: int, n_groups: int, draws: int = DRAWS, seed: int = 0
) -> ListDraws:
    """Resamples of the gallery's rows under every prompt and arm, vectorised.

    The rows' weights are independent Poisson(1), which is the bootstrap of a large gallery, drawn in order of row
    number by default_rng(seed); a row of weight w stands w times in its place of every ranking. Equal arguments give
    equal draws, and a prompt's draws do not depend on the order of the prompts.

    Parameters
    ----------
    rankings : row numbers (arms, prompts, depth), best first; depth at least min(depth_for(k), rows).
    groups : group number of every row of the gallery (n,); -1 unknown.
    """
    rankings = np.asarray(rankings)
    rows, places = np.unique(rankings, return_inverse=True)
    places = places.reshape(rankings.shape)
    of_rows = np.asarray(groups)[rows]
    weights = row_weights(draws, len(rows), seed)
    by_image = np.ascontiguousarray(weights.T, dtype=np.float32)
    counts = np.empty((*rankings.shape[:2], draws, n_groups), dtype=np.float32)
    for arm in np.ndindex(rankings.shape[:2]):
        along = places[arm]
        counts[arm] = resampled_counts(by_image[along[:k]], of_rows[along], k, n_groups)
    return ListDraws(np.moveaxis(counts, 2, 0), weights, places, of_rows, k, seed)


def over_prompts(
    observed: np.ndarray, drawn: np.ndarray, seed: int = 0, within: tuple[float, float] = UNBOUNDED
) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of the mean over prompts, by resampling prompts and images.

    A draw is the mean of a resample of the observed values plus what its images add to the mean. The images' noise of
    single prompts is already in the spread of the observed values, so only what prompts share of it is added (counting
    it twice would give intervals that are too wide). The prompts' part is widened to Student's quantile. The interval
    is about prompts and images like these; a bias of finite lists, which the null band has too, stays in it. With one
    prompt only images are resampled.

    Parameters
    ----------
    observed : (prompts, ...) value of each prompt.
    drawn : (draws, prompts, ...) the same over resamples of the images.
    within : smallest and largest possible value, which the ends do not leave (`kept_within`).

    Returns
    -------
    lo, hi : (...), NaN where a prompt has no value.
    """
    observed, drawn = np.asarray(observed, dtype=np.float64), np.asarray(drawn, dtype=np.float64)
    draws, n = drawn.shape[:2]
    noise = drawn - np.nanmean(drawn, axis=0)
    shared = np.nan_to_num(noise).mean(axis=1)
    deviation = shared
    if n > 1:
        total = shared.var(axis=0)
        inside = np.nanvar(noise, axis=0).sum(axis=0) / n**2
        # rounded: the root makes much of the last digit where nothing is shared
        kept = np.sqrt(np.clip(np.round(1.0 - inside / np.where(total > 0, total, 1.0), 12), 0.0, 1.0))
        deviation = widening(n) * _resampled_mean(observed, draws, seed) + kept * shared
    lo, hi = np.quantile(deviation, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    mean = observed.mean(axis=0)
    return kept_within(mean, mean + lo, mean + hi, within)


def _resampled_mean(observed: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Mean of resampled prompts less the observed mean (draws, ...)."""
    return np.tensordot(_resampled(len(observed), draws, seed), observed - observed.mean(axis=0), axes=1)


@lru_cache(maxsize=8)
def _resampled(n: int, draws: int, seed: int) -> np.ndarray:
    """How often each of n prompts stands in a resample of n, over n (draws, n)."""
    # a stream of its own: the images' weights come from the same seed
    times = np.random.default_rng([seed, 1]).multinomial(n, np.full(n, 1 / n), size=draws) / n
    times.setflags(write=False)
    return times


def mean_estimate(
    observed: np.ndarray, drawn: np.ndarray, seed: int = 0, within: tuple[float, float] = UNBOUNDED
) -> Estimate:
    """Mean over prompts with its interval; n is the number of prompts. Missing where a prompt has no value."""
    observed = np.asarray(observed, dtype=np.float64)
    if not np.isfinite(observed).all():
        return Estimate.missing("a prompt retrieves no row with a known group")
    lo, hi = over_prompts(observed, drawn, seed, within)
    return Estimate(float(observed.mean()), float(lo), float(hi), len(observed))


def null_of_mean(
    metric: Metric, tops: np.ndarray, groups: np.ndarray, target: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> tuple[Band, np.ndarray]:
    """Null band of the mean over prompts, and its draws (draws,): labels are permuted over all searched rows at once.

    Prompts that retrieve the same rows share their luck, which a band made of separate prompts would leave out. Each
    draw of default_rng(seed): how many of the different retrieved rows get each label, unknown first (multivariate
    hypergeometric, marginals), then a permutation of these labels over the rows in order of row number.

    Parameters
    ----------
    tops : rows (prompts, k) that each prompt retrieves.
    groups : group number of every searched row (n,); -1 unknown.
    """
    groups, target = np.asarray(groups), np.asarray(target, dtype=np.float64)
    rows, places = np.unique(tops, return_inverse=True)
    places = places.reshape(np.shape(tops))
    rng = np.random.default_rng(seed)
    sizes = np.bincount(groups + 1, minlength=len(target) + 1)
    kinds, labels = np.arange(-1, len(target)), np.empty((draws, len(rows)), dtype=np.int32)
    for draw in range(draws):
        # the labels of the retrieved rows are a draw without replacement from all of them
        counts = rng.multivariate_hypergeometric(sizes, len(rows), method="marginals")
        labels[draw] = rng.permutation(np.repeat(kinds, counts))
    if metric.ordered:
        values = np.array([metric(own[places], target).mean() for own in labels])
    else:
        holds = np.zeros((len(places), len(rows)), dtype=np.float32)
        np.add.at(holds, (np.arange(len(places))[:, None], places), 1.0)
        counted = np.stack([(labels == g).astype(np.float32) @ holds.T for g in range(len(target))], axis=-1)
        values = metric.from_counts(counted, target).mean(axis=1)
    lo, hi = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Band(float(lo), float(hi), float(np.nanmean(values)), draws, seed), values

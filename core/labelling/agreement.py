"""How far raters agree beyond chance: Cohen's kappa for two, Krippendorff's alpha for any number, with intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.labelling.current import Standing
from core.statistics import DRAWS, LEVEL, Estimate

NO_PAIRS = "no neuron was labelled by two raters"
ONE_CATEGORY = "everybody always said the same: without a second category chance cannot be told from agreement"

Statistic = Callable[[np.ndarray], np.ndarray]
"""From how often each item counts (draws, items) to the statistic (draws,), NaN where undefined."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of all raters on the items that at least two of them labelled."""

    raters: tuple[str, ...]
    items: int
    cohen_kappa: Estimate
    krippendorff_alpha: Estimate

    def to_json(self) -> dict[str, Any]:
        return {
            "raters": list(self.raters),
            "items": self.items,
            "cohen_kappa": self.cohen_kappa.to_json(),
            "krippendorff_alpha": self.krippendorff_alpha.to_json(),
        }


def agreement(standings: Iterable[Standing], by_attribute: bool = False, seed: int = 0) -> Agreement:
    """Agreement on the type of each neuron, or on type and attribute together.

    Decisions take no part: they are made after looking at the labels.
    """
    shared = [s.labels for s in standings if len(s.labels) > 1]
    raters = tuple(sorted({rater for labels in shared for rater in labels}))
    answers = [
        [_said(labels[rater], by_attribute) if rater in labels else None for labels in shared] for rater in raters
    ]
    return Agreement(raters, len(shared), cohen_kappa(answers, seed=seed), krippendorff_alpha(answers, seed=seed))


def _said(label: Any, by_attribute: bool) -> str:
    return label.category if by_attribute else label.type


def cohen_kappa(answers: Sequence[Sequence[str | None]], draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Cohen's kappa of exactly two raters: (p_o - p_e) / (1 - p_e).

    p_o is the share of items on which both say the same, p_e the share expected if each said the same things in any
    order. 1 is perfect, 0 is chance, below 0 worse than chance. Interval: percentiles over resampled items.

    Parameters
    ----------
    answers : one row a rater, one entry an item, None where the rater did not label it. Items that both labelled count.

    Source: Cohen 1960.
    """
    if len(answers) != 2:
        return Estimate.missing(f"Cohen's kappa is for two raters; there are {len(answers)}: see Krippendorff's alpha")
    pairs = [pair for pair in zip(*answers, strict=True) if None not in pair]
    if not pairs:
        return Estimate.missing(NO_PAIRS)
    first, second = _one_hot([list(side) for side in zip(*pairs, strict=True)])
    same = (first * second).sum(axis=1)

    def kappa(times: np.ndarray) -> np.ndarray:
        n = times.sum(axis=1)
        observed = times @ same / n
        expected = ((times @ first) * (times @ second)).sum(axis=1) / n**2
        return _divided(observed - expected, 1 - expected)

    return _with_interval(kappa, len(pairs), draws, seed)


def krippendorff_alpha(answers: Sequence[Sequence[str | None]], draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Krippendorff's alpha for nominal categories, any number of raters, labels may be missing: 1 - D_o / D_e.

    D_o = sum_u [m_u^2 - sum_c n_uc^2] / (m_u - 1) / n  over the items u with m_u >= 2 labels, n_uc of category c;
    D_e = [n^2 - sum_c n_c^2] / (n (n - 1)), n all labels of these items. 1 is perfect, 0 is chance. Interval:
    percentiles over resampled items.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """
    counts = _one_hot([list(row) for row in answers]).sum(axis=0) if len(answers) else np.zeros((0, 0))
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return Estimate.missing(NO_PAIRS)
    m = counts.sum(axis=1)
    apart = (m**2 - (counts**2).sum(axis=1)) / (m - 1)

    def alpha(times: np.ndarray) -> np.ndarray:
        of_category = times @ counts
        n = of_category.sum(axis=1)
        return 1 - _divided((n - 1) * (times @ apart), n**2 - (of_category**2).sum(axis=1))

    return _with_interval(alpha, len(counts), draws, seed)


def _one_hot(answers: Sequence[Sequence[str | None]]) -> np.ndarray:
    """(raters, items, categories), a row of zeros where nothing was said."""
    names = sorted({value for row in answers for value in row if value is not None})
    place = {name: c for c, name in enumerate(names)}
    hot = np.zeros((len(answers), len(answers[0]), len(names)))
    for rater, row in enumerate(answers):
        for item, value in enumerate(row):
            if value is not None:
                hot[rater, item, place[value]] = 1.0
    return hot


def _divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(len(b), np.nan), where=b > 1e-12)


def _with_interval(statistic: Statistic, items: int, draws: int, seed: int) -> Estimate:
    observed = float(statistic(np.ones((1, items)))[0])
    if not np.isfinite(observed):
        return Estimate.missing(ONE_CATEGORY)
    times = np.random.default_rng(seed).multinomial(items, np.full(items, 1 / items), size=draws)
    drawn = statistic(times.astype(np.float64))
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(observed, n=items)
    lo, hi = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(observed, float(lo), float(hi), items)

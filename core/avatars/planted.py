"""Planted against measured: what a model believes about the words, beside what was planted.

Plain numpy on unit embeddings: `image` (n, d) of a balanced gallery and `text` (words, d) of one prompt a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.units import unit


def standardised_gaps(scores: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """d = (mean score of the first group - mean of the others) / standard deviation of all, per column.

    Parameters
    ----------
    scores : (n, words) similarities.
    is_first : (n,) bool, True for the first group (Male).

    Returns
    -------
    (words,), unbounded; above 0: the word leans to the first group, 0: no lean.
    """
    gap = scores[is_first].mean(0) - scores[~is_first].mean(0)
    return gap / scores.std(0)


def ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Ranks from 1, ties share their mean rank."""
    x = np.asarray(values, dtype=np.float64)
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def spearman(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Spearman's rank correlation with mean ranks for ties, -1 to 1."""
    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def max_skew_at(scores: np.ndarray, is_first: np.ndarray, k: int = 100) -> np.ndarray:
    """MaxSkew@k of two groups against the target .5, per column of `scores`.

    max over groups of ln(p_g / .5), p_g the group's share of the k largest scores; 0 (both equal) to ln 2 (one only).
    """
    top = np.argsort(-scores, axis=0, kind="stable")[:k]
    share = is_first[top].mean(0)
    return np.log(np.maximum(share, 1 - share) / 0.5)


def zero_shot_accuracy(image: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose most similar class text is their own label; labels (n,) are numbers of classes."""
    return float((np.argmax(unit(image) @ unit(classes).T, axis=1) == labels).mean())

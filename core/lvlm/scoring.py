"""From next-token logits to the probability of each answer, with the mass that the answers hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config import InputError

MASS_FLOOR = 0.01
"""Answers that hold less of the probability together are no answer: what is left would be renormalised noise."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Probabilities of the answers of some questions.

    Attributes
    ----------
    prob : (n, a) share of the whole vocabulary, as published; NaN where a question does not offer the answer.
    mass : (n,) their sum, 0 to 1. A wrong token of a letter gives a small number here and no error.
    """

    prob: np.ndarray
    mass: np.ndarray

    @property
    def renormalised(self) -> np.ndarray:
        """(n, a) shares of the answers alone, which add up to 1."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.prob / self.mass[:, None]

    def answered(self, floor: float = MASS_FLOOR) -> np.ndarray:
        """Bool (n,): False where the answers hold less than `floor` together, which counts as no answer."""
        return self.mass >= floor


def score(logits: np.ndarray, tokens: np.ndarray) -> Scores:
    """Softmax over the whole vocabulary, read at the tokens of the answers, in float64.

    prob_ia = exp(l_i,t(a)) / sum_v exp(l_iv),  mass_i = sum_a prob_ia.

    Parameters
    ----------
    logits : (n, V) of the place behind the question: of a batch padded on the right the last real token, not the last.
    tokens : (n, a) or (a,) numbers of the answers' tokens; -1 where a question does not offer the answer.

    Raises
    ------
    InputError : tokens outside the vocabulary, or two answers with one token.
    """
    logits = np.asarray(logits, dtype=np.float64)
    tokens = np.broadcast_to(np.asarray(tokens, dtype=np.int64), (len(logits), np.shape(tokens)[-1]))
    if tokens.size and (tokens.max() >= logits.shape[1] or tokens.min() < -1):
        raise InputError(f"the token {tokens.max()} was asked for; this vocabulary has 0 to {logits.shape[1] - 1}")
    for row in np.unique(tokens, axis=0):
        offered = row[row >= 0]
        if len(set(offered.tolist())) < len(offered):
            raise InputError(f"two answers have one token ({offered.tolist()}); they cannot be told apart")
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1, keepdims=True)) + top
    given = np.take_along_axis(logits, np.maximum(tokens, 0), axis=1)
    prob = np.where(tokens >= 0, np.exp(given - total), np.nan)
    return Scores(prob, np.nansum(prob, axis=1))


def score_options(logits: np.ndarray, options: np.ndarray, letters: Sequence[int] | np.ndarray) -> Scores:
    """`score` of yes, no and unsure behind option letters.

    Parameters
    ----------
    options : (n, 3 or more): which letter (0 for A) stands before yes, no and unsure, -1 where it is not offered;
        further columns (the wording of unsure) are not read.
    letters : numbers of the tokens of A, B, C, by what the tokenizer at hand makes of them.
    """
    options, letters = np.asarray(options, dtype=np.int64)[:, :3], np.asarray(letters, dtype=np.int64)
    if options.size and (options.max() >= len(letters) or options.min() < -1):
        raise InputError(f"an option stands at letter {options.max()}; letters 0 to {len(letters) - 1} have a token")
    return score(logits, np.where(options >= 0, letters[np.maximum(options, 0)], -1))


def last_places(lengths: Sequence[int] | np.ndarray, padded: int, out: int) -> np.ndarray:
    """Where the last real token of each row of a right-padded batch stands in the model's output (n,).

    out - padded + length - 1: models that put a picture's tokens before the text give out more places than there were.
    """
    return out - padded + np.asarray(lengths, dtype=np.int64) - 1

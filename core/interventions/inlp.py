"""INLP: what a linear reader reads is deleted, then what another one still reads, and so on."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers
from core.units import unit

ROUNDS = 5
"""Readers that are fitted at most; every one costs content."""
PRECISE = 1e-9
"""Gradient at which a reader's fit ends. Weights get small from round to round, and with them what may be left open."""
LONGEST = 5000
"""Steps of a reader's fit at most."""
EPS = float(np.finfo(np.float64).eps)


@INTERVENTIONS.register("inlp")
class INLP(Intervention):
    """x' = x P, P = I - R(sum_i R(W_i)), W_i a logistic regression (L2, C = 1) fitted on the unit rows u P so far.

    R(A) projects on the row space of A. At most 5 rounds; it ends where a reader does no better than naming the
    largest group. Linear readers alone: others may still find the group.
    """

    title = "INLP"
    plain = (
        "It trains a straight rule that tells the groups apart, deletes what the rule looks at from every picture's "
        "description, and repeats this until a new rule does no better than guessing, five times at most. The search "
        "text stays as it is, and every round takes some content along."
    )
    formula = r"x' = x P, \qquad P = I - R\bigl(\textstyle\sum_i R(W_i)\bigr), \quad W_i \text{ fitted on } u P_{i-1}"
    paper = "INLP, arXiv 2004.07667"
    cost = "up to five logistic regressions once, then one thin product for the gallery"
    changes = "items"
    needs = Needs(references=True)
    array_names = (
        *("Xtrain", "ytrain", "Xdev", "ydev", "n_iterations", "autoregressive", "min_accuracy"),
        "settings_C_tol_maxiter",
    )

    def fit(self, evidence: Evidence) -> np.ndarray:
        """Orthonormal basis (d, r) of what is deleted."""
        references = evidence.require_references()
        return nullspace(unit(references.pooled), references.labels)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return without(material.stored(), fitted)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted),)

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "inlp")
        x = read.matrix("Xtrain", least=2)
        dev = read.matrix("Xdev", x.shape[1])
        y, truth = read.whole("ytrain"), read.whole("ydev")
        read.fits("ytrain", len(y) == len(x), f"{len(x)} labels, one a row of Xtrain")
        read.fits("ytrain", len(np.unique(y)) >= 2, "at least two groups")
        read.fits("ydev", len(truth) == len(dev), f"{len(dev)} labels, one a row of Xdev")
        rounds, again = read.count("n_iterations"), read.number("autoregressive", 0, 1) == 1
        least, settings = read.number("min_accuracy"), read.vector("settings_C_tol_maxiter", 3)
        kept: list[np.ndarray] = []
        accuracies: list[float] = []
        P = np.eye(x.shape[1])
        for _ in range(rounds):
            W, intercept, classes = reader(x @ P, y, *settings)
            accuracies.append(_accuracy(dev @ P, truth, W, intercept, classes))
            if accuracies[-1] < least:
                break
            kept.append(W)
            if not again:
                break
            P = _leaving(kept)
        # the next reader would be fitted on the same rows: it is the same one
        same = rounds - len(accuracies)
        accuracies += accuracies[-1:] * same
        if kept and not again:
            kept += kept[-1:] * same
        rows = 1 if len(np.unique(y)) == 2 else len(np.unique(y))
        return {
            "P": _leaving(kept) if kept else P,
            "W": np.stack(kept) if kept else np.zeros((0, rows, x.shape[1])),
            "dev_accuracy": np.array(accuracies),
            "n_kept": np.array(len(kept)),
        }


def nullspace(x: np.ndarray, labels: np.ndarray, rounds: int = ROUNDS) -> np.ndarray:
    """Orthonormal basis (d, r), float64, of what up to `rounds` readers of the groups look at in rows (n, d)."""
    *_, last = (np.zeros((np.shape(x)[1], 0)), *nullspaces(x, labels, rounds))
    return last


def nullspaces(x: np.ndarray, labels: np.ndarray, rounds: int) -> Iterator[np.ndarray]:
    """What is deleted after the first reader, after two, and so on: bases (d, r), the last one after at most `rounds`.

    It ends where the next reader does no better on these rows than naming the largest group.
    """
    x = np.asarray(x, dtype=np.float64)
    most = np.bincount(labels).max() / len(labels)
    kept: list[np.ndarray] = []
    V = np.zeros((x.shape[1], 0))
    for _ in range(rounds):
        left = x - (x @ V) @ V.T
        W, intercept, classes = reader(left, labels, 1.0, PRECISE, LONGEST)
        if _accuracy(left, labels, W, intercept, classes) <= most:
            return
        kept.append(W)
        V = _looked_at(kept)
        yield V


def reader(
    x: np.ndarray, y: np.ndarray, C: float, tolerance: float, steps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (1 or G, d), intercepts and groups of a logistic regression: sum_i log loss + |W|^2 / (2 C).

    Newton's steps go to the minimum itself: where a quasi-Newton search stops is a matter of rounding, and the next
    readers multiply it.
    """
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # the line search ends at the precision of float64 before such a tolerance is met
        warnings.simplefilter("ignore")
        found = LogisticRegression(C=float(C), tol=float(tolerance), max_iter=int(steps), solver="newton-cg").fit(x, y)
    return found.coef_, found.intercept_, found.classes_


def _accuracy(x: np.ndarray, y: np.ndarray, W: np.ndarray, intercept: np.ndarray, classes: np.ndarray) -> float:
    said = x @ W.T + intercept
    chosen = (said[:, 0] > 0).astype(np.int64) if len(W) == 1 else said.argmax(axis=1)
    return float((classes[chosen] == y).mean())


def _looked_at(readers: list[np.ndarray]) -> np.ndarray:
    """Orthonormal basis (d, r) of the rows of all readers, each by its own row space, so that small weights count."""
    return row_space(np.concatenate([row_space(W, EPS).T for W in readers]), EPS)


def _leaving(readers: list[np.ndarray]) -> np.ndarray:
    V = _looked_at(readers)
    return np.eye(len(V)) - V @ V.T

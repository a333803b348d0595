"""Orth-Cali: Orth-Proj, calibrated so that contents said of every group come out alike."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import remainder, row_space
from core.portable.pieces import Piece
from core.portable.pieces.matrix import Matrix
from core.saes.folder import Numbers
from core.units import unit

LAMBDA = 1000.0
"""Weight of the calibration in the published runs."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """P0 = I - V V^T, M = mean over pairs of (c_i - c_j)(c_i - c_j)^T, P = P0 (lam M + I)^-1, all (d, d) float64."""

    P0: np.ndarray
    M: np.ndarray
    P: np.ndarray

    @property
    def nbytes(self) -> int:
        return 3 * self.P.nbytes

    @classmethod
    def of(cls, spurious: np.ndarray, differences: np.ndarray, lam: float = LAMBDA) -> "Calibration":
        """From unit group prompts (n, d) and the differences (m, d) of unit pairs that should mean the same.

        lam = 0 is Orth-Proj; lam to infinity also removes the span of the differences before P0 does its part.
        """
        V = row_space(spurious)
        P0 = np.eye(len(V)) - V @ V.T
        M = differences.T @ differences / len(differences)
        return cls(P0, M, np.linalg.solve(lam * M + np.eye(len(V)), P0).T)  # both factors are symmetric


@INTERVENTIONS.register("orth-cali")
class OrthCali(Intervention):
    """z' = z P^T, P = P0 (lam M + I)^-1 with lam = 1000, pairs of one content said of two groups.

    The contents are a fixed list, so that one query's answer does not depend on which others are asked.
    """

    title = "Orth-Cali"
    plain = (
        "It deletes the directions of the groups' words and then presses together the descriptions of, say, a male and "
        "a female doctor until they mean nearly the same. The pictures stay as they are; the pressing is strong and "
        "can take content away too."
    )
    formula = (
        r"z' = z\,P^\top, \quad P = P_0\,(\lambda M + I)^{-1}, "
        r"\quad M = \tfrac{1}{|S|}\sum_{(i,j)\in S} (c_i-c_j)(c_i-c_j)^\top"
    )
    paper = "Biased Prompts, arXiv 2302.00070"
    cost = "microseconds a query, one d x d system once"
    changes = "query"
    needs = Needs(prompts=("spurious", "contents"))
    array_names = ("spurious_emb", "query_emb", "candidate_emb")

    def fit(self, evidence: Evidence) -> Calibration:
        pairs = [differences(block) for block in map(unit, evidence.text("contents").blocks())]
        return Calibration.of(unit(evidence.text("spurious").pooled), np.concatenate(pairs))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        stored = material.stored()
        return remainder(stored, (stored @ fitted.P.T).astype(stored.dtype))

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (Matrix({"P": fitted.P}),)

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "orth-cali")
        query = read.matrix("query_emb")
        spurious = unit(read.matrix("spurious_emb", query.shape[1]))
        candidates = unit(read.matrix("candidate_emb", query.shape[1]))
        each = len(spurious)
        expected = f"{len(query) * each} rows, one for each query and spurious prompt"
        read.fits("candidate_emb", len(candidates) == len(query) * each, expected)
        read.fits("spurious_emb", each >= 2, "at least two rows, as pairs of them are calibrated")
        lam = read.number("lam", 0.0) if "lam" in arrays else LAMBDA
        pairs = np.concatenate([differences(block) for block in np.split(candidates, len(query))])
        calibration = Calibration.of(spurious, pairs, lam)
        query, dtype = unit(query), query.dtype
        return {"out": unit(remainder(query, query @ calibration.P.T)).astype(dtype)}


def differences(rows: np.ndarray) -> np.ndarray:
    """c_i - c_j for all pairs i < j of rows (n, d)."""
    return np.stack([rows[i] - rows[j] for i, j in combinations(range(len(rows)), 2)])

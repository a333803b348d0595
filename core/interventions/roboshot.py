"""RoboShot: items without harmful directions, then with helpful ones strengthened."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from core.config import Edit, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import remainder, row_space, without
from core.portable.pieces import Piece, low_rank
from core.saes.folder import Numbers
from core.units import unit

LEAST = 5e-3
"""Singular values below this share of the largest give no direction. The embeddings that are subtracted are known to
1e-6 of their length at worst; what is left below this share points where rounding says, and cosines moved by 3e-4."""


@dataclass(frozen=True, eq=False)
class Insights:
    """Orthonormal bases of the harmful and helpful directions, (d, r) each, float64."""

    harmful: np.ndarray
    helpful: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.harmful.nbytes + self.helpful.nbytes

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(I + Q_t Q_t^T)(I - Q_s Q_s^T) x for rows (n, d), in the dtype of x; zeros where nothing is left."""
        rejected = without(x, self.harmful)
        return rejected + (rejected @ self.helpful.astype(x.dtype)) @ self.helpful.T.astype(x.dtype)


@INTERVENTIONS.register("roboshot")
class RoboShot(Intervention):
    """x' = (I + Q_t Q_t^T)(I - Q_s Q_s^T) x on the items: first reject, then accept.

    Q_s spans the differences of prompts that say the same of two groups (row i of every group's prompts), Q_t those
    of the helpful pairs; without such pairs nothing is strengthened. Both are cut where a difference is too small to
    have a direction (LEAST). The cut is not the paper's, and results depend on it: on the default gallery MaxSkew is
    .06 with it and .36 without.
    """

    title = "RoboShot"
    plain = (
        "It removes from every picture's description the directions in which sentences about one group differ from "
        "the same sentences about another, and can strengthen directions that matter for the task. The search text "
        "stays as it is."
    )
    formula = r"x' = (I + Q_t Q_t^\top)(I - Q_s Q_s^\top)\,x"
    paper = "RoboShot, arXiv 2309.04344"
    cost = "one d x d product for the gallery"
    changes = "items"
    needs = Needs(prompts=("bias",), wanted=("helpful",))
    array_names = ("harmful_emb", "helpful_emb", "image_emb")

    def fit(self, evidence: Evidence) -> Insights:
        groups = evidence.text("bias").blocks()
        harmful = np.concatenate([_paired(a, b) for a, b in combinations(groups, 2)])
        helpful = np.zeros((0, harmful.shape[1]))
        if "helpful" in evidence.texts:
            helpful = np.stack([pair[0] - pair[1] for pair in evidence.text("helpful").blocks()])
        return Insights(_directions(harmful), _directions(helpful))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        return fitted(material.stored())

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (low_rank.without(fitted.harmful), low_rank.strengthened(fitted.helpful))

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "roboshot")
        image = read.matrix("image_emb")
        bases = []
        for name in ("harmful_emb", "helpful_emb"):
            pairs = read.array(name, 3, image.shape[1])
            read.fits(name, pairs.shape[1] == 2, "pairs (n, 2, d)")
            bases.append(_directions(pairs[:, 0].astype(np.float64) - pairs[:, 1]))
        return {"out": unit(Insights(*bases)(image.astype(np.float64))).astype(image.dtype)}


def _directions(differences: np.ndarray) -> np.ndarray:
    """Orthonormal basis (d, r) of what differences (n, d) have in common."""
    return row_space(differences, LEAST / max(differences.shape))


def _paired(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences of rows that say the same of two groups; of the means where the groups' lists differ in length."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if len(a) != len(b):
        a, b = a.mean(axis=0, keepdims=True), b.mean(axis=0, keepdims=True)
    return remainder(a, a - b)

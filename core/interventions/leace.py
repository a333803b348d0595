"""LEACE: the smallest change after which no linear reader finds the group."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.config import Edit, InputError, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import at_length
from core.portable.pieces import Piece
from core.portable.pieces.low_rank import LowRank
from core.saes.folder import Numbers
from core.units import unit

TOLERANCE = 0.01
"""Whitened singular values, which are correlations, up to this give no direction."""
EPS = float(np.finfo(np.float64).eps)

Covariance = Literal["shrunk", "plain"]


@dataclass(frozen=True, eq=False)
class Eraser:
    """x' = x - (x - mean) read^T write^T: of rank groups - 1 at most."""

    mean: np.ndarray
    """(d,)."""
    read: np.ndarray
    """U^T W (r, d)."""
    write: np.ndarray
    """W^+ U (d, r)."""

    @property
    def nbytes(self) -> int:
        return self.mean.nbytes + self.read.nbytes + self.write.nbytes

    @property
    def P(self) -> np.ndarray:
        """I - W^+ U U^T W (d, d); not symmetric: rows are multiplied by its transpose."""
        return np.eye(len(self.mean)) - self.write @ self.read

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The same map without the app."""
        return (LowRank({"R": self.read.T, "c": self.read @ self.mean, "W": self.write.T}),)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x - ((x - self.mean) @ self.read.T) @ self.write.T


@INTERVENTIONS.register("leace")
class LEACE(Intervention):
    """u' = u - W^+ Q Q^T W (u - mu) for unit rows u, x' = |x| u'.

    W = (S_xx^(1/2))^+ whitens the labelled items, Q spans what whitened rows and groups have in common,
    W S_xz (singular values above .01). S_xx is shrunk towards a multiple of the identity (`shrunk`), as by the
    authors' default; with the plain covariance the change is another one and erases as much. On the rows that it is
    fitted on the groups' means of u' are equal, so that no linear reader beats a constant; on others nearly, and a
    row that is divided by its length again gets a little back. Removes groups - 1 directions.
    """

    title = "LEACE"
    plain = (
        "It learns, from pictures with known groups, the smallest change after which no straight rule tells the "
        "groups apart on these, and applies it to every picture's description. The search text stays as it is, and "
        "rules that are not straight may still find the group."
    )
    formula = (
        r"u' = u - W^{+} Q Q^\top W (u - \mu), "
        r"\qquad W = (\Sigma_{uu}^{1/2})^{+},\; Q = \mathrm{col}(W \Sigma_{uz})"
    )
    paper = "LEACE, arXiv 2306.03819"
    cost = "one decomposition of a d x d matrix, then one thin product for the gallery"
    changes = "items"
    needs = Needs(references=True)
    array_names = ("x", "z", "svd_tol")

    def fit(self, evidence: Evidence) -> Eraser:
        references = evidence.require_references()
        groups = np.unique(references.labels)
        return eraser(unit(references.pooled), (references.labels[:, None] == groups).astype(np.float64))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Eraser | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        return at_length(stored, fitted(unit(stored))) if len(fitted.read) else stored

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return fitted.pieces

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "leace")
        x = read.matrix("x", least=2)
        z = read.matrix("z")
        read.fits("z", len(z) == len(x), f"{len(x)} rows, one for each of x")
        covariance = str(np.asarray(arrays["covariance"]).item()) if "covariance" in arrays else "shrunk"
        if covariance not in ("shrunk", "plain"):
            raise InputError(f"leace: the array 'covariance' has {covariance!r}; expected shrunk or plain")
        found = eraser(x, z, read.number("svd_tol", 0.0), covariance)
        result = {"P": found.P, "bias": found.mean, "out": found(np.asarray(x, dtype=np.float64))}
        if "unseen_x" in arrays:
            result["unseen_out"] = found(read.matrix("unseen_x", x.shape[1]).astype(np.float64))
        return result


def eraser(
    x: np.ndarray, z: np.ndarray, tolerance: float = TOLERANCE, covariance: Covariance | str = "shrunk"
) -> Eraser:
    """The eraser of groups z (n, k: one 0/1 column, or one a group) from rows x (n, d); float64 throughout.

    Parameters
    ----------
    tolerance : absolute, of whitened singular values.
    """
    x, z = np.asarray(x, dtype=np.float64), np.asarray(z, dtype=np.float64)
    n, mean = len(x), x.mean(axis=0)
    dx, dz = x - mean, z - z.mean(axis=0)
    S = shrunk(dx.T @ dx / n, n) if covariance == "shrunk" else dx.T @ dx / (n - 1)
    values, V = np.linalg.eigh(S)
    counted = values > values[-1] * len(S) * EPS
    root, V = np.sqrt(values[counted]), V[:, counted]
    W, back = (V / root) @ V.T, (V * root) @ V.T
    U, s, _ = np.linalg.svd(W @ (dx.T @ dz / (n - 1)), full_matrices=False)
    U = U[:, s > tolerance]
    return Eraser(mean, U.T @ W, back @ U)


def shrunk(S: np.ndarray, n: int) -> np.ndarray:
    """a S + (1 - a) (tr S / d) I for the covariance S (d, d) of n rows, its sums divided by n.

    a = 1 - (t^4 / (d n)) / (|S|_F^2 t^2 / d - t^4 / d^2) with t = tr S: the share that, for large n and d, is nearest
    to the true covariance.
    """
    d, trace = len(S), np.trace(S)
    wanted = trace**4 / (d * n)
    spread = (S * S).sum() * trace**2 / d - (trace**2 / d) ** 2
    share = 1 - (wanted + EPS) / (spread + EPS)
    return share * S + (1 - share) * (trace / d) * np.eye(d)

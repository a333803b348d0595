"""CLIP-clip: the columns that say most about the group are left out, on both sides."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from core.config import Edit, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.portable.pieces import Piece
from core.portable.pieces.cut import Cut
from core.saes.folder import Numbers
from core.units import unit

KEPT, OF_COLUMNS = 400, 512
"""400 of 512 columns are kept in the published runs; other widths keep the same share."""
BINS = 64
SMOOTHED = 1.0
"""Deviation, in bins, of the Gaussian that smooths the joint histogram."""
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Clip:
    """Columns by what they say about the group, least first."""

    order: np.ndarray
    """(d,)."""
    kept: int
    paired: bool
    """Whether items and queries are told apart by their side, so that lengths can be kept (see the method)."""

    @property
    def nbytes(self) -> int:
        return self.order.nbytes


@INTERVENTIONS.register("clip-clip")
class ClipClip(Intervention):
    """s = sum_(j in K) q_j x_j of unit rows q and x, K the m columns that say least about the group; m = 400 at 512.

    What a column says is its mutual information with the group on the labelled items' raw columns
    (`mutual_information`), ties by column. Nothing is normalised after the cut: to keep a row's length 1 without
    touching s, the length of what is left out goes into the first left-out column of a picture and into the second one
    of a text, where the other side has 0. A gallery of captions has texts on both sides; there rows are cut alone, and
    divided by their length where they are compared.
    """

    title = "CLIP-clip"
    plain = (
        "It finds the numbers of a picture's description from which a group can be guessed best and leaves them out "
        "of the comparison, in the picture and in the search text. Every search is changed by it, and what these "
        "numbers said besides is lost."
    )
    formula = r"s = \sum_{j \in K} q_j x_j, \qquad K = \text{the } m \text{ columns of least } I(x_j; g)"
    paper = "CLIP-clip, Wang, Liu, Wang, EMNLP 2021"
    cost = "a histogram a column once, then nothing"
    changes = "both"
    needs = Needs(references=True)
    array_names = ("image_features", "text_features", "gender", "n")

    def fit(self, evidence: Evidence) -> Clip:
        references = evidence.require_references()
        d = references.pooled.shape[1]
        order = by_information(mutual_information(references.pooled, references.labels))
        return Clip(order, max(1, min(round(d * KEPT / OF_COLUMNS), d - 2)), evidence.side == "image")

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Clip | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        changed = material.stored()
        dropped = fitted.order[fitted.kept :]
        length = np.sqrt(np.einsum("ij,ij->i", changed[:, dropped], changed[:, dropped]))
        changed[:, dropped] = 0
        if fitted.paired and len(dropped) >= 2:
            changed[:, dropped[0 if material.side == "image" else 1]] = length
        return changed

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        keep, place = np.ones(len(fitted.order)), np.zeros(len(fitted.order))
        dropped = fitted.order[fitted.kept :]
        keep[dropped] = 0
        if fitted.paired and len(dropped) >= 2:
            place[dropped[0 if side == "image" else 1]] = 1
        return (Cut({"keep": keep, "place": place}),)

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "clip-clip")
        image = read.matrix("image_features")
        text = read.matrix("text_features", image.shape[1])
        groups = read.whole("gender")
        read.fits("gender", len(groups) == len(image), f"{len(image)} labels, one an image")
        n = read.count("n")
        read.fits("n", n <= image.shape[1], f"at most {image.shape[1]} columns")
        mi = mutual_information(image, groups)
        order = by_information(mi)
        kept = order[:n]
        similarity = unit(text)[:, kept] @ unit(image)[:, kept].T
        return {"mi": mi, "order": order, "similarity": similarity.astype(image.dtype)}


def by_information(mi: np.ndarray) -> np.ndarray:
    """Columns (d,), least mutual information first; of equal ones the lower column."""
    return np.argsort(mi, kind="stable")


def mutual_information(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mutual information (d,), float64, in nats, of each column of x (n, d) with the label (n,); 0: none.

    J: joint histogram, 64 x 64 equal bins from the smallest to the largest value of the column and of the label,
    smoothed by a Gaussian of one bin (zeros outside, cut at four deviations), plus 2.2e-16, divided by its sum.
    sum J ln J minus the same of both marginals. The smoothing reaches from one label into the next and the bins follow
    the extremes, so that an unrelated column is not at 0: for an order of columns it does, as a number it says little.
    """
    place = _bins(np.asarray(labels, dtype=np.float64)[:, None])[:, 0]
    columns = _bins(np.asarray(x, dtype=np.float64))
    return np.array([_information(column, place) for column in columns.T])


def _bins(values: np.ndarray) -> np.ndarray:
    """Bin (n, d) of each value between its column's extremes; the last bin is closed, one value alone is in the middle.

    The quotient and the edges can disagree on a value at an edge: the edges decide.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    flat = low == high
    low, high = np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
    edges = np.linspace(low, high, BINS + 1)
    place = np.clip(((values - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)
    columns = np.arange(values.shape[1])
    place -= values < edges[place, columns]
    return place + ((values >= edges[place + 1, columns]) & (place < BINS - 1))


def _information(column: np.ndarray, label: np.ndarray) -> float:
    counts = np.bincount(column * BINS + label, minlength=BINS * BINS).reshape(BINS, BINS).astype(np.float64)
    J = gaussian_filter(counts, SMOOTHED, mode="constant") + EPS
    J /= J.sum()
    sides = sum(float((side * np.log(side)).sum()) for side in (J.sum(axis=0), J.sum(axis=1)))
    return float((J * np.log(J)).sum()) - sides

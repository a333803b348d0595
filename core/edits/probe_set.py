"""The rows that find neurons, and nothing else: whoever gets a probe set cannot see an evaluation row."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from core.config import InputError
from core.interventions import Material
from core.metrics import RANKING_METRICS
from core.metrics.base import skews, top_rows
from core.neurons.attribution import Attribution, Rows, attribute
from core.ranking.items import item_material
from core.ranking.live_items import live_engine
from core.ranking.request import RankRequest
from core.ranking.rows import Part, part_of
from core.readout import ReadoutArrays
from core.retrieval import LiveEngine, best_rows, blocks, squared_lengths, times, unit_query
from core.scene import Scene
from core.statistics import Lean, depth_for, lean_of
from core.units import unit

MOST_KEPT = 1 << 22
"""Codes of a set of rows, 12 bytes each, up to which it is kept for further queries."""
RESAMPLES = 100
"""Resamples of the probe rows over which skew is averaged in a search."""


@dataclass(frozen=True, eq=False)
class ProbeSet:
    """Items of the probe half (or of a probe gallery) with their groups and codes."""

    material: Material
    part: Part
    k: int
    """Retrieved rows at which skew is looked at, the same share of the probe rows as the request's k of its own."""

    def products(self, query: np.ndarray) -> np.ndarray:
        """Stored pooled embedding . query of every row (n,), summed in float64."""
        return times(self.material.pooled, query[None], dtype=np.float64)[0]

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.sqrt(squared_lengths(self.material.pooled, np.float64))

    @cached_property
    def directions(self) -> np.ndarray:
        """What a unit of each neuron adds (F, d): decoder rows, through the linear part of the readout where needed."""
        W = self.material.W_dec.astype(np.float64)
        return W if self.readout is None else self.readout.linear(W)

    @cached_property
    def scale(self) -> np.ndarray | None:
        """1 / sigma of every row at the residual attach point (n,); None at the pooled one."""
        if self.readout is None:
            return None
        x = self.material.x
        sigma = [self.readout.sigma(np.asarray(x[at], np.float64)) for at in blocks(len(x), x.shape[1])]
        return 1.0 / np.concatenate(sigma)

    @property
    def readout(self) -> ReadoutArrays | None:
        return self.material.readout if self.material.attach == "residual" else None

    def leading_group(self, query: np.ndarray) -> int:
        """Place of the group that the top k over-represents most by its target, the first of equals.

        By (k_g - K t_g) / sqrt(K t_g (1 - t_g)), standard errors of a draw at the target: a ratio of shares would put
        a small group in front for one row more or fewer. A group with nobody retrieved never leads.
        """
        scores = self.products(query) / self.lengths
        ranked = self.part.labels[top_rows(scores, self.k)]
        counts = np.bincount(ranked[ranked >= 0], minlength=len(self.part.groups))
        if not counts.sum():
            raise InputError("none of the top k of the probe rows has a known group; choose another attribute")
        return int(np.argmax(departures(counts, self.part.target)))

    def attribution(self, query: np.ndarray, group: int, other: int | None = None) -> Attribution:
        """The query's score gap of a group, against another one or all other known rows, neuron by neuron."""
        first = self._rows(("group", group))
        rest = self._rows(("others", group) if other is None else ("group", other))
        return attribute(self.material.require_codes(), self.directions @ query, self.products(query), first, rest)

    def _rows(self, which: tuple[str, int]) -> Rows:
        """The rows of a group, or of all others; kept for the next query where they are few."""
        if which not in self._sets:
            kind, group = which
            labels = self.part.labels
            chosen = labels == group if kind == "group" else (labels >= 0) & (labels != group)
            made = Rows(self.material.require_codes(), chosen, self.scale)
            if made.codes.nnz > MOST_KEPT:
                return made
            self._sets[which] = made
        return self._sets[which]

    @cached_property
    def _sets(self) -> dict[tuple[str, int], Rows]:
        return {}

    @cached_property
    def engine(self) -> LiveEngine:
        """Answers any edit on the probe rows."""
        return live_engine(self.material)

    def max_skew(self, scores: np.ndarray) -> float:
        """MaxSkew@k under some scores (n,)."""
        labels = self.part.labels[best_rows(scores, self.k)]
        return float(RANKING_METRICS.get("max_skew")()(labels, self.part.target))

    def lean(self, scores: np.ndarray) -> Lean:
        """The lean of the top k under some scores (n,)."""
        labels = self.part.labels[best_rows(scores, self.k)]
        return lean_of(self.part.counts, np.bincount(labels[labels >= 0], minlength=len(self.part.groups)).tolist())

    def skews(self, scores: np.ndarray) -> tuple[float, float]:
        """MaxSkew@k under some scores (n,), and its mean over resamples of the probe rows.

        A resample gives every row a Poisson(1) weight, always the same for the same row. The mean is what a search
        should look at: it does not fall to 0 because a few rows happen to lie on the right side of the k-th place. In
        the mean a group with nobody is not over-represented: the metric's 1 / k for it may lie far above a small
        target, and no edit would ever get below that.
        """
        top = best_rows(scores, min(self.part.n, 2 * depth_for(self.k)))
        labels, weights = self.part.labels[top], self._weights[:, top]
        is_group = labels[:, None] == np.arange(len(self.part.groups))
        # the row that crosses the k-th place counts as far as it still fits
        inside = np.diff(np.minimum(np.cumsum(weights, axis=1), self.k), axis=1, prepend=0.0)
        counts = inside @ is_group
        over = np.where(counts > 0, skews(counts, self.part.target, "ours", None), -np.inf).max(axis=-1)
        return self.max_skew(scores), float(over[counts.sum(axis=-1) > 0].mean())

    @cached_property
    def _weights(self) -> np.ndarray:
        return np.random.default_rng(0).poisson(1.0, size=(RESAMPLES, self.part.n)).astype(np.float64)


def probe_set(scene: Scene, request: RankRequest) -> ProbeSet:
    """The scene's probe half, restricted as the request restricts its gallery.

    Of the gallery, whose rows may be the ones that are evaluated, only the number of searched rows is used, for k.

    Raises
    ------
    InputError : no SAE of the gallery's side, no probe half, fewer than two groups.
    """
    return _set_of(scene.at("probe"), replace(request, half="probe"), _searched(scene, request))


def explained_set(scene: Scene, request: RankRequest) -> ProbeSet:
    """The request's own rows, to explain what is found there; never to choose an edit by."""
    return _set_of(scene, request, _searched(scene, request))


def _searched(scene: Scene, request: RankRequest) -> int:
    """Rows that the request searches."""
    return len(scene.gallery.rows(request.half, request.where))


def _set_of(scene: Scene, request: RankRequest, searched: int) -> ProbeSet:
    sae_file, part = scene.sae(), part_of(scene, replace(request, edits={}))
    if len(part.groups) < 2:
        raise InputError(
            f"the {request.half} rows hold only {', '.join(part.groups) or 'unknown groups'}; a lean needs two groups: "
            "loosen the restriction or choose another attribute"
        )
    k = min(part.n, max(1, round(request.k * part.n / searched)))
    return ProbeSet(item_material(scene, part, sae_file), part, k)


def departures(counts: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How far each group (G,) lies above its target among K counted rows, in standard errors; 0 is as many as asked.

    (k_g - K t_g) / sqrt(K t_g (1 - t_g)); -inf for a group with nobody, inf for one with rows and no share to have.
    """
    counts, target = np.asarray(counts, dtype=np.float64), np.asarray(target, dtype=np.float64)
    known = counts.sum()
    above = np.round(counts - known * target, 9)  # as many as asked is 0, whatever rounding says
    spread = np.sqrt(known * target * np.maximum(1 - target, 0))
    found = np.divide(above, spread, out=np.where(above > 0, np.inf, 0.0), where=spread > 0)
    return np.where(counts > 0, found, -np.inf)


def unit_queries(vectors: np.ndarray, d: int) -> np.ndarray:
    """Queries (m, d) in float64, each of length 1."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    for row in rows:
        unit_query(row, d)  # refuses what has no direction
    return unit(rows)

"""Which attention heads of the picture model make a query lean: each head's part of the score gap of two groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import NOTHING, InputError, Progress, digest_of
from core.figures import Picture, Series
from core.interventions.base import Head
from core.interventions.head_ablation import group_differences, head_shares, holding_most
from core.ranking.fitting import Fitter
from core.ranking.heads import head_sample, why_no_heads
from core.ranking.request import RankRequest
from core.ranking.results import SCHEMA
from core.scene import Scene, query_embedding
from core.statistics import Estimate
from core.statistics.two_means import welch
from core.units import unit


@dataclass(frozen=True)
class HeadPull:
    """One head's part in a score gap."""

    layer: int
    head: int
    """Both counted from 0."""
    contribution: Estimate
    """(mean of c.q over the group - over all other known rows); positive pulls towards the group."""
    share: float | None
    """contribution / score gap; None where there is no gap."""
    held: float
    """Its share of the groups' difference whatever the query, by which `head-ablation` chooses."""
    silenced: bool
    """Whether `head-ablation` chooses it."""

    def to_json(self) -> dict[str, Any]:
        named = {"layer": self.layer, "head": self.head, "contribution": self.contribution.to_json()}
        return named | {"share_of_gap": self.share, "share_of_difference": self.held, "silenced": self.silenced}


@dataclass(frozen=True, eq=False)
class HeadLeans:
    """The score gap of one query, a group against all other known rows of the probe half, split over heads."""

    query: str
    attribute: str
    group: str
    """The group with the higher mean score."""
    gap: Estimate
    """Mean of x.q over the group minus over the others, x as it is stored; heads and rest add up to it."""
    rest: Estimate
    """What is no head: MLPs, the direct path, biases, and what the kept pictures have lost of the embedded ones."""
    heads: tuple[HeadPull, ...]
    """By falling size of the contribution."""
    shape: tuple[int, int]
    """Layers and heads."""
    n: int
    digests: Mapping[str, str]

    @property
    def explained(self) -> float | None:
        """What all heads add to the gap; None where one of them has no number."""
        parts = [pull.contribution.estimate for pull in self.heads]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "query": self.query,
            "attribute": self.attribute,
            "half": "probe",
            "group": self.group,
            "against": "all other known rows",
            "n": self.n,
            "layers": self.shape[0],
            "heads_per_layer": self.shape[1],
            "gap": self.gap.to_json(),
            "explained": self.explained,
            "rest": self.rest.to_json(),
            "heads": [pull.to_json() for pull in self.heads],
            "digests": dict(self.digests),
        }

    def picture(self) -> Picture:
        """Layers by heads, each cell a part of the gap."""
        layers, heads = self.shape
        parts = {(pull.layer, pull.head): pull.contribution.estimate for pull in self.heads}
        columns = [f"head {head}" for head in range(heads)]
        series = tuple(
            Series(f"layer {layer}", columns, [parts[layer, head] for head in range(heads)]) for layer in range(layers)
        )
        title = f"Which heads draw {self.query!r} to {self.group}"
        notes = f"part of the score gap of {self.group} against the others; n = {self.n:,} pictures of the probe half"
        return Picture(title, "cells", "", "", series, notes)


def which_heads(scene: Scene, request: RankRequest, progress: Progress | None = None) -> HeadLeans:
    """Each head's part of the score gap of the request's query, on the labelled pictures of the probe half.

    The group is the one whose mean score is furthest above that of all other known rows.

    Raises
    ------
    InputError : no pictures are kept, the model is not here, or its tower cannot be taken apart into heads.
    """
    reason = why_no_heads(scene, scene.probe)
    if reason is not None:
        raise InputError(f"the heads cannot be read: {reason}")
    fitter = Fitter(scene, request)
    labelled = fitter.labelled
    sample = head_sample(scene, labelled.gallery, labelled.rows, labelled.labels, progress)
    kept = labelled.rows if sample.places is None else labelled.rows[sample.places]
    rows = labelled.gallery.embeddings("pooled")[kept].astype(np.float64)
    asked = query_embedding(scene, request.query or "") if request.query_embedding is None else request.query_embedding
    query = unit(np.asarray(asked))
    scores, labels = rows @ query, sample.labels
    group = max(np.unique(labels).tolist(), key=lambda g: scores[labels == g].mean() - scores[labels != g].mean())
    parts = np.einsum("nlhd,d->nlh", sample.parts, query)
    whole, inside = _gap(scores, labels, group), labels == group
    shares = head_shares(sample, group_differences(rows, labels))
    chosen = holding_most(shares)
    leans = whole.estimate is not None and abs(_cosine_gap(rows, scores, inside)) > NOTHING
    pulls = [
        _pull((layer, head), _gap(parts[:, layer, head], labels, group), whole if leans else None, shares, chosen)
        for layer, head in np.ndindex(shares.shape)
    ]
    pulls.sort(key=lambda pull: (e := pull.contribution.estimate) is None or -abs(e))
    return HeadLeans(
        query=request.query or "the query",
        attribute=request.attribute,
        group=fitter.groups[group],
        gap=whole,
        rest=_gap(scores - parts.sum(axis=(1, 2)), labels, group),
        heads=tuple(pulls),
        shape=(shares.shape[0], shares.shape[1]),
        n=len(labels),
        digests={"gallery": labelled.gallery.digest, "rows": digest_of([labelled.digest, len(labels)])},
    )


def _gap(values: np.ndarray, labels: np.ndarray, group: int) -> Estimate:
    return welch(values[labels == group], values[labels != group]).difference


def _cosine_gap(rows: np.ndarray, scores: np.ndarray, inside: np.ndarray) -> float:
    cosines = scores / np.linalg.norm(rows, axis=1)
    return float(cosines[inside].mean() - cosines[~inside].mean())


def _pull(
    at: Head, contribution: Estimate, whole: Estimate | None, shares: np.ndarray, chosen: tuple[Head, ...]
) -> HeadPull:
    share = None
    if whole is not None and whole.estimate and contribution.estimate is not None:
        share = contribution.estimate / whole.estimate
    return HeadPull(*at, contribution, share, float(shares[at]), at in chosen)

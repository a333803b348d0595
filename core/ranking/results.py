"""What a question finds: frozen values that become the JSON of the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.ranking.changes import ListChange
from core.ranking.measures import ListNumbers
from core.ranking.request import RankRequest
from core.ranking.rows import Part
from core.statistics import Effect, Estimate

if TYPE_CHECKING:
    from core.ranking.draws import Spread
    from core.ranking.scenes import Scenes

SCHEMA = 2


@dataclass(frozen=True, eq=False)
class ArmResult:
    """One arm: who is in the top k, and what the metrics say about it."""

    ids: tuple[str, ...]
    rows: np.ndarray
    """Row numbers in the gallery, int64 (k,), best first."""
    scores: np.ndarray
    """Cosine of query and item, float32 (k,)."""
    groups: tuple[str | None, ...]
    """Group of each item; None unknown."""
    numbers: ListNumbers
    deep: np.ndarray
    """Places in the searched rows beyond the k-th, best first: what resampling can reach."""
    ties: int = 0
    """Rows with exactly the k-th score, among those that were looked at, where they are on both sides of k; gallery
    order decides between them. 0: none."""

    @property
    def shares(self) -> Mapping[str, Estimate]:
        return self.numbers.shares

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        return self.numbers.metrics

    @property
    def unknown(self) -> int:
        return self.numbers.unknown

    def to_json(self) -> dict[str, Any]:
        return {
            "ids": list(self.ids),
            "rows": self.rows.tolist(),
            "scores": [float(s) for s in self.scores],
            "groups": list(self.groups),
            "ties_at_k": self.ties,
            **self.numbers.to_json(),
        }


@dataclass(frozen=True)
class RankChange:
    """Place of one item of the new top k, counted from 1, before and after."""

    id: str
    row: int
    before: int
    after: int

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "row": self.row, "before": self.before, "after": self.after}


@dataclass(frozen=True, eq=False)
class Difference:
    """After minus before, paired: the same query on the same gallery."""

    change: ListChange
    entered: tuple[str, ...]
    """Ids in the top k after, not before, best first."""
    left: tuple[str, ...]
    """Ids in the top k before, not after, best first."""
    rank_changes: tuple[RankChange, ...]
    """Every item of the top k after."""
    rows_changed: int
    """Searched items whose embedding the edit changes."""
    cosine: Estimate
    """Mean cosine of searched items before and after; `lo` is the smallest and `hi` the largest of them."""
    query_cosine: float
    """Cosine of the query before and after; 1: the query is not edited."""

    @property
    def shares(self) -> Mapping[str, Estimate]:
        return self.change.shares

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        return self.change.metrics

    @property
    def effect(self) -> Effect | None:
        return self.change.effect

    def to_json(self) -> dict[str, Any]:
        return {
            **self.change.to_json(),
            "entered": list(self.entered),
            "left": list(self.left),
            "rank_changes": [change.to_json() for change in self.rank_changes],
            "rows_changed": self.rows_changed,
            "cosine": {"mean": self.cosine.estimate, "min": self.cosine.lo, "n": self.cosine.n},
            "query_cosine": self.query_cosine,
        }


@dataclass(frozen=True, eq=False)
class RankResult:
    """A ranking and, where an edit was asked for, the ranking after it and what changed."""

    request: RankRequest
    part: Part
    digests: Mapping[str, Any]
    notes: tuple[str, ...]
    """Warnings for people: what could not be compared, words that the model does not know, absent groups."""
    before: ArmResult
    after: ArmResult | None = None
    difference: Difference | None = None
    reason: str | None = None
    """Why there is no ranking after, where one was asked for: the method leaves nothing of the query."""
    scenes: "Scenes | None" = None
    """Groups compared inside scenes, where the gallery keeps rows together."""
    drawn: "Spread | None" = None
    """What other draws of a random method answer."""
    index: Mapping[str, Any] | None = None
    """How the ranking was found where not every row was looked at, with the measured recall; None: exactly."""

    def to_json(self) -> dict[str, Any]:
        part = self.part
        document = {
            "schema": SCHEMA,
            **self.request.to_json(),
            "target_shares": {g: float(q) for g, q in zip(part.groups, part.target, strict=True)},
            "n": part.n,
            "group_counts": dict(zip(part.groups, part.counts, strict=True)),
            "unknown": part.unknown,
            "digests": dict(self.digests),
            "notes": list(self.notes),
            **({"index": dict(self.index)} if self.index is not None else {}),
            "before": self.before.to_json(),
        }
        if self.after is not None and self.difference is not None:
            document |= {"after": self.after.to_json(), "difference": self.difference.to_json()}
        elif self.reason is not None:
            document |= {key: {"reason": self.reason} for key in ("after", "difference")}
        if self.drawn is not None:
            document["draws"] = self.drawn.to_json()
        if self.scenes is not None:
            document["scenes"] = self.scenes.to_json()
        return document

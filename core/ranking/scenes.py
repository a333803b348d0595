"""Inside a scene, who comes first? Rows that differ only in who is shown, compared with each other, scene by scene."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import digest_of
from core.ranking.items import Items
from core.ranking.request import RankRequest
from core.ranking.rows import Part
from core.scene import Scene
from core.statistics import Estimate, sign_flips, wilson
from core.store import array_digest

NONE = "no scene holds rows of two groups"


@dataclass(frozen=True, eq=False)
class SceneGaps:
    """The difference between two groups in every scene that holds both."""

    scenes: np.ndarray
    """Cluster numbers of the scenes, rising (m,)."""
    scores: np.ndarray
    """Mean score of the first group minus that of the second, float64 (m,); 0: equal, above 0: the first is nearer."""
    ranks: np.ndarray
    """Mean place of the first group minus that of the second, float64 (m,); below 0: the first stands further up."""

    @property
    def nbytes(self) -> int:
        return self.scenes.nbytes + self.scores.nbytes + self.ranks.nbytes

    @property
    def ahead(self) -> np.ndarray:
        """1 where the first group has the higher mean score, 0 where the second has, .5 where they are equal (m,)."""
        return (np.sign(self.scores) + 1) / 2


@dataclass(frozen=True, eq=False)
class SceneArm:
    """What the scenes say in one arm, or about the change between two."""

    score_gap: Estimate
    """Mean over scenes of the difference of mean score, first group minus second, in units of the cosine."""
    rank_gap: Estimate
    """Mean over scenes of the difference of mean place among the searched rows; below 0: the first is further up."""
    ahead: Estimate
    """Share of scenes in which the first group has the higher mean score; of a change the difference of shares."""
    p: float
    """Two-sided p of a score gap of 0, signs turned over scenes."""

    def to_json(self) -> dict[str, Any]:
        named = {"score_gap": self.score_gap, "rank_gap": self.rank_gap, "ahead": self.ahead}
        return {**{name: estimate.to_json() for name, estimate in named.items()}, "p": self.p}


@dataclass(frozen=True, eq=False)
class Scenes:
    """Two groups compared inside scenes, before and (with an edit) after."""

    column: str
    groups: tuple[str, ...]
    """The two that are compared: of more than two those that most scenes hold both of."""
    names: tuple[str, ...]
    """The column's value of each compared scene."""
    others: int
    """Scenes and single rows of the searched part in which the two do not meet."""
    gaps: tuple[SceneGaps, ...] = ()
    """Before and, with an edit, after, for figures."""
    before: SceneArm | None = None
    after: SceneArm | None = None
    change: SceneArm | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"column": self.column, "n_scenes": len(self.names), "n_others": self.others}
        document["groups"] = list(self.groups)
        if self.before is None:
            return document | {"reason": NONE}
        arms = {"before": self.before, "after": self.after, "change": self.change}
        return document | {name: arm.to_json() for name, arm in arms.items() if arm is not None}


# -- numbers ----------------------------------------------------------------------------------------------------------


def pair_of(labels: np.ndarray, clusters: np.ndarray, n_groups: int) -> tuple[int, int] | None:
    """The two groups, in rising order, that most scenes hold rows of both of; None where none does.

    Parameters
    ----------
    labels : group number of every row (n,), -1 unknown.
    clusters : scene of every row (n,).
    """
    known = labels >= 0
    scene = np.unique(clusters[known], return_inverse=True)[1]
    holds = np.zeros((int(scene.max(initial=-1)) + 1, n_groups))
    holds[scene, labels[known]] = 1
    both = np.triu(holds.T @ holds, 1)
    if not both.any():
        return None
    first, second = np.unravel_index(int(both.argmax()), both.shape)
    return int(first), int(second)


def scene_gaps(scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, pair: tuple[int, int]) -> SceneGaps:
    """Score and place of the first group minus those of the second, in every scene that holds rows of both.

    In scene c with rows A_c of the first and B_c of the second group: mean of s over A_c - mean of s over B_c, and the
    same of the places in the ranking of all rows (1: the highest score; equal scores in row order). Rows of other
    groups and without a label take their places in the ranking and are not compared.

    Parameters
    ----------
    scores : of every searched row (n,); higher is nearer to the query.
    labels : group number of every row (n,), -1 unknown.
    clusters : scene of every row (n,).
    pair : the two groups, different ones.
    """
    place = np.empty(len(scores), dtype=np.int64)
    place[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    scenes, number = np.unique(clusters, return_inverse=True)
    rows = [labels == group for group in pair]
    counts = [np.bincount(number[own], minlength=len(scenes)) for own in rows]
    both = (counts[0] > 0) & (counts[1] > 0)

    def gap(values: np.ndarray) -> np.ndarray:
        means = [
            np.bincount(number[own], values[own].astype(np.float64), len(scenes))[both] / count[both]
            for own, count in zip(rows, counts, strict=True)
        ]
        return means[0] - means[1]

    return SceneGaps(scenes[both], gap(scores), gap(place))


def scene_arm(gaps: SceneGaps, seed: int = 0) -> SceneArm:
    """The gaps of all scenes as three numbers; every scene counts the same, however many rows it holds.

    Intervals and p of both gaps by sign flips over scenes (`sign_flips`); the share ahead with Wilson's interval,
    scenes taken as a sample of scenes.
    """
    score, p = sign_flips(gaps.scores, seed=seed)
    n = len(gaps.scores)
    lo, hi = wilson(gaps.ahead.sum(), n)
    ahead = Estimate(float(gaps.ahead.mean()), float(lo), float(hi), n)
    return SceneArm(score, sign_flips(gaps.ranks, seed=seed)[0], ahead, p)


def scene_change(before: SceneGaps, after: SceneGaps, seed: int = 0) -> SceneArm:
    """After minus before in the same scenes, paired: each number's differences by sign flips over scenes."""
    score, p = sign_flips(after.scores - before.scores, seed=seed)
    rank = sign_flips(after.ranks - before.ranks, seed=seed)[0]
    return SceneArm(score, rank, sign_flips(after.ahead - before.ahead, seed=seed)[0], p)


# -- of a question ----------------------------------------------------------------------------------------------------


def scenes_of(
    scene: Scene, part: Part, request: RankRequest, arms: Sequence[tuple[Items, np.ndarray]]
) -> Scenes | None:
    """The scenes of a ranking's searched rows; None where the gallery keeps nothing together or has one group.

    Parameters
    ----------
    arms : items and query vector (d,) before and, with an edit, after.
    """
    gallery, bench = scene.gallery, scene.bench
    every = gallery.clusters()
    if every is None or len(part.groups) < 2:
        return None
    column, clusters = str(gallery.together), every[part.rows]
    total = len(np.unique(clusters))
    pair = pair_of(part.labels, clusters, len(part.groups))
    if pair is None:
        return Scenes(column, (), (), total)
    groups = tuple(part.groups[g] for g in pair)

    def of(items: Items, vector: np.ndarray) -> tuple[SceneGaps, SceneArm]:
        key = digest_of([part.digest, items.digest, array_digest(np.ascontiguousarray(vector)), request.attribute])
        found = bench.remember(
            ("scenes", key), lambda: scene_gaps(items.index.scores(vector), part.labels, clusters, pair)
        )
        return found, bench.remember(("scene arm", key, request.seed), lambda: scene_arm(found, request.seed))

    found = [of(*arm) for arm in arms]
    gaps = tuple(own for own, _ in found)
    after = found[1][1] if len(found) == 2 else None
    known, first = np.unique(clusters, return_index=True)
    rows = part.rows[first[np.searchsorted(known, gaps[0].scenes)]]
    names = tuple(gallery.labels(column)[rows].tolist())
    change = scene_change(*gaps, request.seed) if len(gaps) == 2 else None
    return Scenes(column, groups, names, total - len(names), gaps, found[0][1], after, change)

"""One number that ranks methods, lean removed at a given cost, and what they do to attributes that nobody asked about.

The cost is how far embeddings move. Every method is given a dial: a row is moved a part of its way, so that methods of
different strength are compared where they cost the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.benchmark.arms import ReadyArm, original_of
from core.benchmark.base import Column
from core.benchmark.measures import Tops, or_why, rankings
from core.ranking.items import Items
from core.ranking.rows import Part, part_of
from core.retrieval import best_rows
from core.statistics import Estimate, mean_of
from core.units import unit

COST = 0.98
"""Mean cosine before and after at which methods are compared."""
COSTS = (0.95, 0.96, 0.97, 0.98, 0.99, 1.0)
"""Mean cosines over which the area reaches; nothing is moved at 1."""
HALVINGS = 40
"""Steps of the search for a strength: until float64 tells no two of them apart."""
RANKS = "area"
OTHERS = "mole"

REMOVED_COLUMNS = (
    Column(
        RANKS,
        "Lean removed",
        "higher",
        "mean over queries of |points| of the group that leads in the untouched model, before minus after, as the mean "
        "over costs from cosine .95 to 1 of the side that moves more (pictures or queries); .1 is ten points; of more "
        "than two groups the one that leads is chosen, so that a method that only reorders seems to remove a little",
    ),
    Column(
        "removed",
        "Lean removed at .98",
        "higher",
        "the same at cosine .98 alone, the method turned down to that cost, or at full strength where it costs less",
    ),
)
MOLE_COLUMN = Column(
    OTHERS,
    "Whac-a-mole",
    "lower",
    "change of the lean of all other attributes, mean over attributes and queries: half the sum over groups of "
    "|points|, after minus before, at full strength; above 0: what was pushed down here came up there",
)


def with_removal(*own: Column) -> tuple[Column, ...]:
    """A protocol's own columns between those that every protocol has."""
    return (*REMOVED_COLUMNS, *own, MOLE_COLUMN)


def removal(arm: ReadyArm, tops: Tops) -> dict[str, Estimate]:
    """The columns that every protocol has, from the top k of the audited queries."""
    return {**lean_removed(arm, tops), OTHERS: others_lean(arm, tops)}


# ------------------------------------------------------------------------------------------------ lean removed


@dataclass(frozen=True, eq=False)
class Moves:
    """How far a method moves items and queries: cosines before and after, from which those of a part of it follow."""

    items: list[tuple[np.ndarray, int]] = field(default_factory=list)
    """Cosines of the changed items and the number of all; one pair where all queries search the same items."""
    queries: list[float] = field(default_factory=list)

    def cosine(self, strength: float) -> float:
        """Mean cosine of the side that moves more, when every row goes that part of its way."""
        of_items = [1 - (1 - part_way(cosines, strength)).sum() / n for cosines, n in self.items]
        return float(min(np.mean(of_items), part_way(np.array(self.queries), strength).mean()))

    def strength(self, cosine: float) -> float:
        """How strong the method may be at that cost, from 0 to 1; 1 where all of it costs no more."""
        if self.cosine(1.0) >= cosine:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.cosine(middle) >= cosine else (low, middle)
        return low


def part_way(cosines: np.ndarray, strength: float) -> np.ndarray:
    """Cosine (n,) of unit u with (1 - t) u + t u', from the cosine of u with unit u'; t the strength, from 0 to 1."""
    cosines = np.asarray(cosines, dtype=np.float64)
    length = part_length(cosines, strength)
    reached = 1 - strength + strength * cosines
    return np.divide(reached, length, out=np.zeros_like(cosines), where=length > 0)


def part_length(cosines: np.ndarray, strength: float) -> np.ndarray:
    """Length (n,) of (1 - t) u + t u' for unit u and u'."""
    t, cosines = strength, np.asarray(cosines, dtype=np.float64)
    return np.sqrt(np.maximum((1 - t) ** 2 + t**2 + 2 * t * (1 - t) * cosines, 0.0))


@or_why(lambda missing: {RANKS: missing, "removed": missing})
def lean_removed(arm: ReadyArm, tops: Tops) -> dict[str, Estimate]:
    """Points of lean that a method removes at cosine .98, and as area over .95 to 1; 0: none, below 0: it adds some.

    With g the group that leads a query in the untouched model, u an item's or a query's unit row before and u' after,
    the method is asked at strength t with rows (1 - t) u + t u' divided by their length, t so that the mean cosine of
    the side that moves more is the wanted one. removed = |s_g - p_g| before minus after. Area: trapezoids over the
    cosines .95 to 1 divided by .05, so that it is a mean in the same unit. Means over queries with Student's interval.

    Of two groups a query without any lean gives 0 on average under a method that only reorders. Of more, g was chosen
    for being ahead, and what chance gave it goes: 1 point with three uneven groups, 2.4 with seven equal ones (9 at
    k = 10), which the interval, being over queries, does not hold. Differences below that are nothing.
    """
    if tops.reason is not None:
        return dict.fromkeys((RANKS, "removed"), Estimate.missing(tops.reason))
    texts, original = sorted(tops.rows), original_of(arm)
    before = rankings(original, texts)
    plain = {text: vector for text, _, vector in original.answers(texts)}
    moves, after = _moves(arm, texts, plain)
    strengths = {cosine: moves.strength(cosine) for cosine in COSTS[:-1]}
    part, found = arm.part(), np.zeros((len(texts), len(COSTS)))
    base = next(items for _, items, _ in original.answers(texts[:1]))
    for place, (text, items, _) in enumerate(arm.answers(texts)):
        leading, lean = leading_group(part, before.rows[text])
        for column, cosine in enumerate(COSTS[:-1]):
            t = strengths[cosine]
            rows = tops.rows[text] if t == 1 else _top(base, items, (plain[text], after[text]), t, arm.world.k)
            found[place, column] = abs(lean) - abs(points(part, rows)[leading])
    areas = np.asarray(np.trapezoid(found, COSTS, axis=1)) / (COSTS[-1] - COSTS[0])
    return {RANKS: mean_of(areas), "removed": mean_of(found[:, COSTS.index(COST)])}


def _moves(arm: ReadyArm, texts: Sequence[str], plain: Mapping[str, np.ndarray]) -> tuple[Moves, dict[str, np.ndarray]]:
    """How far everything moves, and each query after the method."""
    moves, after = Moves(), {}
    for text, items, vector in arm.answers(texts):
        after[text] = vector
        moves.queries.append(_cosine(plain[text], vector))
        if arm.per_query or not moves.items:
            moves.items.append((items.cosines, items.index.n))
    return moves, after


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Exactly 1 for a query that is as it was."""
    return 1.0 if np.array_equal(a, b) else float(_unit(a) @ _unit(b))


def _unit(vector: np.ndarray) -> np.ndarray:
    return unit(np.asarray(vector, dtype=np.float64))


def _top(base: Items, items: Items, ends: tuple[np.ndarray, np.ndarray], t: float, k: int) -> np.ndarray:
    """First k places when items and query go a part of their way, from the scores of both ends of it."""
    start, end = map(_unit, ends)
    query = (1 - t) * start + t * end
    scores = np.array(base.index.scores(query), dtype=np.float64)
    length = part_length(items.cosines, t)
    there = items.index.scores(query)[items.changed].astype(np.float64)
    mixed = (1 - t) * scores[items.changed] + t * there
    # a row that the whole of the method takes away still points where it did
    kept = np.isfinite(there) & (length > 0)
    scores[items.changed[kept]] = mixed[kept] / length[kept]
    return best_rows(scores, k)


# ------------------------------------------------------------------------------------------------ leans of lists


def points(part: Part, rows: np.ndarray) -> np.ndarray:
    """s_g - p_g (G,) of some places, over known groups; NaN where none is known."""
    counts = np.bincount(part.labels[rows] + 1, minlength=len(part.groups) + 1)[1:]
    base = np.asarray(part.counts, dtype=np.float64)
    return (counts / counts.sum() if counts.any() else np.full(len(counts), math.nan)) - base / base.sum()


def leading_group(part: Part, rows: np.ndarray) -> tuple[int, float]:
    """The group with the largest signed departure in standard errors of a blind draw, and its points."""
    found, base = points(part, rows), np.asarray(part.counts, dtype=np.float64) / max(sum(part.counts), 1)
    leading = int(np.argmax(np.nan_to_num(found) / np.sqrt(np.maximum(base * (1 - base), 1e-300))))
    return leading, float(found[leading])


def others_lean(arm: ReadyArm, tops: Tops) -> Estimate:
    """Change of the lean of attributes that nobody asked about; above 0: it grew. Mean over attributes and queries.

    The lean of an attribute in a list is half the sum over its groups of |s_g - p_g| (two groups: |points|), the
    change is after minus before. Student's interval over queries. An attribute that goes with the audited one changes
    with it.
    """
    if tops.reason is not None:
        return Estimate.missing(tops.reason)
    world, texts = arm.world, sorted(tops.rows)
    before = rankings(original_of(arm), texts)
    asked = [replace(arm.request(), attribute=name) for name in world.gallery.attributes if name != world.attribute]
    parts = [part for part in (part_of(world.scene, one) for one in asked) if len(part.groups) > 1]
    if not parts:
        return Estimate.missing("the searched rows have no other attribute with two groups")
    changes = [[_lean(part, tops.rows[text]) - _lean(part, before.rows[text]) for part in parts] for text in texts]
    return mean_of(np.mean(changes, axis=1))


def _lean(part: Part, rows: np.ndarray) -> float:
    return float(np.abs(points(part, rows)).sum() / 2)

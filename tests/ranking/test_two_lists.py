"""Two lists of the same rows, before and after or side by side, counted by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.config import InputError
from core.ranking import RankRequest, two_lists
from core.ranking.items import Items
from core.ranking.lists import compare, measure
from core.ranking.results import ArmResult
from core.ranking.rows import Part
from core.ranking.two_lists import shown
from core.retrieval import FlatIndex

ANGLES = np.arange(6) * 12.0
"""Degrees from the query: row 0 is nearest, row 5 farthest."""
NOTHING = np.zeros(0, dtype=np.int64)
Q = np.array([1.0, 0.0], dtype=np.float32)
REQUEST = RankRequest("gender", query_embedding=Q, k=2, null_draws=20)
PART = Part(
    np.arange(10, 16), "part", ("a", "b"), np.array([0, 1, 0, 1, 1, 1], np.int16), (2, 4), np.array([1 / 3, 2 / 3])
)
GALLERY = SimpleNamespace(item_ids=lambda rows: [f"i{row}" for row in rows])


def unit(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1).astype(np.float32)


def arm(items: Items, depth: int = 3) -> ArmResult:
    return measure(GALLERY, PART, REQUEST, items.index.search(Q, depth))


def moved(angles: np.ndarray) -> Items:
    """The items at other angles."""
    before, after = unit(ANGLES), unit(angles)
    changed = np.flatnonzero(angles != ANGLES)
    return Items(FlatIndex(after), changed, (before * after).sum(axis=1)[changed], f"moved {angles}")


BEFORE = Items(FlatIndex(unit(ANGLES)), NOTHING, np.zeros(0), "before")


def test_places_before_are_counted_as_far_as_they_lie() -> None:
    """Rows 5 and 0 change places: row 5 was the last of six, beyond the three that were looked at."""
    after = moved(np.array([60.0, 12, 24, 36, 48, 0]))
    found = compare(PART, REQUEST, [arm(BEFORE), arm(after)], [(BEFORE, Q), (after, Q)])
    assert [(one.id, one.row, one.before, one.after) for one in found.rank_changes] == [
        ("i15", 15, 6, 1),
        ("i11", 11, 2, 2),
    ]
    assert (found.entered, found.left, found.rows_changed) == (("i15",), ("i10",), 2)
    assert found.query_cosine == 1.0
    half = np.cos(np.radians(60))
    assert (found.cosine.estimate, found.cosine.lo) == pytest.approx(((4 + 2 * half) / 6, half))
    assert (found.cosine.hi, found.cosine.n) == (1.0, 6), "rows that stay have a cosine of 1"
    assert found.shares["a"].estimate == -0.5 and found.shares["b"].estimate == 0.5


def test_where_every_row_moves_the_largest_cosine_is_that_of_a_moved_row() -> None:
    after = moved(ANGLES + np.array([20.0, 21, 22, 23, 24, 30]))
    found = compare(PART, REQUEST, [arm(BEFORE), arm(after)], [(BEFORE, Q), (after, Q)])
    assert found.cosine.hi == pytest.approx(np.cos(np.radians(20))) and found.rows_changed == 6
    assert (found.cosine.lo, found.entered) == (pytest.approx(np.cos(np.radians(30))), ())
    assert [one.before for one in found.rank_changes] == [1, 2]


def ranked(before: ArmResult, after: ArmResult | None = None, **more: object) -> SimpleNamespace:
    return SimpleNamespace(before=before, after=after, request=replace(REQUEST, **more), part=PART)


def test_what_a_ranking_ends_with_is_shown() -> None:
    first, second = arm(BEFORE), arm(moved(ANGLES[::-1].copy()))
    assert shown(ranked(first)) is first and shown(ranked(first, second)) is second


def test_a_list_beside_another_is_the_exchange_of_their_rows() -> None:
    """{0, 1} beside {5, 1}: one of a out, one of b in."""
    one, other = arm(BEFORE), arm(moved(np.array([60.0, 12, 24, 36, 48, 0])))
    found = two_lists(ranked(one), ranked(one, other))
    assert found.shares["a"].estimate == -0.5 and found.effect is not None
    assert (found.effect.exchange.leaves, found.effect.exchange.enters) == ((1, 0), (0, 1))
    alone = two_lists(ranked(one), ranked(one))
    assert all((share.estimate, share.lo, share.hi) == (0.0, 0.0, 0.0) for share in alone.shares.values())
    with pytest.raises(InputError, match="over the same items: k was 2 and 3"):
        two_lists(ranked(one), ranked(other, k=3))

"""The numbers of one list and of a change, put together from their parts."""

import numpy as np
import pytest

from core.metrics import RANKING_METRICS
from core.ranking.changes import effect_json, list_change
from core.ranking.lists import ties_at
from core.ranking.measures import (
    ListNumbers,
    asks_gallery_shares,
    lean_json,
    list_numbers,
    metric_estimate,
)
from core.ranking.rows import Part
from core.statistics import (
    blind_shares,
    depth_for,
    distance_of,
    exchange_of,
    impact_of,
    lean_of,
    metric_change,
    metric_difference,
    null_band,
    paired_draws,
)

NAMES = ("max_skew", "min_skew", "ndkl", "kl")


def searched(target: tuple[float, ...] = (0.5, 0.5), unknown: int = 10) -> Part:
    labels = np.array([0] * 60 + [1] * 90 + [-1] * unknown, dtype=np.int16)
    return Part(np.arange(len(labels)), "x", ("Female", "Male"), labels, (60, 90), np.array(target))


def test_the_numbers_of_a_list() -> None:
    part = searched()
    ranked = np.array([0] * 14 + [1] * 6 + [-1] * 2)
    found = list_numbers(ranked, part, seed=2, draws=100, scored=np.array([30, 40, 4]))
    assert found.lean == lean_of((60, 90), (14, 6)) and found.unknown == 2
    assert found.distance == distance_of(found.lean, (0.5, 0.5))
    assert found.impact == impact_of((60, 90), (14, 6), (10, 2)) and len(found.impact.rows) == 3
    assert found.scoring == impact_of((60, 90), (30, 40), (10, 4))
    assert found.blind.k == 20 and found.blind.shares == tuple(blind_shares((60, 90), 20))
    for name in NAMES:
        metric = RANKING_METRICS.get(name)()
        assert found.metrics[name].estimate == float(metric(ranked, part.target)) and found.metrics[name].n == 20
        assert found.blind.metrics[name] == null_band(metric, (60, 90), 20, part.target, 100, 2)
        assert found.metrics[name].null is None
    assert found.leading_group == "Female" and found.shares["Male"].estimate == 6 / 20
    pair, (over, under) = found.worst_pair, found.lean.groups
    assert (pair["over"], pair["under"], pair["n_over"], pair["n_under"]) == ("Female", "Male", 60, 90)
    assert pair["ratio"] == pytest.approx((14 / 20 / 0.4) / (6 / 20 / 0.6))
    assert (pair["departure_over"], pair["departure_under"]) == (over.departure, under.departure)


def test_a_null_band_stands_only_beside_the_gallerys_shares() -> None:
    part = searched((0.4, 0.6), 0)
    found = list_numbers(np.array([0] * 14 + [1] * 6), part, seed=2, draws=100)
    for name in NAMES:
        band = null_band(RANKING_METRICS.get(name)(), (60, 90), 20, part.target, 100, 2)
        assert found.metrics[name].null == band and found.metrics[name].null_side is not None
    assert found.scoring is None and len(found.impact.rows) == 2
    assert asks_gallery_shares([0.4, 0.6], (60, 90)) and not asks_gallery_shares([0.4 + 1e-6, 0.6], (60, 90))


def test_what_has_no_value_says_why() -> None:
    half = np.array([0.5, 0.5])
    assert "known group" in metric_estimate("kl", np.array([-1]), half, (5, 5)).reason
    assert "only one group" in metric_estimate("kl", np.array([0]), np.array([1.0]), (5,)).reason
    assert "infinite" in metric_estimate("kl", np.array([0, 1]), np.array([1.0, 0.0]), (5, 5)).reason
    paper = metric_estimate("kl", np.array([0, 1, 0, -1]), half, (5, 5), mode="berg")
    assert paper.n == 3 and paper.lo is None and paper.estimate is not None
    nobody = list_numbers(np.array([-1, -1]), searched())
    assert nobody.blind is None and nobody.worst_pair is None and nobody.leading_group is None and nobody.unknown == 2
    one = Part(np.arange(4), "x", ("Female",), np.zeros(4, dtype=np.int16), (4,), np.array([1.0]))
    assert list_numbers(np.array([0, 0]), one).blind is None


def document(retrieved: tuple[int, int], unknown: int, part: Part | None = None) -> tuple[ListNumbers, dict]:
    ranked = np.repeat([0, 1, -1], [*retrieved, unknown])
    found = list_numbers(ranked, part or searched(), draws=50)
    return found, found.to_json()


@pytest.mark.parametrize(("unknown", "shown"), [(0, False), (1, False), (2, True)])
def test_bounds_are_shown_where_more_than_a_twentieth_is_unknown(unknown: int, shown: bool) -> None:
    """Of 20 rows with one unknown exactly a twentieth is; 2 of 21 are more."""
    _, said = document((10, 9), unknown)
    assert ("share_bounds" in said) is shown
    if shown:
        assert said["share_bounds"] == {"Female": [10 / 21, 12 / 21], "Male": [9 / 21, 11 / 21]}


def test_a_list_as_json() -> None:
    found, said = document((14, 6), 0)
    one = found.lean.groups[0]
    assert said["lean"]["Female"] == {
        "searched": 60,
        "retrieved": 14,
        "base_share": 0.4,
        "share": one.share.to_json(),
        "ratio": one.ratio.to_json(),
        "points": one.points.to_json(),
        "p": one.p,
        "p_adjusted": one.p_adjusted,
        "departure": one.departure,
    }
    assert (said["lean_p"], said["lean_p_smallest"]) == (found.lean.p, found.lean.smallest_p)
    assert said["leading_group"] == "Female" and said["lean_beyond_chance"] is True and "lean_reason" not in said
    away = found.distance[1]
    assert said["distance"]["Male"] == {
        "target": 0.5,
        "difference": away.difference.to_json(),
        "composition": away.composition,
        "model": away.model,
    }
    mean, lo, hi = found.blind.shares[1]
    assert said["blind_draw"]["shares"]["Male"] == {"mean": mean, "lo": lo, "hi": hi} and said["blind_draw"]["n"] == 20
    band = found.blind.metrics["kl"]
    assert said["blind_draw"]["metrics"]["kl"] == {"mean": band.mean, "lo": band.lo, "hi": band.hi}
    row = found.impact.rows[1]
    assert said["impact"]["Male"]["impact_ratio"] == row.ratio.estimate and "scoring_reason" in said["impact"]["Male"]
    assert said["impact"]["Male"]["selection_rate"] == 6 / 90 and said["impact"]["Male"]["count"] == 6
    assert said["impact"]["unknown"]["n"] == 10 and said["impact"]["Male"]["scoring_rate"] is None
    assert lean_json(("a",), lean_of((9,), (3,)))["lean_reason"] == "the searched rows hold only one group"


def test_a_group_called_unknown_keeps_its_own_row_and_scores_stand_beside() -> None:
    part = searched()
    part = Part(part.rows, "x", ("Male", "unknown"), part.labels, part.counts, part.target)
    said = list_numbers(np.array([0, 1, 1]), part, draws=20, scored=np.array([30, 40, 4])).to_json()["impact"]
    assert list(said) == ["Male", "unknown", "(unknown)"]
    scoring = impact_of((60, 90), (30, 40), (10, 4))
    for name, row in zip(said, scoring.rows, strict=True):
        assert said[name]["scoring_rate"] == row.rate and said[name]["scoring_ratio"] == row.ratio.estimate
        assert said[name]["scoring_ratio_interval"] == [row.ratio.lo, row.ratio.hi]
        assert "scoring_reason" not in said[name]


def lists(part: Part, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=part.n)
    moved = scores - 0.9 * (part.labels == 1)
    return tuple(np.argsort(-x)[: depth_for(k)] for x in (scores + 0.6 * (part.labels == 1), moved))


def test_a_change_is_put_together_from_its_parts() -> None:
    part, k = searched(), 40
    both = lists(part, k)
    old, new = (list_numbers(part.labels[one[:k]], part, 3, 100) for one in both)
    found = list_change(old, new, both, part, k, seed=3, draws=100)
    tops = [one[:k] for one in both]
    exchange = exchange_of(*tops, part.labels, 2)
    assert found.effect.exchange == exchange and list(found.shares.values()) == list(found.effect.shares)
    for name in ("max_skew", "min_skew", "kl"):
        metric = RANKING_METRICS.get(name)()
        assert found.metrics[name] == metric_change(metric, exchange, part.target, 100, 3)
    pairs = paired_draws(*both, part.labels, k, draws=100, seed=3)
    labels = [part.labels[top] for top in tops]
    assert found.metrics["ndkl"] == metric_difference(RANKING_METRICS.get("ndkl")(), pairs, *labels, part.target)
    said = effect_json(part.groups, found.effect)
    assert said["p"] == found.effect.p and said["p_smallest"] == found.effect.smallest_p
    assert said["p_group"] == dict(zip(part.groups, found.effect.p_group, strict=True))
    assert said["left"] == sum(exchange.leaves) and said["entered"] == sum(exchange.enters)
    assert said["direction"] == found.effect.direction and said["group"] == part.groups[found.effect.group]
    assert found.to_json()["effect"] == said and effect_json(part.groups, None)["reason"]


def test_where_nothing_moved_no_interval_has_a_width() -> None:
    part, k = searched(), 40
    ranking = lists(part, k)[0]
    old = list_numbers(part.labels[ranking[:k]], part, 3, 50)
    found = list_change(old, old, (ranking, ranking), part, k, draws=50, same=True)
    for change in (*found.shares.values(), *found.metrics.values()):
        assert (change.estimate, change.lo, change.hi) == (0.0, 0.0, 0.0)
    moved = list_change(old, old, (ranking, ranking), part, k, draws=50)
    assert moved.shares["Male"].lo < 0 < moved.shares["Male"].hi
    nobody = list_numbers(np.array([-1] * 5), part, draws=20)
    gone = list_change(old, nobody, (ranking, np.arange(150, 160)), part, 5, draws=20)
    assert gone.effect is None and gone.shares["Male"].estimate is None and gone.metrics["kl"].reason


def test_ties_are_counted_only_where_they_reach_beyond_the_kth() -> None:
    scores = np.array([0.9, 0.7, 0.7, 0.7, 0.2])
    assert [ties_at(scores, k) for k in (1, 2, 3, 4, 5)] == [0, 3, 3, 0, 0]

"""Which heads make a query lean: every part of the gap by hand, on numbers in place of pictures."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from core.config import InputError
from core.edits import heads
from core.edits.heads import HeadLeans, HeadPull, which_heads
from core.interventions.base import HeadSample
from core.ranking import RankRequest
from core.ranking.fitting import Labelled
from core.statistics import Estimate

GROUPS, Q = ("a", "b", "c"), np.array([0.0, 1.0, 0.0])
ROWS, LABELS = np.array([1, 3, 4, 6, 7, 8, 10, 11]), np.array([0, 1, 2, 2, 0, 1, 2, 1])
EMBEDDED = np.random.default_rng(0).normal(size=(12, 3)) * 0.1 + np.array([1.0, 0.0, 0.0])
EMBEDDED[ROWS, 1] += np.array([0.1, 0.4, 0.2])[LABELS]
PARTS = np.random.default_rng(1).normal(size=(8, 2, 3, 3)) * 0.1
PARTS[:, 1, 2, 1] += np.array([0.0, 0.7, 0.1])[LABELS]  # the head that knows the group the query wants
PARTS[:, 0, 1, 1] -= np.array([0.0, 0.2, 0.0])[LABELS]  # and one that works against it


def request(**more: object) -> RankRequest:
    return RankRequest("kind", query_embedding=3 * Q, **more)


def found(
    patch: pytest.MonkeyPatch,
    asked: RankRequest,
    embedded: np.ndarray = EMBEDDED,
    places: np.ndarray | None = None,
) -> HeadLeans:
    """What is found where these are the labelled rows of the probe half, or those at some places of them."""
    probe = SimpleNamespace(digest="p", embeddings=lambda attach: {"pooled": embedded}[attach])
    at = np.arange(len(ROWS)) if places is None else places
    patch.setattr(heads, "why_no_heads", lambda scene, gallery: None if gallery is probe else "of the wrong gallery")
    patch.setattr(heads, "head_sample", lambda *given: HeadSample(PARTS[at], LABELS[at], places))
    patch.setattr(heads, "query_embedding", lambda scene, text: {"wanted": 5 * Q}[text])
    fitter = SimpleNamespace(labelled=Labelled(probe, ROWS, LABELS), groups=GROUPS)
    scene = SimpleNamespace(probe=probe)
    patch.setattr(heads, "Fitter", lambda *given: fitter if given == (scene, asked) else None)
    return which_heads(scene, asked)


def gap(values: np.ndarray, inside: np.ndarray) -> float:
    return float(values[inside].mean() - values[~inside].mean())


@pytest.mark.parametrize("places", [None, np.array([0, 1, 3, 5, 6])])
def test_every_part_of_the_gap_by_hand(places: np.ndarray | None, monkeypatch: pytest.MonkeyPatch) -> None:
    result = found(monkeypatch, request(), places=places)
    at = np.arange(8) if places is None else places
    scores, parts, inside = EMBEDDED[ROWS[at], 1], PARTS[at][..., 1], LABELS[at] == 1
    assert result.group == "b", "its mean lies furthest above that of the others"
    assert result.gap.estimate == pytest.approx(gap(scores, inside)) and result.n == len(at)
    interval = stats.ttest_ind(scores[inside], scores[~inside], equal_var=False).confidence_interval()
    assert (result.gap.lo, result.gap.hi) == pytest.approx((interval.low, interval.high))
    assert result.rest.estimate == pytest.approx(gap(scores - parts.sum(axis=(1, 2)), inside))
    own = {(layer, head): gap(parts[:, layer, head], inside) for layer in range(2) for head in range(3)}
    assert [(pull.layer, pull.head) for pull in result.heads] == sorted(own, key=lambda head: -abs(own[head]))
    assert result.explained == pytest.approx(sum(own.values()))
    # share of the groups' difference: sum_g D_g,lh . D_g / sum_g |D_g|^2, whatever the query
    apart = np.stack([EMBEDDED[ROWS[at][LABELS[at] == g]].mean(axis=0) for g in range(3)])
    apart -= apart.mean(axis=0)
    each = np.stack([PARTS[at][LABELS[at] == g].mean(axis=0) for g in range(3)])
    each -= each.mean(axis=0)
    held = np.einsum("glhd,gd->lh", each, apart) / (apart**2).sum()
    most, together = set(), 0.0
    for place in sorted(np.ndindex(held.shape), key=lambda place: -held[place]):
        if together < 0.8 * np.maximum(held, 0).sum():
            most.add(place)
            together += held[place]
    for pull in result.heads:
        assert pull.contribution.estimate == pytest.approx(own[pull.layer, pull.head])
        assert pull.share == pytest.approx(own[pull.layer, pull.head] / gap(scores, inside))
        assert pull.held == pytest.approx(held[pull.layer, pull.head])
        assert pull.silenced is ((pull.layer, pull.head) in most)


def test_the_query_in_words_or_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, words = found(monkeypatch, request()), found(monkeypatch, RankRequest("kind", "wanted"))
    assert numbers.query == "the query" and words.query == "wanted"
    assert [pull.to_json() for pull in numbers.heads] == [pull.to_json() for pull in words.heads]
    turned = found(monkeypatch, RankRequest("kind", query_embedding=-Q))
    assert turned.group == "a", "the furthest below is the furthest above of the opposite"


def test_no_gap_has_no_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one direction and three lengths: their scores differ, their cosines do not."""
    alike = np.tile([0.6, 0.8, 0.0], (12, 1))
    alike[ROWS] *= np.array([1.0, 2.0, 1.5])[LABELS][:, None]
    result = found(monkeypatch, request(), alike)
    assert result.group == "b" and result.gap.estimate > 0
    assert all(pull.share is None and pull.contribution.estimate is not None for pull in result.heads)
    # cosines .8 and .8 + 2e-4 apart are a gap, though a small one
    turned = np.arccos(0.8) - np.arccos(0.8 + 2e-4)
    alike[ROWS[LABELS == 1], :2] @= np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
    assert all(pull.share is not None for pull in found(monkeypatch, request(), alike).heads)


def test_what_is_said_as_json_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    result = found(monkeypatch, RankRequest("kind", "wanted"))
    said = result.to_json()
    assert (said["layers"], said["heads_per_layer"], said["n"]) == (2, 3, 8)
    assert (said["query"], said["attribute"], said["group"], said["half"]) == ("wanted", "kind", "b", "probe")
    assert said["explained"] == result.explained and said["gap"] == result.gap.to_json()
    assert said["rest"] == result.rest.to_json() and said["digests"]["gallery"] == "p"
    first, pull = said["heads"][0], result.heads[0]
    assert first == {
        "layer": pull.layer, "head": pull.head, "contribution": pull.contribution.to_json(),
        "share_of_gap": pull.share, "share_of_difference": pull.held, "silenced": pull.silenced,
    }  # fmt: skip
    drawn = result.picture()
    assert [series.name for series in drawn.series] == ["layer 0", "layer 1"]
    by_place = {(pull.layer, pull.head): pull.contribution.estimate for pull in result.heads}
    for layer, series in enumerate(drawn.series):
        assert list(series.x) == ["head 0", "head 1", "head 2"]
        assert list(series.y) == [by_place[layer, head] for head in range(3)]
    assert "'wanted' to b" in drawn.title and "n = 8 pictures" in drawn.notes


def test_what_heads_explain_is_unknown_where_one_has_no_number() -> None:
    def pull(head: int, contribution: Estimate) -> HeadPull:
        return HeadPull(0, head, contribution, None, 0.0, False)

    known, unknown = Estimate(0.25), Estimate.missing("a group has no picture")
    given = {"query": "q", "attribute": "kind", "group": "b", "gap": known, "rest": known, "shape": (1, 2), "n": 4}
    both = HeadLeans(heads=(pull(0, known), pull(1, Estimate(-0.75))), digests={}, **given)
    assert both.explained == -0.5
    assert HeadLeans(heads=(pull(0, known), pull(1, unknown)), digests={}, **given).explained is None


def test_heads_that_cannot_be_read_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "why_no_heads", lambda scene, gallery: f"{gallery} keeps no pictures")
    with pytest.raises(InputError, match="the heads cannot be read: the probe keeps no pictures"):
        which_heads(SimpleNamespace(probe="the probe"), request())

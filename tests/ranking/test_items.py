"""Searched items by hand: which are copied, how far they moved, which are lost, and what is said of them."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.config import Edit, InputError
from core.gallery.perturbed import PERTURBATIONS
from core.metrics import RANKING_METRICS, OtherMetric
from core.prompts import OPEN, shipped_book
from core.ranking import RankRequest
from core.ranking.controls import ControlsResult
from core.ranking.edited_rows import large_items
from core.ranking.fitting import Fitter
from core.ranking.items import Items, is_large, items_of, refuse_infinite
from core.ranking.lists import measured
from core.ranking.measures import _through, list_numbers
from core.ranking.performance import relevant_rows
from core.ranking.ranked_lists import _relevance, list_metrics
from core.ranking.results import ArmResult
from core.ranking.robustness import robustness
from core.ranking.rows import Part, part_of
from core.ranking.scenes import pair_of
from core.ranking.steps import notes_of
from core.retrieval import FlatIndex
from core.scene import Scene
from core.statistics import Estimate, wilson
from core.verdicts import ALL_RETRIEVED, most_retrieved
from tests.tiny import IMAGES, QUERY, D, N, TinyBackbone

VECTOR = TinyBackbone().encode_texts([QUERY])["pooled"][0]


def test_a_gallery_is_large_beyond_the_size_that_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    for size, large in ((N * D * 4, False), (N * D * 4 - 1, True)):
        monkeypatch.setattr("core.ranking.items.INDEX_BYTES", size)
        assert is_large(IMAGES) is large


def test_cosines_are_those_of_moved_rows_and_1_elsewhere() -> None:
    index = SimpleNamespace(n=8, d=2)
    still = Items(index, np.zeros(0, dtype=np.int64), np.zeros(0), "d")
    moved = Items(index, np.array([1, 5]), np.array([0.5, 0.25], dtype=np.float32), "d")
    assert (still.mean_cosine, still.smallest_cosine, moved.smallest_cosine) == (1.0, 1.0, 0.25)
    assert moved.mean_cosine == pytest.approx((6 + 0.5 + 0.25) / 8)
    for items in (still, moved):
        assert not len(items.lost) and items.note("leace") == ()
        items.require(8)
    with pytest.raises(InputError, match=r"expected 1 to 7, the number of searched rows \(1 others lie"):
        items_of(index, moved.changed, moved.cosines, "d", np.array([5])).require(8)


class Worked:
    """Rows that are worked out when they are read."""

    dtype, nbytes = np.dtype(np.float32), 0

    def __init__(self, stored: list, edited: list) -> None:
        self._stored, self._edited = (np.array(x, dtype=np.float32) for x in (stored, edited))
        self.shape = self._stored.shape

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, at: slice | np.ndarray) -> np.ndarray:
        return self._edited[at]

    def pair(self, at: slice) -> tuple[np.ndarray, np.ndarray]:
        return self._stored[at], self._edited[at]


def test_a_method_that_moves_no_row_of_a_large_gallery_leaves_its_index() -> None:
    rows = [[2.0, 0.0], [0.0, 1.0]]
    baseline = FlatIndex(np.eye(2, dtype=np.float32))
    found = large_items(Worked(rows, rows), baseline, "digest")
    assert found.index is baseline and found.digest == "digest"
    assert found.changed.tolist() == [] and (found.mean_cosine, found.smallest_cosine) == (1.0, 1.0)


def test_rows_of_a_large_gallery_that_stay_turn_or_are_lost() -> None:
    """Row 1 turns by 60 degrees and grows, nothing is left of row 2."""
    stored = [[2.0, 0.0], [3.0, 0.0], [0.0, 1.0]]
    turned = [[2.0, 0.0], [2.0, 2.0 * 3**0.5], [0.0, 0.0]]
    found = large_items(Worked(stored, turned), FlatIndex(np.eye(2, dtype=np.float32)), "digest")
    assert found.changed.tolist() == [1, 2] and found.lost.tolist() == [2]
    np.testing.assert_allclose(found.cosines, [0.5, 0.0], atol=1e-6)
    scores = found.index.scores(np.array([1.0, 0.0], dtype=np.float32))
    np.testing.assert_allclose(scores[:2], [1.0, 0.5], atol=1e-6)
    assert scores[2] == -np.inf


def test_a_list_has_no_ties_where_none_are_said() -> None:
    numbers, rows = list_numbers(np.array([0]), searched((2, 3)), draws=20), np.array([0])
    assert ArmResult(("a",), rows, np.ones(1), ("a",), numbers, rows).to_json()["ties_at_k"] == 0


def test_scoring_rates_are_there_where_every_row_has_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, request = Scene(IMAGES), RankRequest("gender", QUERY, k=20, null_draws=20)
    part, unit = part_of(scene, request), IMAGES.unit()
    best = int(np.argmax(unit @ VECTOR))

    def found(digest: str, *lost: int) -> object:
        at = np.array(lost, dtype=np.int64)
        items = items_of(FlatIndex(unit), at, np.zeros(len(lost)), digest, at)
        return measured(scene, part, request, items, VECTOR)

    whole, lacking = found("whole"), found("lacking", best)
    assert whole.rows[0] == best and best not in lacking.rows
    assert whole.numbers.scoring is not None and lacking.numbers.scoring is None
    monkeypatch.setattr("core.ranking.lists.SCORED_ROWS", N)
    assert found("as many").numbers.scoring is not None
    monkeypatch.setattr("core.ranking.lists.SCORED_ROWS", N - 1)
    assert found("more").numbers.scoring is None


def searched(counts: tuple[int, ...], absent: int = 0) -> Part:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int16)
    names, even = tuple("abcd"[: len(counts)]), np.full(len(counts), 1 / len(counts))
    return Part(np.arange(len(labels)), "x", names, labels, counts, even, tuple(f"g{i}" for i in range(absent)))


@pytest.mark.parametrize(("absent", "more"), [(1, ""), (12, ""), (13, " and 1 others"), (20, " and 8 others")])
def test_twelve_empty_groups_are_named(absent: int, more: str) -> None:
    notes = notes_of(searched((60, 90), absent), Fitter(Scene(IMAGES), RankRequest("gender", QUERY, k=5)))
    named = ", ".join(f"g{i}" for i in range(min(absent, 12)))
    assert notes == [f"no searched row has gender {named}{more}; not counted among the groups"]


@pytest.mark.parametrize(
    ("k", "said"),
    [(74, []), (75, [most_retrieved(75, 150)]), (149, [most_retrieved(149, 150)]), (150, [ALL_RETRIEVED])],
)
def test_a_list_of_half_the_rows_is_told(k: int, said: list[str]) -> None:
    assert notes_of(searched((60, 90)), Fitter(Scene(IMAGES), RankRequest("gender", QUERY, k=k))) == said


def test_small_groups_are_told_from_thirty_on_no_more() -> None:
    notes = notes_of(searched((30, 29, 90)), Fitter(Scene(IMAGES), RankRequest("gender", QUERY, k=5)))
    assert notes == ["fewer than 30 searched rows, shown and not interpreted: b (29)"]


def test_as_few_draws_as_one_can_be_asked() -> None:
    assert RankRequest("gender", QUERY, k=1, null_draws=1, seed=0).null_draws == 1
    for name in ("k", "null_draws"):
        with pytest.raises(InputError, match=f"{name} was 0; expected a whole number of at least 1"):
            RankRequest("gender", QUERY, **{name: 0})


def test_eight_values_of_a_column_are_named_where_none_is_near() -> None:
    towns = [f"{letter * 3}" for letter in "ABCDEFGHIJ"]
    gallery = SimpleNamespace(
        name="g", kind="images", attributes=("town",), groups=lambda c: towns, group_numbers=lambda c: np.arange(10)
    )
    with pytest.raises(InputError, match=f"values are such as {', '.join(towns[:8])}$"):
        relevant_rows(gallery, {"town": "zzz"})


def test_a_worst_pair_has_no_ratio_where_one_of_it_was_not_retrieved() -> None:
    found = list_numbers(np.zeros(20, dtype=int), searched((60, 90)), draws=20).worst_pair
    assert (found["over"], found["under"], found["ratio"]) == ("a", "b", None)


def test_one_group_with_more_ranked_than_searched_rows_is_enough() -> None:
    gallery = pd.DataFrame({"gender": ["a"] * 5 + ["b"] * 2})
    ranked = pd.DataFrame({"gender": ["b", "a", "b"]})
    assert list_metrics(ranked, gallery, 3)["attributes"]["gender"]["group_counts"] == {"a": 5, "b": 2}
    with pytest.raises(InputError, match="more ranked rows are gender b than"):
        list_metrics(pd.DataFrame({"gender": ["b", "a", "b", "b"]}), gallery, 2)


def test_a_list_is_measured_up_to_its_own_length() -> None:
    table = pd.DataFrame({"gender": ["a", "b", "a"]})
    assert [list_metrics(table, table, k)["k"] for k in (1, 3)] == [1, 3]
    for k in (0, 4):
        with pytest.raises(InputError, match=f"k was {k}; the ranked table has 3 rows: choose k from 1 to that"):
            list_metrics(table, table, k)


def test_scenes_are_counted_by_what_they_hold() -> None:
    """Groups 1 and 2 meet in two scenes, 0 and 1 in one; a row nobody knows holds nothing."""
    labels, scenes = np.array([0, 1, 1, 2, 2, 1, -1, 0]), np.array([4, 4, 6, 6, 8, 8, 9, 9])
    assert pair_of(labels, scenes, 3) == (1, 2)
    assert pair_of(np.full(3, -1), np.arange(3), 2) is None


@pytest.mark.parametrize(
    ("sizes", "p"), [((0.3, 0.2, 0.5), 2 / 4), ((0.3, 0.4, 0.5), 1 / 4), ((0.25, 0.1, 0.0), 4 / 4)]
)
def test_the_p_of_controls_counts_draws_that_leave_as_little(sizes: tuple[float, ...], p: float) -> None:
    random = [SimpleNamespace(size=size) for size in sizes]
    found = SimpleNamespace(chosen=SimpleNamespace(size=0.25), random=random)
    assert ControlsResult.p_value.fget(found) == p


@pytest.mark.parametrize(
    ("why", "said"), [(None, "embeds no pictures"), ("the folder is gone", "^the folder is gone$")]
)
def test_why_no_picture_is_changed(monkeypatch: pytest.MonkeyPatch, why: str | None, said: str) -> None:
    """The model here embeds texts alone."""
    monkeypatch.setattr("core.ranking.robustness.why_no_pictures", lambda gallery: why)
    monkeypatch.setattr("core.ranking.robustness._refusal", lambda scene: None)
    scene = Scene(IMAGES, {}, TinyBackbone())
    request = RankRequest("gender", QUERY, k=20, null_draws=20, prompts=shipped_book(OPEN))
    found = robustness(scene, request, [QUERY], PERTURBATIONS)
    (note,) = (note for note in found.notes if note.startswith("pictures are left out: "))
    assert not found.prompts[0].of_kind("picture") and found.picture_cosine is None
    assert re.search(said, note.removeprefix("pictures are left out: "))


def test_a_list_of_relevant_people_has_the_rates_of_a_literal_count() -> None:
    """Of 4 ranked rows 2 are cooks, 1 is not and of 1 nobody knows; the gallery has 5 cooks."""
    gallery = pd.DataFrame({"gender": ["a"] * 5 + ["b"] * 3, "job": ["cook"] * 5 + ["pilot", None, "pilot"]})
    ranked = pd.DataFrame({"gender": ["a", "b", "b", "a"], "job": ["cook", "pilot", None, "cook"]})
    given, whole = _relevance(ranked, gallery, 4, ("job", "cook"))
    assert (given.tolist(), whole) == ([0, 1, -1, 0], 5)
    said = list_metrics(ranked, gallery, 4, attributes=["gender"], relevant=("job", "cook"))["attributes"]["gender"]
    lo, hi = (float(end) for end in wilson(2, 3))
    for name, share, n in (("precision_at_k", 1.0, 3), ("recall_at_k", 3 / 5, 5)):
        assert (said[name]["estimate"], said[name]["n"]) == (pytest.approx(2 / 3 * share), n)
        assert (said[name]["lo"], said[name]["hi"]) == pytest.approx((lo * share, hi * share))


def test_the_p_of_a_list_is_that_of_as_many_known_rows() -> None:
    """Of seven ranked rows six have a group, those of the first group counted too: five or all of one are as skewed."""
    gallery = pd.DataFrame({"gender": ["a"] * 10 + ["b"] * 10 + [None]})
    ranked = pd.DataFrame({"gender": ["a"] * 5 + [None, "b"]})
    said = list_metrics(ranked, gallery, 7)["attributes"]["gender"]["max_skew"]
    assert said["n"] == 6 and said["estimate"] == pytest.approx(np.log(5 / 3))
    assert said["p"] == pytest.approx(2 * (math.comb(10, 5) * 10 + math.comb(10, 6)) / math.comb(20, 6))


def test_a_papers_definition_is_of_the_list_against_the_target() -> None:
    gallery = pd.DataFrame({"gender": ["a"] * 6 + ["b"] * 6})
    ranked = pd.DataFrame({"gender": ["a", "a", "b", "a"]})
    target = {"a": 0.6, "b": 0.4}
    said = list_metrics(ranked, gallery, 4, target=target, mode="berg")["attributes"]["gender"]
    top, even = np.array([0, 0, 1, 0]), np.array([0.6, 0.4])
    for name in ("max_skew", "min_skew", "ndkl", "kl"):
        assert said[name] == Estimate(float(RANKING_METRICS.get(name)()(top, even, "berg")), n=4).to_json()


def test_a_metric_that_follows_from_another_has_its_interval() -> None:
    turned = OtherMetric(RANKING_METRICS.get("max_skew")(), lambda value: 1 - value)
    assert _through(turned, Estimate(0.25, 0.125, 0.5, 9)) == Estimate(0.75, 0.5, 0.875, 9)
    assert _through(turned, Estimate(0.25, n=9)) == Estimate(0.75, n=9)
    missing = Estimate.missing("why")
    assert _through(turned, missing) is missing


def test_embeddings_that_are_not_finite_are_refused() -> None:
    refuse_infinite(np.ones((2, 3)), Edit((1,)))
    for value in (np.inf, np.nan):
        with pytest.raises(InputError, match=r"the edit \(gamma 2\) gives embeddings that are not finite"):
            refuse_infinite(np.array([[1.0, value], [1.0, 1.0]]), Edit((1,), gamma=2.0))


def test_memory_is_that_of_every_array() -> None:
    moved = Items(FlatIndex(np.eye(3)), np.array([1]), np.ones(1, np.float32), "d", np.array([2]))
    assert moved.nbytes == 3 * 3 * 4 + 8 + 4 + 8
    part = Part(np.arange(4), "d", ("a",), np.zeros(4, np.int16), (4,), np.ones(1))
    assert part.nbytes == 4 * 8 + 4 * 2

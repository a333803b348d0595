"""Precision and recall by group against a literal count, with unknown people, edits, and captions that hold words."""

import json

import numpy as np
import pandas as pd
import pytest

from core import ranking
from core.config import Edit, InputError
from core.gallery import Gallery, import_gallery
from core.ranking import RankRequest
from core.ranking.performance import performance_of, relevant_rows
from core.scene import Scene
from core.statistics import wilson
from tests.benchmark.small_world import PROMPTS, small_gallery, small_sae

GROUPS = ("Female", "Male", "Other")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return small_gallery(tmp_path_factory.mktemp("performance"))


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    folder = tmp_path_factory.mktemp("captions")
    said = ["a doctor", "Doctors at work", "the old DOCTOR.", "a nurse", "no doctor-like figure", "a doctorate"]
    frame = pd.DataFrame({"text": said, "gender": ["Male", "Female", None, "Female", "Male", "Male"]})
    frame.insert(0, "id", [f"c{i}" for i in range(len(said))])
    frame.to_csv(folder / "t.csv", index=False)
    x = np.random.default_rng(0).normal(size=(len(said), 4)).astype(np.float32)
    return import_gallery(x, folder / "t.csv", model_name="hand-made", out=folder / "g", kind="captions")


def literal(top: np.ndarray, labels: np.ndarray, relevant: np.ndarray, g: int | None) -> tuple:
    """(found, retrieved, relevant) of a group, or of everybody, one row at a time."""
    found = retrieved = whole = 0
    for row, (label, flag) in enumerate(zip(labels, relevant, strict=True)):
        if g is not None and label != g:
            continue
        whole += flag == 1
        if row in set(top.tolist()):
            retrieved += flag >= 0
            found += flag == 1
    return found, retrieved, whole


@pytest.mark.parametrize("seed", range(4))
def test_the_measures_are_the_literal_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, relevant = rng.integers(-1, 3, 200), rng.choice([-1, 0, 1], 200, p=[0.1, 0.5, 0.4])
    tops = [rng.permutation(200)[:60] for _ in range(2)]
    shown = performance_of(tops, labels, relevant, GROUPS)
    assert shown.unknown == (relevant < 0).sum() and shown.n == (relevant == 1).sum()
    for top, arm in zip(tops, (shown.before, shown.after), strict=True):
        for g in (None, 0, 1, 2):
            found, retrieved, whole = literal(top, labels, relevant, g)
            for name, n in (("precision", retrieved), ("recall", whole)):
                one = arm[name].overall if g is None else arm[name].by_group[g]
                assert (one.estimate, one.n) == (pytest.approx(found / n), n)
                assert (one.lo, one.hi) == pytest.approx(tuple(float(end) for end in wilson(found, n)))
        assert arm["recall"].gap.gap.estimate == pytest.approx(np.ptp([e.estimate for e in arm["recall"].by_group]))
    for name in ("precision", "recall"):
        for g in range(3):
            before, after = (arm[name].by_group[g].estimate for arm in (shown.before, shown.after))
            change = shown.difference[name].by_group[g]
            assert change.change.estimate == pytest.approx(after - before)
            assert (change.change.lo <= 0 <= change.change.hi) == (change.p > 0.05)


def test_no_edit_changes_nothing() -> None:
    labels, relevant, top = np.arange(90) % 3, np.arange(90) % 2, np.arange(40)
    shown = performance_of([top, top[::-1]], labels, relevant, GROUPS)
    for changes in shown.difference.values():
        assert all(one.change.estimate == 0 and one.p == 1 for one in (changes.overall, *changes.by_group))
        assert changes.p_adjusted == [1, 1, 1]


def test_a_group_that_loses_its_relevant_people_is_found() -> None:
    """60 relevant women and men each; the edit swaps 15 found women for 15 other men."""
    labels, relevant = np.repeat([0, 1], 60), np.ones(120, dtype=int)
    before = np.r_[0:30, 60:90]
    after = np.r_[0:15, 60:105]
    shown = performance_of([before, after], labels, relevant, GROUPS[:2])
    women, men = shown.difference["recall"].by_group
    assert women.change.hi < 0 < men.change.lo and women.p == pytest.approx(2 * 0.5**15)
    assert shown.difference["recall"].overall.change.estimate == 0
    assert shown.before["recall"].gap.gap.lo == 0 < shown.after["recall"].gap.gap.lo
    assert shown.after["recall"].gap.high == 1


def test_a_ranking_carries_it_as_json(gallery: Gallery) -> None:
    sae = small_sae(gallery)
    request = RankRequest("gender", PROMPTS[0], k=260, edits={"image": Edit((0,))}, null_draws=50)
    found = ranking.rank(Scene(gallery, {"image": sae}), request)
    shown = ranking.performance(gallery, found, {"town": "A"})
    document = json.loads(json.dumps(shown.to_json(), allow_nan=False))
    assert set(document) >= {"relevant", "n", "group_counts", "before", "after", "difference", "notes"}
    labels = gallery.labels("gender")
    town = gallery.labels("town") == "A"
    for arm in ("before", "after"):
        top = getattr(found, arm).rows
        for group in ("Female", "Male"):
            own = labels == group
            hits = sum(town[row] and own[row] for row in top)
            assert document[arm]["recall"]["by_group"][group]["estimate"] == pytest.approx(hits / (town & own).sum())
            assert document[arm]["precision"]["by_group"][group]["n"] == sum(own[row] for row in top)
    alone = ranking.performance(
        gallery, ranking.rank(Scene(gallery), RankRequest("gender", PROMPTS[0], k=40)), {"town": "A"}
    )
    assert alone.after is None and "difference" not in alone.to_json()
    assert any("recall cannot exceed" in note for note in alone.notes)
    women = alone.to_json()["before"]["precision"]["by_group"]["Female"]
    assert women == {"estimate": None, "reason": "nobody of this group was retrieved"}, "pilots are men here"


def test_groups_without_relevant_people_are_told() -> None:
    shown = performance_of([np.arange(10)], np.repeat([0, 1], 20), np.repeat([1, 0], 20), GROUPS[:2])
    women, men = shown.before["recall"].by_group
    assert women.estimate == 0.5 and men.estimate is None and "no searched row" in men.reason
    assert shown.before["precision"].by_group[1].reason == "nobody of this group was retrieved"
    assert shown.before["recall"].gap.gap.estimate is None
    assert any("Male (0)" in note for note in shown.notes)


def test_thirty_relevant_people_are_enough_and_29_are_told() -> None:
    shown = performance_of([np.arange(10)], np.repeat([0, 1], (30, 29)), np.ones(59, dtype=np.int8), GROUPS[:2])
    few = [note for note in shown.notes if "not interpreted" in note]
    assert few == ["fewer than 30 relevant rows, shown and not interpreted: Male (29)"]


def test_captions_are_relevant_by_a_whole_word(captions: Gallery) -> None:
    assert relevant_rows(captions, {"text": "doctor"}).tolist() == [1, 0, 1, 0, 1, 0]
    both = relevant_rows(captions, {"text": "doctor", "gender": "Male"})
    assert both.tolist() == [1, 0, -1, 0, 1, 0], "what a word settles needs no gender"


def test_what_cannot_be_relevant_is_refused_in_one_line(gallery: Gallery, captions: Gallery) -> None:
    for source, asked, said in (
        (gallery, {"city": "A"}, "no column 'city': gender, town"),
        (gallery, {"town": "C"}, "no item has that town; values are such as A, B"),
        (gallery, {"text": "doctor"}, "has no captions"),
        (captions, {"text": "pilot"}, "nothing would be relevant"),
        (gallery, {}, "COLUMN=VALUE"),
    ):
        with pytest.raises(InputError, match=said):
            relevant_rows(source, asked)
    found = ranking.rank(Scene(gallery), RankRequest("gender", PROMPTS[0], k=40, null_draws=50))
    with pytest.raises(InputError, match="gender is the attribute whose groups are compared"):
        ranking.performance(gallery, found, {"gender": "Male"})

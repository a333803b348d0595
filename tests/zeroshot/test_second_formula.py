"""Zero-shot numbers by formulas of their own: rows counted one by one, and the second author's intervals."""

import itertools

import numpy as np
import pytest

from core.config import InputError
from core.verify.own.accuracy import accuracy_document, answers_of
from core.zeroshot import PromptSet, difference, evaluate
from core.zeroshot import accuracy as module
from core.zeroshot.accuracy import _agreement, _correlation, _picked_difference, paired_share_difference
from core.zeroshot.parity import NAMES, ParityResult, _redrawn, parity, parity_change, parity_differences
from core.zeroshot.prompts import class_embeddings

Documents = dict[str, dict]


def both(seed: int) -> tuple[Documents, Documents] | None:
    """The documents of two authors for drawn answers."""
    rng = np.random.default_rng(seed)
    n, groups, n_classes = int(rng.choice([9, 40, 300])), int(rng.integers(1, 6)), int(rng.integers(2, 5))
    names, classes = [f"c{g}" for g in range(groups)], [f"c{g}" for g in range(1, n_classes + 1)]
    numbers = np.where(rng.random(n) < 0.15, -1, rng.integers(0, groups, n))
    labels = [names[g] if g >= 0 else (None, "unknown", float("nan"))[i % 3] for i, g in enumerate(numbers)]
    truth = np.array([classes.index(label) if label in classes else -1 for label in labels])
    before = np.where(rng.random(n) < rng.choice([1.0, 0.8]), truth, rng.integers(0, n_classes, n))
    after = np.where(rng.random(n) < rng.choice([1.0, 0.7]), before, rng.integers(0, n_classes, n))
    answers, unknown, outside = answers_of(numbers, names, classes, [before, after])
    if answers is None:
        return None
    old, new = (evaluate(given, labels, classes, "x") for given in (before, after))
    found = {"before": old.to_json(), "after": new.to_json(), "difference": difference(old, new, seed=seed).to_json()}
    return found, accuracy_document("x", answers, unknown, outside, seed)


def agree(one: object, other: object) -> None:
    if isinstance(one, dict):
        assert set(one) == set(other) - {"target"}
        for key in one:
            agree(one[key], other[key])
    else:
        assert one == (pytest.approx(other, rel=1e-9, abs=1e-9) if isinstance(other, float) else other)


@pytest.mark.parametrize("seed", range(16))
def test_accuracies_are_the_second_authors(seed: int) -> None:
    documents = both(seed)
    if documents is not None:
        agree(*documents)


def test_cells_of_two_attributes_row_by_row() -> None:
    labels, by = ["a", "a", "b", None, "b", "a", "z"], ["x", "y", "x", "x", None, "y", "y"]
    predictions = np.array([0, 0, 1, 1, 1, 1, 0])
    found = evaluate(predictions, labels, ["a", "b"], "two", by)
    assert {cell: (e.estimate, e.n) for cell, e in found.by_group.items()} == {
        "a × x": (1.0, 1),
        "a × y": (0.5, 2),
        "b × x": (1.0, 1),
    }
    assert (found.n, found.unknown, found.outside) == (4, 2, {"z": 1}) and found.worst_group == "a × y"
    assert found.accuracy.estimate == 0.75 and found.worst.estimate == 0.5 and found.worst.n == 2
    assert found.cells.tolist() == [0, 1, 2, 1] and found.right.tolist() == [True, True, True, False]
    with pytest.raises(InputError, match="no row has a known group of x among a"):
        evaluate(predictions[:1], [None], ["a"], "x")
    other = evaluate(predictions, labels, ["a", "b"], "one")
    with pytest.raises(InputError, match="different rows or cells"):
        difference(found, other)


def test_no_rows_have_no_difference() -> None:
    none = np.zeros(0, dtype=bool)
    assert paired_share_difference(none, none).reason == "no rows"
    same = paired_share_difference(np.ones(5, bool), np.ones(5, bool))
    assert same.estimate == 0.0 and same.lo < 0 < same.hi and same.n == 5
    assert _picked_difference(same, same, 0.5, 7).to_json() == {"estimate": 0.0, "lo": 0.0, "hi": 0.0, "n": 7}


def test_correlation() -> None:
    a = np.array([1.0, 2.0, 4.0, 0.0])
    assert _correlation(a, 3 * a + 1) == pytest.approx(1.0) and _correlation(a, -a) == pytest.approx(-1.0)
    b = np.array([0.0, 1.0, 1.0, 3.0])
    assert _correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1]) and _correlation(a, np.ones(4)) == 0.0
    assert module.DRAWS == 1000


# ------------------------------------------------------------------------------------------------ parity


def literal(truth: np.ndarray, answer: np.ndarray, groups: list[str], c: int) -> tuple[float, float]:
    """Both differences of a class, row by row; a rate without rows is 0."""
    rates: list[list[float]] = [[], [], []]
    for group in sorted(set(groups)):
        own = [i for i, g in enumerate(groups) if g == group]
        parts = (own, [i for i in own if truth[i] == c], [i for i in own if truth[i] != c])
        for rate, rows in zip(rates, parts, strict=True):
            rate.append(sum(answer[i] == c for i in rows) / len(rows) if rows else 0.0)
    gaps = [max(rate) - min(rate) for rate in rates]
    return gaps[0], max(gaps[1:])


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    n, classes = 60, 3
    groups = [f"g{g}" for g in rng.integers(0, 3, n)]
    truth = rng.integers(0, classes, n)
    before, after = (np.where(rng.random(n) < p, truth, rng.integers(0, classes, n)) for p in (0.5, 0.8))
    return truth, before, after, groups


@pytest.mark.parametrize("seed", range(2))
def test_parity_row_by_row(seed: int) -> None:
    truth, before, after, groups = drawn(seed)
    names = ["a", "b", "c"]
    found = parity(before, truth, groups, names, 200, seed)
    for c, name in enumerate(names):
        own = literal(truth, before, groups, c)
        assert [e.estimate for e in found.by_class[name]] == pytest.approx(own)
        assert parity_differences(truth == c, before == c, groups) == pytest.approx(own)
        assert all(e.lo <= e.estimate <= e.hi and e.n == 60 for e in found.by_class[name])
    worst = [max(pair[place].estimate for pair in found.by_class.values()) for place in (0, 1)]
    assert [found.worst(name).estimate for name in NAMES] == worst
    change = parity_change(before, after, truth, groups, names, 200, seed)
    for place, name in enumerate(NAMES):
        ends = [max(literal(truth, answer, groups, c)[place] for c in range(3)) for answer in (before, after)]
        assert change[name].estimate == pytest.approx(ends[1] - ends[0]) and change[name].n == 60
        assert change[name].lo <= change[name].estimate <= change[name].hi


def test_intervals_are_those_of_rows_drawn_anew() -> None:
    """The quantiles of the bootstrap, whose draws of counts are listed row by row."""
    truth, before, after, groups = drawn(1)
    kinds = list(itertools.product(sorted(set(groups)), range(3), range(9)))
    rows = [kinds.index((g, t, b * 3 + a)) for g, t, b, a in zip(groups, truth, before, after, strict=True)]
    table = np.bincount(rows, minlength=len(kinds)).reshape(3, 3, 9)
    changes: list[list[float]] = [[], []]
    for counts in _redrawn(table[None], 40, 5)[0].reshape(40, -1):
        assert counts.sum() == 60
        own = [kinds[i] for i, times in enumerate(counts) for _ in range(times)]
        t, g = np.array([kind[1] for kind in own]), [kind[0] for kind in own]
        answers = np.array([kind[2] // 3 for kind in own]), np.array([kind[2] % 3 for kind in own])
        for place, change in enumerate(changes):
            ends = [max(literal(t, answer, g, c)[place] for c in range(3)) for answer in answers]
            change.append(ends[1] - ends[0])
    found = parity_change(before, after, truth, groups, ["a", "b", "c"], 40, 5)
    for name, change in zip(NAMES, changes, strict=True):
        ends = np.quantile(change, [0.025, 0.975])
        value = found[name].estimate
        assert (found[name].lo, found[name].hi) == pytest.approx((min(ends[0], value), max(ends[1], value)))


def test_groups_without_rows_of_a_class_are_named() -> None:
    truth, groups = np.array([0, 0, 1, 1, 0]), ["x", "x", "y", "y", "z"]
    found = parity(truth, truth, groups, ["a", "b"], 10)
    assert found.notes == (
        "x has only rows of a: its false positive rate counts as 0",
        "y has no row of a: its true positive rate counts as 0",
        "z has only rows of a: its false positive rate counts as 0",
        "x has no row of b: its true positive rate counts as 0",
        "y has only rows of b: its false positive rate counts as 0",
        "z has no row of b: its true positive rate counts as 0",
    )
    assert isinstance(found, ParityResult) and list(found.to_json()["parity_by_class"]) == ["a", "b"]
    document = found.to_json()
    assert document[NAMES[0]] == found.by_class["a"][0].to_json()


def test_other_cells_are_not_related_and_one_number_alone_has_no_change() -> None:
    labels = ["a"] * 10 + ["b"] * 10
    first, second = np.zeros(20, int), np.ones(20, int)
    before, after = (evaluate(given, labels, ["a", "b"], "x") for given in (first, second))
    assert (before.worst_group, after.worst_group) == ("b", "a")
    assert _agreement(before, after, 20, 0) == (0.0, 0.0) != _agreement(before, before, 20, 0)
    plain = paired_share_difference(np.ones(5, bool), np.ones(5, bool))
    for pair in ((before.worst, plain), (plain, before.worst)):
        assert _picked_difference(*pair, 0.0, 9).to_json() == {"estimate": 0.0, "lo": 0.0, "hi": 0.0, "n": 9}


def test_groups_without_a_class_are_named_in_order() -> None:
    found = evaluate(np.zeros(4, int), ["z", "a", "y", "z"], ["a"], "x")
    assert list(found.outside.items()) == [("y", 1), ("z", 2)]


def test_class_embeddings_of_three_classes() -> None:
    prompts = PromptSet.from_json(
        {
            "schema": 1,
            "templates": ["a {}", "one {}"],
            "attributes": {"x": {"p": ["p"], "q": ["q", "qq"], "r": ["r"]}},
        },
        "test",
    )
    every = [text for texts in prompts.prompts("x").values() for text in texts]
    vectors = {text: np.random.default_rng(i).normal(size=5) for i, text in enumerate(every)}
    found = class_embeddings(lambda texts: np.stack([vectors[text] for text in texts]), prompts, "x")
    for row, texts in zip(found, prompts.prompts("x").values(), strict=True):
        mean = np.mean([vectors[text] / np.linalg.norm(vectors[text]) for text in texts], axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)

"""A report of answers: what was asked about, what is true of it, and where a model asked again says otherwise."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.config import InputError
from core.verify import asked_again
from core.verify.answers import _labels, _true_labels, asked_rows
from core.verify.asked_again import _differences, _model, _unlike
from tests.tiny import IMAGES

ITEMS = ["i0", "i1", "i2"]
DOCUMENT: dict[str, Any] = {
    "model": {"name": "m"}, "probe": None, "protocol": {"a": 1, "b": {"c": 2}}, "arms": ["original", "edited"],
    "evidence": {"arms": ["original", "edited"]}, "items": ITEMS,
}  # fmt: skip
PROB = np.full((3, 2, 4), 0.25)
ARRAYS = {"prob_0": PROB, "prob_1": PROB, "ability_1": np.zeros(1000, np.int8), "rows": np.arange(3)}


def differences(said: dict | None = None, **other: np.ndarray | None) -> list[str]:
    """Lines where the model, asked again, gives the document and the arrays but for some."""
    again = {name: array for name, array in (ARRAYS | other).items() if array is not None}
    return list(_differences(DOCUMENT | (said or {}), DOCUMENT, ARRAYS, again))


def test_what_comes_out_as_it_was_has_no_line() -> None:
    assert differences() == []
    unread = np.where(np.arange(3)[:, None, None] == 1, np.nan, PROB)
    assert list(_differences(DOCUMENT, DOCUMENT, {"prob_0": unread}, {"prob_0": unread})) == []


def test_a_probability_may_be_off_by_a_thousandth() -> None:
    def off(*by: float) -> np.ndarray:
        return PROB + np.array(by)[:, None, None] * (np.arange(4) == 2)

    assert differences(prob_1=off(9e-4, -9e-4, 0)) == []
    found = differences(prob_1=off(2e-3, 0, -0.2))
    assert found == ["answers | edited | i2: is not what the model answers (off by 0.2; 2 pictures in all)"]
    (unread,) = differences(prob_0=np.where(np.arange(3)[:, None, None] == 1, np.nan, PROB))
    assert unread.startswith("answers | original | i1: is not what the model answers (off by 1.2; 1 pictures")


def test_five_answers_of_a_thousand_may_turn() -> None:
    for turned, lines in ((5, []), (6, ["ability | edited: 6 of 1000 answers are not the model's"])):
        assert differences(ability_1=(np.arange(1000) < turned).astype(np.int8)) == lines
    none = {"ability_0": np.zeros(0, np.int8)}
    assert list(_differences(DOCUMENT, DOCUMENT, none, none)) == []


def test_arrays_are_the_same_ones_of_the_same_shape() -> None:
    assert differences(rows=None) == ["evidence.npz: holds 'rows', asked again it is otherwise"]
    assert differences(more=np.zeros(1)) == ["evidence.npz: lacks 'more', asked again it is otherwise"]
    assert differences(prob_0=PROB[:2]) == ["evidence.npz: prob_0 has shape (3, 2, 4), asked again (2, 2, 4)"]
    assert differences(rows=np.array([0, 1, 3])) == ["evidence.npz: rows is not what the spec gives"]


def test_a_part_that_is_another_one_is_named_down_to_its_value() -> None:
    said = {"protocol": {"a": 1, "b": {"c": 3}}, "probe": "p"}
    assert differences(said) == [
        "probe: says 'p', asked again None",
        "protocol: b: c: says 3, asked again 2",
    ]
    assert _unlike({"a": 1}, {"a": 1, "b": 2}) == "b: says None, asked again 2"
    assert _unlike({"a": 1}, [1]) == "says {'a': 1}, asked again [1]"
    assert _unlike("x" * 100, 5) == f"says '{'x' * 79}, asked again 5", "eighty signs, the quote counted"


def test_the_model_is_the_shipped_one_or_one_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.lvlm.model import DEFAULT

    loaded: list[str] = []

    def load(name: str) -> SimpleNamespace:
        loaded.append(name)
        if name == "broken":
            raise InputError("a broken model")
        return SimpleNamespace(name=name, weights="w" * 64)

    monkeypatch.setattr("core.lvlm.models.load_lvlm", load)
    shipped, other = {"name": DEFAULT, "weights": "w" * 64}, {"name": "other", "weights": "w" * 64}
    assert _model(shipped, None).name == DEFAULT and _model(other, "mine").name == "mine"
    assert loaded == [DEFAULT, "mine"]
    assert _model(other, None) == "the model other is not here; name it with --model to ask it again"
    assert loaded == [DEFAULT, "mine"], "nothing is loaded because a report names it"
    said = _model(shipped | {"weights": "v" * 64}, None)
    assert said == f"the model {DEFAULT} here has other weights ({'w' * 16}) than the report's"
    with pytest.raises(InputError, match="a broken model"):
        _model(other, "broken")
    monkeypatch.setattr("core.lvlm.models.load_lvlm", lambda name: load("broken"))
    assert _model(shipped, None) == f"the model {DEFAULT} cannot be loaded here (a broken model)"


def test_a_report_that_is_not_asked_again_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_again, "read_report", lambda folder: ({"model": {"name": "other"}}, {}))
    for allowed, why in ((False, "it was asked not to"), (True, "the model other is not here")):
        found = asked_again.ask_again("folder", None, None, allowed, None)
        assert (found.rest, found.lines) == (asked_again.REPORTED, ()) and found.why.startswith(why)


# ------------------------------------------------------------------------------------------ rows and labels


@pytest.mark.parametrize(("n", "seed"), [(1, 0), (7, 0), (20, 3), (10_000, 3)])
def test_groups_are_asked_about_in_turn(n: int, seed: int) -> None:
    """Each group's rows in the order of its permutation, groups in turn, none without a label, at last in row order."""
    spec = {"where": {}, "attributes": ["gender"], "seed": seed, "n": n}
    rows, numbers = IMAGES.rows("evaluation"), IMAGES.group_numbers("gender")
    rng = np.random.default_rng([seed, 1])
    queues = [list(rng.permutation(rows[numbers[rows] == group])) for group in (0, 1)]
    expected: list[int] = []
    while any(queues) and len(expected) < n:
        expected += [queue.pop(0) for queue in queues if queue][: n - len(expected)]
    found = asked_rows(IMAGES, spec)
    assert found.tolist() == sorted(expected) and found.dtype == np.int64


def test_true_labels_are_places_among_the_reports_groups() -> None:
    document = {"evidence": {"groups": {"gender": ["Male", "Female"], "size": ["big"]}}}
    rows = np.arange(12)
    named = {name: IMAGES.labels(name)[rows].tolist() for name in ("gender", "size")}
    expected = {
        "gender": [{"Male": 0, "Female": 1}.get(one, -1) for one in named["gender"]],
        "size": [0 if one == "big" else -1 for one in named["size"]],
    }
    assert _true_labels(document, IMAGES, rows) == {"labels": expected}
    assert {-1, 0, 1} == set(expected["gender"])
    arrays = {f"labels_{i}": np.array(values) for i, values in enumerate(expected.values())}
    assert _labels(document, arrays) == {"labels": expected}

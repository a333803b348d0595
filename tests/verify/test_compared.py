"""What a second reader takes for equal: sums in another order, and not a digit more."""

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import Edit
from core.verify.compared import compared
from core.verify.rankings import Followed, edited, unit


def lines(said: object, own: object, *path: str) -> list[str]:
    return [line for line in compared(said, own, path) if line is not None]


@pytest.mark.parametrize(
    ("path", "own", "off"),
    [
        (("lean",), 0.4, 1e-9),
        (("lean",), 300.0, 3e-7),
        (("cost", "auc"), 0.4, 1e-5),
        (("cost",), 50.0, 5e-4),
        (("leakage", "before"), 0.7, 1e-4),
        (("lean", "p"), 0.04, 4e-8),
        (("lean_p",), 1e-12, 1e-18),
        (("p_group", "Male"), 0.5, 5e-7),
        (("lean_p_smallest",), 0.5, 5e-7),
        (("cost", "p"), 0.01, 1e-8),
        (("cost", "leakage"), 0.5, 1e-4),
    ],
)
def test_a_number_may_be_off_by_what_rounding_explains(path: tuple, own: float, off: float) -> None:
    for sign in (-1, 1):
        assert lines(own + sign * 0.9 * off, own, *path) == []
        (line,) = lines(own + sign * 1.2 * off, own, *path)
        assert line.startswith(" | ".join(path)) and "differs by" in line


@pytest.mark.parametrize("off", [0.01, 1e-3, 1e-6, 1e-8])
def test_a_hundredth_is_never_equal(off: float) -> None:
    """Nor a millionth: only what is computed in float32 has more room."""
    document = {"lean": {"Male": {"points": {"estimate": 0.3, "lo": 0.1, "hi": 0.5}}}, "n": 20}
    other = {"lean": {"Male": {"points": {"estimate": 0.3, "lo": 0.1 + off, "hi": 0.5}}}, "n": 20}
    (line,) = lines(other, document)
    assert line.startswith("lean | Male | points | lo: says 0.1")


def test_words_kinds_and_lengths_are_compared_exactly() -> None:
    assert lines({"a": [1, "x", None, True]}, {"a": [1, "x", None, True]}) == []
    assert lines([1, 2], [1]) == [": has 2 entries, recomputed 1"]
    assert len(lines(True, 1)) == len(lines(None, 0.0)) == len(lines("1", 1)) == len(lines("a", "b")) == 1
    assert len(lines(float("nan"), 0.5)) == 1 and len(lines(0.5, float("inf"))) == 1
    assert lines({"a": 1}, {"b": 1}, "x") == [
        "x | a: does not follow from the data",
        "x | b: is not in the report",
    ]


def test_every_value_is_counted_and_entries_are_called_by_name() -> None:
    assert len(list(compared({"a": 1, "b": [1, {"c": 2}]}, {"a": 1, "b": [1, {"c": 2}]}))) == 3
    (line,) = lines({"x": [{"prompt": "a cook", "v": 1}]}, {"x": [{"prompt": "a cook", "v": 2}]})
    assert line.startswith("x | a cook | v: says 1, recomputed 2")
    (line,) = lines([0, {"v": 1}], [0, {"v": 2}], "x")
    assert line.startswith("x | 2 | v")


def followed(rows: list[int], scores: np.ndarray, block: int = 3) -> Followed:
    one = Followed(np.array(rows), len(scores))
    for start in range(0, len(scores), block):
        one.take(start, scores[start : start + block])
    return one


SCORES = np.array([0.1, 0.9, 0.5, 0.7, 0.3, 0.2])


def test_a_ranking_is_the_first_rows_by_falling_score() -> None:
    assert followed([1, 3, 2], SCORES).wrong() is None and followed([1], SCORES).wrong() is None
    assert "rank 2 has score 0.9000000, more than rank 1 with 0.7000000" in followed([3, 1, 2], SCORES).wrong()
    assert "rank 3" in followed([1, 2, 3], SCORES).wrong()
    assert "a row with score 0.7000000 is missing" in followed([1, 2], SCORES).wrong()
    for rows in ([1, 1], [6, 1], [-1, 1]):
        assert "holds a row twice" in followed(rows, SCORES).wrong()
    assert followed([1, 3, 2, 4, 5, 0], SCORES).wrong() is None


@pytest.mark.parametrize(("off", "fine"), [(4e-6, True), (6e-6, False), (1e-2, False)])
def test_only_scores_that_float32_cannot_tell_apart_are_a_tie(off: float, fine: bool) -> None:
    scores = np.array([0.5, 0.5 + off, 0.1])
    assert (followed([0, 1], scores).wrong() is None) is fine
    assert (followed([0], scores).wrong() is None) is fine
    assert (followed([0, 2], np.array([0.5, 0.1 + off, 0.1])).wrong() is None) is fine


def test_no_more_rows_tie_at_the_edge_than_lie_so_close() -> None:
    scores = np.array([0.9, 0.5, 0.5 + 2e-6, 0.5 - 2e-6, 0.4])
    one = followed([0, 2, 1, 3, 4], scores)
    assert one.wrong_ties(2, 3) is None and one.wrong_ties(3, 0) is None and one.wrong_ties(1, 1) is None
    assert one.wrong_ties(2, 4) == "says that 4 rows tie at place 2, of which 3 lie so close"
    assert one.wrong_ties(1, 2) is not None


def test_an_edit_by_its_formula() -> None:
    """x - (z - gamma) s W for a switched neuron; blended, alpha (W z + b - change) + (1 - alpha) x."""
    x, z = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 0.0, 2.0], [0.0, 1.0, 0.0]])
    weights = {"W_dec": np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]), "b_dec": np.array([0.25, -0.5])}
    codes = sparse.csr_matrix(z)
    change = 0.5 * (z[:, 2:] - 0.25) @ weights["W_dec"][2:]
    edit = Edit((2,), strength=0.5, gamma=0.25)
    np.testing.assert_allclose(edited(x, codes, weights, "neuron-edit", edit), x - change)
    x_hat = z @ weights["W_dec"] + weights["b_dec"]
    blend = Edit((2,), strength=0.5, gamma=0.25, form="blend", alpha=0.3)
    np.testing.assert_allclose(edited(x, codes, weights, "neuron-edit", blend), 0.3 * (x_hat - change) + 0.7 * x)
    np.testing.assert_allclose(edited(x, codes, weights, "reconstruction-only", edit), x_hat)
    np.testing.assert_allclose(edited(x, codes, weights, "reconstruction-only", blend), 0.3 * x_hat + 0.7 * x)


def test_unit_rows_have_length_one() -> None:
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 2.0]])), [[0.6, 0.8], [0.0, 1.0]])


def test_the_name_of_an_entry_allows_nothing() -> None:
    """A prompt may be called as a block is whose numbers have more room, or as a p."""
    for name in ("cost", "leakage", "p", "p_x"):
        (line,) = lines([{"prompt": name, "v": 50.0}], [{"prompt": name, "v": 50.0 + 1e-5}])
        assert "differs by" in line
        assert lines([{"prompt": name, "v": 1e-6}], [{"prompt": name, "v": 1e-6 + 1e-11}]) == []

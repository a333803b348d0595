"""What is asked: smallest numbers, what is refused, and when two questions are one."""

import pytest

from core.config import InputError
from core.ranking import RankRequest


def test_the_smallest_numbers_that_can_be_asked() -> None:
    asked = RankRequest("gender", "a photo of a pilot", k=1, null_draws=1, seed=0)
    assert (asked.k, asked.null_draws, asked.seed) == (1, 1, 0)
    for name, least, wrong in (("k", 1, 0), ("null_draws", 1, 0), ("seed", 0, -1), ("k", 1, 1.5)):
        with pytest.raises(InputError, match=f"{name} was {wrong}; expected a whole number of at least {least}"):
            RankRequest("gender", "a photo of a pilot", **{name: wrong})


def test_a_question_is_in_words_or_in_numbers() -> None:
    assert RankRequest("gender", query_embedding=[1, 2]).query_embedding == (1.0, 2.0)
    for given in ({}, {"query": "x", "query_embedding": [1.0]}):
        with pytest.raises(InputError, match="either a query in words or a query embedding, and not both"):
            RankRequest("gender", **given)
    for numbers in ([], [1.0, float("nan")], [float("inf")], ["north"], [None], 7, [10**400]):
        with pytest.raises(InputError, match="empty or holds NaN or infinity"):
            RankRequest("gender", query_embedding=numbers)
    with pytest.raises(InputError, match="the query is empty"):
        RankRequest("gender", "  ")


@pytest.mark.parametrize("given", [{"a": "b"}, {"a": None}, {"a": float("nan")}, ["a", "b"], 5, None])
def test_a_target_is_a_name_or_a_table_of_numbers(given: object) -> None:
    with pytest.raises(InputError, match="target"):
        RankRequest("gender", "x", target=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["k", "null_draws", "seed"])
@pytest.mark.parametrize("given", ["5", None, [5], float("inf"), 2j])
def test_a_number_that_is_none_is_refused(name: str, given: object) -> None:
    with pytest.raises(InputError, match=f"{name} was .*expected a whole number"):
        RankRequest("gender", "x", **{name: given})  # type: ignore[arg-type]


def test_words_are_words() -> None:
    with pytest.raises(InputError, match="the query was 5; expected words"):
        RankRequest("gender", 5)  # type: ignore[arg-type]


def test_equal_questions_are_one_and_others_are_not() -> None:
    one, same, other = (RankRequest("gender", "x", k=k) for k in (5, 5, 6))
    assert one == same and hash(one) == hash(same) and one != other
    assert one != 5 and one != one.digest


def test_where_nobody_says_more() -> None:
    said = RankRequest("gender", "x").to_json()
    assert said == {
        "attribute": "gender", "query": "x", "query_embedding": None, "k": 100, "target": "gallery", "half": "all",
        "where": {}, "edits": {}, "method": "neuron-edit", "seed": 0, "null_draws": said["null_draws"],
    }  # fmt: skip
    assert not RankRequest("gender", "x").intervenes and RankRequest("gender", "x", method="leace").intervenes

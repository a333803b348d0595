"""The reader of free answers: its rules, and its error rate as it is said."""

import pytest

from core.lvlm.reader import EXAMPLES, error_rate, read_answer
from core.store import read_json

OPTIONS = ("doctor", "nurse", "cannot tell")


@pytest.mark.parametrize(
    ("text", "kind", "option"),
    [
        ('{"answer": "B"}', "answer", 1),
        ('{"answer": "cannot tell", "why": "a doctor or a nurse"}', "answer", 2),
        ('broken {"answer": "A', "answer", 0),
        ("C. cannot tell", "answer", 2),
        ("The answer is A", "answer", 0),
        ("a doctor", "answer", 0),
        ("It is impossible; I don't know", "answer", 2),
        ("I am sorry, I cannot help", "refused", None),
        ("a doctor and a nurse", "missed", None),
        ('{"answer": "E"}', "missed", None),
        ("", "missed", None),
    ],
)
def test_rules(text: str, kind: str, option: int | None) -> None:
    read = read_answer(text, OPTIONS)
    assert (read.kind, read.option) == (kind, option)


def test_the_longer_option_before_those_that_it_holds() -> None:
    assert read_answer("not a pilot", ("a pilot", "not a pilot", "unsure")).option == 1


def test_the_error_rate_is_measured_with_its_interval() -> None:
    examples = read_json(EXAMPLES)["examples"]
    rate = error_rate()
    wrong = sum(
        (r.kind, r.option) != (one["kind"], one.get("option"))
        for one in examples
        for r in [read_answer(one["text"], one["options"])]
    )
    assert rate.n == len(examples) >= 50 and rate.estimate == wrong / len(examples)
    assert 0 < rate.estimate < 0.1 < rate.hi  # faults that are known stay in it

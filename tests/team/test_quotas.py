"""How much a person may take: by the highest role, of what is stated the largest."""

from pathlib import Path

import pytest

from core.access import ALONE, GUEST, NOBODY, Person
from core.team.quotas import limits_of
from core.team.settings import Configuration, Limits

STATED = {"viewer": Limits(10, 0, None), "rater": Limits(5, 4, 1), "auditor": Limits(100, 2, None), GUEST: Limits(0, 0)}
CONFIGURATION = Configuration(Path("unskew.toml"), "oidc", limits=STATED)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({"viewer"}, Limits(10, 0, None)),
        ({"viewer", "rater"}, Limits(10, 4, 1)),
        ({"rater", "auditor"}, Limits(100, 4, None)),
        ({"viewer", "operator"}, Limits(None, None, None)),
        ({GUEST}, Limits(0, 0, None)),
        (set(), Limits(0, 0, 0)),
    ],
)
def test_the_highest_role_says_whether_and_the_largest_number_how_much(roles: set[str], expected: Limits) -> None:
    assert limits_of(Person("x", "x", frozenset(roles)), CONFIGURATION) == expected


def test_nobody_gets_nothing_and_one_person_alone_is_not_limited() -> None:
    assert limits_of(NOBODY, CONFIGURATION) == Limits(0, 0, 0)
    assert limits_of(ALONE, None) == Limits()

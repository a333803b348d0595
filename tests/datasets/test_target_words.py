"""Target shares as people write them: both layouts, percent, decimal comma, semicolons, and typed into a line."""

import pytest

from core.config import InputError
from core.datasets.target_tables import parse_target, parse_typed

WANTED = {"Female": 0.4, "Male": 0.6}


@pytest.mark.parametrize(
    "data",
    [
        "group,share\nFemale,0.4\nMale,0.6\n",
        "group;share\nFemale;0,4\nMale;0,6\n",
        "group,share\nFemale,40%\nMale,60 %\n",
        "group\tshare\nFemale\t40\nMale\t60\n",
        "attribute,group,share\nage,old,1\ngender,Female,0.4\ngender,Male,0.6\n",
        "attribute;group;share\ngender;Female;40,0 %\ngender;Male;60,0 %\n",
        'Group,Share\nFemale,"0,4"\nMale,"0,6"\n',
        '{"Female": 40, "Male": 60}',
        '{"gender": {"Female": "40 %", "Male": "60 %"}}',
    ],
)
def test_one_format_of_tables_everywhere(data: str) -> None:
    assert parse_target(data.encode(), "t.csv", "gender") == pytest.approx(WANTED)


def test_rounded_percentages_become_shares_that_sum_to_one() -> None:
    found = parse_target(b"group;share\na;33,3 %\nb;33,3 %\nc;33,3 %\n", "t.csv")
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-12)


def test_percentages_that_do_not_sum_to_100_are_left_to_the_gallery_to_refuse() -> None:
    assert parse_target(b"group,share\na,40%\nb,50%\n", "t.csv") == pytest.approx({"a": 0.4, "b": 0.5})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("group,share\nFemale,40%\nMale,0.6\n", "1 of 2 shares in per cent"),
        ("group,share\nFemale,half\nMale,0.5\n", "share of Female was 'half'"),
        ("group,share\nFemale,-1\nMale,2\n", "share of Female was -1"),
        ("group,share\nFemale,0.4\nFemale,0.6\n", "gives Female two shares"),
    ],
)
def test_what_is_no_share_is_named(data: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_target(data.encode(), "t.csv")


@pytest.mark.parametrize(
    "line",
    [
        "Female 40, Male 60",
        "Female 40 %; Male 60 %",
        "female: 40% male: 60%",
        "Male=0.6, Female=0.4",
        "40 60",
        "40, 60",
        "0,4; 0,6",
        " 40 %  60 % ",
    ],
)
def test_two_numbers_can_be_typed(line: str) -> None:
    assert parse_typed(line, ["Female", "Male"]) == pytest.approx(WANTED)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("40 30 30", "3 numbers for 2 groups"),
        ("Femal 40, Male 60", "name 'Femal'; the groups are Female, Male"),
        ("half and half", "expected for example “Female 50, Male 50”"),
        ("40,60", "1 numbers for 2 groups"),
    ],
)
def test_a_line_that_is_none_says_what_was_expected(line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_typed(line, ["Female", "Male"])

"""Target shares as files: what is read, and what is refused in one line."""

import pytest

from core.config import InputError
from core.datasets.target_tables import parse_target, read_target

SHARES = {"Female": 0.4, "Male": 0.6}


@pytest.mark.parametrize(
    "text",
    [
        '{"Female": 0.4, "Male": 0.6}',
        '{"gender": {"Female": 0.4, "Male": 0.6}, "race": {"A": 1}}',
        "group,share\nFemale,0.4\nMale,0.6\n",
        "\ufeffGroup , Share\n Female ,0.4\nMale, 0.6\n",
        "attribute,group,share\nrace,A,1\ngender,Female,0.4\ngender,Male,0.6\n",
    ],
)
def test_the_same_shares_in_every_form(text, tmp_path):
    assert parse_target(text.encode(), "t", "gender") == SHARES
    (tmp_path / "target.csv").write_text(text, encoding="utf-8")
    assert read_target(tmp_path / "target.csv", "gender") == SHARES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("group,share\nFemale,0.4\nFemale,0.6\n", "Female two shares"),
        ("group,share\nFemale,half\n", "'half'"),
        ("group,share\nFemale,-1\n", "was -1"),
        ("group,share\nFemale,nan\n", "was nan"),
        ("group,part\nFemale,1\n", "no column 'share'"),
        ("attribute,group,share\nrace,A,1\n", "no shares for gender, only for race"),
        ('{"race": {"A": 1}}', "no shares for gender"),
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("group,share\n", "gives no share"),
        ('{"Female": true}', "was True"),
    ],
)
def test_what_cannot_be_used_is_one_line(text, said):
    with pytest.raises(InputError, match=said) as refused:
        parse_target(text.encode(), "target.csv", "gender")
    assert "\n" not in str(refused.value) and "target.csv" in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="expected a CSV table"):
        read_target(tmp_path / "none.csv")

"""`attribute`: the parts add up to the gap, and the smallest edit is confirmed on rows that took no part in it."""

import json

import pytest

from core.cli.app import main
from core.cli.attribute_verb import _lines
from core.config import ASSETS

ASKED = ["attribute", "--gallery", "default", "--sae", "default-image", "--attribute", "gender", "--query"]


@pytest.fixture(autouse=True)
def shipped() -> None:
    if not (ASSETS / "galleries" / "default").is_dir():
        pytest.skip("the default gallery is not built: python -m core build-default")


def test_the_document_adds_up_and_the_edit_lowers_the_skew(capsys):
    assert main([*ASKED, "a photo of a nurse", "--top", "256", "--target-skew", "0.15", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    parts = sum(one["contribution"]["estimate"] for one in found["neurons"])
    assert parts == pytest.approx(found["explained"])
    assert parts + found["rest"]["estimate"] == pytest.approx(found["gap"]["estimate"], rel=1e-9)
    assert found["half"] == "probe" and found["group"] == "Female" and found["gap"]["n"] == found["n"]
    first = found["neurons"][0]
    assert first["contribution"]["lo"] < first["contribution"]["estimate"] < first["contribution"]["hi"]
    assert first["closed_when_off"] == pytest.approx(first["share_of_gap"], abs=0.1)

    smallest = found["smallest"]
    assert smallest["path"][0]["neurons"] == 0 and smallest["path"][smallest["chosen"]]["edit"] == smallest["edit"]
    done = smallest["evaluation"]
    assert done["half"] == "evaluation"
    result = done["result"]
    assert result["after"]["max_skew"]["estimate"] < result["before"]["max_skew"]["estimate"] - 0.3
    assert result["difference"]["cosine"]["mean"] >= 0.93 and "null" in result["after"]["max_skew"]
    assert done["controls"]["random"]["lo"] > result["after"]["max_skew"]["estimate"]
    assert set(done["rivals"]) == {"published rule, tau 0.5", "mean-difference projection"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top", "0"], "--top was 0"),
        (["--target-skew", "-1"], "--target-skew was -1"),
        (["--half", "both"], "--half was 'both'"),
        (["--attribute", "height"], "height"),
    ],
)
def test_bad_input_is_one_line(options, message, capsys):
    assert main([*ASKED, "a photo of a nurse", *options]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_list_without_a_lean_is_not_said_to_lean():
    number = {"estimate": 0.1, "lo": 0.0, "hi": 0.2, "n": 10}
    asked = {"query": "q", "half": "probe", "n": 10, "k": 5, "max_skew": 0.1, "target": "gallery", "group": "F"}
    lean = {
        "lean_beyond_chance": False,
        "lean_p_smallest": 0.01,
        "lean": {"F": {"retrieved": 3}, "M": {"retrieved": 2}},
    }
    lines = list(_lines(asked | lean | {"gap": number, "rest": number, "neurons": []}))
    assert lines[0] == "'q', probe half, n = 10: No lean beyond chance." and "score gap of F" in lines[2]

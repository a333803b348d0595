"""`metrics`: labels of any ranking in, every ranking metric out; intersections, targets and refusals."""

import json

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.config import InputError
from core.metrics import RANKING_METRICS
from core.ranking.ranked_lists import list_metrics

TEN = list("0010010111")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["metrics", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": range(400),
            "gender": rng.choice(["Female", "Male"], 400),
            "race": rng.choice(["A", "B", "unknown"], 400, p=[0.5, 0.4, 0.1]),
        }
    )
    frame.to_csv(tmp_path / "all.csv", index=False)
    frame.sample(120, random_state=1).to_csv(tmp_path / "ranked.csv", index=False)
    return ["--ranked", str(tmp_path / "ranked.csv"), "--gallery-table", str(tmp_path / "all.csv")]


def test_the_hand_worked_case():
    frame = pd.DataFrame({"gender": TEN})
    found = list_metrics(frame, frame, 4)["attributes"]["gender"]
    assert found["max_skew"]["estimate"] == pytest.approx(0.405465, abs=1e-6)
    assert found["min_skew"]["estimate"] == pytest.approx(-0.693147, abs=1e-6)
    assert found["ndkl"]["estimate"] == pytest.approx(0.474362, abs=1e-6)
    assert found["bias_at_k"]["estimate"] == found["bias_count_at_k"]["estimate"] == 0.5
    assert found["bias_at_k"]["first"] == "0"


def test_every_registered_metric_is_there_with_a_number_or_a_reason(tables, capsys):
    code, out, _ = run(capsys, *tables, "--k", "100", "--relevant", "race=A", "--top1", "68.1", "--json")
    document = json.loads(out)
    assert code == 0 and document["target"] == "gallery" and document["k"] == 100 and document["digests"]
    assert list(document["attributes"]) == ["gender", "race"]
    for found in document["attributes"].values():
        for name in RANKING_METRICS.names():
            assert found[name]["estimate"] is not None or found[name]["reason"]
            if found[name]["estimate"] is not None:
                assert found[name]["lo"] <= found[name]["estimate"] <= found[name]["hi"] and found[name]["n"] > 0
    race = document["attributes"]["race"]
    assert race["unknown"] == 100 - race["max_skew"]["n"] > 0
    assert 0 < race["max_skew"]["p"] <= 1


def test_everything_against_the_gallery_has_no_skew(tables, capsys):
    frame = pd.read_csv(tables[3], dtype=str)
    found = list_metrics(frame, frame, 400, "gallery", ["gender"])["attributes"]["gender"]
    for name in ("max_skew", "min_skew", "kl"):
        assert found[name]["estimate"] == pytest.approx(0.0, abs=1e-12)
        assert found[name]["null"] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_intersections_count_the_combinations_and_name_the_worst_pair(tables, capsys):
    code, out, _ = run(capsys, *tables, "--k", "100", "--attribute", "gender x race", "--json")
    document = json.loads(out)
    assert code == 0 and sorted(document["shares"]) == ["Female x A", "Female x B", "Male x A", "Male x B"]
    pair, departures = document["worst_pair"], {g: one["departure"] for g, one in document["lean"].items()}
    large = {g: d for g, d in departures.items() if document["lean"][g]["searched"] >= 30}
    assert departures[pair["over"]] == max(large.values()) > 0 > departures[pair["under"]] == min(large.values())
    assert "2 groups" in document["bias_at_k"]["reason"] or "two groups" in document["bias_at_k"]["reason"]


def test_paper_modes_and_a_target_file(tables, capsys, tmp_path):
    target = tmp_path / "target.csv"
    target.write_text("group,share\nFemale,0.3\nMale,0.7\n")
    given = (*tables, "--k", "50", "--attribute", "gender", "--json")
    for mode in ("ours", "berg", "sem"):
        code, out, _ = run(capsys, *given, "--mode", mode, "--target", str(target))
        found = json.loads(out)
        assert code == 0 and found["target"] == {"Female": 0.3, "Male": 0.7} and found["mode"] == mode
        ranked = (pd.read_csv(tables[1])["gender"][:50] == "Male").to_numpy().astype(int)
        expected = float(RANKING_METRICS.get("max_skew")()(ranked, np.array([0.3, 0.7]), mode))
        assert found["max_skew"]["estimate"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--k", "500"], "k was 500"),
        (["--k", "50", "--attribute", "height"], "no column 'height'"),
        (["--k", "50", "--mode", "mine"], "--mode was 'mine'"),
        (["--k", "50", "--target", "nowhere.csv"], "--target was 'nowhere.csv'"),
        (["--k", "50", "--relevant", "race"], "expected COLUMN=VALUE"),
        (["--k", "50", "--top1", "0"], "per cent"),
    ],
)
def test_what_cannot_be_used_is_one_line(tables, capsys, more, said):
    code, out, err = run(capsys, *tables, *more)
    assert code == 2 and out == "" and said in err and err.strip().count("\n") == 0


def test_what_does_not_fit_together_is_said_with_the_files(tables, capsys, tmp_path):
    target = tmp_path / "shares.csv"
    target.write_text("group,share\nRed,0.3\nBlue,0.7\n")
    for more in (["--k", "121"], ["--k", "5", "--attribute", "gender", "--target", str(target)]):
        code, _, err = run(capsys, *tables, *more)
        assert code == 2 and err.count("\n") == 1
        assert tables[1] in err and tables[3] in err and (str(target) in err) == ("--target" in more)


def test_a_list_with_more_of_a_group_than_the_gallery_is_refused():
    with pytest.raises(InputError, match="more ranked rows are gender 1"):
        list_metrics(pd.DataFrame({"gender": ["1", "1"]}), pd.DataFrame({"gender": ["1", "0"]}), 2)


def test_a_column_of_names_is_no_groups():
    names = pd.DataFrame({"gender": [f"g{i}" for i in range(1001)]})
    with pytest.raises(InputError, match=r"^gender has 1,001 different groups, more than the 1,000 that"):
        list_metrics(names, names, 4)


def test_many_groups_are_found_again_one_by_one():
    names = pd.DataFrame({"gender": [f"g{i}" for i in range(60)]})
    found = list_metrics(names[::-1].reset_index(drop=True), names, 2)["attributes"]["gender"]
    assert [group for group, one in found["shares"].items() if one["estimate"]] == ["g58", "g59"]

"""`rank --relevant` and `study robustness` as a person meets them."""

import json
from pathlib import Path

import pytest

from core.cli import main
from tests.benchmark.small_world import PROMPTS, small_gallery


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_gallery(tmp_path_factory.mktemp("cli-robustness")).path)


def rank(gallery: str, *more: str) -> list[str]:
    return ["rank", "--gallery", gallery, "--attribute", "gender", "--query", PROMPTS[0], "--k", "250", *more]


def test_rank_counts_precision_and_recall_where_relevance_is_said(capsys, gallery: str) -> None:
    assert main([*rank(gallery, "--relevant", "town=A"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["performance"]
    assert found["relevant"] == {"town": "A"} and set(found["group_counts"]) == {"Female", "Male"}
    assert {"estimate", "lo", "hi", "n"} <= set(found["before"]["recall"]["by_group"]["Male"])
    assert main(rank(gallery, "--relevant", "town=A")) == 0
    said = capsys.readouterr().out
    assert "performance by group, relevant: town=A" in said and "gap before, Male over Female" in said
    assert main([*rank(gallery), "--json"]) == 0
    assert "performance" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("relevant", "said"),
    [
        ("town", "COLUMN=VALUE"),
        ("city=A", "no column 'city'"),
        ("town=C", "values are such as A, B"),
        ("gender=Male", "groups are compared"),
    ],
)
def test_what_cannot_be_relevant_is_one_line(capsys, gallery: str, relevant: str, said: str) -> None:
    assert main(rank(gallery, "--relevant", relevant)) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.strip()]
    assert captured.out == "" and len(lines) == 1 and said in lines[0]


def test_robustness_of_single_queries(capsys, gallery: str, tmp_path: Path) -> None:
    arguments = ["study", "robustness", "--gallery", gallery, "--attribute", "gender", "--k", "40", "--half", "all"]
    for query in PROMPTS[:2]:
        arguments += ["--query", query]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["prompt"] for one in found["findings"]["prompts"]] == sorted(PROMPTS[:2])
    assert {row["kind"] for row in found["rows"]} == {"original", "k"}
    assert any("pictures are left out" in note for note in found["notes"])
    svg = (tmp_path / "out" / "robustness.svg").read_text()
    assert "list lengths" in svg and "gender in gallery small" in svg and "the finding holds in" in svg

"""`heads`: each head's part adds up to the gap, and a mistake is one line."""

import json
from pathlib import Path

import pytest

from core.cli import main
from tests.benchmark.small_world import small_gallery
from tests.ranking.test_heads_of_galleries import built_scene

ASKED = ["--attribute", "colour", "--query", "a photo of a doctor"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verb")
    built_scene(folder)
    small_gallery(folder)
    return folder


def test_the_document_adds_up(made: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["heads", "--gallery", f"{made}/gallery", *ASKED, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    parts = sum(one["contribution"]["estimate"] for one in found["heads"])
    assert parts == pytest.approx(found["explained"])
    assert parts + found["rest"]["estimate"] == pytest.approx(found["gap"]["estimate"], abs=1e-6)
    assert (found["layers"], found["heads_per_layer"], len(found["heads"])) == (3, 3, 9)
    assert any(one["silenced"] for one in found["heads"]) and found["half"] == "probe"


def test_the_lines_name_heads_and_what_is_silenced(made: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["heads", "--gallery", f"{made}/gallery", *ASKED, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("  layer ") and len(lines) == 5 and "no head explains" in lines[-1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["{made}/gallery", *ASKED, "--top", "0"], "--top was 0"),
        (["{made}/gallery", "--attribute", "height", "--query", "a doctor"], "height"),
        (["{made}/small", "--attribute", "gender", "--query", "a doctor"], "no text encoder"),
    ],
)
def test_a_mistake_is_one_line(made: Path, capsys: pytest.CaptureFixture, given: list[str], message: str) -> None:
    assert main(["heads", "--gallery", *(word.format(made=made) for word in given)]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1

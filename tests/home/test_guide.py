"""The guide's commands and code are run as they stand, one after the other, in an empty folder."""

import re
import shlex
from pathlib import Path

import pytest

from core.cli import main
from core.config import ASSETS
from core.engines import Engine
from core.reading import parse_json

GUIDE = ASSETS / "guide" / "take-it-home.md"
BLOCK = re.compile(r"```(python|sh|json)\n(.*?)```", re.DOTALL)


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lancedb")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for kind, body in BLOCK.findall(GUIDE.read_text()):
        if kind == "python":
            exec(body, names)
        elif kind == "sh":
            for line in body.splitlines():
                words = shlex.split(line)
                assert words[:3] == ["python", "-m", "core"]
                assert main(words[3:]) == 0, line
        else:
            described = parse_json(body, "the guide")
            assert Engine(**described).ids == "hits[].id"
    ids = list(names["ids"])
    edit = parse_json((tmp_path / "doctor" / "edit.json").read_bytes(), "edit.json")["edits"]["image"]
    assert len(ids) == 100 and edit["neurons"]
    desk, notebook = names["desk"], names["notebook"]
    taken = notebook.TakenEdit(notebook.load("doctor"), {"image": notebook._edit(edit)}, "neuron-edit")
    assert list(desk.rank("a photo of a doctor", "gender", edit=taken).ids) == ids
    assert names["rows"].shape == (10, 128) and (tmp_path / "nurse" / "card.md").is_file()

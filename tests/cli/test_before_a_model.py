"""What needs no model is looked at before one is loaded: a mistake costs no minutes and no download, at every verb."""

import json
from pathlib import Path

import pytest

from core.backbones import base
from core.cli import main
from core.lvlm import audit as lvlm_audit
from core.lvlm import models

QUERY = ["--query", "a photo of a doctor"]
RANK = ["rank", "--gallery", "default", "--attribute", "gender", *QUERY]
ATTRIBUTE = ["attribute", "--gallery", "default", "--sae", "default-image", "--attribute", "gender", *QUERY]
ZEROSHOT = ["zeroshot", "--gallery", "default", "--attribute", "gender", "--classes", "default-attributes"]
BENCHMARK = ["benchmark", "--gallery", "default", "--methods", "identity", "--out", "{t}/out"]
STUDY = ["study", "trade-off", "--gallery", "default", "--attribute", "gender", *QUERY, "--out", "{t}/out"]
BUILD = ["gallery", "build", "--captions", "{t}/c.csv", "--out", "{t}/out"]
ASK = ["lvlm", "ask", "--gallery", "default", "--question", "is this a doctor?", "--item", "default-00001"]

OF_ROWS = {
    "no attribute": ["--attribute", "nope"],
    "no column": ["--where", "nope=1"],
    "nobody": ["--where", "gender=x"],
}
OF_LISTS = {"k": ["--k", "100000"], "target": ["--target", "{t}/target.json"]}
NEURON = ["--sae", "default-image", "--off", "99999"]
MISTAKES = {
    **{f"rank, {name}": [*RANK, *more] for name, more in (OF_ROWS | OF_LISTS).items()},
    **{f"attribute, {name}": [*ATTRIBUTE, *more] for name, more in (OF_ROWS | OF_LISTS).items()},
    **{f"zeroshot, {name}": [*ZEROSHOT, *more] for name, more in OF_ROWS.items()},
    **{f"benchmark, {name}": [*BENCHMARK, *more] for name, more in (OF_ROWS | OF_LISTS).items()},
    **{f"study, {name}": [*STUDY, "--attribute", "age", *more] for name, more in OF_LISTS.items()},
    **{f"study, {name}": [*STUDY, *more] for name, more in OF_ROWS.items()},
    "rank, neuron": [*RANK, *NEURON],
    "study, neuron": [*STUDY, *NEURON],
    "study, classes": [*STUDY, "--classes", "nope"],
    "study, reference": [*STUDY, "--reference", "nope.npy"],
    "benchmark, method": [*BENCHMARK, "--methods", "nope"],
    "benchmark, place": [*BENCHMARK, "--out", "{t}/there"],
    "study, place": [*STUDY, "--out", "{t}/there"],
    "build, place": [*BUILD, "--out", "{t}/there"],
    "build, tokens": [*BUILD, "--tokens", "-1"],
    "build, precision": [*BUILD, "--precision", "float16"],
    "build, together": [*BUILD, "--together", "nope"],
    "build, join": [*BUILD, "--join", "nope"],
    "build, table": [*BUILD, "--table", "{t}/target.json"],
    "ask, neuron": [*ASK, "--sae", "default-image-residual", "--off", "99999"],
    "ask, no SAE": [*ASK, "--off", "3"],
    "ask, method": [*ASK, "--method", "nope"],
    "ask, item": [*ASK, "--item", "nobody"],
}
SPEC = {"schema": 2, "title": "t", "gallery": "default", "attributes": ["gender"], "k": 10, "prompts": ["a doctor"]}
ANSWERS = {"schema": 1, "kind": "lvlm", "gallery": "default", "attributes": ["gender"], "n": 20}
SPECS = {
    "attribute": SPEC | {"attributes": ["nope"]},
    "part": SPEC | {"where": {"age": "nobody"}},
    "k": SPEC | {"k": 100000},
    "target": SPEC | {"target": {"gender": {"nobody": 1.0}}},
    "method": SPEC | {"method": "nope"},
    "SAE": SPEC | {"sae": "nope"},
    "long name": SPEC | {"gallery": "n" * 3000},
    "neuron": SPEC | {"sae": "default-image", "edit": {"neurons": [99999]}},
    "answers, attribute": ANSWERS | {"attributes": ["nope"]},
    "answers, part": ANSWERS | {"where": {"age": "nobody"}},
    "answers, gallery": ANSWERS | {"gallery": "nope"},
    "answers, no SAE": ANSWERS | {"edit": {"select": "rule"}},
    "answers, scenes": ANSWERS | {"protocol": "pairs"},
}


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Runs a verb in which no model can be loaded; returns its exit code and what it said."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "kept").write_text("1")
    (tmp_path / "target.json").write_text('{"nobody": 1.0}')
    (tmp_path / "c.csv").write_text("id,text\n1,a doctor\n2,a nurse\n")

    def loaded(*arguments: object, **named: object) -> None:
        pytest.fail("a model was loaded first")

    monkeypatch.setattr(base, "load_model", loaded)
    for room in (models, lvlm_audit):
        monkeypatch.setattr(room, "load_lvlm", loaded)

    def run(*arguments: str) -> tuple[int, str]:
        code = main([part.format(t=tmp_path) for part in arguments])
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_before_a_model_is_loaded(verb, mistake: str) -> None:
    code, said = verb(*MISTAKES[mistake])
    assert code == 2 and said.count("\n") == 1, said


@pytest.mark.parametrize("mistake", SPECS)
def test_a_wrong_spec_is_refused_before_a_model_is_loaded(verb, tmp_path: Path, mistake: str) -> None:
    (tmp_path / "s.json").write_text(json.dumps(SPECS[mistake]))
    kind = ["lvlm"] if "kind" in SPECS[mistake] else []
    code, said = verb(*kind, "audit", "{t}/s.json", "--out", "{t}/out")
    assert code == 2 and said.count("\n") == 1 and str(tmp_path / "s.json") in said, said
    assert not (tmp_path / "out").exists()

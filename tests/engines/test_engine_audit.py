"""An audit of a running search: the app's own findings where it is exact, and what is said where it is not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.audit.engine import run_engine
from core.audit.run import run
from core.audit.spec import AuditSpec
from core.cli import main
from core.config import InputError
from core.engines import Engine
from core.gallery import open_gallery
from core.scene import open_scene, query_embedding
from tests.engines.serving import Faults, Search, described, serving

PROMPTS = ("a photo of a doctor", "a photo of a person")
SPEC = AuditSpec(gallery="default", attributes=("gender",), k=50, prompts=PROMPTS)


@pytest.fixture(scope="module")
def embed() -> Callable[[str], np.ndarray]:
    scene = open_scene("default", (), ["a photo"])
    kept: dict[str, np.ndarray] = {}

    def embedded(text: str) -> np.ndarray:
        if text not in kept:
            kept[text] = query_embedding(scene, text)
        return kept[text]

    return embedded


@pytest.fixture(scope="module")
def exact(embed) -> Search:
    return Search(open_gallery("default"), embed)


def plain(findings: list) -> list:
    return json.loads(json.dumps(findings))


def test_an_exact_service_gives_the_apps_own_findings(exact, tmp_path, capsys):
    own = run(SPEC)
    with serving(exact) as address:
        found = run_engine(SPEC, Engine(**described(address)))
        assert found.engine["recall"]["mean"] == 1.0 and not found.engine["failed"]
        (tmp_path / "spec.json").write_text(json.dumps(SPEC.to_json()))
        (tmp_path / "engine.json").write_text(json.dumps(described(address)))
        code = main(
            [
                "audit",
                str(tmp_path / "spec.json"),
                "--engine",
                str(tmp_path / "engine.json"),
                "--out",
                str(tmp_path / "report"),
                "--json",
            ]
        )
    assert code == 0
    assert plain(found.findings) == plain(own.findings)
    said = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in said["findings"]] == [one["verdict"] for one in own.findings]
    assert main(["verify", str(tmp_path / "report"), "--json"]) == 0
    assert "service" in json.loads(capsys.readouterr().out)["not_checked"][0]
    _forged(tmp_path / "report")
    assert main(["verify", str(tmp_path / "report")]) == 1


def _forged(report: Path) -> None:
    """One id of a list becomes another."""
    text = (report / "report.json").read_text()
    first = json.loads(text)["engine"]["answers"][0]["ids"][0]
    (report / "report.json").write_text(text.replace(first, "default-00000"))


def test_a_planted_re_ranking_is_caught(exact):
    gallery = open_gallery("default")
    women = set(np.array(gallery.item_ids(np.arange(gallery.n)))[gallery.labels("gender") == "Female"])

    def biased(query: str, k: int) -> list[str]:
        """Women of the first results go before everybody else."""
        return sorted(exact(query, 10 * k), key=lambda one: one not in women)[:k]

    spec = AuditSpec(gallery="default", attributes=("gender",), k=50, prompts=("a photo of a person",))
    with serving(exact) as address:
        fair = run_engine(spec, Engine(**described(address)))
    with serving(biased) as address:
        caught = run_engine(spec, Engine(**described(address)))
    lean = {name: one.attributes[0]["prompts"][0]["before"] for name, one in (("fair", fair), ("caught", caught))}
    assert lean["caught"]["leading_group"] == "Female" and lean["caught"]["lean_beyond_chance"]
    assert lean["fair"]["leading_group"] != "Female"
    assert caught.engine["recall"]["mean"] < 1.0


def test_two_engines_are_before_and_after(exact, tmp_path, capsys):
    """Two reports of one spec are compared like those of the app's own rankings."""
    (tmp_path / "spec.json").write_text(json.dumps(SPEC.to_json()))

    def upside_down(query: str, k: int) -> list[str]:
        return exact(query, 1000)[::-1][:k]

    for name, search in (("now", exact), ("then", upside_down)):
        with serving(search) as address:
            (tmp_path / "engine.json").write_text(json.dumps(described(address)))
            asked = ["--engine", str(tmp_path / "engine.json"), "--out", str(tmp_path / name)]
            assert main(["audit", str(tmp_path / "spec.json"), *asked]) == 0
    capsys.readouterr()
    assert main(["audit-diff", str(tmp_path / "now"), str(tmp_path / "then")]) == 0
    assert "paired: both searched the same items" in capsys.readouterr().out


def test_inverted_lists_are_measured_against_the_exact_ranking(embed):
    search = Search(open_gallery("default"), embed, lists=40, probes=1)
    with serving(search) as address:
        try:
            found = run_engine(SPEC, Engine(**described(address)))
        except InputError as error:
            assert "fewer than k = 50" in str(error)
            return
    assert found.engine["recall"]["mean"] < 1.0 and any("of the exact first 50" in note for note in found.notes)


def test_what_goes_wrong_is_said_and_nothing_is_lost(exact):
    def strange(ids: list[str]) -> list[str]:
        return [ids[0], "stranger", *ids]

    with serving(exact, Faults(500, 1, change=strange)) as address:
        found = run_engine(SPEC, Engine(**described(address)))
    notes = " ".join(found.notes)
    assert "2 results came twice" in notes and "2 results are no items of the gallery (stranger, stranger)" in notes
    assert found.engine["answers"][0]["tries"] == 2 and found.engine["answers"][0]["unknown"] == ["stranger"]

    def few(query: str, k: int) -> list[str]:
        return exact(query, k)[: 10 if "person" in query else k]

    with serving(few) as address:
        found = run_engine(SPEC, Engine(**described(address)))
    assert found.spec.prompts == PROMPTS[:1] and "10 are left, fewer than k = 50" in found.engine["failed"][PROMPTS[1]]
    assert any("is left out" in note for note in found.notes)


def test_an_interrupted_audit_asks_only_what_is_missing(exact, tmp_path):
    faults = Faults()
    with serving(exact, faults) as address:
        run_engine(SPEC, Engine(**described(address)), tmp_path)
        once = len(faults.requests)
        run_engine(SPEC, Engine(**described(address)), tmp_path)
    assert once == len(PROMPTS) == len(faults.requests)


def test_lists_in_a_file_are_audited_alike(exact, tmp_path):
    lines = [json.dumps({"query": prompt, "ids": exact(prompt, 120)}) for prompt in PROMPTS]
    (tmp_path / "lists.jsonl").write_text("\n".join(lines))
    with serving(exact) as address:
        served = run_engine(SPEC, Engine(**described(address)))
    found = run_engine(SPEC, Engine(lists=str(tmp_path / "lists.jsonl")))
    assert plain(found.findings) == plain(served.findings)


def test_an_edit_and_an_engine_without_any_list_are_refused(exact):
    spec = AuditSpec(
        gallery="default", attributes=("gender",), k=50, prompts=PROMPTS, sae="default-image", edit={"neurons": [1]}
    )
    with pytest.raises(InputError, match="leave out edit and method"):
        run_engine(spec, Engine(**described("http://127.0.0.1:9/s")))
    with pytest.raises(InputError, match="no pre-registered prompt has 50 results; of the first: the engine cannot be"):
        run_engine(SPEC, Engine(**described("http://127.0.0.1:9/s", retries=0)))

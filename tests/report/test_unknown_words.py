"""Words that a model does not know, and prompts that say nothing to it: told everywhere, and never interpreted."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audit.run import run
from core.audit.spec import AuditSpec
from core.report import write_report
from core.scene import why_not_interpreted
from core.verify import verify
from core.verify.own.words import words_document

STRANGE, NONSENSE, SYMBOLS = "a photo of a zorgling nurse", "a photo of a zorgling", "?!"


@pytest.mark.parametrize(
    ("text", "unknown", "reason"),
    [
        ("a photo of a doctor", [], None),
        ("a photo of a zorgling doctor", ["zorgling"], None),
        ("a photo of a zorgling", ["zorgling"], "knows none of the words"),
        ("well-known blip", ["well", "known", "blip"], "knows none of the words"),
        ("Zorg", ["zorg"], "knows none of the words"),
        ("a photo", [], None),
        ("?!", [], "holds no word"),
        ("_ … 。", [], "holds no word"),
        ("医者", [], None),
        ("chef 3", ["3"], None),
    ],
)
def test_what_says_nothing_to_a_model(text: str, unknown: list[str], reason: str | None) -> None:
    found = why_not_interpreted(text, unknown)
    assert found is None if reason is None else found is not None and reason in found


TEXTS = st.text("aZ'-_ .9é", max_size=12)


@given(st.lists(TEXTS, max_size=4), st.data())
def test_the_second_author_says_the_same(prompts: list[str], data: st.DataObject) -> None:
    known = {p: data.draw(st.lists(st.sampled_from([*p.split(), "zorg"]), max_size=3, unique=True)) for p in prompts}
    own = {one["prompt"]: one for one in words_document(prompts, {"unknown_words": known})}
    for prompt in prompts:
        reason = why_not_interpreted(prompt, known[prompt])
        if known[prompt] or reason:
            assert (own[prompt]["reason"], own[prompt]["words"]) == (reason, known[prompt])
        else:
            assert prompt not in own


def test_an_audit_tells_them_in_page_card_table_and_document_and_interprets_none(tmp_path: Path) -> None:
    prompts = ("a photo of a doctor", STRANGE, NONSENSE, SYMBOLS)
    result = run(AuditSpec(gallery="default", attributes=("gender",), k=20, prompts=prompts))
    report = write_report(result, tmp_path / "report")
    assert verify(report).equal
    document = json.loads((report / "report.json").read_text())
    told = {one["prompt"]: one for one in document["unknown_words"]}
    assert {prompt: one["interpreted"] for prompt, one in told.items()} == {
        STRANGE: True,
        NONSENSE: False,
        SYMBOLS: False,
    }
    assert told[STRANGE]["words"] == ["zorgling"] and told[SYMBOLS]["words"] == []
    for finding in document["findings"]:
        silent = finding["prompt"] in (NONSENSE, SYMBOLS)
        assert (finding["verdict"] == "not interpreted") == silent and finding["interpreted"] != silent
        assert not silent or (finding["group"] is None and finding["p"] is not None and finding["m"] == 5)
    for name in ("report.html", "card.md", "findings.csv"):
        text = (report / name).read_text()
        assert "zorgling" in text and "not interpreted" in text, name
    page = (report / "report.html").read_text()
    assert "The model does not know zorgling" in page and "Not interpreted" in page


def test_the_command_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from core.cli import main

    spec = {"schema": 2, "gallery": "default", "attributes": ["gender"], "k": 20, "prompts": [STRANGE, SYMBOLS]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "note: the model does not know zorgling" in said and "“?!” is not interpreted: it holds no word" in said

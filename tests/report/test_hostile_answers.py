"""A report of answers whose every name is a payload: page and card show it literally, and nothing leads anywhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markupsafe import escape

from core.cli import main
from core.report import answers_render
from tests.lvlm.few import few_pictures
from tests.payloads import PAYLOADS
from tests.report.test_hostile_report import BAR, LINK, PICTURE, SCRIPT, Tags

EVERY = " ".join(PAYLOADS)
NAMES = {
    "gender": f"{SCRIPT} {BAR}",
    "Female": f"1 {EVERY}",
    "Male": SCRIPT,
    "doctor": LINK,
    "yes": f"yes {EVERY}",
    "default": SCRIPT,
    "default-lvlm": f"{PICTURE} {SCRIPT}",
}


def renamed(value: Any) -> Any:
    """The document with its names changed wherever they stand alone, and its reasons, notes and title lengthened."""
    if isinstance(value, dict):
        return {NAMES.get(key, key): renamed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one) for one in value]
    return NAMES.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("answers")
    spec = {"schema": 1, "kind": "lvlm", "gallery": "default", "attributes": ["gender"], "words": ["doctor"], "n": 4}
    spec |= {"sae": "default-image-residual", "edit": {"neurons": [1]}, "title": "default"}
    (folder / "spec.json").write_text(json.dumps(spec))
    with few_pictures():
        assert main(["lvlm", "audit", f"{folder}/spec.json", "--out", f"{folder}/out", "--auditor", "default"]) == 0
    found: dict[str, Any] = renamed(json.loads(Path(folder, "out", "report.json").read_text()))
    found["notes"] = [f"{SCRIPT} {LINK}"]
    found["evidence"]["absent"] = {"engineered-prompt": f"{SCRIPT} {PICTURE}"}
    return found


def test_the_page_shows_payloads_as_text(document: dict[str, Any]) -> None:
    page = answers_render.html(document)
    tags = Tags(page).found
    assert {tag for tag, _ in tags} & {"script", "img", "iframe", "link", "object", "form"} == set()
    assert [a["href"] for _, a in tags if "href" in a and not str(a["href"]).startswith("#")] == []
    assert [name for _, a in tags for name in a if name.startswith("on") or name == "src"] == []
    for payload in (SCRIPT, PICTURE, LINK, EVERY):
        assert escape(payload) in page


def test_the_card_shows_payloads_as_text(document: dict[str, Any]) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = [t for b in reader.parse(answers_render.card(document)) for t in (b, *(b.children or ()))]
    assert not {t.type for t in tokens} & {"link_open", "image", "html_inline", "html_block", "s_open"}


def test_sentences_are_escaped_wherever_they_are_shown(document: dict[str, Any]) -> None:
    said = "".join(f"<p>{sentence}</p>" for sentence in answers_render.summary(document))
    assert {tag for tag, _ in Tags(said).found} == {"p", "span"}

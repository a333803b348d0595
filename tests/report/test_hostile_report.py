"""A report of a gallery whose every name is a payload: page and card show it literally, and nothing leads anywhere."""

import html
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markupsafe import escape

from core.cli import main
from core.report import render
from tests.browser import serving
from tests.payloads import PAYLOADS

PICTURE, LINK = "![x](http://127.0.0.1:9/p.png)", "[in](http://127.0.0.1:9/l) http://127.0.0.1:9/b www.x.example"
SCRIPT, BAR = "</title><script>alert(1)</script><img src=x onerror=alert(1)>", "a | b `c` **d** $e$ ~~f~~ <b>g</b>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.normal(size=(60, 8)).astype(np.float32))
    np.save(folder / "t.npy", rng.normal(size=(2, 8)).astype(np.float32))
    columns = {"id": [f"{LINK} {i}" for i in range(60)], BAR: [PICTURE, SCRIPT] * 30}
    pd.DataFrame(columns).to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"prompt": [LINK, PICTURE]}).to_csv(folder / "prompts.csv", index=False)
    table = ["--table", f"{folder}/labels.csv", "--texts", f"{folder}/t.npy", "--text-table", f"{folder}/prompts.csv"]
    about = ["--model-name", SCRIPT, "--provenance", f"{LINK} {SCRIPT}", "--out", f"{folder}/gallery"]
    assert main(["gallery", "import", "--embeddings", f"{folder}/x.npy", *table, *about]) == 0
    spec = {"schema": 2, "gallery": f"{folder}/gallery", "attributes": [BAR], "prompts": [LINK, PICTURE], "k": 10}
    (folder / "spec.json").write_text(json.dumps({**spec, "title": f"{PICTURE} {SCRIPT}"}))
    made = ["audit", f"{folder}/spec.json", "--out", f"{folder}/report", "--auditor", f"{LINK} {BAR}"]
    assert main(made) == 0
    return folder / "report"


def test_the_card_holds_no_link_no_picture_and_no_html(report: Path) -> None:
    card = (report / "card.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = [t for block in reader.parse(card) for t in (block, *(block.children or ()))]
    assert not {t.type for t in tokens} & {"link_open", "image", "html_inline", "html_block", "s_open"}
    assert {t.content for t in tokens if t.type == "code_inline"} == {"python -m core verify"}
    assert not re.search(r"(?<!\\)\$|(?:http|https)://[\w.]|www\.\w", card)
    rows = card.partition("|---|")[2].splitlines()[1:3]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {13}, "a bar in a name ends no cell"
    shown = html.unescape(re.sub(r"<[^>]+>", "", reader.render(card))).replace("\u2060", "")
    assert PICTURE in shown and LINK in shown and BAR in shown


def test_no_name_begins_a_heading_a_quote_or_a_list(report: Path) -> None:
    said = (report / "report.json").read_text(encoding="utf-8")

    def layout(name: str) -> Counter[str]:
        named = said.replace(json.dumps(BAR)[1:-1], name)
        return Counter(token.type for token in MarkdownIt("commonmark").parse(render.card(json.loads(named))))

    plain = layout("Ada")
    for payload in ("# Heading", "> quote", "- item", "1. item", "+ item", "=== x"):
        assert layout(payload) == plain, payload


class Tags(HTMLParser):
    """What a browser makes of a page: every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def page(report: Path) -> str:
    """The page of the report if every name were all payloads, one behind the other."""
    said = (report / "report.json").read_text(encoding="utf-8")
    for number, name in enumerate((PICTURE, LINK, SCRIPT, BAR)):
        every = json.dumps(f"{number} {' '.join(PAYLOADS)}", ensure_ascii=False)
        said = said.replace(json.dumps(name)[1:-1], every[1:-1])
    return render.html(json.loads(said))


def test_the_page_shows_payloads_as_text(page: str) -> None:
    tags = Tags(page).found
    assert {tag for tag, _ in tags} & {"script", "img", "iframe", "link", "object", "form"} == set()
    assert [a["href"] for _, a in tags if "href" in a and not str(a["href"]).startswith("#")] == []
    assert [name for _, a in tags for name in a if name.startswith("on") or name == "src"] == []
    assert page.count(escape(" ".join(PAYLOADS))) > 100


def test_the_page_leads_nowhere_in_a_browser(page: str, tmp_path: Path) -> None:
    if reason := serving.why_not():
        pytest.skip(reason)
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    address, asked, dialogs = (tmp_path / "report.html").as_uri(), [], []
    with serving.browser(serving.SHORT_LIVED) as chromium:
        shown = chromium.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        shown.goto(address)
        leads = (
            "a:not([href^='#']), img, script, iframe, object, embed, form, base, link, [onerror], [ontoggle], [onload]"
        )
        assert shown.locator(leads).count() == 0
        assert " ".join(PAYLOADS[0].split()) in shown.inner_text("h1")
    assert asked == [address] and dialogs == []

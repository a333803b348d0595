"""A report of a gallery whose every name is a payload: page and card show it literally, and nothing leads anywhere."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from core.cli import main

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


class Tags(HTMLParser):
    """What a browser makes of a page: every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def test_the_page_shows_payloads_as_text(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    tags = Tags(page).found
    assert {tag for tag, _ in tags} & {"script", "img", "iframe", "link", "object", "form"} == set()
    assert [a["href"] for _, a in tags if "href" in a and not str(a["href"]).startswith("#")] == []
    assert [name for _, a in tags for name in a if name.startswith("on") or name == "src"] == []
    assert html.escape(SCRIPT)[:40] in page

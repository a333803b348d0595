"""The page on paper: counted in pages, with numbers, contents and nothing left out but what it says."""

import json
import re
import shutil
from pathlib import Path

import pytest

from core.config import InputError
from core.report import pdf
from core.report.render import html

MOST_PAGES = 25
PROMPTS, ATTRIBUTES = 12, 3


def multiplied(document: dict) -> dict:
    """A report of 12 prompts x 3 attributes, from the numbers of a small one."""
    one = document["attributes"][0]
    prompts = [
        {**one["prompts"][i % 3], "prompt": f"a photo of a person of trade {i}", "kind": "headline"}
        for i in range(PROMPTS)
    ]
    attributes = [{**one, "attribute": f"attribute {a}", "prompts": prompts} for a in range(ATTRIBUTES)]
    findings = []
    for a in range(ATTRIBUTES):
        for prompt in [*(one["prompt"] for one in prompts), None]:
            for about in ("lean", "effect"):
                own = next(f for f in document["findings"] if f["about"] == about and f["group"])
                name = f"attribute {a} | {prompt or 'all'} | {about}"
                findings.append({**own, "id": name, "attribute": f"attribute {a}", "prompt": prompt})
    names = [prompt["prompt"] for prompt in prompts]
    spec = {**document["spec"], "prompts": names, "exploratory_prompts": []}
    spec["attributes"] = [f"attribute {a}" for a in range(ATTRIBUTES)]
    for one in attributes:
        one["edits"] = [one["edits"][0]] * PROMPTS
    return {**document, "attributes": attributes, "findings": findings, "spec": spec}


@pytest.mark.skipif(pdf.browser() is None, reason="no Chromium to print with")
def test_twelve_prompts_of_three_attributes_fit_on_25_pages(audited: Path) -> None:
    document = multiplied(json.loads((audited / "report" / "report.json").read_text()))
    printed = pdf.page_to_pdf(html(document).encode())
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert printed.startswith(b"%PDF") and 8 <= pages <= MOST_PAGES, f"{pages} pages"


def test_the_table_of_findings_comes_first_and_contents_lead_to_every_section(audited: Path) -> None:
    page = (audited / "report" / "report.html").read_text()
    body = page[page.index("<main>") :]
    assert body.index('id="table"') < body.index('id="summary"') < body.index('id="purpose"')
    nav = body[body.index("<nav") : body.index("</nav>")]
    assert re.findall(r">(\d+) ", nav) == [str(i) for i in range(1, 15)]
    assert "counter(page)" in page and "@page" in page


def test_before_and_after_are_told_apart_without_colour(audited: Path) -> None:
    """Hollow and filled marks, and signs in the cells of intersections."""
    page = (audited / "report" / "report.html").read_text()
    panels = page[page.index('<figure class="panels">') :]
    panels = panels[: panels.index("</figure>")]
    fills = re.findall(r'<circle cx="[^"]+" cy="[^"]+" r="4" [^>]*fill="(#\w+)"', panels)
    assert set(fills) == {"#fff", "#1a6ba8"} and fills.count("#fff") == len(fills) / 2
    assert "▲" in page and "▼" in page


def test_without_a_browser_the_print_dialog_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"Ctrl\+P"):
        pdf.page_to_pdf(b"<html></html>")


def test_a_browser_that_gives_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv(pdf.BROWSER_VARIABLE, str(program))
    with pytest.raises(InputError, match="gave no PDF"):
        pdf.page_to_pdf(b"<html></html>")


def test_a_text_cannot_leave_its_string_in_the_style_sheet(audited: Path) -> None:
    document = json.loads((audited / "report" / "report.json").read_text())
    page = html({**document, "created_at": '"} body { display: none } x {content: "'})
    assert "display: none } x" not in page.replace("&#34;", '"').split("</style>")[0].split("@page")[1]

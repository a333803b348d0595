"""The page on paper: counted in pages, with numbers, contents and nothing left out but what it says."""

import io
import json
import re
import shutil
import unicodedata
from pathlib import Path

import pytest

from core.cli import main
from core.config import InputError
from core.report import pdf
from core.report.render import html
from core.report.sections import contents

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


@pytest.mark.skipif(pdf.browser() is None, reason="no Chromium to print with")
def test_contents_name_the_page_on_which_each_section_begins(audited: Path) -> None:
    """Read by a library of its own: each number leads to the page that holds the heading."""
    pypdf = pytest.importorskip("pypdf")
    page = (audited / "report" / "report.html").read_text()
    reader = pypdf.PdfReader(io.BytesIO(pdf.page_to_pdf(page.encode())))
    # letters that are set as one glyph are told apart again
    texts = [" ".join(unicodedata.normalize("NFKC", one.extract_text()).split()) for one in reader.pages]
    pages = {}
    for _, number, title in contents():
        said = re.search(rf"(?<!\d){number} {re.escape(title)} ?(\d+)", texts[0])
        assert said is not None, (title, texts[0][:900])
        pages[title] = int(said.group(1))
        assert f"{number} {title}" in texts[pages[title] - 1]
        outline = next(one for one in _flat(reader.outline) if one.title == f"{number} {title}")
        assert reader.get_destination_page_number(outline) + 1 == pages[title]
    assert list(pages.values()) == sorted(pages.values()) and len(set(pages.values())) > 3
    assert 'class="at"' not in page


def _flat(outline: list) -> list:
    return [one for item in outline for one in (_flat(item) if isinstance(item, list) else [item])]


def test_a_browser_that_does_not_tell_pages_gives_contents_without_numbers(
    audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "browser"
    told = tmp_path / "given.html"
    lines = ["#!/bin/sh", 'for a in "$@"; do case "$a" in --print-to-pdf=*) out="${a#*=}";; file://*) in="${a#file://}"',
             ";; esac; done", f'cp "$in" {told}', 'echo "%PDF-1.4" > "$out"']  # fmt: skip
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv(pdf.BROWSER_VARIABLE, str(program))
    page = (audited / "report" / "report.html").read_bytes()
    assert pdf.page_to_pdf(page) == b"%PDF-1.4\n" and told.read_bytes() == page


def test_pages_of_destinations_are_read_in_the_order_of_the_tree() -> None:
    objects = {
        1: "<</Type /Catalog\n/Pages 2 0 R\n/Dests 9 0 R>>",
        2: "<</Type /Pages\n/Kids [3 0 R 6 0 R]>>",
        3: "<</Type /Pages\n/Kids [5 0 R 4 0 R]>>",
        **dict.fromkeys((4, 5, 6), "<</Type /Page>>"),
        9: "<</one [5 0 R /XYZ 0 0 0]\n/two [4 0 R /XYZ 0 0 0]\n/three [6 0 R /XYZ 0 0 0]\n/lost [7 0 R /XYZ 0 0 0]>>",
    }
    data = "%PDF-1.4\n" + "".join(f"{n} 0 obj\n{body}\nendobj\n" for n, body in objects.items())
    assert pdf.section_pages(data.encode()) == {"one": 1, "two": 2, "three": 3}
    assert pdf.section_pages(b"%PDF-1.4\n") == {} == pdf.section_pages(b"")


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


def test_a_pdf_does_not_go_into_the_reports_folder(audited: Path, capsys: pytest.CaptureFixture) -> None:
    out = audited / "with a pdf"
    arguments = ["audit", f"{audited}/spec.json", "--out", str(out), "--pdf", str(out / "report.pdf")]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert ("holds its own files alone" in said or "none was found" in said) and not out.exists()


def test_a_text_cannot_leave_its_string_in_the_style_sheet(audited: Path) -> None:
    document = json.loads((audited / "report" / "report.json").read_text())
    page = html({**document, "created_at": '"} body { display: none } x {content: "'})
    assert "display: none } x" not in page.replace("&#34;", '"').split("</style>")[0].split("@page")[1]

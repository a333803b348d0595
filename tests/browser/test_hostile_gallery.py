"""The app's own pages about a gallery that somebody made to lead elsewhere: every name, id, group, caption, prompt,
label, note, target, upload and address is a payload, many at once on each page of one server.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import pytest
from playwright.sync_api import Page

from tests.browser import serving
from tests.payloads import PAYLOADS

N = 96
"""Items; a payload names at least one of them each."""
SQUARE = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)
FOUND = """() => {
  const body = document.body, all = name => [...body.querySelectorAll(name)];
  const ours = ['data:', 'blob:', location.origin];
  const leaves = a => a && !a.startsWith('#') && !a.startsWith('/') && !ours.some(o => a.startsWith(o));
  return {
    links: all('a').map(a => a.getAttribute('href') || a.getAttribute('xlink:href') || '').filter(leaves),
    pictures: all('img, image').map(i => i.src || i.getAttribute('href') || '').filter(leaves),
    elements: all('iframe, object, embed, form[action], meta, base').filter(e => leaves(e.src || e.data || e.action))
      .map(e => e.outerHTML.slice(0, 200)),
    handlers: all('[onerror], [onload], [onmouseover], [ontoggle]').map(e => e.outerHTML.slice(0, 200)),
    headings: all('h1, h2, h3, h4, h5, h6, blockquote').map(e => e.innerText.trim())
      .filter(text => ['Heading', 'quote'].includes(text)),
    formulas: all('.katex').map(e => e.innerText),
  };
}"""


def payloads(longest: int = 1000) -> list[str]:
    """Every payload that is a text at all, on one line, and of at most so many signs."""
    return [text for line in PAYLOADS if (text := " ".join(line.split())) and len(text) <= longest]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the galleries and the SAE that links may open, and a home with labels, a set and a kept audit."""
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    from core.backbones.base import load_model
    from core.config import ASSETS
    from core.datasets.base import ItemTable
    from core.gallery import Gallery, build_gallery
    from core.saes.checkpoint import load_sae, save_sae

    home = tmp_path_factory.mktemp("hostile")
    folder, pictures = home / "named", home / "pictures"
    folder.mkdir()
    pictures.mkdir()
    shipped, model, texts, short = (
        Gallery(ASSETS / "galleries" / "default"),
        load_model("default"),
        payloads(),
        payloads(90),
    )
    for i in range(N):
        (pictures / f"{i}.jpg").write_bytes(shipped.thumb(i))
    drawn = shipped.labels("gender")[:N]
    groups = [[short[2 * c + (drawn[i] == drawn[0] if c == 0 else i * 7 % 2)] for i in range(N)] for c in range(4)]
    columns = {f"{short[c]} {c}": groups[c] for c in range(4)}
    names = [f"{texts[i % len(texts)]} {i}" for i in range(N)]
    about: dict[str, Any] = {"licence": texts[0], "provenance": " ".join(texts[:12]), "notes": tuple(texts[:6])}
    frame = pd.DataFrame({"id": names, "file": [f"{i}.jpg" for i in range(N)], **columns})
    made = {
        "gallery": folder / "gallery",
        "captions": folder / "captions",
        "sae": folder / "sae",
        "home": home / "home",
    }
    gallery = build_gallery(
        ItemTable(frame, "images", texts[1], pictures, **about), model, made["gallery"], name=texts[0]
    )
    frame = pd.DataFrame({"id": list(map(str, range(N))), "text": names, **columns})
    build_gallery(ItemTable(frame, "captions", texts[2], **about), model, made["captions"], name=texts[3])
    sae = load_sae("default-image")
    made["sae"].mkdir()
    trained = {"settings": {"note": texts[0]}}
    saved = save_sae(made["sae"], sae.sae, f"{texts[1]} {texts[5]}", sae.fingerprint, trained, sae.quality, texts[0])
    _written(made["home"], saved.digest, gallery.digest, texts)
    return made


def _written(home: Path, sae: str, gallery: str, texts: list[str]) -> None:
    """Labels, a set of neurons and a kept audit, all with texts of others."""
    from core.labelling import LabelEvent, LabelLog
    from core.labelling.sets import LabelSet

    home.mkdir()
    log = LabelLog(str(home / "labels.sqlite"))
    for number, text in enumerate(texts):
        said: dict[str, Any] = {"gallery": gallery, "type": "social", "attribute": "gender", "text": text[:200]}
        log.add(LabelEvent(number % 8, text[:60], sae, **said))
    log.save_set(LabelSet(texts[0], sae, (1, 2), texts[1], by=texts[2], gallery=gallery, raters=()))
    (home / "audits" / "20260101T000000-0123456789ab").mkdir(parents=True)
    about = {"title": texts[0], "created_at": texts[1], "auditor": texts[2], "gallery": texts[4], "findings": 3}
    (home / "audits" / "20260101T000000-0123456789ab" / "about.json").write_text(json.dumps(about))


@pytest.fixture(scope="module")
def server(world: dict[str, Path]) -> Iterator[str]:
    folders = str(world["gallery"].parent)
    process, address = serving.start(UNSKEW_FOLDERS=folders, UNSKEW_HOME=str(world["home"]))
    try:
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


class Watched:
    """A page whose requests and dialogs are watched, and what it shows is looked through."""

    def __init__(self, page: Page, address: str, asked: list[str], dialogs: list[str]) -> None:
        self.page, self.address = page, address
        self.asked, self.dialogs = asked, dialogs
        self.seen: list[str] = []

    def opens(self, where: str, **query: str) -> None:
        self.page.goto(f"{self.address}/{where}?{urlencode(query)}")
        self.page.wait_for_selector("h1, [data-testid=stHeading]")
        self.looks(f"{where} {query.get('view', '')}")

    def looks(self, what: str) -> None:
        """Wait until the page is idle, and hold that nothing on it leads elsewhere."""
        self.page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
        serving.settle(self.page)
        allowed = (self.address, "data:", "blob:", self.address.replace("http", "ws"), "about:")
        assert [url for url in self.asked if not url.startswith(allowed)] == [], what
        assert self.dialogs == [], what
        assert self.page.locator("[data-testid=stException]").count() == 0, what
        for frame in self.page.frames:
            found = frame.evaluate(FOUND)
            assert found == {name: [] for name in found}, f"{what}: {json.dumps(found)[:1500]}"
        self.seen.append(what)


@pytest.fixture
def watched(server: str, page: Page) -> Iterator[Watched]:
    with serving.overheard(page) as (asked, dialogs):
        yield Watched(page, server, asked, dialogs)


def query(world: dict[str, Path], number: int = 0, **more: str) -> dict[str, str]:
    asked = f"a photo of a doctor {payloads()[number]}"
    return {"gallery": str(world["gallery"]), "image_sae": str(world["sae"]), "q": asked, "k": "20", **more}


def test_compare_shows_payloads_as_text(watched: Watched, world: dict[str, Path]) -> None:
    views = ("pictures", "numbers", "prompts", "cost", "why")
    for number, view in enumerate(views):
        watched.opens("compare", **query(world, 3 * number, view=view, edit="image:1,2"))
    shown = watched.page.inner_text("[data-testid=stSidebar]").replace("\u2060", "")
    assert payloads()[0] in shown, "the gallery's name stands there as it was given"
    parts = dict.fromkeys(payloads(120), "x")
    watched.opens("compare", **parts, gallery=payloads()[1], method=payloads()[2], neuron=payloads()[3])
    assert watched.page.get_by_text("does not know; the rest is shown").count() >= 40


def test_captions_are_text(watched: Watched, world: dict[str, Path]) -> None:
    watched.opens("compare", gallery=str(world["captions"]), q=f"a photo of a nurse {payloads()[6]}", k="96")
    watched.opens("neurons", gallery=str(world["captions"]), neuron="text:3")


def test_neurons_and_labels_show_payloads_as_text(watched: Watched, world: dict[str, Path]) -> None:
    watched.opens("neurons", **query(world))
    watched.opens("neurons", **query(world, neuron="image:3"))
    watched.opens("label", **query(world))
    watched.page.keyboard.type(payloads(60)[0])
    watched.page.keyboard.press("Enter")
    watched.looks("label, named")
    for view in ("agreement", "sets"):
        watched.opens("label", **query(world, view=view))


def test_asking_reports_and_data_show_payloads_as_text(watched: Watched, world: dict[str, Path]) -> None:
    watched.opens("ask", **query(world), question=f"is this a doctor {payloads()[2]}?")
    watched.opens("report", **query(world))
    for view in ("choose", "prompts", "quality"):
        watched.opens("data_and_models", **query(world, view=view))
    watched.opens("benchmark", **query(world))
    watched.opens("guide", topic=payloads()[0])


def test_uploads_show_payloads_as_text(watched: Watched, world: dict[str, Path]) -> None:
    watched.opens("", **query(world))
    watched.opens("", **query(world, view="uploads"))
    texts = payloads()
    names = [text[:80].replace("/", "\u2215") for text in texts[:8]]
    sent = [{"name": f"{name}.png", "mimeType": "image/png", "buffer": SQUARE} for name in names]
    written = {"name": f"{names[0]}.txt", "mimeType": "text/plain", "buffer": "\n".join(texts[:8]).encode()}
    watched.page.locator("input[type=file]").first.set_input_files(sent)
    watched.page.locator("input[type=file]").last.set_input_files([written])
    watched.page.wait_for_timeout(1500)
    watched.page.get_by_role("button", name="Look at these").click()
    watched.page.get_by_role("button", name="Forget my uploads").wait_for()
    watched.looks("uploads")

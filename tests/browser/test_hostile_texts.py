"""Names, prompts and labels that somebody wrote to lead elsewhere, in every place that shows a text."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import serving
from tests.payloads import PAYLOADS

LINES = 16
"""Lines of the page: more would be a page that no browser likes."""
BEGINS = re.compile(r"[-+=#>|]|\d+\.|\[\w\]:")
"""How a text begins that is layout at the beginning of a line alone; each such stands at one, as far as they go."""


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    written = tmp_path_factory.mktemp("sinks") / "payloads.txt"
    texts = sorted(PAYLOADS, key=lambda text: BEGINS.match(text) is None)
    lines = [" ".join(texts[place::LINES]) for place in range(LINES)]
    written.write_text("\n".join(lines), encoding="utf-8")
    server, address = serving.start(str(Path(__file__).with_name("sinks.py")), PAYLOADS=str(written))
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_no_text_leads_anywhere(sinks: str, page: Page) -> None:
    address = sinks
    with serving.overheard(page) as (asked, dialogs):
        page.goto(address)
        page.get_by_text("all shown").wait_for()
        serving.settle(page)
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:", address.replace("http", "ws")))]
    assert elsewhere == [] and dialogs == []
    found = page.evaluate(
        """() => {
          const body = document.querySelector('[data-testid=stMain]');
          const all = name => [...body.querySelectorAll(name)];
          return {
            links: all('a').map(a => a.getAttribute('href') || a.getAttribute('xlink:href') || '')
              .filter(h => h && !h.startsWith('#')),
            pictures: all('img').map(i => i.src).filter(s => !s.startsWith('data:') && !s.startsWith(location.origin)),
            scripts: all('script, iframe, meta, link, object, embed, form[action]').length,
            handlers: all('[onerror], [onload], [onmouseover], [ontoggle]').length,
            escaped: all('[class*=st-key-escaped-] [data-testid=stMarkdownContainer]').map(e =>
              [...e.querySelectorAll('*')].map(x => x.tagName).filter(t => !['P', 'SPAN', 'DIV'].includes(t))),
          };
        }"""
    )
    assert (found["links"], found["pictures"], found["scripts"], found["handlers"]) == ([], [], 0, 0), json.dumps(found)
    assert len(found["escaped"]) == LINES
    assert [tags for tags in found["escaped"] if tags] == []

"""Names, prompts and labels that somebody wrote to lead elsewhere, in every place that shows a text."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import serving

ATTACKS = Path(__file__).parents[3] / "shared" / "attacks" / "payloads.txt"
OWN = [
    "![x](http://127.0.0.1:9/pixel.png)",
    "[Sign in again](http://127.0.0.1:9/login) <http://127.0.0.1:9/a> http://127.0.0.1:9/bare www.127.0.0.1.example",
    "<img src=http://127.0.0.1:9/i onerror=alert(1)><script>alert(1)</script><a href=http://127.0.0.1:9/x>x</a>",
    "[a]: http://127.0.0.1:9/x",
    "# Heading",
    "$\\href{http://127.0.0.1:9}{x}$ a.person@example.org",
]
AT_ONCE = 16
"""Lines of one page: more would be a page that no browser likes."""


def lines() -> list[str]:
    given = ATTACKS.read_text(encoding="utf-8").split("\n") if ATTACKS.is_file() else []
    return [*OWN, *(line for line in given if line and not line.startswith("# One payload"))]


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    written = tmp_path_factory.mktemp("sinks") / "payloads.txt"
    written.write_text("\n".join(lines()), encoding="utf-8")
    server, address = serving.start(str(Path(__file__).with_name("sinks.py")), PAYLOADS=str(written))
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.mark.parametrize("first", range(0, len(lines()), AT_ONCE))
def test_no_text_leads_anywhere(sinks: str, page: Page, first: int) -> None:
    address, n = sinks, min(AT_ONCE, len(lines()) - first)
    with serving.overheard(page) as (asked, dialogs):
        page.goto(f"{address}/?lines={first}-{first + AT_ONCE}")
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
    assert len(found["escaped"]) == n
    assert [tags for tags in found["escaped"] if tags] == []

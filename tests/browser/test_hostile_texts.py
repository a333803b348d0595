"""Names, prompts and labels that somebody wrote to lead elsewhere, in every place that shows a text."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

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


@pytest.fixture(params=range(0, len(lines()), AT_ONCE))
def page_of_sinks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int]]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    (tmp_path / "payloads.txt").write_text("\n".join(lines()), encoding="utf-8")
    part = f"{request.param}-{request.param + AT_ONCE}"
    script = str(Path(__file__).with_name("sinks.py"))
    server, address = serving.start(script, PAYLOADS=str(tmp_path / "payloads.txt"), LINES=part)
    try:
        yield address, min(AT_ONCE, len(lines()) - request.param)
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_no_text_leads_anywhere(page_of_sinks: tuple[str, int], chromium: Browser) -> None:
    address, n = page_of_sinks
    context = chromium.new_context(viewport=serving.SIZE)
    page = context.new_page()
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.set_default_timeout(serving.WAIT_MS)
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
    context.close()
    assert (found["links"], found["pictures"], found["scripts"], found["handlers"]) == ([], [], 0, 0), json.dumps(found)
    assert len(found["escaped"]) == n
    assert [tags for tags in found["escaped"] if tags] == []

"""A team server behind nginx with TLS, as the example under .github/deploy sets it up."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit

from core.config import ROOT
from tests.browser.serving import browser, settle
from tests.browser.serving import why_not as why_no_browser
from tests.team.nginx import Nginx, behind_nginx
from tests.team.running import TeamServer
from tests.team.visiting import Visitor

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "cross-origin-opener-policy": "same-origin",
}
OPEN = '[access]\nmode = "open"\neveryone = ["viewer"]\n[jobs]\nworkers = 1\n'


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[TeamServer, Nginx]]:
    with behind_nginx(OPEN) as both:
        yield both


def test_every_answer_has_the_headers(proxied: tuple[TeamServer, Nginx]) -> None:
    _, proxy = proxied
    with Visitor(proxy.address) as visitor:
        for path in ("/", "/compare", "/_stcore/health", "/_stcore/metrics", "/static/none.js"):
            answer = visitor.get(path)
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert "nginx/" not in answer.headers.get("server", "")


def test_what_monitors_and_programs_ask_is_not_there_from_outside(proxied: tuple[TeamServer, Nginx]) -> None:
    _, proxy = proxied
    with Visitor(proxy.address) as visitor:
        for path in ("/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp"):
            assert visitor.get(path).status_code == 404


def test_plain_http_leads_to_tls(proxied: tuple[TeamServer, Nginx]) -> None:
    _, proxy = proxied
    with Visitor(f"http://localhost:{proxy.plain}") as visitor:
        answer = visitor.get("/compare")
        assert answer.status_code == 301 and answer.headers["location"] == "https://localhost/compare"


def test_the_websocket_works_and_only_for_pages_of_this_name(proxied: tuple[TeamServer, Nginx]) -> None:
    _, proxy = proxied
    with Visitor(proxy.address) as visitor:
        assert "Start" in visitor.open().pages
    for origin in ("https://evil.example", proxy.address.replace("https", "http").replace("localhost", "evil.example")):
        with Visitor(proxy.address, origin=origin) as visitor, pytest.raises(Exception, match="403"):
            visitor.enter()


def test_an_upload_without_the_token_of_the_page_is_refused(proxied: tuple[TeamServer, Nginx]) -> None:
    """XSRF: another site's page can send the cookies, and cannot read them."""
    _, proxy = proxied
    with Visitor(proxy.address) as visitor:
        drawn = visitor.open()
        session = next(m.new_session.initialize.session_id for m in drawn.messages if m.HasField("new_session"))
        url = f"{proxy.address}/_stcore/upload_file/{session}/1"
        token = visitor.cookies["_streamlit_xsrf"]
        version, mask, masked, at = token.split("|")
        forged = "|".join((version, mask, f"{int(masked, 16) ^ 1:032x}", at))
        for headers in ({}, {"X-Xsrftoken": "2|0|0|0"}, {"X-Xsrftoken": forged}):
            refused = visitor.web.put(url, files={"file": ("a.txt", b"x")}, headers=headers)
            assert refused.status_code == 403, headers
        assert visitor.web.put(url, files={"file": ("a.txt", b"x")}, headers={"X-Xsrftoken": token}).status_code == 204
        large = visitor.web.put(url, content=b"0" * (27 << 20), headers={"X-Xsrftoken": token})
        assert large.status_code == 413


def test_a_visitor_stays_with_a_replica(proxied: tuple[TeamServer, Nginx]) -> None:
    _, proxy = proxied
    with Visitor(proxy.address) as visitor:
        first = visitor.get("/").headers.get_list("set-cookie")
        stick = next(cookie for cookie in first if cookie.startswith("unskew_replica="))
        assert all(word in stick for word in ("Secure", "HttpOnly", "SameSite=Lax"))
        assert not any("unskew_replica" in cookie for cookie in visitor.get("/").headers.get_list("set-cookie"))


def test_the_script_in_the_page_is_the_one_that_the_policy_names() -> None:
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    policy = (ROOT / ".github" / "deploy" / "nginx.conf").read_text()
    for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_browser_draws_pages_under_the_policy(proxied: tuple[TeamServer, Nginx]) -> None:
    if why := why_no_browser():
        pytest.skip(why)
    _, proxy = proxied
    said: list[str] = []
    with browser() as opened:
        context = opened.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{proxy.address}/compare")
        page.wait_for_selector(".st-key-shares .row")
        page.wait_for_selector(".st-key-grid-before img")
        settle(page)
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        page.goto(f"{proxy.address}/neurons")
        page.wait_for_selector("h1")
        settle(page)
        context.close()
    assert not [line for line in said if "Content Security Policy" in line]

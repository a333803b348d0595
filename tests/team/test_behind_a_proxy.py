"""Who comes in where a proxy says who somebody is: only what the proxy itself says counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import ROOT
from tests.team.nginx import Nginx, behind_nginx
from tests.team.running import SECRET, TeamServer
from tests.team.visiting import Visitor

TEXT = """
[access]
mode = "proxy-header"
[access.proxy]
header = "X-Forwarded-Email"
groups_header = "X-Forwarded-Groups"
trusted = ["127.0.0.1"]
[roles]
viewer = ["@example.org"]
operator = ["ada@example.org"]
auditor = ["group:auditors"]
[jobs]
workers = 0
"""
# instead of a sign-in before nginx: the test says in a header of its own who has signed in
IDENTITY = f"""    proxy_set_header X-Forwarded-Email $http_x_signed_in;
    proxy_set_header X-Forwarded-Groups $http_x_groups;
    proxy_set_header X-Unskew-Proxy "{SECRET}";"""
OWN_ADDRESS = "reached through its own address alone"


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[TeamServer, Nginx]]:
    with behind_nginx(TEXT, IDENTITY) as both:
        yield both


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({"X-Signed-In": "ada@example.org"}, "operator"),
        ({"X-Signed-In": "Ben@Example.org"}, "viewer"),
        ({"X-Signed-In": "eve", "X-Groups": "raters, auditors"}, "auditor"),
    ],
)
def test_whom_the_proxy_names_comes_in(proxied: tuple[TeamServer, Nginx], said: dict[str, str], role: str) -> None:
    _, proxy = proxied
    with Visitor(proxy.address, said) as visitor:
        drawn = visitor.open()
        assert role in drawn.text and "Start" in drawn.pages


@pytest.mark.parametrize("said", [{}, {"X-Signed-In": "zoe@elsewhere.example"}, {"X-Signed-In": "a@b@example.org"}])
def test_whom_it_does_not_name_stays_outside(proxied: tuple[TeamServer, Nginx], said: dict[str, str]) -> None:
    _, proxy = proxied
    with Visitor(proxy.address, said) as visitor:
        assert "Start" not in visitor.open().pages


def test_a_header_that_comes_from_outside_is_thrown_away(proxied: tuple[TeamServer, Nginx]) -> None:
    _, proxy = proxied
    forged = {"X-Forwarded-Email": "ada@example.org", "X-Forwarded-Groups": "auditors", "X-Unskew-Proxy": SECRET}
    with Visitor(proxy.address, forged) as visitor:
        assert "Start" not in visitor.open().pages
    with Visitor(proxy.address, {**forged, "X-Signed-In": "ben@example.org"}) as visitor:
        drawn = visitor.open()
        assert "viewer" in drawn.text and "operator" not in drawn.text


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-Email": "ada@example.org"},
        {"X-Forwarded-Email": "ada@example.org", "X-Unskew-Proxy": ""},
        {"X-Forwarded-Email": "ada@example.org", "X-Unskew-Proxy": SECRET[:-1]},
        {"X-Forwarded-Email": "ada@example.org", "X-Unskew-Proxy": f"{SECRET}, {SECRET}"},
        {"X-Forwarded-Email": "ada@example.org", "x-unskew-proxy": SECRET.upper()},
        {"X-Forwarded-Email": "ada@example.org", "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
    ],
)
def test_a_client_that_is_not_the_proxy_is_nobody(proxied: tuple[TeamServer, Nginx], forged: dict[str, str]) -> None:
    """Even from the proxy's own machine: it does not know the secret."""
    server, proxy = proxied
    with Visitor(server.address, forged, origin=proxy.address) as visitor:
        drawn = visitor.open()
        assert OWN_ADDRESS in drawn.text and "Start" not in drawn.pages and not drawn.buttons


def test_the_proxys_own_address_counts_and_not_that_of_whom_it_speaks_for(proxied: tuple[TeamServer, Nginx]) -> None:
    """Visitors come from everywhere, the proxy from 127.0.0.1; X-Forwarded-For changes nothing of that."""
    server, proxy = proxied
    with Visitor(proxy.address, {"X-Signed-In": "ada@example.org"}, source="127.0.0.2") as visitor:
        assert "operator" in visitor.open().text
    told = {"X-Forwarded-Email": "ada@example.org", "X-Unskew-Proxy": SECRET}
    for more in ({}, {"X-Forwarded-For": "127.0.0.1"}):
        with Visitor(server.address, {**told, **more}, origin=proxy.address, source="127.0.0.2") as visitor:
            assert OWN_ADDRESS in visitor.open().text


@pytest.mark.parametrize("said", [{"X-Signed-In": "ben@example.org"}, {"X-Signed-In": "eve", "X-Groups": "auditors"}])
def test_nothing_that_a_browser_is_sent_holds_a_path_of_the_servers_disk(
    proxied: tuple[TeamServer, Nginx], said: dict[str, str]
) -> None:
    """What Streamlit sends beside the page counts too: it would name the script by its path."""
    server, proxy = proxied
    with Visitor(proxy.address, said) as visitor:
        drawn = visitor.open()
        pages = ["", *(page.url_pathname for m in drawn.messages for page in m.navigation.app_pages)]
        assert len(set(pages)) > 5
        for page in dict.fromkeys(pages):
            everything = (visitor.move(page) if page else drawn).everything
            assert not [path for path in (ROOT, Path.home(), server.folder) if f"{path}/" in everything], page

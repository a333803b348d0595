"""Who comes in, with everything that is real about it: a provider of identities, TLS, cookies, websockets."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.team.record import Record
from tests.team import nginx
from tests.team.nginx import Nginx
from tests.team.provider import Provider, provider
from tests.team.running import SECRET, TeamServer
from tests.team.visiting import Visitor, sign_in

TEXT = """
[access]
mode = "oidc"
[access.oidc]
metadata_url = "{metadata}"
client_id = "unskew"
[roles]
{roles}
[jobs]
workers = 0
"""
ROLES = """viewer = ["@example.org"]
operator = ["ada@example.org"]
auditor = ["group:auditors"]
"""
PEOPLE = {
    "ada": {"email": "ada@example.org", "email_verified": True, "name": "Ada"},
    "ben": {"email": "Ben@Example.org", "email_verified": True, "name": "Ben <b>bold</b>"},
    "eve": {"email": "eve@elsewhere.example", "email_verified": True, "name": "Eve", "groups": ["auditors"]},
    "zoe": {"email": "zoe@elsewhere.example", "email_verified": True, "name": "Zoe", "groups": ["raters"]},
    "liar": {"email": "ada@example.org", "email_verified": False, "name": "Ada"},
    "near": {"email": "ada@example.org.evil.example", "email_verified": True, "name": "Near"},
}
SHUT = "Sign in to go on."
OPERATORS_ALONE = "Data & models"


@dataclass
class House:
    provider: Provider
    server: TeamServer
    proxy: Nginx

    def visitor(self) -> Visitor:
        return Visitor(self.proxy.address)

    def signed_in(self, who: str) -> Visitor:
        self.provider.who = who
        visitor = self.visitor()
        sign_in(visitor)
        return visitor


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    if why := nginx.why_not():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="unskew-oidc"))
    (folder / "team").mkdir()
    server = proxy = None
    with provider(SECRET) as who:
        who.people = dict(PEOPLE)
        try:
            server = TeamServer(folder / "team", TEXT.format(metadata=who.metadata_url, roles=ROLES))
            proxy = Nginx(folder, [server.port])
            server.name_outside(proxy.address)
            server.start()
            yield House(who, server, proxy.start())
        finally:
            if proxy is not None:
                proxy.stop()
            if server is not None:
                server.kill()
            shutil.rmtree(folder, ignore_errors=True)


def test_nobody_sees_anything_before_signing_in(house: House) -> None:
    with house.visitor() as visitor:
        for page in ("", "compare", "report", "data_and_models", "jobs"):
            drawn = visitor.open(page, "gallery=default&q=a+nurse")
            assert SHUT in drawn.text and "Sign in" in drawn.buttons
            assert set(drawn.pages) <= {"Unskew", "app"} or all(page == "Unskew" for page in drawn.pages)
            for secret in ("nurse", str(house.server.folder), "default"):
                assert secret not in drawn.text


@pytest.mark.parametrize(("who", "role"), [("ada", "operator"), ("ben", "viewer"), ("eve", "auditor")])
def test_whoever_has_a_role_comes_in_with_it(house: House, who: str, role: str) -> None:
    with house.signed_in(who) as visitor:
        drawn = visitor.open()
        assert SHUT not in drawn.text and "Start" in drawn.pages
        assert role in drawn.text and PEOPLE[who]["name"].split()[0] in drawn.text
        assert ("Benchmark" in drawn.pages) == (role in ("auditor", "operator"))
        assert "Label" not in drawn.pages or role != "viewer"
        assert str(house.server.folder) not in drawn.everything


@pytest.mark.parametrize("who", ["zoe", "liar", "near"])
def test_whoever_has_no_role_stays_outside(house: House, who: str) -> None:
    with house.signed_in(who) as visitor:
        drawn = visitor.open("compare")
        assert "has no role on this server" in drawn.text and "Compare" not in drawn.pages
        assert "Sign out" in drawn.buttons


def test_whom_the_provider_refuses_stays_outside(house: House) -> None:
    with house.signed_in("") as visitor:
        assert SHUT in visitor.open().text and "_streamlit_user" not in visitor.cookies


def test_a_sign_in_ends_when_the_provider_says_so(house: House) -> None:
    house.provider.valid_seconds = 4.0
    try:
        with house.signed_in("ada") as visitor:
            assert "Start" in visitor.open().pages
            time.sleep(4.5)
            assert "Your sign-in has ended" in visitor.again().text
            assert "Your sign-in has ended" in visitor.open("report").text
    finally:
        house.provider.valid_seconds = 3600.0


def test_who_signs_out_is_out_here_and_at_the_provider(house: House) -> None:
    with house.signed_in("ada") as visitor:
        before, drawn = len(house.provider.ended), visitor.open()
        visitor.follow(visitor.click(drawn, "Sign out").redirect)
        assert len(house.provider.ended) == before + 1 and house.provider.ended[-1]
        assert "_streamlit_user" not in visitor.cookies
        assert SHUT in visitor.open().text


def test_the_cookie_is_this_servers_own(house: House) -> None:
    """Changed, of another secret, or as a plain text: whoever makes one up has not signed in."""
    with house.signed_in("ada") as visitor:
        good = visitor.cookies["_streamlit_user"]
        flags = next(cookie for cookie in visitor.web.cookies.jar if cookie.name == "_streamlit_user")
        assert flags.has_nonstandard_attr("HttpOnly")
    half = len(good) // 2
    for forged in (
        good[:half] + ("A" if good[half] != "A" else "B") + good[half + 1 :],
        good[:-2],
        '{"is_logged_in": true}',
    ):
        with house.visitor() as visitor:
            visitor.web.cookies.set("_streamlit_user", forged, domain="localhost.local", path="/")
            assert SHUT in visitor.open().text


def test_a_code_of_somebody_elses_sign_in_is_worth_nothing(house: House) -> None:
    """Whoever is sent to the end of a sign-in that he did not begin is not signed in as somebody else."""
    house.provider.who = "ada"
    with house.visitor() as attacker, house.visitor() as victim:
        clicked = attacker.click(attacker.open(), "Sign in")
        first = attacker.get(clicked.redirect)
        answer = attacker.web.get(first.headers["Location"])
        callback = answer.headers["Location"]
        assert "code=" in callback
        victim.follow(callback)
        assert "_streamlit_user" not in victim.cookies and SHUT in victim.open().text
        attacker.follow(callback)
        assert "Start" in attacker.open().pages
        with house.visitor() as again:
            again.follow(callback)
            assert "_streamlit_user" not in again.cookies, "a code is good for once"


def test_who_says_who_he_is_in_a_header_is_not_believed(house: House) -> None:
    headers = {"X-Forwarded-Email": "ada@example.org", "X-Unskew-Proxy": SECRET}
    for address in (house.proxy.address, house.server.address):
        with Visitor(address, headers, origin=house.proxy.address) as visitor:
            assert SHUT in visitor.open().text


def test_two_people_in_one_browser_share_nothing(house: House) -> None:
    with house.signed_in("ada") as visitor:
        drawn = visitor.open("guide", "q=a+nurse")
        assert "q=a+nurse" in drawn.text
        house.provider.who = "eve"
        visitor.follow(visitor.click(drawn, "Sign out").redirect)
        sign_in(visitor)
        after = visitor.open("guide")
        assert "auditor" in after.text and "q=a+nurse" not in after.text


def test_who_came_and_went_is_recorded(house: House) -> None:
    for who in ("zoe", "eve", "ada"):
        with house.signed_in(who) as visitor:
            visitor.click(visitor.open(), "Sign out")
    kept = Record(house.server.folder / "home" / "record.sqlite")
    lines = [(line.who, line.action) for line in kept.lines()]
    assert ("ada@example.org", "sign-in") in lines and ("ada@example.org", "sign-out") in lines
    assert ("eve@elsewhere.example", "sign-in") in lines and kept.damages() == []
    assert not any(who.startswith("zoe") for who, _ in lines)
    kept.close()


def test_the_servers_page_is_for_whoever_operates_it(house: House) -> None:
    with house.signed_in("ada") as visitor:
        drawn = visitor.open("server")
        assert "Server" in drawn.pages and "What was done" in drawn.text
        checked = visitor.click(drawn, "Check the record")
        assert "Every line is as it was written" in checked.text
    with house.signed_in("ben") as visitor:
        drawn = visitor.open("server")
        assert "Server" not in drawn.pages and "What was done" not in drawn.text


def test_a_role_that_is_given_or_taken_holds_from_the_next_start(house: House) -> None:
    """The cookie stays good, and says who somebody is, not what he may."""
    with house.signed_in("ben") as visitor:
        assert "Benchmark" not in visitor.open().pages
        house.server.stop()
        roles = 'auditor = ["ben@example.org"]\n'
        house.server.text = TEXT.format(metadata=house.provider.metadata_url, roles=roles)
        house.server.write()
        house.server.start()
        assert "Benchmark" in visitor.open().pages
    with house.signed_in("ada") as visitor:
        assert "has no role on this server" in visitor.open().text

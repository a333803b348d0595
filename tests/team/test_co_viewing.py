"""A presenter is followed by a code: what he asks is seen, nothing of his is changed, and nothing that he uploaded."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ui.parts import door
from core.ui.session import presenting
from tests.team.running import SECRET, TeamServer
from tests.team.visiting import Run, Visitor

TEXT = """
[access]
mode = "proxy-header"
everyone = ["viewer"]
[access.proxy]
header = "X-Forwarded-Email"
trusted = ["127.0.0.1"]
[roles]
auditor = ["eve@example.org"]
[jobs]
workers = 0
"""
SETTLED = 1.5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    running = TeamServer(tmp_path_factory.mktemp("team"), TEXT)
    try:
        yield running.start()
    finally:
        running.kill()


def visitor(server: TeamServer, name: str) -> Visitor:
    return Visitor(server.address, {"X-Forwarded-Email": f"{name}@example.org", "X-Unskew-Proxy": SECRET})


def code_of(run: Run) -> str:
    said = run.text.split("Others follow you by the code")[1]
    return said.split("**")[1]


def followed(follower: Visitor, code: str) -> Run:
    drawn = follower.type(follower.open("guide"), "Code of a presenter", code)
    return follower.click(drawn, "Follow")


def test_what_the_presenter_asks_is_seen_and_nothing_goes_back(server: TeamServer) -> None:
    with visitor(server, "eve") as eve, visitor(server, "ben") as ben:
        presented = eve.click(eve.open("guide", "q=a+nurse"), "Present")
        code = code_of(presented)
        following = followed(ben, code)
        assert "You follow" in following.text and "eve" in following.text.split("You follow")[1]
        assert "q=a+nurse" in following.everything
        time.sleep(SETTLED)
        eve.move("guide", "gallery=default&target=gallery&q=a+judge&k=20")
        caught = ben.again(following.fragments[0])
        assert "q=a+judge" in caught.everything and "k=20" in caught.everything
        ben.move("guide", "gallery=default&target=gallery&q=a+pilot")
        assert "a+pilot" not in eve.again().everything, "who follows changes nothing for the presenter"


def test_only_whoever_may_presents_and_only_a_real_code_is_followed(server: TeamServer) -> None:
    with visitor(server, "ben") as ben:
        drawn = ben.open("guide")
        assert "Present" not in drawn.buttons and "Follow" in drawn.buttons
        for wrong in ("", "ABCDE-23456", "x" * 20, "' OR 1=1 --"):
            refused = ben.click(ben.type(drawn, "Code of a presenter", wrong), "Follow")
            assert "nobody presents under this code" in refused.text and "You follow" not in refused.text


def test_it_ends_with_the_presenter(server: TeamServer) -> None:
    with visitor(server, "eve") as eve, visitor(server, "ben") as ben:
        following = followed(ben, code_of(eve.click(eve.open("guide"), "Present")))
        eve.click(eve.again(), "Stop presenting")
        over = ben.again(following.fragments[0])
        assert "nobody presents under this code" in over.text or "nobody presents" in ben.again().text
        assert "You follow" not in ben.again().text


def test_codes_are_random_and_none_outlives_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presenting, "_shown", {})

    def begun() -> str:
        monkeypatch.setattr(presenting.st, "session_state", {})
        return presenting.begin()

    codes = {begun() for _ in range(200)}
    assert len(codes) == 200
    code = codes.pop()
    assert presenting.seen(code.lower().replace("-", " ")).version == 0
    later = time.monotonic() + presenting.ENDS_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(presenting.InputError):
        presenting.seen(code)


def test_what_is_shown_are_the_parts_of_a_link() -> None:
    """Uploads are in no link, and so in nothing that is shown."""
    fields = set(presenting.Shown.__dataclass_fields__)
    assert fields == {"session", "title", "ends", "page", "params", "version"}
    text = (Path(presenting.__file__).parent / "links.py").read_text()
    assert "presenting.publish(state.page, params)" in text and "params = params_of(state)" in text


def test_a_session_is_followed_by_one_code_and_by_none_once_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two quick clicks make two codes; the first would be followed for hours, and nobody could end it."""
    monkeypatch.setattr(presenting.st, "session_state", {})
    monkeypatch.setattr(presenting, "_shown", {})
    first, second = presenting.begin(), presenting.begin()
    with pytest.raises(presenting.InputError):
        presenting.seen(first)
    assert presenting.seen(second)
    door.forget()
    with pytest.raises(presenting.InputError):
        presenting.seen(second)


def test_followers_see_no_folder_that_an_operator_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presenting.st, "session_state", {})
    monkeypatch.setattr(presenting, "_shown", {})
    code = presenting.begin()
    given = {"gallery": ["/mnt/secret/faces@12345678"], "q": ["a /b/c"], "image_sae": ["ours/one@1234"]}
    presenting.publish("compare", {**given, "model": ["local-dir:/mnt/secret/model"], "probe": ["/mnt"]})
    shown = presenting.seen(code).params
    assert shown is not None and "/mnt" not in str(shown) and "secret" not in str(shown)
    assert shown["q"] == ["a /b/c"] and shown["image_sae"] == ["ours/one@1234"]

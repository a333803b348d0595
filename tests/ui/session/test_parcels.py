"""An answer is sent when it is whole, or when it has taken long; nothing of it is lost and nothing is late."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from streamlit.runtime.app_session import AppSession

from core.ui.session import parcels

T = TypeVar("T")


class Session:
    """A session's queue, which Streamlit asks for what is to be sent."""

    def __init__(self) -> None:
        self.id, self.queue, self.woken = "one", [], 0

    def flush_browser_queue(self) -> list[str]:
        sent, self.queue = self.queue, []
        return sent

    def _message_enqueued_callback(self) -> None:
        self.woken += 1


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that holds back, in whose run this test is."""
    own = type("Own", (Session,), {})
    monkeypatch.setattr(parcels, "AppSession", own)
    monkeypatch.setattr(parcels, "get_script_run_ctx", lambda suppress_warning: SimpleNamespace(session_id="one"))
    monkeypatch.setattr(parcels, "_until", {})
    parcels.send_parcels()
    return own()


def flush(session: Session) -> list[str]:
    async def inside() -> list[str]:
        return session.flush_browser_queue()

    return run(inside())


def run(steps: Coroutine[Any, Any, T]) -> T:
    """In a loop of its own thread: this one may have a browser's."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, steps).result()


def test_everything_comes_in_its_order_once_the_answer_is_whole(session: Session) -> None:
    session.queue += ["began"]
    assert flush(session) == ["began"], "what no answer is made of is sent at once"
    parcels.hold()
    for part in ("began again", "sentence", "pictures"):
        session.queue.append(part)
        assert flush(session) == []
    parcels.release()
    assert flush(session) == ["began again", "sentence", "pictures"] and not parcels._until


def test_an_answer_that_takes_long_is_sent_as_far_as_it_is_and_somebody_sees_to_it(session, monkeypatch) -> None:
    monkeypatch.setattr(parcels, "LONGEST", 0.03)
    parcels.hold()
    session.queue.append("began")

    async def waits() -> None:
        assert session.flush_browser_queue() == [] and not session.woken
        await asyncio.sleep(0.06)

    run(waits())
    assert session.woken == 1, "nothing else is enqueued, and it is sent all the same"
    session.queue.append("sentence")
    assert flush(session) == ["began", "sentence"] and not parcels._until


def test_other_sessions_do_not_wait(session: Session) -> None:
    other = type(session)()
    other.id, other.queue = "two", ["theirs"]
    parcels.hold()
    assert flush(other) == ["theirs"] and flush(session) == []


def test_where_nobody_can_be_woken_nothing_is_held(session: Session) -> None:
    session.queue, session._message_enqueued_callback = ["began"], None  # type: ignore[assignment, method-assign]
    parcels.hold()
    assert flush(session) == ["began"]


def test_it_is_done_once_and_only_where_streamlit_sends_in_this_way(session: Session, monkeypatch) -> None:
    before = type(session).flush_browser_queue
    parcels.send_parcels()
    assert type(session).flush_browser_queue is before
    monkeypatch.setattr(parcels, "AppSession", type("Other", (), {}))
    parcels.send_parcels()
    assert not hasattr(parcels.AppSession, "flush_browser_queue")


def test_this_streamlit_sends_in_this_way() -> None:
    """Else switches only become slower, and nobody would notice."""
    assert callable(AppSession.flush_browser_queue)
    assert "_message_enqueued_callback" in AppSession.__init__.__code__.co_names


def test_outside_a_run_there_is_nothing_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "_until", {})
    parcels.hold()
    parcels.release()
    assert not parcels._until

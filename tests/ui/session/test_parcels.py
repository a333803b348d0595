"""An answer is sent when it is whole, or when it has taken long; nothing of it is lost and nothing is late."""

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession

from core.ui.session import parcels

T = TypeVar("T")


class Session:
    """A session's queue, which Streamlit asks for what is to be sent."""

    def __init__(self) -> None:
        self.id, self.queue, self.woken = "one", [], 0

    def flush_browser_queue(self) -> list[ForwardMsg]:
        sent, self.queue = [ForwardMsg(hash=name) for name in self.queue], []
        return sent

    def request_rerun(self, client_state: Any) -> None:
        self.queue.append("began")

    def _message_enqueued_callback(self) -> None:
        self.woken += 1


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that holds back, in whose run this test is."""
    own = type("Own", (Session,), {})
    monkeypatch.setattr(parcels, "AppSession", own)
    monkeypatch.setattr(parcels, "get_script_run_ctx", lambda suppress_warning: SimpleNamespace(session_id="one"))
    monkeypatch.setattr(parcels, "_held", {})
    parcels.send_parcels()
    return own()


def flush(session: Session) -> list[str]:
    async def inside() -> list[str]:
        return [message.hash for message in session.flush_browser_queue()]

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
    assert flush(session) == ["began again", "sentence", "pictures"] and not parcels._held


def test_an_answer_that_takes_long_is_sent_as_far_as_it_is_and_somebody_sees_to_it(session, monkeypatch) -> None:
    monkeypatch.setattr(parcels, "LONGEST", 0.03)
    parcels.hold()
    session.queue.append("began")

    async def waits() -> None:
        assert session.flush_browser_queue() == session.flush_browser_queue() == [] and not session.woken
        await asyncio.sleep(0.06)

    run(waits())
    assert session.woken == 1, "nothing else is enqueued, and it is sent all the same"
    session.queue.append("sentence")
    assert flush(session) == ["began", "sentence"] and not parcels._held


def test_what_a_click_begins_waits_for_the_answer_that_it_may_ask_for(session: Session, monkeypatch) -> None:
    monkeypatch.setattr(parcels, "MOMENT", 0.03)
    session.request_rerun(SimpleNamespace(fragment_id=""))
    assert flush(session) == ["began"], "a page that is opened is drawn as it comes"
    session.request_rerun(SimpleNamespace(fragment_id="around"))
    assert flush(session) == []
    parcels.hold()
    time.sleep(0.04)
    assert flush(session) == [], "it asked for one"
    parcels.release()
    assert flush(session) == ["began"]
    session.request_rerun(SimpleNamespace(fragment_id="around"))
    time.sleep(0.04)
    assert flush(session) == ["began"], "it asked for none"


def said(text: str) -> list[ForwardMsg]:
    """Messages: n(ew run), s(tatus), e(nded early for another one), f(inished), d(rawn), in this order."""
    made = []
    for letter in text:
        message = ForwardMsg()
        if letter in "ef":
            message.script_finished = (
                ForwardMsg.FINISHED_EARLY_FOR_RERUN if letter == "e" else ForwardMsg.FINISHED_SUCCESSFULLY
            )
        else:
            kinds = {"n": message.new_session, "s": message.session_status_changed, "d": message.delta}
            kinds[letter].SetInParent()
        made.append(message)
    return made


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ("nsesnsddfs", "nsddfs"),  # a click's own run asked for the answer
        ("nsesnsesnsdfs", "nsdfs"),  # twice, one after the other
        ("nsdesnsdfs", "nsdesnsdfs"),  # the first one has drawn something
        ("sesnsdfs", "sesnsdfs"),  # its beginning was sent before
        ("nsdfs", "nsdfs"),
        ("nses", "nses"),  # the next run has not begun
        ("nsfsnsdfs", "nsfsnsdfs"),  # it was through, and what it no longer shows has to go
        ("d", "d"),
        ("", ""),
    ],
)
def test_a_run_that_drew_nothing_before_it_gave_way_is_not_told_of(sent: str, left: str) -> None:
    messages = said(sent)
    assert parcels.without_given_way(messages) == messages[len(sent) - len(left) :]


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
    other = type("Other", (), {"flush_browser_queue": before})
    monkeypatch.setattr(parcels, "AppSession", other)
    parcels.send_parcels()
    assert other.flush_browser_queue is before


def test_this_streamlit_sends_in_this_way() -> None:
    """Else switches only become slower, and nobody would notice."""
    assert callable(AppSession.flush_browser_queue) and callable(AppSession.request_rerun)
    assert "_message_enqueued_callback" in AppSession.__init__.__code__.co_names


def test_outside_a_run_there_is_nothing_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "_held", {})
    parcels.hold()
    parcels.release()
    assert not parcels._held

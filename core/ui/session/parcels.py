"""An answer goes to the browser in one parcel: it draws the page once for it, and not once for each of its parts.

Streamlit sends what there is every few milliseconds, and a browser goes through the whole page for what it gets: that a
run began, that a click's own run gave way to another, the first parts of an answer, the last ones. A short answer is
there before the browser is through with the first of these. So what a click in a part of the page brings is held back
for a moment, and where the click asks for an answer until that is whole, for LONGEST at most.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

MOMENT, LONGEST = 0.02, 0.1
"""Seconds until a click has asked for an answer if it does so at all, and those that an answer is waited for: one that
takes longer shows that it is being made."""
ABOUT_RUNS = frozenset({"new_session", "session_status_changed", "script_finished"})
"""Kinds of message that say how a run stands, and nothing of what it draws."""


@dataclass
class _Held:
    """What a session's runs send is held back."""

    until: float
    woken: float = 0.0
    """The end of waiting at which somebody will look again."""


_held: dict[str, _Held] = {}
"""Identity of a session -> until when its messages wait."""


def hold() -> None:
    """From now on until `release`, what this session's runs send waits."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        _held[context.session_id] = _Held(time.monotonic() + LONGEST)


def release() -> None:
    """What was held back goes out with the next message, as the end of the run is."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        _held.pop(context.session_id, None)


def send_parcels() -> None:
    """From now on the sessions of this process hold messages back; a Streamlit that works otherwise sends as before."""
    flush, rerun = (getattr(AppSession, name, None) for name in ("flush_browser_queue", "request_rerun"))
    if flush is None or rerun is None or getattr(flush, "in_parcels", False):
        return

    def flush_browser_queue(self: AppSession) -> list[ForwardMsg]:
        waits = _waits(self.id, getattr(self, "_message_enqueued_callback", None))
        return [] if waits else without_given_way(flush(self))

    def request_rerun(self: AppSession, client_state: Any) -> None:
        if getattr(client_state, "fragment_id", ""):
            _held[self.id] = _Held(time.monotonic() + MOMENT)
        rerun(self, client_state)

    flush_browser_queue.in_parcels = True  # type: ignore[attr-defined]
    AppSession.flush_browser_queue = flush_browser_queue  # type: ignore[method-assign]
    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]


def without_given_way(messages: list[ForwardMsg]) -> list[ForwardMsg]:
    """The messages without those of runs at their beginning that gave way to the next one before they drew anything."""
    first, gave_way = 0, False
    if messages and messages[0].WhichOneof("type") == "new_session":
        for place, message in enumerate(messages):
            kind = message.WhichOneof("type")
            if kind not in ABOUT_RUNS:
                break
            gave_way |= kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
            if gave_way and kind == "new_session":
                first, gave_way = place, False
    return messages[first:]


def _waits(session: str, wake: Callable[[], None] | None) -> bool:
    """Whether a session's messages wait; `wake` is called when they have waited long enough."""
    held = _held.get(session)
    left = 0.0 if held is None else held.until - time.monotonic()
    if held is None or left <= 0.0 or wake is None:
        _held.pop(session, None)
        return False
    if held.woken < held.until:
        held.woken = held.until
        asyncio.get_running_loop().call_later(left, wake)
    return True

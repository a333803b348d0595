"""An answer goes to the browser in one parcel: it draws the page once for it, and not once for each of its parts.

Streamlit sends what there is every few milliseconds, and a browser goes through the whole page for what it gets: that a
run began, that a click's own run gave way to another, the first parts of an answer, the last ones. A short answer is
there before the browser is through with the first of these. It is held back until it is whole, for LONGEST at most.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

LONGEST = 0.1
"""Seconds that messages are held back: an answer that takes longer shows that it is being made."""

_until: dict[str, float] = {}
"""Identity of a session whose messages are held back -> when they are sent at the latest."""


def hold() -> None:
    """From now on until `release`, what this session's runs send waits."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        _until[context.session_id] = time.monotonic() + LONGEST


def release() -> None:
    """What was held back goes out with the next message, as the end of the run is."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        _until.pop(context.session_id, None)


def send_parcels() -> None:
    """From now on the sessions of this process hold messages back; a Streamlit that sends otherwise sends as before."""
    plain = getattr(AppSession, "flush_browser_queue", None)
    if plain is None or getattr(plain, "in_parcels", False):
        return

    def flush_browser_queue(self: AppSession) -> list[Any]:
        return [] if _waits(self.id, getattr(self, "_message_enqueued_callback", None)) else plain(self)

    flush_browser_queue.in_parcels = True  # type: ignore[attr-defined]
    AppSession.flush_browser_queue = flush_browser_queue  # type: ignore[method-assign]


def _waits(session: str, wake: Callable[[], None] | None) -> bool:
    """Whether a session's messages wait; `wake` is called when they have waited long enough."""
    left = _until.get(session, 0.0) - time.monotonic()
    if left <= 0.0 or wake is None:
        _until.pop(session, None)
        return False
    asyncio.get_running_loop().call_later(left, wake)
    return True

"""Who stands in the door of this browser's session: asked on every run and by every guarded function."""

import logging
import time

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

from core import access
from core.access import ALONE, GUEST, NOBODY, Person
from core.config import InputError
from core.team.configuration import current
from core.team.entering import Visit, by_claims, by_headers, by_nobody

log = logging.getLogger("unskew")

LOOPBACK = "127.0.0.1"
REMEMBERED = 2000
"""Sessions whose person is known; those that are gone are forgotten when there are more."""

_people: dict[str, Person] = {}
"""Session -> who was in it at its latest run, for what arrives beside a run: files."""


def watch() -> None:
    """Have every guarded function of this process ask the browser's session who acts; the frame calls it."""
    access.ask_who(_who)


def _who() -> Person | None:
    return visit().person if access.configured() else None


def visit() -> Visit:
    """Who stands here now, and why somebody does not come in. Looks at the end of a sign-in each time.

    Without a configuration one person works alone. A thread that no session started is nobody's.
    """
    if not access.configured():
        return Visit(ALONE)
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return Visit(NOBODY, "sign-in")
    try:
        found = _found()
    except InputError:  # a secret or the file itself has gone since the start
        log.exception("nobody can come in")
        found = Visit(NOBODY, "not-set-up")
    if context.session_id not in _people and len(_people) >= REMEMBERED:
        _forget_the_gone()
    _people[context.session_id] = found.person
    return found


def _found() -> Visit:
    configuration = current()
    if configuration is None:
        return Visit(ALONE)
    if configuration.mode == "oidc":
        return by_claims(configuration, dict(st.user), time.time())
    if configuration.mode == "proxy-header":
        headers = st.context.headers
        return by_headers(configuration, {name: headers.get_all(name) for name in headers}, peer())
    return by_nobody(configuration)


def peer() -> str:
    """Address from which this session's connection comes; Streamlit tells none for this machine's own.

    Where there is no connection there are no headers either, so that nobody is believed for it.
    """
    return st.context.ip_address or LOOPBACK


def person_of(session: str) -> Person:
    """Who was in a session at its latest run; without a configuration whoever works alone."""
    return _people.get(session, NOBODY) if access.configured() else ALONE


def present() -> list[Person]:
    """Who is in the sessions of this process that are open now, once for each session."""
    open_now = Runtime.instance().is_active_session if Runtime.exists() else lambda session: False
    return [person for session, person in list(_people.items()) if open_now(session)]


def identity() -> str:
    """What stands under labels and reports of whoever acts; "" where nobody has signed in: a name is typed then."""
    return access.acting().name


def at_a_kiosk() -> bool:
    """Whether this is a stand at which everybody is a guest."""
    return access.configured() and access.acting().roles == {GUEST}


def _forget_the_gone() -> None:
    if Runtime.exists():
        for session in [one for one in list(_people) if not Runtime.instance().is_active_session(one)]:
            _people.pop(session, None)

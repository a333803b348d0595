"""Following a presenter: what he asks is asked here, with this session's own rights and from what this server lists."""

import time

import streamlit as st

from core import access
from core.config import InputError
from core.ui.session import links, presenting
from core.ui.session.choices import SHOWN
from core.ui.session.state import AppState, get_state

FOLLOWED, VERSION = "unskew-follows", "unskew-followed"
"""Keys of the session: the code that is followed, and which of its versions is on the page."""


def follow(code: str) -> None:
    """Follow from now on; InputError where nobody presents under this code."""
    access.require("follow")
    if presenting.own_code() and presenting.seen(code) is presenting.seen(presenting.own_code()):
        raise InputError("this is your own code; give it to those who follow you")
    presenting.seen(code)
    st.session_state[FOLLOWED], st.session_state[VERSION] = code, -1


def leave() -> None:
    """Follow nobody; what is on the page stays."""
    for key in (FOLLOWED, VERSION):
        st.session_state.pop(key, None)


def followed() -> str:
    """The code that is followed; "" where none is."""
    return st.session_state.get(FOLLOWED, "")


def catch_up(pages: list[str]) -> bool:
    """Bring the choices to what the presenter shows now; whether anything has changed.

    Parameters
    ----------
    pages : addresses of the pages that this person may open; of another page the choices alone are taken.

    InputError : nobody presents under the code any more.
    """
    access.require("follow")
    shown, state = presenting.seen(followed()), get_state()
    if shown.params is None or shown.version == st.session_state.get(VERSION):
        return False
    st.session_state[VERSION] = shown.version
    if shown.page in pages:
        state.page = shown.page
    plain = AppState()
    for name in links.LINKED:
        setattr(state, name, getattr(plain, name))
    for choice in SHOWN.get(state.page, {}).values():
        choice.put(state, choice.first)
    others = {part for page, parts in SHOWN.items() if page != state.page for part in parts}
    own = SHOWN.get(state.page, {})
    params = {name: value for name, value in shown.params.items() if name in own or name not in others}
    for notice in links.apply(params, state):
        state.notice(notice)
    state.link, state.link_at = {}, time.monotonic()  # the address follows the choices, not the other way
    return True

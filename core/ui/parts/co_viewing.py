"""In the sidebar of a team server: present to others by a code, or follow who presents."""

import streamlit as st

from core import access
from core.config import InputError
from core.ui.parts import menu
from core.ui.session import following, links, presenting
from core.ui.session.escaping import escape
from core.ui.session.state import get_state

LOOK_SECONDS = 2
"""How often a follower looks at what is shown."""
PROMPT = "Code of a presenter"


def control() -> None:
    """Small, at the end of the sidebar; nothing on one person's machine, nor for whoever may do neither."""
    if not access.configured() or not (access.may("present") or access.may("follow")):
        return
    with st.sidebar:
        if following.followed():
            _follow()
        elif code := presenting.own_code():
            st.markdown(f":small[Others follow you by the code]  \n**{presenting.spoken(code)}**")
            st.caption("They see what you ask, never what you uploaded, and change nothing here.")
            st.button("Stop presenting", icon=":material/stop_screen_share:", on_click=presenting.end, width="stretch")
        else:
            with st.popover("Present or follow", icon=":material/co_present:", width="stretch"):
                if access.may("present"):
                    st.button("Present", icon=":material/present_to_all:", on_click=_present, width="stretch")
                if access.may("follow"):
                    typed = st.text_input(PROMPT, key="co-viewing-code", max_chars=20, placeholder="ABCDE-23456")
                    st.button("Follow", icon=":material/visibility:", on_click=_begin, args=(typed,), width="stretch")


def _present() -> None:
    presenting.begin()
    state = get_state()
    presenting.publish(state.page, links.params_of(state))


def _begin(typed: str) -> None:
    try:
        following.follow(typed)
    except InputError as error:
        get_state().notice(str(error))


@st.fragment(run_every=LOOK_SECONDS)
def _follow() -> None:
    """Take over what the presenter asks, soon after he asks it."""
    try:
        title = presenting.seen(following.followed()).title
        changed = following.catch_up([one.file for one in menu.shown(menu.PAGES)])
    except InputError as error:
        following.leave()
        get_state().notice(str(error))
        st.rerun()
    st.markdown(f":small[You follow]  \n**{escape(title)}**")
    if st.button("Stop following", icon=":material/visibility_off:", width="stretch"):
        following.leave()
        st.rerun()
    if changed:
        links.go(f"pages/{get_state().page}.py")

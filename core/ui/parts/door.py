"""The door of a team server: who does not come in reads one calm page, and who is in can go out again."""

import time
from collections.abc import Sequence

import streamlit as st
from streamlit.errors import StreamlitAuthError

from core import access
from core.team.configuration import current
from core.ui.parts.menu import Listed
from core.ui.session import entering, keeping, presenting
from core.ui.session.escaping import escape
from core.ui.session.state import KEY, get_state

WHO = "unskew-who"
"""Key of the session under which the name of the person stands whose choices it holds."""
SEEN, TOUCHED = "unskew-seen", "unskew-touched"
"""Keys of the session at a kiosk: when somebody last did something, and whether anybody has since it began."""
LOOK_SECONDS = 5
"""How often a kiosk looks at its clock."""
WHY = {
    "sign-in": "Sign in to go on.",
    "expired": "Your sign-in has ended. Sign in again to go on.",
    "not-the-proxy": "This server is reached through its own address alone.",
    "not-set-up": "Nobody can come in: this server is not set up rightly. The reason is in its log.",
}


def admitted(pages: Sequence[Listed]) -> bool:
    """Whether the one who stands here comes in; otherwise one calm page is drawn, under every address of the app."""
    visit = entering.visit()
    if visit.person.roles:
        _one_person(visit.person.name)
        if visit.person.name:
            from core.team import record

            record.came(visit.person, str(st.user.get("iat") or ""))
        _at_a_kiosk()
        return True
    closed = [
        st.Page(_closed, title="Unskew", url_path=page.file, default=number == 0) for number, page in enumerate(pages)
    ]
    st.navigation(closed, position="hidden").run()
    return False


def _one_person(name: str) -> None:
    """A session holds one person's choices: those of another are forgotten before anything is shown.

    Whoever does not come in sees none of them, so that a bad moment of the line costs nobody anything.
    """
    if not access.configured():
        return
    if st.session_state.get(WHO, name) != name:
        forget()
        st.query_params.clear()
    st.session_state[WHO] = name


def forget() -> None:
    """Forget everything that this session chose and uploaded; nobody follows it any more."""
    presenting.end()
    state = st.session_state.get(KEY)
    if state is not None and state.uploads is not None:
        keeping.wipe(state.uploads)
    for key in list(st.session_state):
        del st.session_state[key]


def _closed() -> None:
    """What somebody reads who does not come in: why, and what to do."""
    visit = entering.visit()
    configuration = None if visit.why == "not-set-up" else current()
    _, middle, _ = st.columns([1, 2, 1])
    with middle:
        st.title("Unskew", anchor=False)
        if visit.why == "no-role":
            ask = configuration.contact if configuration is not None and configuration.contact else "who operates it"
            st.markdown(
                f"The account **{escape(visit.title or 'that you signed in with')}** has no role on this server. "
                f"Ask {escape(ask)} for one."
            )
        else:
            st.markdown(WHY.get(visit.why, WHY["sign-in"]))
        if configuration is None or configuration.mode != "oidc":
            return
        if visit.why == "no-role":
            _sign_out()
        elif st.button("Sign in", type="primary", icon=":material/login:"):
            try:
                st.login()
            except StreamlitAuthError:
                st.info("Sign-in is not set up in this process: start the server by `python -m core serve`.")


def who() -> None:
    """In the sidebar: who has signed in, and the way out."""
    person = access.acting()
    if not access.configured() or not person.name:
        return
    st.markdown(f":small[Signed in]  \n**{escape(person.title or person.name)}**")
    st.caption(escape(", ".join(sorted(person.roles))))
    configuration = current()
    if configuration is not None and configuration.mode == "oidc":
        _sign_out()


def _sign_out() -> None:
    if st.button("Sign out", icon=":material/logout:", width="stretch", key="sign-out"):
        from core.team import record

        record.wrote(record.SIGNED_OUT)
        forget()
        st.logout()


# -- a kiosk ----------------------------------------------------------------------------------------------------------


def _at_a_kiosk() -> None:
    """A stand shows its first gallery to whoever comes, and begins anew when nobody has done anything for a while."""
    configuration = current()
    if configuration is None or configuration.mode != "kiosk":
        return
    state = get_state()
    if state.gallery not in configuration.kiosk["galleries"]:
        state.choose_gallery(configuration.kiosk["galleries"][0])
    touch()
    _clock()


def touch() -> None:
    """Somebody at a kiosk does something; the first run of a session is nobody's doing."""
    if entering.at_a_kiosk():
        st.session_state[TOUCHED] = SEEN in st.session_state
        st.session_state[SEEN] = time.monotonic()


def idle(now: float, seen: float, minutes: float) -> bool:
    """Whether a stand begins anew: nobody has done anything for `minutes`; times in seconds."""
    return now - seen >= 60 * minutes


@st.fragment(run_every=LOOK_SECONDS)
def _clock() -> None:
    configuration = current()
    if configuration is None or not st.session_state.get(TOUCHED):
        return
    if idle(time.monotonic(), st.session_state[SEEN], configuration.kiosk["idle_minutes"]):
        forget()
        st.query_params.clear()
        st.switch_page("pages/start.py")

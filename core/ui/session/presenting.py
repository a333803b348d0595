"""What presenters show to whoever follows them by a code: the parts of a link, and nothing that was uploaded.

It is kept in this process: presenter and followers are on one replica, where a replica's cookie keeps them.
"""

import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

from core import access
from core.config import InputError
from core.ui.session import entering

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without those that are taken for one another when they are read aloud."""
LENGTH = 10
"""Letters of a code, 50 bits: nobody finds one by trying."""
ENDS_SECONDS = 4 * 3600.0
CODE = "unskew-presents"
"""Key of the session under which the code stands by which it is followed."""
OPENED = ("gallery", "probe", "model", "image_sae", "text_sae")
"""Parts of a link that name what is opened: an operator may have chosen it by its folder, which followers never see."""
FOLDERS = re.compile(r"^([\w-]+:)?[~/](.*/)?")
"""All of a path but its last part, behind the name of a family of models."""
GONE = "nobody presents under this code; ask the presenter for the one on the screen"

Params = Mapping[str, list[str]]


@dataclass(frozen=True)
class Shown:
    """What a presenter shows.

    Parameters
    ----------
    session : whose it is; it ends with it.
    title : what the presenter is called.
    ends : when it ends by itself, by the clock of `time.monotonic`.
    page : address of the page.
    params : a link's parameters.
    version : how often it has changed.
    """

    session: str
    title: str
    ends: float
    page: str = ""
    params: Params | None = None
    version: int = 0


_shown: dict[str, Shown] = {}
_lock = threading.Lock()


def begin() -> str:
    """Let this session be followed; the code, as it is read aloud."""
    access.require("present")
    context, person = get_script_run_ctx(), access.acting()
    end()
    code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    with _lock:
        _sweep()
        session = "" if context is None else context.session_id
        _shown[code] = Shown(session, person.title or person.name or "the presenter", time.monotonic() + ENDS_SECONDS)
    st.session_state[CODE] = code
    return spoken(code)


def end() -> None:
    """Nobody follows this session any more."""
    with _lock:
        _shown.pop(st.session_state.pop(CODE, ""), None)


def own_code() -> str:
    """The code by which this session is followed; "" where it is not."""
    code = st.session_state.get(CODE, "")
    return code if code and _there(code) is not None else ""


def publish(page: str, params: Params) -> None:
    """What this session shows now, for whoever follows it."""
    code = st.session_state.get(CODE, "")
    if not code:
        return
    if not access.may("present"):
        end()
        return
    params = {
        name: [FOLDERS.sub(r"\1", v) for v in given] if name in OPENED else given for name, given in params.items()
    }
    with _lock:
        before = _shown.get(code)
        if before is not None and (before.page, before.params) != (page, params):
            _shown[code] = replace(before, page=page, params=params, version=before.version + 1)


def seen(code: str) -> Shown:
    """What is shown under a code, however it is written; InputError where nothing is."""
    letters = "".join(letter for letter in code.upper() if letter in LETTERS)
    found = _there(letters) if len(letters) == LENGTH else None
    if found is None:
        raise InputError(GONE)
    return found


def spoken(code: str) -> str:
    """A code in two halves."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def _there(code: str) -> Shown | None:
    with _lock:
        found = _shown.get(code)
        if found is not None and _is_over(found):
            _shown.pop(code, None)
            return None
        return found


def _is_over(one: Shown) -> bool:
    """Whether its time is up, the presenter's window was closed, or who is in it now may not present."""
    if time.monotonic() >= one.ends:
        return True
    if not one.session or not Runtime.exists():
        return False
    present = Runtime.instance().is_active_session(one.session)
    return not present or not entering.person_of(one.session).may("present")


def _sweep() -> None:
    for code in [code for code, one in _shown.items() if _is_over(one)]:
        _shown.pop(code, None)

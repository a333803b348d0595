"""The frame around every page: what is loaded, lines to read once, and no stack trace, whatever happens."""

import functools
import gc
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from core import access
from core.config import SIDES, UNKNOWN, InputError, Side
from core.heavy import wants_memory
from core.store import is_full, said_full
from core.ui.parts import door
from core.ui.parts.facts import UNUSED
from core.ui.session import cache, entering, fit, jobs, links
from core.ui.session.escaping import close_page, escape
from core.ui.session.keeping import guard_uploads
from core.ui.session.parcels import send_parcels
from core.ui.session.state import AppState, get_state

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("unskew")

SIDEBAR_PX = 256
# Drawn here, because Streamlit would fetch a named icon from an outside service.
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#1a6ba8"/>
<g stroke="#fff" stroke-width="2.4" stroke-linecap="round" fill="none">
<path d="M6 11h20M16 7v17M10 24h12"/><circle cx="24" cy="17" r="3.2"/><circle cx="8" cy="17" r="3.2" fill="#fff"/></g>
</svg>"""
WORDMARK = ICON.replace('viewBox="0 0 32 32"', 'viewBox="0 0 138 32" width="138" height="32"').replace(
    "</svg>",
    '<text x="42" y="24" font-family="Source Sans Pro, Segoe UI, Helvetica, Arial, sans-serif" '
    'font-size="24" font-weight="600" fill="#3d8bc4">Unskew</text></svg>',
)
"""The icon with the name, in a blue that reads on both themes."""
READABLE = """<style>
[data-testid="stCaptionContainer"], [data-testid="stImageCaption"] {
  color: light-dark(#575c63, #a9afb6); opacity: 1;
}
[data-testid="stCaptionContainer"] *, [data-testid="stImageCaption"] * { opacity: 1; }
button[data-testid="stBaseButton-primary"], button[data-testid="stBaseButton-primaryFormSubmit"],
[data-testid="stMultiSelect"] [data-tag] {
  background-color: light-dark(#1a6ba8, #2470ab); border-color: light-dark(#1a6ba8, #2470ab); color: #fff;
}
[data-testid="stButtonGroup"] [role="radiogroup"] { flex-wrap: wrap; row-gap: 4px; }
[data-testid="stCheckbox"] * { transition: none !important; }
@media (prefers-reduced-motion: reduce) { * { animation-duration: 0s !important; transition-duration: 0s !important; } }
</style>"""
"""Small print at 4.5 : 1 or more in both themes, which Streamlit's faded text misses; white words on a blue that bears
them, since the accent of the dark theme is light enough to be read; a row of choices goes on in the next line instead
of out of sight; a switch is at once where it was put, as a browser that slides it draws its answer later; nothing moves
for those who asked for that."""
PLACES, FOLLOWED = "unskew-sidebar", "unskew-sidebar-written"
"""Keys of the session: the places of the sidebar, and whether a part of the page writes what is switched to them."""
NEW_MODULES = 50
"""Modules that must have been loaded since for another round of `spare_collections`."""
GROUPS_SHOWN = 4
"""Groups of an attribute that the sidebar lists by name; the rest are counted."""
ABOUT = """**Unskew** finds the neurons of a CLIP model that carry gender, race or age, switches them off, and shows
with honest uncertainty what that changes. Everything is computed where the app runs; nothing is sent anywhere that
nobody asked it to.
Groups come only from a gallery's own table; no group is ever predicted for a picture."""


def configure() -> None:
    """Title, width and menu of the window, the net under its texts, how they are sent; the first thing app.py does."""
    close_page()
    send_parcels()
    guard_uploads()
    entering.watch()
    if access.configured():
        from core.team import record  # with its database, which one person's machine never opens

        record.keep()
    st.set_page_config(
        page_title="Unskew",
        page_icon=ICON,
        layout="wide",
        initial_sidebar_state=SIDEBAR_PX,
        menu_items={"About": ABOUT},
    )
    st.logo(WORDMARK, icon_image=ICON, size="medium")
    st.html(READABLE)


def through_app() -> None:
    """Run app.py instead of a page alone; every page calls this first.

    Until app.py has run once, Streamlit takes pages/ for an app of the older kind: the very first visitor of a cold
    server who follows a link to a page would get that page without the frame and without what the link says.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


@st.cache_resource(show_spinner=False)
def _settled(process: int) -> dict[str, int]:
    """Number of modules at the last `spare_collections` of this process."""
    return {"modules": 0}


def spare_collections() -> None:
    """Take what is loaded for good out of garbage collection; app.py calls this after a page has run.

    A collection goes through everything that it may not leave out. With torch loaded that takes 170 ms, in the middle
    of an answer; of what a session makes anew it takes a few.
    """
    settled = _settled(os.getpid())
    if len(sys.modules) > settled["modules"] + NEW_MODULES:
        settled["modules"] = len(sys.modules)
        gc.collect()
        gc.freeze()


# -- no stack trace ---------------------------------------------------------------------------------------------------


@contextmanager
def guard() -> Iterator[None]:
    """Whatever fails inside becomes one calm line.

    An InputError speaks for itself; a full disk is said with its path, and too little memory as such. Anything else is
    a mistake of ours: the page names a reference, and the server's log has the details under it. Streamlit's own
    signals (stop, rerun) pass.
    """
    try:
        yield
    except InputError as error:
        st.warning(escape(str(error)), icon=":material/info:")
    except Exception as error:
        if is_full(error):
            st.warning(escape(said_full(error)), icon=":material/info:")
            return
        if wants_memory(error):
            log.exception("out of memory")
            st.warning(
                "This needs more memory than the machine has: choose a smaller gallery, a smaller part of it, or a "
                "smaller model.",
                icon=":material/info:",
            )
            return
        reference = secrets.token_hex(3)
        log.exception("unexpected error, reference %s", reference)
        st.warning(
            f"Something went wrong that should not. The rest of the app still works; details are in the server log "
            f"under the reference {reference}.",
            icon=":material/info:",
        )


def guarded(view: Callable[P, T]) -> Callable[P, T | None]:
    """`guard` as a decorator, for fragments: they run again without the frame. Put it under `@st.fragment`.

    Whose sign-in has ended in between is shown the door.
    """

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> T | None:
        if not access.acting().roles:
            st.rerun()
        door.touch()
        with guard():
            return view(*args, **kwargs)
        return None

    return run


# -- lines ------------------------------------------------------------------------------------------------------------


def notices() -> None:
    """The lines that wait to be read, once."""
    lines = [escape(line) for line in get_state().take_notices()]
    if lines:
        st.info("\n".join(f"- {one}" for one in lines) if len(lines) > 1 else lines[0], icon=":material/info:")


def unknown_words(text: str) -> bool:
    """Say which words of a prompt the model does not know; True where there are any.

    Only a model with a small vocabulary (the shipped one) has unknown words. A prompt of which it knows nothing at
    all should not be answered.
    """
    model = cache.current_backbone()
    unknown = model.unknown_words(text)
    if not unknown:
        return False
    words = ", ".join(f"“{escape(word)}”" for word in dict.fromkeys(unknown))
    known = sorted(model.known_words or [])
    line, listed = st.columns([3.2, 1], vertical_alignment="center")
    line.info(
        f"The model does not know {words} and reads the prompt without: the numbers below are not about that.",
        icon=":material/info:",
    )
    with listed.popover(f"The {len(known)} words it knows", icon=":material/list:", width="stretch"):
        st.caption(escape(", ".join(known)))
        st.caption("A model with an open vocabulary reads any word; a gallery of such a model is searched with it.")
    return True


def not_interpreted(text: str) -> str | None:
    """Why what a prompt retrieves would say nothing about it: no word, or none that the model knows; else None."""
    from core.scene import why_not_interpreted

    return why_not_interpreted(text, cache.current_backbone().unknown_words(text))


# -- what is loaded ---------------------------------------------------------------------------------------------------


def places() -> None:
    """The places of the sidebar, before the page runs: a part of a page that runs by itself can write to those alone
    that were there before it."""
    with st.sidebar:
        made = {name: st.container() for name in ("loaded", "switched", "way back")}
        if not entering.at_a_kiosk():
            popover = st.popover("Link to this view", icon=":material/link:", width="stretch")
            made["link"] = popover.container()
            popover.caption(
                "Restores gallery, model, SAE, prompt, groups, neuron and what is switched. Uploads are not in it."
            )
    st.session_state[PLACES], st.session_state[FOLLOWED] = made, False


def sidebar() -> None:
    """One glance: gallery with group sizes, model, SAEs, what is switched, and the link to this view."""
    state, made = get_state(), st.session_state[PLACES]
    with made["loaded"]:
        _line("Gallery", _gallery_text)
        _line("Model", lambda: _model_text(state))
        for side in SIDES:
            if side in state.saes:
                _line(f"SAE, {side} side", functools.partial(_sae_text, state.saes[side], side))
    with made["way back"]:
        # on Compare it is there before anything is switched, as a switch does not draw it again
        if state.edits or state.page == "compare":
            st.button("Back to the original", icon=":material/undo:", on_click=state.clear_edits, width="stretch")
        door.who()
    if not st.session_state[FOLLOWED]:
        _follow(state)


def follow() -> None:
    """Have the address and the sidebar say what a part of a page has switched that runs by itself; it ends with this,
    whatever happened in it. A page that is run without app.py has no sidebar."""
    if PLACES not in st.session_state:
        return
    st.session_state[FOLLOWED] = True
    links.write()
    jobs.settle()
    _follow(get_state())


def _follow(state: AppState) -> None:
    """What is switched, and the link. Each place is written to on every run, or Streamlit refuses it to a later one."""
    made = st.session_state[PLACES]
    lines = [] if state.method == "neuron-edit" else [f":small[Method]  \n**{escape(state.method)}**"]
    for side, edit in sorted(state.edits.items() if state.method == "neuron-edit" else []):
        named = ", ".join(map(str, edit.neurons[:8])) + (" …" if len(edit.neurons) > 8 else "")
        lines.append(
            f":small[Switched, {side} side]  \n**{named or 'reconstruction only'}**, strength {edit.strength:g}"
            + (" of each neuron's own" if edit.strengths else "")
        )
    switched = made["switched"].empty()
    if lines:
        switched.markdown("\n\n".join(lines))
    if "link" in made:
        address = f"{(st.context.url or '').split('?')[0]}?{links.query_string()}"
        made["link"].code(address, language=None, wrap_lines=True)


def _line(label: str, text: Callable[[], str]) -> None:
    """A small label with its text, or with the calm reason why there is none."""
    try:
        st.markdown(f":small[{label}]  \n{text()}")
    except InputError as error:
        st.markdown(f":small[{label}]  \n:orange[{escape(str(error))}]")


def _gallery_text() -> str:
    gallery = cache.current_gallery()
    what = "pictures" if gallery.kind == "images" else "captions"
    lines = [f"**{escape(gallery.name)}** :small[`{gallery.digest[:8]}`]  \n:small[{gallery.n:,} {what}]"]
    for attribute in gallery.attributes[:3]:
        lines.append(f":small[{escape(attribute)}: {_counts(gallery.group_counts(attribute))}]")
    return "  \n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    """`Female 1,003 · Male 997`, unknown ones where there are any; of many groups how many there are."""
    unknown = counts.pop(UNKNOWN, 0)
    parts = [f"{escape(group)} {n:,}" for group, n in counts.items()]
    if len(parts) > GROUPS_SHOWN:
        smallest = min(counts, key=lambda group: counts[group])
        parts = [f"{len(parts)} groups", f"smallest {escape(smallest)} {counts[smallest]:,}"]
    return " · ".join([*parts, f"unknown {unknown:,}"] if unknown else parts)


def _model_text(state: AppState) -> str:
    name = f"**{escape(state.model)}**" + (f" {escape(state.pretrained)}" if state.pretrained else "")
    misfit = fit.chosen_model(state, cache.current_gallery(state))
    return f"{name}  \n:small[:gray[{escape(misfit)}]]" if misfit else name


def _sae_text(name: str, side: Side) -> str:
    card, gallery = cache.sae_card(name), cache.current_gallery()
    if fit.misfit(card, side, gallery):
        return f":gray[{escape(card.name)}]  \n:small[:gray[{UNUSED}]]"
    quality = [f"{short} {card.quality[short]:.2g}" for short in ("fvu", "l0") if card.quality.get(short) is not None]
    facts = " · ".join([f"{card.d_sae:,} neurons", *quality])
    return f"**{escape(card.name)}** :small[`{card.digest[:8]}`]  \n:small[{facts}]"

"""What is asked: the prompt, whose shares are counted, how many are retrieved, and from which part of the gallery."""

from typing import Any

import streamlit as st

from core.config import HALVES, digest_of
from core.datasets.target_tables import parse_target, parse_typed
from core.gallery import Gallery
from core.gallery.labels import CROSS
from core.metrics import target_distribution
from core.ui.parts import offers
from core.ui.parts.frame import guard
from core.ui.parts.wording import TARGET_CHOICES, percent
from core.ui.session import results
from core.ui.session.escaping import escape
from core.ui.session.prompts import short, suggestions
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import OWN_TARGET, TARGETS, AppState, bind, get_state

SIZES = (10, 20, 50, 100, 200, 500, 1000)
SUGGESTED = 8
"""Prompts offered as chips: one row of them on a projector."""
ANY = "any"
HALF_NAMES = {"all": "all rows", "probe": "probe half", "evaluation": "evaluation half"}


def bar(gallery: Gallery, attribute: str) -> None:
    """The row above everything: prompt, attribute, k, target, part of the gallery; suggested prompts below it."""
    state = get_state()
    prompts = suggestions(gallery)
    if not state.query and prompts:
        state.ask(prompts[0])
    prompt, what, size, target, part = st.columns([3.9, 1.4, 1, 1.8, 1.5], vertical_alignment="bottom")
    with prompt:
        _prompt(state, gallery)
    offered = dict.fromkeys([*gallery.attributes, attribute])
    what.selectbox("Groups of", list(offered), **_shown("attribute", attribute))
    most = results.searched(state, gallery)
    known = sorted({size for size in SIZES if size <= most} | {min(state.k, most)})
    size.selectbox(
        "Nearest", known, **_shown("k", min(state.k, most)), help="k: how many are retrieved, at most all searched"
    )
    target.selectbox(
        "Target",
        [*TARGETS, OWN_TARGET],
        format_func=TARGET_CHOICES.__getitem__,
        help="The shares that the result is compared with. Your choice: the lean does not depend on it",
        **bind("target"),
    )
    with part:
        _part(state, gallery, attribute)
    _chips(state, prompts)
    if state.target == OWN_TARGET:
        with guard():
            _own_target(state, gallery, attribute)


def _own_target(state: AppState, gallery: Gallery, attribute: str) -> None:
    """A table of shares, kept before any result is shown; what it says stands beside it."""
    groups = gallery.groups(attribute)
    table, line = st.columns(2, vertical_alignment="bottom")
    given = offers.upload(
        table,
        f"Target shares of {escape(attribute)}: a table with the columns group and share",
        type=["csv", "tsv", "txt", "json"],
        key=f"target-{attribute}",
    )
    typed = line.text_input(
        "Or type them", placeholder=", ".join(f"{group} …" for group in groups[:4]), key=f"typed-target-{attribute}"
    )
    shares = None
    if typed.strip():
        shares = parse_typed(typed, groups)
    elif given is not None:
        shares = parse_target(given.getvalue(), given.name, attribute)
    if shares is not None:
        target_distribution(shares, groups, list(gallery.group_counts(attribute).values())[: len(groups)])
        state.set_own_target(attribute, shares)
    if attribute in state.own_targets:
        shares = state.own_targets[attribute]
        listed = ", ".join(f"{escape(group)} {percent(share)}" for group, share in shares.items())
        st.caption(f"Compared with: {listed} (table {digest_of(shares)[:8]}).")


def _shown(name: str, value: object) -> dict[str, Any]:
    """`bind` for a choice whose shown value may differ from the stored one (attribute not chosen yet, k above n)."""
    bound = bind(name)
    st.session_state[bound["key"]] = value
    return bound


def _prompt(state: AppState, gallery: Gallery) -> None:
    """The prompt in a form: typing costs nothing, Enter asks."""
    # A new key for every prompt that is asked: what is being typed survives runs, and chips show in the field.
    key = f"prompt-{digest_of(state.query)[:12]}"
    with st.form("ask", border=False):
        field, button = st.columns([4, 1], vertical_alignment="bottom")
        listed = gallery.prompts if only_known_prompts(state, gallery) else []
        if listed:
            text = field.selectbox("Prompt", listed, index=_place(state.query, listed), key=key)
        else:
            text = field.text_input("Prompt", value=state.query, key=key, max_chars=300)
        if button.form_submit_button("Ask", type="primary", width="stretch") and text and text != state.query:
            state.ask(text)
            st.rerun()


def _place(text: str, listed: list[str]) -> int | None:
    return listed.index(text) if text in listed else None


def _chips(state: AppState, prompts: list[str]) -> None:
    """Suggested prompts, one click each."""
    shown = prompts[:SUGGESTED]
    st.session_state["suggested-prompt"] = state.query if state.query in shown else None
    st.pills(
        "Suggested prompts",
        shown,
        key="suggested-prompt",
        on_change=_take_chip,
        label_visibility="collapsed",
        format_func=lambda prompt: escape(short(prompt)),
    )


def _take_chip() -> None:
    state, chosen = get_state(), st.session_state["suggested-prompt"]
    if chosen:
        state.ask(chosen)


def _crossing(state: AppState, gallery: Gallery, attribute: str) -> None:
    """Another attribute to cross the groups with."""
    first = gallery.components(attribute)[0]
    crossed = gallery.components(attribute)[1:]
    others = [name for name in gallery.attributes if name != first]
    st.session_state["crossed-with"] = crossed
    st.multiselect(
        f"Cross {escape(first)} with",
        others,
        key="crossed-with",
        on_change=_take_crossing,
        args=(first,),
        help="Counts the combinations, for example gender x age",
    )


def _take_crossing(first: str) -> None:
    get_state().set_attribute(CROSS.join([first, *st.session_state["crossed-with"]]))


def _part(state: AppState, gallery: Gallery, attribute: str) -> None:
    """Which groups are crossed and which items are searched: values of attributes, and a half."""
    named = ", ".join(state.where.values())
    with st.popover(escape(named) or "All items", icon=":material/filter_alt:", width="stretch"):
        _crossing(state, gallery, attribute)
        st.caption("Search only a part of the gallery; its shares are then the searched shares.")
        for column in gallery.attributes:
            key = f"where-{column}"
            st.session_state[key] = state.where.get(column, ANY)
            options = [ANY, *gallery.groups(column)]
            st.selectbox(escape(column), options, key=key, on_change=_take_where, args=(column, key))
        halves = [half for half in HALVES if half == "all" or gallery.manifest["split"].get("whole") is None]
        if len(halves) > 1:
            st.segmented_control("Rows", halves, format_func=HALF_NAMES.__getitem__, required=True, **bind("half"))


def _take_where(column: str, key: str) -> None:
    state, value = get_state(), st.session_state[key]
    where = {name: kept for name, kept in state.where.items() if name != column}
    state.set_where(where if value == ANY else {**where, column: value})

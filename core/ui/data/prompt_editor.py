"""Prompt sets of the session: looked at, changed, taken from a file, saved to one. Nothing reaches another session."""

import json
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.config import digest_of
from core.prompts import CLOSED, OPEN, GroupTexts, PromptBook, PromptList, shipped_book, shipped_lists
from core.prompts.files import texts_of
from core.reading import parse_json
from core.ui.parts import frame, offers
from core.ui.parts.switches import switch
from core.ui.session import cache
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, get_state

PART = Choice("prompt-part", "diverse")
PARTS = {
    "diverse": "Everyday scenes",
    "groups": "Groups",
    "contents": "Contents",
    "paraphrases": "Paraphrases",
    "lists": "Lists to ask",
}
WHAT = {
    "diverse": "Scenes that say nothing of any group: SEM measures against them what a neuron usually does.",
    "groups": "Sentences about each group. Line 1 is the plainest; line n of every group should say the same.",
    "contents": "What is said of every group in turn (“a photo of a male doctor”): PRISM and the calibrated projection "
    "learn from it what a group must not change.",
    "paraphrases": "Other wordings of a prompt. {} stands for what the prompt is about.",
    "lists": "Prompts to copy into Compare: roles, adjectives and activities in neutral words.",
}
HEIGHT = 320


def editor() -> None:
    """One part of the prompt sets at a time: its lines, then a file in or out."""
    state, shipped = get_state(), _shipped()
    book: PromptBook = state.prompts or shipped
    part = switch(state, "Part", PART, PARTS)
    st.caption(WHAT[part])
    left, right = st.columns([2, 1], gap="medium")
    with left:
        {"diverse": _diverse, "groups": _groups, "contents": _contents, "paraphrases": _paraphrases, "lists": _lists}[
            part
        ](state, book)
    with right:
        _status(state, shipped)
        _files(state, book)


def _shipped() -> PromptBook:
    """The shipped sets in words that the chosen model knows."""
    return shipped_book(OPEN if cache.current_backbone().known_words is None else CLOSED)


def _diverse(state: AppState, book: PromptBook) -> None:
    _lines("diverse", list(book.diverse), lambda lines: replace(book, diverse=texts_of(lines, "everyday scenes")))


def _contents(state: AppState, book: PromptBook) -> None:
    _lines("contents", list(book.contents), lambda lines: replace(book, contents=texts_of(lines, "contents", 2)))


def _groups(state: AppState, book: PromptBook) -> None:
    attributes = list(book.groups.attributes)
    which, who = st.columns(2)
    attribute = which.selectbox("Attribute", attributes, accept_new_options=True)
    known = dict(book.groups.attributes.get(attribute, {}))
    group = who.selectbox("Group", list(known), accept_new_options=True, help="Named as the gallery's labels name it")
    if not attribute or not group:
        st.caption("Type the name of an attribute and of a group to add them.")
        return
    now = known.get(group, GroupTexts(group.lower(), ()))
    word = st.text_input("Word before a noun", now.word, key=f"word-{attribute}-{group}", help="“male” doctor")

    def changed(lines: list[str]) -> PromptBook:
        texts = GroupTexts(word.strip(), texts_of(lines, f"prompts of {group}"))
        return replace(book, groups=book.groups.with_group(attribute, group, texts))

    _lines(f"groups-{attribute}-{group}", list(now.prompts), changed)


def _paraphrases(state: AppState, book: PromptBook) -> None:
    paraphrases = book.paraphrases

    def changed(lines: list[str]) -> PromptBook:
        value = {**paraphrases.to_json(), "templates": lines}
        return replace(book, paraphrases=type(paraphrases).from_json(value, paraphrases.name))

    _lines("paraphrases", list(paraphrases.templates), changed)
    if state.query:
        st.caption("For the prompt on Compare: " + " · ".join(map(escape, paraphrases.of(state.query))))


def _lists(state: AppState, book: PromptBook) -> None:
    name = st.selectbox("List", shipped_lists())
    st.code("\n".join(PromptList.load(name).prompts), language=None, height=HEIGHT)


def _lines(key: str, lines: list[str], changed: Callable[[list[str]], PromptBook]) -> None:
    """One text a line, taken when Use is pressed; what cannot be used is said and changes nothing."""
    with st.form(f"edit-{key}", border=False):
        text = st.text_area("One a line", "\n".join(lines), height=HEIGHT, key=f"lines-{key}-{digest_of(lines)[:12]}")
        sent = st.form_submit_button("Use these", type="primary", icon=":material/check:")
    st.caption(f"{len(lines)} lines")
    if sent:
        with frame.guard():
            _take(changed(text.splitlines()))


def _take(book: PromptBook) -> None:
    state = get_state()
    name = book.name if book.name.endswith(", edited") else f"{book.name}, edited"
    state.prompts = replace(book, name=name)
    st.rerun()


def _status(state: AppState, shipped: PromptBook) -> None:
    book = state.prompts or shipped
    same = state.prompts is None or book.digest == shipped.digest
    st.markdown(f"**{'Shipped prompt sets' if same else 'Your prompt sets'}** :small[:gray[digest {book.digest[:8]}]]")
    st.caption("Used by every method of this session." + ("" if same else " Other sessions keep theirs."))
    if not same and st.button("Back to the shipped ones", icon=":material/undo:"):
        state.prompts = None
        st.rerun()


def _files(state: AppState, book: PromptBook) -> None:
    document = json.dumps(book.to_json(), indent=1, ensure_ascii=False)
    offers.download(
        st, "Save as JSON", document, "prompts.json", "application/json", icon=":material/download:", on_click="ignore"
    )
    with st.form("take-prompts", border=False, clear_on_submit=True):
        given = offers.upload(
            st, "Take from a JSON file", type=["json"], help="A saved book or one of its parts, or SEM's own layout"
        )
        sent = st.form_submit_button("Take it", icon=":material/upload:")
    if sent and given is not None:
        with frame.guard():
            _take(book.taking(parse_json(given.getvalue(), given.name, "give a file of prompts"), given.name))

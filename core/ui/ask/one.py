"""One picture and one question: the answer before and after, and the same question about both groups."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.datasets.images import thumbnail_jpeg
from core.gallery import Gallery
from core.ui.parts import grids, model_charts, offers, provenance
from core.ui.parts.frame import guard
from core.ui.parts.wording import gap_said
from core.ui.session import answering
from core.ui.session.choices import ASK_QUESTION, Choice
from core.ui.session.state import AppState
from core.ui.session.uploads import CONSENT

if TYPE_CHECKING:
    from core.lvlm.token_method import TokenEdit
    from core.saes.checkpoint import SAEFile

FIRST = "is this person likely to be a doctor?"
SUGGESTED = (
    FIRST,
    "could this person be a nurse?",
    "would you say that this person is brilliant?",
    "is this person smiling?",
    "does this person wear glasses?",
    "which word suits this person? A. doctor B. nurse C. unsure",
)
TAKEN: Choice[str | None] = Choice("ask-suggested", None)
"""The suggestion that was taken last."""
ITEM: Choice[str | None] = Choice("ask-item", None)
"""Id of the picture that is asked about; None: the first."""
FLOOR = 0.01
"""Mass of the answers below which there is none."""
PRINT_WIDTH = 100
"""Letters on a line of small print beside the picture."""
KINDS = ["png", "jpg", "jpeg", "webp"]


def one(state: AppState, gallery: Gallery, attribute: str, file: "SAEFile | None", own: "TokenEdit") -> None:
    """The whole view."""
    left, right = st.columns([1, 1.55], gap="medium")
    with left:
        picked = _picture(state, gallery, attribute)
    with right:
        question = _question(state)
        if question and picked is not None:
            with guard():
                _answers(state, gallery, attribute, picked, question, file, own)


def _question(state: AppState) -> str:
    with st.form("ask-form", border=False):
        field, button = st.columns([5, 1], vertical_alignment="bottom")
        text = field.text_input("Question", value=ASK_QUESTION.of(state) or FIRST, max_chars=300)
        sent = button.form_submit_button("Ask", type="primary", width="stretch")
    if sent:
        ASK_QUESTION.put(state, text)
    chosen = st.pills("Suggestions", SUGGESTED, label_visibility="collapsed", key="ask-suggested")
    if chosen and chosen != TAKEN.of(state):
        TAKEN.put(state, chosen)
        ASK_QUESTION.put(state, chosen)
        st.rerun()
    return ASK_QUESTION.of(state) or FIRST


def _picture(state: AppState, gallery: Gallery, attribute: str) -> dict[str, Any] | None:
    """The picture that is asked about: of the gallery, or the session's own, which stays in memory.

    None where an upload is no picture.
    """
    from core.lvlm.pictures import opened

    rows = answering.sample(gallery, attribute)
    names = [gallery.item_id(int(row)) for row in rows]
    chosen = ITEM.of(state) or names[0]
    own = offers.upload(st, "A picture of your own", type=KINDS, help=CONSENT, max_upload_size=20)
    if own is not None:
        with guard():
            image = opened(own.getvalue(), own.name)
            st.image(thumbnail_jpeg(image), width=170, caption=":violet-badge[upload]", alt="Your upload")
            return {"image": image, "uploaded": True}
        return None
    row = rows[names.index(chosen)] if chosen in names else rows[0]
    name = gallery.item_id(int(row))
    st.image(gallery.thumb(int(row)), width=170, caption=grids.escape(name), alt=f"Item {name}")
    label = st.selectbox("Picture of the gallery", names, names.index(chosen) if chosen in names else 0)
    if label != chosen:
        ITEM.put(state, label)
        st.rerun()
    grids.grid(grids.tiles(gallery, [int(r) for r in rows], [()] * len(rows)), "ask-sample", width=58)
    return {"image": opened(gallery.thumb(int(row)), name), "uploaded": False}


def _answers(
    state: AppState,
    gallery: Gallery,
    attribute: str,
    picked: dict[str, Any],
    question: str,
    file: "SAEFile | None",
    own: "TokenEdit",
) -> None:
    """Many parameters: the fields of the form."""
    from core.lvlm.asking import ask, checked_question

    model = answering.model(state)
    text = checked_question(model, question, picked["uploaded"])
    image = picked["image"]
    change = answering.change(state, gallery, attribute, file, own)
    edits = [None] if change is None else [None, change]
    found = ask(model, image, text, edits, picked["uploaded"], image)
    arms = dict(zip(("before", "after"), found, strict=False))
    st.markdown(f"**{grids.escape(text)}**")
    lines = answering.facts(state, gallery, file, own)
    shares = {arm: answer.options for arm, answer in arms.items()}
    provenance.chart(model_charts.options(shares), lines=lines, print_width=PRINT_WIDTH, key="ask-options")
    said = " · ".join(f"{arm}: “{grids.escape(answer.free or '')}”" for arm, answer in arms.items())
    st.caption(f"In its own words, {said}. The answers hold {100 * found[0].mass:.0f} % of all probability together.")
    if found[0].mass < FLOOR:
        st.info("The model hardly says any of these answers: this counts as no answer.", icon=":material/info:")
    if picked["uploaded"]:
        st.caption("Groups are compared on the gallery's pictures alone; an upload belongs to no group.")
    _by_group(state, gallery, attribute, text, change, lines)


def _by_group(state: AppState, gallery: Gallery, attribute: str, text: str, change: Any, lines: dict[str, str]) -> None:
    """The same question about pictures of every group."""
    arms, answer, n = answering.by_group(state, gallery, attribute, text, change)
    shown = f"P({answer}) by group of {attribute}, {n} pictures"
    st.markdown(f"**{grids.escape(shown)}**")
    provenance.chart(model_charts.by_group(arms), lines=lines, print_width=PRINT_WIDTH, key="ask-groups")
    if "after" in arms and len(arms["before"]) == 2:
        st.caption(gap_said(arms))

"""Label: one neuron at a time, judged by its pictures or captions alone, every step with a key."""

from collections import Counter

import streamlit as st

from core import access
from core.config import InputError, digest_of
from core.labelling import ORDERS, LabelEvent
from core.neurons import Shown
from core.ui.label.agreement import agreement_panel
from core.ui.label.board import prediction_board
from core.ui.label.desk import (
    CONFIDENCE,
    CONFOUND,
    EACH,
    ORDER,
    SCORE,
    TESTED,
    TESTING,
    TEXT,
    Desk,
    desk_of,
    guarded_key,
    turn_confidence,
)
from core.ui.label.keys import KEYS, with_key
from core.ui.label.mine import mine_panel
from core.ui.label.sets import sets_panel
from core.ui.parts import answers, grids, sides
from core.ui.parts.frame import guard, guarded
from core.ui.parts.heading import heading
from core.ui.parts.keys import listen
from core.ui.parts.switches import switch
from core.ui.parts.wording import percent
from core.ui.session import entering, probing
from core.ui.session.choices import LABEL_TEST, LABEL_VIEW, RATER, Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState, get_state

VIEWS = {"label": "Label", "mine": "My labels", "agreement": "Agreement", "sets": "Sets & files"}
ORDER_NAMES = {
    "associated": "Most associated first",
    "random": "Random",
    "disagreements": "Disagreements first",
}
SIZE = 62
"""Pixels of a picture: four grids of two rows on a projector, with the keys in view."""
TESTING_HELP = (
    "After each label, twelve items that you have not seen: say on which the neuron fires. How well you can is stored "
    "with your label. With this off, the key P tests your last label."
)
ANSWERS_OF: Choice[int | None] = Choice("label-answers", None)
"""Neuron on the desk of which the gallery's labels are told, because somebody asked."""
RATERS_SHOWN = 8
"""Names offered before anybody has said who labels."""
NAME_FIELD = "choice-filters-rater"
PLACES = {
    **{letter: ("label-", f"-type-{letter}") for letter, *_ in KEYS},
    **{"t": ("label-", "-text"), "s": ("label-", "-skip")},
    **{"j": ("label-less", ""), "k": ("label-more", ""), "f": ("label-confound", ""), "z": ("label-undo", "")},
    **{"a": ("label-", "-answers"), "x": ("label-testing", ""), "o": ("label-order", ""), "p": ("label-test-last", "")},
}
"""Key of the keyboard -> how the key of its widget begins and ends; between them is the neuron's number."""


def label_page() -> None:
    """The whole page: who labels what in which order, then the desk, or what raters agree on."""
    state = get_state()
    st.html(grids.STYLE)
    heading("Label", "Say what neurons answer to, with one hand on the keyboard")
    side = sides.side_of(state)
    if side is None:
        return
    sides.open_probe(state, side)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        shown = {name: title for name, title in VIEWS.items() if name not in ("label", "mine") or access.may("label")}
        view = switch(state, "Show", LABEL_VIEW, shown)
        sides.side_switch(state, side)
    desk = desk_of(state, side)
    if view == "agreement":
        agreement_panel(desk)
    elif view == "sets":
        sets_panel(desk)
    elif view == "mine":
        with guard():
            mine_panel(desk)
    else:
        listen(PLACES, (NAME_FIELD, ""))
        _workplace()


@st.fragment
@guarded
def _workplace() -> None:
    """Everything that a key changes: it runs alone, so that the next neuron is there at once."""
    state = get_state()
    side = sides.side_of(state)
    if side is None:
        return
    desk = desk_of(state, side)
    for line in state.take_notices():
        st.info(escape(line), icon=":material/info:")
    if not desk.rater:
        _name(state)
        _known_raters(desk)
        st.info("Type your name first: every label carries who gave it, and raters do not see each other's before.")
        return
    if desk.test is not None:
        _test(desk)
    elif desk.current is None:
        _head(desk, "Done")
        _last(desk)
        st.success("All living neurons of this SAE are labelled by you on this gallery.", icon=":material/check:")
    else:
        with st.container(gap="xsmall"):
            _neuron(desk, desk.current)


def _head(desk: Desk, title: str, about: str = "") -> None:
    """What is on the desk, how far this rater is, and the settings one click away."""
    queue = desk.queue
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"## {title}" + (f" :small[:gray[{about}]]" if about else ""), width="content")
        st.space("stretch")
        st.markdown(f":small[**{queue.done:,} of {queue.total:,}** labelled]", width="content")
        order = ORDER.of(desk.state)
        after = ORDERS[(ORDERS.index(order) + 1) % len(ORDERS)]
        st.button(with_key(ORDER_NAMES[order], "O"), key="label-order", on_click=ORDER.put, args=(desk.state, after))
        with st.popover(grids.escape(desk.rater), icon=":material/tune:"):
            _name(desk.state)


def _name(state: AppState) -> None:
    """Who labels. Nothing else sits in the closed popover: what a key changes must not have a second widget there."""
    if entering.identity():
        st.caption("You label under the name with which you have signed in.")
        return
    st.text_input("Your name", placeholder="as it stands in the log", max_chars=100, **RATER.mirrored(state))


def _known_raters(desk: Desk) -> None:
    """Those who have labelled this SAE on this gallery before, a click each, the most active first."""
    given = Counter(name for standing in desk.standings.values() for name in standing.labels)
    if given:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.caption("Or go on as", width="content")
            for name, _ in given.most_common(RATERS_SHOWN):
                shown = grids.escape(name)
                st.button(shown, key=f"label-rater-{digest_of(name)[:12]}", on_click=RATER.put, args=(desk.state, name))


# -- one neuron -------------------------------------------------------------------------------------------------------


def _neuron(desk: Desk, neuron: int) -> None:
    probe, shown = desk.probe, probing.shown_examples(desk.probe, neuron, EACH)
    share = percent(shown.n_firing / shown.n)
    _head(desk, f"Neuron {neuron}", f"fires on {shown.n_firing:,} of {shown.n:,} items ({share})")
    _type_keys(desk, neuron)
    _said_keys(desk, neuron)
    _known(desk, neuron)
    _last(desk)
    for pair in (
        (("Fires most on", shown.top, "top"), ("Does not fire on", shown.silent, "silent")),
        (("Fires as usual on", shown.middle, "middle"), ("Fires on, at random", shown.firing, "firing")),
    ):
        for column, (title, part, key) in zip(st.columns(2, gap="medium"), pair, strict=True):
            with column:
                _items(probe, title, part, key)


def _known_key(desk: Desk, neuron: int) -> None:
    """The eye judges the pictures first: what the gallery's labels say comes when it is asked for, neuron by neuron."""
    shown = ANSWERS_OF.of(desk.state) == neuron
    st.button(
        with_key("Answers to", "A"),
        key=f"label-{neuron}-answers",
        type="primary" if shown else "secondary",
        help="What it answers to by the gallery's labels; judge the pictures first",
        on_click=ANSWERS_OF.put,
        args=(desk.state, None if shown else neuron),
    )


def _known(desk: Desk, neuron: int) -> None:
    """What the gallery's labels say about the neuron on the desk, where it was asked for."""
    if ANSWERS_OF.of(desk.state) != neuron:
        return
    attribute = desk.state.attribute_in(desk.probe.gallery.attributes)
    lines = [
        answers.said(desk.probe, neuron, attribute) + answers.most_often(desk.probe, neuron, attribute),
        answers.others(desk.probe, neuron),
    ]
    st.markdown("  \n".join(f":small[{line}]" for line in lines if line))


def _items(probe: probing.Probe, title: str, shown: Shown, key: str) -> None:
    st.markdown(f":small[**{title}**]")
    captions = [grids.said(f"{value:.2f}") for value in shown.values]
    grids.grid(grids.tiles(probe.gallery, map(int, shown.rows), captions), f"label-{key}", SIZE, "No such item.")


def _type_keys(desk: Desk, neuron: int) -> None:
    """One key a label. The buttons belong to this neuron: a second press cannot reach the next one unseen."""
    with st.container(horizontal=True, gap="xsmall", key="label-types"):
        for letter, type, attribute, name in KEYS:
            st.button(
                with_key(name, letter),
                key=f"label-{neuron}-type-{letter}",
                help=f"Label: {type}" + (f", {escape(attribute)}" if attribute else ""),
                on_click=guarded_key,
                args=(desk.commit, neuron, type, attribute),
            )
        _known_key(desk, neuron)


def _said_keys(desk: Desk, neuron: int) -> None:
    """Free text, confidence and confound flag of the label to come; skip and undo."""
    state = desk.state
    confidence, confound = CONFIDENCE.of(state), CONFOUND.of(state)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="label-said"):
        # A field of its own for every neuron: what was typed for one is never taken for the next.
        st.text_input(
            "In your words",
            placeholder="T: in your words, Enter ends",
            label_visibility="collapsed",
            max_chars=2000,
            width=200,
            **TEXT.mirrored(state, f"label-{neuron}-text"),
        )
        st.button(with_key("Less", "J"), key="label-less", on_click=turn_confidence, args=(state, -1))
        st.button(with_key("More", "K"), key="label-more", on_click=turn_confidence, args=(state, 1))
        sure = "not told" if confidence is None else percent(confidence)
        st.markdown(f":small[sure: **{sure}**]", width="content")
        st.button(
            with_key("Confound: yes" if confound else "Confound: no", "F"),
            key="label-confound",
            type="primary" if confound else "secondary",
            help="Something that goes with the group may explain it: hair, make-up, background",
            on_click=CONFOUND.put,
            args=(state, not confound),
        )
        skip, undo = with_key("Skip", "S"), with_key("Undo", "Z")
        st.button(skip, key=f"label-{neuron}-skip", on_click=guarded_key, args=(desk.skip, neuron))
        st.button(undo, key="label-undo", on_click=guarded_key, args=(desk.undo,))
        testing = TESTING.of(state)
        st.button(
            with_key("Tests: on" if testing else "Tests: off", "X"),
            key="label-testing",
            help=TESTING_HELP,
            on_click=TESTING.put,
            args=(state, not testing),
        )


def _last(desk: Desk) -> None:
    """What was just said, and only now what the others say about that neuron."""
    entry = desk.last
    if entry is None:
        return
    if entry.kind == "skip":
        st.caption(f"Neuron {entry.neuron} comes again at the end.")
        return
    others = {n: judged for n, judged in desk.standings[entry.neuron].labels.items() if n != desk.rater}
    listed = "; ".join(f"{grids.escape(name)}: {grids.escape(judged.category)}" for name, judged in others.items())
    score = SCORE.of(desk.state)
    tested = f" You predicted its items with AUC {score['auc']:.2f}." if score else ""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(
            f":small[Neuron {entry.neuron}: you said **{grids.escape(entry.category)}**.{tested} "
            f"{'Others: ' + listed if listed else 'Nobody else has labelled it'}.]",
            width="content",
        )
        if score is None and entry.type in TESTED:
            st.button(with_key("Test it", "P"), key="label-test-last", on_click=guarded_key, args=(_begin, desk, entry))


def _begin(desk: Desk, entry: LabelEvent) -> None:
    desk.begin_test(entry.neuron)
    if desk.test is None:
        raise InputError(f"Neuron {entry.neuron} has too few unseen items that fire, so it cannot be tested.")


# -- prediction test --------------------------------------------------------------------------------------------------


def _test(desk: Desk) -> None:
    test = desk.test
    assert test is not None
    label = desk.last
    words = f"{label.category}" + (f", “{label.text}”" if label and label.text else "") if label else ""
    about = f"you said {grids.escape(words)}; {len(test.rows)} items that you have not seen"
    _head(desk, f"Does neuron {test.neuron} fire?", about)
    st.caption("Keys: 1 surely not · 2 rather not · 3 rather yes · 4 surely · Backspace one back · Esc without a test.")
    tiles = grids.tiles(desk.probe.gallery, test.rows, [()] * len(test.rows))
    grades = prediction_board(f"{test.neuron}-{desk.last.id if desk.last else ''}", tiles)
    if grades is not None:
        guarded_key(desk.finish_test, grades) if grades else LABEL_TEST.put(desk.state, None)
        st.rerun(scope="fragment")

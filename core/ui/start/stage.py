"""The demo on one screen: faces first, then the sentence, then the chart, each step within a projector's height."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core import access
from core.config import InputError
from core.ui.parts import charts, frame, grids, model_charts, provenance, shares
from core.ui.parts.figures import AFTER, framed, interval_bars, percent_axis
from core.ui.parts.frame import guard
from core.ui.parts.keys import listen
from core.ui.parts.shares import Shares
from core.ui.parts.wording import share_alone
from core.ui.session import answering, cache, links, probing, results
from core.ui.session.choices import COMPARE_VIEW, DEMO_STEP, START_VIEW, Choice
from core.ui.session.jobs import progress
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import AppState, get_state
from core.ui.start import story, timer
from core.verdicts import target_name

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.statistics import Lean

PRESENTER = Choice("presenter", False)
"""Large type, no sidebar, keys, and a timer in a window of its own."""
FACES, FACE, LARGE_FACE = 14, 58, 74
"""Pictures in a row, and their size in pixels, without and with the sidebar's room: two rows, the sentence and the
chart fit on 720 pixels."""
PLOT = 210
"""Height of a figure in pixels at most, small print included."""
WIDE = """<style>
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"],
[data-testid="stHeader"] { display: none; }
[data-testid="stMainBlockContainer"] { padding-top: 1rem; }
.st-key-stage [data-testid="stMarkdownContainer"] p { font-size: 1.3rem; line-height: 1.35; }
</style>"""
TIGHT = """<style>
.st-key-stage { gap: 0.5rem; }
.st-key-stage [data-testid="stMarkdownContainer"] p { font-size: 1.1rem; line-height: 1.35; }
.st-key-stage h1 { font-size: 1.35rem; padding: 0; }
</style>"""
KEYS = {
    **dict.fromkeys(("arrowright", "pagedown", "n"), ("stage-next", "")),
    **dict.fromkeys(("arrowleft", "pageup", "b"), ("stage-back", "")),
}
"""Key of the keyboard, or of a presenter's remote -> the button that it presses."""


@dataclass(frozen=True)
class Step:
    """One step: its name, a line that says what to look at without telling what will be seen, and how it is drawn."""

    title: str
    sentence: str
    draw: Callable[[story.Story], Mapping[str, str]]
    """Draws the step and returns what its numbers depend on."""


# -- the steps --------------------------------------------------------------------------------------------------------


def _ask(told: story.Story) -> Mapping[str, str]:
    found = story.before(told)
    _faces(told, {"": found.before.rows})
    st.markdown(story.lean_said(found))
    return _shares(told, told.question, {"before": found.before.numbers.lean})


def _see(told: story.Story) -> Mapping[str, str]:
    shown = probing.shown_examples(told.probe, told.neuron)
    for what, items in (("fires most on", shown.top), ("does not fire on", shown.silent)):
        _strip(told.probe.gallery, [int(row) for row in items.rows], what)
    st.markdown(story.firing_said(told))
    rates = probing.rates(told.probe, told.neuron, told.attribute)
    figure = go.Figure(
        go.Bar(
            x=[e.estimate for e in rates.values()],
            y=list(rates),
            orientation="h",
            marker={"color": AFTER, "opacity": 0.45},
            error_x=interval_bars(list(rates.values()), AFTER),
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    percent_axis(figure)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    words = ", ".join(f"{group} {share_alone(e)}" for group, e in rates.items())
    framed(figure, min(PLOT, 60 + 40 * len(rates)), right=30, legend=False)
    return _chart(figure, provenance.probed(told.probe), f"Firing rates: {words}.")


def _switch(told: story.Story) -> Mapping[str, str]:
    found = story.after(told)
    rows = {"Before": found.before.rows} | ({"After": found.after.rows} if found.after else {})
    _faces(told, rows)
    st.markdown(story.change_said(told, found))
    arms = {"before": found.before.numbers.lean} | ({"after": found.after.numbers.lean} if found.after else {})
    return _shares(told, told.switched, arms)


def _cost(told: story.Story) -> Mapping[str, str]:
    with progress("What it costs") as report:
        found = story.cost(told, report)
    ranked = story.after(told)
    if ranked.after is not None:
        _faces(told, {"After": ranked.after.rows})
    st.markdown(story.cost_said(found))
    rows, lines = story.cost_rows(found), provenance.of(told.state, told.switched)
    if not rows:
        return lines
    words = ", ".join(f"{n} {share_alone(b)} to {share_alone(a)}" for n, (b, a) in rows.items())
    return _chart(charts.before_after(rows), lines, f"Before and after: {words}.")


def _say(told: story.Story) -> Mapping[str, str]:
    with progress("Asking a model that answers", at_once=False):
        question, arms, answer, neurons, n = story.spoken(told)
    gallery, attribute = answering.gallery(told.state), str(answering.attribute(told.state))
    rows, _ = answering.compared(told.state, gallery, attribute)
    _strip(gallery, [int(row) for row in rows[:FACES]], "is asked about")
    off = f"{'neuron' if len(neurons) == 1 else 'neurons'} {', '.join(map(str, neurons))} off"
    st.markdown(f"“{grids.escape(question)}” {story.spoken_said(arms, answer)}")
    notes = (answering.instead_said(told.state, gallery), answering.elsewhere_said(told.state, gallery))
    said = [f"{n} pictures; after: {off} in what the model sees.", *(grids.escape(note) for note in notes if note)]
    st.caption(" ".join(said))
    lines = {"answers by": answering.model(told.state).name, "gallery": gallery.name, "after": off}
    return _chart(model_charts.by_group(arms), lines, f"P({answer}) by {attribute}.")


def _planted(told: story.Story) -> Mapping[str, str]:
    words, found, order = story.planted(told.state)
    planted, gaps = found.planted[:, 0], found.gaps[:, 0]
    most, least = int(np.argmax(planted)), int(np.argmin(planted))
    names = [word["word"] for word in words.table]
    for i in (most, least):
        _strip(cache.gallery("default"), story.nearest(words, i, FACES), names[i])
    st.markdown(story.planted_said(order))
    figure = go.Figure(
        go.Scatter(
            x=planted,
            y=gaps,
            mode="markers",
            marker={"size": 9, "color": AFTER},
            customdata=names,
            hovertemplate="%{customdata}: planted %{x:.0%}, measured %{y:.2f}<extra></extra>",
            cliponaxis=False,
        )
    )
    for i, below in ((most, 60), (least, -60)):
        figure.add_annotation(x=planted[i], y=gaps[i], text=names[i], ax=0, ay=below, arrowwidth=1)
    figure.update_xaxes(title="planted: share of Male with this word", tickformat=".0%", range=[-0.05, 1.05])
    figure.update_yaxes(title="measured lean to Male")
    framed(figure, 300, right=20, legend=False).update_layout(margin={"b": 48})
    lines = {"gallery": "default", "words": f"{len(names)} of assets/prompts/planted.json"}
    return _chart(figure, lines, "Planted share and measured lean of every word.")


def _recap(told: story.Story) -> Mapping[str, str]:
    """Four sentences, each again from what was measured."""
    found = story.after(told)
    with progress("Telling it once more", at_once=False) as report:
        spent = story.cost(told, report)
    rows = {"Before": found.before.rows} | ({"After": found.after.rows} if found.after else {})
    _faces(told, rows)
    said = [story.lean_said(found), story.firing_said(told), story.change_said(told, found), story.cost_said(spent)]
    st.markdown("\n".join(f"{number}. {sentence}" for number, sentence in enumerate(said, 1)))
    with st.container(horizontal=True):
        if access.may("upload") and st.button("Your own faces or captions", type="primary", icon=":material/upload:"):
            leave()
            START_VIEW.put(told.state, "uploads")
            st.rerun()
        if st.button("Go on in Compare", icon=":material/compare_arrows:"):
            _open_compare(told)
    return provenance.of(told.state, told.switched)


STEPS = (
    Step("Ask", "Ask for people, and count who comes back.", _ask),
    Step("See why", "The neuron behind it: what fires it, what does not.", _see),
    Step("Switch it off", "The same prompt with this one neuron off.", _switch),
    Step("What it costs", "What the model still knows, and what it does not.", _cost),
    Step("What it says", "The same idea inside a model that answers in words.", _say),
    Step("Is it true?", "In the built-in world the right answer is known, because it was planted.", _planted),
    Step("What was seen", "Four sentences to take along.", _recap),
)


# -- the stage --------------------------------------------------------------------------------------------------------


def running(state: AppState) -> bool:
    """Whether the demo is on."""
    return DEMO_STEP.of(state) is not None


def shown() -> bool:
    """Whether the demo stands in the place of the page, with its own line of what the numbers depend on."""
    return running(get_state()) and get_state().page == "start"


def question(state: AppState) -> str:
    """What the demo asks of the gallery that is loaded, as the title of the page from which it begins."""
    try:
        prompt = story.first_prompt(state)
    except InputError:  # the page itself says what is wrong with the gallery
        prompt = story.PROMPT
    asked = "for a doctor" if prompt == story.PROMPT else f"for “{grids.escape(prompt)}”"
    return f"Who appears when you ask {asked}?"


def begin(number: int = 0) -> None:
    """Go to a step of the demo."""
    DEMO_STEP.put(get_state(), str(number + 1))


def _at(state: AppState) -> int:
    """The step that the session is at; the first where a link names none that there is."""
    number = DEMO_STEP.of(state) or ""
    return min(int(number), len(STEPS)) - 1 if number.isdecimal() and int(number) > 0 else 0


def leave() -> None:
    """End the demo; what was asked stays."""
    DEMO_STEP.put(get_state(), None)
    PRESENTER.put(get_state(), None)


def show() -> None:
    """The step that the session is at, in place of the page Start; a prompt that was asked already stays."""
    state = get_state()
    if not state.query:
        with guard():
            state.ask(story.first_prompt(state))
    number = _at(state)
    step = STEPS[number]
    st.html(TIGHT)
    if PRESENTER.of(state):
        st.html(WIDE)
    listen(KEYS)
    lines: Mapping[str, str] = {}
    with st.container(key="stage"):
        _head(state, number)
        with guard():
            if number == 0:
                _prompt(state)
            with progress("Getting ready", at_once=False) as report:
                told = story.told(state, report)
            if told.question.scene.model is not None:
                frame.unknown_words(state.query)
            lines = step.draw(told)
            if number in (0, 2, 3):
                st.button(
                    "Look closer in Compare", type="tertiary", icon=":material/compare_arrows:", key="stage-compare",
                    on_click=_ready_compare, args=(told, number),
                )  # fmt: skip
    if lines:
        provenance.strip(lines)
    if st.session_state.pop("stage-to-compare", False):
        links.go("pages/compare.py")


def _ready_compare(told: story.Story, number: int) -> None:
    """Bring the choices to what the step shows, before the page is changed."""
    state = told.state
    state.clear_edits()
    state.set_attribute(told.attribute)
    if number:
        state.set_edit(told.gallery.side, told.edit)
    COMPARE_VIEW.put(state, "cost" if number == 3 else None)
    st.session_state["stage-to-compare"] = True


def _open_compare(told: story.Story) -> None:
    _ready_compare(told, 2)
    leave()
    links.go("pages/compare.py")


def _head(state: AppState, number: int) -> None:
    """Which step this is, and the ways on and back."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(f"{number + 1} of {len(STEPS)}: {STEPS[number].title}", anchor=False, width="content")
        st.caption(STEPS[number].sentence, width="stretch")
        st.button("Back", key="stage-back", disabled=number == 0, on_click=begin, args=(number - 1,))
        last = number == len(STEPS) - 1
        st.button(
            "Start again" if last else "Next", type="primary", key="stage-next", on_click=begin,
            args=(0 if last else number + 1,),
        )  # fmt: skip
        with st.popover("More", help="Presenter view, restart, end"):
            st.toggle("Presenter view", help="Large type, no sidebar; → and ← turn steps", **PRESENTER.mirrored(state))
            timer.button()
            st.button("Restart", icon=":material/restart_alt:", on_click=begin, width="stretch")
            st.button("End the demo", icon=":material/close:", on_click=leave, width="stretch", key="stage-end")


def _prompt(state: AppState) -> None:
    """The prompt, which all steps keep."""
    with st.form("stage-ask", border=False):
        field, go_on = st.columns([5, 1], vertical_alignment="bottom")
        gallery = cache.current_gallery(state)
        known = gallery.prompts if only_known_prompts(state, gallery) else []
        if known:
            at = known.index(state.query) if state.query in known else None
            text = field.selectbox("Prompt", known, index=at, label_visibility="collapsed")
        else:
            text = field.text_input("Prompt", value=state.query, max_chars=300, label_visibility="collapsed")
        if go_on.form_submit_button("Ask", width="stretch") and text and text.strip():
            state.ask(text)
            st.rerun()


def _faces(told: story.Story, rows: Mapping[str, Iterable[int]]) -> None:
    """The first of each list in one row."""
    for name, found in rows.items():
        _strip(told.gallery, list(map(int, found))[:FACES], name.lower() or "nearest")


def _strip(gallery: "Gallery", rows: Sequence[int], what: str) -> None:
    """A row of pictures with what it is before it."""
    name, pictures = st.columns([1, 11], vertical_alignment="center")
    name.caption(grids.escape(what))
    with pictures:
        grids.strip(
            gallery,
            rows[:FACES],
            f"stage-{what.replace(' ', '-')}",
            what,
            LARGE_FACE if PRESENTER.of(get_state()) else FACE,
        )


def _shares(told: story.Story, asked: results.Asked, arms: Mapping[str, "Lean"]) -> Mapping[str, str]:
    """Who is retrieved beside who was searched; what the shares depend on."""
    request = told.question.request
    part = results.ranking(told.question).part
    figure = Shares(part.groups, arms, part.target.tolist(), target_name(request.target))
    words = [
        f"{group} {share_alone(own.share)} {arm}"
        for arm, lean in arms.items()
        for group, own in zip(part.groups, lean.groups, strict=True)
    ]
    lines, alt = provenance.of(told.state, asked), f"Shares of {told.attribute}: {', '.join(words)}."
    shares.chart(figure, "stage-shares", "demo", alt, provenance.PRINT_WIDTH, lines)
    return lines


def _chart(figure: go.Figure, lines: Mapping[str, str], alt: str) -> Mapping[str, str]:
    """A figure with the facts it rests on, which are returned."""
    provenance.chart(figure, lines=lines, key="stage-chart", config=charts.config("demo"), alt=alt)
    return lines


def buttons() -> None:
    """The steps side by side: each begins the demo there."""
    for number, (column, step) in enumerate(zip(st.columns(len(STEPS), gap="small"), STEPS, strict=True)):
        with column, st.container(border=True, height="stretch", gap="xsmall"):
            st.button(
                f"{number + 1}\u2002{step.title}", type="secondary" if number else "primary", width="stretch",
                key=f"stage-{number}", on_click=begin, args=(number,),
            )  # fmt: skip
            st.caption(step.sentence)


def bar(page: str) -> None:
    """On other pages, while the demo runs: the way back to it."""
    state = get_state()
    if not running(state) or page == "start":
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, gap="small"):
        at = _at(state)
        st.markdown(f"The demo is at **{at + 1} of {len(STEPS)}: {STEPS[at].title}**", width="stretch")
        if st.button("End the demo", type="tertiary"):
            leave()
            st.rerun()
        if st.button("Back to the demo", type="primary", icon=":material/arrow_back:"):
            links.go("pages/start.py")

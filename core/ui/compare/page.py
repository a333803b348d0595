"""Compare: a prompt before and after neurons are switched off, with what chance alone would show and what it costs."""

from collections.abc import Mapping
from contextlib import suppress

import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

from core.config import Side, digest_of
from core.gallery import Gallery
from core.ranking import ArmResult, RankResult
from core.ui.compare import (
    ask,
    beside,
    controls,
    cost,
    engine,
    item,
    method,
    numbers,
    prompt_table,
    robustness,
    scenes,
    sweep,
    toggles,
    upload_ranks,
    why,
)
from core.ui.parts import answer_first, grids, provenance, shares
from core.ui.parts.frame import follow, guard, guarded, not_interpreted, unknown_words
from core.ui.parts.heading import heading
from core.ui.parts.shares import Shares
from core.ui.parts.switches import switch
from core.ui.parts.wording import ITEM_NAMES, after_said, counted, effect_said, lean_p, percent, switched_words
from core.ui.session import cache, jobs, links, probing, results
from core.ui.session.choices import COMPARE_VIEW, PHONE, SWITCH_SIDE, TAU, Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.state import OWN_TARGET, AppState, get_state
from core.verdicts import (
    ALL_RETRIEVED,
    away_words,
    list_line,
    most_retrieved,
    target_name,
    ties_line,
)

UPLOADS = 4
"""Uploads shown with a ranking; with the grids and the strips there are at most 60 pictures."""
FULL_PRINT = 150
"""Letters on a line of small print that begins under the names of the groups."""
SIDE_PLACES: dict[Side, str] = {"image": "In the pictures", "text": "In the prompt"}
SHOWN_GROUP: Choice[str | None] = Choice("shown-group", None)
"""Group whose pictures alone are shown; None: everybody's."""
NARROW_VIEWS = """<style>
[class*="st-key-choice-filters-compare-view"] button { padding-inline: 0.3rem; min-width: 0; }
[class*="st-key-choice-filters-compare-view"] button p { font-size: 0.8125rem; }
</style>"""
"""Every view stays in sight, and in one row, on a projector."""
VIEWS: dict[str, str] = {
    "pictures": "Pictures",
    "numbers": "Numbers",
    "prompts": "Prompts",
    "beside": "Side by side",
    "scenes": "Scenes",
    "sweep": "Sweep",
    "controls": "Controls",
    "cost": "Cost",
    "why": "Why this lean?",
    "robustness": "Robustness",
    "engine": "Your search",
}


def compare() -> None:
    """The whole page: the question, the switches beside the answer, and where the numbers come from."""
    state, gallery = get_state(), cache.current_gallery()
    attribute = state.attribute_in(gallery.attributes, gallery.components)
    if attribute is None:
        st.info("This gallery has no attribute, so there are no groups to count. Choose another in Data & models.")
        return
    st.html(grids.STYLE)
    st.html(NARROW_VIEWS)
    heading("Compare", "Who a prompt retrieves, before and after neurons are switched off, and what that costs")
    ask.bar(gallery, attribute)
    if not state.query:
        st.info("Type a prompt, for example “a photo of a doctor”.")
        return
    if state.target == OWN_TARGET and attribute not in state.own_targets:
        st.info(f"Nothing is shown before the target of {escape(attribute)} is there: give its table above.")
        return
    why.keep_to_its_prompt(state)
    if results.asked(state, attribute).scene.model is not None:
        unknown_words(state.query)
        reason = not_interpreted(state.query)
        if reason is not None:
            st.info(f"Nothing is ranked for “{grids.escape(state.query)}”: {escape(reason)}.", icon=":material/info:")
            return
    _answer(attribute, state.around())


@st.fragment(key=answer_first.AROUND)
@guarded
def _answer(attribute: str, around: str) -> None:
    """The switches, what is found, and where it comes from: a switch runs this part of the page alone.

    Parameters
    ----------
    around : the choices that the rest of the page was drawn for; where others are made here, all of it is drawn again.
    """
    state = get_state()
    try:
        _around(state, around)
        with cache.one_moment():
            _drawn(state, attribute)
        _around(state, around)
    finally:
        follow()


def _around(state: AppState, around: str) -> None:
    """Draw the whole page where its other parts have become old, or have something to say.

    Asked where this part runs by itself alone: as a part of the whole page it would ask again for ever.
    """
    context = get_script_run_ctx(suppress_warning=True)
    alone = context is not None and bool(context.fragment_ids_this_run)
    if alone and (state.around() != around or state.notices):
        st.rerun()


def _drawn(state: AppState, attribute: str) -> None:
    """Switches beside what they do, and where the numbers come from."""
    question = _question(state, attribute)
    if PHONE.of(state):  # one below the other: the answer first
        outcome, switches = st.columns(2)
    else:
        switches, outcome = st.columns([1, 2.8], gap="medium")
    with switches, guard():
        reason = method.choice(state, results.asked(state, attribute))
        if reason is not None:
            method.refusal(reason)
        elif results.needs_edit(question):
            _switches(state, question, attribute)
    with outcome:
        _found(attribute, _shown(state))
        ranked = None
        with suppress(Exception):  # the answer says what is wrong
            ranked = results.ranking(question)
        if ranked is not None and COMPARE_VIEW.among(state, _views(question, ranked)) == "pictures":
            with guard():
                _leaves(state, question, ranked)
    provenance.strip(provenance.of(state, question), _last_notes(ranked) if ranked is not None else ())


def _question(state: AppState, attribute: str) -> results.Asked:
    """What is asked; with the model's own answer alone where the chosen method cannot run here."""
    question = results.asked(state, attribute)
    return results.without_method(question) if state.method in results.unavailable(question) else question


def _shown(state: AppState) -> tuple[str, ...]:
    """All that the part around the answer shows of the choices, and what is still to be said."""
    page = st.session_state.get(_page_key(state), 1)
    return (
        *map(repr, (state.around(), state.edits, links.params_of(state), state.notices, page, SHOWN_GROUP.of(state))),
    )


@st.fragment(key=answer_first.ANSWER)
@guarded
def _found(attribute: str, drawn_for: tuple[str, ...]) -> None:
    """The answer: a switch draws this part alone, and the part around it after that.

    Parameters
    ----------
    drawn_for : what the part around was drawn for.
    """
    state = get_state()
    try:
        with answer_first.answering(), cache.one_moment():
            _outcome(state, _question(state, attribute), attribute)
    finally:
        jobs.settle()
        answer_first.rest_follows(drawn_for, _shown(state))


# -- switches ---------------------------------------------------------------------------------------------------------


def _switches(state: AppState, question: results.Asked, attribute: str) -> None:
    """The neurons of one side; the other side is one click away where its SAE fits."""
    sides, reasons = results.fitting(state, question)
    if not sides:
        st.info(f"{escape(reasons[0])} Choose or train one in Data & models.", title="No neurons to switch")
        for reason in reasons[1:]:
            st.caption(escape(reason))
        return
    side = SWITCH_SIDE.among(state, sides)
    if len(sides) > 1:
        side = switch(state, "Neurons", SWITCH_SIDE, {side: SIDE_PLACES[side] for side in sides}, width="stretch")
    sae = cache.current_sae(side, state)
    assert sae is not None  # a side without one does not fit
    if side == question.gallery.side:
        suggestions, probe = probing.suggested(state, side, attribute, TAU.of(state))
        toggles.panel(side, suggestions, probe.gallery, sae.sae.config.d_sae)
    else:
        toggles.panel(side, results.in_prompt(question, sae), None, sae.sae.config.d_sae)


# -- what is found ----------------------------------------------------------------------------------------------------


def _outcome(state: AppState, question: results.Asked, attribute: str) -> None:
    """Sentence and shares, always; below them the pictures, or one of the other views."""
    with progress("Ranking", at_once=False) as report:
        ranked = results.ranking(question, report)
    with st.container(gap="xsmall", key="sentence"):
        _sentence(state, question.gallery, ranked)
        if ranked.reason is not None:
            st.info(f"{escape(ranked.reason)}. There is no ranking after it.", icon=":material/info:")
        _shares(ranked, attribute)
    view = switch(state, "Show", COMPARE_VIEW, _views(question, ranked))
    if view == "numbers":
        numbers.view(state, question, ranked)
    elif view == "prompts":
        with guard():
            prompt_table.view(state, question)
    elif view == "beside":
        with guard():
            beside.view(state, question)
    elif view == "scenes":
        scenes.view(ranked)
    elif view == "controls":
        controls.controls(question)
    elif view == "cost":
        cost.cost(question)
    elif view == "sweep":
        sweep.view(question)
    elif view == "why":
        why.view(question)
    elif view == "robustness":
        robustness.view(question)
    elif view == "engine":
        with guard():
            engine.view(state, question, ranked)
    else:
        _pictures(state, question, attribute, ranked)
        _uploads(state, question, ranked)


def _views(question: results.Asked, ranked: RankResult) -> dict[str, str]:
    """The views that there are of this answer, with their titles."""
    views = {name: title for name, title in VIEWS.items() if name != "scenes" or ranked.scenes is not None}
    return views | ({"pictures": "Captions"} if question.gallery.kind == "captions" else {})


def _last_notes(ranked: RankResult) -> tuple[str, ...]:
    """What there is to note of a ranking and does not stand first."""
    first = _first_notes(ranked)
    return tuple(note for note in ranked.notes if note not in first)


def _first_notes(ranked: RankResult) -> list[str]:
    """Notes that decide how everything below is to be read: nearly all rows were retrieved, or scores are equal."""
    k, n = ranked.request.k, ranked.part.n
    long = [note for note in ranked.notes if note in (ALL_RETRIEVED, most_retrieved(k, n))]
    arms = {"": ranked.before} if ranked.after is None else {"before: ": ranked.before, "after: ": ranked.after}
    tied = [f"{name}{ties_line(arm.ties, k)}" for name, arm in arms.items() if arm.ties]
    return [*long, *tied]


def _sentence(state: AppState, gallery: Gallery, ranked: RankResult) -> None:
    """Who the prompt prefers, what was done about it, and how far the result is from the target, in plain words."""
    before, after, request = ranked.before, ranked.after, ranked.request
    for note in _first_notes(ranked):
        st.caption(f":material/info: {escape(note)}")
    known = sum(lean.retrieved for lean in before.numbers.lean.groups)
    if not known:
        st.markdown(f"None of the {request.k} nearest has a known {escape(request.attribute)}.")
        return
    group, told = results.told_of(ranked), before.numbers.to_json()
    retrieved = before.numbers.lean.groups[before.numbers.groups.index(group)].retrieved
    count = counted(grids.escape(state.query), request.k, group, retrieved, known, ITEM_NAMES[gallery.kind])
    away = away_words(told["distance"][group], request.target)
    lines = [f"**{escape(list_line(told))}**", f":small[{count}, {escape(away)}.]{lean_p(told)}"]
    if after is not None and ranked.difference is not None:
        arms = (told, after.numbers.to_json())
        lines.append(effect_said(_switched(ranked), ranked.difference.change.to_json(), arms, request.target))
        lines.append(f":small[{after_said(arms[1], group, request.target)}]")
    st.markdown("  \n".join(lines).replace(" %", "\u00a0%"))
    if before.unknown or (after and after.unknown):
        unknown = f"{before.unknown:,}" + (f" before and {after.unknown:,} after" if after else "")
        st.caption(
            f"Of the {request.k}, {unknown} have no known {escape(request.attribute)}: counted here, not in the shares."
        )


def _switched(ranked: RankResult) -> str:
    """What was done, for the sentence: the neurons that were switched, or the method's name."""
    answered_by, edits = ranked.request.method, ranked.request.edits
    words = [switched_words(e, side) for side, e in sorted(edits.items()) if e.neurons]
    return " and ".join(words) or results.method_title(answered_by)


def _shares(ranked: RankResult, attribute: str) -> None:
    """The demographics of the top k; a click on a group's row shows only that group's pictures."""
    state, part = get_state(), ranked.part
    arms = {"before": ranked.before.numbers.lean} | ({"after": ranked.after.numbers.lean} if ranked.after else {})
    shown = SHOWN_GROUP.of(state)
    words = [
        f"{group} {percent(group_lean.share.estimate)} {arm}"
        for arm, lean in arms.items()
        for group, group_lean in zip(part.groups, lean.groups, strict=True)
        if group_lean.share.estimate is not None
    ]
    shares.chart(
        Shares(
            part.groups,
            arms,
            part.target.tolist(),
            target_name(ranked.request.target),
            shown if shown in part.groups else None,
        ),
        key="shares",
        name=f"shares-{attribute}",
        alt=f"Shares of {attribute} in the top {ranked.request.k}: {', '.join(words)}.",
        print_width=FULL_PRINT,
        take=_take_row,
    )


def _take_row(group: str) -> None:
    """A click on a row shows that group; a click on it again shows everybody."""
    state = get_state()
    SHOWN_GROUP.put(state, None if group == SHOWN_GROUP.of(state) else group)


# -- pictures ---------------------------------------------------------------------------------------------------------

Ranked = list[tuple[int, int]]
"""(rank, row) in ranking order."""


def _pictures(state: AppState, question: results.Asked, attribute: str, ranked: RankResult) -> None:
    """Before and after side by side, the same page of both rankings."""
    gallery, labels, shown = question.gallery, question.gallery.labels(attribute), SHOWN_GROUP.of(state)
    every = {name: _ranked(arm) for name, arm in _arms(ranked).items()}
    ranks = {name: {row: rank for rank, row in items} for name, items in every.items()}
    arms, _, _ = _on_page(state, question, ranked)
    for column, (name, items) in zip(st.columns(len(arms), gap="medium"), arms.items(), strict=True):
        with column:
            _title(state, name, ranked, shown)
            _grid(gallery, items, labels, ranks.get("after" if name == "before" else "before"), name, ranked)
    if shown in ranked.part.groups:
        st.button("Show every group", icon=":material/close:", on_click=SHOWN_GROUP.put, args=(state, None))


def _leaves(state: AppState, question: results.Asked, ranked: RankResult) -> None:
    """The other pages of the pictures, one item of this page in a window: what an answer needs not."""
    arms, page, total = _on_page(state, question, ranked)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if total > 1:
            st.session_state[_page_key(state)] = page  # the last one where there are fewer now, as the pictures show
            st.pagination(total, max_visible_pages=3, key=_page_key(state), on_change=answer_first.ask)
        item.chooser(state, question.gallery, arms)
    item.opened(state, question, _arms(ranked))


def _arms(ranked: RankResult) -> dict[str, ArmResult]:
    return {"before": ranked.before} | ({"after": ranked.after} if ranked.after else {})


def _on_page(state: AppState, question: results.Asked, ranked: RankResult) -> tuple[dict[str, Ranked], int, int]:
    """Each list's items on the chosen page, of the chosen group alone where one is; that page, and how many."""
    arms = {name: _ranked(arm) for name, arm in _arms(ranked).items()}
    shown = SHOWN_GROUP.of(state)
    if shown in ranked.part.groups:
        labels = question.gallery.labels(ranked.request.attribute)
        arms = {name: [(rank, row) for rank, row in items if labels[row] == shown] for name, items in arms.items()}
    size = grids.PAGE if len(arms) == 2 else 2 * grids.PAGE
    total = grids.pages(max(map(len, arms.values())), size)
    page = min(st.session_state.get(_page_key(state), 1), total)
    return {name: items[(page - 1) * size : page * size] for name, items in arms.items()}, page, total


def _page_key(state: AppState) -> str:
    """Another question begins at the first page, a switched neuron stays on it."""
    asked = [state.query, state.k, state.attribute, dict(state.where), SHOWN_GROUP.of(state)]
    return f"page-{digest_of(asked)[:12]}"


def _uploads(state: AppState, question: results.Asked, ranked: RankResult) -> None:
    """Where the session's uploads would stand, apart from the items that are counted."""
    listed = upload_ranks.places(state, question, ranked)
    if not listed:
        return
    k, both = ranked.request.k, ranked.after is not None
    st.markdown("**Your uploads** :small[:gray[the place each would take; part of no share]]")

    def place(at: int | None) -> str:
        return f"{at}." if at else f"after {k}"

    words = [
        f"{place(p.before)} → {place(p.after)}" if both and (p.before or p.after) else place(p.before) for p in listed
    ]
    tiles = [grids.uploaded(p.upload.picture, p.upload.name, text) for p, text in zip(listed, words, strict=True)]
    grids.grid(tiles[:UPLOADS], "uploads")


def _ranked(arm: ArmResult) -> Ranked:
    return [(rank, int(row)) for rank, row in enumerate(arm.rows, 1)]


def _title(state: AppState, name: str, ranked: RankResult, shown: str | None) -> None:
    moved = ""
    if ranked.difference is not None:
        came = len(ranked.difference.entered)
        moved = f" :small[:gray[{came} left]]" if name == "before" else f" :small[:gray[{came} new]]"
    st.markdown(f"**{name.capitalize()}**{moved}" + (f" :small[only {escape(shown)}]" if shown else ""))


def _grid(
    gallery: Gallery,
    items: Ranked,
    labels: grids.Groups,
    other: Mapping[int, int] | None,
    arm: str,
    ranked: RankResult,
) -> None:
    captions = [grids.ranked_caption(rank, row, labels, other, arm) for rank, row in items]
    tiles = grids.tiles(gallery, [row for _, row in items], captions, labels)
    grids.grid(tiles, arm, empty="None of this group among the nearest.")

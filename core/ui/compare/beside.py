"""Side by side: the question beside another prompt, method or edit, or beside a query of added and subtracted terms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.config import Edit, InputError
from core.gallery import Gallery
from core.statistics import ALPHA, Estimate
from core.ui.parts import grids, provenance, shares
from core.ui.parts.frame import not_interpreted, unknown_words
from core.ui.parts.shares import Shares
from core.ui.parts.wording import in_points, listing, switched_words
from core.ui.session import results
from core.ui.session.choices import BESIDE
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.prompts import suggestions
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import AppState, get_state
from core.verdicts import list_line, p_text, target_name

if TYPE_CHECKING:
    from core.ranking import ArmResult, RankResult

KINDS = {"prompt": "Another prompt", "method": "Another method", "edit": "Another edit", "terms": "Added terms"}
SHOWN = 8
"""Items of each list."""
FULL_PRINT = 110
ABOUT_TERMS = (
    "Each term is embedded by itself and made as long as every other; what is added minus what is subtracted is the "
    "query. It is a direction in the model's space, not a sentence that the model has read, and no audit asks it."
)
NOTHING = "the model as it is"
Terms = list[tuple[int, str]]


def view(state: AppState, question: results.Asked) -> None:
    """What differs, then both lists, whom each prefers, and the difference over the same items."""
    kind, value = _chosen(state, question)
    st.session_state["beside-kind"] = kind
    st.segmented_control(
        "What differs", KINDS, format_func=KINDS.__getitem__, required=True, key="beside-kind", on_change=_take_kind
    )
    _field(state, question, kind, value)
    kind, value = _chosen(state, question)
    if kind == "prompt" and question.scene.model is not None:
        unknown_words(value)
        if (reason := not_interpreted(value)) is not None:
            st.info(f"Nothing is ranked for “{escape(value)}”: {reason}.", icon=":material/info:")
            return
    if kind == "terms":
        st.caption(ABOUT_TERMS)
    other = asked_beside(state, question, kind, value)
    with progress("Ranking both", at_once=False):
        pair = results.ranking(question), results.ranking(other)
    for ranked in pair:
        if ranked.reason is not None:
            raise InputError(f"{ranked.reason}; there is no list to compare")
    _draw(state, question, pair, (_named(question), _named(other, value if kind == "terms" else None)))


def first(state: AppState, question: results.Asked, kind: str) -> str:
    """What a kind begins with."""
    if kind == "prompt":
        return next((text for text in suggestions(question.gallery) if text != state.query), state.query)
    if kind == "method":
        known = _methods(question)
        return next((name for name in known if name != state.method), state.method)
    return "" if kind == "edit" else written([(1, "doctor"), (-1, "man"), (1, "woman")])


def _chosen(state: AppState, question: results.Asked) -> tuple[str, str]:
    """The kind and its value, as the link holds them. InputError where it is no such thing."""
    kind, colon, value = (BESIDE.of(state) or "prompt:").partition(":")
    if not colon or kind not in KINDS:
        raise InputError(f"beside was {BESIDE.of(state)!r}; expected {listing([f'{k}:…' for k in KINDS])}")
    return kind, value or first(state, question, kind)


def _take_kind() -> None:
    BESIDE.put(get_state(), f"{st.session_state['beside-kind']}:")


def _field(state: AppState, question: results.Asked, kind: str, value: str) -> None:
    """The control of one kind; what it holds becomes the choice when it is sent."""
    if kind == "method":
        known = _methods(question)
        names = list(dict.fromkeys([*known, value]))
        picked = st.selectbox("Method of B", names, names.index(value), format_func=lambda n: known.get(n, n))
        BESIDE.put(state, f"method:{picked}")
        return
    with st.form(f"beside-{kind}", border=False):
        fields = st.columns([2, 2, 1] if kind == "terms" else [4, 1], vertical_alignment="bottom")
        if kind == "prompt":
            text = _prompt(state, question.gallery, fields[0], value)
        elif kind == "edit":
            text = fields[0].text_input(
                "Neurons that are off in B", value, placeholder=f"for example 3, 7; empty: {NOTHING}", max_chars=200
            )
        else:
            terms = parsed(value)
            held = [", ".join(t for sign, t in terms if sign == wanted) for wanted in (1, -1)]
            plus = fields[0].text_input("Add these terms", held[0], max_chars=120, help="Commas between them")
            minus = fields[1].text_input("Subtract these terms", held[1], max_chars=120, help="Commas between them")
            text = written([(1, t) for t in _split(plus)] + [(-1, t) for t in _split(minus)])
        if fields[-1].form_submit_button("Compare", width="stretch"):
            BESIDE.put(state, f"{kind}:{text}")


def _prompt(state: AppState, gallery: Gallery, place: "st.delta_generator.DeltaGenerator", value: str) -> str:
    if only_known_prompts(state, gallery):
        listed = list(dict.fromkeys([*gallery.prompts, value]))
        return str(place.selectbox("Prompt of B", listed, listed.index(value)))
    return str(place.text_input("Prompt of B", value, max_chars=240))


def _methods(question: results.Asked) -> dict[str, str]:
    """Names and titles of the methods that can answer here."""
    from core.interventions import INTERVENTIONS

    reasons = results.unavailable(question)
    return {name: INTERVENTIONS.get(name).title for name in INTERVENTIONS if name not in reasons}


# -- the other question -----------------------------------------------------------------------------------------------


def asked_beside(state: AppState, question: results.Asked, kind: str, value: str) -> results.Asked:
    """The question of B: that of the page with one thing changed; attribute, k, target and part are shared."""
    attribute = question.request.attribute
    if kind == "prompt":
        return results.asked(replace(state, query=" ".join(value.split())), attribute)
    if kind == "method":
        return results.asked(replace(state, method=value), attribute)
    if kind == "edit":
        side, neurons = question.gallery.side, neurons_of(value)
        edits = {side: Edit(neurons)} if neurons else {}
        if edits and side not in state.saes:
            raise InputError("no SAE is chosen, so no neuron can be off; choose one in Data & models")
        return results.asked(replace(state, edits=edits, method="neuron-edit"), attribute)
    from core.scene import added_terms

    query = added_terms(question.scene, parsed(value))
    return replace(question, request=replace(question.request, query=None, query_embedding=query.tolist()))


def neurons_of(text: str) -> tuple[int, ...]:
    """Neurons as numbers with commas or blanks between them; none for an empty text."""
    if not re.fullmatch(r"[\s,]*([0-9]{1,9}([\s,]+|$))*", text):
        raise InputError(f"the neurons were {text!r}; expected numbers with commas, for example 3, 7")
    return tuple(dict.fromkeys(int(number) for number in re.findall("[0-9]+", text)))


def _split(text: str) -> list[str]:
    return [term for part in text.replace("|", " ").split(",") if (term := " ".join(part.split()))]


def written(terms: Terms) -> str:
    """Terms as the link holds them: `+doctor|-man|+woman`."""
    return "|".join(f"{'+' if sign > 0 else '-'}{text}" for sign, text in terms)


def parsed(text: str) -> Terms:
    """What `written` wrote; InputError for anything else."""
    terms = []
    for part in filter(None, text.split("|")):
        if part[0] not in "+-" or not part[1:].strip():
            raise InputError(f"a term was {part!r}; expected + or - and a text, for example +doctor|-man|+woman")
        terms.append((1 if part[0] == "+" else -1, " ".join(part[1:].split())))
    return terms


# -- both lists -------------------------------------------------------------------------------------------------------


def _named(question: results.Asked, terms: str | None = None) -> str:
    """One of the two in words, without markup."""
    from core.interventions import INTERVENTIONS

    request = question.request
    said = f"“{request.query}”"
    if terms is not None:
        said = "terms " + " ".join(f"{'+' if sign > 0 else '−'} {text}" for sign, text in parsed(terms))
    off = [switched_words(edit, side) for side, edit in request.edits.items() if edit.neurons]
    if request.method != "neuron-edit":
        off = [INTERVENTIONS.get(request.method).title]
    return f"{said}, {' and '.join(off) or NOTHING}"


def _draw(
    state: AppState, question: results.Asked, pair: tuple["RankResult", "RankResult"], names: tuple[str, str]
) -> None:
    from core.ranking import two_lists
    from core.ranking.two_lists import shown

    change, arms = two_lists(*pair), dict(zip("AB", map(shown, pair), strict=True))
    part, k, attribute = pair[0].part, pair[0].request.k, pair[0].request.attribute
    labels = question.gallery.labels(attribute)
    for column, (letter, arm), name in zip(st.columns(2, gap="medium"), arms.items(), names, strict=True):
        with column:
            st.markdown(f"**{letter}** {escape(name)}  \n{escape(list_line(arm.numbers.to_json()))}")
            ranked = [(rank, int(row)) for rank, row in enumerate(arm.rows[:SHOWN], 1)]
            captions = [grids.ranked_caption(rank, row, labels, None, letter) for rank, row in ranked]
            grids.grid(grids.tiles(question.gallery, [row for _, row in ranked], captions, labels), f"beside-{letter}")
    effect = change.effect
    if effect is not None:
        differ = sum(effect.exchange.leaves) + sum(effect.exchange.enters)
        verdict = "differ beyond chance" if effect.p <= ALPHA else "do not differ beyond chance"
        p = p_text(effect.p, effect.smallest_p)
        shared = k - len(set(arms["A"].ids) - set(arms["B"].ids))
        st.markdown(
            f"**The groups of A and B {verdict}** :small[:gray[({p}; {shared} of {k} items are in both, {differ} "
            "with a known group in one of them alone)]]"
            if differ
            else f"**A and B retrieve the same groups** :small[:gray[({shared} of {k} items are in both)]]"
        )
    lines = provenance.of(state, question) | {"A": names[0], "B": names[1]}
    shares.chart(
        Shares(
            part.groups,
            {letter: arm.numbers.lean for letter, arm in arms.items()},
            part.target.tolist(),
            target_name(pair[0].request.target),
        ),
        key="beside-shares",
        name="side-by-side",
        alt=f"Shares of {attribute} in the top {k} of A, {names[0]}, and of B, {names[1]}.",
        print_width=FULL_PRINT,
        lines={name: text for name, text in lines.items() if name not in ("prompt", "method", "edit")},
    )
    st.markdown(table(part.groups, arms, change.shares))


def table(groups: Sequence[str], arms: Mapping[str, "ArmResult"], differences: Mapping[str, Estimate]) -> str:
    """Lean of each group in both lists and the difference of its shares, with intervals, as a Markdown table."""
    lines = ["| group | lean of A, points | lean of B, points | B − A, points |", "|---|---|---|---|"]
    for place, group in enumerate(groups):
        leans = [in_points(arm.numbers.lean.groups[place].points) for arm in arms.values()]
        lines.append(f"| {escape(group)} | {leans[0]} | {leans[1]} | **{in_points(differences[group])}** |")
    return "\n".join(lines)

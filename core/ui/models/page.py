"""Models: which galleries stand side by side, what is asked of them, and what stands in the way of it."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.access import may
from core.config import InputError
from core.gallery import Gallery
from core.ui.models import answer
from core.ui.parts import provenance
from core.ui.parts.frame import guard
from core.ui.parts.heading import heading
from core.ui.parts.wording import TARGET_CHOICES, listing
from core.ui.session import cache, folders, jobs, why_results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.prompts import short
from core.ui.session.state import TARGETS, AppState, get_state

if TYPE_CHECKING:
    from core.benchmark.side_by_side import ModelsRequest

FIRST_SET = "occupations"
MOST = 60
"""Prompts that are asked at once."""
FIRST_KNOWN = 12
"""Known prompts that are chosen before anybody chose."""
CHOSEN: Choice[list[str]] = Choice("models-galleries", [])
"""Galleries as they were last chosen, the one whose labels count first."""
FOUND: Choice[dict[str, Any] | None] = Choice("models-found", None)
"""The document of the last comparison."""
HOW = (
    "Models are compared on the same items: make a second gallery of the same pictures or captions by another model "
    "(or by the same one at another precision, or fine-tuned) in **Data & models**, or by `python -m core gallery "
    "build` with another `--model`, or import its embeddings with the same ids. Then choose both here."
)


def models() -> None:
    """The whole page."""
    state = get_state()
    st.html(answer.STYLE)
    heading("Models", "The same items as several models embed them: which of them leans, and by how much")
    with guard():
        _ask(state)
    found = FOUND.of(state)
    if found is not None:
        with guard():
            answer.show(found)
            provenance.strip(answer.facts(found))


def _ask(state: AppState) -> None:
    """Galleries, prompts and the button; what stands in its way is said beside it."""
    galleries = _galleries(state)
    if not galleries:
        return
    first = galleries[0]
    attribute, k, target, button = st.columns([1.6, 0.8, 1.4, 1], vertical_alignment="bottom")
    groups_of = attribute.selectbox(
        "Groups of", first.attributes, _place(state, first), key=f"models-attribute-{first.digest[:12]}"
    )
    size = int(
        k.number_input(
            "k", 1, first.n, _usual_k(first), help="How many are retrieved", key=f"models-k-{first.digest[:12]}"
        )
    )
    against = target.selectbox("Target", TARGETS, format_func=TARGET_CHOICES.__getitem__, key="models-target")
    prompts, why = _prompts(galleries)
    why = _why_not(galleries) or why
    go = button.button(
        "Compare them",
        key="models-compare",
        type="primary",
        icon=":material/compare_arrows:",
        width="stretch",
        disabled=why is not None,
    )
    if why is not None:
        st.info(escape(why), icon=":material/info:")
        return
    where = dict(state.where) if set(state.where) <= set(first.attributes) else {}
    part = " and ".join(f"{column} = {value}" for column, value in where.items())
    st.caption(
        f"Labels are those of {escape(first.name)}; rows are matched by id. Measured on its evaluation half, or on "
        "all rows of a gallery without halves"
        + (f", of {escape(part)} alone, as chosen on Compare" if part else "")
        + ". The lean depends on no target."
    )
    if go:
        from core.benchmark.side_by_side import ModelsRequest

        queries = tuple(why_results.prompts_of(prompts))
        request = ModelsRequest(str(groups_of), queries, size, against, where=where)
        if len(request.queries) > MOST:
            raise InputError(f"{len(request.queries)} prompts were given; at most {MOST} are asked at once: take fewer")
        FOUND.put(state, _compare(galleries, request))


# -- galleries --------------------------------------------------------------------------------------------------------


def _galleries(state: AppState) -> list[Gallery]:
    """The chosen galleries, opened; empty where there is nothing to compare yet, which is said."""
    CHOSEN.put(state, CHOSEN.of(state) or [state.gallery])
    chosen = st.multiselect(
        "Galleries of the same items, one a model",
        list(dict.fromkeys([state.gallery, *folders.offered("galleries"), *CHOSEN.of(state)])),
        format_func=_named,
        accept_new_options=may("choose"),
        placeholder="Choose two or more",
        help="The labels of the first one count; the others are matched with it by id",
        **CHOSEN.mirrored(state),
    )
    if len(chosen) < 2:
        st.info("Choose at least two galleries of the same items.", icon=":material/info:")
        st.caption(HOW)
        return []
    return [cache.gallery(name) for name in chosen]


def _named(name: str) -> str:
    """A gallery's own name with the model that embedded it; what cannot be opened by the name that was given."""
    try:
        gallery = cache.gallery(name)
    except InputError:
        return name
    return f"{gallery.name} · {gallery.fingerprint('pooled').model}"


def _why_not(galleries: Sequence[Gallery]) -> str | None:
    """Why these galleries cannot stand side by side, in words; None where they can."""
    from core.benchmark.side_by_side import other_items

    first = galleries[0]
    if not first.attributes:
        return f"gallery {first.name} has no attribute, so there are no groups to count; begin with one that has labels"
    for gallery in galleries[1:]:
        parts = [cache.stamp_of(first), cache.stamp_of(gallery)]
        if why := cache.result("other items", parts, partial(other_items, first, gallery)):
            return why
    return None


def _place(state: AppState, first: Gallery) -> int:
    name = state.attribute_in(first.attributes)
    return first.attributes.index(name) if name in first.attributes else 0


def _usual_k(first: Gallery) -> int:
    """100, or a tenth of the rows where there are few."""
    return min(100, max(first.n // 10, 1))


# -- prompts ----------------------------------------------------------------------------------------------------------


def _prompts(galleries: Sequence[Gallery]) -> tuple[str, str | None]:
    """The prompts, one a line, and why nothing can be asked."""
    from core.benchmark.side_by_side import common_prompts
    from core.prompts import PromptList, shipped_lists

    known = common_prompts(galleries)
    if known is not None:
        names = listing([gallery.name for gallery in galleries if gallery.prompts])
        if not known:
            return (
                "",
                f"{names} came with embeddings of prompts, none in common; import them with the same ones",
            )
        chosen = st.multiselect(
            "Prompts",
            known,
            default=known[:FIRST_KNOWN],
            format_func=short,
            help=f"{escape(names)} came with embeddings of prompts instead of a text encoder: "
            f"these {len(known)} can be asked",
        )
        st.caption(
            f"No text encoder goes with {escape(names)}: only the {len(known)} prompts can be asked whose embeddings "
            "came with every such gallery."
        )
        return "\n".join(chosen), None if chosen else "choose at least one prompt"
    which, typed = st.columns([1, 2.6])
    sets = shipped_lists()
    named = which.selectbox("Set of prompts", sets, sets.index(FIRST_SET) if FIRST_SET in sets else 0)
    first = "\n".join(PromptList.load(named).prompts[:MOST])
    which.caption("Embedded by each gallery's own text encoder, which is loaded when they are compared.")
    text = typed.text_area("Prompts, one a line", first, height=132, key=f"models-prompts-{named}")
    return text, None if text.strip() else "write at least one prompt"


def _compare(galleries: Sequence[Gallery], request: "ModelsRequest") -> dict[str, Any]:
    from core.benchmark.side_by_side import compare_models

    parts = [[cache.stamp_of(gallery) for gallery in galleries], request.to_json()]
    with jobs.progress("Comparing models") as report:
        return cache.result("models", parts, lambda: compare_models(galleries, request, report))

"""Where the numbers on a page come from: one line to read, a block to copy, a link that restores the view."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from core.config import Edit, InputError, digest_of
from core.ui.parts.figures import for_a_phone
from core.ui.session import cache, fit, links
from core.ui.session.choices import PHONE
from core.ui.session.escaping import escape
from core.ui.session.probing import Probe
from core.ui.session.results import Asked
from core.ui.session.state import OWN_TARGET, AppState, get_state
from core.verdicts import OWN_SHARES, target_name

PRINT, PRINT_WIDTH, NARROW = 10, 130, 62
"""Size of the small print under a figure in pixels, and letters on one of its lines, on a page and in half a column."""
PHONE_PRINT = 52
"""Letters on a line of small print on a phone."""
SHORT = 8
"""Hex digits of a digest that are shown; the copied block has them all."""


def of(state: AppState, question: Asked) -> dict[str, str]:
    """Everything that a ranking on the page depends on, in words, in reading order."""
    gallery, request = question.gallery, question.request
    lines = {
        "prompt": str(request.query),
        "gallery": f"{gallery.name}, {gallery.n:,} items, digest {gallery.digest}",
        "model": gallery.fingerprint("pooled").describe(),
    }
    for side, sae in question.scene.saes.items():
        lines[f"{side} SAE"] = f"{sae.name}, digest {sae.digest}"
    for side, edit in request.edits.items():
        lines[f"{side} edit"] = f"neurons {_numbers(edit)}, {_manner(edit)}, digest {edit.digest}"
    if not request.edits:
        lines["edit"] = "none"
    if request.method != "neuron-edit":
        lines["method"] = request.method
    if request.prompts is not None:
        lines["prompts"] = f"{request.prompts.name}, digest {request.prompts.digest}"
    if gallery.together is not None:
        lines["together"] = f"by {gallery.together}"
    part = ", ".join(f"{column} = {value}" for column, value in request.where.items()) or "everything"
    lines |= {"attribute": request.attribute, "k": str(request.k), "target": _target(request.target)}
    return lines | {"part": part, "rows": request.half, "seed": str(request.seed)}


def loaded(state: AppState) -> dict[str, str]:
    """What every page depends on, where no ranking is asked: what is loaded, what is switched, which part is looked at.

    What cannot be opened stands there by its name; the page itself says why. An SAE that does not fit is left out.
    """
    lines, gallery = {}, None
    try:
        gallery = cache.current_gallery(state)
        lines["gallery"] = f"{gallery.name}, {gallery.n:,} items, digest {gallery.digest}"
        lines["model"] = gallery.fingerprint("pooled").describe()
        if gallery.together is not None:
            lines["together"] = f"by {gallery.together}"
    except InputError:
        lines["gallery"] = f"{state.gallery} (not there)"
    for side, name in state.saes.items():
        try:
            card = cache.sae_card(name)
            if gallery is None or not fit.misfit(card, side, gallery):
                lines[f"{side} SAE"] = f"{card.name}, digest {card.digest}"
        except InputError:
            lines[f"{side} SAE"] = f"{name} (not there)"
    for side, edit in state.edits.items():
        lines[f"{side} edit"] = f"neurons {_numbers(edit)}, {_manner(edit)}, digest {edit.digest}"
    if not state.edits:
        lines["edit"] = "none"
    if state.query:
        lines["prompt"] = state.query
    part = ", ".join(f"{column} = {value}" for column, value in state.where.items()) or "everything"
    if state.attribute:
        lines["attribute"] = state.attribute
    lines |= {"k": str(state.k), "target": OWN_SHARES if state.target == OWN_TARGET else target_name(state.target)}
    return lines | {"part": part, "rows": state.half, "seed": "0"}


def probed(probe: Probe) -> dict[str, str]:
    """What the numbers of neurons depend on: where they are looked at, in which rows, and no prompt or edit."""
    gallery = probe.gallery
    return {
        "gallery": f"{gallery.name}, {gallery.n:,} items, digest {gallery.digest}",
        "model": gallery.fingerprint("pooled").describe(),
        f"{gallery.side} SAE": f"{probe.sae.name}, digest {probe.sae.digest}",
        "part": ", ".join(f"{column} = {value}" for column, value in probe.where.items()) or "everything",
        "rows": f"{len(probe.rows):,}",
    }


def of_settings(gallery: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """What the numbers of a finished benchmark or study depend on, by its own settings: what is chosen now may differ.

    Parameters
    ----------
    gallery : name of the measured gallery.
    """
    digest = f", digest {settings['gallery']}" if "gallery" in settings else ""
    lines = {"gallery": f"{gallery}{digest}"}
    for side, edit in dict(settings.get("edits") or {}).items():
        lines[f"{side} edit"] = f"neurons {', '.join(map(str, edit['neurons'])) or 'none'}"
    lines |= {name: str(settings[name]) for name in ("method", "attribute", "k") if name in settings}
    if "target" in settings:
        lines["target"] = _target(settings["target"])
    if "where" in settings:
        lines["part"] = ", ".join(f"{column} = {value}" for column, value in settings["where"].items()) or "everything"
    return lines | {title: str(settings[key]) for title, key in (("rows", "half"), ("seed", "seed")) if key in settings}


def foot() -> None:
    """The strip at the foot of a page that draws none of its own."""
    strip(loaded(get_state()))


def chart(
    figure: go.Figure,
    print_width: int = PRINT_WIDTH,
    left: int | None = 0,
    lines: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """`st.plotly_chart` of a figure that says where its numbers come from when it leaves the page.

    Parameters
    ----------
    lines : what its numbers depend on; None: all that is loaded and chosen.
    """
    state = get_state()
    if PHONE.of(state):
        figure, print_width, left = for_a_phone(figure), min(print_width, PHONE_PRINT), None
    return st.plotly_chart(carrying(figure, lines or loaded(state), print_width, left), **options)


def carrying(
    figure: go.Figure, lines: Mapping[str, str], print_width: int = PRINT_WIDTH, left: int | None = 0
) -> go.Figure:
    """The figure with the facts in small print below it, digests cut to their beginning.

    Parameters
    ----------
    left : how far the small print begins left of the plot, in pixels, where the figure's own left margin is known;
        None: it ends where the plot ends.
    """
    text = small_print(lines, print_width)
    bottom = figure.layout.margin.b if figure.layout.margin.b is not None else 40
    more, layout = len(text) * (PRINT + 4), figure.layout
    # set one by one: `update_layout` merges the whole layout, which took five times as long as making the figure
    layout.annotations = (*layout.annotations, _small_print("<br>".join(text), bottom, left))
    layout.margin.b = bottom + more
    if layout.height is not None:
        layout.height += more
    return figure


def small_print(lines: Mapping[str, str], width: int) -> list[str]:
    """The facts in lines of at most so many letters, digests cut to their beginning."""
    kept = {name: _cut(value) for name, value in lines.items()}
    if "model" in kept:
        kept["model"] = kept["model"].partition(",")[0]
    return textwrap.wrap(" · ".join(f"{name}: {value}" for name, value in kept.items()), width)


def _small_print(text: str, bottom: float, left: float | None) -> dict[str, Any]:
    """An annotation at the lower edge of a figure whose margin there is `bottom` pixels high."""
    return {
        "x": 1 if left is None else 0,
        "y": 0,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "right" if left is None else "left",
        "yanchor": "top",
        "xshift": -(left or 0),
        "yshift": -bottom,
        "text": text,
        "align": "left",
        "showarrow": False,
        "font": {"size": PRINT, "color": "#7d8590"},
    }


def _target(target: str | Mapping[str, float]) -> str:
    """The target in words; own shares with their digest."""
    if isinstance(target, str):
        return target_name(target)
    return f"{OWN_SHARES}, digest {digest_of(dict(target))}"


def _numbers(edit: Edit) -> str:
    return ", ".join(map(str, edit.neurons)) or "none"


def _manner(edit: Edit) -> str:
    alpha = f", alpha {edit.alpha:g}" if edit.form == "blend" else ""
    if edit.strengths or edit.gammas:
        return f"strengths and values of their own, scaled by {edit.strength:g}, {edit.form}{alpha}"
    return f"strength {edit.strength:g}, gamma {edit.gamma:g}, {edit.form}{alpha}"


def one_line(lines: Mapping[str, str]) -> str:
    """The facts on one line, digests cut to their beginning."""
    return " · ".join(f"{name}: {_cut(value)}" for name, value in lines.items())


def _cut(value: str) -> str:
    text, there, digest = value.partition("digest ")
    return f"{text}{digest[:SHORT]}" if there else text


def strip(lines: Mapping[str, str], notes: Sequence[str] = ()) -> None:
    """The line at the foot of a page, with all of it to copy and the link to exactly this view.

    `notes` are warnings about these numbers, for example what could not be compared.
    """
    for note in notes:
        st.caption(f":material/info: {escape(note)}")
    address = f"{(st.context.url or '').split('?')[0]}?{links.query_string()}"
    with st.container(horizontal=True, vertical_alignment="center", key="provenance"):
        st.caption(escape(one_line(lines)), width="stretch")
        with st.popover("Copy", icon=":material/content_copy:"):
            st.code(
                "\n".join([*(f"{name}: {value}" for name, value in lines.items()), *notes]),
                language=None,
                wrap_lines=True,
            )
            st.code(address, language=None, wrap_lines=True)
            st.caption("The link restores gallery, model, SAE, prompt, groups and what is switched.")

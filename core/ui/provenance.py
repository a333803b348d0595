"""Where the numbers on a page come from: one line to read, a block to copy, a link that restores the view."""

from collections.abc import Mapping

import streamlit as st

from core.config import Edit, Side
from core.ui import links
from core.ui.wording import TARGET_NAMES

SHORT = 8
"""Hex digits of a digest that are shown; the copied block has them all."""


def facts(
    gallery: tuple[str, int, str],
    model: str,
    saes: Mapping[Side, tuple[str, str]],
    edits: Mapping[Side, Edit],
    k: int,
    attribute: str,
    target: str,
    filters: Mapping[str, str],
    half: str,
    seed: int,
    query: str,
) -> dict[str, str]:
    """Everything that a number on the page depends on, in words, in reading order.

    Parameters
    ----------
    gallery : name, number of items, digest.
    saes : side -> name and digest.
    """
    name, n, digest = gallery
    lines = {"prompt": query, "gallery": f"{name}, {n:,} items, digest {digest}", "model": model}
    for side, (sae, sae_digest) in saes.items():
        lines[f"SAE ({side})"] = f"{sae}, digest {sae_digest}"
    for side, edit in edits.items():
        lines[f"edit ({side})"] = f"neurons {_numbers(edit)}, {_manner(edit)}, digest {edit.digest}"
    if not edits:
        lines["edit"] = "none"
    part = ", ".join(f"{column} = {value}" for column, value in filters.items()) or "everything"
    lines |= {"attribute": attribute, "k": str(k), "target": TARGET_NAMES.get(target, target)}
    lines |= {"part of the gallery": part, "rows": half, "seed": str(seed)}
    return lines


def _numbers(edit: Edit) -> str:
    return ", ".join(map(str, edit.neurons)) or "none"


def _manner(edit: Edit) -> str:
    alpha = f", alpha {edit.alpha:g}" if edit.form == "blend" else ""
    return f"strength {edit.strength:g}, gamma {edit.gamma:g}, {edit.form}{alpha}"


def one_line(lines: Mapping[str, str]) -> str:
    """The facts on one line, digests cut to their beginning."""
    return " · ".join(f"{name}: {_cut(value)}" for name, value in lines.items())


def _cut(value: str) -> str:
    text, found, digest = value.partition("digest ")
    return f"{text}{digest[:SHORT]}" if found else text


def strip(lines: Mapping[str, str]) -> None:
    """The line at the foot of a page, with all of it to copy and the link to exactly this view."""
    address = f"{(st.context.url or '').split('?')[0]}?{links.query_string()}"
    with st.container(horizontal=True, vertical_alignment="center", key="provenance"):
        st.caption(one_line(lines), width="stretch")
        with st.popover("Copy", icon=":material/content_copy:", help="All of this as text, and a link to this view"):
            st.code("\n".join(f"{name}: {value}" for name, value in lines.items()), language=None, wrap_lines=True)
            st.code(address, language=None, wrap_lines=True)
            st.caption("The link restores gallery, model, SAE, prompt, groups and what is switched.")

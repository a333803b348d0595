"""What is loaded, at a glance: provenance and licence, group sizes with the unknown ones, some of the items."""

import random
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.config import SIDES, UNKNOWN, InputError
from core.ui.parts.facts import pairs, sae_line
from core.ui.parts.frame import guard
from core.ui.parts.grids import escape as plain
from core.ui.session import cache
from core.ui.session.state import get_state

if TYPE_CHECKING:
    from core.gallery import Gallery

BARS = 9
"""Groups of an attribute with a bar of their own; the smaller ones are summed in one line."""
ATTRIBUTES = 6
"""Attributes counted in plain view; of a gallery with more, the rest are one click away."""
PICTURES, PICTURE_PX = 12, 73
BAR, NOBODY = "#3d8bc4", "repeating-linear-gradient(45deg, #8a929b 0 3px, transparent 3px 6px)"
KINDS = {"images": "pictures", "captions": "captions"}


def everything() -> None:
    """Pictures, groups and provenance of what is loaded."""
    with guard():
        pictures(cache.current_gallery())
        st.header("How many of each group", anchor=False)
        group_sizes(cache.current_gallery())
    st.header("Where it comes from", anchor=False)
    loaded()


def pictures(gallery: "Gallery") -> None:
    """A strip of items drawn at random, always the same for the same gallery."""
    rows = sorted(random.Random(gallery.digest).sample(range(gallery.n), min(PICTURES, gallery.n)))
    shown = [(row, gallery.thumb(row)) for row in rows]
    if any(picture for _, picture in shown):
        seen = [(row, picture) for row, picture in shown if picture]
        names = [f"Item {gallery.item_id(row)} of the gallery {gallery.name}" for row, _ in seen]
        with st.container(key="grid-overview"):
            st.image([picture for _, picture in seen], width=PICTURE_PX, alt=names)
    elif gallery.kind == "captions":
        st.caption(" · ".join(f"“{plain(gallery.text(row))}”" for row in rows[:6]))
    else:
        st.caption("This gallery has embeddings and labels, but no pictures.")


def group_sizes(gallery: "Gallery") -> None:
    """How many items of each group there are, unknown ones included: a bar and a count each."""
    if not gallery.attributes:
        st.caption("This gallery has no attributes, so that no group can be counted: import it with a table.")
        return
    _attributes(gallery, gallery.attributes[:ATTRIBUTES])
    rest = gallery.attributes[ATTRIBUTES:]
    if rest:
        with st.expander(f"{len(rest)} more: {plain(', '.join(rest))}", icon=":material/bar_chart:"):
            _attributes(gallery, rest)


def _attributes(gallery: "Gallery", names: list[str]) -> None:
    blocks = "".join(_attribute(gallery, name) for name in names)
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:14px 32px">{blocks}</div>')


def _attribute(gallery: "Gallery", attribute: str) -> str:
    counts = gallery.group_counts(attribute)
    unknown = counts.pop(UNKNOWN, 0)
    groups = sorted(counts.items(), key=lambda pair: -pair[1]) if len(counts) > BARS else list(counts.items())
    rest = groups[BARS:]
    lines = [_bar(group, n, max(counts.values(), default=0), gallery.n) for group, n in groups[:BARS]]
    if rest:
        lines.append(_bar(f"{len(rest)} smaller groups", sum(n for _, n in rest), 0, gallery.n))
    lines.append(_bar(UNKNOWN, unknown, max(counts.values(), default=0), gallery.n, NOBODY))
    return (
        '<div style="flex:1 1 215px;max-width:400px">'
        f'<div style="font-weight:600;margin-bottom:2px">{escape(attribute)}</div>'
        '<div style="display:grid;grid-template-columns:minmax(72px,max-content) 1fr max-content;gap:1px 10px;'
        f'align-items:center;font-size:.875rem">{"".join(lines)}</div></div>'
    )


def _bar(group: str, n: int, largest: int, total: int, colour: str = BAR) -> str:
    width = 100 * n / max(largest, n, 1)
    share = f"{100 * n / max(total, 1):.0f} %" if n else "–"
    return (
        f"<div>{escape(group)}</div>"
        f'<div aria-hidden="true"><div style="height:.62em;border-radius:2px;background:{colour};width:{width:.1f}%">'
        "</div></div>"
        f'<div style="text-align:right;font-variant-numeric:tabular-nums">{n:,} <span style="opacity:.65">({share})'
        "</span></div>"
    )


def loaded() -> None:
    """Gallery, model and SAEs with provenance, licence and digests."""
    left, right = st.columns(2, gap="large")
    with left:
        pairs(_gallery_lines())
    with right:
        pairs(_model_lines())


def _gallery_lines() -> dict[str, str]:
    state = get_state()
    try:
        gallery = cache.current_gallery(state)
    except InputError as error:
        return {"Gallery": str(error)}
    about = gallery.manifest
    kept = about["split"].get("together")
    together = {"Together": f"by {kept['column']}, {kept['clusters']:,} clusters; each in one half"} if kept else {}
    return {
        "Gallery": f"**{gallery.name}**: {gallery.n:,} {KINDS[gallery.kind]}, `{gallery.digest[:8]}`",
        **together,
        "Where from": about.get("provenance") or "not stated",
        "Licence": about.get("licence") or "not stated",
    }


def _model_lines() -> dict[str, str]:
    state = get_state()
    lines = {"Model": f"**{state.model}**" + (f" {state.pretrained}" if state.pretrained else "")}
    try:
        gallery = cache.current_gallery(state)
        lines["Embedded by"] = gallery.fingerprint().describe()
        probe = cache.current_probe(state)
        own = probe is gallery
        lines["Neurons found in"] = "the gallery's own probe half" if own else f"**{state.probe or probe.name}**"
    except InputError:
        pass  # the gallery's own lines say what is wrong
    return lines | {f"SAE, {side} side": sae_line(state.saes[side], side) for side in SIDES if side in state.saes}

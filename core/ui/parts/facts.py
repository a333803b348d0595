"""Names with values, and an SAE's size and quality in words."""

import re
from html import escape

import streamlit as st

from core.config import InputError, Side
from core.ui.parts.grids import escape as plain
from core.ui.session import cache, fit

UNUSED = "made for other embeddings: not in use here"
"""Said of an SAE that is chosen and does not read what is loaded."""
QUALITY = {
    "fvu": ("fvu", "fraction of variance unexplained: 0 reconstructs perfectly, 1 is no better than the mean"),
    "l0": ("l0", "neurons active per item, on average: few are easier to read"),
    "dead_fraction": ("dead", "share of the neurons that never fire on the gallery: they are capacity without use"),
}


def pairs(lines: dict[str, str]) -> None:
    """A short list of names and values; in a value, `code` and **strong** are marked as in Markdown."""
    rows = "".join(
        f'<div style="opacity:.7">{escape(name)}</div><div style="overflow-wrap:anywhere">{_marked(value)}</div>'
        for name, value in lines.items()
    )
    st.html(
        '<div style="display:grid;grid-template-columns:minmax(90px,max-content) 1fr;gap:5px 16px;font-size:.9rem;'
        f'line-height:1.4">{rows}</div>'
    )


def _marked(value: str) -> str:
    strong = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(value))
    return re.sub(r"`(.+?)`", r'<code style="font-size:.85em;opacity:.8">\1</code>', strong)


def sae_line(name: str, side: Side) -> str:
    """Name, size and quality of the SAE of a side in one line; only its name where it does not fit what is loaded."""
    try:
        card = cache.sae_card(name)
        if fit.misfit(card, side, cache.current_gallery()):
            return f"{card.name}: {UNUSED}"
    except InputError as error:
        return str(error)
    known = [
        f"{short} {card.quality[key]:.3g}" for key, (short, _) in QUALITY.items() if card.quality.get(key) is not None
    ]
    where = f", {card.fingerprint.attach}" if card.fingerprint else ""
    parts = ", ".join([f"{card.d_sae:,} neurons{where}", *known])
    return f"**{card.name}**: {parts}, `{card.digest[:8]}`"


def quality(name: str) -> None:
    """Quality numbers of an SAE with what they mean."""
    card = cache.sae_card(name)
    with st.container(horizontal=True):
        st.metric(
            "neurons",
            f"{card.d_sae:,}",
            border=True,
            help=f"{plain(card.arch)}, k = {card.k}, embeddings of {card.d_in}",
        )
        for key, (short, meaning) in QUALITY.items():
            value = card.quality.get(key)
            st.metric(short, "not measured" if value is None else f"{value:.3g}", border=True, help=meaning)
    st.caption(" · ".join(f"**{short}**: {meaning}" for short, meaning in QUALITY.values()))
    trained = card.fingerprint.describe() if card.fingerprint else "unknown (a file of another project)"
    st.caption(f"Made for {plain(trained)}. Digest `{card.digest}`")

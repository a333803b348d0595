"""Pictures and captions in grids: small JPEGs as they were packed, a rank and a group in words under each.

Every picture has an alternative text. What a colour says is also said by a sign or a word.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.gallery import Gallery
from core.ui.session.escaping import escape as escape

PAGE = 16
"""Items a grid shows at once: before, after, and what came and went stay below 60 pictures together."""
STRIP = 42
"""Pixels of a picture in a strip that only hints at what a neuron is."""

STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-left: 2.25rem; padding-right: 2.25rem; }
[class*="st-key-grid"] [data-testid="stImage"] { gap: 6px; }
[class*="st-key-grid"] [data-testid="stImage"] img { aspect-ratio: 1; object-fit: cover; border-radius: 6px; }
[class*="st-key-grid"] [data-testid="stImageCaption"] p {
  font-size: 0.8rem; line-height: 1.15; margin: 0; overflow-wrap: break-word;
}
[class*="st-key-grid-strip"] [data-testid="stImage"] { gap: 3px; }
.st-key-sentence [data-testid="stMarkdownContainer"] p { line-height: 1.4; }
</style>"""

Groups = np.ndarray | Sequence[str | None]
"""(n,) group of every item of a gallery; None: not known."""


@dataclass(frozen=True)
class Tile:
    """One item of a grid."""

    picture: bytes
    """JPEG; empty for a caption or where there is no picture."""
    text: str
    """The caption, or what stands for a missing picture."""
    caption: str
    """Short Markdown under the picture: rank, change, group."""
    alt: str
    """What a person who does not see the picture is told."""


def tiles(gallery: Gallery, rows: Iterable[int], captions: Iterable[str], groups: Groups | None = None) -> list[Tile]:
    """Items of a gallery as tiles.

    Parameters
    ----------
    rows : (m,) row numbers, in the order in which they are shown.
    captions : (m,) Markdown under each.
    groups : (n,) group of every item of the gallery; None where the group is not to be told.
    """
    shown = []
    for row, caption in zip(rows, captions, strict=True):
        name = gallery.item_id(row)
        group = "" if groups is None else f", {groups[row] or 'unknown group'}"
        text = gallery.text(row) or name
        shown.append(Tile(gallery.thumb(row), text, caption, f"Item {name}{group}"))
    return shown


def uploaded(picture: bytes, name: str, value: str) -> Tile:
    """An upload as a tile: marked as such, and never with a group."""
    return Tile(picture, name, f":violet-badge[upload]  \n{value}", f"Your upload {name}")


def grid(items: Sequence[Tile], key: str, width: int = 72, empty: str = "Nothing to show here.") -> None:
    """Tiles in reading order: pictures where there are any, else a list of texts."""
    if not items:
        st.caption(empty)
        return
    with st.container(key=f"grid-{key}", gap="xsmall"):
        if any(item.picture for item in items):
            drawn = [_source(item.picture) if item.picture else _blank(item.text) for item in items]
            st.image(drawn, caption=[i.caption for i in items], width=width, alt=[i.alt for i in items])
        else:
            _texts(items)


def _source(picture: bytes) -> str:
    """A small picture as its own address: Streamlit would decode, shrink and encode bytes anew at every run.

    That took 1 ms of the script's time for each picture, and a request of its own in the browser.
    """
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _texts(items: Sequence[Tile]) -> None:
    """A caption gallery as a list, one line each: rank or value, what is said, then the group."""
    for item in items:
        first, _, rest = item.caption.partition("  \n")
        after = f"\u2002:small[:gray[{rest}]]" if rest else ""
        st.markdown(f":small[:gray[{first}]]\u2002{escape(item.text)}{after}")


def _blank(text: str) -> str:
    """A grey square with the item's name, for items without a picture."""
    name = "".join(c for c in text[:12] if c.isalnum() or c in " .-_")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="84" height="84"><rect width="84" height="84" fill="#7d8590" '
        f'opacity="0.25"/><text x="42" y="46" font-size="11" text-anchor="middle" fill="#7d8590">{name}</text></svg>'
    )


def strip(gallery: Gallery, rows: Iterable[int], key: str, what: str, width: int = STRIP) -> None:
    """A row of small pictures (or the first captions) that shows what a neuron answers to."""
    rows = list(rows)
    pictures = [gallery.thumb(row) for row in rows]
    with st.container(key=f"grid-strip-{key}"):
        if any(pictures):
            names = [f"{what}: item {gallery.item_id(row)}" for row in rows]
            st.image([_source(p) if p else _blank("") for p in pictures], width=width, alt=names)
        else:
            st.caption("  \n".join(escape(gallery.text(row) or gallery.item_id(row)) for row in rows[:3]))


# -- ranks ------------------------------------------------------------------------------------------------------------


def moved(rank: int, rank_before: int | None) -> str:
    """How an item's rank changed, as a sign with a number: ▲3, ▼5, = or new. Markdown."""
    if rank_before is None:
        return ":violet-badge[new]"
    if rank_before == rank:
        return ":gray[=]"
    return f":blue[▲{rank_before - rank}]" if rank_before > rank else f":orange[▼{rank - rank_before}]"


def ranked_caption(rank: int, row: int, groups: Groups, other: Mapping[int, int] | None, arm: str) -> str:
    """Rank, change and group under one item of a ranking. Markdown.

    Parameters
    ----------
    groups : (n,) group of every item of the gallery, None unknown.
    other : row -> rank in the other arm's top k; None where there is no other arm.
    arm : "before" marks what left the top k, "after" marks how each item moved.
    """
    change = ""
    if other is not None and arm == "after":
        change = f" {moved(rank, other.get(row))}"
    elif other is not None and row not in other:
        change = " :gray-badge[left]"
    return f"**{rank}**{change}  \n{readable(groups[row])}"


def readable(group: str | None) -> str:
    """A group's name as Markdown that may break after an underscore; unknown in grey."""
    return ":gray[unknown]" if group is None else escape(group).replace("\\_", "\\_\u200b")


def pages(n: int, size: int = PAGE) -> int:
    """Number of pages for n items, at least 1."""
    return max(1, -(-n // size))

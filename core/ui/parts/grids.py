"""Pictures and captions in grids: small JPEGs as they were packed, a rank and a group in words under each.

Every picture has an alternative text. What a colour says is also said by a sign or a word.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

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
.st-key-sentence [data-testid="stMarkdownContainer"] p { line-height: 1.4; }
</style>"""

JS = """
const SPLIT = "\\u200b";  // a long name may break after an underscore

export default function ({ data, parentElement }) {
  let tiles = parentElement.querySelector(".tiles");
  if (!tiles) {
    tiles = document.createElement("div");
    parentElement.append(tiles);
  }
  tiles.className = data.strip ? "tiles strip" : "tiles";
  tiles.style.setProperty("--tile", `${data.width}px`);
  while (tiles.children.length > data.tiles.length) tiles.lastElementChild.remove();
  data.tiles.forEach((tile, i) => show(tiles.children[i] ?? tiles.appendChild(made()), tile));
}

function made() {
  const figure = document.createElement("figure");
  figure.append(document.createElement("img"), document.createElement("figcaption"));
  return figure;
}

// Only what differs from the answer before is touched: a switch leaves most pictures where they are.
function show(figure, { source, alt, lines }) {
  const [picture, caption] = figure.children, said = JSON.stringify(lines);
  if (picture.getAttribute("src") !== source) picture.src = source;
  if (picture.alt !== alt) picture.alt = alt;
  if (figure.said === said) return;
  figure.said = said;
  caption.replaceChildren(...lines.map((pieces) => {
    const line = document.createElement("div");
    line.append(...pieces.map(([text, look]) => {
      const piece = document.createElement("span");
      piece.className = look;
      piece.textContent = text.replaceAll("_", `_${SPLIT}`);
      return piece;
    }));
    return line;
  }));
}
"""
CSS = """
.tiles { display: flex; flex-wrap: wrap; gap: 6px; color: var(--st-text-color); font-family: var(--st-font); }
.tiles.strip { gap: 3px; }
.tiles figure { margin: 0; width: var(--tile); }
.tiles img { display: block; width: var(--tile); height: var(--tile); object-fit: cover; border-radius: 6px; }
.tiles figcaption {
  margin-top: 4px; font-size: 0.8rem; line-height: 1.2; text-align: center; overflow-wrap: break-word;
}
.tiles figcaption:empty { margin: 0; }
.tiles span + span { margin-left: 0.3em; }
.tiles .strong { font-weight: 600; }
.tiles .gray { color: var(--st-gray-text-color); }
.tiles .blue { color: var(--st-blue-text-color); }
.tiles .orange { color: var(--st-orange-text-color); }
.tiles .gray-badge, .tiles .violet-badge { padding: 0 4px; border-radius: 4px; }
.tiles .gray-badge { color: var(--st-gray-text-color); background: var(--st-gray-background-color); }
.tiles .violet-badge { color: var(--st-violet-text-color); background: var(--st-violet-background-color); }
"""

_tiles = st.components.v2.component("unskew_tiles", css=CSS, js=JS, isolate_styles=False)

Groups = np.ndarray | Sequence[str | None]
"""(n,) group of every item of a gallery; None: not known."""
Look = Literal["", "strong", "gray", "blue", "orange", "gray-badge", "violet-badge"]
MARKS: dict[Look, tuple[str, str]] = {
    "": ("", ""),
    "strong": ("**", "**"),
    "gray": (":gray[", "]"),
    "blue": (":blue[", "]"),
    "orange": (":orange[", "]"),
    "gray-badge": (":gray-badge[", "]"),
    "violet-badge": (":violet-badge[", "]"),
}
"""What stands before and after a piece in Markdown, for captions of items without pictures."""
Line = tuple[tuple[str, Look], ...]
"""Pieces of a line of a caption with their looks; text is shown as it is, whatever stands in it."""
Caption = tuple[Line, ...]


@dataclass(frozen=True)
class Tile:
    """One item of a grid."""

    picture: bytes
    """JPEG; empty for a caption or where there is no picture."""
    text: str
    """The caption, or what stands for a missing picture."""
    caption: Caption
    """What stands under the picture: rank, change, group."""
    alt: str
    """What a person who does not see the picture is told."""


def said(*lines: str) -> Caption:
    """A caption of plain lines."""
    return tuple(((line, ""),) for line in lines if line)


def tiles(
    gallery: Gallery, rows: Iterable[int], captions: Iterable[Caption], groups: Groups | None = None
) -> list[Tile]:
    """Items of a gallery as tiles.

    Parameters
    ----------
    rows : (m,) row numbers, in the order in which they are shown.
    captions : (m,) what stands under each.
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
    return Tile(picture, name, ((("upload", "violet-badge"),), *said(value)), f"Your upload {name}")


def grid(items: Sequence[Tile], key: str, width: int = 72, empty: str = "Nothing to show here.") -> None:
    """Tiles in reading order: pictures where there are any, else a list of texts."""
    if not items:
        st.caption(empty)
        return
    if any(item.picture for item in items):
        _draw(items, key, width)
        return
    with st.container(key=f"grid-{key}", gap="xsmall"):
        _texts(items)


def _draw(items: Sequence[Tile], key: str, width: int, close: bool = False) -> None:
    """Pictures with their captions by a component of ours.

    `st.image` reads every caption as Markdown and makes every picture of an answer anew in the browser: a third of
    what a switch on Compare took there.

    Parameters
    ----------
    close : pictures of a strip stand closer.
    """
    shown = [
        {"source": _source(item.picture) if item.picture else _blank(item.text), "alt": item.alt, "lines": item.caption}
        for item in items
    ]
    _tiles(key=f"grid-{key}", data={"tiles": shown, "width": width, "strip": close}, height="content")


def _source(picture: bytes) -> str:
    """A small picture as its own address: no request of its own in the browser."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _texts(items: Sequence[Tile]) -> None:
    """A caption gallery as a list, one line each: rank or value, what is said, then the group."""
    for item in items:
        first, rest = item.caption[:1], " ".join(_markdown(line) for line in item.caption[1:])
        before = f":small[:gray[{_markdown(first[0])}]]\u2002" if first else ""
        after = f"\u2002:small[:gray[{rest}]]" if rest else ""
        st.markdown(f"{before}{escape(item.text)}{after}")


def _markdown(line: Line) -> str:
    """A line of a caption as Markdown."""
    return " ".join(f"{MARKS[look][0]}{escape(text)}{MARKS[look][1]}" for text, look in line)


def _blank(text: str) -> str:
    """A grey square with the item's name, for items without a picture, as an address."""
    name = "".join(c for c in text[:12] if c.isalnum() or c in " .-_")
    return "data:image/svg+xml," + quote(
        '<svg xmlns="http://www.w3.org/2000/svg" width="84" height="84"><rect width="84" height="84" fill="#7d8590" '
        f'opacity="0.25"/><text x="42" y="46" font-size="11" text-anchor="middle" fill="#7d8590">{name}</text></svg>'
    )


def strip(gallery: Gallery, rows: Iterable[int], key: str, what: str, width: int = STRIP) -> None:
    """A row of small pictures (or the first captions) that shows what a neuron answers to."""
    rows = list(rows)
    pictures = [gallery.thumb(row) for row in rows]
    if any(pictures):
        names = [f"{what}: item {gallery.item_id(row)}" for row in rows]
        drawn = [Tile(picture, "", (), name) for picture, name in zip(pictures, names, strict=True)]
        _draw(drawn, f"strip-{key}", width, close=True)
        return
    with st.container(key=f"grid-strip-{key}"):
        st.caption("  \n".join(escape(gallery.text(row) or gallery.item_id(row)) for row in rows[:3]))


# -- ranks ------------------------------------------------------------------------------------------------------------


def moved(rank: int, rank_before: int | None) -> tuple[str, Look]:
    """How an item's rank changed, as a sign with a number: ▲3, ▼5, = or new."""
    if rank_before is None:
        return "new", "violet-badge"
    if rank_before == rank:
        return "=", "gray"
    return (f"▲{rank_before - rank}", "blue") if rank_before > rank else (f"▼{rank - rank_before}", "orange")


def ranked_caption(rank: int, row: int, groups: Groups, other: Mapping[int, int] | None, arm: str) -> Caption:
    """Rank, change and group under one item of a ranking.

    Parameters
    ----------
    groups : (n,) group of every item of the gallery, None unknown.
    other : row -> rank in the other arm's top k; None where there is no other arm.
    arm : "before" marks what left the top k, "after" marks how each item moved.
    """
    change: Line = ()
    if other is not None and arm == "after":
        change = (moved(rank, other.get(row)),)
    elif other is not None and row not in other:
        change = (("left", "gray-badge"),)
    return ((str(rank), "strong"), *change), of_group(groups[row])


def of_group(group: str | None) -> Line:
    """A group's name; unknown in grey."""
    return (("unknown", "gray"),) if group is None else ((str(group), ""),)


def pages(n: int, size: int = PAGE) -> int:
    """Number of pages for n items, at least 1."""
    return max(1, -(-n // size))

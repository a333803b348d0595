"""What a point of the map is, in pictures, while the pointer rests on it."""

import base64
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.ui.parts import grids
from core.ui.parts.frame import guarded
from core.ui.parts.grids import Tile
from core.ui.session import probing

PLOT = "map-plot"
"""Key of the container that holds the figure."""
MOST = 6
"""Pictures, or a third of it captions, of one neuron."""

HTML = '<div class="card" role="tooltip" hidden></div>'
CSS = """
.card { position: fixed; z-index: 1000; pointer-events: none; padding: 8px 10px; border-radius: 8px; max-width: 400px;
  font-family: var(--st-font); font-size: 14px; line-height: 1.3; color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  box-shadow: 0 4px 16px rgba(0, 0, 0, 0.18); }
.card[hidden] { display: none; }
.row { display: flex; gap: 4px; margin-top: 6px; }
.row img { width: 56px; height: 56px; object-fit: cover; border-radius: 5px; }
.row.one img { width: 128px; height: 128px; }
"""
JS = """
// a pointer that only passes by asks for nothing
const REST_MS = 120;
export default function ({ data, parentElement, setStateValue }) {
  const card = parentElement.querySelector(".card");
  const kept = (parentElement.unskew ??= { strips: new Map(), hooked: new WeakSet(), now: null, at: [0, 0] });
  if (data.number !== null) kept.strips.set(data.number, data);
  const draw = () => {
    const strip = kept.strips.get(kept.now);
    card.hidden = !strip;
    if (!strip) return;
    const title = document.createElement("div");
    title.textContent = strip.title;
    const row = document.createElement("div");
    row.className = strip.items.length === 1 ? "row one" : "row";
    const lines = [];
    for (const item of strip.items) {
      if (item.picture) {
        const picture = document.createElement("img");
        picture.src = "data:image/jpeg;base64," + item.picture;
        picture.alt = item.alt;
        row.append(picture);
      } else {
        const line = document.createElement("div");
        line.textContent = item.text;
        lines.push(line);
      }
    }
    card.replaceChildren(title, row, ...lines);
    const [x, y] = kept.at, box = card.getBoundingClientRect();
    card.style.left = Math.max(4, Math.min(x + 18, innerWidth - box.width - 8)) + "px";
    card.style.top = (y + 26 + box.height > innerHeight ? Math.max(4, y - box.height - 34) : y + 26) + "px";
  };
  const over = (event) => {
    const number = event.points?.[0]?.customdata?.[0];
    kept.now = number ?? null;
    kept.at = [event.event?.clientX ?? 0, event.event?.clientY ?? 0];
    draw();
    if (number === undefined || kept.strips.has(number)) return;
    setTimeout(() => kept.now === number && setStateValue("pointed", number), REST_MS);
  };
  const out = () => { kept.now = null; draw(); };
  // the figure is drawn anew for another map: it is found when the pointer comes
  const look = (event) => {
    const plot = event.target.closest?.(`.st-key-${data.plot} .js-plotly-plot`);
    if (!plot?.on || kept.hooked.has(plot)) return;
    kept.hooked.add(plot);
    plot.on("plotly_hover", (e) => kept.over(e));
    plot.on("plotly_unhover", () => kept.out());
  };
  Object.assign(kept, { over, out });
  document.addEventListener("pointermove", look, true);
  draw();
  return () => document.removeEventListener("pointermove", look, true);
}
"""

_card = st.components.v2.component("unskew_map_hover", html=HTML, css=CSS, js=JS)


@st.fragment
@guarded
def card(probe: probing.Probe, kind: str) -> None:
    """A strip of pictures (or captions) beside the pointer; only this runs when it comes to rest on a point.

    Parameters
    ----------
    kind : the map that is shown, see core.ui.neurons.maps.POINTS.
    """
    key = f"map-hover-{kind}"
    pointed = st.session_state.get(key, {}).get("pointed")
    most = probe.gallery.n if kind == "items" else probe.sae.sae.config.d_sae
    number = pointed if isinstance(pointed, int) and 0 <= pointed < most else None
    data: dict[str, Any] = {"plot": PLOT, "number": number, "title": "", "items": []}
    if number is not None:
        name = probe.gallery.item_id(number) if kind == "items" else str(number)
        data |= {
            "title": f"{'item' if kind == 'items' else 'neuron'} {name}",
            "items": _items(tiles(probe, kind, number)),
        }
    _card(key=key, data=data, on_pointed_change=lambda: None, height="content")


def tiles(probe: probing.Probe, kind: str, number: int) -> list[Tile]:
    """The item itself, or the items on which the neuron fires most."""
    rows = [number] if kind == "items" else [int(row) for row in probing.shown_examples(probe, number).top.rows[:MOST]]
    made = grids.tiles(probe.gallery, rows, [()] * len(rows))
    return made if any(tile.picture for tile in made) else made[: MOST // 2]


def _items(shown: Sequence[Tile]) -> list[dict[str, str]]:
    return [{"picture": base64.b64encode(tile.picture).decode(), "text": tile.text, "alt": tile.alt} for tile in shown]

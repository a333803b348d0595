"""Keys of the Label page: one press one button, into the text field and out, and twelve answers in a row."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.ui.parts.grids import Tile

KEYS = """
export default function ({ data }) {
  // whatever neuron is on the page at the moment of the press: its number is in the class between the two parts
  const find = ([start, end]) => [...document.querySelectorAll(`[class*="st-key-${start}"]`)]
    .filter((e) => [...e.classList].some((c) => c.startsWith(`st-key-${start}`) && c.endsWith(end)))
    .map((e) => e.querySelector("button, input")).find((e) => e && !e.disabled);
  let looks = 40;
  const first = () => {
    const name = find(data.name);
    if (name && !name.value) name.focus();
    else if (!name && looks-- > 0) setTimeout(first, 100);
  };
  first();
  const listen = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const active = document.activeElement;
    if (["INPUT", "TEXTAREA", "SELECT"].includes(active?.tagName)) return;
    const place = data.keys[event.key.toLowerCase()];
    const target = place && find(place);
    if (!target) return;
    event.preventDefault();
    if (target.tagName === "INPUT") target.focus();
    else if (!event.repeat) target.click();
  };
  // last of all listeners, so that Streamlit has taken the text before the field is left
  const leave = (event) => {
    const active = document.activeElement;
    if (["Enter", "Escape"].includes(event.key) && active?.tagName === "INPUT") active.blur();
  };
  document.addEventListener("keydown", listen, true);
  window.addEventListener("keydown", leave);
  return () => {
    document.removeEventListener("keydown", listen, true);
    window.removeEventListener("keydown", leave);
  };
}
"""

BOARD_HTML = '<div class="board" role="list"></div>'
BOARD_CSS = """
.board { display: flex; flex-wrap: wrap; gap: 10px; font-family: var(--st-font); color: var(--st-text-color); }
.item { width: 120px; padding: 5px; border-radius: 8px; border: 2px solid transparent; cursor: pointer; }
.item.now { border-color: var(--st-primary-color); }
.item img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 6px; display: block; }
.item .words { font-size: 14px; line-height: 1.3; min-height: 60px; }
.item .answer { font-size: 13px; min-height: 18px; margin-top: 3px; }
"""
BOARD_JS = """
const NAMES = { 1: "1 surely not", 2: "2 rather not", 3: "3 rather yes", 4: "4 surely" };
export default function ({ data, parentElement, setTriggerValue }) {
  const board = parentElement.querySelector(".board");
  const grades = new Array(data.items.length).fill(0);
  let now = 0, sent = false;
  board.replaceChildren(...data.items.map((item, place) => {
    const box = document.createElement("div");
    box.setAttribute("role", "listitem");
    box.onclick = () => { now = place; draw(); };
    if (item.picture) {
      const picture = document.createElement("img");
      picture.src = "data:image/jpeg;base64," + item.picture;
      picture.alt = item.alt;
      box.append(picture);
    } else {
      const words = document.createElement("div");
      words.className = "words";
      words.textContent = item.text;
      box.append(words);
    }
    const answer = document.createElement("div");
    answer.className = "answer";
    box.append(answer);
    return box;
  }));
  const draw = () => [...board.children].forEach((box, place) => {
    box.className = place === now ? "item now" : "item";
    box.lastChild.textContent = NAMES[grades[place]] || (place === now ? "fires?" : "");
  });
  const listen = (event) => {
    if (sent || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (["INPUT", "TEXTAREA"].includes(document.activeElement?.tagName)) return;
    if (event.key in NAMES) {
      grades[now] = Number(event.key);
      const open = grades.indexOf(0);
      now = open < 0 ? now : open;
      if (open < 0) { sent = true; setTriggerValue("grades", grades); }
    } else if (event.key === "Backspace" && now > 0) {
      now -= 1;
      grades[now] = 0;
    } else if (event.key === "Escape") {
      sent = true;
      setTriggerValue("grades", []);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    draw();
  };
  draw();
  document.addEventListener("keydown", listen, true);
  return () => document.removeEventListener("keydown", listen, true);
}
"""

_keys = st.components.v2.component("unskew_keys", js=KEYS)
_board = st.components.v2.component("unskew_board", html=BOARD_HTML, css=BOARD_CSS, js=BOARD_JS)


def listen(keys: Mapping[str, tuple[str, str]], name: tuple[str, str]) -> None:
    """Let keys press buttons and lead into fields; Enter and Esc lead out of them. Put it outside of any fragment.

    Streamlit's own shortcuts stay alive on the buttons of the neuron before until the page has settled: one press
    reached two neurons. Here a press reaches the one widget that is there, and a held key presses once.

    Parameters
    ----------
    keys : for each key of the keyboard how the wanted widget's key begins and ends.
    name : the same for the field that has the focus first, as long as it is empty.
    """
    _keys(key="label-keys", data={"keys": {k: list(v) for k, v in keys.items()}, "name": list(name)}, height="content")


def prediction_board(key: str, tiles: Sequence[Tile]) -> list[int] | None:
    """Items to be graded 1 to 4 with the keys; the grades once all are given, [] for Esc, None until then."""
    items: list[dict[str, Any]] = [
        {"picture": base64.b64encode(tile.picture).decode(), "text": tile.text, "alt": tile.alt} for tile in tiles
    ]
    result = _board(key=f"board-{key}", data={"items": items}, on_grades_change=lambda: None)
    return None if result.grades is None else [int(grade) for grade in result.grades]

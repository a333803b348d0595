"""The prediction test of Label: twelve items, graded in a row with the keys 1 to 4."""

import base64
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.ui.parts.grids import Tile

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

_board = st.components.v2.component("unskew_board", html=BOARD_HTML, css=BOARD_CSS, js=BOARD_JS)


def prediction_board(key: str, tiles: Sequence[Tile]) -> list[int] | None:
    """Items to be graded 1 to 4 with the keys; the grades once all are given, [] for Esc, None until then."""
    items: list[dict[str, Any]] = [
        {"picture": base64.b64encode(tile.picture).decode(), "text": tile.text, "alt": tile.alt} for tile in tiles
    ]
    result = _board(key=f"board-{key}", data={"items": items}, on_grades_change=lambda: None)
    return None if result.grades is None else [int(grade) for grade in result.grades]

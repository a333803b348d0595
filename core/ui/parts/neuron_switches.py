"""Neurons on switches, each with what it answers to: all of a side in one component, and who hears a switch first.

A switch is told twice. At once to whoever listens on the page (`ear`), so that the answer alone is drawn again; and,
once that answer is there, to the part of the page that the switches stand in, which draws whatever else depends on
them. Where nobody listens it is told at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.config import Side

JS = """
const waiting = new Map();  // neuron -> whether it is on: what the part around the switches has not been told yet
let home = null, timer = 0;

export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".switches") ?? made(parentElement);
  if (home !== place) waiting.clear();
  home = place;
  place.side = data.side;
  place.tell = (changes) => setTriggerValue("switched", changes);
  const rows = place.querySelector(".rows");
  while (rows.children.length > data.rows.length) rows.lastElementChild.remove();
  data.rows.forEach((row, i) => show(rows.children[i] ?? rows.appendChild(rowOf(place)), row));
  place.querySelector(".help").textContent = data.help;
  if (waiting.size === 0) delete place.dataset.waiting;
}

function made(parent) {
  const place = document.createElement("div");
  place.className = "switches";
  place.innerHTML = '<button type="button" class="ask" aria-describedby="switches-help" aria-label="What the words '
    + 'mean">?</button><div class="help" id="switches-help" role="tooltip"></div><div class="rows"></div>';
  parent.append(place);
  return place;
}

function rowOf(place) {
  const row = document.createElement("div");
  row.innerHTML = '<label><input type="checkbox" role="switch"><span></span></label><div class="strip"></div>';
  const input = row.querySelector("input");
  input.onchange = () => {
    name(row, input.checked);
    tell(place, row.neuron, input.checked);
  };
  return row;
}

function name(row, on) {
  row.querySelector("span").textContent = `${row.neuron} ${on ? "on" : "off"}: ${row.why}`;
}

function show(row, { neuron, on, why, pictures, texts }) {
  // what a person has switched since is not taken back by an answer that knew nothing of it
  const now = waiting.has(neuron) ? waiting.get(neuron) : on, drawn = JSON.stringify([pictures, texts]);
  Object.assign(row, { neuron, why });
  row.querySelector("input").checked = now;
  name(row, now);
  if (row.drawn === drawn) return;
  row.drawn = drawn;
  row.querySelector(".strip").replaceChildren(
    ...pictures.map(([source, alt]) => Object.assign(document.createElement("img"), { src: source, alt })),
    ...texts.map((text) => Object.assign(document.createElement("div"), { textContent: text })),
  );
}

function tell(place, neuron, on) {
  waiting.set(neuron, on);
  place.dataset.waiting = "";
  const detail = { side: place.side, neuron, on };
  const heard = !window.dispatchEvent(new CustomEvent("unskew-switch", { detail, cancelable: true }));
  clearTimeout(timer);
  timer = setTimeout(settle, heard ? LONGEST : 0);
}

window.addEventListener("unskew-answered", () => {
  clearTimeout(timer);
  if (waiting.size) timer = setTimeout(settle, PAUSE);
});

function settle() {
  const changes = [...waiting];
  waiting.clear();
  if (changes.length && home.isConnected) home.tell(changes);
}
"""
EAR_JS = """
export default function ({ data, setTriggerValue }) {
  const hear = (event) => {
    event.preventDefault();
    setTriggerValue("heard", event.detail);
  };
  window.addEventListener("unskew-switch", hear);
  window.dispatchEvent(new CustomEvent("unskew-answered"));
  return () => window.removeEventListener("unskew-switch", hear);
}
"""
CSS = """
.switches { position: relative; color: var(--st-text-color); font-family: var(--st-font); font-size: 0.875rem; }
.switches .rows { display: flex; flex-direction: column; gap: 1rem; }
.switches label { display: flex; gap: 0.5rem; align-items: flex-start; padding-right: 1.5rem; cursor: pointer; }
.switches input {
  appearance: none; flex: none; position: relative; width: 2rem; height: 1rem; margin: 0.15rem 0 0; cursor: pointer;
  border-radius: 0.5rem; background: light-dark(#8b9198, #6d747c);
}
.switches input:checked { background: var(--st-primary-color); }
.switches input::before {
  content: ""; position: absolute; top: 2px; left: 2px; width: 0.75rem; height: 0.75rem; border-radius: 50%;
  background: #fff;
}
.switches input:checked::before { left: calc(100% - 0.75rem - 2px); }
.switches input:focus-visible, .switches .ask:focus-visible {
  outline: 2px solid var(--st-primary-color); outline-offset: 2px;
}
.switches label span { line-height: 1.3; overflow-wrap: anywhere; }
.switches .strip { display: flex; flex-wrap: wrap; gap: 3px; margin-top: 0.4rem; }
.switches .strip:empty { display: none; }
.switches .strip img { width: 42px; height: 42px; object-fit: cover; border-radius: 6px; }
.switches .strip div { flex-basis: 100%; font-size: 0.8rem; line-height: 1.3; color: var(--st-gray-text-color); }
.switches .ask {
  position: absolute; top: 0; right: 0; width: 1.15rem; height: 1.15rem; padding: 0; border-radius: 50%; z-index: 1;
  border: 1px solid currentcolor; background: transparent; color: var(--st-gray-text-color); font-size: 0.7rem;
  line-height: 1; cursor: help;
}
.switches .help {
  display: none; position: absolute; z-index: 5; top: 1.5rem; left: 0; right: 0; padding: 6px 10px; border-radius: 6px;
  line-height: 1.4; background: var(--st-background-color); border: 1px solid var(--st-border-color);
  box-shadow: 0 2px 8px rgba(0, 0, 0, 0.2);
}
.switches .ask:hover + .help, .switches .ask:focus-visible + .help { display: block; }
"""
PAUSE_MS, LONGEST_MS = 250, 20_000
"""From an answer until the rest of the page follows (whoever switches several neurons has not to wait between them),
and from a switch, should no answer come."""

_switches = st.components.v2.component(
    "unskew_switches", css=CSS, js=JS.replace("PAUSE", str(PAUSE_MS)).replace("LONGEST", str(LONGEST_MS)), isolate_styles=False
)
_ear = st.components.v2.component("unskew_ear", js=EAR_JS)

Take = Callable[[Mapping[int, bool]], None]
"""Told neurons, and whether each is on now."""


@dataclass(frozen=True)
class NeuronSwitch:
    """One neuron on a switch."""

    neuron: int
    on: bool
    """Whether the neuron does what it did: switched off it is not."""
    why: str
    """What it answers to; shown as it is."""
    pictures: Sequence[tuple[str, str]] = ()
    """Addresses and alternative texts of what fires it most."""
    texts: Sequence[str] = field(default=())
    """The same of captions."""


def switches(side: Side, rows: Sequence[NeuronSwitch], help_text: str, take: Take) -> None:
    """The switches of one side; `take` is told what was switched, before this part of the page is drawn."""
    key = f"switches-{side}"
    shown = [
        {"neuron": row.neuron, "on": row.on, "why": row.why, "pictures": list(row.pictures), "texts": list(row.texts)}
        for row in rows
    ]

    def told() -> None:
        take(_changes(st.session_state[key].get("switched")))

    data = {"side": side, "rows": shown, "help": help_text}
    _switches(key=key, data=data, on_switched_change=told, height="content")


def ear(take: Callable[[Side, Mapping[int, bool]], None]) -> None:
    """Have this part of a page, which is a fragment of its own, drawn again at once when a neuron is switched.

    Drawn last of all in it: that it is there tells the switches that the answer is.

    Parameters
    ----------
    take : told the side and the neuron, before this part is drawn.
    """
    key, count = "ear", "ear-heard"

    def told() -> None:
        heard = st.session_state[key].get("heard")
        if heard:
            st.session_state[count] = st.session_state.get(count, 0) + 1  # each is answered, whatever it changes
            take(heard["side"], _changes([[heard["neuron"], heard["on"]]]))

    _ear(key=key, data={"heard": st.session_state.get(count, 0)}, on_heard_change=told, height="content")


def _changes(said: Any) -> dict[int, bool]:
    """What a browser says of switches."""
    return {int(neuron): bool(on) for neuron, on in said or ()}

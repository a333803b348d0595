"""Keys of the keyboard: one press one button, into a field and out."""

from collections.abc import Mapping

import streamlit as st

KEYS = """
export default function ({ data }) {
  // whatever neuron is on the page at the moment of the press: its number is in the class between the two parts
  const find = ([start, end]) => [...document.querySelectorAll(`[class*="st-key-${start}"]`)]
    .filter((e) => [...e.classList].some((c) => c.startsWith(`st-key-${start}`) && c.endsWith(end)))
    .map((e) => e.querySelector("button, input")).find((e) => e && !e.disabled);
  let looks = 40;
  const first = () => {
    const name = data.name && find(data.name);
    if (name && !name.value) name.focus();
    else if (!name && looks-- > 0) setTimeout(first, 100);
  };
  if (data.name) first();
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

_keys = st.components.v2.component("unskew_keys", js=KEYS)


def listen(keys: Mapping[str, tuple[str, str]], name: tuple[str, str] | None = None) -> None:
    """Let keys press buttons and lead into fields; Enter and Esc lead out of them. Put it outside of any fragment.

    Streamlit's own shortcuts stay alive on the buttons of the neuron before until the page has settled: one press
    reached two neurons. Here a press reaches the one widget that is there, and a held key presses once.

    Parameters
    ----------
    keys : for each key of the keyboard how the wanted widget's key begins and ends.
    name : the same for the field that has the focus first, as long as it is empty; None: there is none.
    """
    data = {"keys": {k: list(v) for k, v in keys.items()}, "name": name and list(name)}
    _keys(key="page-keys", data=data, height="content")

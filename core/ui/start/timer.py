"""A timer in a window of its own: the presenter keeps it on the screen that the audience does not see."""

import streamlit as st

HTML = '<button class="timer" type="button">Timer in its own window</button>'
CSS = """
.timer { width: 100%; padding: 0.35rem 0.75rem; border-radius: 0.4rem; border: 1px solid var(--st-border-color);
  background: transparent; color: var(--st-text-color); font: inherit; cursor: pointer; }
.timer:focus-visible { outline: 2px solid var(--st-primary-color); }
"""
JS = """
export default function ({ parentElement }) {
  const button = parentElement.querySelector(".timer");
  button.onclick = () => {
    const own = window.open("", "unskew-timer", "width=260,height=130");
    if (!own) { button.textContent = "Allow pop-up windows for the timer"; return; }
    const began = Date.now();
    own.document.title = "Timer";
    const shown = own.document.createElement("p");
    shown.style.cssText = "font: 600 48px sans-serif; text-align: center; margin: 24px";
    own.document.body.replaceChildren(shown);
    const tick = () => {
      const s = Math.floor((Date.now() - began) / 1000);
      shown.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    };
    tick();
    own.setInterval(tick, 500);
  };
}
"""

_timer = st.components.v2.component("unskew_timer", html=HTML, css=CSS, js=JS)


def button() -> None:
    """A button that opens the timer; it counts from the press and ends with its window."""
    _timer(key="stage-timer", height="content")

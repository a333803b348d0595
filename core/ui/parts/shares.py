"""The shares of a list on a page: drawn in `shares_figure`, as wide as their place, with rows that can be clicked."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import streamlit as st

from core.ui.parts import provenance, shares_figure
from core.ui.parts.shares_figure import Shares
from core.ui.session.choices import PHONE
from core.ui.session.state import get_state

JS = """
const SPACE = "http://www.w3.org/2000/svg";
const PARTS = '<div class="drawing"></div><div class="told" role="tooltip" hidden></div>'
  + '<button type="button" class="save" title="Save as SVG" aria-label="Save the figure as SVG">'
  + '<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path fill="currentColor" '
  + 'd="M11 4h2v8l3-3 1.4 1.4L12 15.8l-5.4-5.4L8 9l3 3zM5 18h14v2H5z"/></svg></button>';

export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".shares") ?? made(parentElement);
  const drawing = place.querySelector(".drawing"), active = document.activeElement;
  const held = active && drawing.contains(active) ? active.dataset.group : null;
  if (place.svg !== data.svg) drawing.innerHTML = data.svg;
  Object.assign(place, data);
  place.choose = (group) => setTriggerValue("group", group);
  fit(place);
  if (held) [...drawing.querySelectorAll("[role=button]")].find((row) => row.dataset.group === held)?.focus();
}

// What answers is put in its place once; each drawing after that is put into it.
function made(parent) {
  const place = document.createElement("div");
  place.className = "shares";
  place.innerHTML = PARTS;
  parent.append(place);
  const drawing = place.querySelector(".drawing"), told = place.querySelector(".told");
  const rowOf = (event) => event.target.closest?.("[data-group]");
  const tell = (row, x, y) => {
    told.hidden = !row;
    if (!row) return;
    told.textContent = row.dataset.told;
    const box = place.getBoundingClientRect();
    told.style.left = `${Math.min(Math.max(x - box.left + 12, 0), Math.max(box.width - told.offsetWidth - 4, 0))}px`;
    told.style.top = `${y - box.top + 16}px`;
  };
  const choose = (row) => { if (row?.role === "button") place.choose(row.dataset.group); };
  drawing.onclick = (event) => choose(rowOf(event));
  drawing.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(rowOf(event));
  };
  drawing.onmousemove = (event) => tell(rowOf(event), event.clientX, event.clientY);
  drawing.onmouseleave = () => tell(null);
  drawing.addEventListener("focusin", (event) => {
    const row = rowOf(event), box = row?.getBoundingClientRect();
    if (row?.matches(":focus-visible")) tell(row, box.left, box.bottom - 12);
  });
  drawing.addEventListener("focusout", () => tell(null));
  place.querySelector(".save").onclick = () => save(drawing.firstElementChild, place.name);
  new ResizeObserver(() => fit(place)).observe(place);
  return place;
}

function fit(place) {
  const width = place.clientWidth, svg = place.querySelector(".drawing > svg");
  if (!width || !svg) return;
  svg.setAttribute("width", width);
  for (const plot of svg.querySelectorAll("svg.plot"))
    plot.setAttribute("width", Math.max(width - place.left - place.right, 40));
}

function save(svg, name) {
  const copy = svg.cloneNode(true), ground = document.createElementNS(SPACE, "rect");
  const look = { width: "100%", height: "100%", fill: "#ffffff" };
  for (const [key, value] of Object.entries(look)) ground.setAttribute(key, value);
  copy.prepend(ground);
  // numbers at the right need more room in the wider letters of a program that has not this font
  copy.setAttribute("width", Number(svg.getAttribute("width")) + 80);
  copy.setAttribute("color", "#262730");  // dark on white, whatever theme it was looked at in
  copy.setAttribute("font-family", getComputedStyle(svg).fontFamily);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  link.download = `${name}.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
"""
CSS = """
.shares { position: relative; color: var(--st-text-color); font-family: var(--st-font); }
.shares .row:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; }
.shares .row[role=button]:hover > rect { fill: #7d8590; fill-opacity: 0.1; }
.shares .told {
  position: absolute; z-index: 5; max-width: 32rem; padding: 6px 10px; border-radius: 6px; font-size: 14px;
  line-height: 1.4; white-space: pre-line; pointer-events: none; background: var(--st-background-color);
  border: 1px solid var(--st-border-color); box-shadow: 0 2px 8px rgba(0, 0, 0, 0.2);
}
.shares .save {
  position: absolute; top: 2px; right: 2px; padding: 3px; border: 0; border-radius: 4px; line-height: 0;
  color: inherit; background: transparent; opacity: 0; cursor: pointer;
}
.shares:hover .save, .shares .save:focus-visible { opacity: 0.75; }
"""

PHONE_PRINT = 70
"""Letters on a line of small print on a phone."""

_shares = st.components.v2.component("unskew_shares", css=CSS, js=JS, isolate_styles=False)


def chart(
    shares: Shares,
    key: str,
    name: str,
    alt: str,
    print_width: int,
    lines: Mapping[str, str] | None = None,
    take: Callable[[str], None] | None = None,
) -> None:
    """The figure, with where its numbers come from in small print below it.

    Many parameters: each is something that a page says of its figure.

    Parameters
    ----------
    name : of the file in which it is saved, without ending.
    print_width : letters on a line of small print.
    lines : what its numbers depend on; None: all that is loaded and chosen.
    take : told the group whose row was clicked; None: rows are no buttons.
    """
    state = get_state()
    shares = replace(shares, phone=PHONE.of(state))
    width = min(print_width, PHONE_PRINT) if shares.phone else print_width
    text = provenance.small_print(lines or provenance.loaded(state), width)

    def told() -> None:
        group = st.session_state[key].get("group")
        if group is not None and take is not None:
            take(str(group))

    _shares(
        key=key,
        data={
            "svg": shares_figure.svg(shares, text, alt, take is not None),
            "left": shares.left,
            "right": shares.right,
            "name": name,
        },
        on_group_change=told if take is not None else lambda: None,
        height="content",
    )

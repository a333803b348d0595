"""`python -m tests.browser.pictures [NAME ...]`: the guide's pictures, taken of the app on the built-in example.

Each stands in assets/guide/pictures twice, NAME.webp for the light theme and NAME-dark.webp for the dark one.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.browser import drawn, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = serving.ROOT / "assets" / "guide" / "pictures"
ASKED = "compare?q=a+photo+of+a+doctor&edit=image:7"
TAKEN = {
    "demo": ("?demo=3", ".st-key-stage .shares"),
    "compare": (ASKED, ".st-key-grid-before img"),
    "why": ("compare?q=a+photo+of+a+doctor&view=why", ".js-plotly-plot"),
    "numbers": (f"{ASKED}&view=numbers", "text=Distance to the target"),
    "neuron": ("neurons?neuron=image:7", ".js-plotly-plot"),
    "label": ("label", "[class*=filters-rater] input"),
    "ask": ("ask", ".js-plotly-plot >> nth=1"),
    "report": ("report", "text=Run the audit"),
    "own-gallery": ("data_and_models?view=gallery", "h1"),
}
"""Name -> the view, and what of it is drawn last."""
LOWER = dict.fromkeys(("compare", "numbers", "why"), ".st-key-sentence")
"""What is scrolled to the upper edge, where the view begins below the first screen."""
SIZE = {"width": 1040, "height": 660}
BARE = """document.addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = "[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none !important; }";
  document.head.append(style);
});"""
"""Leaves the sidebar out from the first drawing on, so that no figure is drawn for another width before."""
QUALITY = 78
WAIT_MS = 600_000
"""Nobody waits for a picture, and a cold server that is busy loads its models for minutes."""


def take(page: "Page", address: str, name: str) -> None:
    """Both pictures of a view."""
    view, last = TAKEN[name]
    page.add_init_script(BARE)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        serving.open_page(page, f"{address}/{view}")
        page.locator(last).first.wait_for()
        if name == "label":
            page.locator(last).fill("you")
            page.keyboard.press("Enter")
            page.locator("[class*=st-key-grid-] img").first.wait_for()
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
        drawn.rest(page)
        if name in LOWER:
            page.locator(LOWER[name]).evaluate("e => e.scrollIntoView()")
        page.mouse.move(0, 0)
        ending = "-dark" if theme == "dark" else ""
        Image.open(io.BytesIO(page.screenshot())).save(FOLDER / f"{name}{ending}.webp", quality=QUALITY, method=6)


def main(names: list[str]) -> int:
    """Take the pictures named, or all; 2 where there is no browser."""
    reason = serving.why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    serving.WAIT_MS = WAIT_MS
    with tempfile.TemporaryDirectory() as home, serving.served(UNSKEW_HOME=str(Path(home))) as address:
        for name in names or list(TAKEN):
            with serving.browser() as opened:
                take(opened.new_page(viewport=SIZE), address, name)
                print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The demo as a presenter walks through it: from opening the app on, and how long each step makes them wait."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser import serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEPS = 7
AHA = 3
"""The step at which the neuron is off: what the demo is there for."""
FACES = ".st-key-stage [class*=st-key-grid-strip]"
"""Rows of pictures, or of captions."""
CHART = ".st-key-stage .js-plotly-plot, .st-key-stage .shares"
SENTENCE = ".st-key-stage p, .st-key-stage li"
WITH_CHART = range(1, STEPS)


def at_step(page: "Page", number: int) -> None:
    """Wait until a step is drawn whole."""
    expect(page.locator("h1")).to_contain_text(f"{number} of {STEPS}")
    page.wait_for_selector(FACES)
    if number in WITH_CHART:
        page.wait_for_selector(CHART)
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    serving.settle(page)


def walked(page: "Page", address: str, turn: Callable[["Page"], None]) -> Iterator[tuple[int, float]]:
    """Each step once it is drawn, with the seconds that were waited for it; the first from opening the address on.

    Parameters
    ----------
    turn : leads from a step to the next.
    """
    page.set_default_timeout(serving.WAIT_MS)
    began = time.monotonic()
    page.goto(address)
    page.get_by_role("button", name="Ask").first.click()
    for number in range(1, STEPS + 1):
        at_step(page, number)
        yield number, time.monotonic() - began
        began = time.monotonic()
        if number < STEPS:
            turn(page)


def by_button(page: "Page") -> None:
    page.get_by_role("button", name="Next", exact=True).click()

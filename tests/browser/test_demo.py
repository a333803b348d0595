"""The demo at the size of a projector: faces, sentence and chart of every step lie within the window."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser import serving

FACES, CHART = ".st-key-stage [class*=st-key-grid-strip]", ".st-key-stage .js-plotly-plot"
"""Rows of pictures, or of captions."""
SENTENCE = ".st-key-stage p, .st-key-stage li"
WITH_CHART = range(1, 7)
WAITING_SECONDS = 120
"""From opening to the first faces on a busy machine; on a quiet one with two cores it takes some eight seconds."""


def bottom(page: Page, selector: str) -> float:
    return page.evaluate(
        "at => Math.max(...[...document.querySelectorAll(at)].map(e => e.getBoundingClientRect().bottom))", selector
    )


def at_step(page: Page, number: int) -> None:
    expect(page.locator("h1")).to_contain_text(f"{number} of 7")
    page.wait_for_selector(FACES)
    if number in WITH_CHART:
        page.wait_for_selector(CHART)
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    serving.settle(page)


@pytest.mark.parametrize(
    ("gallery", "presenting"), [("default", False), ("default", True), ("default-captions", False)]
)
def test_the_demo_from_the_first_click_to_the_last(page: Page, address: str, gallery: str, presenting: bool) -> None:
    page.set_default_timeout(serving.WAIT_MS)
    began = time.monotonic()
    page.goto(f"{address}/?gallery={gallery}")
    page.get_by_role("button", name="Ask").first.click()
    at_step(page, 1)
    assert time.monotonic() - began < WAITING_SECONDS
    if presenting:
        page.get_by_role("button", name="More", exact=True).click()
        page.get_by_text("Presenter view", exact=True).click()
        expect(page.locator("[data-testid=stSidebar]")).to_be_hidden()
        page.keyboard.press("Escape")
    for number in range(1, 8):
        at_step(page, number)
        for selector in (FACES, SENTENCE, *([CHART] if number in WITH_CHART else [])):
            assert bottom(page, selector) <= serving.SIZE["height"], (number, selector)
        assert page.locator(SENTENCE).last.inner_text()
        if number < 7:
            if presenting:
                page.locator("h1").click()
                page.keyboard.press("ArrowRight")
            else:
                page.get_by_role("button", name="Next", exact=True).click()

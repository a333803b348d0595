"""The demo at the size of a projector: faces, sentence and chart of every step lie within the window."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import serving, staged

WAITING_SECONDS = 120
"""From opening to the neuron that is off, reading not counted, on a machine that is busy with other tests; how long it
takes on a quiet one is what `python -m tests.benchmarks demo` says."""


def bottom(page: Page, selector: str) -> float:
    return page.evaluate(
        "at => Math.max(...[...document.querySelectorAll(at)].map(e => e.getBoundingClientRect().bottom))", selector
    )


def by_key(page: Page) -> None:
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")


@pytest.mark.parametrize(
    ("gallery", "presenting"), [("default", False), ("default", True), ("default-captions", False)]
)
def test_the_demo_from_the_first_click_to_the_last(page: Page, address: str, gallery: str, presenting: bool) -> None:
    waited = 0.0
    turn = by_key if presenting else staged.by_button
    for number, seconds in staged.walked(page, f"{address}/?gallery={gallery}", turn):
        waited += seconds
        if number == staged.AHA:
            assert waited < WAITING_SECONDS
        if presenting and number == 1:
            page.get_by_role("button", name="More", exact=True).click()
            page.get_by_text("Presenter view", exact=True).click()
            expect(page.locator("[data-testid=stSidebar]")).to_be_hidden()
            page.keyboard.press("Escape")
            staged.at_step(page, 1)
        for selector in (staged.FACES, staged.SENTENCE, *([staged.CHART] if number in staged.WITH_CHART else [])):
            assert bottom(page, selector) <= serving.SIZE["height"], (number, selector)
        assert page.locator(staged.SENTENCE).last.inner_text()

"""From a prompt to an opened report with the keyboard alone: Tab, Enter, Space, arrows and letters, never the mouse."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import drawn, serving
from tests.browser.serving import settle

MOST_TABS = 150
"""Presses of Tab within which anything on a page is reached."""
SEEN = """() => {
  const box = document.activeElement.closest("label, [data-testid=stElementContainer], a, button, details") ??
    document.activeElement, { top, bottom } = box.getBoundingClientRect();
  return top < innerHeight && bottom > 0;
}"""
"""Whether what has the focus, with its label, can be seen."""


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is in what is wanted, and can be seen there."""
    expect(wanted.first).to_be_attached()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.first.evaluate("e => e === document.activeElement || e.contains(document.activeElement)"):
            page.wait_for_function(SEEN)
            return
    raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {wanted}")


def go(page: Page, name: str) -> None:
    """To another page by its name in the menu."""
    reach(page, page.get_by_role("link", name=name, exact=True))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    settle(page)


def said(page: Page, text: str) -> None:
    """Wait until the answer's sentence has a text."""
    page.wait_for_function(
        "text => [...document.querySelectorAll('.st-key-sentence')].some(e => e.innerText.includes(text))", arg=text
    )
    settle(page)


@pytest.fixture
def walked(page: Page, address: str) -> Page:
    """Compare, opened by its address; everything after that is pressed."""
    serving.open_compare(page, address)
    return page


def test_from_a_prompt_to_an_opened_report(walked: Page) -> None:
    page = walked
    reach(page, page.get_by_role("textbox", name="Prompt"))
    page.keyboard.press("Control+a")
    page.keyboard.type("a photo of a nurse")
    page.keyboard.press("Enter")
    said(page, "a photo of a nurse")

    reach(page, page.get_by_role("combobox", name="Groups of"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('attribute=')")
    page.keyboard.press("Control+a")
    page.keyboard.type("gender")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('attribute=gender')")
    settle(page)

    first = page.locator("[class*=st-key-switch-image-] input").first
    assert first.is_checked()
    reach(page, first)
    page.keyboard.press("Space")
    said(page, "off:")
    expect(first).not_to_be_checked()
    reach(page, page.get_by_role("radiogroup", name="Show"))
    cost = page.get_by_role("radio", name="Cost", exact=True)
    while not cost.evaluate("e => e === document.activeElement"):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_selector(".st-key-cost-explicit .js-plotly-plot")

    go(page, "Label")
    page.wait_for_function("document.activeElement?.closest('[class*=filters-rater]')")
    page.keyboard.type("walker")
    page.keyboard.press("Enter")
    neuron = page.get_by_role("heading", name="Neuron ", level=2)
    before = neuron.inner_text()
    reach(page, page.locator("[class*=st-key-label-][class*=-type-9] button"))
    page.keyboard.press("Enter")
    expect(neuron).not_to_have_text(before)

    go(page, "Ask")
    reach(page, page.get_by_role("textbox", name="Question"))
    page.keyboard.press("Control+a")
    page.keyboard.type("could this person be a nurse?")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('nurse')")
    page.wait_for_selector(".st-key-ask-groups .js-plotly-plot")

    go(page, "Report")
    reach(page, page.get_by_role("button", name="First audit"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Title")).to_have_value(
        "Occupations by gender: who is retrieved from default"
    )
    reach(page, page.get_by_role("button", name="Run the audit"))
    page.keyboard.press("Enter")
    report = page.frame_locator("iframe")
    expect(report.locator("h1")).to_be_attached(timeout=serving.WAIT_MS)
    reach(page, page.locator("summary", has_text="Audits kept on this machine"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("button", name="Open", exact=True))
    page.keyboard.press("Enter")
    expect(report.locator("h1")).to_be_attached()
    reach(page, page.locator("iframe"))
    for width in (1280, 1920, 420):
        page.set_viewport_size({"width": width, "height": 900})
        drawn.rest(page)
        labels, wrong = drawn.faults(page)
        assert labels and not wrong, (width, wrong)

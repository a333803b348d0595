"""Labelling in a real browser with the keyboard alone, and what is left after the server was killed."""

import re
from contextlib import suppress

from playwright.sync_api import Page, expect

from core.labelling import LabelLog
from tests.browser import serving

HEADING = "[...document.querySelectorAll('h2')].find(e => e.innerText.startsWith('Neuron'))"


def open_label(page: Page, address: str, rater: str, tests: bool = False) -> None:
    """Type a name and be at the first neuron, without the mouse."""
    page.set_default_timeout(serving.WAIT_MS)
    page.goto(f"{address}/label")
    page.wait_for_function("document.activeElement?.closest('[class*=filters-rater]')")
    page.keyboard.type(rater)
    page.keyboard.press("Enter")
    neuron(page)
    off = page.get_by_role("button", name="Tests: off")
    while not tests and not off.is_visible():
        page.keyboard.press("x")  # again where the keys were not alive yet
        with suppress(AssertionError):
            expect(off).to_be_visible()


def neuron(page: Page) -> int:
    """The neuron on the desk, once its keys are there."""
    number = int(re.findall(r"\d+", page.get_by_role("heading", name="Neuron ", level=2).inner_text())[0])
    page.wait_for_selector(f".st-key-label-{number}-type-9 button")
    return number


def press(page: Page, key: str) -> int:
    """Press a key that ends a neuron; the next one."""
    before = page.get_by_role("heading", name="Neuron ", level=2).inner_text()
    page.keyboard.press(key)
    page.wait_for_function(f"old => {HEADING} && {HEADING}.innerText !== old", arg=before)
    return neuron(page)


def test_a_keyboard_session(page: Page, address: str) -> None:
    open_label(page, address, "keys")
    shown = [neuron(page)]
    for key in "123456789":
        shown.append(press(page, key))
    assert len(set(shown)) == 10
    events = LabelLog().events(rater="keys")
    assert [entry.neuron for entry in events] == shown[:-1], "every key its neuron, and nothing twice"
    assert [e.category for e in events][:5] == [
        *("social: gender", "social: age", "social: race appearance", "social: other", "context")
    ]
    page.keyboard.press("t")
    page.keyboard.type("1 hat")
    page.keyboard.press("Enter")
    page.keyboard.press("k")
    expect(page.get_by_text("sure: 25 %")).to_be_visible()
    assert press(page, "z") == shown[-2]
    assert press(page, "s") == shown[-1], "skipped, and the next one has an empty field"
    assert page.get_by_label("In your words").input_value() == ""
    expect(page.get_by_text("8 of ")).to_be_visible()
    texts = page.locator("[class*=st-key-grid] img").evaluate_all("all => all.map(i => i.alt)")
    assert 0 < len(texts) <= 60 and all(text.startswith("Item ") for text in texts)
    assert page.evaluate("document.documentElement.scrollWidth") <= serving.SIZE["width"]


def test_a_prediction_test_with_keys(page: Page, address: str) -> None:
    open_label(page, address, "tester", tests=True)
    first = neuron(page)
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name=f"Does neuron {first} fire?")).to_be_visible()
    page.wait_for_selector(".board .item.now")
    for key in "42" + "1" * 10:
        page.keyboard.press(key)
    page.get_by_text("You predicted its items with AUC").wait_for()
    (label, prediction) = LabelLog().events(rater="tester")
    assert (prediction.about, prediction.neuron) == (label.id, first)
    assert prediction.score["grades"] == [4, 2, *[1] * 10]


def test_a_killed_server_loses_no_label_and_doubles_none(page: Page) -> None:
    server, address = serving.start()
    try:
        open_label(page, address, "killed")
        shown = [neuron(page)] + [press(page, key) for key in "159"]
        page.keyboard.press("9")
    finally:
        server.kill()
        server.wait()
    labelled = [entry.neuron for entry in LabelLog().events(rater="killed")]
    assert labelled in (shown[:3], shown), "what was shown as labelled is there once, and at most the last key more"

"""Compare in a real browser: a cold link, switches, links that restore, clicks on rows, and both themes."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from playwright.sync_api import Page, expect

from tests.benchmarks._tab import Tab
from tests.browser import serving
from tests.browser.serving import open_compare, sentence, settle

SWITCHES = "[class*=st-key-switch-image-]"


def switch(page: Page, place: int = 0) -> None:
    """Click a neuron's switch and wait for the answer."""
    before = sentence(page)
    page.locator(f"{SWITCHES} label").nth(place).click()
    page.wait_for_function(
        "old => [...document.querySelectorAll('[data-testid=stMarkdownContainer]')]"
        ".some(e => e.innerText.includes('nearest to') && e.innerText.replaceAll('\\u00a0', ' ') !== old)",
        arg=before,
    )
    settle(page)


def test_a_link_to_a_page_works_on_a_server_that_nobody_has_visited(page: Page, address: str) -> None:
    """The first visitor of a cold server gets the frame and what the link says, not a page alone."""
    open_compare(page, address, "?q=a+photo+of+a+nurse&k=50")
    assert "Of the 50 pictures nearest to “a photo of a nurse”" in sentence(page)
    expect(page.locator("[data-testid=stSidebar]")).to_contain_text("default")


def test_a_switch_changes_the_answer_and_original_takes_it_back(page: Page, address: str) -> None:
    open_compare(page, address)
    plain = sentence(page)
    switch(page)
    assert "With image neuron" in sentence(page) and "off:" in sentence(page)
    expect(page.locator(".st-key-grid-after img").first).to_be_visible()
    sidebar = page.locator("[data-testid=stSidebar]")
    expect(sidebar).to_contain_text("Switched, image side")
    page.get_by_role("button", name="Link to this view").click()
    expect(page.get_by_text("edit=image", exact=False).first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Original", exact=True).click()
    expect(page.locator(".st-key-grid-after")).to_have_count(0)
    expect(sidebar).not_to_contain_text("Switched")
    assert sentence(page) == plain


def test_a_switch_sends_its_answer_alone_and_then_what_stands_around_it(address: str) -> None:
    """Observed: 21,900 bytes for the page run again, 5,000 for a switch back, 12,000 for what follows."""
    with Tab(address) as tab:
        opened = tab.compare("q=a+photo+of+a+cleaner")
        for _ in range(2):
            again = tab.again()
        assert tab.came < 28_000 and not tab.kinds["bidi_component"]
        run = tab.toggle()
        assert tab.kinds["bidi_component"], "the pictures of another answer"
        assert "off:" in run.text and "Switched, image side" not in run.text
        followed = tab.rest(run)
        assert "Switched, image side" in followed.text and not followed.owed
        for _ in range(2):
            run = tab.toggle()
            assert run.owed and tab.came < 8_000
            followed = tab.rest(run)
        assert tab.came < 16_000 and not followed.owed
        first, back = tab.toggle(), tab.toggle()
        assert first.owed and not back.owed, "nothing has changed by then"
    assert len(run.deltas) < 0.5 * len(followed.deltas) < 0.5 * len(again.deltas) and opened.deltas


def test_every_picture_has_an_alternative_text_and_there_are_at_most_60(page: Page, address: str) -> None:
    open_compare(page, address)
    switch(page)
    texts = page.locator("[class*=st-key-grid] img").evaluate_all("all => all.map(i => i.alt)")
    assert 0 < len(texts) <= 60
    assert all(text.startswith(("Item ", "neuron ")) for text in texts)


def test_the_link_of_a_view_restores_it_for_somebody_else(page: Page, address: str) -> None:
    open_compare(page, address, "?q=a+photo+of+a+pilot")
    switch(page)
    wanted = sentence(page)
    page.wait_for_url("**edit=image*")
    link = page.url
    serving.leave(page)
    open_compare(page, address, "?" + urlsplit(link).query)
    assert sentence(page) == wanted
    assert not page.locator(f"{SWITCHES} input").first.is_checked(), "a switch shows what holds: the neuron is off"


def test_a_link_to_what_is_not_there_says_so_and_shows_the_rest(page: Page, address: str) -> None:
    open_compare(page, address, "?q=a+photo+of+a+chef&edit=image:99999")
    expect(page.locator("[data-testid=stAlert]").first).to_contain_text("99999")
    assert "chef" in sentence(page)


def test_a_click_on_a_row_shows_only_that_group(page: Page, address: str) -> None:
    open_compare(page, address)
    row = page.locator(".st-key-shares .row").last
    row.click()
    only = page.get_by_text(re.compile(r"^only \w+"))
    expect(only.first).to_be_visible()
    group = only.first.inner_text().removeprefix("only ")
    settle(page)
    texts = page.locator(".st-key-grid-before img").evaluate_all("all => all.map(i => i.alt)")
    assert texts and all(text.endswith(f", {group}") for text in texts)
    page.get_by_role("button", name="Show every group").click()
    expect(only).to_have_count(0)
    row.focus()
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("document.activeElement.dataset.group") == group, "the keyboard stays where it was"
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("aria-pressed", "false")


def test_the_shares_are_saved_as_a_drawing_of_their_own(page: Page, address: str) -> None:
    open_compare(page, address)
    page.locator(".st-key-shares .row").first.hover()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the figure as SVG").click()
    assert saved.value.suggested_filename == "shares-gender.svg"
    figure = ElementTree.parse(saved.value.path()).getroot()
    text = " ".join(figure.itertext())
    assert figure.tag.endswith("svg") and "Male" in text and "prompt: " in text and int(figure.get("width")) > 500


def test_words_that_the_demo_model_does_not_know_are_named(page: Page, address: str) -> None:
    serving.open_page(page, f"{address}/compare?q=a+photo+of+an+astronaut")
    expect(page.locator("[data-testid=stAlert]").first).to_contain_text("astronaut")
    open_compare(page, address, "?q=a+photo+of+an+old+astronaut")
    expect(page.locator("[data-testid=stAlert]").first).to_contain_text("astronaut")


def test_controls_and_cost_come_with_their_figures(page: Page, address: str) -> None:
    open_compare(page, address)
    switch(page)
    page.get_by_text("Controls", exact=True).click()
    page.wait_for_selector(".st-key-controls .js-plotly-plot")
    expect(page.get_by_text("Of 20 random draws of neurons, matched")).to_be_visible()
    page.get_by_text("Cost", exact=True).click()
    page.wait_for_selector(".st-key-cost-explicit .js-plotly-plot")


def test_numbers_beside_bars_are_strong_on_light_and_on_dark(page: Page, address: str) -> None:
    """The colour that stands for strong text is replaced by the theme's own; were it not, it would be near-black."""
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        open_compare(page, address)
        fill = page.locator(".st-key-shares .number").first.evaluate("e => getComputedStyle(e).fill")
        shades[scheme] = sum(map(int, re.findall(r"\d+", fill)[:3])) / 3
    assert shades["light"] < 110 and shades["dark"] > 160


def test_nothing_is_wider_than_a_projector(page: Page, address: str) -> None:
    open_compare(page, address)
    switch(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= serving.SIZE["width"]
    assert page.locator(".st-key-grid-before img").first.bounding_box()["y"] < serving.SIZE["height"]


def test_every_view_stands_in_one_row_on_a_projector(page: Page, address: str, scenes: Path) -> None:
    page.set_default_timeout(serving.WAIT_MS)
    page.goto(f"{address}/compare?gallery={scenes}&q=a+photo+of+a+doctor&k=20")
    views = page.locator("[class*=st-key-choice-filters-compare-view] button")
    expect(views.filter(has_text="Scenes")).to_be_visible()
    tops = set(views.evaluate_all("all => all.map(one => Math.round(one.getBoundingClientRect().top))"))
    assert views.count() == 11 and len(tops) == 1

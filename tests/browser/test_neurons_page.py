"""Neurons in a real browser: the list, a neuron's page, the way to Compare, and uploads among the strongest."""

import io

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser import serving
from tests.browser.serving import settle


def open_neurons(page: Page, address: str, query: str = "") -> None:
    page.set_default_timeout(serving.WAIT_MS)
    page.goto(f"{address}/neurons{query}")
    page.wait_for_selector("[class*=st-key-grid-] img")
    settle(page)


def test_the_list_names_every_group_and_leads_to_a_neuron(page: Page, address: str) -> None:
    open_neurons(page, address)
    for group in ("Female", "Male"):
        expect(page.get_by_role("heading", name=group).first).to_be_visible()
    page.locator("[class*=st-key-open-Male-] button").first.click()
    expect(page.get_by_role("heading", name="Neuron ", level=2)).to_be_visible()
    for title in ("Fires most on", "Does not fire on", "Fires as usual on", "Fires on, at random"):
        expect(page.get_by_text(title).first).to_be_visible()
    assert "neuron=image%3A" in page.url or "neuron=image:" in page.url


def test_arrows_go_through_the_neurons_and_the_link_follows(page: Page, address: str) -> None:
    open_neurons(page, address)
    page.locator("[class*=st-key-open-Male-] button").first.click()
    title = page.get_by_role("heading", name="Neuron ", level=2)
    title.wait_for()
    first = title.inner_text()
    page.get_by_role("button", name="Next").click()
    expect(title).not_to_have_text(first)
    page.get_by_role("button", name="Previous").click()
    expect(title).to_have_text(first)


def test_one_click_switches_a_neuron_off_on_compare(page: Page, address: str) -> None:
    open_neurons(page, address, "?neuron=image:1")
    page.get_by_role("button", name="Compare without it").click()
    page.wait_for_selector(".st-key-provenance")
    assert "image neuron 1 off" in serving.sentence(page)


def test_an_upload_is_marked_among_the_strongest_and_never_has_a_group(page: Page, address: str) -> None:
    drawn = io.BytesIO()
    Image.new("RGB", (96, 96), (210, 160, 120)).save(drawn, "PNG")
    page.set_default_timeout(serving.WAIT_MS)
    page.goto(address)
    page.locator(".st-key-choice-filters-start-view button").last.click()
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "mine.png", "mimeType": "image/png", "buffer": drawn.getvalue()}]
    )
    page.get_by_text("mine.png").first.wait_for()
    page.get_by_role("button", name="Look at these").click()
    fired = page.locator("[class*=st-key-upload-] button").first
    fired.wait_for()
    fired.click()
    expect(page.get_by_role("heading", name="Neuron ", level=2)).to_be_visible()
    settle(page)
    mine = page.locator(".st-key-grid-top img[alt='Your upload mine.png']")
    expect(mine).to_have_count(1)
    expect(page.locator(".st-key-grid-top").get_by_text("upload", exact=True)).to_be_visible()


PLACE = """() => {
  const plot = document.querySelector('.st-key-map-plot .js-plotly-plot'), box = plot.getBoundingClientRect();
  const { xaxis, yaxis } = plot._fullLayout, { x, y, customdata } = plot._fullData[0];
  return [box.x + xaxis._offset + xaxis.d2p(x[0]), box.y + yaxis._offset + yaxis.d2p(y[0]), customdata[0][0]];
}"""


def test_a_pointer_on_the_map_sees_what_fires_a_neuron_and_a_click_opens_it(page: Page, address: str) -> None:
    open_neurons(page, address)
    page.get_by_text("Map", exact=True).first.click()
    page.wait_for_function("document.querySelector('.st-key-map-plot .js-plotly-plot')?._fullData?.length")
    settle(page)
    x, y, neuron = page.evaluate(PLACE)
    card = page.locator("[role=tooltip]", has_text=f"neuron {neuron}")
    expect(card).to_have_count(0)
    page.mouse.move(x - 40, y - 40)
    page.mouse.move(x, y, steps=4)
    expect(card).to_be_visible()
    assert 0 < card.locator("img").count() <= 6
    assert card.locator("img").first.get_attribute("alt").startswith("Item ")
    page.mouse.move(x - 400, 5)
    expect(card).to_be_hidden()
    x, y, neuron = page.evaluate(PLACE)
    page.mouse.click(x, y)
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.locator(f".st-key-map-open-{neuron} button").click()
    expect(page.get_by_role("heading", name=f"Neuron {neuron}", exact=True)).to_be_visible()

"""Models side by side in a real browser: chosen by name, compared with a click, told in words, taken along."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.benchmark.model_galleries import made
from tests.browser import serving


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app whose operator named two models' galleries of the same items."""
    if reason := serving.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("models")
    for name, lean in (("plain", 0.0), ("leaning", 1.0)):
        made(folder, name, lean)
    server, address = serving.start(UNSKEW_FOLDERS=str(folder))
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_two_models_are_chosen_compared_and_taken_along(named: str, page: Page, tmp_path: Path) -> None:
    serving.open_page(page, f"{named}/models")
    expect(page.get_by_text("Choose at least two galleries")).to_be_visible()
    box = page.get_by_role("combobox", name="Galleries of the same items")
    page.get_by_role("button", name="Clear all").first.click()
    for name in ("plain · plain", "leaning · leaning"):
        box.click()
        page.get_by_role("option", name=name).click()
        page.keyboard.press("Escape")
        expect(page.locator("[data-tag]", has_text=name)).to_be_visible()
    page.locator("[data-tag]", has_text="default").get_by_role("button").click()
    page.get_by_role("button", name="Compare them").click()
    expect(page.get_by_text("leaning minus plain")).to_be_visible()
    expect(page.locator(".side tr.mean")).to_contain_text("mean over 3 prompts")
    with page.expect_download() as taken:
        page.get_by_role("button", name="JSON").click()
    taken.value.save_as(tmp_path / "models.json")
    found = json.loads((tmp_path / "models.json").read_text())
    assert found["differences"][0]["mean"]["beyond_chance"] and found["k"] == 60
    assert page.evaluate("document.documentElement.scrollWidth") <= serving.SIZE["width"]

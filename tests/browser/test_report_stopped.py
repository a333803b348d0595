"""Run on Report, stopped in the middle: by its button and by leaving the page; run again, and verified."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import serving

STOPS = ("Stop", "another page", "Stop")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    server, address = serving.start(UNSKEW_HOME=str(tmp_path / "home"), TMPDIR=str(temporary))
    try:
        yield address, tmp_path
    finally:
        server.terminate()
        server.wait(timeout=20)


def stop(page: Page) -> Locator:
    """The audit's own button; Streamlit shows one in the window's head too, when a run takes longer."""
    return page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop")


def begin(page: Page) -> None:
    """Click Run and wait until something of it is done."""
    serving.unfold(page, "What is asked")
    page.get_by_role("button", name="Run the audit").click()
    stop(page).wait_for()


def test_an_audit_that_was_stopped_is_run_again_and_verified(home: tuple[str, Path], page: Page) -> None:
    address, folder = home
    serving.open_page(page, f"{address}/report")
    page.get_by_role("button", name="First audit").click()
    page.get_by_role("button", name="Run the audit").wait_for()
    serving.settle(page)
    for how in STOPS:
        begin(page)
        if how == "Stop":
            stop(page).click()
        else:
            page.get_by_role("link", name="Guide").first.click()
            page.wait_for_url("**/guide*")
            page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
            page.get_by_role("link", name="Report").first.click()
            page.wait_for_url("**/report*")
        page.get_by_role("heading", name="Report").first.wait_for()
        stop(page).wait_for(state="hidden")  # else the next one would be clicked before this one is over
        page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
        assert page.locator("[data-testid=stException]").count() == 0
    begin(page)
    verify = page.get_by_role("button", name="Verify", exact=True)
    verify.wait_for()
    serving.settle(page)
    verify.click()
    expect(page.get_by_text("All equal", exact=True)).to_be_visible(timeout=serving.WAIT_MS)
    (kept,) = [path for path in (folder / "home" / "audits").iterdir() if path.is_dir()]
    assert json.loads((kept / "about.json").read_text())["findings"] > 0
    assert not list((folder / "home" / "audits").glob(".*partial*"))

"""Making a gallery in a real browser: a wrong table is one line by the button, and long work stops when asked to."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.store import partial_folder
from core.ui.session import folders
from tests.browser import serving

NAME = "browser-test-of-a-long-build"
PICTURES = 6000
"""Enough that embedding them takes long on any machine."""


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[Path]:
    out = folders.OWN["galleries"] / NAME
    Image.new("RGB", (64, 64), (200, 40, 90)).save(tmp_path / "0.jpg")
    for i in range(1, PICTURES):
        (tmp_path / f"{i}.jpg").hardlink_to(tmp_path / "0.jpg")
    yield tmp_path
    for left in (out, partial_folder(out)):
        shutil.rmtree(left, ignore_errors=True)


def form(page: Page, address: str, source: Path) -> None:
    """The form for a folder of pictures, with where it lies and a name."""
    serving.open_page(page, f"{address}/data_and_models?view=gallery")
    for label, value in (("Path on this server", str(source)), ("Name", NAME)):
        page.get_by_label(label, exact=True).fill(value)
        page.keyboard.press("Tab")


def test_a_wrong_table_is_one_line_and_long_work_stops_when_asked_to(
    page: Page, address: str, pictures: Path, tmp_path: Path
) -> None:
    form(page, address, pictures)
    wrong = {"name": "t.csv", "mimeType": "text/csv", "buffer": b"file,gender\n0.jpg,Male,extra\n1.jpg,Female\n"}
    page.locator("input[type=file][accept*=csv]").set_input_files([wrong])  # type: ignore[list-item]
    page.get_by_role("button", name="Make the gallery").click()
    warning = page.locator("[data-testid=stAlert]").filter(has_text="t.csv")
    expect(warning).to_contain_text("row 1 (line 2) has 3 cells, the header has 2")
    line = warning.inner_text().split("\n\n")[-1]  # the icon's name stands before it
    assert line.startswith("t.csv: ") and "\n" not in line and not (folders.OWN["galleries"] / NAME).exists()

    form(page, address, pictures)
    page.get_by_role("button", name="Make the gallery").click()
    bar = page.get_by_text(re.compile(r"^Embedding: images, [\d,]+ of 6,000"))
    expect(bar).to_be_visible(timeout=serving.WAIT_MS)
    page.locator("[data-testid=stMain]").get_by_role("button", name="Stop").click()
    expect(bar).to_have_count(0, timeout=serving.WAIT_MS)
    serving.settle(page)
    expect(page.get_by_role("button", name="Make the gallery")).to_be_enabled()
    out = folders.OWN["galleries"] / NAME
    assert not out.exists(), "nothing stands under the final name"

"""One server and one browser for all browser tests; where there is no browser they are skipped, visibly."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import serving

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def address(scenes: Path) -> Iterator[str]:
    with serving.served(UNSKEW_FOLDERS=str(scenes)) as found:
        yield found


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery that links may open: two groups in 40 scenes, by embeddings and known prompts alone."""
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    import pandas as pd

    from core.gallery import import_gallery

    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    rows = [{"file": f"{i}.jpg", "gender": ("Female", "Male")[i % 2], "scene": f"scene {i // 2}"} for i in range(80)]
    pd.DataFrame(rows).to_csv(folder / "items.csv", index=False)
    prompts = [f"a photo of a {word}" for word in ("doctor", "nurse", "teacher")]
    pd.DataFrame({"prompt": prompts}).to_csv(folder / "prompts.csv", index=False)
    x = rng.normal(size=(80, 16)).astype(np.float32)
    x[1::2, 0] += 1
    texts = rng.normal(size=(len(prompts), 16)).astype(np.float32)
    import_gallery(
        x,
        folder / "items.csv",
        model_name="small",
        out=folder / "gallery",
        texts=texts,
        text_table=folder / "prompts.csv",
        together="scene",
    )
    return folder / "gallery"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    with serving.browser(serving.SHORT_LIVED) as opened:
        yield opened


@pytest.fixture(scope="session")
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """One person's browser: it has read and compiled the app's scripts once, which takes longer than any page."""
    context = chromium.new_context(viewport=serving.SIZE, color_scheme="light")
    yield context
    context.close()


@pytest.fixture
def page(profile: BrowserContext) -> Iterator[Page]:
    """A page of its own session at the size of a projector; errors that people would see fail the test."""
    shown = profile.pages[0] if profile.pages else profile.new_page()
    shown.set_default_timeout(serving.WAIT_MS)
    shown.set_viewport_size(serving.SIZE)
    shown.emulate_media(color_scheme="light")
    shown.mouse.move(0, 0)
    yield shown
    # A traceback, or the redacted box that stands for one, is never a way to answer a person.
    traces = shown.locator("[data-testid=stException]").count()
    serving.leave(shown)
    assert traces == 0

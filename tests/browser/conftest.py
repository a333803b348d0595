"""One server and one browser for all browser tests; where there is no browser they are skipped, visibly."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import serving

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    with serving.served() as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    reason = serving.why_not()
    if reason:
        pytest.skip(reason)
    with serving.browser() as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of its own session at the size of a projector; errors that people would see fail the test."""
    context = chromium.new_context(viewport=serving.SIZE)
    shown = context.new_page()
    yield shown
    # A traceback, or the redacted box that stands for one, is never a way to answer a person.
    assert shown.locator("[data-testid=stException]").count() == 0
    context.close()

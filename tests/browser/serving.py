"""The real app on a free port, and a real browser to look at it with."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Request

ROOT = Path(__file__).resolve().parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHORT_LIVED = "--js-flags=--no-turbofan --single-threaded"
"""For pages that live for seconds: to optimise their scripts beside the work takes longer than they are quicker for it.
What is measured is measured in a browser as people have it."""
STARTED_SECONDS = 120
"""Enough for a busy machine with two cores; a quiet one needs five seconds."""
WAIT_MS = 90_000
SIZE = {"width": 1280, "height": 720}
"""The projector that everything has to be readable on."""


def why_not() -> str | None:
    """Why no browser test can run here; None where it can."""
    if not (ROOT / "assets" / "galleries" / "default").is_dir():
        return "the default gallery is not built: python -m core build-default"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install -r tests/requirements.txt"
    return None if find_browser() else f"no browser found: none of {', '.join(BROWSERS)} is installed"


def find_browser() -> str | None:
    """Path of an installed chromium."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def served(**variables: str) -> Iterator[str]:
    """The address of the app, served from the project's root until the end of the block; with more variables."""
    server, address = start(**variables)
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


def copied(folder: Path) -> Path:
    """The app in a folder of its own, for what is made beside it: no other process sees or writes there."""
    for name in ("core", "pages", "assets", ".streamlit"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    return folder


def start(script: str = "app.py", root: Path = ROOT, **variables: str) -> tuple[subprocess.Popen, str]:
    """The process of the app, or of another script, answering, and its address; with more environment variables."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
    server = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"), **variables},
    )
    try:
        _await(f"http://127.0.0.1:{port}/_stcore/health", server)
    except BaseException:
        server.kill()
        raise
    return server, f"http://127.0.0.1:{port}"


def _await(address: str, server: subprocess.Popen) -> None:
    """Return once the server answers; RuntimeError where it does not."""
    end = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the app ended with code {server.returncode} before it answered")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the app did not answer within {STARTED_SECONDS} seconds")


_driving: list[Any] = []
"""The driver of this process, of which there can be one at a time, while a browser is open."""


@contextmanager
def browser(*flags: str) -> Iterator["Browser"]:
    """A headless chromium, also while another one is open in this process; with more flags."""
    from playwright.sync_api import sync_playwright

    if _driving:
        opened = _driving[0].chromium.launch(executable_path=find_browser(), args=[*FLAGS, *flags])
        try:
            yield opened
        finally:
            opened.close()
        return
    with sync_playwright() as playwright:
        _driving.append(playwright)
        try:
            with browser(*flags) as opened:
                yield opened
        finally:
            _driving.clear()


@contextmanager
def overheard(page: "Page") -> Iterator[tuple[list[str], list[str]]]:
    """Addresses that a page asks for, and dialogs that it opens (and nobody sees), until the end of the block."""
    asked: list[str] = []
    dialogs: list[str] = []

    def note(request: "Request") -> None:
        asked.append(request.url)

    def dismiss(dialog: "Dialog") -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("request", note)
    page.on("dialog", dismiss)
    try:
        yield asked, dialogs
    finally:
        page.remove_listener("request", note)
        page.remove_listener("dialog", dismiss)


def open_compare(page: "Page", address: str, query: str = "") -> None:
    """Open Compare and wait until sentence, shares and pictures are drawn."""
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/compare{query}")
    page.wait_for_selector(".st-key-provenance")
    page.wait_for_selector(".st-key-shares .row")
    page.wait_for_selector(".st-key-grid-before img")
    settle(page)


def open_page(page: "Page", address: str) -> None:
    """Open any page of the app and wait until its heading is there and nothing runs."""
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    page.wait_for_selector("h1")
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    settle(page)


def leave(page: "Page") -> None:
    """End a page's session; nothing of it is left for whoever comes next but what every visitor loads."""
    if page.url.startswith("http"):
        page.evaluate("[localStorage, sessionStorage].forEach(one => one.clear())")
    page.goto("about:blank")
    page.context.clear_cookies()


def settle(page: "Page") -> None:
    """Wait until the app is idle and every picture has arrived."""
    page.wait_for_function(
        "!document.querySelector('[data-testid=stStatusWidget]') && [...document.images].every(i => i.complete)"
    )


def unfold(page: "Page", title: str) -> None:
    """Open the box of a title where it is closed; one that is open is left alone, whatever of it is drawn by now."""
    settle(page)
    box = page.locator("[data-testid=stExpander] details").filter(has=page.get_by_text(title, exact=True)).first
    if box.get_attribute("open") is None:
        box.locator("summary").click()


def sentence(page: "Page") -> str:
    """The plain sentence above the shares."""
    return (
        page.locator("[data-testid=stMarkdownContainer]", has_text="nearest to")
        .first.inner_text()
        .replace("\u00a0", " ")
    )

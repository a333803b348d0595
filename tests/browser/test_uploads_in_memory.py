"""What a browser sends is nowhere once it is forgotten: not in the server's memory, not in files that it deleted."""

import io
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser import serving

SECONDS = 70.0
"""How long after Forget a machine that does other things as well may take."""
WRITTEN, TORN = 400, 8
"""Markers in one picture, and how many may outlast it: a network library's freed buffers hold a few kilobytes until
they are used again, as the guide's Safety says."""


@pytest.fixture
def server() -> Iterator[tuple[int, str]]:
    reason = serving.why_not() or (None if Path("/proc/self/mem").exists() else "no /proc here")
    if reason:
        pytest.skip(reason)
    process, address = serving.start()
    try:
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(timeout=20)


def picture(marker: bytes) -> bytes:
    """A JPEG of 3 MB that carries a marker where pictures carry comments, many times."""
    noise = np.random.default_rng(0).integers(0, 256, (1400, 1400, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "JPEG", quality=90, comment=marker * WRITTEN)
    return written.getvalue()


def count(pid: int, marker: bytes) -> int:
    """How often a marker lies in a process's memory."""
    found = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights, of = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \d+ *(.*)", line).groups()  # type: ignore[union-attr]
            if "r" not in rights or of.startswith("[v") or (of.startswith("/") and rights[1] == "-"):
                continue  # what is mapped of a file and cannot be written is the file
            start, stop = int(begin, 16), int(end, 16)
            while start < stop:
                size = min(stop - start, 64 << 20)
                try:
                    memory.seek(start)
                    found += memory.read(size).count(marker)
                except (OSError, ValueError, OverflowError):
                    break
                start += size
    return found


def files_with(pid: int, marker: bytes) -> list[str]:
    """Open files of a process, deleted ones too, and new files of the temporary folder, that hold a marker."""
    found = []
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            to = os.readlink(handle)
            if to.startswith(("/dev", "socket:", "pipe:", "anon_inode:")) or not handle.is_file():
                continue
            if marker in handle.read_bytes():
                found.append(to)
        except OSError:
            continue
    return found


def sent(page: Page, address: str, data: bytes) -> None:
    page.goto(f"{address}/?view=uploads")
    page.get_by_role("button", name="Look at these").wait_for()
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "face.jpg", "mimeType": "image/jpeg", "buffer": data}]
    )
    page.locator("[data-testid=stFileUploaderFile], [data-testid=stFileChip]").first.wait_for()


def test_a_forgotten_upload_is_gone(server: tuple[int, str], page: Page) -> None:
    pid, address = server
    marker = b"unskew-" + secrets.token_hex(12).encode()
    sent(page, address, picture(marker))
    end = time.monotonic() + serving.WAIT_MS / 1000
    while count(pid, marker) < WRITTEN:
        assert time.monotonic() < end, "the marker is where it was sent"
        time.sleep(0.5)
    assert files_with(pid, marker) == []
    page.get_by_role("button", name="Look at these").click()
    page.get_by_role("button", name="Forget my uploads").wait_for()
    assert files_with(pid, marker) == []
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
    page.wait_for_timeout(3000)  # what was found is drawn from above to below; a click in between would hit nothing
    page.get_by_role("button", name="Forget my uploads").click()
    page.get_by_role("button", name="Forget my uploads").wait_for(state="detached")
    end = time.monotonic() + SECONDS
    while (left := count(pid, marker)) > TORN and time.monotonic() < end:
        time.sleep(2)
    assert left <= TORN, f"{left} of {WRITTEN} markers are left"

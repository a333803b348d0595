"""The page on paper: printed by a browser that is on this machine, else by the reader's own print dialog."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.config import InputError

BROWSER_VARIABLE = "UNSKEW_BROWSER"
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
SECONDS = 240
PRINTS = 3
"""Prints at most: another number may be wider and move what comes after it."""
PLACEHOLDER = 88
CONTENTS = re.compile(rb'<nav class="contents".*?</nav>', re.DOTALL)
ENTRY = re.compile(rb'<a href="#(\w+)">(.*?)</a>')
OBJECT = re.compile(rb"(?m)^(\d+) 0 obj\n(.*?)(?:endobj|stream)", re.DOTALL)
DIALOG = "open report.html in a browser and print it: Ctrl+P, “Save as PDF”, A4, with background graphics"


def browser() -> str | None:
    """The browser that prints: the one that $UNSKEW_BROWSER names, else the first of BROWSERS that is installed."""
    named = os.environ.get(BROWSER_VARIABLE)
    found = (shutil.which(name) for name in ([named] if named else BROWSERS))
    return next((path for path in found if path is not None), None)


def page_to_pdf(page: bytes) -> bytes:
    """A report's page as PDF, A4 with page numbers, by a browser without a window and without a network.

    Printed twice: the first print tells on which pages the sections begin, the second has these in its contents. A
    browser whose PDF does not tell it gives contents without numbers.

    InputError, with what to do instead, where no such browser is installed or it gives none.
    """
    program = browser()
    if program is None:
        raise InputError(f"no Chromium or Chrome was found to print with (${BROWSER_VARIABLE} may name one); {DIALOG}")
    names = [name for nav in CONTENTS.findall(page) for name in ENTRY.findall(nav)]
    if not names:
        return _printed(program, page)
    # as wide as what will stand there, so that nothing moves between the prints
    at = dict.fromkeys((name.decode() for name, _ in names), PLACEHOLDER)
    for _ in range(PRINTS):
        data = _printed(program, _numbered(page, at))
        found = section_pages(data)
        if not set(at) <= set(found):
            return _printed(program, page)
        if all(found[name] == at[name] for name in at):
            return data
        at = {name: found[name] for name in at}
    return data


def section_pages(data: bytes) -> dict[str, int]:
    """Name of every destination inside a PDF -> the number of its page, from 1; {} where its parts cannot be read.

    Chromium writes an identifier that a link leads to as a destination with that name, and its objects as they are.
    """
    objects = {int(number): body for number, body in OBJECT.findall(data)}
    catalogue = next((body for body in objects.values() if b"/Type /Catalog" in body), b"")
    roots = [re.search(rb"/%s (\d+) 0 R" % key, catalogue) for key in (b"Pages", b"Dests")]
    if None in roots:
        return {}
    tree, named = (int(root.group(1)) for root in roots if root is not None)
    order = {page: i for i, page in enumerate(_leaves(objects, tree), 1)}
    found = re.findall(rb"/([A-Za-z]\w*) \[(\d+) 0 R", objects.get(named, b""))
    return {name.decode(): order[int(page)] for name, page in found if int(page) in order}


def _leaves(objects: Mapping[int, bytes], number: int) -> Iterator[int]:
    """Object numbers of the pages below a node of the tree of pages, in reading order."""
    kids = re.search(rb"/Kids \[([^\]]*)\]", objects.get(number, b""))
    if kids is None:
        yield number
        return
    for kid in re.findall(rb"(\d+) 0 R", kids.group(1)):
        yield from _leaves(objects, int(kid))


def _numbered(page: bytes, at: Mapping[str, int]) -> bytes:
    """The page with the number of a page behind each entry of its contents."""

    def entry(found: re.Match) -> bytes:
        return b'<a href="#%s">%s<span class="at">%d</span></a>' % (*found.groups(), at[found.group(1).decode()])

    return CONTENTS.sub(lambda nav: ENTRY.sub(entry, nav.group()), page)


def _printed(program: str, page: bytes) -> bytes:
    """The PDF that a browser prints of a page."""
    with tempfile.TemporaryDirectory(prefix="unskew-pdf-") as folder:
        given, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        given.write_bytes(page)
        command = [program, "--headless", "--disable-gpu", "--disable-extensions", "--no-first-run"]
        # Chromium refuses to start as root with its sandbox, as in most containers
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-sync"]
        command += [f"--user-data-dir={folder}/profile", "--no-pdf-header-footer", "--generate-pdf-document-outline"]
        command += [f"--print-to-pdf={made}", given.as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(f"{program} did not finish printing within {SECONDS} seconds; {DIALOG}") from None
        data = made.read_bytes() if made.is_file() else b""
    if not data.startswith(b"%PDF"):
        raise InputError(f"{program} gave no PDF; {DIALOG}")
    return data

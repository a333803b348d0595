"""The page on paper: printed by a browser that is on this machine, else by the reader's own print dialog."""

import os
import shutil
import subprocess
import tempfile
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
DIALOG = "open report.html in a browser and print it: Ctrl+P, “Save as PDF”, A4, with background graphics"


def browser() -> str | None:
    """The browser that prints: the one that $UNSKEW_BROWSER names, else the first of BROWSERS that is installed."""
    named = os.environ.get(BROWSER_VARIABLE)
    found = (shutil.which(name) for name in ([named] if named else BROWSERS))
    return next((path for path in found if path is not None), None)


def page_to_pdf(page: bytes) -> bytes:
    """A report's page as PDF, A4 with page numbers, by a browser without a window and without a network.

    InputError, with what to do instead, where no such browser is installed or it gives none.
    """
    program = browser()
    if program is None:
        raise InputError(f"no Chromium or Chrome was found to print with (${BROWSER_VARIABLE} may name one); {DIALOG}")
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

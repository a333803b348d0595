"""Damaged positions of stored codes: how many of thousands are named; an unnamed one has to be harmless."""

import tempfile
from pathlib import Path
from typing import Any

from tests.gallery.test_positions import damages, written


def run(n: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Damages, those that were named, and the rest, which changed nothing: an AssertionError where one did."""
    with tempfile.TemporaryDirectory() as folder:
        gallery = Path(folder)
        named = damages(gallery, written(gallery), n, seed)
    return {"damages": n, "named": named, "harmless": n - named}

"""What can be loaded by name or folder: shipped, built or trained here."""

from pathlib import Path

from core.config import ROOT
from core.ui.session import cache

OWN = {"galleries": ROOT / "galleries", "saes": ROOT / "saes"}
"""Where the pages put what is built or trained here."""


def known(kind: str) -> list[str]:
    """Shipped names, then folders made here that are complete."""
    marker = "manifest.json" if kind == "galleries" else "config.json"
    folder = OWN[kind]
    made_here = [str(p) for p in sorted(folder.iterdir()) if (p / marker).is_file()] if folder.is_dir() else []
    return [*cache.shipped_names(kind), *(name for name in made_here if not Path(name).name.startswith("."))]

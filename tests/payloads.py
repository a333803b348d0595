"""Names, prompts and labels that somebody wrote to lead elsewhere, to be layout, or to be run: one a line."""

from pathlib import Path

PAYLOADS = tuple(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").removesuffix("\n").split("\n"))
"""None may become a request, a link, a picture, a heading, a control, a formula or a script anywhere."""

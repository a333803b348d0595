"""Prompts that are worth a try on a gallery, and their short names."""

from core.config import ASSETS
from core.gallery import Gallery
from core.store import read_json


def short(prompt: str) -> str:
    """A prompt without the words that all of them share."""
    for start in ("a photo of a ", "a photo of an ", "a photo of "):
        if prompt.startswith(start):
            return prompt.removeprefix(start)
    return prompt


def suggestions(gallery: Gallery) -> list[str]:
    """Prompts worth a try: those that came with the gallery, else the shipped occupations."""
    if gallery.prompts:
        table = gallery.prompt_table
        neutral = [c for c in table.columns if (table[c] == "neutral").any()]
        return list(table["prompt"][table[neutral[0]] == "neutral"] if neutral else table["prompt"])
    path = ASSETS / "prompts" / "occupations.json"
    return list(read_json(path).get("prompts", [])) if path.is_file() else []

"""Avatars and captions as items of galleries: ids, attribute tables, honest words on where they come from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pandas as pd

from core.avatars.captions import caption, mentions
from core.avatars.drawing import draw
from core.avatars.world import ATTRIBUTES, Avatar
from core.datasets.base import ItemTable
from core.datasets.images import ReadImage

PICTURE_SIZE = 160
"""Pixels of the pictures that are stored and embedded; the model's preprocessing reduces them."""
LOOKS = ("hair", "beard", "lipstick", "earrings", "hat")
"""Attributes beside `ATTRIBUTES` that explain what a neuron answers to."""
LICENCE = "CC0 1.0: drawn by this project's own code; no photograph of a person was used"
_DRAWN = (
    "Avatars drawn by code; every attribute is known because it was drawn. 'gender' means the presentation that was "
    "drawn, 'skin' the tone. No person is shown."
)
_WRITTEN = (
    "Captions of drawn avatars, written by code. An attribute is what the caption says; it is missing where the "
    "caption does not say it. 'word' is the planted word of the avatar, or none."
)


def avatar_items(
    avatars: Sequence[Avatar], name: str, with_words: bool = False
) -> tuple[ItemTable, Callable[[str], ReadImage]]:
    """The items of a gallery of avatars, and the function that draws the picture of an item's `file`."""
    columns = [*ATTRIBUTES, *LOOKS, *(["word"] if with_words else [])]
    rows, pictures = [], {}
    for number, avatar in enumerate(avatars):
        item = f"{name}-{number:05d}"
        values = avatar.attributes()
        rows.append({"id": item, "file": f"{item}.png", **{column: values[column] for column in columns}})
        pictures[f"{item}.png"] = avatar
    table = ItemTable(pd.DataFrame(rows, dtype="str"), "images", "the drawn default world", None, LICENCE, _DRAWN)
    return table, lambda file: ReadImage(draw(pictures[file], PICTURE_SIZE))


def caption_items(avatars: Sequence[Avatar], name: str, seed: int) -> ItemTable:
    """One caption per avatar as the items of a text gallery; a text that has occurred before is left out."""
    rng = random.Random(f"caption gallery {seed}")
    rows: list[dict[str, str | None]] = []
    seen: set[str] = set()
    for avatar in avatars:
        text = caption(avatar, rng)
        if text in seen:
            continue
        seen.add(text)
        groups = mentions(text)
        values = {attribute: groups.get(attribute) for attribute in ATTRIBUTES}
        rows.append({"id": f"{name}-{len(rows):05d}", "text": text, **values, "word": avatar.word or "none"})
    return ItemTable(pd.DataFrame(rows), "captions", "the drawn default world", None, LICENCE, _WRITTEN)

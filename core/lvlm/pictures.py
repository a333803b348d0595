"""Pictures of a gallery that are asked about, equally many of every group, and their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.config import Half, InputError
from core.gallery import Gallery, open_gallery

if TYPE_CHECKING:
    from PIL.Image import Image


def chosen_rows(
    gallery: Gallery, attribute: str, n: int, half: Half, where: Mapping[str, str] | None = None, seed: int = 0
) -> np.ndarray:
    """Up to n rows of a half with a known group, rising: equally many of every group, as far as they go.

    default_rng([seed, 1]) permutes the rows of each group in turn; groups give one row each until n are there.

    InputError where fewer than two groups have a row.
    """
    rows = gallery.rows(half, where)
    numbers = gallery.group_numbers(attribute)[rows]
    rng = np.random.default_rng([seed, 1])
    queues = [rng.permutation(rows[numbers == g]).tolist() for g in np.unique(numbers[numbers >= 0])]
    if len(queues) < 2:
        raise InputError(
            f"gallery {gallery.name}: fewer than two groups of {attribute} have a picture here; loosen the restriction"
        )
    taken: list[int] = []
    depth = 0
    while len(taken) < n and any(len(queue) > depth for queue in queues):
        taken += [queue[depth] for queue in queues if len(queue) > depth]
        depth += 1
    return np.sort(np.array(taken[:n], dtype=np.int64))


def pictures_of(gallery: Gallery, rows: Sequence[int] | np.ndarray) -> list[Image]:
    """The pictures of some rows, as the gallery keeps them; InputError where it keeps none."""
    if not gallery.has_thumbs:
        raise InputError(f"gallery {gallery.name} keeps no pictures; build it from a folder of pictures")
    return [opened(gallery.thumb(int(row)), f"{gallery.name}, item {gallery.item_id(int(row))}") for row in rows]


def opened(data: bytes, what: str) -> Image:
    """A picture, upright and in RGB; InputError for one that cannot be read or is too large."""
    from core.datasets.images import read_image

    return read_image(data, what).image


def probe_of(gallery: Gallery) -> Gallery:
    """The gallery whose probe half belongs to this one: itself, or its partner."""
    partner = gallery.manifest.get("probe_gallery")
    return open_gallery(partner) if partner else gallery

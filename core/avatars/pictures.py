"""Many avatars drawn at once, as one array of pixels."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

import numpy as np

from core.avatars.drawing import draw
from core.avatars.world import Avatar
from core.config import Progress

_CHUNK = 500


def _pixels_of(avatars: Sequence[Avatar], size: int) -> np.ndarray:
    return np.stack([np.asarray(draw(avatar, size)) for avatar in avatars])


def pixels_of(avatars: Sequence[Avatar], size: int, progress: Progress | None = None) -> np.ndarray:
    """Pictures of the avatars, uint8 (n, size, size, 3), drawn on all cores.

    Fewer than two chunks are drawn in this process: starting others would take longer.
    """
    pixels = np.empty((len(avatars), size, size, 3), np.uint8)
    starts = range(0, len(avatars), _CHUNK)
    if len(starts) <= 2:
        return _pixels_of(avatars, size) if avatars else pixels
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(cpu_count(), mp_context=context) as pool:
        chunks = pool.map(_pixels_of, (avatars[i : i + _CHUNK] for i in starts), (size for _ in starts))
        for start, chunk in zip(starts, chunks, strict=True):
            pixels[start : start + len(chunk)] = chunk
            if progress:
                progress(start + len(chunk), len(avatars), "drawing avatars")
    return pixels

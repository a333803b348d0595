"""A gallery of made-up embeddings of any size, for tests of scale. Nothing about people can be read off it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from core import access
from core.config import Fingerprint, InputError, Progress, digest_of
from core.gallery.gallery import Gallery
from core.gallery.writing import WAY, About, finish_gallery, write_rows
from core.store import publish, refuse_existing, resumable_folder
from core.units import BLOCK_ROWS

ATTRIBUTES = {"gender": {"Female": 0.45, "Male": 0.55}, "age": {"young": 0.5, "middle": 0.3, "old": 0.2}}
MISSING = 0.02
"""Share of items without a label, in each attribute."""

CONE, SPREAD, SHIFT, NORM = 0.7, 0.7, 0.15, 10.0
"""Lengths of the common direction, of the item's own part and of a group's shift, and the usual row length: a pair of
items then has a cosine similarity of about .5, as pictures have in CLIP models."""

DECAY = 0.5
"""Standard deviations of the item's own part fall as (column + 1) ** -DECAY: few directions carry most of it."""


def synth_gallery(
    n: int, d: int, out: Path, *, seed: int = 0, replace: bool = False, progress: Progress | None = None
) -> Gallery:
    """Write n rows of d columns with CLIP-like statistics: x = norm * (cone + group shifts + own part).

    Rows are un-normalised; groups are unequal and partly unknown. Memory holds one block of rows, so that millions
    can be made. The seed, n and d decide every number.
    """
    access.require("build")
    if n < 1 or d < 2:
        raise InputError(f"n was {n} and d was {d}; expected at least 1 row of at least 2 columns")
    refuse_existing(Path(out), replace, WAY)
    numbers = {name: _assigned(n, list(shares.values()), seed, name) for name, shares in ATTRIBUTES.items()}
    frame = pd.DataFrame({"id": pd.Series(np.arange(n)).astype("str")})
    for name, shares in ATTRIBUTES.items():
        frame[name] = pd.Series(np.array([*shares, None], dtype=object)[numbers[name]], dtype="str")
    about = About(
        Path(out).name, "images", f"synthetic, n {n}, d {d}, seed {seed}", "CC0-1.0", "numbers drawn at random"
    )
    weights = digest_of(["synthetic", d, seed])
    fingerprint = Fingerprint("synthetic", weights, side="image", attach="pooled", d=d, normalised=False)
    with resumable_folder(Path(out), replace) as workplace:
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_rows(folder / "pooled.npy", _blocks(n, d, seed, numbers, progress), n, d, np.dtype(np.float32))
        finish_gallery(folder, frame, about, {"pooled": fingerprint}, progress=progress)
        publish(folder, Path(out), replace)
    return Gallery(Path(out))


def _assigned(n: int, shares: list[float], seed: int, name: str) -> np.ndarray:
    """A group number for every item; -1 is unknown."""
    rng = np.random.default_rng([seed, *name.encode()])
    numbers = rng.choice(len(shares), size=n, p=shares)
    return np.where(rng.random(n) < MISSING, -1, numbers)


def _blocks(
    n: int, d: int, seed: int, numbers: dict[str, np.ndarray], progress: Progress | None
) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = np.arange(1, d + 1, dtype=np.float32) ** -DECAY
    scale *= SPREAD / np.linalg.norm(scale)
    cone = CONE * _direction(rng, d)
    # The last shift of each attribute is zero and belongs to the items of unknown group (number -1).
    shifts = {
        name: np.stack([*(SHIFT * _direction(rng, d) for _ in groups), np.zeros(d, np.float32)])
        for name, groups in ATTRIBUTES.items()
    }
    for start in range(0, n, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, n)
        rows = cone + scale * rng.standard_normal((stop - start, d), dtype=np.float32)
        for name, shift in shifts.items():
            rows += shift[numbers[name][start:stop]]
        yield rows * (NORM * (1 + 0.05 * rng.standard_normal((stop - start, 1), dtype=np.float32)))
        if progress:
            progress(stop, n, "rows")


def _direction(rng: np.random.Generator, d: int) -> np.ndarray:
    direction = rng.standard_normal(d, dtype=np.float32)
    return direction / np.linalg.norm(direction)

"""Long work in chunks that are kept, so that an interrupted build goes on where it stopped."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError
from core.reading import parse_json, read_arrays
from core.store import atomic_file
from core.tables import LeftOut

LAYOUT = "2"
"""Of a chunk's file, part of its key: a chunk of an older layout is made again."""


@dataclass(frozen=True)
class Chunk:
    """What came of some consecutive items."""

    kept: np.ndarray
    """Row numbers (in the item table) of the items that could be used, rising."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """Embeddings by attach point, (len(kept), d)."""
    thumbs: list[bytes] = field(default_factory=list)
    """JPEG of each kept item; empty where there are no pictures."""
    left_out: list[LeftOut] = field(default_factory=list)
    """The items that could not be used, in their order."""
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path, key: str) -> None:
        """Write the chunk as an .npz without pickle, whole or not at all."""
        packed: dict[str, Any] = {
            "key": np.array(f"{LAYOUT} {key}"),
            "kept": self.kept,
            "thumbs": np.frombuffer(b"".join(self.thumbs), dtype=np.uint8),
            "lengths": np.array([len(thumb) for thumb in self.thumbs], dtype=np.int64),
            "words": np.array(json.dumps([self.left_out, self.notes])),
            **{f"array_{attach}": rows for attach, rows in self.arrays.items()},
        }
        # Not synced: a chunk that a power cut damaged is noticed by its checksum and made again.
        with atomic_file(path, sync=False) as partial, open(partial, "wb") as file:
            np.savez(file, **packed)


@dataclass(frozen=True)
class KeptChunk:
    """A chunk on disk; only what is asked for is read."""

    path: Path

    def matches(self, key: str) -> bool:
        """Whether the file is there, whole, and was made from the same items by the same model."""
        try:
            return str(self._read("key")) == f"{LAYOUT} {key}"
        except InputError:
            return False

    def _read(self, name: str) -> np.ndarray:
        return read_arrays(self.path, [name], "a part of an interrupted build; remove that folder")[0]

    @cached_property
    def kept(self) -> np.ndarray:
        return self._read("kept")

    @property
    def left_out(self) -> list[LeftOut]:
        return [LeftOut(*one) for one in self._words[0]]

    @property
    def notes(self) -> list[str]:
        return self._words[1]

    @cached_property
    def _words(self) -> list[list[Any]]:
        return parse_json(str(self._read("words")), str(self.path))

    def array(self, attach: str) -> np.ndarray:
        return self._read(f"array_{attach}")

    def thumbs(self) -> Iterator[bytes]:
        data, end = self._read("thumbs").tobytes(), 0
        for length in self._read("lengths"):
            yield data[end : end + length]
            end += length


def work_through(
    folder: Path,
    keys: Iterable[str],
    make: Callable[[Iterator[int]], Iterable[Chunk]],
    found: Callable[[int], None] | None = None,
) -> Iterator[KeptChunk]:
    """Chunk after chunk: the kept one where its key fits, else a new one, which is then kept.

    Parameters
    ----------
    keys : for each chunk a digest of everything it depends on; changed files or another model change it. Taken one by
        one, so that they may be costly.
    make : given the numbers of the missing chunks, makes these in this order. It may ask for further numbers before it
        hands on a chunk, which lets it prepare one chunk while it makes another.
    found : told the number of each chunk that is there already.
    """
    asked: deque[tuple[KeptChunk, str | None]] = deque()

    def missing() -> Iterator[int]:
        for number, key in enumerate(keys):
            kept = KeptChunk(folder / f"chunk-{number:06d}.npz")
            there = kept.matches(key)
            asked.append((kept, None if there else key))
            if not there:
                yield number
            elif found is not None:
                found(number)

    for chunk in make(missing()):
        while asked[0][1] is None:
            yield asked.popleft()[0]
        kept, made = asked.popleft()
        assert made is not None, "a chunk was made that is there"
        chunk.save(kept.path, made)
        yield kept
    yield from (kept for kept, _ in asked)

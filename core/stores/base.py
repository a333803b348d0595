"""What a store is: an address, vectors that are read in blocks, and the same store written with other vectors."""

import hashlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.config import InputError, Progress
from core.registry import Registry

BLOCK = 1_024
"""Rows that are read and written at a time."""
INNER = 256
"""Rows that are edited at a time: they, and what is worked out of them, stay in the processor's cache."""
EXAMPLES = 3
"""Rows that are named where something is wrong with many."""


@dataclass(frozen=True)
class Options:
    """What a person says of a store besides its address."""

    column: str | None = None
    """Array, column or named vector that holds the vectors, where there are several."""
    resume: bool = False
    in_place: bool = False
    replace: bool = False


class Change:
    """What is done to blocks of rows, and the count of what happened: one for each run.

    Parameters
    ----------
    edit : rows (n, d) to unit rows (n, d), float32; zeros where nothing of a row is left.
    d : columns that it reads.
    digest : of the edit: another edit never takes up what this one left.
    """

    def __init__(
        self, edit: Callable[[np.ndarray], np.ndarray], d: int, digest: str, progress: Progress | None = None
    ) -> None:
        self._edit, self.d, self.digest, self._progress = edit, d, digest, progress
        self.rows, self.lost = 0, 0
        self.total = 0
        self.lost_rows: list[int] = []

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Unit rows in the dtype of x; float32 where x is no float16, float32 or float64.

        Parameters
        ----------
        out : memory to write them to, where it has their shape and dtype.
        """
        dtype = (x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)).newbyteorder("=")
        fits = out is not None and out.shape == x.shape and out.dtype == dtype
        after = out if out is not None and fits else np.empty(x.shape, dtype)
        for start in range(0, len(x), INNER):
            part = np.asarray(x[start : start + INNER], dtype=np.float32)
            edited = self._edit(part)
            self._look(part, edited, start)
            after[start : start + INNER] = edited
        self.rows += len(x)
        if self._progress and self.total:
            self._progress(min(self.rows, self.total), self.total, "edited rows")
        return after

    def kept(self, rows: int, lost: int = 0) -> None:
        """Count rows that an earlier run edited already."""
        self.rows += rows
        self.lost += lost

    def _look(self, before: np.ndarray, edited: np.ndarray, start: int) -> None:
        squares = np.einsum("ij,ij->i", edited, edited)
        gone = np.flatnonzero(~(squares > 0))
        if len(gone) and not (np.isfinite(before[gone]).all() and np.isfinite(squares[gone]).all()):
            bad = ~np.isfinite(before[gone]).all(axis=1) | ~np.isfinite(squares[gone])
            row = self.rows + start + int(gone[int(bad.argmax())]) + 1
            raise InputError(f"row {row} holds NaN or infinite numbers, or becomes so; compute it again or remove it")
        self.lost += len(gone)
        self.lost_rows += [self.rows + start + int(row) + 1 for row in gone[: EXAMPLES - len(self.lost_rows)]]


@dataclass(frozen=True)
class Applied:
    """What was written: the digests before and after, and how many rows."""

    before: str
    after: str
    rows: int
    lost: int
    """Rows of which the edit leaves nothing; they are zeros."""
    lost_rows: tuple[int, ...] = ()
    """The first of them, counted from 1."""
    digest_of: str = "the file's bytes (SHA-256)"
    """What the digests are of."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "digests": {"in": self.before, "out": self.after, "of": self.digest_of},
            "rows": self.rows,
            "lost": {"n": self.lost, "rows": list(self.lost_rows)},
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Snapshot:
    """A store's contents as two files of a folder."""

    vectors: Path
    """.npy (n, d)."""
    table: Path | None
    """Parquet, one row a vector; None where the store has vectors alone."""
    digest: str
    notes: tuple[str, ...] = ()


class Store(ABC):
    """One kind of place. It has no state; what it opens it closes."""

    title: ClassVar[str]
    prefix: ClassVar[str] = ""
    """How its addresses begin, the colon left out; empty for files that their ending tells."""
    endings: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[str]
    """An address."""
    library: ClassVar[str] = ""
    """Module that it needs besides the app's own requirements."""
    install: ClassVar[str] = ""

    @abstractmethod
    def apply(self, source: str, target: str, change: Change, options: Options) -> Applied:
        """Write the same store at `target` with edited vectors, everything else as it was.

        The target has its final name only when it is whole. Killed at any moment, the same call with
        `options.resume` ends in the same contents.

        Raises
        ------
        InputError : nothing there that can be read, or vectors that this kind of store cannot give back.
        """

    @abstractmethod
    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        """Write the store's vectors and columns into a folder, as they are at this moment."""

    def require_library(self) -> Any:
        """The module that it needs; InputError with the pip line where it is not installed."""
        try:
            return importlib.import_module(self.library)
        except ImportError:
            raise InputError(
                f"{self.title} needs the library {self.library}, which is not here: {self.install}"
            ) from None


STORES: Registry[type[Store]] = Registry("store", "core.stores")


def takes_addresses(address: str) -> bool:
    """Whether an address begins with the prefix of a store."""
    return any(_has_prefix(address, STORES.get(name)) for name in STORES)


def _has_prefix(address: str, kind: type[Store]) -> bool:
    return bool(kind.prefix) and address.startswith(f"{kind.prefix}:")


def store_of(address: str) -> tuple[Store, str]:
    """The store of an address and the address without its prefix; InputError listing what there is."""
    kinds = [STORES.get(name) for name in STORES]
    for kind in kinds:
        if _has_prefix(address, kind):
            return kind(), address.partition(":")[2]
    suffix = Path(address).suffix.lower()
    for kind in kinds:
        if suffix in kind.endings:
            return kind(), address
    known = [", ".join(kind.endings) for kind in kinds if kind.endings]
    known += [f"{kind.prefix}:..." for kind in kinds if kind.prefix]
    raise InputError(f"{address} is no store that is known; expected one of {', '.join(dict.fromkeys(known))}")


@dataclass
class RowsDigest:
    """SHA-256 over rows in order: each row's key and the bytes of its vector, for stores that are no single file."""

    _sha: Any = field(default_factory=hashlib.sha256)

    def add(self, keys: list[Any], vectors: np.ndarray) -> None:
        rows = np.ascontiguousarray(vectors)
        for key, row in zip(keys, rows, strict=True):
            self._sha.update(repr(key).encode() + b"\0")
            self._sha.update(row.data)

    @property
    def hex(self) -> str:
        return str(self._sha.hexdigest())

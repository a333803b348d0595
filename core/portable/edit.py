"""The edit itself: pieces for each side, what its rows are, and what is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from core.config import NOTHING, Attach, Fingerprint, InputError
from core.portable.pieces import Piece
from core.readout import ReadoutArrays

SideName = Literal["items", "queries"]
SIDE_NAMES: tuple[SideName, ...] = ("items", "queries")


def unit_or_zero(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Rows `after` (n, d) divided by their length, float32; zeros where less than NOTHING of the row before is left."""
    left, whole = (np.sqrt(np.einsum("ij,ij->i", x, x))[:, None] for x in (after, before))
    kept = left > NOTHING * whole
    unit = (after / np.where(kept, left, 1)).astype(np.float32, copy=False)
    unit[~kept[:, 0]] = 0
    return unit


@dataclass(frozen=True, eq=False)
class SideEdit:
    """What is done to the rows of one side."""

    pieces: tuple[Piece, ...]
    """One after the other; none: the rows stay."""
    fingerprint: Fingerprint
    """Of the embeddings that it is for."""
    readout: ReadoutArrays | None = None
    """From the attach point to the embedding, at the residual one."""

    def __post_init__(self) -> None:
        for piece in self.pieces:
            if piece.d != self.fingerprint.d:
                raise InputError(
                    f"a piece of the edit reads {piece.d} columns; its embeddings have {self.fingerprint.d}"
                )
        if self.attach == "residual" and self.readout is None:
            raise InputError("the edit changes the residual attach point and came without the readout that follows it")

    @property
    def attach(self) -> Attach:
        return self.fingerprint.attach

    @property
    def d(self) -> int:
        """Columns of the embeddings that come out."""
        return self.fingerprint.d if self.readout is None else self.readout.d

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Unit rows (n, d), float32, of rows (n, d_in) at the attach point; zeros where nothing of a row is left.

        A row that no piece changes is only divided by its length.
        """
        x = np.asarray(rows, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.fingerprint.d:
            raise InputError(
                f"rows of shape {x.shape} were given to an edit of {self.fingerprint.d} columns, for "
                f"{self.fingerprint.describe()}"
            )
        after = x
        for piece in self.pieces:
            after = piece(after)
        if self.readout is None:
            return unit_or_zero(x, after)
        kept = unit_or_zero(x, after).any(axis=1, keepdims=True)
        read = self.readout(after)
        return unit_or_zero(read, np.where(kept, read, 0))


@dataclass(frozen=True, eq=False)
class PortableEdit:
    """An edit that needs no app: call a side of it with rows. Never changed."""

    sides: Mapping[SideName, SideEdit]
    about: Mapping[str, Any] = field(default_factory=dict)
    """What edit.json says besides: name, method, where it comes from, what it did there, limits."""

    def __post_init__(self) -> None:
        if not self.sides:
            raise InputError("the edit changes neither items nor queries; there is nothing to take along")

    def side(self, name: SideName | None = None) -> SideEdit:
        """One side; the only one, or the items', where none is named. InputError where the edit has no such side."""
        chosen = name or ("items" if "items" in self.sides else "queries")
        if chosen not in self.sides:
            raise InputError(f"this edit changes {' and '.join(self.sides)} alone; --side {chosen} has nothing to do")
        return self.sides[chosen]

    @property
    def name(self) -> str:
        return str(self.about.get("name", "edit"))

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        return sum(array.nbytes for _, array in self.arrays())

    def arrays(self) -> Sequence[tuple[str, np.ndarray]]:
        """All arrays with their names in the file: side, place of the piece, name."""
        found = []
        for side, edit in self.sides.items():
            for place, piece in enumerate(edit.pieces):
                found += [(f"{side}.{place}.{name}", array) for name, array in piece.arrays.items()]
            if edit.readout is not None:
                for name in ("ln_weight", "ln_bias", "projection"):
                    array = np.ascontiguousarray(getattr(edit.readout, name), dtype=np.float32)
                    found.append((f"{side}.readout.{name}", array))
        return found

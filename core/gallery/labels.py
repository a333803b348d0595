"""What is known about each item: its id, file or text, its half and its groups. Columns are read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.config import UNKNOWN, InputError
from core.memo import Memo
from core.tables.names import RESERVED
from core.tables.order import natural

if TYPE_CHECKING:
    import pandas as pd

    from core.gallery.together import Clusters

CROSS = " x "
"""Between the attributes of an intersection and between its groups: "gender x race", "Female x White"."""
MOST_CELLS = 100_000
"""Combinations of groups of an intersection at most, those that nobody has included: they are named as well."""
GROUPS_SHOWN = 30
"""Groups that a message lists at most."""


@contextmanager
def whole_parquet(path: Path) -> Iterator[None]:
    """InputError where a table of a gallery is damaged; what a column holds is looked at only when it is read."""
    try:
        yield
    except (OSError, pa.ArrowException):
        raise InputError(f"{path} cannot be read as Parquet: it is damaged or cut; make the gallery again") from None


class Labels:
    """A gallery's attributes.parquet: one row an item, every column text, missing values allowed."""

    def __init__(
        self, path: Path, owner: str, together: str | None = None, others: Mapping[str, str] | None = None
    ) -> None:
        self._path, self._owner, self._together, self._others = path, owner, together, dict(others or {})
        self._made = Memo()
        with whole_parquet(path):
            self.n = pq.read_metadata(path).num_rows
            self._names: list[str] = pq.read_schema(path).names
        if together is not None and together not in self._names:
            raise InputError(f"{path} has no column {together!r}, which the manifest names; make the gallery again")

    @cached_property
    def attributes(self) -> list[str]:
        """Names of the attribute columns; what items belong together by, and what is no groups, is none of them."""
        return [name for name in self._names if name not in (*RESERVED, self._together, *self._others)]

    @property
    def table(self) -> pd.DataFrame:
        """A copy of everything: id, file, text, half, then the attributes; NA is unknown."""
        with whole_parquet(self._path):
            return self._made("table", lambda: pq.read_table(self._path).to_pandas()).copy(deep=False)

    def column(self, name: str) -> pa.Array | None:
        """One column as it is stored; None where the gallery has none of this name."""
        if name not in self._names:
            return None
        return self._made(("column", name), lambda: self._read(name).combine_chunks())

    def _read(self, name: str, numbered: bool = False) -> pa.ChunkedArray:
        """One column from the file; `numbered`: its different texts, and a number for each item."""
        texts = [name] if numbered else None
        with whole_parquet(self._path), pq.ParquetFile(self._path, read_dictionary=texts) as file:
            return file.read(columns=[name])[name]

    def _there(self, name: str) -> pa.Array:
        """A column that the gallery has for certain."""
        column = self.column(name)
        assert column is not None, f"{self._path} has no column {name}"
        return column

    def halves(self) -> np.ndarray:
        """ "probe" or "evaluation" for each item (n,)."""
        return self._made("half", lambda: self._named("half"))

    def clusters(self) -> Clusters | None:
        """Which items belong together; None where nothing says so."""
        together = self._together
        if together is None:
            return None
        from core.gallery.together import clusters_of

        return self._made("clusters", lambda: clusters_of(self._there(together).to_pandas()))

    def numbered(self, attribute: str) -> tuple[list[str], np.ndarray]:
        """Groups of an attribute in their natural order, and each item's place among them: int32 (n,), -1 unknown.

        "gender x race" is an attribute too: its groups are the combinations that occur, and an item whose group is
        unknown in either is unknown in their intersection.
        """
        parts = self.components(attribute)
        if len(parts) == 1:
            return self._made(("groups", attribute), lambda: self._number(attribute))
        columns = [self.numbered(part) for part in parts]
        if (cells := prod(len(groups) for groups, _ in columns)) > MOST_CELLS:
            said = f"{attribute} has {cells:,} combinations of groups, too many to list"
            raise InputError(f"{said}; cross fewer attributes, or some with fewer groups")
        return self._made(("groups", attribute), lambda: crossed(columns))

    def components(self, attribute: str) -> list[str]:
        """The attribute itself, or those that an intersection crosses; InputError where there is no such column."""
        parts = [attribute] if attribute in (*self.attributes, self._together) else attribute.split(CROSS)
        known = ", ".join(self.attributes) or "none"
        for part in parts:
            if part not in (*self.attributes, self._together):
                hint = (
                    ""
                    if len(self.attributes) < 2
                    else f"; intersections are written as {CROSS.join(self.attributes[:2])!r}"
                )
                if part in self._others:
                    raise InputError(f"{self._owner}: {part!r} is no attribute ({self._others[part]}); known: {known}")
                raise InputError(f"{self._owner} has no attribute {part!r}; known: {known}{hint}")
        if len(set(parts)) < len(parts):
            raise InputError(f"the intersection {attribute!r} names an attribute twice; give each once")
        return parts

    def empty_cells(self, attribute: str) -> list[str]:
        """Combinations of an intersection that no item has, in order; none for an attribute of its own."""
        parts = self.components(attribute)
        if len(parts) == 1:
            return []
        present = set(self.numbered(attribute)[0])
        every = product(*(self.numbered(part)[0] for part in parts))
        return [name for cell in every if (name := CROSS.join(cell)) not in present]

    def _named(self, name: str) -> np.ndarray:
        """The texts of a column (n,), dtype object; None where there is none."""
        texts, numbers = self._number(name)
        return np.array([*texts, None], dtype=object)[numbers]

    def _number(self, attribute: str) -> tuple[list[str], np.ndarray]:
        read = self._read(attribute, numbered=True)
        chunks = [chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode() for chunk in read.chunks]
        named = [(chunk.dictionary.to_pylist(), _places(chunk.indices)) for chunk in chunks]
        groups = sorted({names[place] for names, places in named for place in _used(places)}, key=natural)
        number = {name: place for place, name in enumerate(groups)}
        # the place -1 of an unknown item is the last entry
        parts = [np.array([*(number.get(name, -1) for name in names), -1])[places] for names, places in named]
        numbers = np.concatenate([np.zeros(0, dtype=np.int32), *parts]).astype(np.int32)
        numbers.setflags(write=False)
        return groups, numbers

    def labels(self, attribute: str) -> np.ndarray:
        """The group of every item (n,), dtype object; None where it is unknown."""
        groups, numbers = self.numbered(attribute)
        # The place -1 of an unknown item is the last entry: None.
        return self._made(("labels", attribute), lambda: np.array([*groups, None], dtype=object)[numbers])

    def counts(self, attribute: str, rows: np.ndarray | None) -> dict[str, int]:
        """Number of items of each group, then of "unknown", among `rows` (None: all); groups may have 0."""
        groups, numbers = self.numbered(attribute)
        counts = np.bincount((numbers if rows is None else numbers[rows]) + 1, minlength=len(groups) + 1)
        return {**{group: int(count) for group, count in zip(groups, counts[1:], strict=True)}, UNKNOWN: int(counts[0])}

    def matching(self, where: Mapping[str, str]) -> np.ndarray:
        """Whether each item is in all of the given groups, bool (n,); InputError for an unknown column or group."""
        keep = np.ones(self.n, dtype=bool)
        for attribute, value in where.items():
            groups, numbers = self.numbered(attribute)
            if value not in (*groups, UNKNOWN):
                known = ", ".join([*groups[:GROUPS_SHOWN], UNKNOWN])
                raise InputError(f"{attribute} has no group {value!r}; known: {known}")
            keep &= numbers == (groups.index(value) if value != UNKNOWN else -1)
        return keep


def _used(places: np.ndarray) -> np.ndarray:
    """The places that occur, rising, without -1."""
    return np.flatnonzero(np.bincount(places + 1)[1:])


def _places(indices: pa.Array) -> np.ndarray:
    """Whole numbers (n,); -1 where there is none. Read from Arrow's buffers: its own way to NumPy imports pandas."""
    known, values = indices.buffers()
    here = slice(indices.offset, indices.offset + len(indices))
    places = np.frombuffer(values, dtype=str(indices.type))[here].astype(np.int64)
    if known is not None:
        places[np.unpackbits(np.frombuffer(known, dtype=np.uint8), bitorder="little")[here] == 0] = -1
    return places


def crossed(columns: Sequence[tuple[list[str], np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Combinations of groups that occur, in the order of their parts, and each item's place among them.

    The places are int32 (n,); -1 where any part is unknown.

    Parameters
    ----------
    columns : groups and group numbers (n,) of each attribute.
    """
    names, numbers = [""], np.zeros(len(columns[0][1]), dtype=np.int64)
    for groups, more in columns:
        code = np.where((numbers >= 0) & (more >= 0), numbers * len(groups) + more, -1)
        present = np.unique(code[code >= 0])  # of the combinations only these are written out: there may be millions
        pairs = [(names[c // len(groups)], groups[c % len(groups)]) for c in present.tolist()]
        names = [f"{before}{CROSS}{group}" if before else group for before, group in pairs]
        numbers = np.where(code >= 0, np.searchsorted(present, code), -1)
    places = numbers.astype(np.int32)
    places.setflags(write=False)
    return names, places

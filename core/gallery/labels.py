"""What is known about each item: its id, file or text, its half and its groups. Columns are read when asked for."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.config import UNKNOWN, InputError
from core.gallery.together import Clusters, clusters_of
from core.memo import Memo
from core.tables import RESERVED

CROSS = " x "
"""Between the attributes of an intersection and between its groups: "gender x race", "Female x White"."""
GROUPS_SHOWN = 30
"""Groups that a message lists at most."""


class Labels:
    """A gallery's attributes.parquet: one row an item, every column text, missing values allowed."""

    def __init__(
        self, path: Path, owner: str, together: str | None = None, others: Mapping[str, str] | None = None
    ) -> None:
        self._path, self._owner, self._together, self._others = path, owner, together, dict(others or {})
        self._made = Memo()
        try:
            self.n = pq.read_metadata(path).num_rows
            self._names: list[str] = pq.read_schema(path).names
        except (OSError, pa.ArrowException):
            raise InputError(
                f"{path} cannot be read as Parquet: it is damaged or cut; make the gallery again"
            ) from None
        if together is not None and together not in self._names:
            raise InputError(f"{path} has no column {together!r}, which the manifest names; make the gallery again")

    @cached_property
    def attributes(self) -> list[str]:
        """Names of the attribute columns; what items belong together by, and what is no groups, is none of them."""
        return [name for name in self._names if name not in (*RESERVED, self._together, *self._others)]

    @property
    def table(self) -> pd.DataFrame:
        """A copy of everything: id, file, text, half, then the attributes; NA is unknown."""
        return self._made("table", lambda: pq.read_table(self._path).to_pandas()).copy(deep=False)

    def column(self, name: str) -> pa.Array | None:
        """One column as it is stored; None where the gallery has none of this name."""
        if name not in self._names:
            return None
        read = lambda: pq.read_table(self._path, columns=[name])[name].combine_chunks()  # noqa: E731
        return self._made(("column", name), read)

    def _there(self, name: str) -> pa.Array:
        """A column that the gallery has for certain."""
        column = self.column(name)
        assert column is not None, f"{self._path} has no column {name}"
        return column

    def halves(self) -> np.ndarray:
        """ "probe" or "evaluation" for each item (n,)."""
        return self._made("half", lambda: self._there("half").to_numpy(zero_copy_only=False))

    def clusters(self) -> Clusters | None:
        """Which items belong together; None where nothing says so."""
        together = self._together
        if together is None:
            return None
        return self._made("clusters", lambda: clusters_of(self._there(together).to_pandas()))

    def numbered(self, attribute: str) -> tuple[list[str], np.ndarray]:
        """Sorted groups of an attribute, and each item's place among them: int32 (n,), -1 unknown.

        "gender x race" is an attribute too: its groups are the combinations that occur, and an item whose group is
        unknown in either is unknown in their intersection.
        """
        parts = self.components(attribute)
        if len(parts) == 1:
            return self._made(("groups", attribute), lambda: self._number(attribute))
        return self._made(("groups", attribute), lambda: crossed([self.numbered(part) for part in parts]))

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
        """Combinations of an intersection that no item has, sorted; none for an attribute of its own."""
        parts = self.components(attribute)
        if len(parts) == 1:
            return []
        present = set(self.numbered(attribute)[0])
        every = product(*(self.numbered(part)[0] for part in parts))
        return sorted({CROSS.join(cell) for cell in every} - present)

    def _number(self, attribute: str) -> tuple[list[str], np.ndarray]:
        column = self._there(attribute)
        groups = sorted(pc.unique(column.drop_null()).to_pylist())
        place = pc.index_in(column, value_set=pa.array(groups, column.type))
        numbers = place.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
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


def crossed(columns: Sequence[tuple[list[str], np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Combinations of groups that occur, sorted, and each item's place among them, int32 (n,); -1 where any is unknown.

    Parameters
    ----------
    columns : groups and group numbers (n,) of each attribute.
    """
    code, names = np.zeros(len(columns[0][1]), dtype=np.int64), [""]
    for groups, numbers in columns:
        code = np.where((code >= 0) & (numbers >= 0), code * len(groups) + numbers, -1)
        names = [f"{name}{CROSS}{group}" if name else group for name in names for group in groups]
    present = sorted(np.unique(code[code >= 0]).tolist(), key=names.__getitem__)
    place = np.full(len(names) + 1, -1, dtype=np.int32)  # the last entry stays -1: unknown
    place[present] = np.arange(len(present))
    numbers = place[code]
    numbers.setflags(write=False)
    return [names[cell] for cell in present], numbers


def parse_where(conditions: Iterable[str]) -> dict[str, str]:
    """{"race": "White"} from ["race=White"]; InputError for what has no "=" and for a column named twice."""
    where: dict[str, str] = {}
    for condition in conditions:
        column, equals, value = (part.strip() for part in condition.partition("="))
        if not equals or not column:
            raise InputError(f"the condition {condition!r} has no column and value; expected COLUMN=VALUE")
        if column in where:
            raise InputError(f"the column {column!r} is restricted twice; give one value for it")
        where[column] = value
    return where

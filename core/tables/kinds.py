"""Which columns of a table are groups of items, and which are something else: names, texts, scores, ages in years."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from core.config import InputError
from core.tables.cleaning import joined
from core.tables.columns import attribute_columns
from core.tables.names import RESERVED
from core.tables.order import MOST_GROUPS

FEW = 20
"""Different values that any column may have and be groups."""
ALONE = 0.5
"""Share of the filled rows beyond which different values are about one a row."""
ADDRESS = r"https?://.*|.*\.(?:jpe?g|png|webp|gif|bmp|tiff?)"
"""What names a picture, which several rows may share."""


def not_groups(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """The columns that are no groups, each with the reason in words.

    A column of numbers with more than FEW different ones (ages in years, scores), and any other column with more than
    FEW values that has about one a row (captions, names), more than MOST_GROUPS, or addresses of pictures.
    """
    found = {}
    for name in columns:
        filled = frame[name].dropna()
        different = int(filled.nunique())
        if different <= FEW:
            continue
        if (numbers := as_numbers(filled)) is not None:
            span = f"{numbers.min():g} to {numbers.max():g}"
            found[name] = f"{different:,} different numbers, {span}; make groups of them with --bins {name}=..."
        elif different > ALONE * len(filled):
            found[name] = f"{different:,} values in {len(filled):,} rows, about one a row"
        elif different > MOST_GROUPS:
            found[name] = f"{different:,} values, too many to be groups"
        elif filled.str.fullmatch(ADDRESS, case=False).all():
            found[name] = f"{different:,} names of pictures"
    return found


def as_numbers(values: pd.Series) -> np.ndarray | None:
    """A column of text as numbers, float64; None where a value is no finite number."""
    if not values.str.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?").all():
        return None
    numbers = values.to_numpy(dtype=object).astype(np.float64)
    return numbers if np.isfinite(numbers).all() else None


@dataclass(frozen=True)
class Bins:
    """Bounds by which a column of numbers becomes groups: [a, b, c] gives below a, a to b, b to c, c and above."""

    column: str
    bounds: tuple[float, ...]

    def names(self, whole: bool) -> list[str]:
        """ "0-17", "18-29", "30 and more"; halves are said by their bounds ("0.5 to 1")."""
        text = [f"{bound:g}" for bound in self.bounds]
        if whole:
            inner = [f"{a:g}-{b - 1:g}" if b - 1 > a else f"{a:g}" for a, b in pairwise(self.bounds)]
        else:
            inner = [f"{a} to {b}" for a, b in pairwise(text)]
        return [f"below {text[0]}", *inner, f"{text[-1]} and more"]


def parse_bins(text: str) -> Bins:
    """ "age=18,30,50" as bins; InputError for what is none."""
    column, equals, said = (part.strip() for part in text.partition("="))
    try:
        bounds = tuple(float(part) for part in said.split(","))
    except ValueError:
        bounds = ()
    rising = all(a < b for a, b in pairwise(bounds))
    if not (column and equals and bounds and rising and np.isfinite(bounds).all()):
        raise InputError(f"the bins were {text!r}; expected COLUMN=FIRST,SECOND,... with rising numbers, age=18,30,50")
    return Bins(column, bounds)


def binned(values: pd.Series, bins: Bins, source: str) -> pd.Series:
    """A column of numbers as groups (dtype str); InputError naming the first row that is no number."""
    filled = values.dropna()
    numbers = pd.to_numeric(filled, errors="coerce")
    if numbers.isna().any():
        row = int(numbers.isna().to_numpy().argmax())
        where = int(values.index.get_indexer(filled.index[[row]])[0]) + 1
        raise InputError(f"{source}: row {where} has {bins.column} {filled.iloc[row]!r}; bins need numbers alone")
    whole = bool((numbers % 1 == 0).all()) and all(bound % 1 == 0 for bound in bins.bounds)
    names = np.array(bins.names(whole), dtype=object)
    places = np.searchsorted(np.asarray(bins.bounds), numbers.to_numpy(dtype=np.float64), side="right")
    found = pd.Series(names[places], index=filled.index, dtype="str")
    return found.reindex(values.index)


@dataclass(frozen=True)
class Regroup:
    """What a person chose to do with the groups of a table before anything is made of it."""

    join: tuple[str, ...] = ()
    """Columns in which groups that differ in spelling alone become one; see `core.tables.cleaning.look_alikes`."""
    bins: tuple[Bins, ...] = ()

    def applied(self, frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
        """The table with these groups, and a note on each column; InputError for a column that is not there."""
        notes, found = [], frame.copy(deep=False)
        for column in (*self.join, *(one.column for one in self.bins)):
            if column not in frame.columns or column in RESERVED:
                there = ", ".join(attribute_columns(frame)) or "none"
                raise InputError(f"{source} has no attribute {column!r} to make groups of; its attributes are: {there}")
        for column in self.join:
            before = found[column]
            found[column] = joined(before)
            changed = before[before.notna() & (before != found[column])]
            said = ", ".join(f"{name} ({n:,})" for name, n in changed.value_counts(sort=False).items())
            notes.append(f"{column}: joined by spelling: {said or 'nothing'}")
        for one in self.bins:
            found[one.column] = binned(found[one.column], one, source)
            notes.append(f"{one.column}: numbers in bins from {', '.join(f'{bound:g}' for bound in one.bounds)}")
        return found, notes


NO_REGROUP = Regroup()

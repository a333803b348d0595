"""What a data set gives a gallery: one row an item, and honest words on where it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from core.config import InputError
from core.datasets.images import ReadImage
from core.registry import Registry
from core.tables import LeftOut, attribute_columns, require_filled, require_unique

Kind = Literal["images", "captions"]
NOT_STATED = "not stated"


@dataclass(frozen=True)
class ItemTable:
    """The items of a gallery before they are embedded. Checks itself: every item has an id of its own and content."""

    frame: pd.DataFrame
    """One row an item, text columns: `id`; `file` (images, relative to root) or `text` (captions); then attributes."""
    kind: Kind
    source: str
    """What it was read from, for people: a file or folder name, no whole path."""
    root: Path | None = None
    """Folder that `file` starts from (images)."""
    licence: str = NOT_STATED
    provenance: str = NOT_STATED
    """Where the items and their labels come from; whether the labels are perceived or self-reported."""
    left_out: tuple[LeftOut, ...] = ()
    """Every row, file and picture that was given and is no item."""
    notes: tuple[str, ...] = ()
    halves: tuple[str, ...] | None = None
    """Half of every row by the data set's official split; None: the gallery splits by its seed."""
    official: str | None = None
    """How the official split became halves, in words."""
    read: Callable[[str], ReadImage] | None = None
    """Turns an item's `file` into a picture, where pictures are no files under `root`."""

    def __post_init__(self) -> None:
        content = "file" if self.kind == "images" else "text"
        if content not in self.frame.columns:
            raise InputError(f"{self.source} has no column {content!r}; a gallery of {self.kind} needs it")
        if self.frame.empty:
            why = f": {self.left_out[0]}" if self.left_out else ""
            raise InputError(f"{self.source} has no item that can be used{why}; expected at least one")
        if "half" in self.frame.columns:
            raise InputError(
                f"{self.source}: the column name 'half' is taken by the gallery's split; rename the column"
            )
        for name in ("id", content):
            require_filled(self.frame, name, self.source)
        require_unique(self.frame, "id", self.source)
        if self.halves is not None and len(self.halves) != len(self.frame):
            raise InputError(f"{self.source}: {len(self.halves)} halves for {len(self.frame)} items")

    @property
    def attributes(self) -> list[str]:
        return attribute_columns(self.frame)


class DataSet(ABC):
    """Reads one layout of files. Reading is cheap: it lists and checks items, and opens no picture."""

    title: ClassVar[str]
    """What people call it."""
    needs: ClassVar[str]
    """What its path leads to, in words: the label of the field in which the path is typed."""
    takes_table: ClassVar[bool] = False
    """True where attributes come from a table of their own beside it."""
    place: ClassVar[int] = 100
    """Place among all data sets where they are offered; equal ones by title."""

    @abstractmethod
    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        """The items under `root`, with the attributes of `table` where the layout takes one."""
        ...


DATASETS: Registry[type[DataSet]] = Registry("data set", "core.datasets")


def offered() -> dict[str, type[DataSet]]:
    """All registered data sets by name, in the order in which they are offered."""
    found = {name: DATASETS.get(name) for name in DATASETS}
    return dict(sorted(found.items(), key=lambda item: (item[1].place, item[1].title.lower())))


def items_of(
    name: str, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
) -> ItemTable:
    """The items of a registered data set; InputError where a table is given that it does not take."""
    kind = DATASETS.get(name)
    if table is not None and not kind.takes_table:
        raise InputError(f"{kind.title} brings its own attributes and takes no table; leave {Path(table).name} out")
    return kind().items(root, table=table, licence=licence, provenance=provenance)


def official_halves(
    splits: Sequence[str], half_of: Mapping[str, str], name: str
) -> tuple[tuple[str, ...] | None, str | None]:
    """Each row's half by an official split, and the words for it; (None, None) where only one half would be filled.

    Parameters
    ----------
    half_of : "probe" or "evaluation" for every official part, {"train": "probe", "val": "evaluation"}.
    """
    halves = tuple(half_of[part] for part in splits)
    if len(set(halves)) < 2:
        return None, None
    said = ", ".join(f"{part} is {half}" for part, half in half_of.items() if part in set(splits))
    return halves, f"{name}: {said}"


def require_folder(root: Path, expected: str) -> Path:
    """`root` as a path; InputError where it is no folder."""
    if not Path(root).is_dir():
        raise InputError(f"{root} is no folder; expected {expected}")
    return Path(root)


def first_there(root: Path, names: Sequence[str], what: str) -> Path:
    """The first of some places under `root` that is there; InputError listing them."""
    for name in names:
        if (root / name).exists():
            return root / name
    raise InputError(f"{root} has no {what}; expected {' or '.join(names)}")


def require_known(frame: pd.DataFrame, known: Mapping[str, Sequence[str]], source: str) -> None:
    """InputError naming every group that a published data set does not have, with the rows in which it stands.

    Parameters
    ----------
    known : the groups of each column, as the authors write them.
    """
    said = []
    for column, groups in known.items():
        strange = frame.loc[~frame[column].isin(groups) & frame[column].notna(), column]
        counts = strange.value_counts(sort=False)
        said += [f"{column} {value!r}{_made_date(str(value))} ({n:,} rows)" for value, n in counts.items()]
    if said:
        more = f" and {len(said) - STRANGE_SHOWN} more" if len(said) > STRANGE_SHOWN else ""
        raise InputError(
            f"{source} holds {', '.join(said[:STRANGE_SHOWN])}{more}, which the published table does not have; take "
            "the published table, or write these values as it does"
        )


STRANGE_SHOWN = 6
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _made_date(value: str) -> str:
    """ ", made of 3-9 by a spreadsheet", for a range of years that became a date ("09-Mar", "Oct-19")."""
    parts = [part.strip().lower()[:3] for part in value.split("-")]
    if len(parts) != 2 or not any(part in MONTHS for part in parts):
        return ""
    numbers = [MONTHS.index(part) + 1 if part in MONTHS else int(part) if part.isdecimal() else 0 for part in parts]
    return f", which a spreadsheet made of {min(numbers)}-{max(numbers)}" if all(numbers) else ""

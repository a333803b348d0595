"""What a data set gives a gallery: one row an item, and honest words on where it comes from."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from core.config import InputError
from core.datasets.images import ReadImage
from core.datasets.tables import attribute_columns, require_filled, require_unique
from core.registry import Registry

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
    problems: tuple[str, ...] = ()
    """What could not be used, one line each."""
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
            why = f": {self.problems[0]}" if self.problems else ""
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


def present(frame: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows whose `file` is under `root`, and a line for each other row; InputError where none is."""
    there = np.array([(root / file).is_file() for file in frame["file"]], dtype=bool)
    if not there.any():
        raise InputError(f"none of the {len(frame)} pictures is under {root} (the first is {frame['file'].iloc[0]!r})")
    return frame[there].reset_index(drop=True), tuple(f"{file} is not there" for file in frame.loc[~there, "file"])


def locate(root: Path, file: str) -> Path:
    """The path of a table's `file` under `root`; InputError where it leads out of it.

    A file given from the root's parent ("images/1.jpg" with the root .../images) is found as well. Links that lie
    under the root are followed: whoever put them there meant it.
    """
    base = os.path.abspath(root)
    path = os.path.normpath(os.path.join(base, file))
    if not os.path.exists(path) and Path(file).parts[:1] == (os.path.basename(base),):
        path = os.path.normpath(os.path.join(os.path.dirname(base), file))
    if not path.startswith(base.rstrip(os.sep) + os.sep):
        raise InputError(f"file {file!r} leads out of {root}; expected a path below it")
    return Path(path)

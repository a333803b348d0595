"""What a data set gives a gallery: one row an item, and honest words on where it comes from."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import pandas as pd

from core.config import InputError
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

    @property
    def attributes(self) -> list[str]:
        return attribute_columns(self.frame)


class DataSet(Protocol):
    """Reads one layout of files. Reading is cheap: it lists and checks items, and opens no picture."""

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        """The items under `root`, with the attributes of `table` where the layout takes one."""
        ...


DATASETS: Registry[type[DataSet]] = Registry("data set", "core.datasets")


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

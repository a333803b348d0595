"""A folder of pictures, with or without an attribute table."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable
from core.datasets.images import SUFFIXES
from core.datasets.picture_files import listed, present
from core.tables import LeftOut, read_table, require_filled


@DATASETS.register("folder")
class Folder(DataSet):
    """All pictures of a folder and its subfolders, or those that a table lists.

    Without a table the items are the files in the order of their paths, and there are no attributes. With a table
    (column `file`, or `id` holding file names) the items are its rows in its order. What is left out is listed: rows
    whose file is missing, pictures that the table does not name, files that cannot be read as pictures.
    """

    title = "A folder of pictures"
    needs = "Folder of pictures"
    takes_table = True
    place = 0

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"{root} is no folder; expected a folder of pictures")
        found, others = listed(root)
        if not found:
            why = f"; {others[0]}" if others else ""
            raise InputError(
                f"{root} holds no picture; expected files ending in {', '.join(sorted(SUFFIXES)[:6])}...{why}"
            )
        frame = pd.DataFrame({"id": found, "file": found}, dtype="str")
        source, left_out = f"folder {root.name}", tuple(others)
        notes: tuple[str, ...] = ()
        if table is not None:
            frame, lost, notes = listed_pictures(root, Path(table))
            source = f"folder {root.name} with {Path(table).name}"
            taken = set(frame["file"])
            unlisted = [LeftOut(file, f"not in {Path(table).name}") for file in found if file not in taken]
            left_out = (*lost, *unlisted, *(one for one in others if one.name not in {file for file, _ in lost}))
        return ItemTable(
            frame,
            "images",
            source,
            root,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            left_out,
            notes,
        )


def listed_pictures(root: Path, table: Path) -> tuple[pd.DataFrame, tuple[LeftOut, ...], tuple[str, ...]]:
    """The rows of a table whose pictures are there (with `id` and `file` first), every other row, and notes."""
    read = read_table(table)
    frame, key = read.frame, "file" if "file" in read.frame.columns else "id"
    require_filled(frame, key, str(table))
    own = "id" in frame.columns and key == "file"
    frame, lost = present(frame.assign(file=frame[key]), root, str(table))
    ids = frame["id"] if own else frame["file"]
    rest = frame.drop(columns=[name for name in ("id", "file") if name in frame.columns])
    found = pd.concat([ids.rename("id"), frame["file"], rest], axis=1)
    return found, (*read.left_out, *lost), read.notes

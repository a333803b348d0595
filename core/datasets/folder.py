"""A folder of pictures, with or without an attribute table."""

import os
from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable, locate
from core.datasets.images import SUFFIXES
from core.datasets.tables import read_table, require_filled


@DATASETS.register("folder")
class Folder(DataSet):
    """All pictures of a folder and its subfolders, or those that a table lists.

    Without a table the items are the files in the order of their paths, and there are no attributes. With a table
    (column `file`, or `id` holding file names) the items are its rows in its order; rows whose file is missing are
    listed as problems, and pictures that the table does not name are left out and counted.
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
        found = pictures(root)
        if not found:
            raise InputError(f"{root} holds no picture; expected files ending in {', '.join(sorted(SUFFIXES)[:6])}...")
        frame = pd.DataFrame({"id": found, "file": found}, dtype="str")
        source, problems, notes = f"folder {root.name}", [], []
        if table is not None:
            frame, problems = listed_pictures(root, Path(table))
            source = f"folder {root.name} with {Path(table).name}"
            unlisted = len(found) - len(frame)
            if unlisted > 0:
                notes.append(f"{unlisted} pictures of the folder are not in {Path(table).name} and are left out")
        return ItemTable(
            frame,
            "images",
            source,
            root,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            tuple(problems),
            tuple(notes),
        )


def pictures(root: Path) -> list[str]:
    """Paths of all picture files below `root`, relative to it, sorted; hidden files and folders are passed over."""
    found: list[str] = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        paths = (Path(folder, name) for name in files if not name.startswith("."))
        found += [path.relative_to(root).as_posix() for path in paths if path.suffix.lower() in SUFFIXES]
    return sorted(found)


def listed_pictures(root: Path, table: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a table whose pictures are there (with `id` and `file` first), and a line for each other row."""
    frame = read_table(table)
    key = "file" if "file" in frame.columns else "id"
    require_filled(frame, key, str(table))
    files = frame[key]
    there = [locate(root, file).is_file() for file in files]
    problems = [
        f"{file} is in {table.name} but not in the folder" for file, ok in zip(files, there, strict=True) if not ok
    ]
    if not any(there):
        raise InputError(
            f"none of the {len(frame)} files that {table} lists is in {root} (the first is {files.iloc[0]!r}); "
            f"give the folder that the column {key!r} starts from"
        )
    frame = frame[there].reset_index(drop=True)
    ids = frame["id"] if "id" in frame.columns else frame["file"]
    rest = frame.drop(columns=[name for name in ("id", "file") if name in frame.columns])
    return pd.concat([ids.rename("id"), frame[key].rename("file"), rest], axis=1), problems

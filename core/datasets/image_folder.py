"""Folders of pictures as the Hugging Face library reads them: parts, classes as folders, metadata beside."""

from pathlib import Path, PurePosixPath

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable, official_halves, require_folder
from core.datasets.hugging_face import PARTS
from core.datasets.picture_files import listed, present
from core.tables import LeftOut, read_table

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


@DATASETS.register("imagefolder")
class ImageFolder(DataSet):
    """Pictures with `metadata.csv`, `metadata.jsonl` or `metadata.parquet` (column `file_name`) in their folder or
    above, or in folders named after their class (the attribute label).

    Folders named train, validation or test above them are parts and become the halves where both are there.
    """

    title = "A folder in imagefolder's layout"
    needs = "Folder with metadata.csv or metadata.jsonl (column file_name), or a folder a class"
    place = 5

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "pictures with metadata.csv or metadata.jsonl, or a folder a class")
        tables = [path for name in METADATA for path in sorted(root.glob(f"**/{name}"))]
        found, others = listed(root)
        if not found:
            raise InputError(f"{root} holds no picture; expected pictures with metadata beside, or a folder a class")
        notes: tuple[str, ...] = ()
        left_out: list[LeftOut] = list(others)
        if tables:
            frame, notes, lost = _described(root, tables)
            taken = set(frame["file"])
            left_out += [*lost, *(LeftOut(file, "not in any metadata file") for file in found if file not in taken)]
        else:
            frame = _classes(found)
        files = [PurePosixPath(file) for file in frame["file"]]
        parts = [next((part for part in file.parts[:-1] if part.lower() in PARTS), "").lower() for file in files]
        halves, official = official_halves(parts, PARTS, "folders") if set(parts) <= set(PARTS) else (None, None)
        return ItemTable(
            frame,
            "images",
            f"folder {root.name}",
            root,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            tuple(left_out),
            notes,
            halves,
            official,
        )


def _described(root: Path, tables: list[Path]) -> tuple[pd.DataFrame, tuple[str, ...], list[LeftOut]]:
    """The rows of all metadata files whose pictures are there."""
    frames, notes, left_out = [], [], list[LeftOut]()
    for path in tables:
        read = read_table(path, need=("file_name",))
        folder = path.parent.relative_to(root).as_posix()
        names = read.frame["file_name"] if folder == "." else f"{folder}/" + read.frame["file_name"]
        frames.append(pd.concat([names.rename("file"), read.frame.drop(columns="file_name")], axis=1))
        notes += [f"{path.relative_to(root).as_posix()}: {note}" for note in read.notes]
        left_out += read.left_out
    frame, lost = present(pd.concat(frames, ignore_index=True), root, "metadata")
    if "id" not in frame.columns:
        frame.insert(0, "id", frame["file"])
    return frame, tuple(notes), [*left_out, *lost]


def _classes(found: list[str]) -> pd.DataFrame:
    """Pictures with the folder that each lies in as its label; none where all lie in one."""
    above = [PurePosixPath(file).parent.name for file in found]
    labels = [name if name.lower() not in PARTS else None for name in above]
    frame = pd.DataFrame({"id": found, "file": found}, dtype="str")
    return frame.assign(label=pd.Series(labels, dtype="str")) if len(set(labels)) > 1 else frame

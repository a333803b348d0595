"""FairFace (Karkkainen and Joo, WACV 2021) as it is published."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, official_halves, require_folder, require_known
from core.datasets.picture_files import present
from core.tables import read_table

PARTS = {"train": "probe", "val": "evaluation"}
GROUPS = {
    "age": ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"),
    "gender": ("Female", "Male"),
    "race": ("Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian", "White"),
}
"""The groups of the published tables; others were made afterwards, by a spreadsheet for example."""


@DATASETS.register("fairface")
class FairFace(DataSet):
    """`fairface_label_train.csv` and `fairface_label_val.csv` beside the folders `train/` and `val/`.

    Attributes: gender, race (seven groups) and age (nine bands), as the labels say. One of the two tables is enough;
    with both, training pictures become the probe half and validation pictures the evaluation half.
    """

    title = "FairFace"
    needs = "Folder with fairface_label_train.csv, fairface_label_val.csv, train/ and val/"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "FairFace: fairface_label_train.csv, fairface_label_val.csv, train/ and val/")
        parts, said = [], []
        for part in PARTS:
            labels = root / f"fairface_label_{part}.csv"
            if labels.is_file():
                read = read_table(labels, need=("file",))
                parts.append(read.frame.assign(part=part))
                said.append(read)
        if not parts:
            raise InputError(f"{root} has neither fairface_label_train.csv nor fairface_label_val.csv; add one")
        frame = pd.concat(parts, ignore_index=True)
        missing = [name for name in ("age", "gender", "race") if name not in frame.columns]
        if missing:
            raise InputError(f"{root}: the FairFace labels have no column {missing[0]!r}; take the published tables")
        require_known(frame, GROUPS, " and ".join(f"fairface_label_{part}.csv" for part in frame["part"].unique()))
        frame, lost = present(frame, root, "fairface_label_*.csv")
        halves, official = official_halves(frame["part"].tolist(), PARTS, "FairFace")
        return ItemTable(
            pd.DataFrame({"id": frame["file"]}).join(frame[["file", "gender", "race", "age"]]),
            "images",
            "FairFace",
            root,
            licence or "CC BY 4.0",
            provenance or "FairFace; labels are perceived, by crowd workers",
            (*(one for read in said for one in read.left_out), *lost),
            tuple(note for read in said for note in read.notes),
            halves=halves,
            official=official,
        )

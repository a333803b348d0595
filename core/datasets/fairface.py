"""FairFace (Karkkainen and Joo, WACV 2021) as it is published."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, official_halves, present, require_folder
from core.datasets.tables import read_table

PARTS = {"train": "probe", "val": "evaluation"}


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
        parts = []
        for part in PARTS:
            labels = root / f"fairface_label_{part}.csv"
            if labels.is_file():
                parts.append(read_table(labels, need=("file",)).assign(part=part))
        if not parts:
            raise InputError(f"{root} has neither fairface_label_train.csv nor fairface_label_val.csv; add one")
        frame = pd.concat(parts, ignore_index=True)
        missing = [name for name in ("age", "gender", "race") if name not in frame.columns]
        if missing:
            raise InputError(f"{root}: the FairFace labels have no column {missing[0]!r}; take the published tables")
        frame, problems = present(frame, root)
        halves, official = official_halves(frame["part"].tolist(), PARTS, "FairFace")
        return ItemTable(
            pd.DataFrame({"id": frame["file"]}).join(frame[["file", "gender", "race", "age"]]),
            "images",
            "FairFace",
            root,
            licence or "CC BY 4.0",
            provenance or "FairFace; labels are perceived, by crowd workers",
            problems,
            halves=halves,
            official=official,
        )

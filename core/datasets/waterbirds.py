"""Waterbirds (Sagawa et al., ICLR 2020) as it is published."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, first_there, official_halves, require_folder
from core.datasets.picture_files import present
from core.tables import read_table

FOLDERS = ("metadata.csv", "waterbird_complete95_forest2water2/metadata.csv")
BIRDS = {"0": "land bird", "1": "water bird"}
PLACES = {"0": "land background", "1": "water background"}
PARTS = {"0": "probe", "1": "probe", "2": "evaluation"}
"""Official parts: 0 training, 1 validation, 2 test."""


@DATASETS.register("waterbirds")
class Waterbirds(DataSet):
    """`metadata.csv` (columns img_filename, y, split, place) beside the pictures.

    Attributes: `bird type` and `background`. Training and validation pictures become the probe half, test pictures
    the evaluation half; only 5 % of the training birds stand on the other background.
    """

    title = "Waterbirds"
    needs = "Folder with metadata.csv and the pictures"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "Waterbirds: metadata.csv beside the pictures")
        metadata = first_there(root, FOLDERS, "metadata.csv")
        read = read_table(metadata, need=("img_filename",))
        frame = read.frame
        columns = {
            "id": frame["img_filename"],
            "file": frame["img_filename"],
            "bird type": _named(frame, "y", BIRDS, metadata),
            "background": _named(frame, "place", PLACES, metadata),
            "part": _named(frame, "split", {part: part for part in PARTS}, metadata),
        }
        birds, lost = present(pd.DataFrame(columns), metadata.parent, str(metadata))
        halves, official = official_halves(birds["part"].tolist(), PARTS, "Waterbirds")
        return ItemTable(
            birds.drop(columns="part"),
            "images",
            "Waterbirds",
            metadata.parent,
            licence or "as CUB-200-2011 and Places state",
            provenance or "Waterbirds; made from bird and place labels of the original data sets",
            (*read.left_out, *lost),
            read.notes,
            halves=halves,
            official=official,
        )


def _named(frame: pd.DataFrame, column: str, names: dict[str, str], path: Path) -> pd.Series:
    """A column of codes in words; InputError naming the first row that holds another code."""
    if column not in frame.columns:
        raise InputError(f"{path} has no column {column!r}; its columns are: {', '.join(frame.columns)}")
    values = frame[column].map(names)
    if values.isna().any():
        row = int(values.isna().to_numpy().argmax())
        raise InputError(f"{path}: row {row + 1} has {column} {frame[column].iloc[row]!r}; expected {', '.join(names)}")
    return values

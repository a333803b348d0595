"""UTKFace (Zhang et al., CVPR 2017): the labels stand in the file names."""

import re
from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, require_folder
from core.datasets.picture_files import listed
from core.tables import LeftOut

NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_\d+")
GENDERS = ("Male", "Female")
RACES = ("White", "Black", "Asian", "Indian", "Others")
LAST_YEARS = (2, 9, 19, 29, 39, 49, 59, 69)
"""The last year of each age band but the oldest: FairFace's bands, so that both data sets have the same groups."""
OLDEST = "more than 70"


@DATASETS.register("utkface")
class UTKFace(DataSet):
    """Pictures named `[age]_[gender]_[race]_[date and time].jpg` (often `.jpg.chip.jpg`), in one folder or below it.

    Attributes: gender, race (five groups, the last "Others" as the authors name it) and age in FairFace's bands. A
    picture whose name does not follow the pattern is left out and listed.
    """

    title = "UTKFace"
    needs = "Folder of pictures named age_gender_race_date.jpg"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "UTKFace: pictures named age_gender_race_date.jpg")
        found, others = listed(root)
        if not found:
            raise InputError(f"{root} holds no picture; expected UTKFace's files named age_gender_race_date.jpg")
        read = {file: labels for file in found if (labels := _labels(file)) is not None}
        if not read:
            raise InputError(f"no picture under {root} is named age_gender_race_date.jpg (the first is {found[0]!r})")
        frame = pd.DataFrame(list(read.values()), columns=["gender", "race", "age"], dtype="str")
        names = pd.DataFrame({"id": list(read), "file": list(read)}, dtype="str")
        return ItemTable(
            names.join(frame),
            "images",
            "UTKFace",
            root,
            licence or "research use, as UTKFace states",
            provenance or "UTKFace; labels were estimated by an algorithm and checked by people",
            (
                *(LeftOut(file, "not named age_gender_race_date: no labels") for file in found if file not in read),
                *others,
            ),
        )


def _labels(file: str) -> tuple[str, str, str] | None:
    """Gender, race and age band of a file name; None where it says them not."""
    match = NAME.match(Path(file).name)
    if match is None:
        return None
    return GENDERS[int(match[2])], RACES[int(match[3])], age_band(int(match[1]))


def age_band(age: int) -> str:
    """FairFace's age band of an age in years: "0-2", "3-9", "10-19", ..., "more than 70" (from 70 on)."""
    first = 0
    for last in LAST_YEARS:
        if age <= last:
            return f"{first}-{last}"
        first = last + 1
    return OLDEST

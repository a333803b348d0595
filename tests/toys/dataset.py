"""Pictures listed in people.toy, a line each: file, gender, age."""

from pathlib import Path

import pandas as pd

from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable, first_there, require_folder


@DATASETS.register("toy-people")
class ToyPeople(DataSet):
    """Attributes: gender and age."""

    title = "Toy people"
    needs = "Folder with people.toy and the pictures that it lists"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "people.toy and its pictures")
        lines = first_there(root, ["people.toy"], "people.toy").read_text(encoding="utf-8").splitlines()
        frame = pd.DataFrame([line.split() for line in lines], columns=["file", "gender", "age"], dtype="str")
        frame.insert(0, "id", frame["file"])
        return ItemTable(frame, "images", "toy people", root, licence or NOT_STATED, provenance or NOT_STATED)

"""COCO captions as they are published: `captions_train2017.json` and its like."""

from pathlib import Path
from typing import Any

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, official_halves
from core.datasets.captions import join_attributes
from core.store import read_json
from core.tables import LeftOut

PARTS = {"train": "probe", "val": "evaluation"}


@DATASETS.register("coco-captions")
class CocoCaptions(DataSet):
    """One captions file, or all `captions_train*.json` and `captions_val*.json` of a folder (or its `annotations/`).

    An item is a caption; its id is the annotation's. COCO's annotations name no person's gender, so there are no
    attributes unless `table` gives them (column `id`): nothing is guessed from words. With files of both kinds,
    training captions become the probe half and validation captions the evaluation half.
    """

    title = "COCO captions"
    needs = "A captions file, or the folder of captions_train*.json and captions_val*.json"
    takes_table = True

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        files = _files(Path(root))
        parts = [_captions(path).assign(part=part) for path, part in files]
        frame = pd.concat(parts, ignore_index=True)
        empty = frame["text"].isna()
        left_out = tuple(LeftOut(f"caption {item}", "empty") for item in frame.loc[empty, "id"])
        frame = frame[~empty].reset_index(drop=True)
        halves, official = official_halves(frame.pop("part").tolist(), PARTS, "COCO captions")
        notes: tuple[str, ...] = ("the annotations name no group; attributes come from a table with --table",)
        if table is not None:
            frame, notes, lost = join_attributes(frame, Path(table))
            left_out = (*left_out, *lost)
        return ItemTable(
            frame,
            "captions",
            "COCO captions",
            None,
            licence or "CC BY 4.0 (annotations)",
            provenance or "COCO captions, by crowd workers",
            left_out,
            notes,
            halves,
            official,
        )


def _files(root: Path) -> list[tuple[Path, str]]:
    """The caption files and the part that each is."""
    if root.is_file():
        return [(root, "val" if "val" in root.stem else "train")]
    if not root.is_dir():
        raise InputError(f"{root} is not there; expected captions_train2017.json or a folder that holds it")
    found = []
    for part in PARTS:
        for folder in (root, root / "annotations"):
            found += [(path, part) for path in sorted(folder.glob(f"captions_{part}*.json"))]
    if not found:
        raise InputError(f"{root} holds no captions_train*.json or captions_val*.json; give COCO's annotations folder")
    return found


def _captions(path: Path) -> pd.DataFrame:
    value: Any = read_json(path)
    annotations = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(annotations, list) or not annotations:
        raise InputError(f"{path} has no list 'annotations'; expected COCO's captions file")
    rows = []
    for place, one in enumerate(annotations):
        if not isinstance(one, dict) or "id" not in one or not isinstance(one.get("caption"), str):
            raise InputError(f"{path}: annotation {place + 1} has no id or no caption; expected COCO's captions file")
        rows.append((str(one["id"]), " ".join(one["caption"].split()) or None))
    return pd.DataFrame(rows, columns=["id", "text"], dtype="str")

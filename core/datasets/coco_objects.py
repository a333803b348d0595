"""What is on a picture, from COCO's `instances_*.json` and LVIS's `lvis_v1_*.json` as they are published."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, official_halves, require_folder
from core.datasets.picture_files import present
from core.store import read_json

PARTS = {"train": "probe", "val": "evaluation"}
PATTERNS = ("instances_{part}*.json", "lvis_v*_{part}*.json")
MOST = 80
"""Kinds of things that become attributes: as many as COCO has; of LVIS's 1,203 the most frequent."""


@DATASETS.register("coco-objects")
class CocoObjects(DataSet):
    """`annotations/instances_train2017.json` (or `lvis_v1_train.json`) and its val, with `train2017/` and `val2017/`.

    An item is a picture; each kind of thing is an attribute that says yes or no. LVIS looked for some kinds on some
    pictures only: a kind that was neither found nor said to be absent (`neg_category_ids`) is unknown there. Nothing
    about people is guessed: COCO's "person" has no gender.
    """

    title = "COCO and LVIS objects"
    needs = "Folder with annotations/instances_*.json or lvis_v1_*.json and the pictures"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "COCO's or LVIS's annotations and pictures")
        parts = []
        for part in PARTS:
            for folder in (root / "annotations", root):
                for pattern in PATTERNS:
                    parts += [(path, part) for path in sorted(folder.glob(pattern.format(part=part)))]
        if not parts:
            raise InputError(f"{root} holds no instances_train*.json or lvis_v1_*.json; give COCO's or LVIS's folder")
        read = [(_Annotations(path, root), part) for path, part in parts]
        counts: Counter[str] = Counter()
        for one, _ in read:
            counts.update(one.counts)
        names = sorted(name for name, _ in counts.most_common(MOST))
        frame = pd.concat([one.frame(names).assign(part=part) for one, part in read], ignore_index=True)
        there, lost = present(frame, root, "the annotations")
        halves, official = official_halves(there.pop("part").tolist(), PARTS, "COCO")
        rest = len(counts) - len(names)
        notes = (f"{rest:,} rarer kinds of things are no attributes",) if rest > 0 else ()
        return ItemTable(
            there,
            "images",
            "COCO and LVIS objects",
            root,
            licence or "CC BY 4.0 (annotations)",
            provenance or "COCO or LVIS; things were marked by crowd workers",
            lost,
            notes,
            halves,
            official,
        )


class _Annotations:
    """One annotations file."""

    def __init__(self, path: Path, root: Path) -> None:
        value: Any = read_json(path)
        try:
            self._images = [(int(one["id"]), _file(one, root)) for one in value["images"]]
            self._names = {int(one["id"]): str(one["name"]).replace("_", " ") for one in value["categories"]}
            self._seen: dict[int, set[int]] = defaultdict(set)
            for one in value["annotations"]:
                self._seen[int(one["image_id"])].add(int(one["category_id"]))
            sparse = [one for one in value["images"] if "neg_category_ids" in one]
            self._absent = {int(one["id"]): {int(i) for i in one["neg_category_ids"]} for one in sparse}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(
                f"{path} has no lists 'images', 'annotations' and 'categories' as COCO writes them; take the "
                "published file"
            ) from None
        self.counts = Counter(self._names.get(kind, "") for kinds in self._seen.values() for kind in kinds)
        self.counts.pop("", None)

    def frame(self, names: list[str]) -> pd.DataFrame:
        """Every picture with yes, no or unknown for each kind."""
        numbers = {name: number for number, name in self._names.items()}
        columns: dict[str, pd.Series] = {}
        files = pd.Series([file for _, file in self._images], dtype="str")
        for name in names:
            number = numbers.get(name)
            cells = [self._says(image, number) for image, _ in self._images]
            columns[name] = pd.Series(cells, dtype="str")
        return pd.DataFrame({"id": files, "file": files, **columns})

    def _says(self, image: int, kind: int | None) -> str | None:
        if kind is not None and kind in self._seen.get(image, ()):
            return "yes"
        return "no" if image not in self._absent or kind in self._absent[image] else None


def _file(image: dict[str, Any], root: Path) -> str:
    """Where a picture lies: below the folder that its address or its annotations name."""
    name = image.get("file_name") or str(image["coco_url"]).rsplit("/", 1)[1]
    folders = [str(image["coco_url"]).rsplit("/", 2)[1]] if "coco_url" in image else []
    for folder in (*folders, "train2017", "val2017", "train2014", "val2014", "images"):
        if (root / folder / name).is_file():
            return f"{folder}/{name}"
    return f"{folders[0]}/{name}" if folders else str(name)

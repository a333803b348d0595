"""CelebA (Liu et al., ICCV 2015) as it is published."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, first_there, official_halves, present, require_folder

PARTS = {"0": "probe", "1": "probe", "2": "evaluation"}
"""Official parts: 0 training, 1 validation, 2 test."""
SAID = {"1": "yes", "-1": "no"}


@DATASETS.register("celeba")
class CelebA(DataSet):
    """`list_attr_celeba.txt` (in `Anno/` or at the root), `list_eval_partition.txt` and the folder `img_align_celeba`.

    The column Male becomes the attribute gender; the other 39 keep their names and say yes or no. With the official
    partition, training and validation pictures become the probe half and test pictures the evaluation half.
    """

    title = "CelebA"
    needs = "Folder with list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba/"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "CelebA: list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba/")
        labels = first_there(root, ("Anno/list_attr_celeba.txt", "list_attr_celeba.txt"), "list_attr_celeba.txt")
        folders = ("Img/img_align_celeba", "img_align_celeba", "Img/img_align_celeba/img_align_celeba")
        images = first_there(root, folders, "folder of aligned pictures")
        frame = _attributes(labels)
        frame["file"] = [f"{images.relative_to(root).as_posix()}/{name}" for name in frame["id"]]
        frame, problems = present(frame, root)
        halves, official = _halves(root, frame["id"].tolist())
        rest = [name for name in frame.columns if name not in ("id", "file", "gender")]
        return ItemTable(
            frame[["id", "file", "gender", *rest]],
            "images",
            "CelebA",
            root,
            licence or "non-commercial research, as CelebA states",
            provenance or "CelebA; attributes are perceived, by annotators",
            problems,
            halves=halves,
            official=official,
        )


def _attributes(path: Path) -> pd.DataFrame:
    """The attribute table: a count, the names, then one line a picture with 1 or -1 for each name."""
    lines = _lines(path)
    if len(lines) < 3 or not lines[0].strip().isdigit():
        raise InputError(f"{path} does not begin with the number of pictures; take the published file")
    names = lines[1].split()
    if "Male" not in names:
        raise InputError(f"{path} has no attribute Male in its second line; take the published file")
    rows = []
    for number, line in enumerate(lines[2:], 3):
        parts = line.split()
        if len(parts) != len(names) + 1 or not set(parts[1:]) <= set(SAID):
            raise InputError(f"{path}: line {number} does not hold a file name and {len(names)} times 1 or -1")
        rows.append([parts[0], *(SAID[value] for value in parts[1:])])
    frame = pd.DataFrame(rows, columns=["id", *names], dtype="str")
    frame.insert(1, "gender", frame.pop("Male").map({"yes": "Male", "no": "Female"}))
    return frame


def _halves(root: Path, ids: list[str]) -> tuple[tuple[str, ...] | None, str | None]:
    """The official partition as halves, where its file is there and knows every picture."""
    places = ("Eval/list_eval_partition.txt", "list_eval_partition.txt", "Anno/list_eval_partition.txt")
    path = next((root / place for place in places if (root / place).is_file()), None)
    if path is None:
        return None, None
    part = dict(line.split()[:2] for line in _lines(path) if len(line.split()) >= 2)
    strange = next((name for name in ids if part.get(name) not in PARTS), None)
    if strange is not None:
        raise InputError(f"{path} gives {strange} the part {part.get(strange)!r}; expected 0, 1 or 2 for every picture")
    return official_halves([part[name] for name in ids], PARTS, "CelebA")


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as text ({error}); take the published file") from None

"""CelebA (Liu et al., ICCV 2015) as it is published, and as Kaggle has it."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, first_there, official_halves, require_folder
from core.datasets.picture_files import present
from core.tables import LeftOut, read_table

PARTS = {"0": "probe", "1": "probe", "2": "evaluation"}
"""Official parts: 0 training, 1 validation, 2 test."""
SAID = {"1": "yes", "-1": "no"}
LABELS = tuple(f"{folder}list_attr_celeba.{end}" for end in ("txt", "csv") for folder in ("Anno/", ""))
PARTITIONS = tuple(f"{place}list_eval_partition.{end}" for end in ("txt", "csv") for place in ("Eval/", "", "Anno/"))
PICTURES = (
    *("Img/img_align_celeba", "img_align_celeba", "img_align_celeba/img_align_celeba"),
    *("Img/img_align_celeba/img_align_celeba", "img_celeba", "Img/img_celeba"),
)


@DATASETS.register("celeba")
class CelebA(DataSet):
    """`list_attr_celeba.txt` (in `Anno/` or at the root), `list_eval_partition.txt` and the folder `img_align_celeba`.

    Kaggle's copy has both tables as CSV (columns image_id, partition) and the pictures one folder deeper. The column
    Male becomes the attribute gender; the other 39 keep their names and say yes or no. With the official partition,
    training and validation pictures become the probe half and test pictures the evaluation half.
    """

    title = "CelebA"
    needs = "Folder with list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba/"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = require_folder(root, "CelebA: list_attr_celeba.txt, list_eval_partition.txt and img_align_celeba/")
        labels = first_there(root, LABELS, "list_attr_celeba.txt")
        frame, notes, left_out = _attributes(labels)
        images = _pictures(root, frame["id"].tolist())
        inside = images.relative_to(root).as_posix()
        frame["file"] = [f"{inside}/{name}" for name in frame["id"]]
        frame, lost = present(frame, root, str(labels))
        halves, official = _halves(root, frame["id"].tolist())
        rest = [name for name in frame.columns if name not in ("id", "file", "gender")]
        return ItemTable(
            frame[["id", "file", "gender", *rest]],
            "images",
            "CelebA",
            root,
            licence or "non-commercial research, as CelebA states",
            provenance or "CelebA; attributes are perceived, by annotators",
            (*left_out, *lost),
            notes,
            halves=halves,
            official=official,
        )


def _pictures(root: Path, names: list[str]) -> Path:
    """The folder that holds the pictures themselves: of those that are there, the first with one of the first names."""
    there = [root / name for name in PICTURES if (root / name).is_dir()]
    holding = [folder for folder in there if any((folder / name).is_file() for name in names[:SOUGHT])]
    return holding[0] if holding else first_there(root, PICTURES[:4], "folder of aligned pictures")


SOUGHT = 100
"""Names by which the folder of the pictures is found."""


def _attributes(path: Path) -> tuple[pd.DataFrame, tuple[str, ...], tuple[LeftOut, ...]]:
    """The attribute table: ids, gender, and yes or no for every other attribute."""
    if path.suffix == ".csv":
        read = read_table(path, need=("image_id",))
        frame = read.frame.rename(columns={"image_id": "id"})
        if "Male" not in frame.columns:
            raise InputError(f"{path} has no column Male; take the published table")
        for name in (name for name in frame.columns if name != "id"):
            values = frame[name].map(SAID)
            if values.isna().any():
                row = int(values.isna().to_numpy().argmax())
                raise InputError(f"{path}: row {row + 1} has {name} {frame[name].iloc[row]!r}; expected 1 or -1")
            frame[name] = values.astype("str")
        notes, left_out = read.notes, read.left_out
    else:
        frame, notes, left_out = _text_attributes(path), (), ()
    frame.insert(1, "gender", frame.pop("Male").map({"yes": "Male", "no": "Female"}))
    return frame, notes, left_out


def _text_attributes(path: Path) -> pd.DataFrame:
    """The published text: a count, the names, then one line a picture with 1 or -1 for each name."""
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
    if int(lines[0]) != len(rows):
        raise InputError(f"{path} says {lines[0].strip()} pictures and lists {len(rows)}; it is cut: copy it again")
    return pd.DataFrame(rows, columns=["id", *names], dtype="str")


def _halves(root: Path, ids: list[str]) -> tuple[tuple[str, ...] | None, str | None]:
    """The official partition as halves, where its file is there and knows every picture."""
    path = next((root / place for place in PARTITIONS if (root / place).is_file()), None)
    if path is None:
        return None, None
    if path.suffix == ".csv":
        frame = read_table(path, need=("image_id",)).frame
        if "partition" not in frame.columns:
            raise InputError(f"{path} has no column 'partition'; its columns are: {', '.join(frame.columns)}")
        part = dict(zip(frame["image_id"], frame["partition"], strict=True))
    else:
        part = dict(line.split()[:2] for line in _lines(path) if len(line.split()) >= 2)
    strange = next((name for name in ids if part.get(name) not in PARTS), None)
    if strange is not None:
        raise InputError(f"{path} gives {strange} the part {part.get(strange)!r}; expected 0, 1 or 2 for every picture")
    return official_halves([part[name] for name in ids], PARTS, "CelebA")


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; take the published file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); take the published file") from None

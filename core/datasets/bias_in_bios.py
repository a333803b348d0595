"""Bias in Bios (De-Arteaga et al., FAT* 2019) from tables; the authors' pickle is never opened."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, DataSet, ItemTable, official_halves
from core.tables import READABLE, LeftOut, Table, read_table

PARTS = {"train": "probe", "dev": "probe", "test": "evaluation"}
TEXTS = ("hard_text", "bio", "text")
GENDERS = {"0": "Male", "1": "Female", "m": "Male", "f": "Female", "male": "Male", "female": "Female"}
PROFESSIONS = (
    *("accountant", "architect", "attorney", "chiropractor", "comedian", "composer", "dentist", "dietitian", "dj"),
    *("filmmaker", "interior_designer", "journalist", "model", "nurse", "painter", "paralegal", "pastor"),
    *("personal_trainer", "photographer", "physician", "poet", "professor", "psychologist", "rapper"),
    *("software_engineer", "surgeon", "teacher", "yoga_teacher"),
)
"""Names of the numbers 0 to 27 in the published tables."""


@DATASETS.register("bias-in-bios")
class BiasInBios(DataSet):
    """Tables (Parquet, CSV, Feather) named after their part: `train...`, `dev...`, `test...`, perhaps in `data/`.

    Columns: the biography (`hard_text`, `bio` or `text`), `profession` (a name or its number 0 to 27) and `gender`
    (0 or 1, M or F). Attributes: gender and profession. Training and development texts become the probe half, test
    texts the evaluation half.
    """

    title = "Bias in Bios"
    needs = "A table, or the folder of train, dev and test tables"

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        read = [(path, part, read_table(path, need=TEXTS)) for path, part in _files(Path(root))]
        frame = pd.concat([_biographies(table, path, part) for path, part, table in read], ignore_index=True)
        empty = frame["text"].isna()
        left_out = [one for *_, table in read for one in table.left_out]
        left_out += [LeftOut(f"biography {item}", "empty") for item in frame.loc[empty, "id"]]
        frame = frame[~empty].reset_index(drop=True)
        halves, official = official_halves(frame.pop("part").tolist(), PARTS, "Bias in Bios")
        return ItemTable(
            frame,
            "captions",
            "Bias in Bios",
            None,
            licence or "MIT (code and labels); texts are from the public web",
            provenance or "Bias in Bios; gender is that of the pronouns in the text",
            tuple(left_out),
            tuple(note for *_, table in read for note in table.notes),
            halves,
            official,
        )


def _files(root: Path) -> list[tuple[Path, str]]:
    """The tables and the part that each is."""
    if root.is_file() and root.suffix.lower() in READABLE:
        return [(root, _part(root) or "train")]
    if root.is_file():
        raise InputError(
            f"{root} is no table; a pickle can run anything when it is opened, so it is not: save the records as "
            "Parquet or CSV with columns hard_text, profession and gender"
        )
    if not root.is_dir():
        raise InputError(f"{root} is not there; expected a folder with train, dev and test tables")
    found = [p for folder in (root, root / "data") for p in sorted(folder.glob("*")) if p.suffix.lower() in READABLE]
    named = [(path, part) for path in found if (part := _part(path)) is not None]
    if named:
        return named
    pickles = sorted(path.name for path in root.glob("*.pk*"))
    hint = f"{pickles[0]} is a pickle and is not opened; " if pickles else ""
    raise InputError(f"{root} has no table named train, dev or test; {hint}expected for example train.parquet")


def _part(path: Path) -> str | None:
    return next((part for part in PARTS if path.stem.lower().startswith(part)), None)


def _biographies(read: Table, path: Path, part: str) -> pd.DataFrame:
    """One table with ids of its own, names for numbers, and its part."""
    frame = read.frame
    text = next(name for name in TEXTS if name in frame.columns)
    for name in ("profession", "gender"):
        if name not in frame.columns:
            raise InputError(f"{path} has no column {name!r}; its columns are: {', '.join(frame.columns)}")
    numbers = {str(i): name for i, name in enumerate(PROFESSIONS)}
    gender = frame["gender"].str.lower().map(GENDERS)
    strange = (frame["gender"].notna() & gender.isna()).to_numpy()
    if strange.any():
        row = int(strange.argmax())
        raise InputError(f"{path}: row {row + 1} has gender {frame['gender'].iloc[row]!r}; expected 0, 1, M or F")
    ids = pd.Series([f"{path.stem} {row + 1}" for row in range(len(frame))], dtype="str")
    professions = frame["profession"].map(lambda name: numbers.get(name, name), na_action="ignore")
    said = {"id": ids, "text": frame[text], "gender": gender, "profession": professions}
    return pd.DataFrame(said).assign(part=part)

"""Captions from a table or a plain text file."""

from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable
from core.datasets.tables import READERS, attribute_columns, read_table, require_filled, require_unique


@DATASETS.register("captions")
class Captions(DataSet):
    """Captions of a CSV, Parquet or Feather table (column `text` or `caption`), or of a text file, one a line.

    Captions without an `id` are numbered from 1 as the file has them. Empty captions are listed as problems. The
    attributes are the table's other columns, and those of `table`, matched by `id`.
    """

    title = "A file of captions"
    needs = "File of captions (text, CSV, Parquet)"
    takes_table = True
    place = 1

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        path = Path(root)
        frame = _lines(path) if path.suffix.lower() == ".txt" else _captions(path)
        empty = frame["text"].isna()
        problems = [f"{path.name}: caption {item} is empty" for item in frame.loc[empty, "id"]]
        frame = frame[~empty].reset_index(drop=True)
        notes: list[str] = []
        if table is not None:
            frame, notes = join_attributes(frame, Path(table))
        source = f"captions {path.name}" + (f" with {Path(table).name}" if table is not None else "")
        return ItemTable(
            frame,
            "captions",
            source,
            None,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            tuple(problems),
            tuple(notes),
        )


def _lines(path: Path) -> pd.DataFrame:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; save it in UTF-8") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); expected a text file, one caption a line"
        ) from None
    text = pd.Series([line or None for line in lines], dtype="str")
    return pd.DataFrame({"id": pd.Series(range(1, len(lines) + 1)).astype("str"), "text": text})


def _captions(path: Path) -> pd.DataFrame:
    if path.suffix.lower() not in READERS:
        raise InputError(f"{path} holds no captions that can be read; expected .txt, {', '.join(READERS)}")
    frame = read_table(path, need=("text", "caption"))
    if "text" not in frame.columns:
        frame = frame.rename(columns={"caption": "text"})
    if "id" not in frame.columns:
        frame.insert(0, "id", pd.Series(range(1, len(frame) + 1)).astype("str"))
    require_filled(frame, "id", str(path))
    rest = [name for name in frame.columns if name not in ("id", "text", "file")]
    return frame[["id", "text", *rest]]


def join_attributes(frame: pd.DataFrame, table: Path) -> tuple[pd.DataFrame, list[str]]:
    """`frame` with the attributes of `table` beside each caption of the same id; what matched nothing is noted."""
    extra = read_table(table, need=("id",))
    require_filled(extra, "id", str(table))
    require_unique(extra, "id", str(table))
    names = attribute_columns(extra)
    clash = sorted(set(names) & set(frame.columns))
    if clash:
        raise InputError(f"{table} and the captions both have a column {clash[0]!r}; rename one of them")
    known = frame["id"].isin(extra["id"])
    if not known.any():
        raise InputError(f"no id of {table} is an id of the captions (the first is {extra['id'].iloc[0]!r})")
    notes = [f"{int((~known).sum())} captions have no row in {table.name}"] if not known.all() else []
    return frame.merge(extra[["id", *names]], on="id", how="left"), notes

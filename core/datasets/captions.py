"""Captions from a table or a text file, as people have them and as they circulate."""

import re
from pathlib import Path

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable
from core.tables import (
    READABLE,
    LeftOut,
    Table,
    attribute_columns,
    read_table,
    require_filled,
    require_unique,
    table_of,
)
from core.tables.delimited import decoded

COLUMNS = ("text", "caption", "comment", "prompt")
"""Names of the column that holds the captions: ours, most people's, Flickr30k's, a prompt list's."""
LINES = (".txt", ".token", ".lst")
"""Endings of text files with one caption a line."""
TOKEN = re.compile(r"(\S+\.(?:jpe?g|png)#\d+)\t(.*)", re.IGNORECASE)
"""A line of Flickr8k's and Flickr30k's token files: picture, number of its caption, tab, caption."""


@DATASETS.register("captions")
class Captions(DataSet):
    """Captions of a table (column `text`, `caption` or `comment`), or of a text file, one a line.

    Captions without an `id` are numbered from 1 as the file has them. Flickr8k's and Flickr30k's token files are
    known by their lines ("100.jpg#0", a tab, the caption), whose names become ids; a table that is called .txt (as
    Kaggle's captions.txt) is known by its header. Empty captions are left out and listed. The attributes are the
    table's other columns, and those of `table`, matched by `id`.
    """

    title = "A file of captions"
    needs = "File of captions (text, CSV, Parquet)"
    takes_table = True
    place = 1

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        path = Path(root)
        frame, notes, left_out = captions_of(_bytes_of(path), path.name, path)
        if table is not None:
            frame, said, lost = join_attributes(frame, Path(table))
            notes, left_out = (*notes, *said), (*left_out, *lost)
        source = f"captions {path.name}" + (f" with {Path(table).name}" if table is not None else "")
        return ItemTable(
            frame,
            "captions",
            source,
            None,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            left_out,
            notes,
        )


def captions_of(
    data: bytes | None, name: str, path: Path | None = None
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[LeftOut, ...]]:
    """The captions of a file that is called `name`: id, text and attributes; notes; and what is left out.

    Parameters
    ----------
    data : what is in it; None where `path` is a table that is read from the disk.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in READABLE and suffix not in LINES:
        raise InputError(f"{name} holds no captions that can be read; expected {', '.join((*LINES[:2], *READABLE))}")
    if suffix in LINES:
        assert data is not None, "text is read whole"
        text = decoded(data, name)
        found = _table_in(text, name) or Table(_lines(text))
    else:
        found = read_table(path, COLUMNS) if path is not None else table_of(data or b"", name, suffix, COLUMNS)
    frame, left_out = _captions(found.frame, name), list(found.left_out)
    empty = frame["text"].isna()
    left_out += [LeftOut(f"caption {item} of {name}", "empty") for item in frame.loc[empty, "id"]]
    return frame[~empty].reset_index(drop=True), found.notes, tuple(left_out)


def _bytes_of(path: Path) -> bytes | None:
    """What is in a text file; None for tables, which are read by their reader."""
    if path.suffix.lower() not in LINES:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); expected a text file, one caption a line"
        ) from None


def _table_in(text: str, name: str) -> Table | None:
    """The table that a text file holds, known by a header of several columns one of which is called like captions."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    names = [cell.strip().strip('"').lower() for cell in re.split(r"[,;\t|]", header)]
    if len(names) < 2 or not set(names) & set(COLUMNS) or any(" " in cell for cell in names):
        return None
    found = table_of(text.encode(), name, ".csv", COLUMNS)
    return Table(found.frame, (*found.notes, f"{name} is a table: its first line names the columns"), found.left_out)


def _lines(text: str) -> pd.DataFrame:
    """One caption a line, numbered from 1; the names of a token file become ids."""
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text)]
    while lines and not lines[-1]:
        lines.pop()
    named = [TOKEN.fullmatch(line) for line in lines if line]
    if named and all(named):
        found = [(one[1], one[2].strip()) for one in named if one is not None]
    else:
        found = [(str(number), line) for number, line in enumerate(lines, 1)]
    texts = [text or None for _, text in found]
    return pd.DataFrame({"id": pd.Series([i for i, _ in found], dtype="str"), "text": pd.Series(texts, dtype="str")})


def _captions(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with `id` and `text` first; captions without an id are numbered."""
    frame = frame.copy(deep=False)
    column = next(one for one in COLUMNS if one in frame.columns)
    frame = frame.rename(columns={column: "text"})
    if "id" not in frame.columns:
        frame.insert(0, "id", pd.Series(range(1, len(frame) + 1)).astype("str"))
    require_filled(frame, "id", name)
    rest = [one for one in frame.columns if one not in ("id", "text", "file")]
    return frame[["id", "text", *rest]]


def join_attributes(frame: pd.DataFrame, table: Path) -> tuple[pd.DataFrame, tuple[str, ...], tuple[LeftOut, ...]]:
    """`frame` with the attributes of `table` beside each caption of the same id, notes, and the table's other rows."""
    read = read_table(table, need=("id",))
    extra = read.frame
    require_filled(extra, "id", str(table))
    require_unique(extra, "id", str(table))
    names = attribute_columns(extra)
    clash = sorted(set(names) & set(frame.columns))
    if clash:
        raise InputError(f"{table} and the captions both have a column {clash[0]!r}; rename one of them")
    known = frame["id"].isin(extra["id"])
    if not known.any():
        raise InputError(
            f"no id of {table} is an id of the captions (the first is {extra['id'].iloc[0]!r}, the captions' first is "
            f"{frame['id'].iloc[0]!r}); give both the same ids"
        )
    notes = list(read.notes)
    if not known.all():
        notes.append(f"{int((~known).sum())} captions have no row in {table.name}")
    strangers = extra.loc[~extra["id"].isin(frame["id"]), "id"]
    lost = tuple(LeftOut(item, f"a row of {table.name} whose id no caption has") for item in strangers)
    joined = frame.merge(extra[["id", *names]], on="id", how="left")
    return joined, tuple(notes), (*read.left_out, *lost)

"""The one reader of tables: whatever program wrote the file, the same rows give the same table, or a refusal says why.

Rules. The number of cells of every row is compared with the header's; a trailing empty cell is harmless, and the row
names that R writes without a header are understood. Two columns of one name are refused. Quotation marks in
tab-separated text are text, unless a program quoted the cells. Whole numbers written 1.0 read 1, and TRUE reads True.
Captions and prompts stay word for word; names and labels are cleaned (core.tables.cleaning), and what the marks for
"missing" stood for is said.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.config import InputError
from core.reading import require_memory_for
from core.tables.cleaning import clean_cells, clean_text, mark_note, without_point_zero
from core.tables.columnar import read_feather, read_json_lines, read_parquet
from core.tables.delimited import decoded, read_delimited
from core.tables.grid import Grid
from core.tables.left_out import LeftOut
from core.tables.names import NAMES, WORDS

TEXT = {".csv": None, ".tsv": "\t", ".tab": "\t"}
"""Endings of text tables, and the separator that each implies; None: found in the header."""
TYPED: Mapping[str, Callable[..., Grid]] = {
    ".parquet": read_parquet,
    ".feather": read_feather,
    ".arrow": read_feather,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
READABLE = (*TEXT, *TYPED)
"""Endings of files that are read as tables."""
ELSEWHERE = {
    ".xlsx": "an Excel workbook; save the sheet as CSV (UTF-8)",
    ".xls": "an Excel workbook; save the sheet as CSV (UTF-8)",
    ".ods": "a spreadsheet; save the sheet as CSV (UTF-8)",
    ".gz": "compressed; unpack it first",
    ".zip": "an archive; unpack it first",
    ".pkl": "a pickle, which can run anything when it is opened; save the table as CSV or Parquet",
    ".pickle": "a pickle, which can run anything when it is opened; save the table as CSV or Parquet",
}


MEMORY_TIMES = 8
"""Memory of a table by the size of its file: every cell becomes a text of its own."""


@dataclass(frozen=True)
class Table:
    """A table as text (dtype str, missing values NA), and what a person should know of its reading."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def read_table(path: Path, need: Sequence[str] = ("file", "id"), suffix: str | None = None) -> Table:
    """The table in a file; see the module's first lines.

    Parameters
    ----------
    need : at least one of these columns must be there; none: any will do.
    suffix : how the file is read whatever its name ends in (".csv").

    Raises
    ------
    InputError
        the file is missing, of another kind, broken or without rows; a needed column is missing; two columns have
        one name, or one has values and no name.
    """
    return _table(_grid_in(Path(path), need, suffix), str(path), need)


def as_written(source: Path | bytes, need: Sequence[str], name: str = "") -> pd.DataFrame:
    """The cells of a table as they stand in it: text, NA where there is none; nothing is cleaned or read as missing.

    Parameters
    ----------
    source : the file, or the bytes of a text table called `name`.
    need : columns that all have to be there.

    Raises
    ------
    InputError : as `read_table`; a needed column is missing.
    """
    if isinstance(source, bytes):
        grid = _grid(source, name, ".csv", need)
    else:
        name, grid = str(source), _grid_in(source, need)
    missing = [column for column in need if column not in grid.names]
    if missing:
        raise InputError(f"{name} lacks the columns {', '.join(missing)}; it has {', '.join(grid.names) or 'none'}")
    cells = {column: pd.Series(list(own), dtype="str") for column, own in zip(grid.names, grid.columns, strict=True)}
    return pd.DataFrame(cells)


def _grid_in(path: Path, need: Sequence[str], suffix: str | None = None) -> Grid:
    """The cells of a file; InputError where it is not there or of another kind."""
    kind = suffix or path.suffix.lower()
    if kind not in READABLE:
        said = ELSEWHERE.get(kind, f"no table that can be read; expected one of {', '.join(READABLE)}")
        raise InputError(f"{path} is {said}")
    require_memory_for([path], MEMORY_TIMES, f"reading the table {path}")
    try:
        if kind in TYPED and TYPED[kind] is not read_json_lines:
            with open(path, "rb"):
                pass
            return _grid(path, str(path), kind, need)
        return _grid(path.read_bytes(), str(path), kind, need)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a table") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; expected a table file") from None
    except OSError as error:
        why = "permission denied" if error.errno == errno.EACCES else error.strerror or "unreadable"
        raise InputError(f"{path} cannot be read ({why}); expected a table") from None


def table_of(data: bytes | Path, name: str, suffix: str, need: Sequence[str] = ("file", "id")) -> Table:
    """The table in the bytes of a file called `name`, read as its ending `suffix` says; see `read_table`."""
    return _table(_grid(data, name, suffix, need), name, need)


def _grid(data: bytes | Path, name: str, suffix: str, need: Sequence[str]) -> Grid:
    """The cells of a file with clean names of columns."""
    if suffix in TEXT:
        assert isinstance(data, bytes), "text tables are read whole"
        return named(read_delimited(decoded(data, name), name, TEXT[suffix], need), name)
    return named(TYPED[suffix](data, name), name)


def named(grid: Grid, name: str) -> Grid:
    """The grid with clean names, without columns that have none; InputError where values have no name or two share one.

    The first column may lack a name: it holds row numbers or names that spreadsheets and pandas write.
    """
    names = [clean_text(str(one)).removeprefix('""') for one in grid.names]  # R's name of the row names
    keep = []
    for place, column in enumerate(names):
        if column and not column.startswith("Unnamed: "):
            keep.append(place)
            continue
        filled = [cell for cell in grid.columns[place] if cell is not None and cell.strip()]
        if filled and place:
            raise InputError(
                f"{name}: column {place + 1} has values (the first is {filled[0]!r}) but no name in the header; name it"
            )
        if filled and not _row_numbers(filled):
            grid.notes.append("the first column has no name: it is taken as the rows' names and not read")
    left = [names[place] for place in keep]
    twice = next((column for column in left if left.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name} has two columns called {twice!r}; rename one of them")
    return Grid(left, [grid.columns[place] for place in keep], grid.notes, grid.left_out, grid.lines)


def _row_numbers(cells: Sequence[str]) -> bool:
    start = cells[0].strip()
    return start in ("0", "1") and all(cell.strip() == str(i) for i, cell in enumerate(cells, int(start)))


def _table(grid: Grid, name: str, need: Sequence[str]) -> Table:
    if need and not set(need) & set(grid.names):
        wanted = " or ".join(repr(one) for one in need)
        there = ", ".join(grid.names) or "none"
        near = next((one for one in grid.names if one.lower().strip("'\"") in need), None)
        hint = (
            f"Write {near!r} as {near.lower().strip(chr(39) + chr(34))!r}"
            if near
            else "Name the column that says which item a row is about"
        )
        raise InputError(f"{name} has no column {wanted}; its columns are: {there}. {hint}")
    if not grid.names or not grid.n:
        raise InputError(f"{name} has a header but no rows; expected one row an item")
    frame, notes = {}, list(grid.notes)
    for column, cells in zip(grid.names, grid.columns, strict=True):
        series, used = _cells(column, cells)
        frame[column] = series
        if used:
            notes.append(mark_note(column, used, grid.n))
    return Table(pd.DataFrame(frame), tuple(notes), tuple(grid.left_out))


def _cells(column: str, cells: Sequence[str | None]) -> tuple[pd.Series, dict[str, int]]:
    """One column as it is kept, and the marks for missing that stood in it."""
    used: dict[str, int] = {}
    if column in WORDS or column == "file":
        kept = [(cell or "").strip() or None for cell in cells]
        if column == "file":
            different = dict.fromkeys(kept)
            kept = [*map(dict(zip(different, without_point_zero(list(different)), strict=True)).get, kept)]
    else:
        kept, used = clean_cells(cells, ("",)) if column in NAMES else clean_cells(cells)
    return pd.Series(kept, dtype="str", name=column), used

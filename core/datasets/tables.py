"""Attribute tables as people have them: CSV, TSV, Parquet or Feather, read as text with missing values."""

from pathlib import Path

import pandas as pd

from core.config import InputError

RESERVED = ("id", "file", "text", "half")
"""Columns that every gallery has; all other columns of a table are attributes."""

WORDS = ("id", "file", "text", "caption", "prompt")
"""Columns kept word for word; in every other column the marks below mean "missing"."""

MISSING = frozenset({"", "na", "n/a", "nan", "null", "unknown"})
"""Marks that mean "nobody told", in any case."""

READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig"),
    ".tsv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep="\t"),
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
}


def read_table(path: Path, need: tuple[str, ...] = ("file", "id")) -> pd.DataFrame:
    """A table as text (dtype str): blanks around values removed, missing values as NA.

    Whole numbers stored as floats (a column with gaps) read "23", not "23.0". Columns without a name, as spreadsheets
    and pandas write for the row number, are dropped.

    Parameters
    ----------
    need : at least one of these columns must be there.

    Raises
    ------
    InputError
        the file is missing, of another kind, broken or without rows; a needed column is missing; two columns have
        one name; a column holds lists.
    """
    path = Path(path)
    frame = _read(path)
    frame.columns = [str(name).strip() for name in frame.columns]
    frame = frame[[name for name in frame.columns if name and not name.startswith("Unnamed: ")]]
    columns = list(frame.columns)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"{path} has two columns called {twice[0]!r}; rename one of them")
    if not set(need) & set(columns):
        wanted = " or ".join(repr(name) for name in need)
        raise InputError(f"{path} has no column {wanted}; its columns are: {', '.join(columns)}. {_hint(columns)}")
    if frame.empty:
        raise InputError(f"{path} has a header but no rows; expected one row an item")
    return pd.DataFrame({name: _as_text(frame[name], path) for name in columns}).reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is no table that can be read; expected one of {', '.join(READERS)}")
    try:
        return reader(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a table") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; expected a table file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; save it as CSV in UTF-8") from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty; expected a table with a header") from None
    except (ValueError, OSError) as error:  # pandas' and pyarrow's own errors are of these types
        raise InputError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from None


def _hint(columns: list[str]) -> str:
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            return f"Its columns seem to be separated by {name}: save it with commas"
    return "Name the column that says which item a row is about"


def _as_text(column: pd.Series, path: Path) -> pd.Series:
    """One column as stripped text with NA for what is missing."""
    filled = column.dropna()
    if len(filled) and not pd.api.types.is_scalar(filled.iloc[0]):
        raise InputError(f"{path}: column {column.name!r} holds lists; expected one value a row")
    if pd.api.types.is_float_dtype(column.dtype) and ((filled % 1 == 0) & (filled.abs() < 2**53)).all():
        filled = filled.astype("int64")
    text = filled.astype(object).map(str).astype("str").str.strip()
    marks = MISSING if column.name not in WORDS else {""}
    text = text[~text.str.lower().isin(marks)]
    return text.reindex(column.index)


def require_filled(frame: pd.DataFrame, column: str, source: str) -> None:
    """InputError naming the first row whose `column` is missing."""
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise InputError(f"{source}: row {int(missing.argmax()) + 1} has no {column!r}; fill it in or remove the row")


def require_unique(frame: pd.DataFrame, column: str, source: str) -> None:
    """InputError naming the first repeated value of `column` and its two rows (counted from 1, without the header)."""
    repeated = frame[column].duplicated().to_numpy()
    if repeated.any():
        second = int(repeated.argmax())
        value = frame[column].iloc[second]
        first = int((frame[column] == value).to_numpy().argmax())
        raise InputError(
            f"{source}: {column} {value!r} is in row {first + 1} and again in row {second + 1} "
            f"({int(repeated.sum())} repeated in all); every item needs its own"
        )


def attribute_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that are attributes, in the table's order."""
    return [name for name in frame.columns if name not in RESERVED]

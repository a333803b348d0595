"""Columns: which of them are attributes, and that those with a part to play are filled and have no value twice."""

import pandas as pd

from core.config import InputError
from core.tables.names import RESERVED


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

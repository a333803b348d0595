"""The one writer of CSV: a spreadsheet never runs what somebody typed."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First letters that spreadsheets take for a formula; such a text is written behind an apostrophe."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def guarded(value: Any) -> Any:
    """A cell as it is written: None is empty, and a text that would be a formula, or is guarded, gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith((*FORMULA, "'")) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def unguarded(text: str) -> str:
    """The text that `guarded` wrote."""
    return text[1:] if text.startswith("'") and text[1:].startswith((*FORMULA, "'")) else text


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> str:
    """A table as CSV, one line a row and line ends as on Unix. Rows are cells in order, or cells by column.

    ValueError for a row with a column that is not there.
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([guarded(name) for name in columns])
    for row in rows:
        if isinstance(row, Mapping):
            if strange := [name for name in row if name not in columns]:
                raise ValueError(f"the table has no column {strange[0]!r}")
            row = [row.get(name) for name in columns]
        table.writerow([guarded(cell) for cell in row])
    return written.getvalue()


def frame_text(frame: "pd.DataFrame") -> str:
    """A frame without its index as CSV; what is missing is empty."""
    whole = frame.astype(object).where(frame.notna(), None)
    return csv_text([str(name) for name in frame.columns], whole.itertuples(index=False, name=None))

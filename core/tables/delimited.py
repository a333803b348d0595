"""Text tables: commas, semicolons or tabs, quoted as programs quote, with the cells of every row counted.

Python's csv module takes the text apart; what a table may not do is checked here, since a library that fills short
rows, shifts long ones or reads on until the next quotation mark loses rows without a word.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.config import InputError
from core.tables.grid import Grid
from core.tables.left_out import LeftOut
from core.tables.names import WORDS

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MOST_CELL = 10_000_000
"""Characters of one cell at most; a file without a closing quotation mark is one cell."""
SHOWN = 60
"""Characters of a cell that a message shows."""
PRIVATE = range(0xE000, 0xF900)
"""Characters that mean nothing by themselves."""
BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    """The line of the file on which it begins, from 1."""
    cells: list[str]


def decoded(data: bytes, name: str) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark; InputError for anything else."""
    coding = next((coding for mark, coding in BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(coding)
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text; save it in UTF-8") from None
    if "\0" in text:
        raise InputError(f"{name} is no text: it holds zero bytes; expected a table with one row a line")
    return text


def read_delimited(
    text: str, name: str, separator: str | None = None, need: Sequence[str] = (), ours: bool = False
) -> Grid:
    """A text table as a grid.

    Parameters
    ----------
    separator : what stands between cells; None finds it in the header (commas where nothing speaks against them). A
        first line `sep=;` says it whatever is given.
    need : columns that help to tell which of two readings is meant; see `_shifted`.
    ours : written by this app, which doubles quotation marks and means nothing by a backslash or an apostrophe.

    Raises
    ------
    InputError
        no header; quotation marks that do not fit; a row with more or fewer cells than the header, named with its
        line.
    """
    first, _, rest = text.partition("\n")
    skipped = 0
    if said := re.fullmatch(r'"?sep=(.)"?\s*', first.rstrip("\r")):
        separator, text, skipped = said[1], rest, 1
    header_line = next((line for line in text.splitlines() if line.strip()), "")
    if not header_line:
        raise InputError(f"{name} is empty; expected a table with a header")
    chosen = separator or _separator(header_line)
    rows = _quoted_rows(text, chosen, skipped) if ours else _rows(text, name, chosen, skipped)
    header = next(rows)
    body = list(rows)
    notes = [] if chosen == "," or separator else [f"columns are separated by {SEPARATORS.get(chosen, chosen)}"]
    return _grid(name, header, body, notes, need)


def _separator(header: str) -> str:
    """What separates the columns' names: the mark that occurs most often in the header outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", header)
    counts = {mark: bare.count(mark) for mark in SEPARATORS}
    return "," if counts[","] or not any(counts.values()) else max(counts, key=lambda mark: counts[mark])


# --- lines to rows ----------------------------------------------------------------------------------------------


def _rows(text: str, name: str, separator: str, skipped: int) -> Iterator[_Row]:
    """Rows with the line on which each begins; blank lines of a table of several columns are none."""
    quoted = separator != "\t" or _tabs_are_quoted(text)
    if not quoted:
        plain = list(_plain_rows(text, separator, skipped))
        _refuse_backslashes(plain, name, text)
        _refuse_cells_of_several_lines(plain, name, text, separator, skipped)
        yield from plain
        return
    try:
        found = list(_quoted_rows(text, separator, skipped))
    except csv.Error as error:
        found = _escaped_rows(text, name, separator, skipped, error)
    _refuse_strange_quotes(found, name, separator, text)
    yield from found


def _plain_rows(text: str, separator: str, skipped: int) -> Iterator[_Row]:
    """Quotation marks are text."""
    lines = re.split(r"\r\n|\n|\r", text)
    alone = separator not in next(line for line in lines if line.strip())
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1 + skipped):
        if line or alone:
            yield _Row(number, line.split(separator))


def _quoted_rows(text: str, separator: str, skipped: int) -> Iterator[_Row]:
    csv.field_size_limit(MOST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    blank: list[_Row] = []
    begins, alone, seen = 1, False, False
    for cells in reader:
        row = _Row(begins + skipped, cells)
        begins = reader.line_num + 1
        if not seen and cells:
            seen, alone = True, len(cells) == 1
        if cells:
            yield from (blank if alone and seen else [])
            blank = []
            yield row
        elif alone:
            blank.append(_Row(row.line, [""]))  # a row of one empty cell, unless nothing follows it


class _Unclosed(InputError):
    """A quotation mark that opens a cell and is not closed."""


def _escaped_rows(text: str, name: str, separator: str, skipped: int, error: csv.Error) -> list[_Row]:
    r"""Rows of a file whose quotation marks stand behind backslashes (R's write.table): \" is one."""
    mark = next((chr(code) for code in PRIVATE if chr(code) not in text), None)
    if mark and '\\"' in text and "\\\\" not in text:
        try:  # in cells without quotation marks as well
            rows = list(_quoted_rows(text.replace('\\"', mark), separator, skipped))
        except csv.Error:
            pass
        else:
            return [_Row(row.line, [cell.replace(mark, '"') for cell in row.cells]) for row in rows]
    line, cell = _first_strange(text, separator, skipped)
    if "field larger" in str(error) or "unexpected end" in str(error):
        raise _Unclosed(
            f"{name}: the quotation mark that opens {_short(cell)} in line {line} is not closed; close it, or write it "
            "twice where it is part of the text"
        ) from None
    raise InputError(
        f"{name}: line {line} has a quotation mark inside of {_short(cell)}; write it twice where it is part of it"
    ) from None


def _first_strange(text: str, separator: str, skipped: int) -> tuple[int, str]:
    """Line and beginning of the first cell whose quotation marks do not fit."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for _ in reader:
            begins = reader.line_num + 1
    except csv.Error:
        pass
    line = re.split(r"\r\n|\n|\r", text)[begins - 1 :][:1] or [""]
    cells = [cell for cell in line[0].split(separator) if cell.startswith('"')]
    return begins + skipped, cells[-1] if cells else line[0]


def _refuse_strange_quotes(rows: Sequence[_Row], name: str, separator: str, text: str) -> None:
    """InputError for cells that two programs would read differently."""
    _refuse_backslashes(rows, name, text)
    if '"' not in text and "''" not in text:
        return
    width = len(rows[0].cells) if rows else 0
    for number, row in enumerate(rows):
        for cell in row.cells:
            if width > 1 and "\n" in cell:
                inside = re.split(r"\r\n|\n|\r", cell)[1:]
                if all(line.count(separator) >= width - 1 for line in inside):
                    raise InputError(
                        f"{name}: row {number} (line {row.line}) has a cell that goes on over {len(inside) + 1} lines "
                        f"which look like rows: {_short(cell)}; close its quotation mark, or write it twice where it "
                        "is part of the text"
                    )
            if len(cell) > 3 and cell[0] == cell[-1] == "'" and "''" in cell[1:-1]:
                raise InputError(
                    f"{name}: row {number} (line {row.line}) seems to be quoted by apostrophes ({_short(cell)}); "
                    'write the table with the quotation mark "'
                )


def _refuse_backslashes(rows: Sequence[_Row], name: str, text: str) -> None:
    """InputError for a backslash that some programs write before what they do not want to be read as a mark."""
    if "\\" not in text:
        return
    for number, row in enumerate(rows):
        for cell in row.cells:
            if cell.endswith("\\") or '\\"' in cell:
                raise InputError(
                    f"{name}: row {number} (line {row.line}) has a backslash before a separator, a quotation mark or "
                    "the end of the line, which programs read in different ways; double quotation marks instead"
                )


def _refuse_cells_of_several_lines(rows: Sequence[_Row], name: str, text: str, separator: str, skipped: int) -> None:
    """InputError where lines differ from the header's width, and do not where quotation marks hold some together."""
    width = len(rows[0].cells)
    other = next((row for row in rows if len(row.cells) != width), None)
    if '"' not in text or other is None:
        return
    try:
        quoted = list(_quoted_rows(text, separator, skipped))
    except csv.Error:
        return
    if len(quoted) < len(rows) and all(len(row.cells) == width for row in quoted):
        raise InputError(
            f"{name} can be read in two ways: line {other.line} has {len(other.cells)} cells and the header {width}, "
            "or quotation marks hold a cell of several lines together; take the line breaks out of the cells"
        )


def _tabs_are_quoted(text: str) -> bool:
    """Whether a program quoted the cells of tab-separated text; people who type into such a file do not.

    True where the header is quoted, or every cell with a quotation mark is a whole one that had to be quoted.
    """
    if '"' not in text:
        return False
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line]
    header = lines[0].split("\t")
    if all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in header):
        return True
    cells = [cell for line in lines for cell in line.split("\t") if '"' in cell]
    return all(re.fullmatch(r'"(?:[^"]|"")*""(?:[^"]|"")*"', cell) for cell in cells)


# --- rows to a grid ---------------------------------------------------------------------------------------------


def _grid(name: str, header: _Row, body: list[_Row], notes: list[str], need: Sequence[str]) -> Grid:
    names = [cell.strip() for cell in header.cells]
    while len(names) > 1 and not names[-1] and all(not "".join(row.cells[len(names) - 1 :]).strip() for row in body):
        names.pop()  # the separator that ends every line of some programs' tables
    width = len(names)
    end = len(body)
    while end and not any(cell.strip() for cell in body[end - 1].cells) and (width > 1 or len(body[end - 1].cells) > 1):
        end -= 1
    if end < len(body):
        notes.append(f"{len(body) - end:,} rows without any value at the end were passed over")
        body = body[:end]
    shifted = _shifted(names, body, need)
    if shifted:
        notes.append("the header has no name for the first cell of each row: it is taken as the row's name (R)")
    # a surplus cell that is empty in some rows alone may be the last of a row that an unquoted separator shifted
    widths = {len(row.cells) for row in body}
    surplus = not shifted and len(widths) == 1 and not any("".join(row.cells[width:]).strip() for row in body)
    if surplus and widths == {width + 1} and _may_be_shifted(names, body, need):
        raise InputError(
            f"{name} can be read in two ways: each row ends in an empty cell, or begins with a name that the header "
            f"lacks ({_short(body[0].cells[0])}); give every column a name, or take the last separator away"
        )
    left_out: list[LeftOut] = []
    columns: list[list[str]] = [[] for _ in names]
    lines: list[int] = []
    for number, row in enumerate(body, 1):
        cells = row.cells[1:] if shifted else row.cells
        if surplus:
            cells = cells[:width]
        if len(cells) != width:
            raise _of_other_width(name, number, row, width)
        if [cell.strip() for cell in cells] == names and width > 1:
            left_out.append(LeftOut(f"{name}, row {number}", "repeats the header"))
            continue
        lines.append(row.line)
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    return Grid(names, list(columns), notes, left_out, lines)


def _of_other_width(name: str, number: int, row: _Row, width: int) -> InputError:
    n = len(row.cells)
    cells = "1 cell" if n == 1 else f"{n} cells"
    advice = (
        "put a cell that holds the separator into quotation marks, or give every column a name"
        if n > width
        else "fill in what is missing"
    )
    said = " | ".join(_short(cell) for cell in row.cells[:4])
    return InputError(f"{name}: row {number} (line {row.line}) has {cells}, the header has {width}: {said}; {advice}")


def _shifted(names: Sequence[str], body: Sequence[_Row], need: Sequence[str]) -> bool:
    """Whether every row has a name of its own that the header lacks, as R's write.table writes.

    All rows have one cell more, the last not empty, and their first cells differ. Then the column that names items
    tells: with row names taken away its values differ, and without they do not, or the third column would hold what
    the second should.
    """
    width = len(names)
    if not body or any(len(row.cells) != width + 1 for row in body):
        return False
    if not any(row.cells[-1].strip() for row in body):
        return False
    firsts = [row.cells[0].strip() for row in body]
    if "" in firsts or len(set(firsts)) < len(firsts):
        return False
    key = _key(names, need)
    if key is None:
        return _counted(firsts)
    right, left = ([row.cells[key + shift].strip() for row in body] for shift in (1, 0))
    if "" in right or len(set(right)) < len(right):
        return False
    return len(set(left)) < len(left) or len(body) > 2


def _may_be_shifted(names: Sequence[str], body: Sequence[_Row], need: Sequence[str]) -> bool:
    """Whether rows that end in an empty cell might as well begin with numbers as R's rows do."""
    if [row.cells[0].strip() for row in body] != [str(number) for number in range(1, len(body) + 1)]:
        return False
    key = _key(names, need)
    cells = [row.cells[(0 if key is None else key) + 1].strip() for row in body]
    return "" not in cells and len(set(cells)) == len(cells)


def _key(names: Sequence[str], need: Sequence[str]) -> int | None:
    """Place of the column whose values name the rows; None where there is none."""
    keys = (place for place, name in enumerate(names) if name in ("id", "file", *need))
    return next((place for place in keys if names[place] not in WORDS), None)


def _counted(names: Sequence[str]) -> bool:
    """Whether the names of rows are numbers that rise, as R gives them to rows that have no others."""
    if not all(name.isdecimal() for name in names):
        return False
    numbers = [int(name) for name in names]
    return all(a < b for a, b in pairwise(numbers))


def _short(cell: str) -> str:
    text = " ".join(cell.split())
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")

"""The one writer of CSV and of texts within Markdown: nothing that somebody typed runs, leads anywhere or is layout."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First letters that spreadsheets take for a formula; such a text is written behind an apostrophe."""
GUARDED = (*FORMULA, "'")
"""First letters of a text that gets an apostrophe: of a formula, and of one that looks guarded already."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula; a number is none."""
    return text.startswith(FORMULA) and not NUMBER.fullmatch(text)


def guarded(value: Any) -> Any:
    """A cell as it is written: None is empty, and a text that would be a formula, or is guarded, gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(GUARDED) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def unguarded(text: str) -> str:
    """The text that `guarded` wrote."""
    return text[1:] if text.startswith("'") and text[1:].startswith(GUARDED) else text


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> str:
    """A table as CSV, one line a row and line ends as on Unix. Rows are cells in order, or cells by column.

    ValueError for a row with a column that is not there.
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([guarded(name) for name in columns])
    known = set(columns)
    for row in rows:
        if isinstance(row, Mapping):
            if strange := [name for name in row if name not in known]:
                raise ValueError(f"the table has no column {strange[0]!r}")
            row = [row.get(name) for name in columns]
        table.writerow([guarded(cell) for cell in row])
    return written.getvalue()


def frame_text(frame: "pd.DataFrame") -> str:
    """A frame without its index as CSV; what is missing is empty."""
    whole = frame.astype(object).where(frame.notna(), None)
    return csv_text([str(name) for name in frame.columns], whole.itertuples(index=False, name=None))


# -- Markdown ---------------------------------------------------------------------------------------------------------

SIGNS = "\\`*_{}[]<>!|$~&"
"""What is layout wherever it stands."""
BEGINS = re.compile(r"^[-+#=]|:(?=\S)")
"""What is layout at the beginning of a line, and a colon that may begin the name of an icon or of a colour."""
JOINER = "\u2060"
"""Has no width and joins what stands beside it: an address with one in it is no address."""
LEADS = re.compile(
    r"(?<=\])(?=[(\[])"  # [text](address), ![picture](address), [text][name]
    r"|(?<=\])(?=:\s)"  # [name]: address
    r"|(?<=<)(?=[a-z/!?])"  # <http://...>, <img ...>, </title>
    r"|(?<=:)(?=\\?//)|(?<=://)(?=\S)"  # bare addresses, escaped or not
    r"|(?<=\bwww)(?=\\?\.)"
    r"|(?<=\bmailto)(?=\\?:)|(?<=\bxmpp)(?=\\?:)"
    r"|(?<=[\w.+-]@)(?=[\w-]+\\?\.[\w-])",  # addresses of people
    re.IGNORECASE,
)
ORDER = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the order of what follows."""
NAMED = re.compile(r":(?=[a-z+-][\w/+-]*:)", re.IGNORECASE)
"""Where the name of an icon, an emoji or a logo would begin, which are looked for after escapes are gone."""
NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
ACTIVE = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|<(?=[a-z/!?])|!(?=\[)", re.IGNORECASE)
"""What is layout within a line of a file, where a page's own signs (icons, colours) mean nothing."""


def escape(text: str) -> str:
    """A text as Markdown that shows it literally, on one line."""
    text = NAMED.sub(f":{JOINER}", ORDER.sub("\ufffd", " ".join(str(text).split())))
    for sign in SIGNS:
        text = text.replace(sign, f"\\{sign}")
    return closed(NUMBERED.sub(r"\1\\\2", BEGINS.sub(r"\\\g<0>", text)))


def closed(markdown: str) -> str:
    """Markdown in which nothing leads anywhere: links, pictures, bare addresses and HTML are broken, invisibly."""
    return LEADS.sub(JOINER, markdown)


OPENS = re.compile(r"^[-+#=>]")
"""What is layout where a line of a file or an item of a list begins."""


def literal(text: str) -> str:
    """A text as Markdown of a file that people read as well: only what would be layout or lead somewhere is changed."""
    return closed(ACTIVE.sub(r"\\\g<0>", " ".join(text.split(chr(10)))))


def begun(text: str) -> str:
    """`literal` for a text with which a line or an item of a list begins."""
    return NUMBERED.sub(r"\1\\\2", OPENS.sub(r"\\\g<0>", literal(text.strip())))

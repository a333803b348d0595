"""The one cleaning of labels and names: what looks equal is equal, and what means "nobody told" is missing.

A label is brought to Unicode NFC; characters that nobody sees (zero-width spaces, soft hyphens, byte-order marks,
directions, controls) go; every run of blanks, no-break ones included, is one blank, and none stands at an end.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

MISSING = frozenset(
    {
        *("", "unknown", "na", "n/a", "n.a.", "nan", "-nan", "null", "(null)", "<na>", "nat"),  # people, pandas, R, SQL
        *("#n/a", "#na", "#n/a n/a", "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!", "(blank)"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),  # numbers of Windows programs
        *("?", "-", "--", "\u2013", "\u2014", "."),  # UCI's tables, dashes, SAS and Stata
    }
)
"""Marks that mean "nobody told", in any case. The column says which of them were used."""

PERHAPS_MISSING = frozenset({"none", "missing", "undefined", "not available", "not applicable", "not stated"})
"""Groups that may be a mark for missing, or a group (no glasses): they stay, and a note names them."""

JOINERS = "\u200c\u200d"
"""Zero-width joiners: letters of some scripts and of emoji, invisible dirt anywhere else."""
FIRST_JOINED = 0x0590
"""Code point from which scripts with joiners begin (Hebrew, Arabic, Indic scripts, emoji)."""

ABBREVIATION = 1
"""Letters of a group's name at most that may stand for a longer one ("M" for "Male")."""
WHOLE = re.compile(r"-?(?:0|[1-9]\d*)(?:\.0+)?")
POINT_ZERO = re.compile(r"\.0+$")
APART = re.compile(r"\s*[;|/,]\s*|\s+\+\s+")
"""What stands between the values of a cell that holds several."""


def clean_text(text: str) -> str:
    """A label or a name as it is kept; see the module's first lines."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = unicodedata.normalize("NFC", text)
    kept = []
    for place, letter in enumerate(text):
        kind = unicodedata.category(letter)
        if letter in JOINERS:
            around = text[place - 1 : place] + text[place + 1 : place + 2]
            if len(around) == 2 and all(ord(one) >= FIRST_JOINED and one not in JOINERS for one in around):
                kept.append(letter)
        elif letter.isspace() or kind in ("Zs", "Zl", "Zp"):
            kept.append(" ")
        elif kind not in ("Cf", "Cc") and letter not in "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe0e":
            kept.append(letter)
    return " ".join("".join(kept).split())


def clean_labels(values: pd.Series, missing: Iterable[str] = MISSING) -> tuple[pd.Series, dict[str, int]]:
    """Labels as text (dtype str) with NA for what is missing, and how many rows each mark for it was read in.

    Each different value is cleaned once. An empty cell is missing without being a mark.
    """
    codes, uniques = pd.factorize(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
    known, used = _known([str(value) for value in uniques], counts.tolist(), missing)
    taken = pd.Series([*known, None], dtype="str").take(codes)  # the code -1 of a missing value takes the last
    return pd.Series(taken.array, index=values.index, name=values.name, dtype="str"), used


def clean_cells(
    cells: Sequence[str | None], missing: Iterable[str] = MISSING
) -> tuple[list[str | None], dict[str, int]]:
    """`clean_labels` of a column as a file has it, with whole numbers and truths in one way of writing.

    A table of thousands of columns costs little more than one of as many cells in one: no column is an object of
    pandas on the way.
    """
    counts = Counter(cell for cell in cells if cell is not None)
    known, used = _known(list(counts), list(counts.values()), missing)
    kept = dict(zip(counts, one_way_of_truth(without_point_zero(known)), strict=True))
    return [None if cell is None else kept[cell] for cell in cells], used


def _known(
    texts: Sequence[str], counts: Sequence[int], missing: Iterable[str]
) -> tuple[list[str | None], dict[str, int]]:
    """Different texts cleaned, None for what is missing, and how many rows each mark for it was read in."""
    marks = frozenset(missing)
    known: list[str | None] = []
    used: dict[str, int] = {}
    for text, n in zip(map(clean_text, texts), counts, strict=True):
        lacks = text == "" or text.lower() in marks
        known.append(None if lacks else text)
        if lacks and text:
            used[text] = used.get(text, 0) + n
    return known, used


def without_point_zero(values: Sequence[str | None]) -> list[str | None]:
    """Whole numbers written as floats ("23.0", of a column with gaps) as whole numbers, where all values are such.

    A column with a fraction, a leading zero or a word in it stays as it is.

    Parameters
    ----------
    values : the different values of a column.
    """
    filled = [value for value in values if value is not None]
    if not any(value.endswith(".0") for value in filled) or not all(map(WHOLE.fullmatch, filled)):
        return list(values)
    return [value if value is None else POINT_ZERO.sub("", value).replace("-0", "0") for value in values]


def one_way_of_truth(values: Sequence[str | None]) -> list[str | None]:
    """True and False as Python writes them, where all values are one of them in any case (R, Excel: TRUE)."""
    if not {value.lower() for value in values if value is not None} <= {"true", "false"}:
        return list(values)
    return [value if value is None else value.capitalize() for value in values]


def mark_note(column: str, used: Mapping[str, int], n: int) -> str:
    """ "gender: 6 of 10 rows hold ?, #N/A, -: read as unknown"."""
    return f"{column}: {sum(used.values()):,} of {n:,} rows hold {', '.join(used)}: read as unknown"


# --- groups that look alike -------------------------------------------------------------------------------------


def folded(label: str) -> str:
    """A label without case, accents, blanks and signs between letters; equal for what differs in spelling alone."""
    plain = unicodedata.normalize("NFKD", label.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    kept = re.sub(r"[\s_.'\u2019]+|(?<=[^\W\d])-(?=[^\W\d])", "", letters)
    return kept or letters


def look_alikes(groups: Sequence[str], counts: Mapping[str, int] | None = None) -> list[list[str]]:
    """Groups that differ in case, accents, blanks or by abbreviation alone, the spelling to keep first.

    The most frequent spelling that is no abbreviation comes first; of equally frequent ones one with capitals where
    words begin, then the first by code point.
    "M" stands for "Male" where no other group begins with it.
    """
    by_key: dict[str, list[str]] = {}
    for group in sorted(groups):
        by_key.setdefault(folded(group), []).append(group)
    for short in [key for key in by_key if len(key) <= ABBREVIATION and key.isalpha()]:
        longer = [key for key in by_key if key != short and len(key) > ABBREVIATION and key.startswith(short)]
        if len(longer) == 1:
            by_key[longer[0]] += by_key.pop(short)
    many = counts or {}
    alike = []
    for found in by_key.values():
        if len(found) > 1:
            alike.append(
                sorted(
                    found,
                    key=lambda one: (len(folded(one)) <= ABBREVIATION, -many.get(one, 0), not one.istitle(), one),
                )
            )
    return alike


def joined(values: pd.Series) -> pd.Series:
    """A column in which groups that look alike have one spelling; see `look_alikes`."""
    counts = {str(group): int(n) for group, n in values.value_counts().items()}
    names = {other: kept for kept, *others in look_alikes(list(counts), counts) for other in others}
    return values.replace(names) if names else values


def label_notes(column: str, values: pd.Series, join: bool = True) -> list[str]:
    """What a person should look at in the groups of a column before anything is counted by them.

    Parameters
    ----------
    join : the door has the option --join.
    """
    counts = {str(group): int(n) for group, n in values.value_counts().items()}
    notes = []
    for alike in look_alikes(list(counts), counts):
        said = ", ".join(f"{group} ({counts[group]:,})" for group in alike)
        way = f"in the table, or with --join {column}" if join else "where they come from"
        notes.append(f"{column}: {said} differ in spelling alone; join them {way}")
    perhaps = [group for group in counts if group.lower() in PERHAPS_MISSING]
    if perhaps:
        said = ", ".join(f"{group} ({counts[group]:,})" for group in perhaps)
        notes.append(f"{column}: {said} may mean that nobody told; leave the cell empty where it does")
    several = [group for group in counts if _parts_known(group, counts)]
    if several:
        rows = sum(counts[group] for group in several)
        notes.append(
            f"{column}: {rows:,} rows hold several values (such as {several[0]!r}); each combination counts as a group "
            "of its own: give each value a column of its own"
        )
    return notes


def _parts_known(group: str, counts: Mapping[str, int]) -> bool:
    parts = APART.split(group)
    return len(parts) > 1 and all(part in counts for part in parts)

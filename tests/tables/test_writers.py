"""The same rows are the same table whatever program wrote them, or the file is refused: never something else.

`python -m tests.tables.test_writers 2000 SEED` runs more examples and prints how many were read and refused.
"""

import csv
import sys
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from core.config import InputError, digest_of
from core.gallery.split import split_halves
from core.tables import clean_text, table_of
from tests.tables.writers import WRITERS, Writer

LETTERS = "aBé\u0301\u00a0\u200b\u00ad ,;\t|\"'\\\n\r-#?=1.0"
WORDS = (
    "Male",
    "female",
    "NA",
    "n/a",
    "None",
    "unknown",
    "True",
    "FALSE",
    "1.0",
    "0",
    "007",
    '"',
    "'",
    "a,b",
    'say "x"',
)
FIGURES: Counter[str] = Counter()
"""How many files were read, and refused."""

labels = st.one_of(st.sampled_from(WORDS), st.text(LETTERS, min_size=0, max_size=6))


@st.composite
def tables(draw: Any) -> pd.DataFrame:
    """Ids of their own, groups of words, whole numbers with gaps, truths with gaps."""
    n = draw(st.integers(1, 8))
    numbered = draw(st.booleans())
    ids = [str(i + 1) if numbered else f"{draw(st.sampled_from(['p', 'a b ', 'é', 'q,', 'it']))}{i}" for i in range(n)]
    groups = draw(st.lists(labels, min_size=1, max_size=4))
    frame = {"id": ids, "group": draw(st.lists(st.sampled_from([*groups, None]), min_size=n, max_size=n))}
    if draw(st.booleans()):
        frame["number"] = draw(st.lists(st.sampled_from([0.0, 1.0, 23.0, None]), min_size=n, max_size=n))
    if draw(st.booleans()):
        frame["truth"] = draw(st.lists(st.sampled_from([True, False, None]), min_size=n, max_size=n))
    made = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in frame.items()})
    if "number" in made:
        made["number"] = made["number"].astype("float64")
    return made


def identity(frame: pd.DataFrame) -> str:
    """What of a gallery's digest follows from its table: ids, groups and halves."""
    halves = split_halves(frame, [name for name in frame.columns if name != "id"], seed=0)
    return digest_of([frame.astype(object).where(frame.notna(), None).to_dict("list"), halves.tolist()])


def expected(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that a person meant, as a reader of typed values has it."""
    sink = pa.BufferOutputStream()
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return table_of(sink.getvalue().to_pybytes(), "t.parquet", ".parquet", ("id",)).frame


def read_back(frame: pd.DataFrame, writer: Writer) -> pd.DataFrame | None:
    """What is read of what a program wrote; None where the program, or the reader, refuses."""
    cells = [cell for cell in frame["group"] if isinstance(cell, str)]
    if repr("\t") in writer.name and any("\t" in cell and ("\n" in cell or "\r" in cell) for cell in cells):
        FIGURES["not written"] += 1  # the same bytes are two rows of a file whose quotation marks are text
        return None
    try:
        data = writer.write(frame)
    except (csv.Error, pa.ArrowException, UnicodeEncodeError):
        FIGURES["not written"] += 1
        return None
    try:
        found = table_of(data, f"t{writer.suffix}", writer.suffix, ("id",)).frame
    except InputError as error:
        assert "\n" not in str(error) and f"t{writer.suffix}" in str(error)
        FIGURES["refused"] += 1
        return None
    FIGURES["read"] += 1
    return found


def check(frame: pd.DataFrame, writers: list[Writer]) -> None:
    right = expected(frame)
    same = identity(right)
    for writer in writers:
        found = read_back(frame, writer)
        if found is None:
            continue
        assert list(found.columns) == list(right.columns), writer.name
        for name in found.columns:
            both = (found[name].astype(object).where(found[name].notna(), None).tolist() for found in (found, right))
            left, meant = both
            assert left == meant, f"{writer.name}: {name}"
        assert identity(found) == same, writer.name


CHOSEN = st.lists(st.sampled_from(WRITERS), min_size=8, max_size=8, unique_by=lambda writer: writer.name)
HOW = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=25, derandomize=True, **HOW)
@given(tables(), CHOSEN)
def test_every_writer_gives_the_same_table_or_is_refused(frame: pd.DataFrame, writers: list[Writer]) -> None:
    check(frame, writers)


def test_an_ordinary_table_is_read_from_every_writer() -> None:
    """Refusing is no way out where nothing is ambiguous."""
    frame = pd.DataFrame({"id": ["p1", "p2", "p3"], "group": ["Male", "Female, non-binary", None]})
    frame["number"], frame["truth"] = [1.0, None, 23.0], pd.Series([True, None, False], dtype=object)
    unread = [writer.name for writer in WRITERS if read_back(frame, writer) is None]
    unread = [name for name in unread if not name.startswith(("csv", "R ", "pyarrow none")) or "minimal" in name]
    assert not unread
    check(frame, WRITERS)


def test_the_cleaning_is_done_once() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        text = "".join(rng.choice(list(LETTERS), size=6))
        assert clean_text(clean_text(text)) == clean_text(text)


def main(examples: int = 2000, drawn: int = 1) -> None:
    many = settings(max_examples=examples, database=None, phases=[Phase.generate], **HOW)
    many(seed(drawn)(given(tables(), CHOSEN)(check)))()
    print(f"{examples} tables of seed {drawn}, {sum(FIGURES.values()):,} files: {dict(FIGURES)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

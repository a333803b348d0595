"""The guide's tables of what can come in name what the code knows: no form is promised, and none is left out."""

import re
from pathlib import Path

import pytest

from core.config import ASSETS
from core.datasets import DATASETS
from core.datasets.captions import COLUMNS, LINES
from core.datasets.images import FORMATS as PICTURES
from core.datasets.images import MAX_PIXELS
from core.gallery.embedding_files import READERS
from core.lvlm.layout import LAYOUTS
from core.saes.formats.base import FORMATS
from core.tables import READABLE
from core.tables.cleaning import MISSING
from core.tables.read import TEXT, TYPED

GUIDE = (ASSETS / "guide" / "what-can-come-in.md").read_text(encoding="utf-8")
PARTS = {part.split("\n", 1)[0]: part for part in GUIDE.split("\n## ")}
CODE = re.compile(r"`([^`]+)`")


def part(beginning: str) -> str:
    return next(text for title, text in PARTS.items() if title.startswith(beginning))


def rows(beginning: str) -> list[list[str]]:
    """Cells of the table of a part, without its header."""
    lines = [line for line in part(beginning).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def names(beginning: str) -> set[str]:
    """What stands first in each row, between backticks."""
    return {CODE.findall(cells[0])[0] for cells in rows(beginning)}


def endings(text: str) -> set[str]:
    return {code for code in CODE.findall(text) if re.fullmatch(r"\.\w+", code)}


def test_every_line_says_form_recognition_and_refusal() -> None:
    for title in PARTS:
        for cells in rows(title):
            assert len(cells) == 3 and all(cells), cells


def test_data_sets_are_those_that_are_registered() -> None:
    assert names("Pictures and captions") == set(DATASETS.names())


def test_pictures_are_those_that_are_read() -> None:
    first = next(cells for cells in rows("Pictures and captions") if cells[0].startswith("`folder`"))
    assert first[1].split(" by ")[0] == ", ".join(PICTURES)
    assert f"{MAX_PIXELS // 10**6} million pixels" in first[2]


def test_caption_files_are_those_that_are_known() -> None:
    own = next(cells[1] for cells in rows("Pictures and captions") if cells[0].startswith("`captions`"))
    assert endings(own) == set(LINES)
    assert f"a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}" in own


def test_tables_are_those_that_are_read() -> None:
    text, typed = rows("Tables")
    assert endings(text[0]) == set(TEXT) and endings(typed[0]) == set(TYPED)
    assert endings(text[0]) | endings(typed[0]) == set(READABLE)


def test_marks_for_missing_are_those_that_are_read_as_unknown() -> None:
    line = next(line for line in part("Tables").splitlines() if "are the marks" in line)
    told = line.split("are the marks")[1].split(" and empty cells")[0]
    assert set(CODE.findall(told)) == MISSING - {""}


def test_embeddings_are_those_that_are_read() -> None:
    assert set().union(*(endings(cells[0]) for cells in rows("Embeddings"))) == set(READERS)


def test_saes_and_questions_are_those_that_are_registered() -> None:
    assert names("Sparse autoencoders") == set(FORMATS.names())
    assert names("Questions about pictures") == set(LAYOUTS.names())


@pytest.mark.parametrize("option", sorted(set(re.findall(r"--[a-z][a-z-]*", GUIDE))))
def test_every_option_that_is_named_is_there(option: str) -> None:
    verbs = "".join(path.read_text(encoding="utf-8") for path in Path("core/cli").glob("*.py"))
    assert f'"{option}"' in verbs

"""The question files of VLAGenderBias (questions.csv, values.csv, instructions.csv), from where a person has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core import access
from core.config import InputError
from core.lvlm.book import Book, read_book
from core.tables import as_written

FILES = ("questions.csv", "values.csv", "instructions.csv")


def read_vla(folder: Path, task: str, split: str | None = None) -> tuple[Book, tuple[str, ...]]:
    """Our book with their templates and instruction of a task, and its values as words.

    Parameters
    ----------
    task : sentiment, skills, occupations...
    split : only templates of this split; None: all.

    InputError naming the file that is missing, or the tasks that there are; Refused for a folder that is not listed.
    """
    access.require_folder(folder)
    questions = _table(folder / FILES[0], ("task", "question"))
    values = _table(folder / FILES[1], ("task", "value"))
    instructions = _table(folder / FILES[2], ("instruction",))
    tasks = sorted({row["task"] for row in values} & {row["task"] for row in questions})
    if task not in tasks:
        raise InputError(f"task {task!r} is not in {folder}; it has {', '.join(tasks) or 'none'}")
    templates = [
        row["question"].replace("{value}", "{}")
        for row in questions
        if row["task"] == task and "{value}" in row["question"] and split in (None, row.get("split"))
    ]
    words = tuple(dict.fromkeys(row["value"].strip() for row in values if row["task"] == task))
    if not templates or not words or not instructions:
        raise InputError(f"{folder} has no questions of task {task!r}{f' in split {split!r}' if split else ''}")
    book = read_book()
    own = {"closed": book.person["closed"], "open": tuple(templates)}
    how = {**book.instructions, "letter": instructions[0]["instruction"]}
    return replace(book, person=own, instructions=how, bare=True), words


def _table(path: Path, need: tuple[str, ...]) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(f"{path} is not there; expected {', '.join(FILES)} as VLAGenderBias has them")
    rows = as_written(path, need).fillna("").to_dict("records")
    return [{str(name): str(cell) for name, cell in row.items()} for row in rows if all(row[name] for name in need)]

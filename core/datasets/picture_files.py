"""One identity of a picture: whatever way its name is written, it is one file below one folder.

`./a.jpg`, `b/../a.jpg`, `.//a.jpg` and `a.jpg` are one picture. Where no file has the name exactly as written,
backslashes are read as slashes, letters are compared in Unicode NFC without what nobody sees, and last the ending's
case does not count. Each of these only where it leads to a single file.
"""

import difflib
import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from core.config import InputError
from core.datasets.images import SUFFIXES
from core.tables import LeftOut, clean_text

NOT_READ = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC pictures cannot be read; save them as JPEG"),
    **dict.fromkeys(
        (".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"),
        "raw camera files cannot be read; save them as JPEG",
    ),
    "": "without an ending nobody can tell what it is; add .jpg or .png",
}
"""Files that may well be pictures, and why they are no items."""
BESIDE = frozenset(
    {".csv", ".tsv", ".tab", ".parquet", ".feather", ".arrow", ".json", ".jsonl", ".ndjson", ".txt", ".md", ".xlsx"}
    | {".npy", ".npz", ".html", ".xml", ".yaml", ".yml", ".toml", ".db", ".ini", ".log", ".pdf", ".py", ".ipynb"}
)
"""Endings of what lies beside pictures and was never meant as one: tables, texts, notes of the system."""
NEAR_SOUGHT = 20
"""Missing pictures for which something near is sought."""
NEAR = 0.75
"""How alike a name must be to be named where a picture is not there (difflib's ratio)."""


def listed(root: Path) -> tuple[list[str], list[LeftOut]]:
    """Paths of all picture files below `root`, relative to it, sorted; and every other file that might be a picture.

    Hidden files and folders are passed over, and so are tables and texts.
    """
    found: list[str] = []
    others: list[LeftOut] = []
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in files:
            if name.startswith("."):
                continue
            path = Path(folder, name)
            suffix, relative = path.suffix.lower(), path.relative_to(root).as_posix()
            if suffix in SUFFIXES:
                found.append(relative)
            elif suffix not in BESIDE:
                others.append(LeftOut(relative, NOT_READ.get(suffix, f"files ending in {suffix} cannot be read")))
    return sorted(found), sorted(others)


def locate(root: Path, file: str) -> Path:
    """The path of a table's `file` under `root`; InputError where it leads out of it.

    A file given from the root's parent ("images/1.jpg" with the root .../images) is found as well. Links that lie
    under the root are followed: whoever put them there meant it.
    """
    return Path(_below(os.path.abspath(root), file, root))


def _below(base: str, file: str, root: Path) -> str:
    """`locate` in texts, for tables of many rows: `base` is the whole path of the root."""
    if "\0" in file:
        raise InputError(f"file {file!r} holds a zero byte; expected the name of a picture")
    path, own = os.path.normpath(os.path.join(base, file)), os.path.basename(base)
    if own in file and Path(file).parts[:1] == (own,) and not os.path.exists(path):
        path = os.path.normpath(os.path.join(os.path.dirname(base), file))
    if not path.startswith(base.rstrip(os.sep) + os.sep):
        raise InputError(f"file {file!r} leads out of {root}; expected a path below it")
    return path


def plain_name(file: str) -> str:
    """A name of a file as it is compared: slashes, no `.` and no doubled ones, Unicode NFC, nothing invisible."""
    parts = [part for part in clean_text(file).replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts)


class PictureFiles:
    """The files below a folder, found by their names however these are written. The folder is listed at most once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._base = os.path.abspath(root)

    def find(self, file: str) -> str | None:
        """The path of a picture relative to the root; None where it is not there, or several files could be meant.

        InputError where the name leads out of the root.
        """
        path = _below(self._base, file, self.root)
        if os.path.isfile(path):
            return os.path.relpath(path, self._base).replace(os.sep, "/")
        name = self._inside(plain_name(file))
        if not name:
            return None
        _below(self._base, name, self.root)
        for key, index in ((name, self._by_name), (_ending_lower(name), self._by_ending)):
            there = index.get(key, [])
            if len(there) == 1:
                return there[0]
        return None

    def near(self, file: str) -> str:
        """What else may have been meant by a picture that is not there, to be put behind a reason; "" for nothing."""
        name = self._inside(plain_name(file))
        alike = self._by_ending.get(_ending_lower(name), [])
        if len(alike) > 1:
            return f"; {' and '.join(alike[:2])} are there: write which one is meant"
        if same := [one for one in self._names if one.casefold() == name.casefold()]:
            return f"; {same[0]} is there: write it so"
        inside = self._by_folder.get(str(PurePosixPath(name).parent), [])
        numbers = re.findall(r"\d+", name)
        inside = [one for one in inside if re.findall(r"\d+", one) == numbers]  # 0124.jpg is no slip of 0123.jpg
        close = difflib.get_close_matches(name, inside, n=1, cutoff=NEAR)
        stem = PurePosixPath(name).with_suffix("").as_posix()
        close = [one for one in inside if PurePosixPath(one).with_suffix("").as_posix() == stem] or close
        return f"; {close[0]} is there: is it meant?" if close else ""

    def _inside(self, name: str) -> str:
        """A plain name without the folder's own in front, where none inside is called so."""
        return name.removeprefix(self._from_above)

    @cached_property
    def _from_above(self) -> str:
        """How names begin that are given from the root's parent; "" where they may as well be meant inside of it."""
        own = os.path.basename(self._base)
        return f"{own}/" if own and not (self.root / own).exists() else ""

    @cached_property
    def _names(self) -> list[str]:
        found = []
        for folder, below, files in os.walk(self.root):
            below[:] = [name for name in below if not name.startswith(".")]
            found += [Path(folder, name).relative_to(self.root).as_posix() for name in files]
        return sorted(found)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _indexed(self._names, plain_name)

    @cached_property
    def _by_ending(self) -> dict[str, list[str]]:
        return _indexed(self._names, lambda name: _ending_lower(plain_name(name)))

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        return _indexed(self._names, lambda name: str(PurePosixPath(name).parent))


def _indexed(names: Sequence[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


def _ending_lower(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return f"{stem}{dot}{ending.lower()}"


def present(frame: pd.DataFrame, root: Path, source: str) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """The rows whose `file` is below `root`, under the name that it has there, and every other row by name.

    Raises
    ------
    InputError
        no picture is there, or two rows mean the same one.
    """
    files, named = PictureFiles(root), frame["file"].notna().to_numpy()
    nameless = tuple(
        LeftOut(f"row {row + 1} of {Path(source).name}", "it names no picture") for row in np.flatnonzero(~named)
    )
    if not named.any():
        raise InputError(f"{source} names no picture in any row; fill in the column of files")
    frame = frame[named]
    given = frame["file"].tolist()
    found = [files.find(file) for file in given]
    there = np.array([name is not None for name in found], dtype=bool)
    if not there.any():
        raise InputError(
            f"none of the {len(frame)} files that {source} lists is in {root} (the first is {given[0]!r}"
            f"{files.near(given[0])}); give the folder that the column 'file' starts from"
        )
    require_one_row_each(given, found, source)
    lost = not_there([file for file, ok in zip(given, there, strict=True) if not ok], files, source)
    kept = frame[there].reset_index(drop=True)
    kept["file"] = pd.Series([name for name in found if name is not None], dtype="str")
    return kept, (*nameless, *lost)


def not_there(names: Sequence[str], files: PictureFiles, source: str) -> tuple[LeftOut, ...]:
    """Listed pictures that are not below the folder; the first ones with what may be meant instead."""
    why = f"in {Path(source).name} but not in the folder"
    return tuple(
        LeftOut(file, why + (files.near(file) if number < NEAR_SOUGHT else "")) for number, file in enumerate(names)
    )


def require_one_row_each(given: Sequence[str], found: Sequence[str | None], source: str) -> None:
    """InputError naming the first two rows that mean one picture, however they write its name."""
    first: dict[str, int] = {}
    for row, name in enumerate(found):
        if name is None:
            continue
        if (before := first.setdefault(name, row)) != row:
            repeated = sum(name is not None for name in found) - len({name for name in found if name is not None})
            written = "" if given[before] == given[row] else f", written {given[before]!r} and {given[row]!r}"
            raise InputError(
                f"{source}: picture {name!r} is in row {before + 1} and again in row {row + 1}{written} "
                f"({repeated} repeated in all); every item needs its own"
            )

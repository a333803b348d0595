"""Published question sets in the layouts of their official files: rows of picture, question, options, right answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from core import access
from core.config import InputError
from core.reading import parse_json
from core.registry import Registry
from core.tables import as_written
from core.tables.columnar import cells, open_without


@dataclass(frozen=True)
class Cell:
    """A picture inside a Parquet file, which is read when its question is chosen."""

    path: Path
    column: str
    row: int


@dataclass(frozen=True)
class Row:
    """One question about one picture."""

    picture: bytes | Path | Cell
    question: str
    options: tuple[str, ...]
    right: int
    kind: str
    """Category of the set."""

    @property
    def content(self) -> bytes:
        """The bytes of the picture."""
        if isinstance(self.picture, Cell):
            [value] = cells(self.picture.path, self.picture.column, [self.picture.row])
            return _picture_bytes(value, self.picture.path)
        return self.picture if isinstance(self.picture, bytes) else self.picture.read_bytes()


class Layout(ABC):
    """How a published set lies on disk. Nothing of any set ships with this app."""

    title: ClassVar[str]
    form: ClassVar[str]
    """Which files are expected under the root, in words."""
    licence: ClassVar[str]

    @abstractmethod
    def rows(self, root: Path) -> Iterator[Row]:
        """Every question with its picture; InputError naming the file that is missing or has another layout."""


LAYOUTS: Registry[type[Layout]] = Registry("layout of questions", "core.lvlm.layouts")


def read_layout(name: str, root: Path, most: int | None = None) -> list[Row]:
    """The questions of a set, at most `most` of them, evenly over the kinds in the order of the files.

    Pictures are bytes or paths; of those inside Parquet files none is read but those of these questions.

    InputError where the folder is not there, holds another layout, or no question; Refused where it is not listed.
    """
    layout = LAYOUTS.get(name)()
    access.require_folder(Path(root))
    if not Path(root).is_dir():
        raise InputError(f"{root} is no folder; expected {layout.form}")
    found = list(layout.rows(Path(root)))
    if not found:
        raise InputError(f"{root} holds no question of {layout.title}; expected {layout.form}")
    if most is None or len(found) <= most:
        return _with_pictures(found)
    by_kind: dict[str, list[int]] = {}
    for place, row in enumerate(found):
        by_kind.setdefault(row.kind, []).append(place)
    order = sorted((depth, place) for places in by_kind.values() for depth, place in enumerate(places))
    return _with_pictures([found[place] for place in sorted(place for _, place in order[:most])])


def _with_pictures(rows: list[Row]) -> list[Row]:
    """The rows with the bytes of pictures that stand inside Parquet files, each file read once."""
    places: dict[tuple[Path, str], list[int]] = {}
    for place, row in enumerate(rows):
        if isinstance(row.picture, Cell):
            places.setdefault((row.picture.path, row.picture.column), []).append(place)
    found = list(rows)
    for (path, column), here in places.items():
        wanted = [cell.row for place in here if isinstance(cell := rows[place].picture, Cell)]
        for place, value in zip(here, cells(path, column, wanted), strict=True):
            found[place] = replace(rows[place], picture=_picture_bytes(value, path))
    return found


def records(path: Path, need: Sequence[str], pictures: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Rows of a text table, JSON lines or a Parquet file with at least these columns; InputError naming what lacks.

    Cells of Parquet files keep their kind (lists, numbers), but for numbered classes, which become their names, and
    for those of `pictures`, which are not read: each is a `Cell`. Of other files they are text. None where there is
    none.
    """
    if path.suffix.lower() != ".parquet":
        frame = as_written(path, need)
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]
    table, present = open_without(path, pictures)
    names = [*table.column_names, *present]
    if missing := [name for name in need if name not in names]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(names)}")
    rows = table.to_pylist()
    for name, there in present.items():
        for place, row in enumerate(rows):
            row[name] = Cell(path, name, place) if there[place] else None
    for name, names in _class_names(table.schema.metadata).items():
        for row in rows:
            if isinstance(row.get(name), int) and 0 <= row[name] < len(names):
                row[name] = names[row[name]]
    return rows


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of numbered classes by column, as the library `datasets` notes them in a Parquet file."""
    try:
        features = parse_json((metadata or {})[b"huggingface"], "its notes")["info"]["features"]
        return {name: [str(one) for one in kind["names"]] for name, kind in features.items() if "names" in kind}
    except (InputError, KeyError, TypeError, AttributeError):
        return {}  # no note, or somebody else's


def _picture_bytes(value: Any, path: Path) -> bytes:
    """The bytes of a picture as Parquet files hold it; InputError naming the file."""
    if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        return value["bytes"]
    if isinstance(value, bytes):
        return value
    raise InputError(f"{path}: a picture is {type(value).__name__}; expected its bytes")


def placed(row: Row, path: Path) -> Row:
    """The row, once its options and its picture make sense; InputError naming the file."""
    if not 0 <= row.right < len(row.options) or len(row.options) < 2:
        raise InputError(
            f"{path}: the question {row.question[:60]!r} has no right one among its {len(row.options)} options"
        )
    if row.picture is None:
        raise InputError(f"{path}: the question {row.question[:60]!r} has no picture; expected one")
    if isinstance(row.picture, Path) and not row.picture.is_file():
        raise InputError(
            f"{path}: the picture {row.picture} is not there; put the set's pictures where its layout has them"
        )
    return row

"""Published question sets in the layouts of their official files: rows of picture, question, options, right answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core import access
from core.config import InputError
from core.reading import parse_json
from core.registry import Registry
from core.tables import as_written
from core.tables.columnar import open_arrow


@dataclass(frozen=True)
class Row:
    """One question about one picture."""

    picture: bytes | Path
    question: str
    options: tuple[str, ...]
    right: int
    kind: str
    """Category of the set."""


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
        return found
    by_kind: dict[str, list[int]] = {}
    for place, row in enumerate(found):
        by_kind.setdefault(row.kind, []).append(place)
    order = sorted((depth, place) for places in by_kind.values() for depth, place in enumerate(places))
    return [found[place] for place in sorted(place for _, place in order[:most])]


def records(path: Path, need: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a text table, JSON lines or a Parquet file with at least these columns; InputError naming what lacks.

    Cells of Parquet files keep their kind (pictures, lists), but for numbered classes, which become their names; of
    others they are text, None where there is none.
    """
    if path.suffix.lower() != ".parquet":
        frame = as_written(path, need)
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]
    table = open_arrow(path)
    if missing := [name for name in need if name not in table.column_names]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(table.column_names)}")
    rows = table.to_pylist()
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


def picture_bytes(value: Any, path: Path) -> bytes:
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
    if isinstance(row.picture, Path) and not row.picture.is_file():
        raise InputError(
            f"{path}: the picture {row.picture} is not there; put the set's pictures where its layout has them"
        )
    return row

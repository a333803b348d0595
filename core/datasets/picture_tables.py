"""Parquet files that hold pictures beside their labels, as the Hugging Face hub stores data sets."""

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable, official_halves
from core.datasets.images import ReadImage, read_image
from core.reading import parse_json
from core.tables import RESERVED, LeftOut, clean_labels, mark_note
from core.tables.columnar import arrow_grid

PARTS = {"train": "probe", "validation": "evaluation", "val": "evaluation", "dev": "probe", "test": "evaluation"}


@DATASETS.register("parquet-pictures")
class PictureTables(DataSet):
    """Parquet files (one, or all of a folder and its `data/`) with a column of pictures: bytes, or {bytes, path}.

    The other columns of plain values become attributes; numbers of classes become their names where the file says
    them. Files named after their part (`train-00000-of-00002.parquet`) become the halves where both are there.
    Pictures are decoded as they are needed.
    """

    title = "Parquet files with pictures inside"
    needs = "A Parquet file, or a folder of them (train-00000-of-00001.parquet)"
    place = 4

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = Path(root)
        below = [one for folder in (root, root / "data") for one in sorted(folder.glob("*.parquet"))]
        paths = [root] if root.is_file() else below
        if not paths:
            raise InputError(f"{root} holds no .parquet file; expected Parquet files with pictures inside")
        files = [_PictureFile(path) for path in paths]
        frame = pd.concat([file.frame() for file in files], ignore_index=True)
        notes, left_out = [note for file in files for note in file.notes], list[LeftOut]()
        for name in (name for name in frame.columns if name not in (*RESERVED, "part")):
            frame[name], used = clean_labels(frame[name])
            notes += [mark_note(name, used, len(frame))] if used else []
        by_stem = {file.path.stem: file for file in files}
        parts = frame.pop("part").tolist()
        halves, official = (None, None)
        if set(parts) <= set(PARTS):
            halves, official = official_halves(parts, PARTS, "official parts")

        def read(item: str) -> ReadImage:
            stem, _, row = item.rpartition(" ")
            return read_image(by_stem[stem].picture(int(row) - 1, item), item)

        return ItemTable(
            frame,
            "images",
            f"{len(files)} Parquet files of {root.name}",
            None,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            tuple(left_out),
            tuple(dict.fromkeys(notes)),
            halves,
            official,
            read,
        )


class _PictureFile:
    """One Parquet file; the group of rows that was read last is kept, so that rows in order are read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._lock = threading.Lock()
        self._kept: tuple[int, pa.ChunkedArray] | None = None
        try:
            self._file = pq.ParquetFile(path)
            self._schema = self._file.schema_arrow
            groups = range(self._file.num_row_groups)
            self._ends = [self._file.metadata.row_group(i).num_rows for i in groups]
        except Exception:  # a damaged file makes pyarrow raise errors of many types
            raise InputError(f"{path} cannot be read as Parquet: it is damaged, cut or of another kind") from None
        pictures = [field.name for field in self._schema if _holds_pictures(field.type)]
        if len(pictures) != 1:
            found = ", ".join(pictures) or "none"
            raise InputError(
                f"{path} has {len(pictures)} columns of pictures ({found}); expected one: bytes, or {{bytes, path}}"
            )
        self._column = pictures[0]

    def frame(self) -> pd.DataFrame:
        """Ids, attributes as text and the part; no picture is read."""
        rest = [field.name for field in self._schema if field.name != self._column]
        grid = arrow_grid(self._read(rest), str(self.path)) if rest else None
        n, names = self._file.metadata.num_rows, self._class_names()
        ids = pd.Series([f"{self.path.stem} {row + 1}" for row in range(n)], dtype="str")
        columns = {"id": ids, "file": ids}
        for name, cells in zip(grid.names, grid.columns, strict=True) if grid else ():
            known = names.get(name)
            values = [
                known[int(cell)] if known and cell and cell.isdecimal() and int(cell) < len(known) else cell
                for cell in cells
            ]
            columns[name if name not in RESERVED else f"{name} of the file"] = pd.Series(values, dtype="str")
        self.notes += grid.notes if grid else []
        part = next((part for part in PARTS if self.path.stem.lower().startswith(part)), "all")
        return pd.DataFrame(columns).assign(part=part)

    def _read(self, columns: list[str]) -> pa.Table:
        try:
            return self._file.read(columns=columns)
        except Exception:  # as above
            raise InputError(f"{self.path} cannot be read as Parquet: it is damaged or cut; copy it again") from None

    def _class_names(self) -> dict[str, list[str]]:
        """Names of the classes of a column of numbers, where the hub's features say them."""
        try:
            said = parse_json((self._schema.metadata or {}).get(b"huggingface", b"{}"), str(self.path))
            features = said["info"]["features"]
            return {
                name: list(one["names"]) for name, one in features.items() if isinstance(one, dict) and "names" in one
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}

    def picture(self, row: int, name: str) -> bytes:
        """The bytes of one picture; InputError where there is none."""
        with self._lock:
            group, first = 0, 0
            while row >= first + self._ends[group]:
                first, group = first + self._ends[group], group + 1
            if self._kept is None or self._kept[0] != group:
                try:
                    self._kept = group, self._file.read_row_group(group, columns=[self._column]).column(0)
                except Exception:  # a damaged file makes pyarrow raise errors of many types
                    raise InputError(f"{name} is damaged in its Parquet file; copy the file again") from None
            value: Any = self._kept[1][row - first].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not data:
            path = value.get("path") if isinstance(value, dict) else None
            there = f"it names the file {path!r} instead" if path else "its cell is empty"
            raise InputError(f"{name} is without a picture: {there}")
        return data


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

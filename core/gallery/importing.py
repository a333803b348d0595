"""A gallery from precomputed embeddings, for people who have them or may not move their pictures."""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from core import access
from core.config import KEPT, UNKNOWN, Fingerprint, InputError, Progress, Side, digest_of, one_of
from core.datasets.base import NOT_STATED
from core.datasets.captions import COLUMNS
from core.datasets.images import read_image
from core.datasets.picture_files import PictureFiles, plain_name, require_one_row_each
from core.gallery.chunks import Chunk, work_through
from core.gallery.embedding_files import Rows, open_rows
from core.gallery.gallery import Gallery
from core.gallery.together import require_together
from core.gallery.writing import WAY, About, finish_gallery, summarised, write_frame, write_rows
from core.store import PackedBlobs, publish, refuse_existing, resumable_folder
from core.tables import (
    NO_REGROUP,
    LeftOut,
    Regroup,
    Table,
    attribute_columns,
    read_table,
    require_filled,
    require_unique,
)
from core.units import BLOCK_ROWS, norms

CHUNK = 512
"""Pictures between two points at which an interrupted import can go on."""

UNIT_TOLERANCE = {"float16": 4e-3, "float32": 1e-4, "float64": 1e-4}
"""How far from 1 the length of a normalised row may be: rounding of the stored numbers, with room."""

SAME_PROMPT = 1e-6
"""Difference of two embeddings of one prompt, relative to their length, that is rounding."""

NO_PICTURE = "its picture is not in the folder; the row is in the gallery without one"


def import_gallery(
    embeddings: Path | np.ndarray,
    table: Path,
    *,
    model_name: str,
    out: Path,
    images: Path | None = None,
    texts: Path | np.ndarray | None = None,
    text_table: Path | None = None,
    kind: Literal["images", "captions"] = "images",
    name: str | None = None,
    licence: str | None = None,
    provenance: str | None = None,
    split_seed: int = 0,
    whole: Literal["probe", "evaluation"] | None = None,
    together: str | None = None,
    array: str | None = None,
    regroup: Regroup = NO_REGROUP,
    replace: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """Make a gallery of embeddings that another program computed.

    Numbers are stored as they are given (float64 as float32). Whether rows are normalised is measured and recorded;
    the weights are recorded as unknown. Where the embeddings' file says which item each row is of, rows are put into
    the table's order by that. A picture that is not there or cannot be read leaves its row without a thumbnail and is
    listed as left out.

    Parameters
    ----------
    embeddings : (n, d) array, or a file of one; see `open_rows`.
    table : one row an embedding, in their order: column `file` or `id` (captions: `text` or `caption`); the others
        are attributes.
    model_name : the model that made the embeddings, as its users would recognise it.
    images : folder that the column `file` starts from; without it the gallery has no pictures.
    together : column of the table whose equal values (a scene, a person, a film) stay in one half; see
        `build_gallery`.
    texts, text_table : embeddings of known prompts, and their table with the column `prompt`.
    array : which of several arrays of `embeddings` (and of `texts`, where it has one of this name) is meant.
    regroup : what to do with the groups of the table first.

    Raises
    ------
    InputError
        arrays, tables and pictures that do not fit together or hold NaN, infinite or zero rows; names row and file.

    Many parameters: each is one choice of whoever makes a gallery, and stands in its manifest.
    """
    access.require("import")
    one_of(kind, ("images", "captions"), "kind")
    out = Path(out)
    if not model_name.strip():
        raise InputError("the model name was empty; give the name of the model that made the embeddings")
    refuse_existing(out, replace, WAY)
    read = _items(Path(table), kind)
    rows = open_rows(embeddings, "embeddings", array)
    return import_rows(
        rows,
        read,
        str(table),
        model_name=model_name,
        out=out,
        images=images,
        prompts=open_prompts(texts, text_table, rows.array.shape[1], rows.name, array),
        kind=kind,
        name=name,
        licence=licence,
        provenance=provenance,
        split_seed=split_seed,
        whole=whole,
        together=together,
        regroup=regroup,
        replace=replace,
        progress=progress,
    )


def import_rows(
    rows: Rows,
    read: Table,
    table: str,
    *,
    model_name: str,
    out: Path,
    images: Path | None = None,
    prompts: "Prompts | None" = None,
    kind: Literal["images", "captions"] = "images",
    name: str | None = None,
    licence: str | None = None,
    provenance: str | None = None,
    split_seed: int = 0,
    whole: Literal["probe", "evaluation"] | None = None,
    together: str | None = None,
    regroup: Regroup = NO_REGROUP,
    replace: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """`import_gallery` of embeddings and a table that are open already; `table` is what messages call it.

    Many parameters: each is one choice of whoever makes a gallery, and stands in its manifest.
    """
    access.require("import")
    frame, said = regroup.applied(read.frame, table)
    order, frame, lost = _in_order(rows, frame, table)
    if together is not None:
        require_together(frame, together, table)
    if images is not None and not Path(images).is_dir():
        raise InputError(f"{images} is no folder; expected the folder that the column 'file' starts from")
    if images is not None and "file" not in frame.columns:
        raise InputError(f"{table} has no column 'file', so pictures cannot be found; add it or leave out the pictures")
    notes = [*read.notes, *said, *rows.notes, *(prompts.notes if prompts else ())]
    if order is not None:
        notes.append(f"{rows.name}: rows were put into the order of {Path(table).name} by the ids that it holds")
    left_out = [*read.left_out, *lost]

    extra = {"prompts_provenance": f"imported from {prompts.name}"} if prompts else {}
    source = f"{rows.name} with {Path(table).name}"
    said_of = licence or NOT_STATED, provenance or NOT_STATED
    about = About(name or out.name, kind, source, *said_of, split_seed, whole, None, together, extra)
    with resumable_folder(out, replace) as workplace:
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        normalised = copy_rows(rows.array, folder / "pooled.npy", rows.name, frame["id"], order, progress)
        side: Side = "image" if kind == "images" else "text"
        d = int(rows.array.shape[1])
        fingerprint = Fingerprint(model_name.strip(), UNKNOWN, side, "pooled", d, normalised=normalised)
        if prompts:
            prompts.write(folder)
        if images is not None:
            without, more = _pictures(frame, Path(images), workplace, folder, progress)
            left_out, notes = [*left_out, *without], [*notes, *more]
        finish_gallery(folder, frame, about, {"pooled": fingerprint}, notes, left_out, progress=progress)
        publish(folder, out, replace)
    return Gallery(out)


def _in_order(rows: Rows, frame: pd.DataFrame, table: str) -> tuple[np.ndarray | None, pd.DataFrame, list[LeftOut]]:
    """For each row of the table the row of its embedding (None: they lie in order), the table, and who has no partner.

    InputError where the file has no ids and other rows than the table, or none of its ids is one of the table.
    """
    n = int(rows.array.shape[0])
    if rows.ids is None:
        if n != len(frame):
            raise InputError(
                f"{rows.name} has {n} rows but {table} has {len(frame)}; expected one table row an embedding, in order"
            )
        return None, frame, []
    keys = [plain_name(one) for one in rows.ids]
    own = {column: [plain_name(one) for one in frame[column]] for column in ("id", "file") if column in frame.columns}
    known = set(keys)
    numbered = keys in ([str(row) for row in range(n)], [str(row + 1) for row in range(n)])
    if numbered and n == len(frame) and known != set(own["id"]):
        return None, frame, []  # row numbers, which say nothing of the table
    column = max(own, key=lambda name: sum(one in known for one in own[name]))
    there = np.array([one in known for one in own[column]], dtype=bool)
    if not there.any():
        raise InputError(
            f"no id of {rows.name} (the first is {rows.ids[0]!r}) is an {column} of {table} (the first is "
            f"{frame[column].iloc[0]!r}); give both the same ids"
        )
    place: dict[str, int] = {}
    for row, key in enumerate(keys):
        if place.setdefault(key, row) != row:
            raise InputError(f"{rows.name} has two rows for {rows.ids[row]!r} ({place[key] + 1} and {row + 1})")
    taken = set(own[column])
    lost = [
        LeftOut(rows.ids[row], f"an embedding without a row of {Path(table).name}")
        for row in range(n)
        if keys[row] not in taken
    ]
    lost += [LeftOut(one, f"a row without an embedding in {rows.name}") for one in frame.loc[~there, "id"]]
    order = np.array([place[one] for one in np.array(own[column], dtype=object)[there]], dtype=np.int64)
    frame = frame[there].reset_index(drop=True)
    return None if (order == np.arange(n)[: len(order)]).all() and len(order) == n else order, frame, lost


# --- arrays -----------------------------------------------------------------------------------------------------


def copy_rows(
    rows: Any,
    path: Path,
    name: str,
    ids: pd.Series,
    order: np.ndarray | None = None,
    progress: Progress | None = None,
) -> bool:
    """Copy rows to `path`, checking each; True where all have length one (up to the rounding of their type).

    Parameters
    ----------
    order : row of `rows` for each one written; None: all, as they lie.
    """
    n, d = len(rows) if order is None else len(order), int(rows.shape[1])
    dtype = np.dtype(np.float16 if rows.dtype == np.float16 else np.float32)
    furthest = 0.0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal furthest
        for start in range(0, n, BLOCK_ROWS):
            wanted: Any = slice(start, start + BLOCK_ROWS)
            if order is not None:
                wanted = order[wanted]
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # float64 beyond float32 becomes infinite and is refused below
                block = np.asarray(rows[wanted]).astype(dtype)
            if progress:
                progress(min(start + BLOCK_ROWS, n), n, "embeddings")
            _require_sound(block, start, name, ids)
            furthest = max(furthest, float(np.abs(norms(block) - 1).max()))
            yield block

    write_rows(path, blocks(), n, d, dtype)
    return furthest <= UNIT_TOLERANCE[rows.dtype.name]


def _require_sound(block: np.ndarray, start: int, name: str, ids: pd.Series) -> None:
    """InputError naming the first row that is not finite, or zero."""
    finite = np.isfinite(block).all(axis=1)
    with np.errstate(invalid="ignore"):  # of numbers that are none, which are refused
        filled = block.any(axis=1)
    for good, fault in ((finite, "holds NaN or infinite numbers"), (filled, "is all zeros")):
        if not good.all():
            row = start + int((~good).argmax())
            raise InputError(f"{name}: row {row + 1} ({ids.iloc[row]}) {fault}; compute it again or remove it")


# --- tables -----------------------------------------------------------------------------------------------------


def _items(table: Path, kind: str) -> Table:
    """The table with an `id` of its own for every row, and `file` or `text` in place."""
    return as_items(read_table(table, need=("file", "id") if kind == "images" else COLUMNS), kind, str(table))


def as_items(read: Table, kind: str, table: str) -> Table:
    """A table as the items of a gallery: ids that differ, names of pictures in one form, what a gallery has first."""
    frame = read.frame.copy(deep=False)
    if kind == "captions" and "text" not in frame.columns:
        frame = frame.rename(columns={next(one for one in COLUMNS if one in frame.columns): "text"})
    if "half" in frame.columns:
        raise InputError(f"{table}: the column name 'half' is taken by the gallery's split; rename the column")
    own = "id" in frame.columns
    if "file" in frame.columns:
        require_filled(frame, "file", table)
        plain = [plain_name(file) for file in frame["file"]]
        if not own:
            require_one_row_each(frame["file"].tolist(), plain, table)
        frame["file"] = pd.Series(plain, dtype="str", index=frame.index)
    if not own:
        numbers = pd.Series(range(1, len(frame) + 1)).astype("str")
        frame.insert(0, "id", frame["file"] if "file" in frame.columns else numbers)
    left_out = list(read.left_out)
    for column in ("file" if kind == "images" else "text", "id"):
        if column in frame.columns:
            require_filled(frame, column, table)
    require_unique(frame, "id", table)
    first = [column for column in ("id", "file", "text") if column in frame.columns]
    return Table(frame[[*first, *attribute_columns(frame)]], read.notes, tuple(left_out))


@dataclass(frozen=True)
class Prompts:
    """Known prompts: their embeddings, their table, and what messages call them."""

    rows: Rows
    frame: pd.DataFrame
    keep: np.ndarray
    """Rows that are kept: of a repeated prompt the first."""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.rows.name

    def write(self, folder: Path) -> None:
        """Their files in a gallery's folder."""
        whole = len(self.keep) == len(self.rows.array)
        order = None if whole else self.keep
        copy_rows(self.rows.array, folder / "prompts.npy", self.name, self.frame["prompt"], order)
        write_frame(folder / "prompts.parquet", self.frame)


def open_prompts(
    texts: Path | np.ndarray | None, text_table: Path | None, d: int, said: str, array: str | None = None
) -> Prompts | None:
    """Known prompts; None where there are none. A prompt that is repeated with the same embedding is one."""
    if (texts is None) != (text_table is None):
        lone, other = ("text embeddings", "their table") if text_table is None else ("a text table", "its embeddings")
        raise InputError(f"{lone} came without {other}; give both or neither")
    if texts is None or text_table is None:
        return None
    rows = _text_rows(texts, array)
    read = read_table(text_table, need=("prompt",))
    frame, n = read.frame, int(rows.array.shape[0])
    if n != len(frame):
        raise InputError(
            f"{rows.name} has {n} rows but {text_table} has {len(frame)}; expected one table row an embedding, in order"
        )
    require_filled(frame, "prompt", str(text_table))
    if rows.array.shape[1] != d:
        raise InputError(
            f"{rows.name} has {rows.array.shape[1]} columns but {said} has {d}; both must come from one model"
        )
    keep = _once_each(rows, frame["prompt"], str(text_table))
    notes = list(read.notes)
    if len(keep) < n:
        notes.append(
            f"{n - len(keep)} prompts of {Path(text_table).name} are repeated with the same embedding: kept once"
        )
    return Prompts(rows, frame.iloc[keep].reset_index(drop=True), keep, tuple(notes))


def _text_rows(texts: Path | np.ndarray, array: str | None) -> Rows:
    """The text embeddings; the array's name is meant for them where their file has it."""
    try:
        return open_rows(texts, "text embeddings", array)
    except InputError:
        if array is None:
            raise
        return open_rows(texts, "text embeddings")


def _once_each(rows: Rows, prompts: pd.Series, table: str) -> np.ndarray:
    """Rows of the first of each prompt; InputError naming a prompt that has two embeddings."""
    repeated = prompts.duplicated().to_numpy()
    if not repeated.any():
        return np.arange(len(prompts))
    first: dict[str, int] = {}
    for row, prompt in enumerate(prompts):
        before = first.setdefault(prompt, row)
        if before == row:
            continue
        a, b = (np.asarray(rows.array[one : one + 1], dtype=np.float64) for one in (before, row))
        if not np.linalg.norm(a - b) <= SAME_PROMPT * np.linalg.norm(a):
            raise InputError(
                f"{table}: prompt {prompt!r} is in row {before + 1} and again in row {row + 1} with another embedding; "
                "keep one of them"
            )
    return np.flatnonzero(~repeated)


# --- pictures ---------------------------------------------------------------------------------------------------


def _pictures(
    frame: pd.DataFrame, root: Path, workplace: Path, folder: Path, progress: Progress | None
) -> tuple[list[LeftOut], list[str]]:
    """Pack a thumbnail of every item; returns the pictures that are not there or cannot be read, and notes."""
    files, given = PictureFiles(root), frame["file"].tolist()
    found = [files.find(file) for file in given]
    lost = [
        LeftOut(file, NO_PICTURE + files.near(file)) for file, name in zip(given, found, strict=True) if name is None
    ]
    if len(lost) == len(given):
        raise InputError(
            f"none of the {len(given)} pictures is in {root} (the first is {given[0]!r}{files.near(given[0])}); give "
            "the folder that the column 'file' starts from"
        )
    names = [name or "" for name in found]
    parts = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    keys = [digest_of(["thumbs", str(root.resolve()), *part]) for part in parts]

    def told(number: int, how: str = "") -> None:
        if progress:
            progress(min((number + 1) * CHUNK, len(names)), len(names), f"pictures{how}")

    def make(missing: Iterator[int]) -> Iterator[Chunk]:
        for number in missing:
            yield _thumbs(parts[number], root)
            told(number)

    chunks = list(work_through(workplace, keys, make, lambda number: told(number, f": {KEPT}")))
    broken = [
        LeftOut(one.name, f"{one.reason}; the row is in the gallery without it") for c in chunks for one in c.left_out
    ]
    if len(broken) + len(lost) == len(names):
        raise InputError(f"none of the {len(names)} pictures could be read; {chunks[0].left_out[0]}")
    PackedBlobs.write(folder, "thumbs", (thumb for chunk in chunks for thumb in chunk.thumbs()))
    return [*lost, *broken], summarised((note for chunk in chunks for note in chunk.notes), "pictures")


def _thumbs(names: Sequence[str], root: Path) -> Chunk:
    """Thumbnails of pictures by their names below the root; an empty name has none."""

    def attempt(name: str) -> tuple[bytes, str | None] | InputError:
        if not name:
            return b"", None
        try:
            read = read_image(root / name, name)
            return read.thumbnail(), read.note
        except InputError as error:
            return error

    chunk = Chunk(np.arange(len(names)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, result in zip(names, pool.map(attempt, names), strict=True):
            if isinstance(result, InputError):
                chunk.left_out.append(LeftOut.of(name, str(result)))
                chunk.thumbs.append(b"")
                continue
            thumb, note = result
            chunk.thumbs.append(thumb)
            chunk.notes.extend([note] if note else [])
    return chunk

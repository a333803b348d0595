"""A gallery from precomputed embeddings, for people who have them or may not move their pictures."""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from core.config import UNKNOWN, Fingerprint, InputError, Progress, digest_of, one_of
from core.datasets.base import NOT_STATED, locate
from core.datasets.images import read_image, thumbnail_jpeg
from core.datasets.tables import attribute_columns, read_table, require_filled, require_unique
from core.gallery.chunks import Chunk, KeptChunk, work_through
from core.gallery.gallery import Gallery
from core.gallery.together import require_together
from core.gallery.writing import About, finish_gallery, summarised, write_frame, write_rows
from core.store import BROKEN_ARRAY, PackedBlobs, publish, resumable_folder
from core.units import BLOCK_ROWS, norms

CHUNK = 512
"""Pictures between two points at which an interrupted import can go on."""

UNIT_TOLERANCE = {"float16": 4e-3, "float32": 1e-4, "float64": 1e-4}
"""How far from 1 the length of a normalised row may be: rounding of the stored numbers, with room."""


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
    replace: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """Make a gallery of embeddings that another program computed.

    Numbers are stored as they are given (float64 as float32). Whether rows are normalised is measured and recorded;
    the weights are recorded as unknown. A picture that cannot be read leaves its row without a thumbnail and is
    listed in the manifest's problems.

    Parameters
    ----------
    embeddings : (n, d) array, .npy, or .npz with one array or one called `embeddings`.
    table : one row an embedding, in their order: column `file` or `id` (captions: `text` or `caption`); the others
        are attributes.
    model_name : the model that made the embeddings, as its users would recognise it.
    images : folder that the column `file` starts from; without it the gallery has no pictures.
    together : column of the table whose equal values (a scene, a person, a film) stay in one half; see
        `build_gallery`.
    texts, text_table : embeddings of known prompts, and their table with the column `prompt`.

    Raises
    ------
    InputError
        arrays, tables and pictures that do not fit together or hold NaN, infinite or zero rows; names row and file.
    """
    one_of(kind, ("images", "captions"), "kind")
    out = Path(out)
    if not model_name.strip():
        raise InputError("the model name was empty; give the name of the model that made the embeddings")
    frame = _items(Path(table), kind)
    if together is not None:
        require_together(frame, together, str(table))
    rows, said = open_rows(embeddings, "embeddings")
    _require_same_length(len(rows), said, frame, str(table))
    prompts = open_prompts(texts, text_table, rows.shape[1], said)
    if images is not None and not Path(images).is_dir():
        raise InputError(f"{images} is no folder; expected the folder that the column 'file' starts from")
    if images is not None and "file" not in frame.columns:
        raise InputError(f"{table} has no column 'file', so pictures cannot be found; add it or leave out the pictures")

    extra = {"prompts_provenance": f"imported from {prompts[2]}"} if prompts else {}
    source = f"{said} with {Path(table).name}"
    said_of = licence or NOT_STATED, provenance or NOT_STATED
    about = About(name or out.name, kind, source, *said_of, split_seed, whole, None, together, extra)
    with resumable_folder(out, replace) as workplace:
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        normalised = copy_rows(rows, folder / "pooled.npy", said, frame["id"])
        side = "image" if kind == "images" else "text"
        fingerprint = Fingerprint(model_name.strip(), UNKNOWN, side, "pooled", rows.shape[1], normalised=normalised)
        if prompts:
            copy_rows(prompts[0], folder / "prompts.npy", prompts[2], prompts[1]["prompt"])
            write_frame(folder / "prompts.parquet", prompts[1])
        problems, notes = (
            _pictures(frame, Path(images), workplace, folder, progress) if images is not None else ([], [])
        )
        finish_gallery(folder, frame, about, {"pooled": fingerprint}, notes, problems)
        publish(folder, out, replace)
    return Gallery(out)


# --- arrays -----------------------------------------------------------------------------------------------------


def open_rows(source: Path | np.ndarray, what: str) -> tuple[np.ndarray, str]:
    """An array (n, d) of floats, memory-mapped where it can be, and its name for messages."""
    rows, name = (source, what) if isinstance(source, np.ndarray) else (_load(Path(source)), Path(source).name)
    if rows.ndim != 2 or rows.shape[0] < 1 or rows.shape[1] < 1:
        raise InputError(f"{name} has shape {rows.shape}; expected {what} as (rows, columns), one row an item")
    if rows.dtype.name not in UNIT_TOLERANCE:
        raise InputError(f"{name} holds {rows.dtype}; expected {', '.join(UNIT_TOLERANCE)}")
    return rows, name


def _load(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected embeddings as .npy or .npz") from None
    except BROKEN_ARRAY as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read as an array ({reason}); expected .npy or .npz without pickle"
        ) from None
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        names = loaded.files
        chosen = "embeddings" if "embeddings" in names else names[0] if len(names) == 1 else None
        if chosen is None:
            raise InputError(f"{path} holds the arrays {', '.join(names)}; expected one, or one called 'embeddings'")
        try:
            return loaded[chosen]
        except BROKEN_ARRAY as error:
            raise InputError(f"{path} cannot be read ({error}); expected numbers without pickle") from None


def copy_rows(rows: np.ndarray, path: Path, name: str, ids: pd.Series) -> bool:
    """Copy rows to `path`, checking each; True where all have length one (up to the rounding of their type)."""
    dtype = np.dtype(np.float16 if rows.dtype == np.float16 else np.float32)
    furthest = 0.0

    def blocks():
        nonlocal furthest
        for start in range(0, len(rows), BLOCK_ROWS):
            with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite and is refused below
                block = np.asarray(rows[start : start + BLOCK_ROWS]).astype(dtype)
            _require_sound(block, start, name, ids)
            furthest = max(furthest, float(np.abs(norms(block) - 1).max()))
            yield block

    write_rows(path, blocks(), *rows.shape, dtype)
    return furthest <= UNIT_TOLERANCE[rows.dtype.name]


def _require_sound(block: np.ndarray, start: int, name: str, ids: pd.Series) -> None:
    """InputError naming the first row that is not finite, or zero."""
    finite = np.isfinite(block).all(axis=1)
    for good, fault in ((finite, "holds NaN or infinite numbers"), (block.any(axis=1), "is all zeros")):
        if not good.all():
            row = start + int((~good).argmax())
            raise InputError(f"{name}: row {row + 1} ({ids.iloc[row]}) {fault}; compute it again or remove it")


# --- tables -----------------------------------------------------------------------------------------------------


def _items(table: Path, kind: str) -> pd.DataFrame:
    """The table with an `id` of its own for every row, and `file` or `text` in place."""
    frame = read_table(table, need=("file", "id") if kind == "images" else ("text", "caption"))
    if kind == "captions" and "text" not in frame.columns:
        frame = frame.rename(columns={"caption": "text"})
    if "half" in frame.columns:
        raise InputError(f"{table}: the column name 'half' is taken by the gallery's split; rename the column")
    if "id" not in frame.columns:
        numbers = pd.Series(range(1, len(frame) + 1)).astype("str")
        frame.insert(0, "id", frame["file"] if "file" in frame.columns else numbers)
    for column in ("file" if kind == "images" else "text", "id"):
        if column in frame.columns:
            require_filled(frame, column, str(table))
    require_unique(frame, "id", str(table))
    first = [column for column in ("id", "file", "text") if column in frame.columns]
    return frame[[*first, *attribute_columns(frame)]]


def _require_same_length(n: int, said: str, frame: pd.DataFrame, table: str) -> None:
    if n != len(frame):
        raise InputError(
            f"{said} has {n} rows but {table} has {len(frame)}; expected one table row an embedding, in order"
        )


def open_prompts(
    texts: Path | np.ndarray | None, text_table: Path | None, d: int, said: str
) -> tuple[np.ndarray, pd.DataFrame, str] | None:
    """Embeddings of known prompts, their table and their name; None where there are none."""
    if (texts is None) != (text_table is None):
        lone, other = ("text embeddings", "their table") if text_table is None else ("a text table", "its embeddings")
        raise InputError(f"{lone} came without {other}; give both or neither")
    if texts is None or text_table is None:
        return None
    rows, name = open_rows(texts, "text embeddings")
    frame = read_table(text_table, need=("prompt",))
    _require_same_length(len(rows), name, frame, str(text_table))
    require_filled(frame, "prompt", str(text_table))
    require_unique(frame, "prompt", str(text_table))
    if rows.shape[1] != d:
        raise InputError(f"{name} has {rows.shape[1]} columns but {said} has {d}; both must come from one model")
    return rows, frame, name


# --- pictures ---------------------------------------------------------------------------------------------------


def _pictures(
    frame: pd.DataFrame, root: Path, workplace: Path, folder: Path, progress: Progress | None
) -> tuple[list[str], list[str]]:
    """Pack a thumbnail of every item; returns the problems and the notes."""
    files = frame["file"].tolist()
    parts = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    keys = [digest_of(["thumbs", str(root.resolve()), *part]) for part in parts]
    chunks: list[KeptChunk] = []
    for chunk in work_through(workplace, keys, lambda missing: (_thumbs(parts[number], root) for number in missing)):
        chunks.append(chunk)
        if progress:
            progress(min(len(chunks) * CHUNK, len(files)), len(files), "pictures")
    problems = [problem for chunk in chunks for problem in chunk.problems]
    if len(problems) == len(files):
        raise InputError(f"none of the {len(files)} pictures could be read: {problems[0]}")
    PackedBlobs.write(folder, "thumbs", (thumb for chunk in chunks for thumb in chunk.thumbs()))
    return problems, summarised((note for chunk in chunks for note in chunk.notes), "pictures")


def _thumbs(files: Sequence[str], root: Path) -> Chunk:
    def attempt(file: str) -> tuple[bytes, str | None] | InputError:
        try:
            read = read_image(locate(root, file), file)
            return thumbnail_jpeg(read.image), read.note
        except InputError as error:
            return error

    chunk = Chunk(np.arange(len(files)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(attempt, files):
            if isinstance(result, InputError):
                chunk.problems.append(str(result))
                chunk.thumbs.append(b"")
                continue
            thumb, note = result
            chunk.thumbs.append(thumb)
            chunk.notes.extend([note] if note else [])
    return chunk

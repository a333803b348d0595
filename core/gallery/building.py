"""A gallery from items and a backbone: read, embed, pack; resumable, and one bad file costs one item."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from core.backbones.token_draw import TokenDraw
from core.config import ATTACHES, Attach, Fingerprint, InputError, Side, digest_of, one_of
from core.datasets.base import ItemTable, locate
from core.datasets.images import ReadImage, read_image, thumbnail_jpeg
from core.gallery.chunks import Chunk, KeptChunk, work_through
from core.gallery.gallery import Gallery, Progress
from core.gallery.writing import About, finish_gallery, summarised, write_rows
from core.readout import ReadoutArrays
from core.store import PackedBlobs, publish, resumable_folder

CHUNK = 512
"""Items between two points at which an interrupted build can go on."""

WORKERS = min(8, os.cpu_count() or 1)
"""Threads that read pictures while none is being embedded (Pillow decodes outside the interpreter's lock)."""

PIXEL_BUDGET = 256_000_000
"""Decoded pixels held at a time (768 MB as RGB): a batch of very large pictures is embedded in parts."""


class Backbone(Protocol):
    """What a build asks of a model; see core.backbones."""

    device: Any
    notes: Sequence[str]

    def fingerprint(self, side: Side, attach: Attach, normalised: bool = False) -> Fingerprint: ...
    def dims(self, side: Side, attach: Attach) -> int | None: ...
    def why_not(self, side: Side, attach: Attach) -> str | None: ...
    def encode_images(
        self, images: Sequence[Image.Image], attaches: Sequence[Attach], batch: int, **tokens: TokenDraw
    ) -> Mapping[str, np.ndarray]: ...
    def encode_texts(
        self, texts: Sequence[str], attaches: Sequence[Attach], batch: int, **tokens: TokenDraw
    ) -> Mapping[str, np.ndarray]: ...
    def truncated(self, text: str) -> bool: ...
    def readout(self, side: Side) -> ReadoutArrays | None: ...


@dataclass(frozen=True)
class Job:
    """One build: what is embedded, by what, and how."""

    items: ItemTable
    backbone: Backbone
    attaches: tuple[Attach, ...]
    dtype: np.dtype
    batch: int
    read: Callable[[str], ReadImage]
    progress: Progress | None
    tokens: int = 0
    """Random tokens kept of each item."""
    token_seed: int = 0

    @property
    def side(self) -> Side:
        return "image" if self.items.kind == "images" else "text"

    @cached_property
    def content(self) -> list[str]:
        """File name or caption of every item."""
        return self.items.frame["file" if self.side == "image" else "text"].tolist()

    def fingerprints(self) -> dict[Attach, Fingerprint]:
        return {attach: self.backbone.fingerprint(self.side, attach, normalised=False) for attach in self.attaches}

    def dims(self) -> dict[Attach, int]:
        """Columns by attach point; InputError where the model has no such place."""
        found = {attach: self.backbone.dims(self.side, attach) for attach in self.attaches}
        for attach, d in found.items():
            if d is None:
                why = self.backbone.why_not(self.side, attach)
                raise InputError(f"the model's {self.side} side has no {attach} attach point ({why}); leave it out")
        return found  # type: ignore[return-value]

    def draw(self, rows: Sequence[int]) -> dict[str, Any]:
        """How the tokens of these rows are drawn, as the backbone's argument; empty where none are kept."""
        if not self.tokens:
            return {}
        ids = self.items.frame["id"].iloc[list(rows)]
        return {"tokens": TokenDraw(self.tokens, self.token_seed, [int(digest_of(str(item))[:15], 16) for item in ids])}

    def report(self, done: int) -> None:
        if self.progress:
            self.progress(done, len(self.items.frame), self.items.kind)


def build_gallery(
    items: ItemTable,
    backbone: Backbone,
    out: Path,
    *,
    attaches: Sequence[Attach] = ("pooled",),
    name: str | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    split_seed: int = 0,
    whole: Literal["probe", "evaluation"] | None = None,
    tokens: int = 0,
    token_seed: int = 0,
    batch: int = 64,
    read: Callable[[str], ReadImage] | None = None,
    extra: Mapping[str, Any] | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """Embed items and make a gallery of them.

    An interrupted build goes on from its last chunk when it is started again, and gives the same bytes as one that
    was not interrupted. An item that cannot be read is left out and listed in the manifest's problems. Embeddings are
    stored as the model gives them, without normalisation.

    Parameters
    ----------
    attaches : places in the model whose embeddings are stored; "pooled" always is.
    whole : the gallery is wholly a probe or evaluation set; None splits it into halves by `split_seed`.
    tokens : random tokens of each item to keep, after the last block, for training SAEs on tokens; the residual of
        the pooled token is then kept too, on which such an SAE is used. An item's tokens follow from its id and
        `token_seed` alone. The padding of texts is never drawn.
    batch : items embedded at a time.
    read : turns an item's `file` into a picture, for items that are not files; the default reads below items.root.
    extra : further entries of the manifest.

    Raises
    ------
    InputError
        `out` exists, the model lacks an attach point, or no item at all can be used.
    """
    for attach in attaches:
        one_of(attach, ATTACHES, "attach point")
    one_of(dtype, ("float32", "float16"), "dtype")
    if batch < 1:
        raise InputError(f"the batch was {batch}; expected at least 1 item")
    out = Path(out)
    if tokens < 0 or token_seed < 0:
        raise InputError(f"tokens were {tokens} with seed {token_seed}; expected whole numbers from 0")
    kept_places = {"pooled", *attaches, *(["residual"] if tokens else [])}
    wanted = tuple(attach for attach in ATTACHES if attach in kept_places)
    reader = read or items.read or _reader(items)
    job = Job(items, backbone, wanted, np.dtype(dtype), batch, reader, progress, tokens, token_seed)
    dims = job.dims()
    kept = {"tokens": {"per_item": tokens, "seed": token_seed}} if tokens else {}
    more = {**kept, **(extra or {})}
    said = items.source, items.licence, items.provenance, split_seed, whole, items.official, more
    about = About(name or out.name, items.kind, *said)
    with resumable_folder(out, replace) as workplace:
        chunks = list(_work(job, workplace))
        problems = [*items.problems, *(problem for chunk in chunks for problem in chunk.problems)]
        notes = [*items.notes, *backbone.notes]
        notes += summarised((note for chunk in chunks for note in chunk.notes), items.kind)
        kept = np.concatenate([chunk.kept for chunk in chunks])
        if not len(kept):
            raise InputError(f"none of the {len(problems)} items of {items.source} could be used: {problems[0]}")
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _assemble(job, folder, chunks, len(kept), dims)
        frame = items.frame.iloc[kept].reset_index(drop=True)
        halves = None if items.halves is None else [items.halves[row] for row in kept]
        finish_gallery(folder, frame, about, job.fingerprints(), notes, problems, halves)
        publish(folder, out, replace)
    return Gallery(out)


def _reader(items: ItemTable) -> Callable[[str], ReadImage]:
    def read(file: str) -> ReadImage:
        if items.root is None:
            raise InputError(f"{items.source} says no folder, so {file} cannot be read; give the pictures' folder")
        return read_image(locate(items.root, file), file)

    return read


# --- chunk by chunk ---------------------------------------------------------------------------------------------


def _work(job: Job, workplace: Path) -> Iterator[KeptChunk]:
    parts = [range(start, min(start + CHUNK, len(job.content))) for start in range(0, len(job.content), CHUNK)]
    embed = _embed_images if job.side == "image" else _embed_captions
    job.report(0)
    for part, chunk in zip(
        parts, work_through(workplace, _keys(job, parts), lambda number: embed(job, parts[number])), strict=True
    ):
        yield chunk
        job.report(part.stop)


def _keys(job: Job, parts: Sequence[range]) -> list[str]:
    """For each chunk the digest of everything its numbers depend on: model, device, batch, items, file versions."""
    model = [fingerprint.to_json() for fingerprint in job.fingerprints().values()]
    common = [model, str(job.backbone.device), job.batch, job.dtype.name]
    common += [["tokens", job.tokens, job.token_seed]] if job.tokens else []
    content, ids = job.content, job.items.frame["id"].tolist()
    return [digest_of([common, [[ids[i], content[i], _version(job, content[i])] for i in part]]) for part in parts]


def _version(job: Job, content: str) -> list[int] | None:
    """Size and time of change of a picture's file; None for captions and for what is no file."""
    if job.side == "text" or job.items.root is None:
        return None
    try:
        found = locate(job.items.root, content).stat()
    except (OSError, InputError):
        return None
    return [found.st_size, found.st_mtime_ns]


def _embed_captions(job: Job, part: range) -> Chunk:
    texts = job.content[part.start : part.stop]
    arrays = job.backbone.encode_texts(texts, attaches=job.attaches, batch=job.batch, **job.draw(part))
    cut = ["longer than the model reads; the end is cut off"] * sum(map(job.backbone.truncated, texts))
    return Chunk(np.array(part), _stored(job, arrays, texts), notes=cut)


def _embed_images(job: Job, part: range) -> Chunk:
    """Read, embed and pack the pictures of some rows, a batch at a time."""
    kept: list[int] = []
    arrays: dict[str, list[np.ndarray]] = {}
    chunk = Chunk(np.empty(0, np.int64))
    for batch in _batches(job, part, chunk):
        files = [job.content[row] for row, _ in batch]
        pictures, draw = [image for _, image in batch], job.draw([row for row, _ in batch])
        encoded = job.backbone.encode_images(pictures, attaches=job.attaches, batch=job.batch, **draw)
        for name, rows in _stored(job, encoded, files).items():
            arrays.setdefault(name, []).append(rows)
        kept += [row for row, _ in batch]
        chunk.thumbs.extend(thumbnail_jpeg(image) for _, image in batch)
        job.report(kept[-1] + 1)
    whole = {name: np.concatenate(rows) for name, rows in arrays.items()}
    return Chunk(np.array(kept, dtype=np.int64), whole, chunk.thumbs, chunk.problems, chunk.notes)


def _batches(job: Job, part: range, chunk: Chunk) -> Iterator[list[tuple[int, Image.Image]]]:
    """(row, picture) in batches of at most job.batch pictures and about PIXEL_BUDGET pixels; faults go to `chunk`."""

    def attempt(row: int) -> ReadImage | InputError:
        try:
            return job.read(job.content[row])
        except InputError as error:
            return error

    waiting: list[tuple[int, Image.Image]] = []
    pixels = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(part.start, part.stop, WORKERS):
            window = range(start, min(start + WORKERS, part.stop))
            for row, result in zip(window, pool.map(attempt, window), strict=True):
                if isinstance(result, InputError):
                    chunk.problems.append(str(result))
                    continue
                if result.note:
                    chunk.notes.append(result.note)
                waiting.append((row, result.image))
                pixels += result.image.width * result.image.height
                if len(waiting) == job.batch or pixels > PIXEL_BUDGET:
                    yield waiting
                    waiting, pixels = [], 0
    if waiting:
        yield waiting


def _stored(job: Job, arrays: Mapping[str, np.ndarray], items: Sequence[str]) -> dict[str, np.ndarray]:
    """The model's numbers in the type they are stored in, one row an item (an item's tokens one behind the other).

    InputError naming the first item with unusable ones.
    """
    stored = {}
    for attach in (*job.attaches, *(["tokens"] if job.tokens else [])):
        with np.errstate(over="ignore"):  # what is too large for float16 becomes infinite and is refused below
            rows = np.asarray(arrays[attach]).astype(job.dtype).reshape(len(items), -1)
        good = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
        if not good.all():
            item = items[int((~good).argmax())]
            raise InputError(f"the model gave no usable {attach} embedding for {item[:80]!r} (as {job.dtype.name})")
        stored[attach] = rows
    return stored


def _assemble(job: Job, folder: Path, chunks: Sequence[KeptChunk], n: int, dims: Mapping[Attach, int]) -> None:
    """The chunks one behind the other as the gallery's arrays and pictures."""
    for attach, d in dims.items():
        blocks = (chunk.array(attach) for chunk in chunks if len(chunk.kept))
        write_rows(folder / f"{attach}.npy", blocks, n, d, job.dtype)
    if job.tokens:
        blocks = (chunk.array("tokens") for chunk in chunks if len(chunk.kept))
        write_rows(folder / "tokens.npy", blocks, n, job.tokens * dims["residual"], job.dtype)
    if job.side == "image":
        PackedBlobs.write(folder, "thumbs", (thumb for chunk in chunks for thumb in chunk.thumbs()))
    if "residual" in dims:
        readout = job.backbone.readout(job.side)
        assert readout is not None, "a tower with residuals has a readout"
        readout.save(folder / "readout.npz")

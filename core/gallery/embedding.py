"""Ranges of items to finished chunks: pictures read, cropped and embedded, each step ahead of the next one."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypedDict, TypeVar

import numpy as np
from PIL import Image

from core.backbones.token_draw import TokenDraw
from core.config import KEPT, Attach, Fingerprint, InputError, Progress, Side, TowerPrecision, digest_of
from core.datasets.base import ItemTable
from core.datasets.images import PixelBudget, ReadImage, read_image
from core.datasets.picture_files import locate
from core.gallery.chunks import Chunk
from core.gallery.speed import EXACT, GAP, Speed
from core.readout import ReadoutArrays
from core.tables import LeftOut

WORKERS = min(32, (os.cpu_count() or 1) + 4)
"""Threads that read pictures while others are being embedded (Pillow works outside the interpreter's lock). They are
more than the processors because some of them wait for the disk."""

READ_AHEAD = 2
"""Batches whose pictures are being read while the model works on the batch before them."""

PIXEL_BUDGET = 256_000_000
"""Pixels of decoded pictures held at a time (768 MB as RGB): few very large pictures are decoded side by side."""

T = TypeVar("T")


class Drawn(TypedDict, total=False):
    """How tokens are drawn, as an argument of a model; empty where none are kept."""

    tokens: TokenDraw


class PictureOptions(Drawn, total=False):
    """Arguments of a model for a batch of pictures; empty where nothing special is asked."""

    precision: TowerPrecision
    compiled: bool


class Backbone(Protocol):
    """What a build asks of a model; see core.backbones."""

    @property
    def device(self) -> Any: ...
    @property
    def notes(self) -> Sequence[str]: ...
    def fingerprint(self, side: Side, attach: Attach, normalised: bool = False) -> Fingerprint: ...
    def dims(self, side: Side, attach: Attach) -> int | None: ...
    def why_not(self, side: Side, attach: Attach) -> str | None: ...
    def pixels(self, image: Image.Image) -> np.ndarray: ...
    def pixel_buffer(self, n: int) -> np.ndarray: ...
    def encode_pixels(
        self,
        pixels: np.ndarray,
        attaches: Sequence[Attach],
        *,
        tokens: TokenDraw | None = None,
        precision: TowerPrecision = "float32",
        compiled: bool = False,
    ) -> Callable[[], Mapping[str, np.ndarray]]: ...
    def encode_texts(
        self, texts: Sequence[str], attaches: Sequence[Attach], batch: int, *, tokens: TokenDraw | None = None
    ) -> Mapping[str, np.ndarray]: ...
    def truncated(self, text: str) -> bool: ...
    def unknown_words(self, text: str) -> list[str]: ...
    def readout(self, side: Side) -> ReadoutArrays | None: ...


@dataclass(frozen=True)
class Job:
    """What is embedded, by what, and how. Holds no open file, lock or thread, so it can be sent to another process."""

    items: ItemTable
    backbone: Backbone
    attaches: tuple[Attach, ...]
    dtype: np.dtype
    batch: int
    read: Callable[[str], ReadImage] | None = None
    """Turns an item's `file` into a picture; None reads files below items.root."""
    progress: Progress | None = None
    tokens: int = 0
    """Random tokens kept of each item."""
    token_seed: int = 0
    speed: Speed = EXACT

    @property
    def side(self) -> Side:
        return "image" if self.items.kind == "images" else "text"

    @property
    def n(self) -> int:
        return len(self.items.frame)

    def content(self, rows: Sequence[int]) -> list[str]:
        """File name or caption of these items."""
        return self.items.frame["file" if self.side == "image" else "text"].iloc[_at(rows)].tolist()

    def ids(self, rows: Sequence[int]) -> list[str]:
        return self.items.frame["id"].iloc[_at(rows)].tolist()

    def how(self, rows: Sequence[int]) -> PictureOptions:
        """Arguments of the backbone for the pictures of these rows; empty where nothing special is asked."""
        options: PictureOptions = {**self.draw(rows)}
        if self.speed.precision != EXACT.precision:
            options["precision"] = self.speed.precision
        if self.speed.compiled:
            options["compiled"] = True
        return options

    def draw(self, rows: Sequence[int]) -> Drawn:
        """How the tokens of these rows are drawn, as the backbone's argument; empty where none are kept."""
        if not self.tokens:
            return {}
        keys = [int(digest_of(str(item))[:15], 16) for item in self.ids(rows)]
        return {"tokens": TokenDraw(self.tokens, self.token_seed, keys)}

    def fingerprints(self) -> dict[Attach, Fingerprint]:
        return {attach: self.backbone.fingerprint(self.side, attach, normalised=False) for attach in self.attaches}

    def dims(self) -> dict[Attach, int]:
        """Columns by attach point; InputError where the model has no such place."""
        columns: dict[Attach, int] = {}
        for attach in self.attaches:
            d = self.backbone.dims(self.side, attach)
            if d is None:
                why = self.backbone.why_not(self.side, attach)
                raise InputError(f"the model's {self.side} side has no {attach} attach point ({why}); leave it out")
            columns[attach] = d
        return columns

    def report(self, done: int) -> None:
        if self.progress:
            self.progress(done, self.n, self.items.kind)

    def report_kept(self, done: int) -> None:
        """Say how far an earlier run had come, which took this one no time."""
        if self.progress:
            self.progress(done, self.n, f"{self.items.kind}: {KEPT}")


def _at(rows: Sequence[int]) -> slice | list[int]:
    """Rows as pandas takes them fastest."""
    return slice(rows.start, rows.stop) if isinstance(rows, range) and rows.step == 1 else list(rows)


def embed_parts(job: Job, parts: Iterable[range]) -> Iterator[Chunk]:
    """A finished chunk for each range of the job's rows, in the order of `parts`.

    A range gives the same chunk whatever other ranges are asked for and wherever it runs (the same device, libraries
    and number of threads assumed): no batch reaches over the end of its range. Reading does: while one range is
    embedded the pictures of the next one are read, so the model waits for the disk only where reading is slower than
    embedding. `parts` is asked for ranges a little before their turn; closing the iterator stops all reading.

    Raises
    ------
    InputError
        the model gives numbers that cannot be stored. Pictures that cannot be read are left out and listed.
    """
    return _embed_pictures(job, parts) if job.side == "image" else _embed_captions(job, parts)


# --- captions ---------------------------------------------------------------------------------------------------


def _embed_captions(job: Job, parts: Iterable[range]) -> Iterator[Chunk]:
    for part in parts:
        texts = job.content(part)
        arrays = job.backbone.encode_texts(texts, attaches=job.attaches, batch=job.batch, **job.draw(part))
        cut = ["longer than the model reads; the end is cut off"] * sum(map(job.backbone.truncated, texts))
        yield Chunk(np.array(part), _stored(job, arrays, texts), notes=cut)
        job.report(part.stop)


# --- pictures: read, embed, collect -----------------------------------------------------------------------------


class _Prepared(NamedTuple):
    """What stays of a picture once its pixels are in the batch."""

    thumb: bytes
    note: str | None


@dataclass(frozen=True)
class _Batch:
    """Consecutive rows of one part, being read."""

    part: range
    rows: range
    files: list[str]
    pixels: np.ndarray
    """uint8 (at least len(rows), h, w, 3), filled by the readers."""
    reading: list["Future[_Prepared | InputError]"]


class _Running(NamedTuple):
    """A batch in the model."""

    batch: _Batch
    results: list[_Prepared | InputError]
    arrays: Callable[[], Mapping[str, np.ndarray]]
    """Waits for the embeddings of the pictures that could be read."""


def _embed_pictures(job: Job, parts: Iterable[range]) -> Iterator[Chunk]:
    pool = ThreadPoolExecutor(WORKERS)
    readers = _Readers(job, pool)
    under_way = 0 if str(job.backbone.device) == "cpu" else 1  # an accelerator works on while Python collects
    try:
        batches = _ahead(readers.batches(parts), READ_AHEAD)
        done: list[Chunk] = []
        for running in _ahead((_begin(job, batch) for batch in batches), under_way):
            done.append(_finish(job, running))
            batch = running.batch
            readers.free.append(batch.pixels)
            job.report(batch.rows.stop)
            if batch.rows.stop == batch.part.stop:
                yield _joined(done)
                done = []
    finally:
        pool.shutdown(cancel_futures=True)


class _Readers:
    """Threads that read pictures into the buffers of batches."""

    def __init__(self, job: Job, pool: ThreadPoolExecutor) -> None:
        self.job, self.pool, self.budget = job, pool, PixelBudget(PIXEL_BUDGET)
        self.free: deque[np.ndarray] = deque()
        """Buffers that no batch uses."""
        self.least: int | None = None
        """Pixels of the shorter side below which no picture is decoded; None: all are decoded whole."""
        if job.speed.reduced:
            self.free.append(job.backbone.pixel_buffer(job.batch))
            self.least = GAP * max(self.free[0].shape[1:3])

    def batches(self, parts: Iterable[range]) -> Iterator[_Batch]:
        """Batches in order, their reading begun."""
        for part in parts:
            for start in range(part.start, part.stop, self.job.batch):
                rows = range(start, min(start + self.job.batch, part.stop))
                files = self.job.content(rows)
                pixels = self.free.popleft() if self.free else self.job.backbone.pixel_buffer(self.job.batch)
                reading = [self.pool.submit(self._prepare, file, pixels[i]) for i, file in enumerate(files)]
                yield _Batch(part, rows, files, pixels, reading)

    def _prepare(self, file: str, into: np.ndarray) -> _Prepared | InputError:
        """Read one picture, write what the model sees of it and make its thumbnail; the error where it is unusable."""
        try:
            with self.budget.share() as take:
                read = self._read(file, take)
                into[...] = self.job.backbone.pixels(read.image)
                return _Prepared(read.thumbnail(), read.note)
        except InputError as error:
            return error

    def _read(self, file: str, take: Callable[[int], None]) -> ReadImage:
        items = self.job.items
        if self.job.read is not None:
            read = self.job.read(file)
            take(read.image.width * read.image.height)
            return read
        if items.root is None:
            raise InputError(f"{items.source} says no folder, so {file} cannot be read; give the pictures' folder")
        return read_image(locate(items.root, file), file, take=take, least=self.least)


def _ahead(steps: Iterator[T], n: int) -> Iterator[T]:
    """The same steps, each begun `n` steps before it is handed on."""
    begun: deque[T] = deque()
    for step in steps:
        begun.append(step)
        if len(begun) > n:
            yield begun.popleft()
    yield from begun


def _begin(job: Job, batch: _Batch) -> _Running:
    """Wait for the batch's pictures and give the good ones to the model."""
    results = [future.result() for future in batch.reading]
    good = _good(results)
    if not good:
        return _Running(batch, results, dict)
    whole = len(good) == len(results)
    pixels = batch.pixels[: len(good)] if whole else batch.pixels[good]
    how = job.how([batch.rows[i] for i in good])
    return _Running(batch, results, job.backbone.encode_pixels(pixels, job.attaches, **how))


def _finish(job: Job, running: _Running) -> Chunk:
    """What came of one batch."""
    batch, results = running.batch, running.results
    prepared = [result for result in results if isinstance(result, _Prepared)]
    good = _good(results)
    return Chunk(
        np.array([batch.rows[i] for i in good], dtype=np.int64),
        _stored(job, running.arrays(), [batch.files[i] for i in good]) if good else {},
        [picture.thumb for picture in prepared],
        [
            LeftOut.of(name, str(result))
            for name, result in zip(batch.files, results, strict=True)
            if isinstance(result, InputError)
        ],
        [picture.note for picture in prepared if picture.note],
    )


def _good(results: Sequence[_Prepared | InputError]) -> list[int]:
    """Places of the pictures that could be read."""
    return [i for i, result in enumerate(results) if isinstance(result, _Prepared)]


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    """Consecutive chunks as one."""
    filled = [chunk for chunk in chunks if len(chunk.kept)]
    return Chunk(
        np.concatenate([chunk.kept for chunk in chunks]),
        {
            name: np.concatenate([chunk.arrays[name] for chunk in filled])
            for name in (filled[0].arrays if filled else ())
        },
        [thumb for chunk in chunks for thumb in chunk.thumbs],
        [one for chunk in chunks for one in chunk.left_out],
        [note for chunk in chunks for note in chunk.notes],
    )


# --- numbers ----------------------------------------------------------------------------------------------------


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

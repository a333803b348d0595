"""Uploads of one session: in memory only, without groups, gone when the session ends or their owner says so.

Nothing here is cached, written or logged. Files are decoded one after the other and only a small picture and the
embedding of each is kept.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from core import access
from core.config import ATTACHES, UNKNOWN, Attach, InputError, Progress, Side
from core.datasets.images import read_image, thumbnail_jpeg

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.backbones.base import Backbone
    from core.gallery import Gallery
    from core.retrieval import FlatIndex
    from core.saes.checkpoint import SAEFile


CONSENT = (
    "Your files are read in this server's memory, for this browser session only. They are never written to a file, "
    "never sent anywhere, never shown to another session, and **no group is ever predicted for them**. They are "
    "overwritten when you forget them here, or about a minute after this tab is closed. Small remains, as words of a "
    "caption, may stay in free memory until it is used again, and a machine that swaps may write memory to its disk."
)
MOST = 1000
"""Uploads a session may hold."""
CHUNK_ITEMS, CHUNK_PIXELS = 32, 40_000_000
"""Pictures decoded at once: the smaller of a batch for the model and about 120 MB."""
CAPTION_CHARACTERS = 1000


@dataclass(frozen=True)
class Upload:
    """One uploaded picture or caption. Has no attribute and no group, on purpose."""

    name: str
    kind: Literal["image", "caption"]
    digest: str
    """SHA-256 of what was uploaded, so that the same file twice is one upload."""
    embeddings: dict[Attach, np.ndarray]
    """Un-normalised rows (d,) float32 of each attach point that the model has."""
    picture: bytes = b""
    """Small JPEG without metadata; empty for a caption."""
    text: str = ""
    note: str | None = None
    """What was done to the file that its owner may want to know."""

    @property
    def side(self) -> Side:
        return "image" if self.kind == "image" else "text"


Read = tuple[str, "Image", str, str | None]
"""Name, picture, digest and note of a file that was read."""


@dataclass
class Uploads:
    """All uploads of a session, under one model."""

    items: list[Upload] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """One line for every file that could not be used in the latest round."""
    weights: str = ""
    """Digest of the model that embedded them."""
    round: int = 0
    """Counts up whenever the upload fields are emptied."""

    def require(self, model: "Backbone") -> None:
        """InputError where the uploads were embedded by another model."""
        if self.items and self.weights != model.weights_digest:
            raise InputError(
                "your uploads were embedded with another model than the one chosen now; forget them and upload again"
            )

    def add_images(
        self, files: Iterable[tuple[str, bytes]], total: int, model: "Backbone", progress: Progress | None = None
    ) -> int:
        """Read, embed and keep pictures; returns how many are new. What cannot be read becomes a problem line."""
        access.require("upload")
        self._begin(model)
        before, pixels = len(self.items), 0
        waiting: list[Read] = []
        for done, (name, content) in enumerate(files):
            if progress:
                progress(done, total, f"reading {name}")
            read = self._read(name, content, {digest for _, _, digest, _ in waiting})
            if read is None:
                continue
            waiting.append(read)
            pixels += read[1].width * read[1].height
            if len(waiting) >= CHUNK_ITEMS or pixels >= CHUNK_PIXELS:
                self._embed_images(waiting, model)
                waiting, pixels = [], 0
        self._embed_images(waiting, model)
        return len(self.items) - before

    def add_captions(self, captions: Iterable[str], model: "Backbone", progress: Progress | None = None) -> int:
        """Embed and keep captions; returns how many are new."""
        access.require("upload")
        self._begin(model)
        texts = [" ".join(text.split())[:CAPTION_CHARACTERS] for text in captions]
        fresh = [text for text in dict.fromkeys(texts) if text and not self._known(_digest(text.encode()))]
        if len(fresh) > self._free:
            self.problems.append(f"only {self._free} of {len(fresh)} captions were taken: {MOST} uploads is the limit")
            fresh = fresh[: self._free]
        if not fresh:
            return 0
        attaches = _attaches(model, "text")
        rows = model.encode_texts(fresh, attaches=attaches, progress=progress)
        for i, text in enumerate(fresh):
            note = "longer than the model reads: its end is cut" if model.truncated(text) else None
            unknown = model.unknown_words(text)
            if unknown:
                note = f"the model does not know {', '.join(unknown[:4])}" + ("; " + note if note else "")
            row: dict[Attach, np.ndarray] = {attach: rows[attach][i] for attach in attaches}
            self.items.append(Upload(text, "caption", _digest(text.encode()), row, text=text, note=note))
        return len(fresh)

    @property
    def _free(self) -> int:
        return MOST - len(self.items)

    def _known(self, digest: str) -> bool:
        return any(item.digest == digest for item in self.items)

    def _begin(self, model: "Backbone") -> None:
        self.require(model)
        self.weights, self.problems = model.weights_digest, []

    def _read(self, name: str, content: bytes, waiting: set[str]) -> "Read | None":
        """Name, picture, digest and note of a file; None where it is no new picture."""
        digest = _digest(content)
        if self._known(digest) or digest in waiting:
            self.problems.append(f"{name} is already among your uploads")
        elif self._free <= len(waiting):
            self.problems.append(f"{name} was left out: {MOST} uploads is the limit; forget some first")
        else:
            try:
                read = read_image(content, name)
                return name, read.image, digest, read.note
            except InputError as error:
                self.problems.append(str(error))
        return None

    def _embed_images(self, waiting: Sequence["Read"], model: "Backbone") -> None:
        if not waiting:
            return
        attaches = _attaches(model, "image")
        rows = model.encode_images([image for _, image, _, _ in waiting], attaches=attaches)
        for i, (name, image, digest, note) in enumerate(waiting):
            row: dict[Attach, np.ndarray] = {attach: rows[attach][i] for attach in attaches}
            self.items.append(Upload(name, "image", digest, row, thumbnail_jpeg(image), note=note))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _attaches(model: "Backbone", side: Side) -> tuple[Attach, ...]:
    return tuple(attach for attach in ATTACHES if model.dims(side, attach) is not None)


def captions_in(name: str, content: bytes) -> tuple[list[str], list[str]]:
    """Captions of an uploaded file, and a line for everything in it that is none or that a person should know.

    Read as the captions of a gallery are (core.datasets.captions).
    """
    from core.datasets.captions import captions_of  # with all that reads tables, which no first screen needs

    frame, notes, left_out = captions_of(content, name)
    return frame["text"].tolist(), [*map(str, left_out), *notes]


# -- what is told about an upload -------------------------------------------------------------------------------------


def strongest_neurons(upload: Upload, by: "SAEFile", most: int = 3) -> list[tuple[int, float]]:
    """The neurons that fire strongest on an upload, with their activations, strongest first."""
    from core.neurons import active_neurons, encode_rows

    attach = by.attach or "pooled"
    if attach not in upload.embeddings:
        raise InputError(f"the SAE {by.name} reads {attach} embeddings, which this model does not have")
    return active_neurons(encode_rows(upload.embeddings[attach][None, :], by.sae), most)


def require_gallery(uploads: Uploads, gallery: "Gallery") -> str | None:
    """InputError where the gallery was embedded by another model; a warning where nobody can tell, else None."""
    known = gallery.fingerprint()
    if known.weights not in (UNKNOWN, uploads.weights):
        raise InputError(
            f"the gallery {gallery.name} was embedded by {known.describe()}, your uploads by other weights "
            f"({uploads.weights[:8]}); choose that model or another gallery"
        )
    if known.weights == UNKNOWN:
        return f"The gallery {gallery.name} does not say which weights embedded it: similarities may mean nothing."
    return None


def nearest_items(upload: Upload, index: "FlatIndex", most: int = 6) -> list[tuple[int, float]]:
    """Rows of a gallery most similar to an upload, with their cosine similarities, closest first."""
    nearest = index.search(upload.embeddings["pooled"], min(most, index.n))
    return [(int(row), float(score)) for row, score in zip(nearest.rows, nearest.scores, strict=True)]

"""The attention heads of the tower that embedded a gallery, read again from the pictures that the gallery keeps.

A gallery keeps a small picture of each item, which may differ from the one that was embedded. What a head adds is read
from it; the embeddings themselves stay those that are stored.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from core.config import InputError, Progress, digest_of
from core.datasets.images import read_image
from core.gallery import Gallery
from core.gallery.embedding import WORKERS
from core.gallery.perturbed import why_no_pictures
from core.interventions.base import Head, HeadSample
from core.scene import Scene
from core.scene.texts import same_model
from core.store import array_digest

if TYPE_CHECKING:
    from core.backbones.parts import Parts

BLOCK = 64
"""Pictures that go through the tower together."""
KEPT_BYTES = 1 << 28
"""Memory for what all heads add to pictures, float32: 900 pictures of a ViT-B. A gallery that fits is read once; of a
larger one so many pictures are sampled, and it is read again for the heads that are chosen."""


@runtime_checkable
class HeadModel(Protocol):
    """What takes pictures apart; see core.backbones."""

    @property
    def weights_digest(self) -> str: ...

    def why_no_parts(self) -> str | None: ...

    def image_parts(self, images: Sequence[Image.Image]) -> "Parts": ...


def why_no_heads(scene: Scene, gallery: Gallery | None = None) -> str | None:
    """Why the heads behind a gallery's embeddings cannot be read, in one line; None where they can."""
    gallery = gallery or scene.gallery
    reason = why_no_pictures(gallery)
    if reason is not None:
        return reason
    if not isinstance(scene.model, HeadModel):
        return f"no model that takes the pictures of gallery {gallery.name} apart is loaded"
    try:
        same_model(gallery, scene.model)
    except InputError as error:
        return str(error)
    reason = scene.model.why_no_parts()
    return None if reason is None else f"{scene.model.name}: {reason}"


@dataclass(frozen=True, eq=False)
class PictureHeads:
    """What heads add to some rows of a gallery."""

    scene: Scene
    gallery: Gallery
    rows: np.ndarray
    progress: Progress | None = None

    def __call__(self, chosen: Sequence[Head]) -> np.ndarray:
        """Sum of the chosen heads' parts of every row (n, d), float32; remembered."""
        key = digest_of([self.gallery.digest, _weights(self.scene), array_digest(self.rows), [*map(list, chosen)]])

        def make() -> np.ndarray:
            kept = _kept(self.scene, self.gallery, self.progress)
            found = _blocks(self.scene, self.gallery, self.rows, self.progress) if kept is None else [kept[self.rows]]
            blocks = [np.sum([heads[:, layer, head] for layer, head in chosen], axis=0) for heads in found]
            return np.concatenate(blocks) if blocks else np.zeros((0, self.gallery.embeddings().shape[1]), np.float32)

        return self.scene.bench.remember(("heads", key), make)

    def at(self, rows: np.ndarray | slice) -> "PictureHeads":
        return replace(self, rows=self.rows[rows])


def head_sample(
    scene: Scene, gallery: Gallery, rows: np.ndarray, labels: np.ndarray, progress: Progress | None = None
) -> HeadSample:
    """What all heads add to labelled rows, evenly fewer where they would take more than KEPT_BYTES; remembered.

    Parameters
    ----------
    labels : group of each of the rows (m,).
    """
    key = digest_of([gallery.digest, _weights(scene), array_digest(rows), array_digest(labels)])

    def make() -> HeadSample:
        whole = _kept(scene, gallery, progress)
        if whole is not None:
            return HeadSample(whole[rows], labels)
        most = max(1, KEPT_BYTES // next(_blocks(scene, gallery, rows[:1])).nbytes)
        some = np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)
        return HeadSample(np.concatenate(list(_blocks(scene, gallery, rows[some], progress))), labels[some], some)

    return scene.bench.remember(("head sample", key), make)


def _kept(scene: Scene, gallery: Gallery, progress: Progress | None) -> np.ndarray | None:
    """What all heads add to all rows (n, layers, heads, d), remembered; None where that is more than KEPT_BYTES."""
    key, every = ("every head", gallery.digest, _weights(scene)), np.arange(gallery.n)
    if gallery.n * next(_blocks(scene, gallery, every[:1])).nbytes > KEPT_BYTES:
        return None
    return scene.bench.remember(key, lambda: np.concatenate(list(_blocks(scene, gallery, every, progress))))


def _weights(scene: Scene) -> str | None:
    return None if scene.model is None else scene.model.weights_digest


def _blocks(scene: Scene, gallery: Gallery, rows: np.ndarray, progress: Progress | None = None) -> Iterator[np.ndarray]:
    """What every head adds to the rows (m, layers, heads, d), block by block, at the scale of the stored rows."""
    reason = why_no_heads(scene, gallery)
    model: Any = scene.model
    if reason is not None or not isinstance(model, HeadModel):
        raise InputError(reason or "no model is loaded")
    normalised = gallery.fingerprint("pooled").normalised

    def picture(row: int) -> Image.Image:
        return read_image(gallery.thumb(row), f"the picture of {gallery.item_id(row)}").image

    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(rows), BLOCK):
            if progress:
                progress(start, len(rows), "reading the heads")
            parts = model.image_parts(list(pool.map(picture, map(int, rows[start : start + BLOCK]))))
            heads = parts.heads.astype(np.float32)
            yield heads / np.linalg.norm(parts.total, axis=1)[:, None, None, None] if normalised else heads
    if progress:
        progress(len(rows), len(rows), "reading the heads")

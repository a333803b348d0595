"""The same gallery seen through slightly changed pictures: cropped, saved again, mirrored, and embedded anew."""

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageOps

from core.config import Attach, InputError, Progress, digest_of, own_folder
from core.datasets.images import read_image
from core.gallery.codes import Codes
from core.gallery.embedding import WORKERS
from core.gallery.gallery import Gallery
from core.store import atomic_folder, read_array

AS_IT_IS = "picture as it is"
BLOCK = 256
"""Pictures that are read and embedded together."""
MOST_PICTURES = 20_000
"""Items up to which a whole gallery is embedded anew: six times some minutes on a laptop."""

Perturbation = Callable[[Image.Image], Image.Image]


def cropped(share: float) -> Perturbation:
    """Keeps the middle `share` of each side."""

    def crop(image: Image.Image) -> Image.Image:
        x, y = (round(side * (1 - share) / 2) for side in image.size)
        return image.crop((x, y, image.width - x, image.height - y))

    return crop


def saved_again(quality: int) -> Perturbation:
    """Saved as a JPEG file of that quality, 1 to 95, and read again."""

    def save(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return read_image(buffer.getvalue(), "the picture saved again").image

    return save


PERTURBATIONS: Mapping[str, Perturbation] = {
    "crop 95 %": cropped(0.95),
    "crop 90 %": cropped(0.90),
    "JPEG quality 50": saved_again(50),
    "JPEG quality 30": saved_again(30),
    "mirrored": ImageOps.mirror,
}
"""Changes that leave a person's picture the same to anybody who looks at it, by name."""


@runtime_checkable
class ImageModel(Protocol):
    """What embeds the pictures; see core.backbones."""

    @property
    def weights_digest(self) -> str: ...

    def encode_images(
        self, images: Sequence[Image.Image], attaches: Sequence[Attach] = ("pooled",)
    ) -> Mapping[str, np.ndarray]: ...


class PerturbedGallery(Gallery):
    """Items, labels and halves of a gallery, with embeddings of its changed pictures.

    What is changed is the small picture that the gallery keeps of each item, which already differs from the picture
    that was embedded first. A change is therefore compared with the kept picture as it is, embedded the same way.
    """

    def __init__(self, source: Gallery, folder: Path, name: str) -> None:
        super().__init__(source.path)
        self._folder, self._source_digest, self.perturbation = folder, source.digest, name

    @cached_property
    def digest(self) -> str:
        return digest_of([self._source_digest, self._folder.name])

    def has(self, attach: Attach) -> bool:
        return (self._folder / f"{attach}.npy").is_file()

    def embeddings(self, attach: Attach = "pooled") -> np.ndarray:
        """Embeddings (n, d) of the changed pictures, float32, read-only."""
        self._require(attach)
        path = self._folder / f"{attach}.npy"
        return self._made(f"changed {attach}", lambda: read_array(path, f"embeddings ({self.n}, d)"))

    def codes(self, sae_digest: str) -> Codes | None:
        """None: stored codes are of the pictures as they were."""
        return None


def perturbed(
    source: Gallery,
    model: ImageModel,
    name: str,
    change: Perturbation | None,
    attaches: Sequence[Attach] = ("pooled",),
    progress: Progress | None = None,
) -> PerturbedGallery:
    """A gallery whose pictures are changed, embedded once and kept in this machine's own folder by digest.

    Parameters
    ----------
    name : what the change is called; equal names are taken as equal changes.
    change : None leaves the pictures as they are kept.
    attaches : places in the model whose embeddings are needed.

    Raises
    ------
    InputError : a picture is missing or cannot be read, or the gallery is too large (`why_no_pictures` tells before).
    """
    reason = why_no_pictures(source)
    if reason is not None:
        raise InputError(reason)
    thumbs = source.manifest["files"]["thumbs.bin"]["sha256"]
    key = digest_of([source.digest, thumbs, model.weights_digest, name, sorted(attaches)])
    folder = own_folder() / "pictures" / key[:24]
    if not folder.is_dir():
        arrays = _embedded(source, model, name, change, attaches, progress)
        with atomic_folder(folder, replace=True) as partial:
            for attach, rows in arrays.items():
                np.save(partial / f"{attach}.npy", rows)
    return PerturbedGallery(source, folder, name)


def why_no_pictures(gallery: Gallery) -> str | None:
    """Why the pictures of a gallery cannot be changed and embedded anew, in one line; None where they can."""
    if gallery.kind != "images":
        return f"gallery {gallery.name} holds captions, which have no pictures"
    if not gallery.has_thumbs:
        return f"gallery {gallery.name} keeps no pictures of its items"
    if gallery.n > MOST_PICTURES:
        return f"gallery {gallery.name} has {gallery.n:,} pictures, more than {MOST_PICTURES:,} that are embedded anew"
    return None


def _embedded(
    source: Gallery,
    model: ImageModel,
    name: str,
    change: Perturbation | None,
    attaches: Sequence[Attach],
    progress: Progress | None,
) -> dict[str, np.ndarray]:
    """Embeddings (n, d) by attach point of all pictures after the change."""

    def picture(row: int) -> Image.Image:
        image = read_image(source.thumb(row), f"the picture of {source.item_id(row)}").image
        return image if change is None else change(image)

    blocks = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, source.n, BLOCK):
            if progress:
                progress(start, source.n, f"embedding pictures, {name}")
            images = list(pool.map(picture, range(start, min(start + BLOCK, source.n))))
            blocks.append(model.encode_images(images, tuple(attaches)))
    if progress:
        progress(source.n, source.n, f"embedding pictures, {name}")
    return {attach: np.concatenate([np.asarray(b[attach], dtype=np.float32) for b in blocks]) for attach in attaches}

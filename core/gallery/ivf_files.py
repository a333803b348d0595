"""The files of a gallery's inverted file: opened without reading the embeddings, and compared with their digests."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError, digest_of
from core.reading import map_array
from core.retrieval import InvertedLists, Recall
from core.store import file_digest, read_json

FOLDER, MANIFEST, SCHEMA = "ivf", "ivf.json", 1
ARRAYS = ("centres", "members", "starts", "queries", "exact_lists", "lengths", "rows")


@dataclass(frozen=True, eq=False)
class GalleryIvf:
    """An opened inverted file of a gallery."""

    inverted: InvertedLists
    rows: np.ndarray
    """The embeddings as the gallery stores them, in the order of the lists (n, d), memory-mapped."""
    lengths: np.ndarray
    """L2 lengths of these rows (n,), float32."""
    recall: Recall
    about: dict[str, Any]
    """Its manifest."""

    @cached_property
    def digest(self) -> str:
        return digest_of(self.about["files"])


def read_ivf(gallery: Path, name: str, digest: str) -> GalleryIvf:
    """The inverted file in the folder of a gallery with this name and digest, memory-mapped.

    InputError where there is none, where it was made of other embeddings than the gallery's, or is not whole.
    """
    folder = gallery / FOLDER
    make = f"make it with: gallery index {gallery}"
    if not (folder / MANIFEST).is_file():
        raise InputError(f"gallery {name} has no IVF index; {make}, or use the exact index (flat)")
    about = read_json(folder / MANIFEST)
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        raise InputError(f"{folder / MANIFEST} is of another version than {SCHEMA}; {make} again")
    if about.get("gallery") != digest:
        raise InputError(
            f"{folder} indexes a gallery with digest {str(about.get('gallery'))[:16]}, this one has "
            f"{digest[:16]}: it is stale or of another gallery; {make} again"
        )
    arrays = {}
    for array in ARRAYS:
        path = folder / f"{array}.npy"
        size = about["files"].get(path.name, {}).get("bytes")
        if not path.is_file() or path.stat().st_size != size:
            raise InputError(f"{path} is missing or has not the {size} bytes that {MANIFEST} says; {make} again")
        arrays[array] = map_array(path, f"a part of an index; {make} again")
    inverted = InvertedLists(np.asarray(arrays["centres"]), arrays["members"], np.asarray(arrays["starts"]))
    recall = Recall(np.asarray(arrays["queries"]), np.asarray(arrays["exact_lists"]))
    return GalleryIvf(inverted, arrays["rows"], np.asarray(arrays["lengths"]), recall, about)


def check_ivf(gallery: Path) -> list[str]:
    """One line for every file of an inverted file whose bytes are not those that were written."""
    folder = gallery / FOLDER
    if not (folder / MANIFEST).is_file():
        return []
    files = read_json(folder / MANIFEST)["files"]
    return [
        f"{FOLDER}/{name} is missing or was changed after it was written"
        for name, about in files.items()
        if not (folder / name).is_file() or file_digest(folder / name) != about["sha256"]
    ]

"""A gallery's inverted file on disk: made in resumable steps, bound to the gallery, opened with its measured recall."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core import access
from core.config import InputError, Progress, digest_of
from core.gallery.gallery import Gallery
from core.gallery.ivf_files import ARRAYS, FOLDER, MANIFEST, SCHEMA, GalleryIvf, read_ivf
from core.reading import read_array
from core.retrieval import InvertedLists, best_rows, blocks, squared_lengths, times
from core.retrieval.nearest import Centres, k_means
from core.store import (
    array_digest,
    atomic_file,
    file_digest,
    publish,
    read_json,
    resumable_folder,
    write_blocks,
    write_json,
)
from core.units import unit_rows

SAMPLE = 64
"""Rows a list, drawn at random, of which the centres are found."""
CHUNK = 1 << 17
"""Rows whose lists are found, and kept, at a time."""
QUERIES, DEPTH = 64, 1000
"""Queries on which recall is measured, and the largest k at which it is known."""
SCORES_BYTES = 1 << 28
"""Scores of all rows that are held at once while recall is measured."""


def build_ivf(
    gallery: Gallery,
    lists: int | None = None,
    seed: int = 0,
    queries: np.ndarray | None = None,
    progress: Progress | None = None,
) -> GalleryIvf:
    """Make the inverted file of a gallery's pooled embeddings in its folder; an older one is replaced.

    Centres are found on a sample, then every row's nearest one, chunk by chunk; an interrupted run goes on at its last
    chunk. Memory holds the sample (64 rows a list) or a chunk, and 12 bytes a row; the disk holds the embeddings once
    more, list after list.

    Parameters
    ----------
    lists : None: the power of two nearest to sqrt(n).
    queries : (m, d) on which recall is measured; None: the gallery's known prompts, or rows of it where it has none.
    """
    access.require("build")
    lists = default_lists(gallery.n) if lists is None else lists
    if not 1 <= lists <= gallery.n:
        raise InputError(f"lists was {lists}; expected 1 to {gallery.n}, the number of items: choose fewer")
    asked, source = _queries(gallery, seed, queries)
    target = gallery.path / FOLDER
    with resumable_folder(target, replace=True) as workplace:
        _begin(workplace, digest_of([SCHEMA, gallery.digest, lists, seed]))
        x = gallery.embeddings("pooled")
        centres = _centres(workplace, x, lists, seed, progress)
        nearest = np.concatenate(list(_nearest(workplace, x, centres, progress)))
        lengths = np.sqrt(squared_lengths(x)).astype(np.float32)
        exact = _exact_lists(x, lengths, asked, nearest, progress)
        inverted = InvertedLists.of(centres, nearest)
        assembled = workplace / "assembled"
        shutil.rmtree(assembled, ignore_errors=True)
        assembled.mkdir()
        arrays = (inverted.centres, inverted.members, inverted.starts, asked, exact, lengths[inverted.members])
        for name, array in zip(ARRAYS, arrays, strict=False):
            np.save(assembled / f"{name}.npy", array)
        _write_rows(assembled / "rows.npy", x, inverted.members, progress)
        about = {
            "schema": SCHEMA,
            "gallery": gallery.digest,
            "n": gallery.n,
            "d": x.shape[1],
            "lists": lists,
            "seed": seed,
            "sampled_rows": min(gallery.n, SAMPLE * lists),
            "stored_as": str(x.dtype),
            "queries": source,
            "files": {
                path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)}
                for path in sorted(assembled.iterdir())
            },
        }
        write_json(assembled / MANIFEST, about)
        publish(assembled, target, replace=True)
    return open_ivf(gallery)


def open_ivf(gallery: Gallery) -> GalleryIvf:
    """The inverted file of a gallery; InputError as `read_ivf`."""
    return read_ivf(gallery.path, gallery.name, gallery.digest)


def default_lists(n: int) -> int:
    """The power of two nearest to sqrt(n), at most n: centres then cost a query as much as a list does."""
    return min(n, 1 << max(0, round(np.log2(n) / 2)))


def _queries(gallery: Gallery, seed: int, given: np.ndarray | None) -> tuple[np.ndarray, str]:
    """Queries on which recall is measured (m, d), float32, and what they are, in words."""
    rng, d = np.random.default_rng([seed, 1]), gallery.embeddings("pooled").shape[1]
    if given is not None:
        if given.ndim != 2 or given.shape[1] != d or not len(given) or not np.isfinite(given).all():
            raise InputError(f"query embeddings of shape {given.shape} were given; expected finite numbers (m, {d})")
        return given.astype(np.float32), "query embeddings that were given"
    if gallery.prompts:
        chosen = rng.permutation(len(gallery.prompts))[:QUERIES]
        known = [gallery.prompt_embedding(gallery.prompts[i]) for i in np.sort(chosen)]
        return np.stack([row for row in known if row is not None]).astype(np.float32), "known prompts of the gallery"
    rows = np.sort(rng.permutation(gallery.n)[:QUERIES])
    return np.array(gallery.embeddings("pooled")[rows], np.float32), "items of the gallery, not prompts"


def _begin(workplace: Path, key: str) -> None:
    """Empty the workplace where what an interrupted run left in it belongs to something else."""
    mark = workplace / "key.json"
    if not mark.is_file() or read_json(mark) != key:
        for path in [*workplace.glob("*.npy"), mark]:
            path.unlink(missing_ok=True)
        write_json(mark, key)


def _centres(workplace: Path, x: np.ndarray, lists: int, seed: int, progress: Progress | None) -> np.ndarray:
    path = workplace / "centres.npy"
    if not path.is_file():
        rng = np.random.default_rng([seed, 0])
        rows = np.sort(rng.choice(len(x), min(len(x), SAMPLE * lists), replace=False))
        _keep(path, k_means(unit_rows(x[rows]), lists, seed, progress))
    return read_array(path, "the centres of an interrupted index; remove that folder")


def _nearest(workplace: Path, x: np.ndarray, centres: np.ndarray, progress: Progress | None) -> Iterator[np.ndarray]:
    """The list of every row, chunk after chunk, int32."""
    find, key = Centres(centres), array_digest(centres)[:16]
    for start in range(0, len(x), CHUNK):
        path = workplace / f"nearest-{key}-{start:012d}.npy"
        if not path.is_file():
            _keep(path, find.nearest(unit_rows(x[start : start + CHUNK])))
        if progress is not None:
            progress(min(start + CHUNK, len(x)), len(x), "sorting items into lists")
        yield read_array(path, "a part of an interrupted index; remove that folder")


def _write_rows(path: Path, x: np.ndarray, members: np.ndarray, progress: Progress | None) -> None:
    """The embeddings in the order of the lists, as they are stored."""

    def listed() -> Iterator[np.ndarray]:
        for at in blocks(len(x), x.shape[1], x.dtype.itemsize):
            yield x[members[at]]
            if progress is not None:
                progress(at.stop, len(x), "writing the lists")

    write_blocks(path, listed(), x.shape, x.dtype)


def _keep(path: Path, array: np.ndarray) -> None:
    with atomic_file(path, sync=False) as partial, open(partial, "wb") as file:
        np.save(file, array)


def _exact_lists(
    x: np.ndarray, lengths: np.ndarray, queries: np.ndarray, nearest: np.ndarray, progress: Progress | None
) -> np.ndarray:
    """The list of each row of every query's exact ranking (m, depth)."""
    depth = min(DEPTH, len(x))
    at_once = max(1, SCORES_BYTES // (4 * len(x)))
    lists = []
    for start in range(0, len(queries), at_once):
        for scores in times(x, queries[start : start + at_once]):
            lists.append(nearest[best_rows(scores / lengths, depth)])
        if progress is not None:
            progress(len(lists), len(queries), "measuring recall")
    return np.stack(lists)

"""A gallery from items and a backbone: planned in chunks, kept, assembled; resumable, one bad file costs one item."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.config import ATTACHES, Attach, InputError, Progress, digest_of, one_of
from core.datasets.base import ItemTable, locate
from core.datasets.images import ReadImage
from core.gallery.chunks import Chunk, KeptChunk, work_through
from core.gallery.embedding import Backbone, Job, embed_parts
from core.gallery.gallery import Gallery
from core.gallery.speed import EXACT, Speed
from core.gallery.together import require_together
from core.gallery.writing import About, finish_gallery, summarised, write_rows
from core.store import PackedBlobs, publish, resumable_folder

CHUNK = 512
"""Items between two points at which an interrupted build can go on."""

Embed = Callable[[Job, Iterable[range]], Iterator[Chunk]]
"""Embeds ranges of a job's rows; hands on a finished chunk for each, in their order."""


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
    together: str | None = None,
    tokens: int = 0,
    token_seed: int = 0,
    batch: int = 64,
    read: Callable[[str], ReadImage] | None = None,
    speed: Speed = EXACT,
    embed: Embed = embed_parts,
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
    together : column of the items whose equal values (a scene, a person, a film) stay in one half; it is kept as
        `Gallery.clusters` and is no attribute.
    tokens : random tokens of each item to keep, after the last block, for training SAEs on tokens; the residual of
        the pooled token is then kept too, on which such an SAE is used. An item's tokens follow from its id and
        `token_seed` alone. The padding of texts is never drawn.
    batch : items embedded at a time.
    read : turns an item's `file` into a picture, for items that are not files; the default reads below items.root.
    speed : how pictures may be embedded faster at the price of slightly different numbers.
    embed : embeds ranges of items, here or elsewhere; see core.gallery.embedding.embed_parts.
    extra : further entries of the manifest.

    Raises
    ------
    InputError
        `out` exists, the model lacks an attach point, no item at all can be used, or `together` is no column that
        could keep some of them together.
    """
    for attach in attaches:
        one_of(attach, ATTACHES, "attach point")
    one_of(dtype, ("float32", "float16"), "dtype")
    if batch < 1:
        raise InputError(f"the batch was {batch}; expected at least 1 item")
    if items.kind != "images" and speed.chosen:
        raise InputError(
            f"{', '.join(speed.chosen)} was asked for {items.kind}; it is for pictures alone, leave it out"
        )
    if together is not None:
        require_together(items.frame, together, items.source)
    out = Path(out)
    if tokens < 0 or token_seed < 0:
        raise InputError(f"tokens were {tokens} with seed {token_seed}; expected whole numbers from 0")
    kept_places = {"pooled", *attaches, *(["residual"] if tokens else [])}
    wanted = tuple(attach for attach in ATTACHES if attach in kept_places)
    job = Job(items, backbone, wanted, np.dtype(dtype), batch, read or items.read, progress, tokens, token_seed, speed)
    dims = job.dims()
    kept = {"tokens": {"per_item": tokens, "seed": token_seed}} if tokens else {}
    more = {**kept, **({"speed": speed.chosen} if speed.chosen else {}), **(extra or {})}
    said = items.source, items.licence, items.provenance, split_seed, whole, items.official, together, more
    about = About(name or out.name, items.kind, *said)
    with resumable_folder(out, replace) as workplace:
        chunks = list(_work(job, workplace, embed))
        problems = [*items.problems, *(problem for chunk in chunks for problem in chunk.problems)]
        notes = [*items.notes, *backbone.notes, *speed.notes()]
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


# --- chunk by chunk ---------------------------------------------------------------------------------------------


def _work(job: Job, workplace: Path, embed: Embed) -> Iterator[KeptChunk]:
    parts = [range(start, min(start + CHUNK, job.n)) for start in range(0, job.n, CHUNK)]
    job.report(0)
    keys = _keys(job, parts)
    yield from work_through(workplace, keys, lambda missing: embed(job, (parts[number] for number in missing)))
    job.report(job.n)


def _keys(job: Job, parts: Sequence[range]) -> Iterator[str]:
    """For each chunk the digest of everything its numbers depend on: model, device, batch, items, file versions."""
    model = [fingerprint.to_json() for fingerprint in job.fingerprints().values()]
    common = [model, str(job.backbone.device), job.batch, job.dtype.name]
    common += [["tokens", job.tokens, job.token_seed]] if job.tokens else []
    common += [job.speed.chosen] if job.speed.chosen else []
    for part in parts:
        items = [
            [item, content, _version(job, content)]
            for item, content in zip(job.ids(part), job.content(part), strict=True)
        ]
        yield digest_of([common, items])


def _version(job: Job, content: str) -> list[int] | None:
    """Size and time of change of a picture's file; None for captions and for what is no file."""
    if job.side == "text" or job.items.root is None:
        return None
    try:
        found = locate(job.items.root, content).stat()
    except (OSError, InputError):
        return None
    return [found.st_size, found.st_mtime_ns]


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

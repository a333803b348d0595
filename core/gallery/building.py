"""A gallery from items and a backbone: planned in chunks, kept, assembled; resumable, one bad file costs one item."""

import dataclasses
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core import access
from core.config import ATTACHES, Attach, InputError, Progress, digest_of, one_of
from core.datasets.base import ItemTable
from core.datasets.images import ReadImage
from core.datasets.picture_files import locate
from core.gallery.chunks import Chunk, KeptChunk, work_through
from core.gallery.embedding import Backbone, Job, embed_parts
from core.gallery.gallery import Gallery
from core.gallery.speed import EXACT, Speed
from core.gallery.together import require_together
from core.gallery.writing import WAY, About, finish_gallery, summarised, write_rows
from core.store import PackedBlobs, publish, refuse_existing, require_space, resumable_folder
from core.tables import NO_REGROUP, Regroup

CHUNK = 512
"""Items between two points at which an interrupted build can go on."""

WORDS_SHOWN = 8
"""Unknown words that a note names."""

Embed = Callable[[Job, Iterable[range]], Iterator[Chunk]]
"""Embeds ranges of a job's rows; hands on a finished chunk for each, in their order."""


SMALL_PICTURE = 2_000
"""Bytes that the small copy of a picture takes at least, as a rule."""


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
    regroup: Regroup = NO_REGROUP,
    replace: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """Embed items and make a gallery of them.

    An interrupted build goes on from its last chunk when it is started again, and gives the same bytes as one that
    was not interrupted. An item that cannot be read is left out and listed in the manifest. Embeddings are stored as
    the model gives them, without normalisation.

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
    regroup : what to do with the groups of the items' attributes first.

    Raises
    ------
    InputError
        `out` exists, the model lacks an attach point, no item at all can be used, or `together` is no column that
        could keep some of them together.

    Many parameters: each is one choice of whoever makes a gallery, and stands in its manifest.
    """
    access.require("build")
    for attach in attaches:
        one_of(attach, ATTACHES, "attach point")
    one_of(dtype, ("float32", "float16"), "dtype")
    if batch < 1:
        raise InputError(f"the batch was {batch}; expected at least 1 item")
    require_settings(items, speed, tokens, token_seed)
    frame, said = regroup.applied(items.frame, items.source)
    items = dataclasses.replace(items, frame=frame, notes=(*items.notes, *said))
    if together is not None:
        require_together(items.frame, together, items.source)
    out = Path(out)
    refuse_existing(out, replace, WAY)
    kept_places = {"pooled", *attaches, *(["residual"] if tokens else [])}
    wanted = tuple(attach for attach in ATTACHES if attach in kept_places)
    job = Job(items, backbone, wanted, np.dtype(dtype), batch, read or items.read, progress, tokens, token_seed, speed)
    dims = job.dims()
    drawn = {"tokens": {"per_item": tokens, "seed": token_seed}} if tokens else {}
    more: dict[str, Any] = {**drawn, **({"speed": speed.chosen} if speed.chosen else {}), **(extra or {})}
    about_items = items.source, items.licence, items.provenance, split_seed, whole, items.official, together, more
    about = About(name or out.name, items.kind, *about_items)
    with resumable_folder(out, replace) as workplace:
        there = sum(path.stat().st_size for path in workplace.rglob("*") if path.is_file())
        require_space(out, max(written_bytes(job, dims) - there, 0))
        chunks = list(_work(job, workplace, embed))
        left_out = [*items.left_out, *(one for chunk in chunks for one in chunk.left_out)]
        notes = [*items.notes, *backbone.notes, *speed.notes(), *_unknown_words(job)]
        notes += summarised((note for chunk in chunks for note in chunk.notes), items.kind)
        rows = np.concatenate([chunk.kept for chunk in chunks])
        if not len(rows):
            raise InputError(f"none of the {job.n} items of {items.source} could be used; {chunks[0].left_out[0]}")
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _assemble(job, folder, chunks, len(rows), dims)
        frame = items.frame.iloc[rows].reset_index(drop=True)
        halves = None if items.halves is None else [items.halves[row] for row in rows]
        finish_gallery(folder, frame, about, job.fingerprints(), notes, left_out, halves, progress)
        publish(folder, out, replace)
    return Gallery(out)


def written_bytes(job: Job, dims: Mapping[Attach, int]) -> int:
    """Bytes that a build takes on the disk: its chunks, and once more all of it while they are put together."""
    columns = sum(dims.values()) + job.tokens * dims.get("residual", 0)
    return job.n * (columns * (job.dtype.itemsize + 4) + (2 * SMALL_PICTURE if job.side == "image" else 0))


def require_settings(items: ItemTable, speed: Speed, tokens: int, token_seed: int) -> None:
    """InputError for what cannot be asked of these items, whatever the model is; see `build_gallery`."""
    if items.kind != "images" and speed.chosen:
        raise InputError(
            f"{', '.join(speed.chosen)} was asked for {items.kind}; it is for pictures alone, leave it out"
        )
    if tokens < 0 or token_seed < 0:
        raise InputError(f"tokens were {tokens} with seed {token_seed}; expected whole numbers from 0")


# --- chunk by chunk ---------------------------------------------------------------------------------------------


def _work(job: Job, workplace: Path, embed: Embed) -> Iterator[KeptChunk]:
    parts = [range(start, min(start + CHUNK, job.n)) for start in range(0, job.n, CHUNK)]
    job.report(0)
    keys = _keys(job, parts)
    found = lambda number: job.report_kept(parts[number].stop)  # noqa: E731
    yield from work_through(workplace, keys, lambda missing: embed(job, (parts[number] for number in missing)), found)
    job.report(job.n)


def _unknown_words(job: Job) -> list[str]:
    """A note on captions with words that a model with a closed list of words does not know."""
    if job.side == "image" or getattr(job.backbone, "known_words", None) is None:
        return []
    found = [words for text in job.content(range(job.n)) if (words := job.backbone.unknown_words(text))]
    if not found:
        return []
    words = list(dict.fromkeys(word for one in found for word in one))
    more = f" and {len(words) - WORDS_SHOWN} more" if len(words) > WORDS_SHOWN else ""
    return [
        f"{len(found):,} of {job.n:,} captions hold words that the model does not know: "
        f"{', '.join(words[:WORDS_SHOWN])}{more}"
    ]


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
    filled = [chunk for chunk in chunks if len(chunk.kept)]
    parts, written = len(dims) + bool(job.tokens) + (job.side == "image"), 0

    def told() -> Iterator[KeptChunk]:
        nonlocal written
        for chunk in filled:
            yield chunk
            written += len(chunk.kept)
            if job.progress:
                job.progress(written, n * parts, "rows put together")

    for attach, d in dims.items():
        write_rows(folder / f"{attach}.npy", (chunk.array(attach) for chunk in told()), n, d, job.dtype)
    if job.tokens:
        blocks = (chunk.array("tokens") for chunk in told())
        write_rows(folder / "tokens.npy", blocks, n, job.tokens * dims["residual"], job.dtype)
    if job.side == "image":
        PackedBlobs.write(folder, "thumbs", (thumb for chunk in told() for thumb in chunk.thumbs()))
    if "residual" in dims:
        readout = job.backbone.readout(job.side)
        assert readout is not None, "a tower with residuals has a readout"
        readout.save(folder / "readout.npz")

"""Galleries on a cluster: ranges of items embedded by its workers, and a gallery opened by a worker."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from core.cluster import Cluster
from core.config import InputError
from core.datasets.base import ItemTable
from core.gallery.chunks import Chunk
from core.gallery.embedding import Backbone, Job, embed_parts
from core.gallery.gallery import Gallery, open_gallery

Plan = Callable[[ItemTable, Backbone], Job]
"""How a job is done, without what it is done to and by."""


def spread_parts(cluster: Cluster, load: Callable[[], Backbone], job: Job, parts: Iterable[range]) -> Iterator[Chunk]:
    """What `embed_parts` gives, embedded by the workers of a cluster; bind the first two to build a gallery with it.

    Workers are sent names of files or captions, read the pictures themselves and send finished chunks back. So the
    folder of the pictures must be there for all of them, under the same path; they write nothing.

    Parameters
    ----------
    load : followed by every worker: the job's model, for the device that the job's own one is on.
    """
    import torch

    settings = {f.name: getattr(job, f.name) for f in fields(Job) if f.name not in ("items", "backbone", "progress")}
    plan: Plan = partial(Job, **settings)

    asked: deque[range] = deque()

    def slices() -> Iterator[ItemTable]:
        for part in parts:
            asked.append(part)
            yield _slice(job.items, part)

    gpu = str(job.backbone.device).startswith("cuda")
    chunks: Iterator[Chunk] = cluster.map(partial(_embedder, load, plan, torch.get_num_threads()), slices(), gpu)
    for chunk in chunks:
        part = asked.popleft()
        yield replace(chunk, kept=chunk.kept + part.start)
        job.report(part.stop)


def gallery_there(path: Path, digest: str) -> Gallery:
    """A gallery as a worker sees it; InputError where it is not the one with this digest."""
    try:
        gallery = open_gallery(str(path))
    except InputError as error:
        raise InputError(f"a worker cannot open the gallery ({error}); put it where all machines see it") from None
    if gallery.digest != digest:
        raise InputError(f"a worker sees another gallery at {path}; put it where all machines see the same one")
    return gallery


def _slice(items: ItemTable, part: range) -> ItemTable:
    """Some of the items, as a table of its own that says no more than a worker needs."""
    root = None if items.root is None else Path(items.root).absolute()
    frame = items.frame.iloc[part.start : part.stop].reset_index(drop=True)
    return ItemTable(frame, items.kind, items.source, root)


def _embedder(load: Callable[[], Backbone], plan: Plan, threads: int) -> Callable[[ItemTable], Chunk]:
    """What a worker does with the items it is sent, in as many threads as one process: their number decides how sums
    are split, and so their last digits.
    """
    import torch

    torch.set_num_threads(threads)
    backbone = load()

    def embed(items: ItemTable) -> Chunk:
        (chunk,) = embed_parts(plan(items, backbone), [range(len(items.frame))])
        return chunk

    return embed

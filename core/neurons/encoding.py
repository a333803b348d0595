"""Codes of embeddings: in memory for uploads, stored beside the embeddings for galleries."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse

from core.config import Attach, InputError, Progress
from core.saes.frozen import FrozenFile, FrozenSAE

if TYPE_CHECKING:
    import torch

    from core.cluster import Cluster
    from core.gallery import Codes, Gallery
    from core.retrieval.sums import GallerySums
    from core.saes.base import SAE
    from core.saes.checkpoint import SAEFile

DENSE_NUMBERS = 1 << 25
"""Most numbers of a dense block of codes held at once (128 MiB)."""
SUMMED_ROWS = 50_000
"""Rows from which on the sums that edits share are kept with the codes: those of fewer are made in a moment."""


def encode_rows(
    x: np.ndarray,
    sae: "SAE | FrozenSAE",
    batch: int | None = None,
    progress: Progress | None = None,
    rows: np.ndarray | None = None,
) -> sparse.csr_matrix:
    """Codes z (n, F) float32 of raw embeddings x (n, d), or of x[rows], by the architecture's inference rule.

    Reads x piece by piece; memory holds the codes and one dense block. `batch` None: as many rows as fit the block.
    """
    blocks = list(encoded_blocks(x, sae, batch, progress, rows))
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((0, sae.config.d_sae), dtype=np.float32)


def encoded_blocks(
    x: np.ndarray,
    sae: "SAE | FrozenSAE",
    batch: int | None = None,
    progress: Progress | None = None,
    rows: np.ndarray | None = None,
    cluster: "Cluster | None" = None,
) -> Iterator[sparse.csr_matrix]:
    """The codes of `encode_rows` block by block, so that they need not fit in memory.

    The workers of a cluster are sent the SAE once and the rows block by block: they need no file of this machine. A
    frozen SAE needs no torch, and none here.
    """
    if x.ndim != 2 or x.shape[1] != sae.config.d_in:
        raise InputError(f"embeddings of shape {tuple(x.shape)} were given; this SAE expects (n, {sae.config.d_in})")
    batch = batch or max(1, min(4096, DENSE_NUMBERS // sae.config.d_sae))
    if isinstance(sae, FrozenSAE):
        yield from _frozen_blocks(x, sae, batch, progress, rows)
        return
    from core.saes.quality import row_batches

    parts = row_batches(x, rows, batch, progress, "encoding")
    if cluster is None:
        yield from map(partial(_encoded, sae), parts)
    else:
        import torch

        numbers = (part.numpy() for part in parts)
        blocks: Iterator[sparse.csr_matrix] = cluster.map(partial(_encoder, sae, torch.get_num_threads()), numbers)
        for block in blocks:
            yield block.copy()  # what comes from a worker lies in shared memory and cannot be written to


def _frozen_blocks(
    x: np.ndarray, sae: FrozenSAE, batch: int, progress: Progress | None, rows: np.ndarray | None
) -> Iterator[sparse.csr_matrix]:
    n = len(x) if rows is None else len(rows)
    for start in range(0, n, batch):
        here = slice(start, min(start + batch, n))
        part = np.array(x[here] if rows is None else x[rows[here]], dtype=np.float32)
        yield sparse.csr_matrix(sae.encode(part))
        if progress is not None:
            progress(here.stop, n, "encoding")


def _encoded(sae: "SAE", part: "torch.Tensor") -> sparse.csr_matrix:
    """The codes of one block of rows."""
    import torch

    with torch.inference_mode():
        places, values = sae.encode_sparse(part.to(sae.b_dec.device))
        starts = places.row_starts().cpu().numpy()
        columns = places.columns.to(torch.int32).cpu().numpy()
    return sparse.csr_matrix((values.cpu().numpy(), columns, starts), shape=(len(part), sae.config.d_sae))


def _encoder(sae: "SAE", threads: int) -> Callable[[np.ndarray], sparse.csr_matrix]:
    """What a worker does with blocks; in as many threads as one process, so that sums are split in the same way."""
    import torch

    torch.set_num_threads(threads)
    return lambda rows: _encoded(sae, torch.tensor(rows))


def encode_gallery(
    gallery: "Gallery",
    sae_file: "SAEFile | FrozenFile",
    batch: int | None = None,
    progress: Progress | None = None,
    cluster: "Cluster | None" = None,
) -> "Codes":
    """Encode all of a gallery's embeddings at the SAE's attach point, store the codes in the gallery, and open them.

    Streams: memory holds one block (with a cluster a few for each worker), however many rows the gallery has. Where
    blocks are encoded changes no code. InputError where the SAE was made for other embeddings. An SAE that does not
    say its attach point reads `pooled`. With many rows, what every first edit would have to sum is stored too.
    """
    attach = sae_file.attach or "pooled"
    sae_file.require(gallery.fingerprint(attach), f"the gallery {gallery.name!r}")
    blocks = encoded_blocks(gallery.embeddings(attach), sae_file.sae, batch, progress, cluster=cluster)
    summed = partial(_sums, gallery, sae_file, attach) if gallery.n >= SUMMED_ROWS else None
    return gallery.write_codes(sae_file.digest, blocks, sae_file.sae.config.d_sae, progress, summed)


def _sums(gallery: "Gallery", sae_file: "SAEFile | FrozenFile", attach: Attach, codes: "Codes") -> "GallerySums":
    """The sums over the gallery's rows that edits of this SAE share, none of them made yet."""
    from core.retrieval import LiveGallery

    arrays, readout = sae_file.sae.arrays(), gallery.readout() if attach == "residual" else None
    return LiveGallery(
        gallery.embeddings(attach),
        codes.csc,
        arrays["W_dec"],
        arrays["b_dec"],
        None if readout is None else gallery.embeddings("pooled"),
        readout,
        codes_by_row=codes.csr,
    ).sums


def codes_of(gallery: "Gallery", sae_file: "SAEFile | FrozenFile", progress: Progress | None = None) -> "Codes":
    """The stored codes of a gallery, encoded first where there are none yet."""
    stored = gallery.codes(sae_file.digest)
    return encode_gallery(gallery, sae_file, progress=progress) if stored is None else stored

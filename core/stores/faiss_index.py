"""FAISS index files that hold the vectors themselves: flat and IVF-flat."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError
from core.store import file_digest, write_blocks
from core.stores.base import BLOCK, STORES, Change, Options, Snapshot
from core.stores.files import Digest, FileStore, Kept, require_file, require_width

AGAIN = "apply the edit to the vectors that it was built from, and build the index again"


@STORES.register("faiss")
class FaissIndex(FileStore):
    """Vectors are edited in the index; of IVF-flat each then goes to the list whose centre is nearest to it.

    Ids, centres and metric stay. Memory holds the index, of IVF-flat twice. A killed run begins anew.
    """

    title = "a FAISS index"
    prefix = "faiss"
    endings = (".index", ".faiss")
    example = "faiss:vectors.index"

    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept, before: Digest
    ) -> tuple[str, tuple[str, ...]]:
        import faiss

        before.close()
        index, inner = _read(source)
        require_width(index.d, change, str(source))
        change.total = index.ntotal
        notes: tuple[str, ...] = ()
        if isinstance(inner, faiss.IndexFlat):
            rows = _flat_rows(inner)
            for start in range(0, len(rows), BLOCK):
                rows[start : start + BLOCK] = change(rows[start : start + BLOCK])
        else:
            notes = (_edit_lists(inner, change),)
        faiss.write_index(index, str(partial))
        return file_digest(partial), notes

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        import faiss
        import pyarrow as pa
        import pyarrow.parquet as pq

        require_file(Path(source), self.title)
        index, inner = _read(Path(source))
        if isinstance(inner, faiss.IndexFlat):
            rows, ids = _flat_rows(inner), _ids_of(index, inner)
        else:
            ids, rows = _listed(inner)
            order = np.argsort(ids, kind="stable")
            ids, rows = ids[order], rows[order]
        blocks: Iterator[np.ndarray] = (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))
        write_blocks(folder / "vectors.npy", blocks, rows.shape, rows.dtype)
        pq.write_table(pa.table({"id": [str(one) for one in ids.tolist()]}), folder / "table.parquet")
        return Snapshot(folder / "vectors.npy", folder / "table.parquet", file_digest(Path(source)))


def _read(source: Path) -> tuple[Any, Any]:
    """The index and, inside it, the one that holds vectors; InputError in words for kinds that do not."""
    import faiss

    try:
        index = faiss.read_index(str(source))
    except Exception as error:  # its own error type, with words for programmers
        raise InputError(f"{source} is no FAISS index, or a damaged one; write it again") from error
    inner = index  # which stays the owner of what it wraps
    while isinstance(inner, faiss.IndexIDMap | faiss.IndexPreTransform):
        if isinstance(inner, faiss.IndexPreTransform):
            raise InputError(f"{source} holds vectors that were transformed first (IndexPreTransform); {AGAIN}")
        inner = faiss.downcast_index(inner.index)
    kind = type(inner).__name__
    if isinstance(inner, faiss.IndexFlat) or type(inner) is faiss.IndexIVFFlat:
        return index, inner
    if "HNSW" in kind or "NSG" in kind or "NNDescent" in kind:
        raise InputError(f"{source} is a graph ({kind}) whose edges follow the vectors as they were; {AGAIN}")
    raise InputError(f"{source} holds quantised codes ({kind}), from which the vectors cannot be had back; {AGAIN}")


def _flat_rows(index: Any) -> np.ndarray:
    """The vectors of a flat index, as they lie in its memory: writing changes the index."""
    import faiss

    return faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)


def _ids_of(index: Any, inner: Any) -> np.ndarray:
    import faiss

    if index is inner or not isinstance(index, faiss.IndexIDMap):
        return np.arange(inner.ntotal)
    return faiss.vector_to_array(index.id_map)


def _lists(index: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ids and vectors of each list, copied."""
    import faiss

    lists = index.invlists
    for number in range(index.nlist):
        size = lists.list_size(number)
        if not size:
            continue
        ids = faiss.rev_swig_ptr(lists.get_ids(number), size).copy()
        codes = faiss.rev_swig_ptr(lists.get_codes(number), size * index.d * 4).copy()
        yield ids, codes.view(np.float32).reshape(size, index.d)


def _listed(index: Any) -> tuple[np.ndarray, np.ndarray]:
    """All ids and vectors, list after list."""
    found = list(_lists(index))
    if not found:
        return np.zeros(0, np.int64), np.zeros((0, index.d), np.float32)
    return np.concatenate([ids for ids, _ in found]), np.concatenate([rows for _, rows in found])


def _edit_lists(index: Any, change: Change) -> str:
    """Edit an IVF-flat index; how many vectors went to another list, in words."""
    faiss: Any = importlib.import_module("faiss")  # whose stubs lack its kinds of maps

    ids, rows = _listed(index)
    order = np.argsort(ids, kind="stable")
    ids, rows = ids[order], np.ascontiguousarray(rows[order])
    before = index.quantizer.search(rows, 1)[1][:, 0] if len(rows) else np.zeros(0, np.int64)
    for start in range(0, len(rows), BLOCK):
        rows[start : start + BLOCK] = change(rows[start : start + BLOCK])
    after = index.quantizer.search(rows, 1)[1][:, 0] if len(rows) else before
    kind, index.direct_map.type = index.direct_map.type, faiss.DirectMap.NoMap
    index.reset()
    if len(rows):
        index.add_with_ids(rows, ids)
    if kind != faiss.DirectMap.NoMap:
        index.set_direct_map_type(kind)
    return f"{int((before != after).sum()):,} of {len(rows):,} vectors went to another list of the index"

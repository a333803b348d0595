"""Collections of Qdrant: a folder of this machine, or a server's address."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.config import InputError, digest_of
from core.stores.addresses import Address, parsed
from core.stores.arrow_files import gathered
from core.stores.base import STORES, Applied, Change, Options, RowsDigest, Snapshot, Store
from core.stores.files import require_width

EXAMPLE = "qdrant:FOLDER#COLLECTION or qdrant:http://HOST:6333#COLLECTION"
KEY = "QDRANT_API_KEY"
"""Variable of the environment with a server's key."""
PAGE = 1_000
"""Points that are read and written at a time."""


@STORES.register("qdrant")
class Qdrant(Store):
    """Points go to a new collection with the source's settings; the final name is an alias that is set at the end.

    Points are read by rising id and written with their id and payload; of a killed run those that are there already
    are not written again. A collection that compares by cosine keeps unit vectors, whatever it was given.
    """

    title = "Qdrant"
    prefix = "qdrant"
    example = EXAMPLE
    library = "qdrant_client"
    install = "pip install qdrant-client"

    def apply(self, source: str, target: str, change: Change, options: Options) -> Applied:
        library = self.require_library()
        place, out = _located(source), _located(target, source)
        if options.in_place or place == out:
            raise InputError("a Qdrant collection is not edited in place; give another collection as --out")
        with _client(library, place) as client:
            name, settings = _vectors(client, place, options.column or place.column)
            with _client(library, out, client if out.place == place.place else None) as other:
                _require_free(other, out, options)
                held = f"{out.table}__{digest_of([change.digest, place.table, name])[:8]}"
                if other.collection_exists(held) and not options.resume:
                    other.delete_collection(held)
                if not other.collection_exists(held):
                    other.create_collection(held, vectors_config=settings)
                change.total = client.count(place.table).count
                before, after = RowsDigest(), RowsDigest()
                for points in _pages(client, place):
                    vectors = _matrix(points, name, source)
                    require_width(vectors.shape[1], change, source)
                    before.add([point.id for point in points], vectors)
                    edited = change(vectors)
                    after.add([point.id for point in points], edited)
                    there = {one.id for one in other.retrieve(held, [point.id for point in points], with_payload=False)}
                    new = [(point, row) for point, row in zip(points, edited, strict=True) if point.id not in there]
                    _write(library, other, held, name, new)
                _name(library, other, out, held)
        found = change.rows, change.lost, tuple(change.lost_rows)
        return Applied(before.hex, after.hex, *found, digest_of="the points by id, ids and vectors")

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        place = _located(source)
        digest, tables = RowsDigest(), []
        with _client(self.require_library(), place) as client:
            name, _ = _vectors(client, place, options.column or place.column)
            n = client.count(place.table).count

            def blocks() -> Iterator[np.ndarray]:
                for points in _pages(client, place):
                    vectors = _matrix(points, name, source)
                    digest.add([point.id for point in points], vectors)
                    tables.append(_payloads(points))
                    yield vectors

            made = gathered(folder, blocks(), n, tables, "")
        return Snapshot(made.vectors, made.table, digest.hex)


def _located(address: str, like: str | None = None) -> Address:
    found = parsed(address)
    if "://" in found.place:
        return Address(found.place, found.require_table("collection", EXAMPLE), found.column)
    place = Path(found.place).expanduser()
    if found.table:
        return Address(str(place), found.table, found.column)
    if not (place / "meta.json").is_file() and (place.parent / "meta.json").is_file():
        return Address(str(place.parent), place.name, found.column)
    if like is not None:
        return Address(str(place), _located(like).table, found.column)
    raise InputError(f"{place} names no collection; expected {EXAMPLE}")


@contextmanager
def _client(library: Any, place: Address, there: Any = None) -> Iterator[Any]:
    """The database, opened; one that is open already is used as it is: a folder may be opened once."""
    if there is not None:
        yield there
        return
    try:
        if "://" in place.place:
            client = library.QdrantClient(url=place.place, api_key=os.environ.get(KEY), timeout=60)
        else:
            client = library.QdrantClient(path=place.place)
        client.get_collections()
    except Exception as error:  # httpx's, gRPC's and its own kinds
        raise InputError(
            f"no Qdrant answers at {place.place} ({type(error).__name__}); start it, give its folder, or close what "
            "else has it open"
        ) from None
    try:
        yield client
    finally:
        client.close()


def _vectors(client: Any, place: Address, named: str | None) -> tuple[str | None, Any]:
    """Which named vector is meant (None: the only one without a name), and the settings of all."""
    if not client.collection_exists(place.table):
        known = ", ".join(sorted(one.name for one in client.get_collections().collections)) or "none"
        raise InputError(f"{place.place} has no collection {place.table!r}; known: {known}")
    settings = client.get_collection(place.table).config.params.vectors
    names = sorted(settings) if isinstance(settings, dict) else []
    if not names:
        if named:
            raise InputError(f"{place.table} has vectors without names; leave --column out")
        return None, settings
    if named is None and len(names) > 1:
        raise InputError(f"{place.table} has several vectors a point: {', '.join(names)}; name one with --column")
    if named is not None and named not in names:
        raise InputError(f"{place.table} has no vector {named!r}; it has {', '.join(names)}")
    return named or names[0], settings


def _pages(client: Any, place: Address) -> Iterator[Sequence[Any]]:
    offset = None
    while True:
        points, offset = client.scroll(place.table, limit=PAGE, offset=offset, with_payload=True, with_vectors=True)
        if points:
            yield points
        if offset is None:
            return


def _matrix(points: Sequence[Any], name: str | None, source: str) -> np.ndarray:
    try:
        rows = [point.vector if name is None else point.vector[name] for point in points]
        return np.array(rows, dtype=np.float32)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{source}: a point among {points[0].id} to {points[-1].id} has no such vector") from None


def _write(library: Any, client: Any, held: str, name: str | None, new: Sequence[tuple[Any, np.ndarray]]) -> None:
    made = []
    for point, row in new:
        vector = row.tolist() if name is None else {**point.vector, name: row.tolist()}
        made.append(library.models.PointStruct(id=point.id, vector=vector, payload=point.payload))
    if made:
        client.upsert(held, made, wait=True)


def _require_free(client: Any, out: Address, options: Options) -> None:
    """InputError where the final name is taken; a collection by itself is never replaced, only an alias is moved."""
    names = {one.name for one in client.get_collections().collections}
    aliases = {one.alias_name for one in client.get_aliases().aliases}
    if out.table in names or (out.table in aliases and not options.replace):
        raise InputError(f"{out.table} exists already in {out.place}; choose another collection")


def _name(library: Any, client: Any, out: Address, held: str) -> None:
    """Give the finished collection its final name."""
    models = library.models
    moves: list[Any] = []
    if any(one.alias_name == out.table for one in client.get_aliases().aliases):
        moves.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=out.table)))
    alias = models.CreateAlias(collection_name=held, alias_name=out.table)
    moves.append(models.CreateAliasOperation(create_alias=alias))
    client.update_collection_aliases(moves)


def _payloads(points: Sequence[Any]) -> pa.Table:
    """Ids and what payloads say in single values, as texts."""
    keys = list(dict.fromkeys(key for point in points for key in (point.payload or {})))
    columns: dict[str, list[str | None]] = {"point": [str(point.id) for point in points]}
    for key in keys:
        cells = [(point.payload or {}).get(key) for point in points]
        if not any(isinstance(cell, dict | list) for cell in cells):
            columns[key] = [None if cell is None else str(cell) for cell in cells]
    if "id" not in columns and "file" not in columns:
        columns["id"] = columns.pop("point")
    return pa.table({key: pa.array(cells, pa.string()) for key, cells in columns.items()})

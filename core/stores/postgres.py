"""Tables of PostgreSQL with a pgvector column."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.config import InputError, digest_of
from core.stores.addresses import Address, parsed, shown
from core.stores.arrow_files import gathered
from core.stores.base import STORES, Applied, Change, Options, RowsDigest, Snapshot, Store
from core.stores.files import require_width

EXAMPLE = "postgresql://USER@HOST/DATABASE#TABLE"
PAGE = 4_000
"""Rows of a transaction."""
SIGNATURE = b"PGCOPY\n\xff\r\n\0"
KINDS = {"vector": ">f4", "halfvec": ">f2"}
PARTIAL = "__partial"


@dataclass(frozen=True)
class _Table:
    """A table with what is needed to walk through it."""

    name: str
    columns: tuple[str, ...]
    vector: str
    kind: str
    """vector or halfvec."""
    key: tuple[str, ...]
    """Columns of the primary key, in order."""


@STORES.register("postgresql")
class Postgres(Store):
    """Rows are copied in PostgreSQL's binary form, page by page of the primary key, one transaction a page.

    All columns but the vectors pass through as bytes. They go to a table beside the final one with the source's
    columns, defaults, constraints and indexes, which is renamed in the last transaction; a killed run goes on behind
    the largest key that is there. Digests are of the rows by key.
    """

    title = "PostgreSQL with pgvector"
    prefix = "postgresql"
    example = EXAMPLE
    library = "psycopg"
    install = 'pip install "psycopg[binary]"'

    def apply(self, source: str, target: str, change: Change, options: Options) -> Applied:
        library = self.require_library()
        place, out = _located(source), _located(target, source)
        if options.in_place:
            raise InputError("a table is not edited in place; give another table as --out")
        with _connected(library, place) as read, _connected(library, out) as write:
            table = _table(read, place, options.column or place.column)
            if (place.place, place.table) == (out.place, out.table):
                raise InputError(f"{shown(target)} is the table that is read; choose another name")
            name = str(out.table)
            if _exists(write, name) and not options.replace:
                raise InputError(f"the table {name} exists already; choose another name, or replace it with --replace")
            key = digest_of([change.digest, place.place, place.table, table.vector])
            partial = f"{name}{PARTIAL}"
            same = place.place == out.place
            _prepare(read, write, table, partial, key, options.resume, same)
            change.total = read.execute(f"SELECT count(*) FROM {_quoted(table.name)}").fetchone()[0]
            before, after = RowsDigest(), RowsDigest()
            last = _last_key(write, partial, table)
            if last is not None:
                self._kept(write, partial, table, after, change)
                for keys, vectors, _ in _pages(read, table, table.name, upto=last):
                    before.add(keys, vectors)
            for keys, vectors, rows in _pages(read, table, table.name, after=last):
                require_width(vectors.shape[1], change, f"{shown(source)}: {table.vector}")
                before.add(keys, vectors)
                edited = change(vectors)
                after.add(keys, edited)
                _write(write, partial, table, rows, edited)
            with write.transaction():
                if options.replace:
                    write.execute(f"DROP TABLE IF EXISTS {_quoted(name)}")
                write.execute(f"COMMENT ON TABLE {_quoted(partial)} IS NULL")
                write.execute(f"ALTER TABLE {_quoted(partial)} RENAME TO {_quoted(name)}")
        found = change.rows, change.lost, tuple(change.lost_rows)
        return Applied(before.hex, after.hex, *found, digest_of="the rows by key, keys and vectors")

    @staticmethod
    def _kept(write: Any, partial: str, table: _Table, digest: RowsDigest, change: Change) -> None:
        for keys, vectors, _ in _pages(write, table, partial):
            digest.add(keys, vectors)
            change.kept(len(vectors), int((~vectors.any(axis=1)).sum()))

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        place = _located(source)
        digest, tables = RowsDigest(), []
        with _connected(self.require_library(), place) as read:
            table = _table(read, place, options.column or place.column)
            kept = [name for name in table.columns if name != table.vector]
            read.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")  # one state of the table
            n = read.execute(f"SELECT count(*) FROM {_quoted(table.name)}").fetchone()[0]
            listed = ", ".join(f"{_quoted(name)}::text" for name in kept)
            order = ", ".join(map(_quoted, table.key))
            texts = read.cursor(name="texts") if kept else None
            if texts is not None:
                texts.execute(f"SELECT {listed} FROM {_quoted(table.name)} ORDER BY {order}")

            def blocks() -> Iterator[np.ndarray]:
                for keys, vectors, _ in _pages(read, table, table.name):
                    digest.add(keys, vectors)
                    if texts is not None:
                        cells = texts.fetchmany(len(vectors))
                        columns = zip(*cells, strict=True)
                        tables.append(
                            pa.table(
                                {
                                    name: pa.array(list(column), pa.string())
                                    for name, column in zip(kept, columns, strict=True)
                                }
                            )
                        )
                    yield vectors.astype(vectors.dtype.newbyteorder("="))

            made = gathered(folder, blocks(), n, tables, "")
            read.execute("COMMIT")
        return Snapshot(made.vectors, made.table, digest.hex)


def _located(address: str, like: str | None = None) -> Address:
    """Database and table; `address` begins behind "postgresql:". A bare table name means the source's database."""
    full = f"postgresql:{address}" if not address.startswith("postgresql:") else address
    if like is not None and "/" not in address and "#" not in address and "=" not in address:
        return Address(_located(like).place, address)
    found = parsed(full)
    if not found.place.startswith("postgresql://"):
        raise InputError(f"{shown(full)} is no address of a database; expected {EXAMPLE}")
    return Address(found.place, found.require_table("table", EXAMPLE), found.column)


@contextmanager
def _connected(library: Any, place: Address) -> Iterator[Any]:
    try:
        connection = library.connect(place.place, autocommit=True, connect_timeout=15)
    except library.Error as error:
        said = " ".join(str(error).split())[:160]
        raise InputError(f"the database does not answer ({said}); check address, user and server") from None
    try:
        with connection:
            yield connection
    except library.errors.UndefinedTable:
        raise InputError(f"there is no table {place.table}") from None
    except library.errors.InsufficientPrivilege as error:
        raise InputError(f"the database refuses: {' '.join(str(error).split())[:160]}") from None
    finally:
        connection.close()


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split(".", 1))


def _exists(connection: Any, name: str) -> bool:
    return connection.execute("SELECT to_regclass(%s)", (_quoted(name),)).fetchone()[0] is not None


def _table(connection: Any, place: Address, column: str | None) -> _Table:
    """Columns, vectors and key of a table; InputError in words where it lacks one of them."""
    name = str(place.table)
    if not _exists(connection, name):
        raise InputError(f"the database has no table {name}; check its name (schema.table for other schemas)")
    columns = connection.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
        "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        (_quoted(name),),
    ).fetchall()
    vectors = {one: kind.split(".")[-1] for one, kind in columns if kind.split(".")[-1] in KINDS}
    if column is not None and column not in vectors:
        raise InputError(f"{name} has no column of vectors {column!r}; it has {', '.join(vectors) or 'none'}")
    if column is None and len(vectors) != 1:
        said = (
            f"several columns of vectors: {', '.join(vectors)}; name one with --column"
            if vectors
            else ("no column of the types vector or halfvec (pgvector)")
        )
        raise InputError(f"{name} has {said}")
    key = connection.execute(
        "SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(n, place) "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n "
        "WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY k.place",
        (_quoted(name),),
    ).fetchall()
    if not key:
        raise InputError(f"{name} has no primary key, by which its rows are walked through; add one")
    vector = column or next(iter(vectors))
    return _Table(name, tuple(one for one, _ in columns), vector, vectors[vector], tuple(one for (one,) in key))


def _prepare(read: Any, write: Any, table: _Table, partial: str, key: str, resume: bool, same: bool) -> None:
    """The table that is written: that of a killed run of the same work, or a new one like the source.

    Many parameters: both databases, and what says that a killed run's table is this work's.
    """
    if _exists(write, partial):
        said = write.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", (_quoted(partial),)).fetchone()[0]
        if resume and said == key:
            return
        write.execute(f"DROP TABLE {_quoted(partial)}")
    with write.transaction():
        if same:
            write.execute(f"CREATE TABLE {_quoted(partial)} (LIKE {_quoted(table.name)} INCLUDING ALL)")
        else:
            kinds = read.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(%s) "
                "AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                (_quoted(table.name),),
            ).fetchall()
            listed = ", ".join(f"{_quoted(one)} {kind}" for one, kind in kinds)
            keys = ", ".join(map(_quoted, table.key))
            write.execute(f"CREATE TABLE {_quoted(partial)} ({listed}, PRIMARY KEY ({keys}))")
        write.execute(f"COMMENT ON TABLE {_quoted(partial)} IS '{key}'")


def _last_key(connection: Any, name: str, table: _Table) -> tuple | None:
    columns = ", ".join(map(_quoted, table.key))
    order = ", ".join(f"{_quoted(one)} DESC" for one in table.key)
    return connection.execute(f"SELECT {columns} FROM {_quoted(name)} ORDER BY {order} LIMIT 1").fetchone()


def _pages(
    connection: Any, table: _Table, name: str, after: tuple | None = None, upto: tuple | None = None
) -> Iterator[tuple[list[Any], np.ndarray, list[list[bytes | None]]]]:
    """Keys, vectors and raw cells of the rows by rising key, a page at a time."""
    import psycopg

    keys = ", ".join(map(_quoted, table.key))
    columns = ", ".join(map(_quoted, table.columns))
    marks = ", ".join(["%s"] * len(table.key))
    while True:
        bounds = [(after, ">"), (upto, "<=")]
        given = [(f"({keys}) {sign} ({marks})", value) for value, sign in bounds if value is not None]
        where = f"WHERE {' AND '.join(text for text, _ in given)}" if given else ""
        values = tuple(one for _, value in given for one in value)
        query = f"FROM {_quoted(name)} {where} ORDER BY {keys} LIMIT {PAGE}"
        cursor = psycopg.ClientCursor(connection)
        found = cursor.execute(f"SELECT {keys} {query}", values).fetchall()
        if not found:
            return
        with cursor.copy(f"COPY (SELECT {columns} {query}) TO STDOUT (FORMAT BINARY)", values) as copy:
            raw = b"".join(copy)
        rows = _cells(raw)
        at = table.columns.index(table.vector)
        vectors = [_vector(row[at], table, key) for row, key in zip(rows, found, strict=True)]
        widths = {len(one) for one in vectors}
        if len(widths) > 1:
            raise InputError(
                f"{table.name}: {table.vector} has vectors of {', '.join(map(str, sorted(widths)))} columns"
            )
        yield [key[0] if len(key) == 1 else key for key in found], np.stack(vectors), rows
        after = found[-1]


def _cells(raw: bytes) -> list[list[bytes | None]]:
    """The rows of a binary COPY, cell by cell."""
    assert raw.startswith(SIGNATURE), "COPY in binary form begins with its signature"
    place = len(SIGNATURE) + 4
    place += 4 + struct.unpack_from(">i", raw, place)[0]
    rows = []
    while (count := struct.unpack_from(">h", raw, place)[0]) != -1:
        place += 2
        row: list[bytes | None] = []
        for _ in range(count):
            length = struct.unpack_from(">i", raw, place)[0]
            place += 4
            row.append(None if length < 0 else raw[place : place + length])
            place += max(length, 0)
        rows.append(row)
    return rows


def _vector(cell: bytes | None, table: _Table, key: Sequence[Any]) -> np.ndarray:
    if cell is None:
        raise InputError(f"{table.name}: the row {key} has no vector; remove it or compute it")
    return np.frombuffer(cell, dtype=KINDS[table.kind], offset=4)


def _write(connection: Any, name: str, table: _Table, rows: list[list[bytes | None]], edited: np.ndarray) -> None:
    """Write a page in one transaction."""
    at = table.columns.index(table.vector)
    listed = ", ".join(map(_quoted, table.columns))
    parts = [SIGNATURE, struct.pack(">ii", 0, 0)]
    for row, vector in zip(rows, edited.astype(KINDS[table.kind]), strict=True):
        cells = list(row)
        cells[at] = struct.pack(">hh", len(vector), 0) + vector.tobytes()
        parts.append(struct.pack(">h", len(cells)))
        for cell in cells:
            parts.append(struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell)
    parts.append(struct.pack(">h", -1))
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(f"COPY {_quoted(name)} ({listed}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(b"".join(parts))

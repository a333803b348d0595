"""Backup and restore of what a team server keeps: its own folder and the databases that its configuration names.

A backup is one folder that is whole or not there. Galleries, SAEs, models and audits under the roots are folders that
never change; they are copied as any other files are.
"""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from core.config import VERSION, InputError
from core.databases import open_database, public_address, without_secrets
from core.reading import parse_json, read_json
from core.store import atomic_folder, file_digest, write_json

MANIFEST = "backup.json"
SCHEMA = 1
OWN, ROWS = "own", "databases"
MANY = 500
SQLITE = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database that is in use; the copy holds what stands in it."""
LOCKS = (".lock",)


@dataclass(frozen=True)
class Kept:
    """A database that is part of a backup.

    Parameters
    ----------
    name : what is kept there: "labels".
    address : where, as the configuration says; "" and SQLite in the own folder go with the folder.
    tables : what it holds.
    """

    name: str
    address: str
    tables: MetaData

    @property
    def apart(self) -> bool:
        """Whether it is a server, or a file somewhere else than in the own folder."""
        return self.address.startswith(("postgresql:", "postgresql+", "sqlite:"))


@dataclass(frozen=True)
class Done:
    """What a backup holds, or what was restored of it."""

    files: int
    bytes: int
    rows: Mapping[str, int]
    """Database -> rows of it that are kept apart from the own folder."""
    left_out: tuple[str, ...]
    """What of the own folder is in no backup: links, pipes."""


# -- backup -----------------------------------------------------------------------------------------------------------


def backup(home: Path, kept: Sequence[Kept], configuration: Path, target: Path) -> Done:
    """Copy everything into a new folder, which appears when it is whole. The server may run.

    Databases come first: what they say is done then lies in the folder that is copied after them.

    Parameters
    ----------
    home : the server's own folder.
    configuration : its file, which holds no secret and goes with it.

    Raises
    ------
    InputError : the target is there and not empty, or something cannot be read.
    """
    target = Path(os.path.abspath(target))
    _require_empty(target)
    if target.is_relative_to(home):
        raise InputError(f"{target} lies in the own folder {home}, which it is to hold; choose another folder")
    with atomic_folder(target, replace=target.exists()) as partial:
        partial.chmod(0o700)  # labels and the record are nobody else's business
        rows = {one.name: _export(one, partial / ROWS) for one in kept if one.apart}
        left_out = _copy_folder(home, partial / OWN)
        if configuration.is_file():
            shutil.copyfile(configuration, partial / "team.toml")
        digests = {path: file_digest(partial / path) for path in _files(partial)}
        size = sum((partial / path).stat().st_size for path in digests)
        document = {
            "schema": SCHEMA,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": VERSION,
            "databases": {one.name: one.name in rows for one in kept},
            "rows": rows,
            "left_out": left_out,
            "files": digests,
        }
        write_json(partial / MANIFEST, document)
    return Done(len(digests), size, rows, tuple(left_out))


def _copy_folder(source: Path, target: Path) -> list[str]:
    """Copy a folder that may be written to meanwhile; the names of what is neither file nor folder."""
    target.mkdir(parents=True)
    left_out = []
    for folder, folders, names in os.walk(source):
        here = Path(folder)
        for name in list(folders):
            if (here / name).is_symlink():
                folders.remove(name)
                left_out.append((here / name).relative_to(source).as_posix())
            else:
                (target / (here / name).relative_to(source)).mkdir(exist_ok=True)
        databases = {name for name in names if _is_sqlite(here / name)}
        for name in names:
            path, copy = here / name, target / (here / name).relative_to(source)
            if any(name == f"{database}{end}" for database in databases for end in BESIDE) or name.endswith(LOCKS):
                continue
            if path.is_symlink() or (path.exists() and not path.is_file()):
                left_out.append(path.relative_to(source).as_posix())
            elif name in databases:
                _copy_sqlite(path, copy)
            else:
                _copy_file(path, copy)
    return sorted(left_out)


def _copy_file(path: Path, copy: Path) -> None:
    """Copy a file unless it has gone since it was listed, as what is only written for a moment does."""
    try:
        shutil.copy2(path, copy)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        copy.unlink(missing_ok=True)


def _is_sqlite(path: Path) -> bool:
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except FileNotFoundError:
        return False


def _copy_sqlite(path: Path, copy: Path) -> None:
    """The database as it stands at a moment, whoever writes to it meanwhile."""
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as to:
            source.backup(to)
    except sqlite3.Error as error:
        raise InputError(f"the database {path} cannot be copied ({error}); check it") from None


def _export(kept: Kept, folder: Path) -> int:
    """Every row of every table as a line of JSON, as they stand at one moment."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    with _database(kept, "REPEATABLE READ") as connection:
        for table in kept.tables.sorted_tables:
            with open(folder / f"{kept.name}.{table.name}.jsonl", "w", encoding="utf-8") as out:
                for row in connection.execute(select(table).order_by(*table.primary_key)):
                    out.write(json.dumps(list(row), ensure_ascii=False, allow_nan=False) + "\n")
                    number += 1
    return number


# -- restore ----------------------------------------------------------------------------------------------------------


def restore(source: Path, home: Path, kept: Sequence[Kept]) -> Done:
    """Put everything back where nothing is. Killed halfway, the same again goes on.

    Each database and the own folder are restored whole or not at all; what is there already exactly as the backup has
    it is left as it is.

    Raises
    ------
    InputError : the backup is damaged, the configuration keeps a database elsewhere than the backup has it (apart or
        in the own folder), or something else is there already.
    """
    document = _checked(source)
    for one in kept:
        if document["databases"].get(one.name, one.apart) != one.apart:
            where = "in the own folder" if one.apart else "in a database of its own"
            raise InputError(
                f"the backup has {one.name} {where}, and the configuration keeps them elsewhere; restore with the "
                "backup's own team.toml"
            )
    own = {path: digest for path, digest in document["files"].items() if path.startswith(f"{OWN}/")}
    there = _is_there(home, own)
    waiting = [one for one in kept if one.apart and not _rows_are_there(one, source / ROWS)]
    for one in waiting:
        _import(one, source / ROWS)
    if not there:
        with atomic_folder(home, replace=home.exists()) as partial:
            shutil.copytree(source / OWN, partial, dirs_exist_ok=True)
            partial.chmod(0o700)
    size = sum((source / path).stat().st_size for path in document["files"])
    return Done(len(document["files"]), size, document["rows"], tuple(document["left_out"]))


def _checked(source: Path) -> dict[str, Any]:
    """The manifest of a backup in which every file is as it was written."""
    if not (source / MANIFEST).is_file():
        raise InputError(f"{source} holds no {MANIFEST}; give the folder that `backup` wrote")
    document = read_json(source / MANIFEST)
    whole = isinstance(document, dict) and document.get("schema") == SCHEMA
    parts = {"files": dict, "rows": dict, "databases": dict, "left_out": list}
    if not whole or any(not isinstance(document.get(name), kind) for name, kind in parts.items()):
        raise InputError(f"{source / MANIFEST} is of another version or damaged; expected schema {SCHEMA}")
    found = set(_files(source)) - {MANIFEST}
    if found != set(document["files"]):
        odd = sorted(found ^ set(document["files"]))
        raise InputError(
            f"the backup {source} is damaged: {odd[0]!r} {'is too many' if odd[0] in found else 'is missing'}"
        )
    for path, digest in document["files"].items():
        if file_digest(source / path) != digest:
            raise InputError(f"the backup {source} is damaged: {path!r} is not as it was written; use another backup")
    return document


def _is_there(home: Path, own: Mapping[str, str]) -> bool:
    """Whether the own folder is already as the backup has it; InputError where something else is in it."""
    found = set(_files(home)) if home.is_dir() else set()
    if not found and (not home.exists() or not any(home.iterdir())):
        return not own and home.is_dir()
    same = {f"{OWN}/{path}" for path in found} == set(own)
    if not same or any(file_digest(home / path.removeprefix(f"{OWN}/")) != digest for path, digest in own.items()):
        raise InputError(f"the own folder {home} is not empty; restore into an empty one")
    return True


def _rows_are_there(kept: Kept, folder: Path) -> bool:
    """Whether a database holds the rows of the backup already; InputError where it holds others."""
    with _database(kept) as connection:
        there = any(connection.execute(select(table).limit(1)).first() for table in kept.tables.sorted_tables)
        if not there:
            return False
        for table in kept.tables.sorted_tables:
            rows = (list(row) for row in connection.execute(select(table).order_by(*table.primary_key)))
            if any(one != other for one, other in _both(_lines(kept, table, folder), rows)):
                raise InputError(
                    f"the database of {kept.name}, {public_address(kept.address)}, is not empty; give another"
                )
    return True


def _both(one: Iterator[Any], other: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """Both in step until both have ended; None where one is shorter."""
    while True:
        pair = next(one, None), next(other, None)
        if pair == (None, None):
            return
        yield pair


def _import(kept: Kept, folder: Path) -> None:
    """Every row of the backup, all or none."""
    with _database(kept) as connection, connection.begin():
        for table in kept.tables.sorted_tables:
            names = [column.name for column in table.columns]
            rows = (dict(zip(names, line, strict=True)) for line in _lines(kept, table, folder))
            while part := list(islice(rows, MANY)):
                connection.execute(insert(table), part)
            _go_on_counting(connection, table)


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Let the next row have the next number; SQLite sees to it by itself."""
    key = table.autoincrement_column
    if connection.dialect.name != "postgresql" or key is None:
        return
    last = connection.scalar(select(func.max(key)))
    if last is not None:
        asked = text("SELECT setval(pg_get_serial_sequence(:name, :key), :last)")
        connection.execute(asked, {"name": table.name, "key": key.name, "last": last})


def _lines(kept: Kept, table: Table, folder: Path) -> Iterator[Any]:
    """The rows of a table in the backup."""
    with open(folder / f"{kept.name}.{table.name}.jsonl", encoding="utf-8") as file:
        for line in file:
            yield parse_json(line, f"a line of {kept.name}.{table.name}.jsonl")


# -- both -------------------------------------------------------------------------------------------------------------


@contextmanager
def _database(kept: Kept, isolation: str = "") -> Iterator[Connection]:
    """A connection to a database with its tables; what it says is one line."""
    engine = open_database(kept.address, f"database of {kept.name}")
    try:
        kept.tables.create_all(engine.execution_options(writes=True))
        chosen = engine
        if isolation and engine.dialect.name == "postgresql":
            chosen = engine.execution_options(isolation_level=isolation)
        with chosen.execution_options(writes=not isolation).connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        said = without_secrets(str(getattr(error, "orig", None) or "it holds other tables"), kept.address)
        place = public_address(kept.address)
        raise InputError(f"the database of {kept.name}, {place}, cannot be used ({said}); check it") from None
    finally:
        engine.dispose()


def _files(folder: Path) -> Iterable[str]:
    """Every file below a folder, by its path in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _require_empty(target: Path) -> None:
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not empty; give a new folder for every backup")

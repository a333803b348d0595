"""What stores of one file share: a workplace that outlives a kill, digests taken meanwhile, and final names."""

import hashlib
import os
import queue
import shutil
import threading
from abc import abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError, digest_of
from core.store import (
    publish,
    read_json,
    refuse_existing,
    resumable_folder,
    write_json,
)
from core.stores.base import Applied, Change, Options, Store

STATE = "state.json"
CHECKPOINT = 64 << 20
"""Bytes between two points from which a killed run goes on."""
WAITING = 16
"""Blocks that may wait to be digested."""
PIECE = 1 << 20
"""Bytes that are read at a time for a digest."""


class Digest:
    """SHA-256 of a file that somebody else reads or writes from front to back meanwhile, by a thread of its own.

    Bytes that were at hand are not read again (`take`), the others are read from the file: up to a place (`upto`), and
    the rest at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._sha, self._at = path, hashlib.sha256(), 0
        self._waiting: queue.Queue[tuple[int, Any] | None] = queue.Queue(WAITING)
        self._error: OSError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (said := self._waiting.get()) is not None:
            self._read(said[0])
            self._sha.update(said[1])
            self._at += len(said[1])
        self._read(None)

    def _read(self, end: int | None) -> None:
        """Take what lies between here and a place of the file, or its end."""
        if end == self._at or self._error is not None:
            return
        try:
            with open(self._path, "rb") as file:
                file.seek(self._at)
                while block := file.read(PIECE if end is None else min(PIECE, end - self._at)):
                    self._sha.update(block)
                    self._at += len(block)
        except OSError as error:
            self._error = error

    def take(self, at: int, block: Any) -> None:
        """Bytes that lie at a place of the file; nobody changes them afterwards."""
        self._waiting.put((at, block))

    def upto(self, end: int) -> None:
        """The file holds what it will hold, up to this place."""
        self._waiting.put((end, b""))

    def close(self) -> None:
        """Nothing more is handed over: the rest of the file is read."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)

    def hex(self) -> str:
        """The digest of the whole file; OSError where it could not be read."""
        self.close()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._sha.hexdigest()


class FileRows:
    """Rows (n, d) of a file, read when they are asked for: a mapped file would count as memory that is held.

    Parameters
    ----------
    offset : byte of the file at which they begin.
    read : is handed what is read, with its place.
    """

    def __init__(
        self, path: Path, offset: int, dtype: np.dtype, shape: tuple[int, int], read: Digest | None = None
    ) -> None:
        self._path, self._offset, self._digest = path, offset, read
        self.dtype, self.shape = dtype, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice) -> np.ndarray:
        start, stop, _ = at.indices(len(self))
        n, width = max(stop - start, 0), self.shape[1]
        begin = self._offset + start * width * self.dtype.itemsize
        rows = np.fromfile(self._path, self.dtype, n * width, offset=begin)
        if len(rows) < n * width:
            raise InputError(f"{self._path} is cut: row {start + len(rows) // width + 1} is not there; copy it again")
        if self._digest is not None:
            self._digest.take(begin, rows.data.cast("B"))
        return rows.reshape(n, width)


class Kept:
    """What a workplace says of an earlier run: how far it came."""

    def __init__(self, folder: Path, key: str) -> None:
        self._path, self._key = folder / STATE, key
        self.rows, self.lost = 0, 0
        try:
            said = read_json(self._path)
        except InputError:
            said = {}
        if isinstance(said, dict) and said.get("key") == key:
            self.rows, self.lost = int(said.get("rows", 0)), int(said.get("lost", 0))

    def save(self, rows: int, lost: int) -> None:
        write_json(self._path, {"key": self._key, "rows": rows, "lost": lost})


class FileStore(Store):
    """A store that is one file: written beside its final name, digested, and renamed when it is whole."""

    def apply(self, source: str, target: str, change: Change, options: Options) -> Applied:
        path, out = Path(source), Path(target)
        require_file(path, self.title)
        same = out.exists() and path.exists() and os.path.samefile(path, out)
        if same and not options.in_place:
            raise InputError(f"{target} is the file that is read; choose another name, or say --in-place")
        refuse_existing(out, options.replace or options.in_place, ", or replace it with --replace")
        stat = path.stat()
        key = _key(path, change, options)
        with resumable_folder(out, options.replace or options.in_place) as folder:
            if not options.resume:
                emptied(folder)
            before = Digest(path)
            try:
                after, notes = self.edited(path, folder / out.name, change, options, Kept(folder, key), before)
            finally:
                before.close()
            found = before.hex()
            now = path.stat()
            if (now.st_size, now.st_mtime_ns) != (stat.st_size, stat.st_mtime_ns):
                raise InputError(f"{path} was changed while it was read; apply the edit again")
            publish(folder / out.name, out, options.replace or options.in_place)
        return Applied(found, after, change.rows, change.lost, tuple(change.lost_rows), notes=notes)

    def apply_once(self, source: Path, out: Path, records: Path, change: Change, options: Options) -> Applied:
        """`apply` to one shard of many; one that an earlier run of the same work finished is not made again.

        Many parameters: a shard, where it goes, and the folder that remembers what is done.
        """
        record, key = records / f"done-{out.name}.json", _key(source, change, options)
        if options.resume and out.is_file() and record.is_file():
            said = read_json(record)
            if said["key"] == key:
                change.kept(said["rows"], said["lost"])
                lost = tuple(said["lost_rows"])
                return Applied(
                    said["before"], said["after"], said["rows"], said["lost"], lost, notes=tuple(said["notes"])
                )
        made = self.apply(str(source), str(out), change, options)
        names = ("before", "after", "rows", "lost", "lost_rows", "notes")
        write_json(record, {"key": key, **{name: getattr(made, name) for name in names}})
        return made

    @abstractmethod
    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept, before: Digest
    ) -> tuple[str, tuple[str, ...]]:
        """Write the file at `partial`; its digest, and notes. What it cannot take up again it starts anew.

        Parameters
        ----------
        before : digest of the source: a store that reads it once from front to back hands over what it reads, others
            close it when they begin.
        """


def _key(path: Path, change: Change, options: Options) -> str:
    """Of what a run does: another one never takes up what it left."""
    stat = path.stat()
    return digest_of([change.digest, str(path.resolve()), stat.st_size, stat.st_mtime_ns, options.column])


def emptied(workplace: Path) -> None:
    """Leave nothing of an earlier run but the lock."""
    if workplace.is_dir():
        for path in workplace.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def require_file(path: Path, title: str) -> None:
    if not path.is_file():
        raise InputError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; expected a file: {title}")


def require_width(columns: int, change: Change, what: str) -> None:
    """InputError where the vectors have another width than the edit reads."""
    if columns != change.d:
        raise InputError(f"{what} has {columns} columns; the edit is for rows of {change.d}: take vectors of its model")


def write_rows(partial: Path, head: bytes, rows: Any, change: Change, kept: Kept, block: int, tail: bytes = b"") -> str:
    """A file of a head, edited rows (n, d) one behind the other and a tail; goes on where an earlier run was.

    Many parameters: the parts of such a file, and how far an earlier run came.
    """
    width = rows.shape[1] * rows.dtype.itemsize
    done = min(kept.rows, len(rows)) if partial.exists() and partial.stat().st_size >= len(head) else 0
    done = min(done, (partial.stat().st_size - len(head)) // width) if done else 0
    change.total = len(rows)
    saving: Future[None] | None = None
    with open(partial, "r+b" if done else "wb", buffering=0) as file, ThreadPoolExecutor(1) as saver:
        if done:
            file.truncate(len(head) + done * width)
            file.seek(0, os.SEEK_END)
            change.kept(done, kept.lost)
        after = Digest(partial)
        try:
            at = file.tell() if done else _write(file, 0, head, after)
            unsaved = 0
            for start in range(done, len(rows), block):
                edited = change(rows[start : start + block])
                at = _write(file, at, edited.astype(rows.dtype, copy=False).data.cast("B"), after)
                unsaved += edited.nbytes
                if unsaved >= CHECKPOINT:
                    if saving is not None:
                        saving.result()
                    saving = saver.submit(_save, file.fileno(), kept, start + len(edited), change.lost)
                    unsaved = 0
            _write(file, at, tail, after)
            if saving is not None:
                saving.result()
        finally:
            after.close()
        return after.hex()


def _write(file: RawIOBase, at: int, block: Any, digest: Digest) -> int:
    """Write a block whole and have it digested; the place behind it."""
    left = memoryview(block)
    while len(left):
        left = left[file.write(left) or 0 :]
    digest.take(at, block)
    return at + len(block)


def _save(file: int, kept: Kept, rows: int, lost: int) -> None:
    """Say how far a run came once the disk holds it; meanwhile the next rows are edited."""
    os.fsync(file)
    kept.save(rows, lost)

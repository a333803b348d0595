"""Files that are either whole or not there: digests, atomic folders, many small blobs in one file."""

import errno
import glob
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.config import InputError
from core.reading import BROKEN_ARRAY as BROKEN_ARRAY
from core.reading import broken_array as broken_array
from core.reading import map_array
from core.reading import parse_json as parse_json
from core.reading import read_array as read_array
from core.reading import read_arrays as read_arrays
from core.reading import read_json as read_json
from core.reading import read_named_arrays as read_named_arrays

try:
    import fcntl
except ImportError:  # Windows has no flock; two builds of one folder at once are then not told apart
    fcntl = None  # type: ignore[assignment]

BLOCK = 1 << 20
"""Bytes read at a time when a file is digested: large enough for the disk, small enough for any memory."""


SWAPS = 20
"""How often a replacement gives way to other writers of the same folder before it gives up."""


def file_digest(path: Path, read: Callable[[int], None] | None = None) -> str:
    """SHA-256 (hex) of a file's bytes, read as a stream; `read` is told how many bytes every further block has."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            sha.update(block)
            if read is not None:
                read(len(block))
    return sha.hexdigest()


def array_digest(a: np.ndarray) -> str:
    """SHA-256 (hex) of an array: its dtype, its shape and its values in C order.

    Arrays that compare equal but differ in dtype or shape have different digests; memory layout plays no part.
    """
    sha = hashlib.sha256(f"{a.dtype.str}{a.shape}".encode())
    sha.update(np.ascontiguousarray(a).data.cast("B") if a.size else b"")
    return sha.hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all; NaN and infinity are refused (ValueError)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """`value` as JSON types: numpy numbers and arrays become Python's, NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_arrays(file: IO[bytes], arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write named arrays as .npz; no name may be `file` or `allow_pickle`, which are numpy's own."""
    named: dict[str, Any] = dict(arrays)  # for the checker, which would take any of them for `allow_pickle`
    (np.savez_compressed if compressed else np.savez)(file, **named)


# --- whole or not there -----------------------------------------------------------------------------------------


def refuse_existing(target: Path, replace: bool = False, way: str = "") -> None:
    """InputError where `target` is there and must not be replaced.

    Parameters
    ----------
    way : how it could be replaced, in words that follow "choose another name".
    """
    if not replace and os.path.lexists(target):
        raise InputError(f"{target} exists already; choose another name{way}")


class Busy(InputError):
    """Another job is making the same folder at this moment."""


class DiskFull(InputError):
    """There is no room for what is written. What was there before is as it was."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_WORDS = (
    "no space left on device",
    "os error 28",
    "quota exceeded",
    "file too large",
    "os error 27",
    "requested and",
)
"""What libraries say that hand no error number on; numpy's is "57600 requested and 17376 written"."""


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk, a quota or a file's largest size is reached."""
    if isinstance(error, DiskFull):
        return False
    known = isinstance(error, OSError) and error.errno in FULL
    return known or any(words in str(error).lower() for words in FULL_WORDS)


def disk_full(target: Path, needed: int | None = None) -> DiskFull:
    """The error of a full disk in one line with the path, what was needed where that is known, and what is free."""
    place = next((p for p in (target, *target.parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    wants = "" if needed is None else f"it needs {needed:,} bytes, "
    return DiskFull(
        f"{target} cannot be written: the disk is full or a limit is reached ({wants}{free:,} bytes are free); "
        "free some space or choose another folder"
    )


def said_full(error: BaseException) -> str:
    """An error of `is_full` in one line, with the path where it names one."""
    path = getattr(error, "filename", None)
    if path:
        return str(disk_full(Path(path)))
    return "nothing more can be written: a disk is full or a limit is reached; free some space and try again"


def require_space(target: Path, needed: int) -> None:
    """DiskFull, before anything is written, where the disk of `target` has not this much room."""
    place = next(p for p in (Path(os.path.abspath(target)), *Path(os.path.abspath(target)).parents) if p.exists())
    if shutil.disk_usage(place).free < needed:
        raise disk_full(Path(target), needed)


@contextmanager
def room_for(target: Path) -> Iterator[None]:
    """Turn whatever is raised where no room is left into `disk_full`."""
    try:
        yield
    except Exception as error:
        if is_full(error):
            raise disk_full(target) from None
        raise


def reserved_array(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """A new .npy file as a writable memory map, every byte of which the disk has given already.

    A map on space that is not reserved ends the process (SIGBUS) where the disk is full; here that is a DiskFull.
    """
    size = math.prod(shape) * dtype.itemsize
    with open(path, "wb") as file:
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        try:
            np.lib.format.write_array_header_1_0(file, described)
            file.flush()
            start = file.tell()
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), start, size)
            else:
                file.writelines(bytes(min(BLOCK, size - done)) for done in range(0, size, BLOCK))
        except OSError as error:
            if is_full(error):
                raise disk_full(path, size) from None
            raise
    return np.memmap(path, dtype, "r+", start, shape) if size else np.empty(shape, dtype)


def write_blocks(path: Path, blocks: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Write a new .npy file from blocks of its rows, one behind the other, holding one of them in memory."""
    with open(path, "wb") as file:
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        require_space(path, math.prod(shape) * dtype.itemsize)
        np.lib.format.write_array_header_1_0(file, described)
        rows = 0
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)
            rows += len(block)
    assert rows == shape[0], f"{rows} rows were written to {path.name}, {shape[0]} were announced"


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.parent} cannot be made ({error.strerror}); choose another folder") from None


def _sync(path: Path) -> None:
    """Have the disk hold what was written, so that a rename never outruns its contents."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot sync folders
            os.fsync(handle)
    finally:
        os.close(handle)


def partial_folder(target: Path) -> Path:
    """The folder beside `target` in which it grows, made or found again: `.{name}.partial`.

    What an interrupted run left in it is there for the next run to go on from.
    """
    target = Path(os.path.abspath(target))
    _make_parent(target)
    partial = target.parent / f".{target.name}.partial"
    try:
        partial.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}); choose another folder") from None
    return partial


def publish(partial: Path, target: Path, replace: bool = False, sync: bool = True) -> None:
    """Give a finished folder or file its final name in one step.

    Everything is synced to disk before the rename, unless it can be made again and `sync` is off. With `replace` an
    older `target` is moved aside, and moved back where the rename fails; without it an existing target is an
    InputError.
    """
    partial, target = Path(partial), Path(os.path.abspath(target))
    refuse_existing(target, replace)
    if sync:
        for path in [*partial.rglob("*"), partial]:
            _sync(path)
    if partial.is_dir() and replace:
        _swap(partial, target)
    else:
        os.replace(partial, target)
    if sync:
        _sync(target.parent)


def _swap(partial: Path, target: Path) -> None:
    """Move what is at `target` aside and `partial` there; bring the old one back where that fails."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        for attempt in range(SWAPS):
            old = aside / str(attempt)
            with suppress(FileNotFoundError):
                os.rename(target, old)
            try:
                return os.rename(partial, target)
            except OSError as error:
                taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
                if taken and attempt < SWAPS - 1:
                    continue  # another writer published between the two renames; ours is the later one
                if old.exists() and not taken:
                    os.rename(old, target)
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def atomic_folder(target: Path, replace: bool = False) -> Iterator[Path]:
    """A new folder to write into that becomes `target` when the block ends, and vanishes where the block fails.

    Its temporary name is its own, so that two writers of one target never mix; the later one wins with `replace`.
    """
    target = Path(os.path.abspath(target))
    refuse_existing(target, replace)
    _make_parent(target)
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}); choose another folder") from None
    try:
        partial.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner may read
        with room_for(target):
            yield partial
            publish(partial, target, replace)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def atomic_file(target: Path, sync: bool = True) -> Iterator[Path]:
    """A new path to write to that replaces `target` when the block ends, and vanishes where the block fails."""
    target = Path(os.path.abspath(target))
    _make_parent(target)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}); choose another folder") from None
    os.close(handle)
    partial = Path(name)
    try:
        partial.chmod(0o666 & ~_umask())
        with room_for(target):
            yield partial
            publish(partial, target, replace=True, sync=sync)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def resumable_folder(target: Path, replace: bool = False) -> Iterator[Path]:
    """The workplace of a long job that ends in `target`: kept where the job is interrupted, removed when it is done.

    The job publishes its result itself. Bad input (InputError) also removes the workplace, as there is nothing to go
    on from; a full disk and any other interruption keep it. One job at a time: a second one for the same target is an
    InputError.
    """
    target = Path(os.path.abspath(target))
    refuse_existing(target, replace)
    partial = partial_folder(target)
    with locked(partial, target):
        _sweep(target)
        try:
            with room_for(target):
                yield partial
        except DiskFull:
            raise
        except InputError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Remove folders that killed jobs left half-written beside a target whose lock is held."""
    own = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}\.partial")
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        if own.fullmatch(path.name) and path.is_dir() and not (path / "lock").exists():
            shutil.rmtree(path, ignore_errors=True)


def forget_workplace(target: Path) -> None:
    """Remove what an interrupted `resumable_folder` left of a target that is finished, unless a job holds it."""
    target = Path(os.path.abspath(target))
    partial = target.parent / f".{target.name}.partial"
    if partial.is_dir():
        with suppress(InputError), locked(partial, target):
            _sweep(target)
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def locked(partial: Path, target: Path) -> Iterator[None]:
    """Hold the workplace of `target` alone; InputError where another job holds it. Freed also by a killed process."""
    busy = Busy(f"{target} is being made by another job; wait for it or choose another name")
    path = partial / "lock"
    with ExitStack() as opened:
        try:
            lock = opened.enter_context(open(path, "w"))
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # a job that just ended may have removed the folder with the file that was locked
                held = os.path.samestat(os.fstat(lock.fileno()), path.stat())
            else:
                held = True
        except OSError:
            held = False
        if not held:
            raise busy
        yield


def _umask() -> int:
    """The process's file mode mask, read from /proc where possible: setting it to read it would race with threads."""
    with suppress(OSError, StopIteration, ValueError):
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("Umask:")).split()[1], 8)
    return 0o022


# --- many small blobs in one file -------------------------------------------------------------------------------


@dataclass(frozen=True)
class PackedBlobs:
    """Byte strings packed one behind the other: `{stem}.bin`, with offsets (n + 1 int64) in `{stem}_offsets.npy`.

    Blob i is bytes offsets[i] to offsets[i + 1]; an empty one stands for "missing". Both files are memory-mapped:
    opening reads next to nothing, and reading is safe from any number of threads.
    """

    data: np.ndarray
    offsets: np.ndarray

    @staticmethod
    def write(folder: Path, stem: str, blobs: Iterable[bytes]) -> None:
        """Write the blobs as they come; memory holds one blob and the offsets."""
        ends = [0]
        with open(Path(folder) / f"{stem}.bin", "wb") as file:
            for blob in blobs:
                file.write(blob)
                ends.append(ends[-1] + len(blob))
        np.save(Path(folder) / f"{stem}_offsets.npy", np.asarray(ends, dtype=np.int64))

    @classmethod
    def open(cls, folder: Path, stem: str) -> "PackedBlobs":
        """Open what `write` wrote; InputError where the two files do not belong together."""
        binary, table = Path(folder) / f"{stem}.bin", Path(folder) / f"{stem}_offsets.npy"
        offsets = map_array(table, "the places of packed pictures; remake the folder", (None,))
        try:
            size = binary.stat().st_size
        except OSError as error:
            raise InputError(f"{binary} cannot be read ({error.strerror}); remake the folder") from None
        if offsets.dtype != np.int64 or not len(offsets) or int(offsets[-1]) != size:
            raise InputError(f"{binary} has {size} bytes, which is not what {table.name} says; remake the folder")
        data = np.memmap(binary, dtype=np.uint8, mode="r") if size else np.empty(0, np.uint8)
        return cls(np.asarray(data), np.asarray(offsets))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> bytes:
        if not 0 <= i < len(self):
            raise IndexError(f"blob {i} of {len(self)}")
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        return (self[i] for i in range(len(self)))

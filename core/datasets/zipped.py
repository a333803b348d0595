"""A folder of pictures in a zip archive, unpacked so that nothing in it can do harm.

Names are checked before anything is written, sizes are counted while it is, and what an archive says of itself is not
believed. Links, absolute and upward paths, names twice, encrypted and unknown kinds of entries, and archives that
unpack to more than they may are refused whole; files that are neither pictures nor tables are left out by name.
"""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from core.config import InputError
from core.datasets.images import SUFFIXES
from core.tables import READABLE, LeftOut

LARGEST_ZIP = 500 << 20
LARGEST = 2 << 30
"""Bytes of all files together once unpacked."""
LARGEST_FILE = 64 << 20
MOST_ENTRIES = 50_000
DEEPEST, LONGEST = 8, 240
"""Folders above a file, and characters of its path."""
BLOCK = 1 << 20
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
    *(EOFError, ValueError, OverflowError, UnicodeError),
)
"""What reading an archive that is none may raise."""
HIDDEN = ("__MACOSX",)


def unpack_pictures(archive: IO[bytes], size: int, folder: Path) -> tuple[LeftOut, ...]:
    """Write pictures and tables of an archive into an empty folder; what was left out, with reasons.

    Parameters
    ----------
    archive : the open file; it is read piece by piece.
    size : its bytes.
    folder : exists and is empty.

    Raises
    ------
    InputError : it is no zip archive, holds no picture, is too large in any way, or would write anything elsewhere or
        twice. The folder may then hold part of it and is to be removed.
    """
    if size > LARGEST_ZIP:
        raise InputError(f"the archive has {size:,} bytes; at most {LARGEST_ZIP:,} are taken: give the folder's path")
    try:
        with zipfile.ZipFile(archive) as opened:
            return _unpacked(opened, folder)
    except InputError:
        raise
    except BROKEN as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"the archive cannot be read ({said[:120]}); give a zip file of a folder of pictures"
        ) from None


def _unpacked(archive: zipfile.ZipFile, folder: Path) -> tuple[LeftOut, ...]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise InputError(f"the archive has {len(entries):,} entries; at most {MOST_ENTRIES:,} are taken")
    taken, left_out = _sorted(entries)
    if not any(path.suffix.lower() in SUFFIXES for path in taken):
        raise InputError("the archive holds no picture; give a zip file of a folder of pictures")
    said = sum(entry.file_size for entry in taken.values())
    if said > LARGEST:
        raise InputError(f"the archive was refused: it unpacks to {said:,} bytes; at most {LARGEST:,} are taken")
    for path, entry in taken.items():
        target = folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(archive, entry, target)
    return tuple(left_out)


def _sorted(entries: list[zipfile.ZipInfo]) -> tuple[dict[PurePosixPath, zipfile.ZipInfo], list[LeftOut]]:
    """The files to take by their paths, and those that are left out."""
    taken: dict[PurePosixPath, zipfile.ZipInfo] = {}
    left_out, seen = [], set()
    for entry in entries:
        path = _path(entry)
        if entry.is_dir():
            continue
        # as a disk that does not tell capital letters apart would see it
        if path.as_posix().casefold() in seen:
            raise InputError(f"the archive was refused: {_said(entry.filename)} stands there twice")
        seen.add(path.as_posix().casefold())
        if path.parts[0] in HIDDEN or path.name.startswith("."):
            left_out.append(LeftOut(path.as_posix(), "hidden file"))
        elif path.suffix.lower() not in SUFFIXES and path.suffix.lower() not in READABLE:
            left_out.append(LeftOut(path.as_posix(), "neither a picture nor a table"))
        else:
            taken[path] = entry
    for path in taken:
        if any(parent in taken for parent in path.parents):
            raise InputError(f"the archive was refused: {_said(path.as_posix())} lies in a file")
    return taken, left_out


def _path(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The place that an entry says, where it is one below the folder."""
    name, mode = entry.filename, entry.external_attr >> 16
    path = PurePosixPath(name)
    wrong = None
    if not name.isprintable() or "\\" in name or ":" in name or name.startswith("/") or ".." in path.parts:
        wrong = "leads outside the archive"
    elif not path.parts or len(path.parts) > DEEPEST or len(name) > LONGEST:
        wrong = "lies too deep"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        wrong = "is a link or no regular file"
    elif entry.flag_bits & 0x1:
        wrong = "is encrypted"
    elif entry.compress_type not in KINDS:
        wrong = "is packed in a way that is not read here"
    elif entry.file_size > LARGEST_FILE:
        wrong = f"is larger than {LARGEST_FILE:,} bytes"
    if wrong is not None:
        raise InputError(f"the archive was refused: {_said(name)} {wrong}")
    return path


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write an entry, at most as many bytes as it says: it is not believed, and what all of them say together is
    bounded. An existing file is never written over.
    """
    size = 0
    with archive.open(entry) as source, target.open("xb") as file:
        while block := source.read(BLOCK):
            size += len(block)
            if size > entry.file_size:
                raise InputError(f"the archive was refused: {_said(entry.filename)} is larger than it says")
            file.write(block)


def _said(name: str) -> str:
    """A name in a message: printable, and short."""
    return repr(name[:60])

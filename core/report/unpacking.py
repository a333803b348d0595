"""Somebody else's report in a zip archive, taken out so that nothing in it can do harm.

Only the files of a report are taken, at most one folder deep, into memory and never to a name that the archive says.
Links, absolute and upward paths, names twice, encrypted and unknown kinds of entries, and archives that unpack to more
than they may are refused whole.
"""

import io
import stat
import zipfile
import zlib
from pathlib import PurePosixPath

from core.config import InputError
from core.report.folder import FILES, MANIFEST
from core.report.signing import SIGNATURE

LARGEST_ZIP = 200 << 20
LARGEST = 400 << 20
"""Bytes of all files together once unpacked; the evidence of a large audit has some ten million."""
MOST_ENTRIES = 40
BLOCK = 1 << 20
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)
"""What reading an archive that is none may raise."""
REQUIRED = (*FILES, MANIFEST)
TAKEN = (*REQUIRED, SIGNATURE)


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of the report in a zip archive by their names; InputError in one line where it is none, or unsafe."""
    if len(data) > LARGEST_ZIP:
        raise InputError(f"the archive has {len(data):,} bytes; at most {LARGEST_ZIP:,} are taken")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _files(archive)
    except InputError:
        raise
    except BROKEN as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the archive cannot be read ({said}); give the zip file that the Report page makes") from None


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise InputError(f"the archive has {len(entries):,} entries; a report has {len(TAKEN)}")
    named: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for entry in entries:
        path = _path(entry)
        if entry.is_dir():
            continue
        if path.name in named or path.name not in TAKEN:
            why = "stands there twice" if path.name in named else "is no file of a report"
            raise InputError(f"the archive was refused: {_said(entry.filename)} {why}")
        named[path.name] = entry
        folders.add(path.parent)
    if len(folders) > 1:
        raise InputError("the archive was refused: the files of the report lie in different folders")
    missing = [name for name in REQUIRED if name not in named]
    if missing:
        raise InputError(f"the archive holds no whole report: it lacks {', '.join(missing)}")
    if sum(entry.file_size for entry in named.values()) > LARGEST:
        raise InputError(f"the archive was refused: it unpacks to more than {LARGEST:,} bytes")
    return {name: _read(archive, entry) for name, entry in named.items()}


def _path(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The place that an entry says, where it is one that a report may have."""
    name, mode = entry.filename, entry.external_attr >> 16
    path = PurePosixPath(name)
    wrong = None
    if not name or "\\" in name or "\x00" in name or name.startswith("/") or ".." in path.parts or ":" in name:
        wrong = "leads outside the archive"
    elif len(path.parts) > 2:
        wrong = "lies too deep"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        wrong = "is a link or no regular file"
    elif entry.flag_bits & 0x1:
        wrong = "is encrypted"
    elif entry.compress_type not in KINDS:
        wrong = "is packed in a way that is not read here"
    if wrong is not None:
        raise InputError(f"the archive was refused: {_said(name)} {wrong}")
    return path


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, at most as many as it says: it is not believed, and what all of them say is bounded."""
    parts, size = [], 0
    with archive.open(entry) as file:
        while block := file.read(BLOCK):
            size += len(block)
            if size > entry.file_size:
                raise InputError(f"the archive was refused: {_said(entry.filename)} is larger than it says")
            parts.append(block)
    return b"".join(parts)


def _said(name: str) -> str:
    """A name in a message: printable, and short."""
    return repr(name[:60])

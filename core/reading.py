"""The one reader of JSON and the one reader of NumPy's files: what other people's bytes may say, and what not."""

import ast
import json
import math
import os
import re
import struct
import tokenize
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from core.config import InputError

JSON_BYTES = 256 << 20
"""Largest JSON file that is read: Python's objects take some ten times as much memory as their text."""
DEPTH = 64
"""Deepest nesting; documents of this app have less than 16 levels."""
LARGEST = 1 << 63
"""Whole numbers lie below it on either side: larger ones fit no array."""
ARCHIVE_BYTES = 64 << 30
"""Most that the members of one archive say that they hold, unpacked."""
RATIO = 200
"""Most that a member may grow when it is unpacked, beyond SMALL bytes; numbers of any use grow by less than 100."""
SMALL = 64 << 20

# Of headers that other programs wrote: a second line beside a message.
warnings.filterwarnings("ignore", "Reading `.npy` or `.npz` file required additional header parsing", UserWarning)

_STRANGE = re.compile(r"\\u(?:d[89a-f]|0000)", re.IGNORECASE)


class _Wrong(ValueError):
    """What is wrong with a file, in words for people."""


# --- JSON -------------------------------------------------------------------------------------------------------


def parse_json(text: str | bytes, name: str, todo: str = "correct or remake the file") -> Any:
    """What a JSON text holds.

    Refused beside what is not well formed: a key twice, NaN and infinity (a number too large for a float is one),
    whole numbers beyond 2^63, more than DEPTH levels, half a surrogate pair, the character 0, and text that is not
    UTF-8.

    Parameters
    ----------
    name : what a message calls it.
    todo : the message's last words.

    Raises
    ------
    InputError : one line with the name and what is wrong.
    """
    try:
        if len(text) > JSON_BYTES:
            raise _Wrong(f"it has {len(text):,} bytes, more than {JSON_BYTES:,}")
        plain = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(
            plain, object_pairs_hook=_once, parse_int=_whole, parse_float=_finite, parse_constant=_no_number
        )
        _look_through(value, bool(_STRANGE.search(plain)) or "\x00" in plain)
        return value
    except UnicodeDecodeError:
        why = "it is not UTF-8 text"
    except json.JSONDecodeError as error:
        why = f"it is not well formed at line {error.lineno}, column {error.colno}"
    except RecursionError:
        why = f"it is nested too deeply, more than {DEPTH} levels"
    except _Wrong as error:
        why = str(error)
    raise InputError(f"{name} is no JSON: {why}; {todo}")


def read_json(path: Path) -> Any:
    """What a JSON file holds; InputError naming the file where it is missing or `parse_json` refuses it."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file; give a readable JSON file")
        with open(path, "rb") as file:
            return parse_json(file.read(JSON_BYTES + 1), str(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a JSON file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a readable JSON file") from None


def through_json(value: Any) -> Any:
    """What a reader finds where `value` was written: tuples are lists, keys are texts; ValueError for NaN."""
    return parse_json(json.dumps(value, allow_nan=False), "what was written")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Wrong(f"it holds the key {twice[:60]!r} twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST <= int(digits) < LARGEST:
        raise _Wrong(f"it holds the number {digits[:12]}... of {len(digits)} digits, which is too large")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _no_number(digits)
    return value


def _no_number(said: str) -> Any:
    raise _Wrong(f"it holds {said[:20]}, which is no finite number")


def _look_through(value: Any, texts: bool) -> None:
    """Refuse what is nested too deeply and, where `texts` is set, texts that no file or page can hold."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH and any(isinstance(one, dict | list) for one in level):
            raise RecursionError
        below = []
        for one in level:
            if isinstance(one, dict):
                below += [item for item in one.values() if texts or isinstance(item, dict | list)]
                below += one if texts else ()
            elif isinstance(one, list):
                below += one if texts else [item for item in one if isinstance(item, dict | list)]
            elif isinstance(one, str):
                _writable(one)
        level = below


def _writable(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _Wrong("it holds half of a surrogate pair, which is no character") from None
    if "\x00" in text:
        raise _Wrong("it holds a text with the character 0")


# --- memory ---------------------------------------------------------------------------------------------------------

MEMORY_SHARE = 0.8
"""Part of the machine's memory that one work may ask for."""


def require_memory(needed: int, what: str) -> None:
    """InputError where a work would take more than MEMORY_SHARE of the machine's memory, with the estimate."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not say
        return
    if needed > MEMORY_SHARE * whole:
        raise InputError(
            f"{what} takes about {needed / 1e9:,.1f} GB of memory, more than {MEMORY_SHARE:.0%} of this machine's "
            f"{whole / 1e9:,.1f} GB; choose a smaller size or a larger machine"
        )


def require_memory_for(files: Iterable[Path], times: float, what: str) -> None:
    """`require_memory` for a work that takes so many times what its files hold."""
    require_memory(int(times * sum(path.stat().st_size for path in files if path.is_file())), what)


def weights_in(folder: Path) -> list[Path]:
    """Files of a model's folder that hold its weights; of two forms of one model the one that is read."""
    found = [sorted(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin", "*.pt", "*.pth")]
    return next((files for files in found if files), [])


# --- arrays -----------------------------------------------------------------------------------------------------

BROKEN_ARRAY = (
    *(OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, SyntaxError, MemoryError),
    *(OverflowError, NotImplementedError, RecursionError, RuntimeError, BadZipFile, zlib.error, struct.error),
    tokenize.TokenError,
)
"""What numpy raises for a file that is no array, or a damaged one."""
NO_ARRAY = "it is no NumPy file, whatever its name says"
NUMBERS = "fiub"
"""Kinds of dtype that are real numbers."""


def broken_array(path: Path, error: Exception) -> str:
    """Why numpy cannot read a file, in words; its own advice is to load what could run code."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    try:
        with open(path, "rb") as file:
            start = file.read(6)
    except OSError as other:
        return other.strerror or "it cannot be opened"
    if not start:
        return "it is empty"
    if "llow_pickle" in str(error):
        return "it holds Python objects, not numbers" if start[:1] == b"\x93" or start[:2] == b"PK" else NO_ARRAY
    if start == b"\x93NUMPY":
        return "it is damaged or cut"
    return "it is damaged, or an archive of something else" if start[:2] == b"PK" else NO_ARRAY


def read_array(path: Path, expected: str) -> np.ndarray:
    """The one array of numbers in an .npy file; InputError naming the file where it holds something else."""
    with one_line(path, expected):
        check_arrays(path)
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            raise _Wrong(f"it holds the arrays {', '.join(loaded.files)}, not one alone")
        if loaded.dtype.kind not in NUMBERS:
            raise _Wrong(f"it holds {loaded.dtype}, not real numbers")
        return loaded


def map_array(path: Path, expected: str, shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """The array of an .npy file, memory-mapped, read-only; InputError naming the file where it is something else.

    Parameters
    ----------
    shape : what its shape has to be; None in it stands for any number.
    """
    with one_line(path, expected):
        check_arrays(path)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            raise _Wrong("it is an archive of arrays, not one alone")
        if shape is not None and (
            len(shape) != loaded.ndim
            or any(want is not None and want != has for want, has in zip(shape, loaded.shape, strict=True))
        ):
            raise _Wrong(f"its shape is {loaded.shape}")
        return loaded


def read_arrays(path: Path, names: Sequence[str], expected: str) -> list[np.ndarray]:
    """Some of the arrays of an .npz file; InputError naming the file where one is missing or damaged."""
    with one_line(path, expected):
        check_arrays(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise _Wrong("it holds one array without a name")
        with loaded:
            if lacking := [name for name in names if name not in loaded.files]:
                raise _Wrong(f"it lacks the array {lacking[0]!r}; it holds {', '.join(loaded.files) or 'nothing'}")
            return [loaded[name] for name in names]


def read_named_arrays(path: Path, expected: str = "an .npz file of named arrays") -> dict[str, np.ndarray]:
    """Every array of an .npz file; InputError naming the file where it is something else."""
    with one_line(path, expected):
        check_arrays(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise _Wrong("it holds one array without a name")
        with loaded:
            return {name: loaded[name] for name in loaded.files}


def map_or_members(path: Path, expected: str) -> np.ndarray | Mapping[str, Callable[[], np.ndarray]]:
    """The array of an .npy file, memory-mapped, or each array of an .npz by its name, read when it is called for."""
    with one_line(path, expected):
        check_arrays(path)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: partial(_member, path, name, expected) for name in loaded.files}


def _member(path: Path, name: str, expected: str) -> np.ndarray:
    with one_line(path, f"{expected}; the array {name!r} is meant"), np.load(path, allow_pickle=False) as stored:
        return stored[name]


def check_arrays(path: Path) -> None:
    """ValueError with words for a NumPy file that says more than it holds, before any memory is given to it.

    An archive holds each name once, unencrypted, and grows by no more than numbers do; what is no regular file, as a
    pipe that nobody writes to, is not waited for.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise _Wrong("it is no regular file")
    with open(path, "rb") as file:
        start = file.read(6)
        file.seek(0)
        if start == b"\x93NUMPY":
            _check_array(file, path.stat().st_size)
        elif start[:2] == b"PK":
            _check_archive(file)


def _check_archive(file: IO[bytes]) -> None:
    with ZipFile(file) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise _Wrong(f"it holds {twice[:60]!r} twice")
        if any(member.flag_bits & 1 for member in members):
            raise _Wrong("it is encrypted")
        if sum(member.file_size for member in members) > ARCHIVE_BYTES:
            raise _Wrong(f"it says that it holds more than {ARCHIVE_BYTES >> 30} GB")
        for member in members:
            if member.file_size > max(SMALL, RATIO * member.compress_size):
                raise _Wrong(f"{member.filename[:60]!r} grows to {member.file_size:,} bytes, which no numbers do")
            with archive.open(member) as inside:
                if inside.read(6) != b"\x93NUMPY":
                    raise _Wrong(f"{member.filename[:60]!r} in it is no array")
            with archive.open(member) as inside:
                _check_array(inside, member.file_size)


def _check_array(file: IO[bytes], size: int) -> None:
    """ValueError where the header of an array says another number of bytes than there are."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise _Wrong(f"its version {version[0]}.{version[1]} is not known")
    length = struct.unpack("<H" if version == (1, 0) else "<I", file.read(2 if version == (1, 0) else 4))[0]
    if length > 65_535:
        raise _Wrong(f"its header says that it has {length:,} bytes")
    shape, dtype = _described(file.read(length).decode("latin1"))
    if dtype.hasobject:
        raise ValueError("allow_pickle is off")  # said by `broken_array`
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in shape):
        raise _Wrong(f"its header says the shape {str(shape)[:60]}")
    start = 8 + (2 if version == (1, 0) else 4) + length
    if math.prod(shape) * dtype.itemsize > size - start:
        raise _Wrong(f"its header says the shape {str(shape)[:60]}, and it holds {max(size - start, 0):,} bytes")


def _described(header: str) -> tuple[tuple[Any, ...], np.dtype]:
    said = ast.literal_eval(header.strip())
    if not isinstance(said, dict) or set(said) != {"descr", "fortran_order", "shape"}:
        raise ValueError("no header")
    if not isinstance(said["shape"], tuple):
        raise ValueError("no shape")
    return said["shape"], np.lib.format.descr_to_dtype(said["descr"])


@contextmanager
def one_line(path: Path, expected: str) -> Iterator[None]:
    """Turn what numpy says about a broken file into one line for people."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected {expected}") from None
    except BROKEN_ARRAY as error:
        reason = str(error) if isinstance(error, _Wrong) else broken_array(Path(path), error)
        raise InputError(f"{path} cannot be read ({reason}); expected {expected}") from None

"""PyTorch files, tensors only: whatever else a pickle names is neither imported nor called."""

import io
import pickle
import threading
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.config import InputError

NUMBERS = ("f2", "f4", "f8", "i4", "i8")
_LOCK = threading.Lock()
PACKED = 4
"""Most that a file may grow by being unpacked: torch.save does not compress, and weights hardly can be."""


class StandIn:
    """What is left of an object of an unknown class: nothing. Calling it is what a hostile file would do."""

    def __init__(self, *args: Any) -> None:
        raise pickle.UnpicklingError(f"the file calls {type(self).__name__}")

    def __setstate__(self, state: Any) -> None:
        pass


class _DType(StandIn):
    """A numpy dtype's code."""

    def __init__(self, code: str, *rest: Any) -> None:
        self.code = code


class _Scalar(StandIn):
    """A numpy number."""

    def __init__(self, dtype: Any, raw: Any) -> None:
        if not isinstance(dtype, _DType) or dtype.code not in NUMBERS or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("the file holds a numpy object that is no number")
        self.value = float(np.frombuffer(raw, np.dtype(dtype.code).newbyteorder("<"))[0])


KNOWN = {
    "numpy.dtype": _DType,
    "numpy.core.multiarray.scalar": _Scalar,
    "numpy._core.multiarray.scalar": _Scalar,
}


def is_torch_file(path: Path) -> bool:
    """True for what torch.save writes, new (zip with data.pkl) or old (a pickle)."""
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK":
        return _is_torch_zip(path)
    return start[:1] == b"\x80" and len(start) == 2 and start[1] <= 5


def read_torch(path: Path) -> Any:
    """What the file holds: tensors, numbers and containers, and StandIns for everything else.

    InputError naming the file where opening it in full would call something, or where it is damaged.
    """
    if _unpacked_bytes(path) > PACKED * max(path.stat().st_size, 1 << 16):
        raise InputError(f"{path} would unpack to far more than its size and is refused; ask for an uncompressed file")
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if _is_torch_zip(path) else []
        stand_ins: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
            (KNOWN.get(name) or type(name, (StandIn,), {}), name) for name in names
        ]
        with _LOCK, torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickle protocols: they load, or are refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds Python objects besides tensors and is refused, since opening it could run code; "
            f"ask its author for a file with tensors only"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"{path} cannot be read as a PyTorch file; copy it again") from error


def number(value: Any, what: str, path: Path) -> float:
    """A number out of a file as float; InputError naming the file where it is none or not finite."""
    value = value.value if isinstance(value, _Scalar) else value
    try:
        found = float(value)
    except (TypeError, ValueError, RuntimeError):
        found = float("nan")
    if not np.isfinite(found):
        raise InputError(f"{path}: {what} is no finite number; the file is damaged")
    return found


def to_bytes(content: Any) -> bytes:
    """`content` as torch.save writes it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _unpacked_bytes(path: Path) -> int:
    """Bytes of all parts of a zip file once unpacked, as it says; 0 for what is no zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return 0


def _is_torch_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False

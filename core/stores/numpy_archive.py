"""Named NumPy arrays in one archive, .npz."""

import zipfile
from pathlib import Path

import numpy as np

from core.config import InputError
from core.reading import read_named_arrays
from core.store import file_digest
from core.stores.base import STORES, Change, Options, Snapshot
from core.stores.files import Digest, FileStore, Kept, require_width
from core.stores.numpy_array import header


@STORES.register("npz")
class NumpyArchive(FileStore):
    """One member is edited, the others are copied byte by byte; an archive that was packed is packed again.

    Its members are read whole: memory holds the largest of them.
    """

    title = "an archive of NumPy arrays"
    endings = (".npz",)
    example = "vectors.npz"

    def edited(
        self, source: Path, partial: Path, change: Change, options: Options, kept: Kept, before: Digest
    ) -> tuple[str, tuple[str, ...]]:
        before.close()
        arrays = read_named_arrays(source, "an archive of arrays, .npz")
        name = chosen_array(source, arrays, options.column)
        rows = arrays[name]
        require_width(rows.shape[1], change, f"{source}: {name}")
        change.total = len(rows)
        edited = change(rows)
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(partial, "w") as new:
            for member in old.infolist():
                told = zipfile.ZipInfo(member.filename, member.date_time)
                told.compress_type, told.external_attr = member.compress_type, member.external_attr
                if member.filename == f"{name}.npy":
                    body = header(edited) + np.ascontiguousarray(edited).tobytes()
                else:
                    body = old.read(member)
                new.writestr(told, body)
        return file_digest(partial), ()

    def snapshot(self, source: str, folder: Path, options: Options) -> Snapshot:
        return Snapshot(Path(source), None, file_digest(Path(source)))


def chosen_array(source: Path, arrays: dict[str, np.ndarray], column: str | None) -> str:
    """The name of the array of vectors: the named one, `embeddings`, or the only matrix of floats."""
    fit = [name for name, value in arrays.items() if value.ndim == 2 and value.dtype.kind == "f"]
    if column is not None:
        if column not in fit:
            raise InputError(f"{source} has no matrix of floats {column!r}; it holds {', '.join(fit) or 'none'}")
        return column
    if "embeddings" in fit or len(fit) == 1:
        return "embeddings" if "embeddings" in fit else fit[0]
    raise InputError(
        f"{source} holds {'several matrices of floats: ' + ', '.join(fit) if fit else 'no matrix of floats'}; name the "
        "vectors with --column"
    )

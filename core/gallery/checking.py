"""Whether a gallery's folder holds what its manifest says: sizes, at every opening; contents, when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.config import InputError, Progress
from core.store import file_digest

SCHEMA = 1
MEGABYTE = 1 << 20


def check_sizes(gallery: Path, manifest: Mapping[str, Any]) -> None:
    """InputError unless the manifest is of this schema and its files are there with the sizes that it says.

    KeyError names what the manifest lacks.
    """
    if manifest["schema"] != SCHEMA:
        raise InputError(f"{gallery} has schema {manifest['schema']}; this version reads schema {SCHEMA}")
    for key in ("name", "kind", "n", "fingerprints", "split"):
        manifest[key]
    for name, about in manifest["files"].items():
        path = gallery / name
        size = path.stat().st_size if path.is_file() else None
        if size != about["bytes"]:
            got = "is missing" if size is None else f"has {size} bytes"
            raise InputError(f"{path} {got}; the manifest says {about['bytes']} bytes: copy or make it again")


def told_bytes(files: Sequence[Path], progress: Progress | None, what: str) -> Callable[[str, int], None]:
    """What is told of every block of some files, the file and its bytes; reports megabytes of all that are read."""
    total, done = sum(path.stat().st_size for path in files), 0

    def follow(name: str, more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(min(done, total) // MEGABYTE, max(total // MEGABYTE, 1), f"{what}: {name}")

    return follow


def changed_files(gallery: Path, files: Mapping[str, Mapping[str, Any]], progress: Progress | None = None) -> list[str]:
    """One line for every file that differs from its digest: those of the manifest, codes and the inverted file."""
    from core.gallery.codes import check_codes
    from core.gallery.ivf_files import check_ivf

    wrong = []
    there = [gallery / name for name in files if (gallery / name).is_file()]
    follow = told_bytes(there, progress, "compared, MB")
    for name, about in sorted(files.items()):
        path = gallery / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif file_digest(path, partial(follow, name)) != about["sha256"]:
            wrong.append(f"{name} was changed after it was written")
    return wrong + check_codes(gallery) + check_ivf(gallery)

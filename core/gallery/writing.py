"""Writing a gallery's folder: its table, its arrays, and last its manifest with the digest of every file."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.config import Fingerprint, InputError, Progress
from core.datasets.base import NOT_STATED
from core.gallery.checking import SCHEMA, told_bytes
from core.gallery.split import split_halves
from core.gallery.together import Clusters, require_together, split_together
from core.store import file_digest, write_blocks, write_json
from core.tables import LeftOut, attribute_columns, label_notes, not_groups

WAY = ", or replace it with --replace"
"""What follows "choose another name" where a gallery is there already."""

LIBRARIES = ("numpy", "pillow", "pyarrow", "pandas", "torch", "open_clip_torch", "transformers")


@dataclass(frozen=True)
class About:
    """What a gallery's manifest says beside what is measured from its files."""

    name: str
    kind: Literal["images", "captions"]
    source: str
    licence: str = NOT_STATED
    provenance: str = NOT_STATED
    split_seed: int = 0
    whole: Literal["probe", "evaluation"] | None = None
    """Wholly a probe or evaluation set; None: split into halves."""
    official: str | None = None
    """How the data set's official split became halves; None: they are drawn by `split_seed`."""
    together: str | None = None
    """Column whose equal values stay in one half (a scene, a person); None: every item is by itself."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further entries of the manifest, for example {"probe_gallery": "default-probe"}."""

    def __post_init__(self) -> None:
        if self.whole not in (None, "probe", "evaluation"):
            raise InputError(f"whole was {self.whole!r}; expected 'probe', 'evaluation' or none (split into halves)")
        if self.split_seed < 0:
            raise InputError(f"the split seed was {self.split_seed}; expected a whole number from 0")


def write_rows(path: Path, blocks: Iterable[np.ndarray], n: int, d: int, dtype: np.dtype) -> None:
    """Write an array (n, d) from blocks of its rows, holding one block in memory."""
    write_blocks(path, blocks, (n, d), np.dtype(dtype))


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table of texts as Parquet, without pandas' metadata: the bytes follow the contents."""
    columns = {name: pa.array(frame[name], pa.string(), from_pandas=True) for name in frame.columns}
    pq.write_table(pa.table(columns), path)


def finish_gallery(
    folder: Path,
    frame: pd.DataFrame,
    about: About,
    fingerprints: Mapping[Any, Fingerprint],
    notes: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
    halves: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write what comes last into a folder that holds the arrays already: the table with its halves, the manifest.

    Columns that are no groups (see core.tables.not_groups) are kept, named in the manifest and no attributes; the
    halves are drawn without them. What a person should know of the groups goes into the notes.

    Parameters
    ----------
    left_out : every row, file and picture that was given and is not in the gallery.
    halves : the half of each row by an official split, which `about.official` describes. Where it divides what is to
        stay together, the halves are drawn by the seed instead, and a note says so.

    Raises
    ------
    InputError : `about.together` is no column, or one that keeps nothing or everything together.

    Many parameters: the parts of a manifest.
    """
    columns, notes = attribute_columns(frame), list(notes)
    others = not_groups(frame, [name for name in columns if name != about.together])
    attributes = [name for name in columns if name not in others]
    notes += [note for name in attributes if name != about.together for note in label_notes(name, frame[name])]
    clusters = None if about.together is None else require_together(frame, about.together, about.source)
    if clusters is not None and clusters.alone:
        notes.append(f"{clusters.alone} items have no {about.together}: each is by itself, together with no other")
    if clusters is not None and about.whole is None and halves is not None:
        divided = _divided(clusters, halves)
        if divided:
            notes.append(
                f"the official split ({about.official}) divides {divided} of {clusters.n} clusters of "
                f"{about.together}; the halves were drawn by the seed instead"
            )
            about, halves = replace(about, official=None), None
    if about.whole is not None:
        half = np.full(len(frame), about.whole)
    elif halves is not None:
        half = np.asarray(halves)
    elif about.together is not None:
        half = split_together(
            frame, [name for name in attributes if name != about.together], about.together, about.split_seed
        )
    else:
        half = split_halves(frame, attributes, about.split_seed)
    first = [name for name in ("id", "file", "text") if name in frame.columns]
    column = pd.Series(half, index=frame.index, name="half", dtype="str")
    write_frame(folder / "attributes.parquet", pd.concat([frame[first], column, frame[columns]], axis=1))
    files = sorted(path for path in folder.iterdir() if path.is_file())
    manifest = {
        "schema": SCHEMA,
        "name": about.name,
        "kind": about.kind,
        "n": len(frame),
        "licence": about.licence,
        "provenance": about.provenance,
        "source": about.source,
        "fingerprints": {attach: fingerprint.to_json() for attach, fingerprint in fingerprints.items()},
        "files": _digests(files, progress),
        "split": _split(about, clusters),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": dict(software()),
        "notes": notes,
        "left_out": [one.to_json() for one in left_out],
        **({"not_groups": others} if others else {}),
        **about.extra,
    }
    write_json(folder / "manifest.json", manifest)


def _digests(files: Sequence[Path], progress: Progress | None) -> dict[str, dict[str, Any]]:
    """Size and digest of every file."""
    follow = told_bytes(files, progress, "digests, MB")
    digests = {path.name: file_digest(path, partial(follow, path.name)) for path in files}
    return {path.name: {"bytes": path.stat().st_size, "sha256": digests[path.name]} for path in files}


def _divided(clusters: Clusters, halves: Sequence[str]) -> int:
    """Number of clusters with rows in both halves."""
    probe = np.bincount(clusters.numbers, np.asarray(halves) == "probe", clusters.n)
    return int(((probe > 0) & (probe < np.bincount(clusters.numbers, minlength=clusters.n))).sum())


def _split(about: About, clusters: Clusters | None) -> dict[str, Any]:
    """How the halves came about."""
    kept = {}
    if clusters is not None:
        kept = {"together": {"column": about.together, "clusters": clusters.n, "alone": clusters.alone}}
    if about.official is not None and about.whole is None:
        return {"seed": None, "whole": None, "official": about.official, **kept}
    return {"seed": None if about.whole else about.split_seed, "whole": about.whole, **kept}


@cache
def software() -> dict[str, str]:
    """Versions of Python and of the libraries that shape the numbers, without importing them."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def summarised(notes: Iterable[str], what: str) -> list[str]:
    """Equal notes on single items as one line with their number, the most frequent first."""
    return [f"{count} {what}: {note}" for note, count in Counter(notes).most_common()]

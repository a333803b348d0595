"""An edit applied to a store: the same store with edited unit rows, under a new name."""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.config import InputError, Progress, digest_of
from core.portable import PortableEdit, SideName
from core.store import publish, refuse_existing, resumable_folder
from core.stores import STORES, Change, Options, shown, store_of, takes_addresses
from core.stores.files import FileStore, emptied
from core.threads import one_thread

SHARDS = tuple(ending for name in STORES for ending in STORES.get(name).endings)

ONE_BY_ONE = Options()
HELD = 24 << 20
"""Bytes that the C library holds ready instead of giving them back between two blocks; the largest that it accepts is
32 MB."""


def apply_edit(
    edit: PortableEdit,
    source: str,
    target: str,
    side: SideName | None = None,
    options: Options = ONE_BY_ONE,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write `target`: the store at `source` with one side's edit done to every vector. A folder is its shards.

    Raises
    ------
    InputError : an edit inside a model, vectors of another width, or a store that cannot give its vectors back.
    """
    one = edit.side(side)
    chosen = next(name for name, found in edit.sides.items() if found is one)
    if one.attach != "pooled":
        raise InputError(
            f"the edit {edit.name!r} changes the residual attach point, inside the model: stored embeddings no longer "
            "hold what it edits; wrap the model with it and embed the items again (core.home.models)"
        )
    digest = digest_of([edit.about.get("digest"), chosen])

    def change() -> Change:
        return Change(one, one.fingerprint.d, digest, progress)

    _hold_memory()
    with one_thread():  # its products are small
        done = _applied(source, target, change, options)
    found = done["stores"]
    return {
        "schema": 1,
        "edit": {"name": edit.name, "digest": edit.about.get("digest")},
        "side": chosen,
        "in": shown(source),
        "out": shown(target),
        "rows": sum(one["rows"] for one in found),
        "lost": sum(one["lost"]["n"] for one in found),
        "digests": found[0]["digests"]
        if len(found) == 1
        else {
            "in": digest_of([one["digests"]["in"] for one in found]),
            "out": digest_of([one["digests"]["out"] for one in found]),
            "of": "the shards' digests in order of their names",
        },
        **done,
    }


def _hold_memory() -> None:
    """Have freed memory kept at hand: giving it back and asking for it anew took a third of the processor's time.

    GNU's C library takes the size of a block that was freed for the size from which on blocks are given back.
    """
    np.empty(HELD, np.uint8)


def _applied(source: str, target: str, change: Callable[[], Change], options: Options) -> dict[str, Any]:
    """What was written, store by store."""
    shards = shards_of(source)
    if shards is not None:
        return _apply_shards(shards, Path(source.removeprefix("parquet:")), Path(target), change, options)
    store, place = store_of(source)
    other, out = store_of(target)
    if type(other) is not type(store):
        raise InputError(
            f"{shown(source)} is {store.title} and {shown(target)} is {other.title}; write the same kind of store"
        )
    return {
        "stores": [{"in": shown(source), "out": shown(target), **store.apply(place, out, change(), options).to_json()}]
    }


def shards_of(source: str) -> list[Path] | None:
    """The files of a folder, or of a pattern, that are stores; None where one store is named."""
    plain = source.removeprefix("parquet:")
    path = Path(plain)
    if takes_addresses(plain):
        return None
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in SHARDS and one.is_file())
        if not found:
            raise InputError(f"{source} holds no file that can be edited; expected {', '.join(SHARDS)}")
        return found
    if any(sign in plain for sign in "*?[") and not path.exists():
        found = [Path(one) for one in sorted(glob.glob(plain, recursive=True))]
        if not found:
            raise InputError(f"no file is at {plain}")
        return found
    return None


def _apply_shards(
    shards: Sequence[Path], source: Path, target: Path, change: Callable[[], Change], options: Options
) -> dict[str, Any]:
    """Edit every shard into a folder that gets its name when all are there; finished ones are not made again."""
    if options.in_place:
        raise InputError("a folder of shards is not edited in place; give another folder as --out")
    refuse_existing(target, options.replace, ", or replace it with --replace")
    names = [path.name for path in shards]
    if len(set(names)) != len(names):
        raise InputError(f"two shards of {source} have the same name; edit their folders one by one")
    found = []
    with resumable_folder(target, options.replace) as workplace:
        folder = workplace / "shards"
        if not options.resume:
            emptied(workplace)
        folder.mkdir(exist_ok=True)
        for path in shards:
            store, _ = store_of(str(path))
            assert isinstance(store, FileStore), "endings are those of files"
            made = Options(options.column, options.resume, replace=True)
            one = store.apply_once(path, folder / path.name, workplace, change(), made)
            found.append({"in": str(path), "out": str(target / path.name), **one.to_json()})
        left = [one.name for one in source.iterdir() if one not in shards] if source.is_dir() else []
        publish(folder, target, options.replace)
    notes = [f"not looked at: {', '.join(sorted(left)[:5])}"] if left else []
    return {"stores": found, "notes": notes}

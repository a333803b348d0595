"""Pictures in tar files, as webdataset and img2dataset write them: what belongs together has one name."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable
from core.datasets.images import SUFFIXES, ReadImage, read_image
from core.datasets.picture_files import NOT_READ
from core.reading import parse_json
from core.tables import LeftOut, clean_labels, clean_text, mark_note

TEXTS = (".txt", ".caption", ".text")
NUMBERS = (".cls", ".cls2")
MOST_BESIDE = 1 << 20
"""Bytes of a text or a JSON document beside a picture at most."""
OWN = ("id", "file", "text", "half")


class _Place(NamedTuple):
    """Where in which file a picture lies; tar files are not compressed."""

    tar: Path
    offset: int
    size: int


@DATASETS.register("webdataset")
class WebShards(DataSet):
    """Tar files (one, or all of a folder in the order of their names) of pictures with what is known of each.

    A sample is what has the same name up to its first dot: a picture, a JSON object (its plain values become
    attributes), a text (.txt, the column caption), a number (.cls, the column label). Nothing is unpacked: pictures
    are read where they lie.
    """

    title = "Tar files of pictures (webdataset)"
    needs = "Folder of .tar files, or one of them"
    place = 3

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        root = Path(root)
        tars = [root] if root.is_file() else sorted(root.glob("*.tar")) if root.is_dir() else []
        if not tars:
            raise InputError(f"{root} holds no .tar file; expected webdataset's shards")
        places: dict[str, _Place] = {}
        rows: list[dict[str, str | None]] = []
        left_out: list[LeftOut] = []
        for tar in tars:
            for key, sample in _samples(tar, left_out):
                if not isinstance(picture := sample.pop("", None), _Place):
                    left_out.append(LeftOut(f"{tar.name}/{key}", "a sample without a picture"))
                    continue
                name = key if key not in places else f"{tar.stem}/{key}"
                if name in places:
                    raise InputError(f"{tar}: the sample {key!r} is there twice; every item needs its own name")
                places[name] = picture
                rows.append({"id": name, "file": name, **sample})
        columns = list(dict.fromkeys(column for row in rows for column in row))
        frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype="str") for name in columns})
        notes = []
        for name in columns:
            if name not in OWN:
                frame[name], used = clean_labels(frame[name])
                notes += [mark_note(name, used, len(frame))] if used else []
        return ItemTable(
            frame if rows else pd.DataFrame({"id": [], "file": []}),
            "images",
            f"{len(tars)} tar files of {root.name}",
            None,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            tuple(left_out),
            tuple(notes),
            read=lambda name: _read(places[name], name),
        )


def _read(place: _Place, name: str) -> ReadImage:
    with open(place.tar, "rb") as file:
        file.seek(place.offset)
        return read_image(file.read(place.size), name)


def _samples(tar: Path, left_out: list[LeftOut]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each sample's key, and its values by column; its picture's place under the name ""."""
    key, sample = "", {}  # type: tuple[str, dict[str, Any]]
    try:
        with tarfile.open(tar, "r:") as opened:
            for member in opened:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, dot, ending = name.partition(".")
                own = f"{folder}/{stem}" if folder and folder != "." else stem
                if own != key:
                    if sample:
                        yield key, sample
                    key, sample = own, {}
                sample |= _value(opened, member, f"{dot}{ending}".lower(), tar, left_out)
        if sample:
            yield key, sample
    except (tarfile.TarError, EOFError):
        raise InputError(f"{tar} is no whole tar file: it is damaged, cut or compressed; copy or unpack it") from None
    except OSError as error:
        raise InputError(f"{tar} cannot be read ({error.strerror}); expected a .tar file") from None


def _value(opened: Any, member: Any, ending: str, tar: Path, left_out: list[LeftOut]) -> dict[str, Any]:
    """What one file of a sample says, by column."""
    where = f"{tar.name}/{member.name}"
    if ending in SUFFIXES:
        return {"": _Place(tar, member.offset_data, member.size)}
    if ending not in (".json", *TEXTS, *NUMBERS):
        left_out.append(LeftOut(where, NOT_READ.get(ending, f"files ending in {ending} cannot be read")))
        return {}
    if member.size > MOST_BESIDE:
        left_out.append(LeftOut(where, f"larger than {MOST_BESIDE:,} bytes"))
        return {}
    try:
        text = opened.extractfile(member).read().decode("utf-8")
        if ending in TEXTS:
            return {"caption": text.strip() or None}
        if ending in NUMBERS:
            return {"label": text.strip() or None}
        said = parse_json(text, where)
    except (UnicodeDecodeError, ValueError, RecursionError):
        left_out.append(LeftOut(where, "neither UTF-8 text nor JSON"))
        return {}
    if not isinstance(said, dict):
        return {}
    plain = {
        clean_text(str(name)): value for name, value in said.items() if isinstance(value, str | int | float | bool)
    }
    return {(f"{name} of the sample" if name in OWN else name): str(value) for name, value in plain.items() if name}

"""Data sets of the Hugging Face library, where it is installed."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.config import InputError
from core.datasets.base import DATASETS, NOT_STATED, DataSet, ItemTable, official_halves
from core.datasets.images import ReadImage, read_image
from core.tables import LeftOut, clean_labels, mark_note

PARTS = {"train": "probe", "validation": "evaluation", "val": "evaluation", "dev": "probe", "test": "evaluation"}
TEXTS = ("text", "caption", "hard_text", "sentence")
PLAIN = ("Value", "ClassLabel")
"""Kinds of columns that can be attributes; lists, pictures and nested records cannot."""


@DATASETS.register("hugging-face")
class HuggingFace(DataSet):
    """A data set saved with `save_to_disk`, or the name of one in the library's cache or on the hub.

    A picture column makes a gallery of images, else a text column (`text`, `caption`, `hard_text` or `sentence`) one of
    captions. Columns of plain values become attributes, class numbers by their names. Where parts of both kinds are
    there (train; validation or test), they become the halves. Rows are read as they are needed.
    """

    title = "A data set of the Hugging Face library"
    needs = "Folder saved with save_to_disk, or a name on the hub"
    place = 2

    def items(
        self, root: Path, table: Path | None = None, licence: str | None = None, provenance: str | None = None
    ) -> ItemTable:
        parts = _load(str(root))
        features = next(iter(parts.values())).features
        kinds = {name: type(feature).__name__ for name, feature in features.items()}
        picture = next((name for name, kind in kinds.items() if kind == "Image"), None)
        text = next((name for name in TEXTS if name in kinds), None)
        if picture is None and text is None:
            raise InputError(f"{root} has neither a picture column nor one of {', '.join(TEXTS)}: {', '.join(kinds)}")
        attributes = [name for name, kind in kinds.items() if kind in PLAIN and name not in (text, picture, "id")]
        frame = pd.concat([_rows(data, part, attributes, features) for part, data in parts.items()], ignore_index=True)
        notes = []
        for name in attributes:
            frame[name], used = clean_labels(frame[name])
            notes += [mark_note(name, used, len(frame))] if used else []
        unread = [name for name in kinds if name not in (*attributes, picture, text, "id")]
        notes += [f"columns that hold no plain values are not read: {', '.join(unread)}"] if unread else []
        left_out: list[LeftOut] = []
        if picture is not None:
            frame.insert(1, "file", frame["id"])
        else:
            texts = pd.Series([one for data in parts.values() for one in data[text]], dtype="str").str.strip()
            frame.insert(1, "text", texts)
            empty = texts.isna() | (texts == "")
            left_out = [LeftOut(item, "an empty caption") for item in frame.loc[empty, "id"]]
            frame = frame[~empty].reset_index(drop=True)
        halves, official = _halves(frame.pop("part").tolist())
        return ItemTable(
            frame,
            "images" if picture is not None else "captions",
            f"Hugging Face data set {Path(root).name}",
            None,
            licence or NOT_STATED,
            provenance or NOT_STATED,
            tuple(left_out),
            tuple(notes),
            halves,
            official,
            None if picture is None else _reader(parts, picture),
        )


def _load(name: str) -> dict[str, Any]:
    """The data set's parts by name."""
    is_path = bool(Path(name).suffix) or name.startswith((".", "/"))
    if is_path and not Path(name).is_dir():
        raise InputError(f"{name} is no folder; expected a data set saved with save_to_disk, or a name on the hub")
    try:
        library = importlib.import_module("datasets")
    except ImportError:
        raise InputError(
            f"{name} needs the library 'datasets', which is not installed; install it, or save the data as a folder of "
            "pictures with a table"
        ) from None
    try:
        loaded = library.load_from_disk(name) if Path(name).is_dir() else library.load_dataset(name)
    except Exception:  # the library raises errors of every type, from the hub's to its own, in words for programmers
        where = "a folder that save_to_disk wrote" if Path(name).is_dir() else "a data set on the hub or in its cache"
        raise InputError(f"{name} cannot be loaded; expected {where}") from None
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _rows(data: Any, part: str, attributes: list[str], features: Any) -> pd.DataFrame:
    """Ids, attributes as text and the part of every row; nothing is decoded."""
    columns = {"id": pd.Series([f"{part} {row}" for row in range(len(data))], dtype="str")}
    for name in attributes:
        names = getattr(features[name], "names", None)
        values = [None if v is None or (names and v < 0) else names[v] if names else v for v in data[name]]
        known = [None if value is None else str(value) for value in values]
        columns[name] = pd.Series(known, dtype="str")
    return pd.DataFrame(columns).assign(part=part)


def _halves(parts: list[str]) -> tuple[tuple[str, ...] | None, str | None]:
    if not set(parts) <= set(PARTS):
        return None, None
    return official_halves(parts, PARTS, "official parts")


def _reader(parts: dict[str, Any], column: str) -> Any:
    """Reads one picture by its id."""

    def read(item: str) -> ReadImage:
        part, row = item.rsplit(" ", 1)
        image = parts[part][int(row)][column]
        if image is None:
            raise InputError(f"{item} has no picture")
        return read_image(_as_png(image), item)

    return read


def _as_png(image: Any) -> bytes:
    """The picture as PNG bytes, so that it is read like any other: upright, plain RGB, within the size limit."""
    import io

    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    kept = io.BytesIO()
    picture.save(kept, format="PNG")
    return kept.getvalue()

"""Galleries from the layout in which SEM publishes its embeddings (mardgui/SEM, arXiv 2603.19028)."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from core import access
from core.config import Fingerprint, InputError, Progress
from core.datasets.base import NOT_STATED
from core.datasets.utkface import age_band
from core.gallery.embedding_files import open_rows
from core.gallery.gallery import Gallery
from core.gallery.importing import copy_rows, open_prompts
from core.gallery.together import require_together
from core.gallery.writing import WAY, About, finish_gallery
from core.store import publish, read_array, refuse_existing, resumable_folder
from core.tables import NO_REGROUP, Regroup, Table, attribute_columns, read_table, require_unique

FOLDS = ("train_indices.npy", "val_indices.npy")
OPEN_CLIP = {
    "ViT-B-16": "ViT-B-16-quickgelu:openai",
    "ViT-L-14@336px": "ViT-L-14-336-quickgelu:openai",
    "RN50": "RN50-quickgelu:openai",
    "RN101": "RN101-quickgelu:openai",
}
"""The published embeddings come from OpenAI's weights, which open_clip runs under these names."""


def import_sem(
    root: Path,
    out: Path,
    *,
    model_name: str | None = None,
    texts: Path | np.ndarray | None = None,
    text_table: Path | None = None,
    name: str | None = None,
    licence: str | None = None,
    provenance: str | None = None,
    split_seed: int = 0,
    together: str | None = None,
    regroup: Regroup = NO_REGROUP,
    replace: bool = False,
    progress: Progress | None = None,
) -> Gallery:
    """Make a gallery of one data set's folder: metadata.feather, CLIP_<model>_embeddings.npy, fold index files.

    metadata.feather : one row an embedding, in their order, with `file_path` (or `file_name`) and attributes.
    train_indices.npy, val_indices.npy : row numbers (folds, rows). The first fold becomes the halves, train the probe
        and val the evaluation half; all folds are kept in the gallery as `folds.npy` (rows of val).
    Columns of 1 and -1 (CelebA) read yes and no, and Male gives way to gender; ages in years become FairFace's bands.

    Parameters
    ----------
    model_name : the <model> whose embeddings are taken ("ViT-B-16", "ViT-L-14@336px", "RN50", "RN101"); needed where
        the folder holds several.
    together : column whose equal values stay in one half; see `build_gallery`.

    Raises
    ------
    InputError : files that are missing, damaged or do not fit together; names the file.

    Many parameters: each is one choice of whoever makes a gallery, and stands in its manifest.
    """
    access.require("import")
    root, out = Path(root), Path(out)
    if not root.is_dir():
        raise InputError(f"{root} is no folder; expected metadata.feather and CLIP_<model>_embeddings.npy")
    refuse_existing(out, replace, WAY)
    path = _embeddings(root, model_name)
    model = _model(path)
    read = _metadata(root / "metadata.feather")
    frame, said = regroup.applied(read.frame, "metadata.feather")
    if together is not None:
        require_together(frame, together, "metadata.feather")
    opened = open_rows(path, "embeddings")
    rows = opened.array
    if len(rows) != len(frame):
        raise InputError(
            f"{opened.name} has {len(rows)} rows but metadata.feather has {len(frame)}; take them together"
        )
    prompts = open_prompts(texts, text_table, rows.shape[1], opened.name)
    folds = _folds(root, len(frame))
    official = None if folds is None else "first of SEM's folds: train is probe, val is evaluation"
    about = About(
        name or out.name,
        "images",
        f"SEM's layout: {root.name}, {path.name}",
        licence or NOT_STATED,
        provenance or NOT_STATED,
        split_seed,
        official=official,
        together=together,
        extra={"prompts_provenance": f"imported from {prompts.name}"} if prompts else {},
    )
    with resumable_folder(out, replace) as workplace:
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        normalised = copy_rows(rows, folder / "pooled.npy", opened.name, frame["id"], progress=progress)
        known = OPEN_CLIP.get(model)
        fingerprint = Fingerprint(
            known or model,
            "unknown",
            "image",
            "pooled",
            rows.shape[1],
            quick_gelu=True if known else None,
            normalised=normalised,
        )
        if prompts:
            prompts.write(folder)
        halves: list[str] | None = None
        if folds is not None:
            np.save(folder / "folds.npy", folds)
            halves = np.where(np.isin(np.arange(len(frame)), folds[0]), "evaluation", "probe").tolist()
        notes = [*read.notes, *said, *(prompts.notes if prompts else ())]
        finish_gallery(folder, frame, about, {"pooled": fingerprint}, notes, read.left_out, halves, progress)
        publish(folder, out, replace)
    return Gallery(out)


def _embeddings(root: Path, model: str | None) -> Path:
    """The embeddings file of a model; of the only one where none is named."""
    found = {
        p.name.removeprefix("CLIP_").removesuffix("_embeddings.npy"): p for p in root.glob("CLIP_*_embeddings.npy")
    }
    if not found:
        raise InputError(f"{root} has no CLIP_<model>_embeddings.npy; expected SEM's published folder of one data set")
    asked = model or (next(iter(found)) if len(found) == 1 else None)
    if asked not in found:
        given = f"model {model!r} is not there" if model else "several models are there"
        raise InputError(f"{root}: {given}; give --model-name as one of {', '.join(sorted(found))}")
    return found[asked]


def _model(path: Path) -> str:
    """The model that a file of embeddings is named after."""
    return path.name.removeprefix("CLIP_").removesuffix("_embeddings.npy")


def _metadata(path: Path) -> Table:
    """The table with ids of its own, the file, and attributes in words."""
    read = read_table(path, need=("file_path", "file_name"))
    frame = read.frame
    key = "file_path" if "file_path" in frame.columns else "file_name"
    columns = {"id": frame[key], "file": frame[key]}
    drop = {"file_path", "file_name", "service_test", "split", "half", "id", "file", "text"}
    for column in (c for c in frame.columns if c not in drop):
        values = set(frame[column].dropna())
        if values <= {"1", "-1"}:
            columns[column] = frame[column].map({"1": "yes", "-1": "no"})
        elif column == "age" and all(value.isdigit() for value in values):
            columns[column] = frame[column].map(lambda years: age_band(int(years)), na_action="ignore")
        else:
            columns[column] = frame[column]
    if "gender" in columns:
        columns.pop("Male", None)
    table = pd.DataFrame(columns)
    require_unique(table, "id", str(path))
    return Table(table[["id", "file", *attribute_columns(table)]], read.notes, read.left_out)


def _folds(root: Path, n: int) -> np.ndarray | None:
    """Row numbers (folds, rows) of each fold's val part, uint32; None where the folder has no folds."""
    paths = [root / name for name in FOLDS]
    there = [path for path in paths if path.is_file()]
    if not there:
        return None
    if len(there) == 1:
        raise InputError(f"{root} has {there[0].name} alone; expected {FOLDS[0]} and {FOLDS[1]}, or neither")
    train, val = (read_array(path, "row numbers (folds, rows), .npy") for path in paths)
    if train.ndim != 2 or val.ndim != 2 or len(train) != len(val) or train.shape[1] + val.shape[1] != n:
        raise InputError(f"{root}: the folds have shapes {train.shape} and {val.shape}; expected two parts of {n} rows")
    both = np.sort(np.concatenate([train, val], axis=1), axis=1)
    if train.dtype.kind not in "iu" or not (both == np.arange(n)).all():
        raise InputError(f"{paths[0]} and {paths[1].name} do not divide the {n} rows; take the published files")
    return val.astype(np.uint32)

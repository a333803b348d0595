"""Galleries from the layout in which SEM publishes its embeddings (mardgui/SEM, arXiv 2603.19028)."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from core.config import Fingerprint, InputError, Progress
from core.datasets.base import NOT_STATED
from core.datasets.tables import attribute_columns, read_table, require_unique
from core.datasets.utkface import age_band
from core.gallery.gallery import Gallery
from core.gallery.importing import copy_rows, open_prompts, open_rows
from core.gallery.together import require_together
from core.gallery.writing import About, finish_gallery, write_frame
from core.store import publish, read_array, resumable_folder

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
    """
    root, out = Path(root), Path(out)
    if not root.is_dir():
        raise InputError(f"{root} is no folder; expected metadata.feather and CLIP_<model>_embeddings.npy")
    path = _embeddings(root, model_name)
    model = _model(path)
    frame = _metadata(root / "metadata.feather")
    if together is not None:
        require_together(frame, together, "metadata.feather")
    rows, said = open_rows(path, "embeddings")
    if len(rows) != len(frame):
        raise InputError(f"{said} has {len(rows)} rows but metadata.feather has {len(frame)}; take them together")
    prompts = open_prompts(texts, text_table, rows.shape[1], said)
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
        extra={"prompts_provenance": f"imported from {prompts[2]}"} if prompts else {},
    )
    with resumable_folder(out, replace) as workplace:
        folder = workplace / "assembled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        normalised = copy_rows(rows, folder / "pooled.npy", said, frame["id"])
        if progress:
            progress(len(rows), len(rows), "embeddings")
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
            copy_rows(prompts[0], folder / "prompts.npy", prompts[2], prompts[1]["prompt"])
            write_frame(folder / "prompts.parquet", prompts[1])
        halves = None
        if folds is not None:
            np.save(folder / "folds.npy", folds)
            halves = np.where(np.isin(np.arange(len(frame)), folds[0]), "evaluation", "probe")
        finish_gallery(folder, frame, about, {"pooled": fingerprint}, halves=halves)
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


def _metadata(path: Path) -> pd.DataFrame:
    """The table with ids of its own, the file, and attributes in words."""
    frame = read_table(path, need=("file_path", "file_name"))
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
    return table[["id", "file", *attribute_columns(table)]]


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

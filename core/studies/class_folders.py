"""Top-1 accuracy over alpha on a folder of classes, in ImageNet's layout: what an edit costs on everyday pictures."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from core.backbones.base import Backbone
from core.config import Attach, InputError, Progress
from core.datasets import DATASETS
from core.datasets.images import read_image
from core.figures import Picture, Series
from core.gallery.perturbed import BLOCK
from core.interventions import INTERVENTIONS, Material
from core.neurons import encode_rows
from core.readout import ReadoutArrays
from core.scene import Scene, text_embeddings
from core.statistics import share_estimate
from core.studies.asking import rule_edit
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.studies.trade_off import ALPHAS
from core.units import unit
from core.zeroshot import paired_share_difference

TEMPLATES = ("a photo of a {}", "a picture of a {}")
"""What each folder's name is said in; a class is the unit mean of these."""


@STUDIES.register("class-folders")
class ClassFolders(Study):
    """Zero-shot top-1 accuracy of pictures in folders named after their class, as alpha goes from 0 to 1.

    x' = alpha (z' W_dec + b_dec) + (1 - alpha) x with the attribute's neurons off (the given edit, or the rule on the
    probe half), classes by the names of the folders ("_" read as a space). alpha = 0 is the untouched model.
    Wilson's intervals; the change to alpha = 0 is paired over pictures.
    """

    title = "Top-1 on a folder of classes over alpha"
    question = "How many everyday pictures does the model still recognise under the edit?"
    needs_model: ClassVar = True
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        root = request.require_root()
        (attribute,) = request.require_attributes()[:1]
        sae, model = request.require_sae(), request.scene.model
        if request.gallery.side != "image" or not isinstance(model, Backbone):
            raise InputError(
                "this study embeds pictures by the gallery's model; choose a gallery of pictures and --model"
            )
        given = request.edits.get("image")
        chosen, notes = (given, ()) if given is not None else rule_edit(request, attribute)
        classes, truth, files = listed_classes(root)
        attach = sae.attach or "pooled"
        sae.require(model.fingerprint("image", attach), "the pictures")
        found = _embedded(model, root, files, ("pooled", attach), progress)
        material = Material("image", found["pooled"], attach, found[attach], None, sae.sae, _readout(request, attach))
        material = replace(material, codes=encode_rows(found[attach], sae.sae).tocsc())
        heads = class_rows(request.scene, classes)
        rows, right = [], []
        for alpha in ALPHAS:
            edited = INTERVENTIONS.get("neuron-edit")()(material, replace(chosen, form="blend", alpha=alpha))
            right.append(np.argmax(unit(edited) @ heads.T, axis=1) == truth)
            share = share_estimate(int(right[-1].sum()), len(truth))
            change = paired_share_difference(right[0], right[-1])
            row = {"alpha": alpha, "top1": share.estimate, "top1_lo": share.lo, "top1_hi": share.hi, "n": share.n}
            rows.append(row | {"change": change.estimate, "change_lo": change.lo, "change_hi": change.hi})
        table = pd.DataFrame(rows)
        series = Series("top-1", table["alpha"].tolist(), *(table[f"top1{end}"].tolist() for end in ("", "_lo", "_hi")))
        words = f"{len(truth):,} pictures of {len(classes)} classes; band: 95 % intervals"
        picture = Picture(self.title, "lines", "alpha", "accuracy", (series,), words, {"chance": 1 / len(classes)})
        settings = {"study": "class-folders", "classes": list(classes), "pictures": len(truth), "templates": TEMPLATES}
        settings |= {"neurons": list(chosen.neurons), **request.digests()}
        return StudyResult(table, picture, settings, tuple(notes))


def listed_classes(root: Path) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Classes by the names of the folders, sorted, the class number of every picture, and the pictures below root."""
    frame = DATASETS.get("imagefolder")().items(root).frame
    if "label" not in frame.columns:
        raise InputError(f"{root} holds no folder a class; expected two folders of pictures at least")
    known = frame[frame["label"].notna()]
    classes = tuple(sorted(known["label"].unique()))
    place = {name: i for i, name in enumerate(classes)}
    return classes, np.array([place[label] for label in known["label"]]), known["file"].tolist()


def class_rows(scene: Scene, classes: tuple[str, ...]) -> np.ndarray:
    """Unit mean (C, d) of the templates of every class."""
    texts = [template.format(name.replace("_", " ")) for name in classes for template in TEMPLATES]
    rows = unit(text_embeddings(scene, texts, ("pooled",))[0]["pooled"])
    return unit(rows.reshape(len(classes), len(TEMPLATES), -1).mean(axis=1))


def _readout(request: StudyRequest, attach: Attach) -> ReadoutArrays | None:
    return request.scene.model.readout("image") if attach == "residual" and request.scene.model is not None else None


def _embedded(
    model: Backbone, root: Path, files: list[str], attaches: tuple[Attach, ...], progress: Progress | None
) -> dict[str, np.ndarray]:
    blocks, wanted = [], tuple(dict.fromkeys(attaches))
    for start in range(0, len(files), BLOCK):
        if progress:
            progress(start, len(files), "embedding pictures")
        some = files[start : start + BLOCK]
        images = [read_image((root / file).read_bytes(), file).image for file in some]
        blocks.append(model.encode_images(images, wanted))
    return {attach: np.concatenate([block[attach] for block in blocks]) for attach in wanted}

"""Read tokens of a gallery's pictures as rows on which an SAE is trained, and the fingerprint that it then carries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.config import Fingerprint, Half, InputError, digest_of
from core.gallery import Gallery
from core.lvlm.answering import PICTURES_AT_ONCE, prepare
from core.lvlm.model import Lvlm
from core.lvlm.pictures import pictures_of

Progress = Callable[[int, int, str], None]
READ = "lvlm"
"""Attach point of SAEs of read tokens."""
PER_ITEM = 4


def read_fingerprint(model: Lvlm, d: int) -> Fingerprint:
    """What read tokens are: the model, its weights, the places and the rule by which tokens are selected there."""
    config = model.model.config
    said = {
        "read": list(model.attachment.names),
        "type": getattr(config, "model_type", "unknown"),
        "select": getattr(config, "vision_feature_select_strategy", None),
        "tower": model.tower,
    }
    return Fingerprint(model.name, model.weights, "image", READ, d, digest_of(said), normalised=False)  # type: ignore[arg-type]


def read_rows(
    model: Lvlm,
    gallery: Gallery,
    half: Half = "all",
    per_item: int = PER_ITEM,
    seed: int = 0,
    progress: Progress | None = None,
) -> np.ndarray:
    """Random read tokens of every picture, float32 (pictures * places * per_item, d), picture after picture.

    The CLS token is always among them where it is read: it is one of many and what is read most. The others are drawn
    without replacement by default_rng([seed, row number]), the same whatever else is in the gallery.

    InputError where the gallery has no pictures, or tokens do not come picture by picture.
    """
    if per_item < 1:
        raise InputError(f"{per_item} tokens a picture were asked for; expected at least 1")
    rows, found = gallery.rows(half), []
    keeps = bool(model.attachment.family and model.attachment.family.keeps_cls(model.model))
    for start in range(0, len(rows), PICTURES_AT_ONCE):
        own = rows[start : start + PICTURES_AT_ONCE]
        at = 0
        for chunk in prepare(model, pictures_of(gallery, own)):
            parts = list(chunk.tokens.values())
            if any(part.ndim != 3 for part in parts):
                raise InputError(
                    f"{model.name} reads tokens of many pictures as one list; SAEs of them are not trained here"
                )
            for i in range(len(chunk)):
                tiles = [part.view(len(chunk), -1, part.shape[-1])[i] for part in parts]
                order = np.random.default_rng([seed, int(own[at + i])]).permutation(len(tiles[0]))
                if keeps:
                    order = np.concatenate([[0], order[order != 0]])
                chosen = order[: min(per_item, len(order))].tolist()
                found += [tile[chosen].float().cpu().numpy() for tile in tiles]
            at += len(chunk)
        if progress:
            progress(min(start + PICTURES_AT_ONCE, len(rows)), len(rows), "reading tokens")
    return np.concatenate(found)

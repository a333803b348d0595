"""Texts to embeddings: by the gallery's own model, or by looking them up among the prompts that came with it."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.backbones.text_side import TextSide
from core.config import UNKNOWN, Attach, InputError, digest_of
from core.gallery import Gallery
from core.scene.encoders import no_text_encoder
from core.scene.scene import Scene

FRAME = frozenset(("a", "an", "the", "of", "in", "on", "at", "by", "with", "this", "that", "is")) | frozenset(
    ("photo", "photograph", "picture", "image", "portrait", "drawing")
)
"""Words around what a prompt is about: a prompt of which a model knows these alone says nothing to it."""
LEAST_LENGTH = 1e-5
"""Length of a sum of unit vectors below which it is rounding."""
SYMBOLS_ONLY = "it holds no word"
ALL_UNKNOWN = "the model knows none of the words that it is about"
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def why_not_interpreted(text: str, unknown: Sequence[str]) -> str | None:
    """Why what a prompt retrieves says nothing about the prompt; None where it may.

    Parameters
    ----------
    unknown : words of it that the model does not know; see `TextSide.unknown_words`.
    """
    words = [word.lower() for word in WORD.findall(text)]
    if not words:
        return SYMBOLS_ONLY
    parts = {part for word in unknown for part in (word.lower(), *WORD.findall(word.lower()))}
    known = [word for word in words if word not in parts and word not in FRAME]
    return ALL_UNKNOWN if unknown and not known else None


def query_embedding(scene: Scene, text: str) -> np.ndarray:
    """Embedding (d,) of a prompt for searching the scene's gallery, un-normalised where the model gives it so.

    From the model where it is the gallery's, else from the gallery's known prompts.
    InputError that names near prompts where neither knows it.
    """
    return text_embeddings(scene, [text], ("pooled",))[0]["pooled"][0]


def added_terms(scene: Scene, terms: Sequence[tuple[int, str]]) -> np.ndarray:
    """A query (d,) made of terms that are added and subtracted, for example doctor - man + woman.

        v = sum_i s_i e(t_i) / |e(t_i)|,   s_i = +1 or -1

    It is no sentence that the model has read: only the direction of v counts, and no term more than another.

    Parameters
    ----------
    terms : (sign, text) of each, in any order.

    Raises
    ------
    InputError : no term, a sign other than 1 or -1, a term that the model or the gallery does not know, or terms that
        cancel out.
    """
    if not terms:
        raise InputError("no term was given; add at least one, for example doctor")
    if wrong := [sign for sign, _ in terms if sign not in (1, -1)]:
        raise InputError(f"a term's sign was {wrong[0]}; expected 1 (added) or -1 (subtracted)")
    texts = [text for _, text in terms]
    for text in texts:
        unknown = scene.model.unknown_words(text) if scene.model is not None else []
        if unknown or not WORD.search(text):
            why = f"the model does not know {', '.join(unknown)}" if unknown else SYMBOLS_ONLY
            raise InputError(f"the term {text!r} cannot be added: {why}; every term has to be known")
    rows = text_embeddings(scene, texts, ("pooled",))[0]["pooled"].astype(np.float64)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    query = np.array([sign for sign, _ in terms], dtype=np.float64) @ units
    if np.linalg.norm(query) < LEAST_LENGTH:
        raise InputError("the terms cancel out: nothing is left that items could be near to; leave one away")
    return query


def text_embeddings(
    scene: Scene, texts: Sequence[str], attaches: tuple[Attach, ...]
) -> tuple[dict[Attach, np.ndarray], tuple[str, ...]]:
    """Embeddings (n, d) of texts at each attach point, and warnings about them."""
    gallery, model, refusal = scene.gallery, scene.model, None
    if model is not None:
        try:
            unsure = same_model(gallery, model)
        except InputError as error:
            refusal = no_text_encoder(gallery, str(error))
        else:
            key = ("texts", model.weights_digest, digest_of([list(texts), *attaches]))
            embedded = scene.bench.remember(key, lambda: model.encode_texts(list(texts), attaches))
            notes = [note for text in texts for note in _about_words(text, model)]
            if unsure:
                notes.append(f"could not compare {', '.join(unsure)} of the text model and gallery {gallery.name}")
            return embedded, tuple(dict.fromkeys(notes))
    rows = {text: gallery.prompt_embedding(text) for text in texts}
    known = {text: row for text, row in rows.items() if row is not None}
    strange = [text for text in rows if text not in known]
    if attaches == ("pooled",) and not strange:
        return {"pooled": np.stack([known[text] for text in texts])}, ()
    raise InputError(refusal or _cannot_embed(strange, attaches, gallery))


def why_not_embedded(scene: Scene, texts: Sequence[str], attaches: tuple[Attach, ...]) -> str | None:
    """Why `text_embeddings` would refuse these texts, without embedding any; None where it would not."""
    gallery, refusal = scene.gallery, None
    if scene.model is not None:
        try:
            same_model(gallery, scene.model)
            return None
        except InputError as error:
            refusal = no_text_encoder(gallery, str(error))
    strange = [text for text in texts if gallery.prompt_embedding(text) is None]
    if attaches == ("pooled",) and not strange:
        return None
    return refusal or _cannot_embed(strange, attaches, gallery)


def same_model(gallery: Gallery, model: TextSide) -> list[str]:
    """Names of what could not be compared; InputError where the text model is not the gallery's model.

    Treatment of the items (normalised, preprocessing) does not concern the query: scores are cosines.
    """
    mine, theirs = (
        replace(one, normalised=None, preprocess=UNKNOWN)
        for one in (model.fingerprint(gallery.side, "pooled"), gallery.fingerprint("pooled"))
    )
    unsure = mine.require_match(theirs, f"the text model {model.name!r}", f"gallery {gallery.name!r}")
    return [name for name in unsure if name not in ("normalised", "preprocess")]


def _about_words(text: str, model: TextSide) -> list[str]:
    notes = []
    unknown = model.unknown_words(text)
    if unknown:
        notes.append(f"the model does not know: {', '.join(unknown)}; the ranking ignores what these words mean")
    if model.truncated(text):
        notes.append("the query is longer than the model reads; its end is cut off")
    return notes


def _cannot_embed(strange: list[str], attaches: tuple[Attach, ...], gallery: Gallery) -> str:
    if not gallery.prompts:
        return no_text_encoder(gallery)
    if not strange:
        return (
            "the embeddings of known prompts are known at the pooled attach point only, and the text SAE edits "
            f"{attaches[-1]}; load the gallery's model"
        )
    prompts = list(gallery.prompts)
    near = difflib.get_close_matches(strange[0], prompts, n=5, cutoff=0.3) or prompts[:5]
    why = f"{strange[0]!r} is not among its known prompts; near ones: {', '.join(near)}"
    return no_text_encoder(gallery, why)

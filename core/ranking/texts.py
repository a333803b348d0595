"""Texts to embeddings: by the gallery's own model, or by looking them up among the prompts that came with it."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.config import UNKNOWN, Attach, InputError, digest_of
from core.gallery import Gallery
from core.ranking.bench import Bench

if TYPE_CHECKING:
    from core.backbones.base import Backbone


def query_embedding(text: str, backbone: "Backbone | None", gallery: Gallery) -> np.ndarray:
    """Embedding (d,) of a prompt for searching this gallery, un-normalised where the model gives it so.

    From the backbone where it is the gallery's model, else from the gallery's known prompts.
    InputError that names near prompts where neither knows it.
    """
    return text_embeddings([text], ("pooled",), gallery, backbone, Bench())[0]["pooled"][0]


def text_embeddings(
    texts: Sequence[str],
    attaches: tuple[Attach, ...],
    gallery: Gallery,
    backbone: "Backbone | None",
    bench: Bench,
) -> tuple[dict[Attach, np.ndarray], tuple[str, ...]]:
    """Embeddings (n, d) of texts at each attach point, and warnings about them."""
    refusal = None
    if backbone is not None:
        try:
            unsure = same_model(gallery, backbone)
        except InputError:
            refusal = no_text_encoder(gallery, f"the model at hand, {backbone.name}, is another one")
        else:
            key = ("texts", backbone.weights_digest, digest_of([list(texts), *attaches]))
            found = bench.remember(key, lambda: backbone.encode_texts(list(texts), attaches))
            notes = [note for text in texts for note in _about_words(text, backbone)]
            if unsure:
                notes.append(f"could not compare {', '.join(unsure)} of the text model and gallery {gallery.name}")
            return found, tuple(dict.fromkeys(notes))
    known = [gallery.prompt_embedding(text) for text in texts]
    strange = [text for text, row in zip(texts, known, strict=True) if row is None]
    if attaches == ("pooled",) and not strange:
        return {"pooled": np.stack(known)}, ()
    raise InputError(refusal or _cannot_embed(strange, attaches, gallery))


def why_not_embedded(
    texts: Sequence[str], attaches: tuple[Attach, ...], gallery: Gallery, backbone: "Backbone | None"
) -> str | None:
    """Why `text_embeddings` would refuse these texts, without embedding any; None where it would not."""
    refusal = None
    if backbone is not None:
        try:
            same_model(gallery, backbone)
            return None
        except InputError:
            refusal = no_text_encoder(gallery, f"the model at hand, {backbone.name}, is another one")
    strange = [text for text in texts if gallery.prompt_embedding(text) is None]
    if attaches == ("pooled",) and not strange:
        return None
    return refusal or _cannot_embed(strange, attaches, gallery)


def same_model(gallery: Gallery, backbone: "Backbone") -> list[str]:
    """Names of what could not be compared; InputError where the text model is not the gallery's model.

    Treatment of the items (normalised, preprocessing) does not concern the query: scores are cosines.
    """
    neutral = {"normalised": None, "preprocess": UNKNOWN}
    mine = replace(backbone.fingerprint(gallery.side, "pooled"), **neutral)
    theirs = replace(gallery.fingerprint("pooled"), **neutral)
    unsure = mine.require_match(theirs, f"the text model {backbone.name!r}", f"gallery {gallery.name!r}")
    return [name for name in unsure if name not in neutral]


def _about_words(text: str, backbone: "Backbone") -> list[str]:
    notes = []
    unknown = backbone.unknown_words(text)
    if unknown:
        notes.append(f"the model does not know: {', '.join(unknown)}; the ranking ignores what these words mean")
    if backbone.truncated(text):
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


def no_text_encoder(gallery: Gallery, why: str = "") -> str:
    """What is said everywhere where a prompt meets a gallery whose text encoder is not here, with the three ways out.

    Parameters
    ----------
    why : what was tried, in words.
    """
    name, tried = gallery.fingerprint("pooled").model, f": {why}" if why else ""
    return (
        f"no text encoder of gallery {gallery.name} is here, which {name!r} embedded{tried}; choose that model with "
        "its weights (--model NAME:WEIGHTS, a download or a file put where its message says), or import the gallery "
        "with embeddings of known prompts (--texts with --text-table), or give the embedding of the query "
        "(--query-embedding)"
    )


def gallery_model(gallery: Gallery, model: str | None = None, pretrained: str | None = None) -> "Backbone":
    """The text encoder of a gallery: the named model, else the one that the gallery says.

    InputError : it cannot be loaded; names the ways out.
    """
    from core.backbones.base import load_model

    if model is not None:
        return load_model(model, pretrained)
    try:
        return load_model(gallery.fingerprint("pooled").model, pretrained)
    except InputError as error:
        raise InputError(no_text_encoder(gallery, str(error))) from None

"""The text encoder of a gallery: loaded where it is needed, and what is said where it is not here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.config import InputError
from core.gallery import Gallery

if TYPE_CHECKING:
    from core.backbones.base import Backbone


def text_model(
    gallery: Gallery, texts: Sequence[str], model: str | None = None, pretrained: str | None = None
) -> "Backbone | None":
    """The encoder of texts; None where the gallery knows their embeddings, or any embeddings of prompts at all.

    A model that is asked for by name is always loaded.
    """
    known = all(gallery.prompt_embedding(text) is not None for text in texts)
    if model is None and (known or gallery.prompts):
        return None
    return gallery_model(gallery, model, pretrained)


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

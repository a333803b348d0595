"""The usual world of a gallery: the queries, SAEs and class prompts of a protocol unless told otherwise."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.benchmark.base import PROTOCOLS, World
from core.benchmark.default_protocol import default_prompts
from core.config import InputError, Side
from core.gallery import Gallery, open_gallery
from core.zeroshot import PromptSet

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile

SHIPPED_SAES = ("default-image", "default-text")


def usual_world(
    gallery: Gallery,
    protocol: str,
    *,
    attribute: str | None = None,
    saes: Mapping[Side, "SAEFile"] | None = None,
    backbone: "Backbone | None" = None,
    **choices: Any,
) -> World:
    """A world with the protocol's settings, and the shipped queries, SAEs and class prompts on a shipped gallery.

    Parameters
    ----------
    choices : fields of the world that were given; None is not given.

    Raises
    ------
    InputError : the gallery is of another world and no queries were given, or it has no such attribute.
    """
    attribute = attribute or "gender"
    if attribute not in gallery.attributes:
        there = ", ".join(gallery.attributes) or "none"
        raise InputError(f"gallery {gallery.name} has no attribute {attribute!r}; give --attribute as one of {there}")
    given = {name: value for name, value in choices.items() if value is not None}
    fields = dict(PROTOCOLS.get(protocol).defaults) | given
    if not given.get("prompts"):
        fields["prompts"], controls = default_prompts(gallery)
        fields.setdefault("controls", controls)
    if is_shipped(gallery):
        saes = saes or shipped_saes(gallery)
        fields.setdefault("class_prompts", PromptSet.load("default-attributes"))
    return World(gallery, attribute, saes=saes or {}, backbone=backbone, **fields)


def is_shipped(gallery: Gallery) -> bool:
    """Whether the shipped model embedded this gallery."""
    return gallery.fingerprint().weights == open_gallery("default").fingerprint().weights


def shipped_saes(gallery: Gallery) -> dict[Side, "SAEFile"]:
    """The shipped SAEs of the pooled embeddings, by side."""
    from core.saes.checkpoint import load_sae

    return {sae.side or gallery.side: sae for sae in map(load_sae, SHIPPED_SAES)}

"""From names to a scene: galleries, SAEs and the text encoder that a person named."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.config import InputError, Side
from core.gallery import Gallery, open_gallery
from core.scene.encoders import text_model
from core.scene.scene import SAEs, Scene

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile


def open_scene(
    gallery: str,
    saes: Sequence[str] = (),
    texts: Sequence[str] = (),
    model: str | None = None,
    pretrained: str | None = None,
) -> Scene:
    """The scene that a person named.

    Parameters
    ----------
    texts : what will be embedded; the encoder is loaded only where the gallery does not know them.
    model, pretrained : the text encoder, where it is not the gallery's own.

    Raises
    ------
    InputError : what was named is not there, or two SAEs are of one side.
    """
    opened = open_gallery(gallery)
    return Scene(opened, load_saes(opened, saes), text_model(opened, texts, model, pretrained))


def load_saes(gallery: Gallery, names: Sequence[str]) -> dict[Side, "SAEFile"]:
    """SAEs by side, in the order given; one that does not say its side is taken as the gallery's."""
    if not names:
        return {}
    from core.saes.checkpoint import load_sae

    saes: dict[Side, SAEFile] = {}
    for sae_file in map(load_sae, names):
        side = sae_file.side or gallery.side
        if side in saes:
            raise InputError(f"two SAEs of the {side} side were given; give one a side")
        saes[side] = sae_file
    return saes


def shipped_saes_for(gallery: Gallery, sides: Sequence[Side] = ("image", "text")) -> SAEs:
    """The SAEs that ship for some sides, where the gallery holds embeddings of the shipped model; else none."""
    from core.saes.checkpoint import load_sae
    from core.saes.folder import shipped_saes

    saes: dict[Side, SAEFile] = {}
    for side in sides:
        if f"default-{side}" in shipped_saes():
            file = load_sae(f"default-{side}")
            if file.fingerprint is not None and file.fingerprint.weights == gallery.fingerprint("pooled").weights:
                saes[side] = file
    return saes

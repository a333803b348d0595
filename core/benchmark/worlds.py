"""The usual world of a scene: the queries, SAEs and class prompts of a protocol unless told otherwise."""

from dataclasses import replace
from typing import Any

from core.benchmark.base import PROTOCOLS
from core.benchmark.default_protocol import default_prompts
from core.benchmark.world import World
from core.config import InputError
from core.scene import Scene
from core.scene.opening import shipped_saes_for


def usual_world(scene: Scene, protocol: str, attribute: str | None = None, **choices: Any) -> World:
    """A world with the protocol's settings; without SAEs the shipped ones where they fit the gallery.

    Class prompts are the scene's, where it has a model that embeds them.

    Parameters
    ----------
    choices : fields of the world that were given; None is not given.

    Raises
    ------
    InputError : the gallery is of another world and no queries were given, or it has no such attribute.
    """
    gallery, attribute = scene.gallery, attribute or "gender"
    if attribute not in gallery.attributes:
        there = ", ".join(gallery.attributes) or "none"
        raise InputError(f"gallery {gallery.name} has no attribute {attribute!r}; give --attribute as one of {there}")
    given = {name: value for name, value in choices.items() if value is not None}
    fields = dict(PROTOCOLS.get(protocol).defaults) | given
    if not given.get("prompts"):
        fields["prompts"], controls = default_prompts(gallery)
        fields.setdefault("controls", controls)
    if not scene.saes:
        scene = replace(scene, saes=shipped_saes_for(gallery))
    if scene.model is not None:
        fields.setdefault("class_prompts", scene.class_prompts)
    return World(scene, attribute, **fields)

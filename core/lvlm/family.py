"""Families of large vision-language models: where each reads the tokens of its vision tower."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from core.config import InputError
from core.lvlm.doors import ReadPlace
from core.registry import Registry


class Family(ABC):
    """Models of one architecture, known by the `model_type` of their configuration."""

    model_types: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    reads: ClassVar[str]
    """What its language model reads, in words."""
    questions_share_a_prefix: ClassVar[bool] = False
    """True where tokens behind the picture see it and are not seen by it, so that its keys and values are computed once
    for all questions."""

    @abstractmethod
    def places(self, model: Any) -> tuple[ReadPlace, ...]:
        """Every place that is read, in the order in which the tokens are used."""

    def keeps_cls(self, model: Any) -> bool | None:
        """Whether the tower's CLS token is among those read; None where the tower has none."""
        return None


LVLMS: Registry[type[Family]] = Registry("large vision-language model", "core.lvlm.families")


def family_of(model: Any) -> Family | None:
    """The family of a model by its configuration; None where it is not one of the known ones."""
    kind = getattr(getattr(model, "config", None), "model_type", None)
    for name in LVLMS:
        if kind in LVLMS.get(name).model_types:
            return LVLMS.get(name)()
    return None


class TowerFamily(Family):
    """Reads a tower's hidden states, as `vision_feature_layer` says: one, or several that are concatenated."""

    tower: ClassVar[str] = "model.vision_tower"

    def places(self, model: Any) -> tuple[ReadPlace, ...]:
        given = model.config.vision_feature_layer
        layers = [given] if isinstance(given, int) else list(given)
        return tuple(ReadPlace(self.tower, "states", layer) for layer in dict.fromkeys(layers))


class LastStateFamily(Family):
    """Reads a tower's `last_hidden_state`, after its final norm."""

    tower: ClassVar[str] = "model.vision_tower"

    def places(self, model: Any) -> tuple[ReadPlace, ...]:
        return (ReadPlace(self.tower, "last"),)


class MergerFamily(Family):
    """Reads what enters the tower's merger."""

    merger: ClassVar[str] = "model.visual.merger"

    def places(self, model: Any) -> tuple[ReadPlace, ...]:
        return (ReadPlace(self.merger, "input"),)


def require_read(places: tuple[ReadPlace, ...], name: str) -> ReadPlace:
    """The place called `name`; InputError where the language model does not read there, with what it reads."""
    for place in places:
        if place.name == name:
            return place
    read = ", ".join(place.name for place in places)
    raise InputError(f"an edit at {name} reaches nothing: the language model reads {read}; edit there")

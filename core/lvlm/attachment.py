"""A model with the places from which its language model reads, known or found, and views that edit there."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from core.config import InputError
from core.lvlm.doors import Edit, EditedOutput, ReadPlace, module_at, view, with_front
from core.lvlm.family import Family, family_of, require_read

PICTURE_INPUTS = ("pixel_values", "image_sizes", "image_grid_thw", "pixel_attention_mask", "spatial_shapes")
"""What processors give for pictures; all else is text."""
PIXELS = ("pixel_values", "pixel_attention_mask")
"""Of these, what only the tower reads; sizes are also read where places are numbered."""


@dataclass(frozen=True, eq=False)
class Attachment:
    """A model, shared and never changed, and where its language model reads the vision tower's tokens."""

    model: Any
    places: tuple[ReadPlace, ...]
    family: Family | None
    """None where the places were found by experiment."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the places, in the order in which they are read."""
        return tuple(place.name for place in self.places)

    @cached_property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @cached_property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def one_tower(self) -> bool:
        """Whether all places are outputs of one tower, which then runs once for all edits."""
        return len({place.path for place in self.places}) == 1 and self.places[0].kind != "input"

    def at(self, names: Sequence[str] | None) -> tuple[ReadPlace, ...]:
        """The places of these names, all of them for None; InputError for one that is not read."""
        return self.places if names is None else tuple(require_read(self.places, name) for name in names)

    def view(self, edit: Edit, names: Sequence[str] | None = None, tower: Any = None) -> Any:
        """The model through a door at which `edit` is applied; it answers, generates and projects as the model does.

        Parameters
        ----------
        names : some of the places; None: all.
        tower : what `run_tower` gave, so that the tower is not run again.

        Raises
        ------
        InputError : a place that the language model does not read: an edit there would silently do nothing.
        """
        places = self.at(names)
        if tower is not None and not self.one_tower:
            raise InputError(f"{type(self.model).__name__} has no single tower whose output could be kept")
        return view(self.model, places, edit, tower)

    @torch.inference_mode()
    def run_tower(self, pictures: Mapping[str, torch.Tensor]) -> Any:
        """The tower's output for some pictures, to be given to `view` for any number of edits; None without one tower.

        Hidden states that nobody reads are left out.
        """
        if not self.one_tower:
            return None
        kept: list[Any] = []
        door: Any = with_front(self.model, self.places[0].path, lambda inner: _Recorder(inner, kept))
        door.get_image_features(**pictures, return_dict=True)
        found = copy.copy(kept[0])
        if found.get("hidden_states") is not None:
            states = found.hidden_states
            read = {place.at(len(states)) for place in self.places if place.kind == "states"}
            found["hidden_states"] = tuple(x if i in read else None for i, x in enumerate(states))
        return found

    @torch.inference_mode()
    def tokens(self, pictures: Mapping[str, torch.Tensor], tower: Any = None) -> dict[str, torch.Tensor]:
        """What is read at every place for some pictures, by the place's name: (rows, tokens, width) or (tokens, width).

        Where a strategy of the model drops CLS behind the place, the token is still here.
        """
        seen: dict[str, torch.Tensor] = {}

        def keep(x: torch.Tensor, name: str) -> torch.Tensor:
            seen[name] = x
            return x

        self.features(pictures, keep, tower)
        return seen

    @torch.inference_mode()
    def features(self, pictures: Mapping[str, torch.Tensor], edit: Edit | None = None, tower: Any = None) -> Any:
        """The projected features of some pictures, as the language model takes them: `mm_encoder_outputs["image"]`."""
        door = self.model if edit is None and tower is None else self.view(edit or _same, tower=tower)
        return door.get_image_features(**pictures, return_dict=True)

    def width(self, pictures: Mapping[str, torch.Tensor]) -> dict[str, int]:
        """Channels of the read tokens, by the place's name."""
        return {name: x.shape[-1] for name, x in self.tokens(pictures).items()}


class _Recorder(EditedOutput):
    """A tower whose output is kept on its way out."""

    def __init__(self, inner: Any, kept: list[Any]) -> None:
        super().__init__(inner, (), _same)
        self.__dict__["kept"] = kept

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        found = super().forward(*args, **kwargs)
        self.kept.append(copy.copy(found))
        return found


def _same(x: torch.Tensor, name: str) -> torch.Tensor:
    return x


def attach(model: Any, example: Mapping[str, torch.Tensor] | None = None) -> Attachment:
    """The model with the places that its language model reads.

    Parameters
    ----------
    example : inputs of one question with its picture; needed where the family is not known: the places are then found
        by experiment, see `core.lvlm.found`.

    Raises
    ------
    InputError : a model without a vision tower; an unknown family without an example; a place that is not there.
    """
    family = family_of(model)
    if family is not None:
        places = family.places(model)
        for place in places:
            module_at(model, place.path)
        return Attachment(model, places, family)
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    if not hasattr(model, "get_image_features"):
        raise InputError(
            f"a model of type {kind!r} has no vision tower that transformers knows; it cannot see pictures"
        )
    if example is None:
        raise InputError(f"models of type {kind!r} are not known here; give a picture to find out where they are read")
    from core.lvlm.found import find_places

    places, notes = find_places(model, example)
    return Attachment(model, places, None, notes)


def split_inputs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A processor's output as (what the tower reads, what the language model reads beside the projected features)."""
    pictures = {name: value for name, value in inputs.items() if name in PICTURE_INPUTS}
    return pictures, {name: value for name, value in inputs.items() if name not in PIXELS}

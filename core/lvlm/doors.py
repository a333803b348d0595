"""A second front door to a model: the same weights, with one module on the way wrapped. No hook, nothing changed.

transformers installs lasting hooks of its own at a model's first run, behind which a hook on a block is heard no more:
it moves nothing, without an error. A view does not depend on that. Modules on the path to the wrapped one are copied
(their table of parts, not their weights), all others are shared; the model itself never learns of the view.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from core.config import InputError
from core.lvlm.library import recording

Kind = Literal["states", "last", "input"]
Edit = Callable[[torch.Tensor, str], torch.Tensor]
"""Read tokens (..., width) and the name of the place, to tokens of the same shape. A pure function."""


@dataclass(frozen=True)
class ReadPlace:
    """One place from which the language model, through its projector, reads tokens of the vision tower."""

    path: str
    """Of the module inside the model that is wrapped."""
    kind: Kind
    """"states": recorded hidden states of a tower; "last": its `last_hidden_state`; "input": what enters a module."""
    layer: int | None = None
    """Number of the hidden state, as the model's configuration has it; [i] is the output of block i - 1."""

    @property
    def name(self) -> str:
        """Short and unique within a model: "model.vision_tower[-2]"."""
        return {"states": f"{self.path}[{self.layer}]", "last": f"{self.path}.last", "input": f"{self.path}.input"}[
            self.kind
        ]

    def at(self, n: int) -> int:
        """Place of this state among the n that a tower records."""
        assert self.layer is not None, "recorded states are told apart by their layer"
        return self.layer % n


class Front(nn.Module):
    """Stands before a module; whatever it does not have itself is the module's."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.__dict__["inner"] = inner  # not registered: the view has the parts of the model, no more

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["inner"], name)


class EditedOutput(Front):
    """A tower whose hidden states, or last hidden state, are edited on their way out.

    With `recorded`, an output of the tower that is there already, the tower is not run again.
    """

    def __init__(self, inner: nn.Module, places: Sequence[ReadPlace], edit: Edit, recorded: Any = None) -> None:
        super().__init__(inner)
        self.places, self.edit, self.recorded = tuple(places), edit, recorded

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        found = copy.copy(self.inner(*args, **kwargs) if self.recorded is None else self.recorded)
        for place in self.places:
            if place.kind == "last":
                found["last_hidden_state"] = self._edited(found.last_hidden_state, place)
            else:
                states = list(found.hidden_states)
                at = place.at(len(states))
                states[at] = self._edited(states[at], place)
                found["hidden_states"] = tuple(states)
        return found

    def _edited(self, x: torch.Tensor, place: ReadPlace) -> torch.Tensor:
        return checked(self.edit(x, place.name), x)


class EditedInput(Front):
    """A merger or projector that reads edited tokens."""

    def __init__(self, inner: nn.Module, place: ReadPlace, edit: Edit) -> None:
        super().__init__(inner)
        self.place, self.edit = place, edit

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return self.inner(checked(self.edit(x, self.place.name), x), *args, **kwargs)


def checked(edited: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The edited tokens in the dtype of the model; ValueError where an edit changed their shape or device."""
    if edited.shape != x.shape or edited.device != x.device:
        raise ValueError(f"an edit made {tuple(edited.shape)} on {edited.device} of {tuple(x.shape)} on {x.device}")
    return edited.to(x.dtype)


def view(model: nn.Module, places: Sequence[ReadPlace], edit: Edit, recorded: Any = None) -> Any:
    """The model through a door at which `edit` is applied at every place; the model itself is not changed.

    Parameters
    ----------
    recorded : an output of the one tower of all places, which then is not run again.
    """
    by_path: dict[str, list[ReadPlace]] = {}
    for place in places:
        by_path.setdefault(place.path, []).append(place)
    through = model
    for path, read in by_path.items():
        if read[0].kind == "input":
            through = with_front(through, path, partial(EditedInput, place=read[0], edit=edit))
        else:
            through = with_front(through, path, partial(EditedOutput, places=read, edit=edit, recorded=recorded))
    return through


def with_front(model: nn.Module, path: str, front: Callable[[nn.Module], Front]) -> nn.Module:
    """The same model with another module at `path`: those on the path are copied, all others shared."""
    install_recording(model, path)
    top = node = copy.copy(model)
    *way, last = path.split(".")
    for name in way:
        node._modules = dict(node._modules)
        part = copy.copy(part_of(node, name))
        node._modules[name] = part
        node = part
    node._modules = dict(node._modules)
    node._modules[last] = front(part_of(node, last))
    return top


def part_of(module: nn.Module, name: str) -> nn.Module:
    """A module's part by its name."""
    part = module._modules[name]
    assert part is not None, f"{name} is empty in this model"
    return part


def install_recording(model: nn.Module, path: str) -> None:
    """Let transformers install on a tower what it would at its first run, and not on a copy of it.

    Copies share their parts: installed through a copy, and later through the tower, every state would be recorded
    twice. Models that hold others do not record themselves.
    """
    install, node = recording(), model
    for name in path.split(".")[:-1]:
        node = part_of(node, name)
        if isinstance(node, Front) or install is None:
            return
        holds_others = any(hasattr(part, "config") for _, part in node.named_children())
        if hasattr(node, "config") and not holds_others:
            install(node)


def module_at(model: nn.Module, path: str) -> nn.Module:
    """The module at a dotted path; InputError where the model has none."""
    try:
        return model.get_submodule(path)
    except AttributeError:
        raise InputError(f"{type(model).__name__} has no part {path}; its tokens are read elsewhere") from None

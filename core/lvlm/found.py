"""Where an unknown model reads its vision tower, found by experiment: push what is there, and see the logits move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from core.config import InputError
from core.lvlm.doors import EditedOutput, ReadPlace, view, with_front

LEAST_BLOCKS = 2
MOVED = 1e-6
"""Change of a logit, as a share of the largest one, from which it has moved."""


def find_places(model: Any, example: Mapping[str, torch.Tensor]) -> tuple[tuple[ReadPlace, ...], tuple[str, ...]]:
    """The places that are read, and a note that says how they were found.

    Tried in this order: every recorded hidden state and the last one of each vision tower, each pushed in a random
    direction in the tower's output alone, so that what moves the logits was read from there; then the input of every
    module beside and behind the tower's blocks.

    InputError where nothing moves the logits.
    """
    vision = [path for path, _ in _towers(model)]
    with torch.inference_mode():
        plain = model(**example).logits
        for path in vision:
            moved = [place for place in _outputs(model, path, example) if _moves(model, place, example, plain)]
            if moved:
                return _result(model, moved)
        for path in vision:
            moved = [place for place in _inputs(model, path) if _moves(model, place, example, plain)]
            if moved:
                return _result(model, _outermost(moved))
    raise InputError(
        f"{type(model).__name__}: no place was found at which a push of the picture's tokens moves the answer; models "
        "of this kind cannot be edited here"
    )


def _result(model: Any, moved: list[ReadPlace]) -> tuple[tuple[ReadPlace, ...], tuple[str, ...]]:
    names = ", ".join(place.name for place in moved)
    return tuple(moved), (f"{type(model).__name__} is not a known family: found by experiment to be read at {names}",)


def _towers(model: Any) -> Iterator[tuple[str, nn.Module]]:
    """Modules that hold a list of blocks, outermost first, without those of the language model."""
    language = model.get_input_embeddings()
    home = next(path for path, module in model.named_modules() if module is language).rpartition(".")[0]
    seen = [home] if home else []
    for path, module in model.named_modules():
        if not path or any(f"{path}.".startswith(f"{one}.") for one in seen) or _holds(module, language):
            continue
        lists = [part for part in module.modules() if isinstance(part, nn.ModuleList) and len(part) >= LEAST_BLOCKS]
        if lists:
            seen.append(path)
            yield path, module


def _holds(module: nn.Module, part: nn.Module) -> bool:
    return any(one is part for one in module.modules())


def _outputs(model: Any, path: str, example: Mapping[str, torch.Tensor]) -> list[ReadPlace]:
    """Every state that a tower gives out while the model answers."""
    seen: list[Any] = []

    class Looked(EditedOutput):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            found = self.inner(*args, **kwargs)
            seen.append(found)
            return found

    with_front(model, path, lambda inner: Looked(inner, (), lambda x, name: x))(**example)
    if not seen or not hasattr(seen[0], "get"):
        return []
    states = seen[0].get("hidden_states") or ()
    there = [i for i, state in enumerate(states) if state is not None]
    # counted from the end, as configurations do
    places = [ReadPlace(path, "states", i - len(states)) for i in there]
    return places + ([ReadPlace(path, "last")] if seen[0].get("last_hidden_state") is not None else [])


def _inputs(model: Any, path: str) -> list[ReadPlace]:
    """Modules of the tower behind its blocks, and beside it, that take tokens."""
    tower = model.get_submodule(path)
    blocks = {name for name, part in tower.named_modules() if isinstance(part, nn.ModuleList) and _alike(part)}
    lists = [name for name in tower._modules if name in blocks and _is_merger_list(name)]
    inside = [name for name in tower._modules if name not in blocks]
    inside += [f"{name}.{i}" for name in lists for i in range(len(list(tower.get_submodule(name).children())))]
    beside = path.rpartition(".")[0]
    parent = model.get_submodule(beside) if beside else model
    language = model.get_input_embeddings()
    others = [name for name, part in parent.named_children() if part is not tower and not _holds(part, language)]
    found = [f"{path}.{name}" for name in inside] + [f"{beside}.{name}".lstrip(".") for name in others]
    return [ReadPlace(one, "input") for one in found]


def _alike(parts: nn.ModuleList) -> bool:
    return len({type(part) for part in parts}) == 1


def _is_merger_list(name: str) -> bool:
    """Lists whose entries each read the blocks' tokens, rather than each other's."""
    return "merger" in name or "projector" in name


def _moves(model: Any, place: ReadPlace, example: Mapping[str, torch.Tensor], plain: torch.Tensor) -> bool:
    """Whether a push of the tokens at a place changes any logit."""

    def pushed(x: torch.Tensor, name: str) -> torch.Tensor:
        direction = torch.randn(x.shape[-1], generator=torch.Generator().manual_seed(0)).to(x)
        return x + direction * x.float().std().to(x.dtype)

    try:
        moved = view(model, (place,), pushed)(**example).logits
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError):  # what enters or leaves here is no token
        return False
    return bool((moved - plain).abs().max() > MOVED * plain.abs().max())


def _outermost(moved: list[ReadPlace]) -> list[ReadPlace]:
    """Of modules that feed each other the last that still sees the tower's width: mergers and projectors."""
    mergers = [place for place in moved if any(word in place.path for word in ("merger", "projector", "connector"))]
    return mergers or moved[-1:]

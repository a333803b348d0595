"""What a kind of long work is: its title, who may ask for it, what it takes, and what it calls."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from core.config import InputError, Progress
from core.registry import Registry

KINDS: Registry[type["JobKind"]] = Registry("kind of job", "core.jobs.kinds")


@dataclass(frozen=True)
class Work:
    """What a job has at hand while it is done."""

    progress: Progress
    """Says how far it is."""
    say: Callable[[str], None]
    """Writes a line into the job's log; people read it."""
    folder: Path
    """A workplace of its own, with what was uploaded for it; there until the job is over, however often it is begun."""
    again: bool = False
    """Whether an earlier try was cut off: what that one finished is there, and is the result."""


@dataclass(frozen=True)
class Made:
    """What a job leaves behind."""

    name: str
    """What people know it by; for a folder its name, never its path."""
    place: Path | None = None


class JobKind:
    """One kind of long work. A file of core/jobs/kinds holds it and registers it with `@KINDS.register("name")`.

    What it takes is `Order`, a frozen dataclass of plain values (texts, numbers, lists and mappings of them), whose
    `__post_init__` refuses what is wrong by itself.
    """

    title: ClassVar[str]
    """What is done, for pages and logs: "Train an SAE"."""
    action: ClassVar[str]
    """Of core.access: who may ask for it."""
    Order: ClassVar[type]
    """What it takes."""
    priority: ClassVar[int] = 0
    """More urgent work has a larger number, and longer work a smaller one."""
    needs_gpu: ClassVar[bool] = False
    """Whether it takes the whole of a GPU, where there is one."""
    resumable: ClassVar[bool] = True
    """Whether a try that was cut off goes on where it was; else it is begun anew, and never gives way to other work."""

    def subject(self, order: Any) -> str:
        """What it is about, in words without a path: "my-gallery"."""
        raise NotImplementedError

    def place(self, order: Any) -> Path | None:
        """The folder that it makes, which no other job may be making; None where its name is known in the end alone."""
        return None

    def check(self, order: Any) -> None:
        """InputError for what can be known to be wrong before it waits."""

    def run(self, order: Any, work: Work) -> Made:
        """Do it."""
        raise NotImplementedError


def read_order(kind: type[JobKind], parameters: Mapping[str, Any]) -> Any:
    """The parameters of a job as the kind's `Order`; InputError naming what is unknown, missing or of another type."""
    hints, fields = get_type_hints(kind.Order), {one.name: one for one in dataclasses.fields(kind.Order)}
    unknown = [name for name in parameters if name not in fields]
    if unknown:
        raise InputError(
            f"{kind.title} takes no {', '.join(map(repr, unknown))}; it takes {', '.join(fields) or 'nothing'}"
        )
    missing = [
        name
        for name, one in fields.items()
        if name not in parameters and one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"{kind.title} lacks {', '.join(missing)}")
    return kind.Order(**{name: _read(kind, name, value, hints[name]) for name, value in parameters.items()})


def _read(kind: type[JobKind], name: str, value: Any, hint: Any) -> Any:
    """The value as a field holds it: lists are tuples there."""
    if not _fits(value, hint):
        expected = getattr(hint, "__name__", None) if get_origin(hint) is None else str(hint).replace("typing.", "")
        raise InputError(f"{kind.title}: {name} was {value!r:.80}; expected {expected}")
    return tuple(value) if isinstance(value, list) else value


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if hint is type(None) or hint is None:
        return value is None
    if origin is typing.Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(one, inner[0]) for one in value)
    if origin is not None:
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))

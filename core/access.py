"""Who acts, and what they may: roles, the table of actions, and the one question that every guarded function asks.

On one person's machine nothing is configured and everything is allowed. On a team server nobody may do anything unless
a role says so; what a person may not do is refused here, wherever it was asked from, and not only hidden by a page.
"""

import functools
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from core.config import ASSETS, InputError

P = ParamSpec("P")
T = TypeVar("T")

CONFIG_VARIABLE = "UNSKEW_CONFIG"
"""Path of the team server's configuration; where it is not set, one person works alone on this machine."""
ROLES = ("viewer", "rater", "auditor", "operator")
GUEST = "guest"
"""Role of whoever stands at a kiosk: looks and compares, and leaves nothing behind."""

_VIEWERS = frozenset(ROLES)
_LOOKERS = frozenset({GUEST, *ROLES})
_RATERS = frozenset({"rater", "operator"})
_AUDITORS = frozenset({"auditor", "operator"})
_OPERATORS = frozenset({"operator"})


@dataclass(frozen=True)
class Action:
    """Something that a person does, in words ("train SAEs"), and the roles that may do it."""

    title: str
    roles: frozenset[str]


ACTIONS: dict[str, Action] = {
    "look": Action("look at galleries, neurons and reports", _LOOKERS),
    "compare": Action("ask prompts before and after an edit", _LOOKERS),
    "ask": Action("ask a language model about a gallery's pictures", _LOOKERS),
    "download": Action("download figures, ranked lists and reports", _VIEWERS),
    "open": Action("open another gallery, SAE or model that this server lists", _VIEWERS),
    "follow": Action("follow a presenter's session", _VIEWERS),
    "present": Action("let others follow this session", frozenset({"auditor", "operator"})),
    "label": Action("label neurons", _RATERS),
    "adjudicate": Action("settle labels on which raters differ", _RATERS),
    "freeze-labels": Action("make a label set", _RATERS | _AUDITORS),
    "upload": Action("upload pictures, captions and tables", _AUDITORS),
    "audit": Action("run an audit", _AUDITORS),
    "export-edit": Action("export an edit", _AUDITORS),
    "benchmark": Action("run a benchmark or a study", _AUDITORS),
    "map": Action("compute a map", _AUDITORS),
    "verify": Action("verify a report", _AUDITORS),
    "choose": Action("choose a gallery, SAE or model by its folder or address", _OPERATORS),
    "build": Action("build a gallery", _OPERATORS),
    "import": Action("import a gallery, an SAE or labels", _OPERATORS),
    "train": Action("train an SAE", _OPERATORS),
    "delete": Action("delete galleries, SAEs or audits", _OPERATORS),
    "see-jobs": Action("see the jobs of everyone", _VIEWERS),
    "cancel-any-job": Action("cancel the job of somebody else", _OPERATORS),
    "operate": Action("see disk, memory, sessions and the record of what was done", _OPERATORS),
}
"""Every action of every page and of the job store, by its name; whoever started a job may always cancel it."""


class Refused(InputError):
    """A person's roles do not allow what was asked."""


@dataclass(frozen=True)
class Person:
    """Who acts.

    Parameters
    ----------
    name : what identifies the person for good (an e-mail address, a proxy's user name); "" for whoever works alone.
    title : how the person is called on pages.
    roles : what the configuration grants; empty: nothing at all.
    groups : those that the sign-in named, on which roles may rest.
    """

    name: str
    title: str = ""
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def may(self, action: str) -> bool:
        """Whether a role of this person allows the action; ValueError for an action that is not in the table."""
        if action not in ACTIONS:
            raise ValueError(f"{action!r} is no action; known: {', '.join(ACTIONS)}")
        return bool(self.roles & ACTIONS[action].roles)


ALONE = Person("", "", frozenset(ROLES))
NOBODY = Person("nobody", "nobody")

_acting: ContextVar[Person | None] = ContextVar("acting", default=None)
_asked: list[Callable[[], Person | None]] = []
"""How a door finds out who stands in it (the browser's session); at most one."""


_told: list[Callable[[Person, str, str, bool], None]] = []
"""Who hears what `require` answers: the record of what was done; at most one."""


def configured() -> bool:
    """Whether a team server's configuration is in force in this process."""
    return bool(os.environ.get(CONFIG_VARIABLE))


def ask_who(who: Callable[[], Person | None]) -> None:
    """Have `acting` ask a door where no block says who acts: callbacks and threads have no block around them."""
    _asked[:] = [who]


def tell(listener: Callable[[Person, str, str, bool], None]) -> None:
    """Have a listener hear every answer of `require`: who, which action, on what by name, whether it was allowed."""
    _told[:] = [listener]


def acting() -> Person:
    """Who acts: the block's person, else whom the door knows; without a configuration ALONE, with one NOBODY."""
    person = _acting.get()
    if person is None and _asked:
        person = _asked[0]()
    if person is not None:
        return person
    return NOBODY if configured() else ALONE


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """What the block does is done by this person: a worker's block around somebody's job."""
    before = _acting.set(person)
    try:
        yield
    finally:
        _acting.reset(before)


def as_now(work: Callable[P, T]) -> Callable[P, T]:
    """The work as a thread does it for the one who acts now: a thread of its own is nobody's."""
    person = acting()

    def run(*given: P.args, **more: P.kwargs) -> T:
        with acting_as(person):
            return work(*given, **more)

    return run


def may(action: str) -> bool:
    """Whether the one who acts may do it; pages show only what this allows."""
    return acting().may(action)


def require(action: str, what: str = "") -> None:
    """Refused, in one line, unless the one who acts may do it. The first line of every guarded function.

    Parameters
    ----------
    what : on what, by its name, for the record of what was done; never a path.
    """
    person = acting()
    allowed = person.may(action)
    for listener in _told:
        listener(person, action, what, allowed)
    if not allowed:
        needed = ", ".join(role for role in ROLES if role in ACTIONS[action].roles)
        raise Refused(
            f"to {ACTIONS[action].title} needs one of the roles {needed}, and {_called(person)} has "
            f"{', '.join(sorted(person.roles)) or 'none'}; ask whoever operates this server"
        )


def _called(person: Person) -> str:
    return person.title or person.name or "whoever comes in here"


# -- what is opened ---------------------------------------------------------------------------------------------------


def folder_named(kind: str, name: str | Path) -> Path | None:
    """Folder of a gallery, an SAE or a model by the name that the configuration's roots give it: ROOT or ROOT/FOLDER.

    None for every other text, and without a configuration. Specs keep these names, so that no report holds a path.
    """
    root, slash, inside = str(name).partition("/")
    folder = _listed(os.environ[CONFIG_VARIABLE]).folders.get((kind, root)) if configured() else None
    plain = inside and not inside.startswith(".") and not {"/", "\\", "\0"} & set(inside)
    return None if folder is None or (slash and not plain) else folder / inside


def require_folder(folder: Path) -> None:
    """Refused for a folder that the configuration does not list, unless the one who acts may choose by folder.

    Asked before anything is looked for: a folder that is not there and one that is get the same answer.
    """
    if configured() and not may("choose"):
        listed = _listed(os.environ[CONFIG_VARIABLE]).folders.values()
        here = folder.expanduser().resolve()
        known = any(here.is_relative_to(one) for one in (ASSETS, *listed))
        require("look" if known else "choose")


def require_model(name: str, folder: Path | None) -> None:
    """The same for a model: one in a folder, or one by a name that the configuration lists under [roots.models]."""
    if not configured() or may("choose"):
        return
    if folder is not None:
        require_folder(folder)
        return
    shipped = name and "/" not in name and not name.startswith(".") and (ASSETS / "models" / name).is_dir()
    require("look" if shipped or name in _listed(os.environ[CONFIG_VARIABLE]).models else "choose")


def require_own(names: Iterable[str]) -> None:
    """Refused for what is said under another name than that of the one who acts, where there is one, unless it may be
    imported.
    """
    person = acting()
    if person.name and set(names) - {person.name, f"guess for {person.name}"}:
        require("import")


class _Listed(NamedTuple):
    """What a configuration's [roots] name: folders by kind and name, and models by their own names."""

    folders: dict[tuple[str, str], Path]
    models: frozenset[str]


@functools.lru_cache(maxsize=4)
def _listed(path: str) -> _Listed:
    """The roots of a configuration; none where it cannot be read.

    Read here and not by `core.team`, which stands above all that opens something.
    """
    try:
        roots = tomllib.loads(Path(path).read_text("utf-8")).get("roots", {})
        given = {(kind, name): str(value) for kind, names in roots.items() for name, value in names.items()}
        beside = Path(path).resolve().parent
        folders = {key: (beside / Path(value).expanduser()).resolve() for key, value in given.items()}
        models = frozenset(value for (kind, _), value in given.items() if kind == "models")
        return _Listed({key: folder for key, folder in folders.items() if folder.is_dir()}, models)
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, AttributeError):
        return _Listed({}, frozenset())

"""Who acts, and what they may: roles, the table of actions, and the one question that every guarded function asks.

On one person's machine nothing is configured and everything is allowed. On a team server nobody may do anything unless
a role says so; what a person may not do is refused here, wherever it was asked from, and not only hidden by a page.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from core.config import InputError

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
    """

    name: str
    title: str = ""
    roles: frozenset[str] = frozenset()

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


def configured() -> bool:
    """Whether a team server's configuration is in force in this process."""
    return bool(os.environ.get(CONFIG_VARIABLE))


def ask_who(who: Callable[[], Person | None]) -> None:
    """Have `acting` ask a door where no block says who acts: callbacks and threads have no block around them."""
    _asked[:] = [who]


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


def may(action: str) -> bool:
    """Whether the one who acts may do it; pages show only what this allows."""
    return acting().may(action)


def require(action: str) -> None:
    """Refused, in one line, unless the one who acts may do it. The first line of every guarded function."""
    person = acting()
    if not person.may(action):
        known = ", ".join(sorted(person.roles)) or "none"
        needed = ", ".join(role for role in ROLES if role in ACTIONS[action].roles)
        raise Refused(
            f"to {ACTIONS[action].title} needs one of the roles {needed}, and the roles of "
            f"{person.title or person.name} are: {known}; ask whoever operates this server"
        )

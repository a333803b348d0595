"""All prompts that methods are fitted on, as one choice with a digest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from core.config import InputError, digest_of
from core.prompts.files import SCHEMA, keys_of, texts_of
from core.prompts.groups import FOREIGN, GroupPrompts, GroupTexts
from core.prompts.lists import PromptList
from core.prompts.paraphrases import Paraphrases

OPEN, CLOSED = "open", "default"
"""Books shipped: for models with an open vocabulary, and in the words of the built-in demo model."""
SHIPPED = {
    OPEN: ("diverse", "groups", "paraphrases", "roles"),
    CLOSED: ("default-diverse", "default-groups", "default-paraphrases", "occupations"),
}


@dataclass(frozen=True)
class PromptBook:
    """Everyday scenes, groups, paraphrases and contents that belong together."""

    name: str
    diverse: tuple[str, ...]
    groups: GroupPrompts
    paraphrases: Paraphrases
    contents: tuple[str, ...]
    """Prompts that are said of every group: "a photo of a doctor"."""
    helpful: tuple[tuple[str, str], ...] = ()
    """Pairs whose difference RoboShot strengthens."""

    @cached_property
    def digest(self) -> str:
        return digest_of({**self.to_json(), "name": ""})

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "name": self.name,
            "diverse": list(self.diverse),
            "groups": self.groups.to_json(),
            "paraphrases": self.paraphrases.to_json(),
            "contents": list(self.contents),
            "helpful": [list(pair) for pair in self.helpful],
        }

    @classmethod
    def from_json(cls, value: Any, name: str = "prompts") -> "PromptBook":
        """What `to_json` wrote; InputError naming the part that is wrong."""
        what = f"the prompts {name}"
        value = keys_of(value, what, ["diverse", "groups", "paraphrases", "contents"], ["helpful"])
        pairs = value.get("helpful", [])
        if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
            raise InputError(f"{what}: helpful must be a list of pairs of texts")
        return cls(
            str(value.get("name", name)),
            texts_of(value["diverse"], f"{what}: diverse"),
            GroupPrompts.from_json(value["groups"], name),
            Paraphrases.from_json(value["paraphrases"], name),
            texts_of(value["contents"], f"{what}: contents"),
            tuple((str(a), str(b)) for a, b in pairs),
        )

    def taking(self, value: Any, name: str) -> "PromptBook":
        """This book with what a JSON document holds: a whole book, or one of its parts in ours or SEM's layout."""
        if not isinstance(value, dict):
            raise InputError(f"{name} must hold a JSON object: a book of prompts or one of its parts")
        if {"diverse", "groups"} <= set(value):
            return PromptBook.from_json(value, name)
        if set(FOREIGN) <= set(value) or "attributes" in value:
            taken = GroupPrompts.from_json(value, name)
            merged = GroupPrompts(self.groups.name, {**self.groups.attributes, **taken.attributes})
            return replace(self, name=f"{self.name}, edited", groups=merged)
        if "templates" in value:
            return replace(self, name=f"{self.name}, edited", paraphrases=Paraphrases.from_json(value, name))
        if "prompts" in value:
            return replace(self, name=f"{self.name}, edited", diverse=PromptList.from_json(value, name).prompts)
        raise InputError(
            f"{name} has the keys {', '.join(sorted(value)) or 'none'}; expected a book of prompts (diverse, groups, "
            "paraphrases, contents), group prompts (attributes), paraphrases (templates), a list (prompts) or SEM's "
            f"layout ({', '.join(FOREIGN)})"
        )

    def group_texts(self, attribute: str, groups: Sequence[str], cross: str) -> dict[str, GroupTexts] | None:
        """The prompts of these groups in their order; None where one has none.

        Of an intersection ("gender x skin" where `cross` is " x ") the first attribute's prompts are said with the
        words of the others: "a photo of a dark-skinned man".
        """
        texts = self.groups.of(attribute, groups)
        if texts is not None or cross not in attribute:
            return texts
        parts = [group.split(cross) for group in groups]
        names = attribute.split(cross)
        written = [self.groups.of(name, sorted({p[i] for p in parts})) for i, name in enumerate(names)]
        tables = [table for table in written if table is not None]
        if len(tables) < len(names):
            return None
        return {
            group: self._crossed([t[name] for t, name in zip(tables, p, strict=True)])
            for group, p in zip(groups, parts, strict=True)
        }

    def _crossed(self, texts: Sequence[GroupTexts]) -> GroupTexts:
        """One group's prompts said with the words of the other groups as well."""
        first, *others = texts
        prompts = first.prompts
        for other in others:
            prompts = tuple(self.paraphrases.said_of(prompt, other.word) for prompt in prompts)
        return GroupTexts(" ".join([*(other.word for other in reversed(others)), first.word]), prompts)

    def augmented(self, query: str, words: Sequence[str]) -> list[str]:
        """The query said of every group, by the groups' words."""
        return [self.paraphrases.said_of(query, word) for word in words]


@lru_cache(maxsize=4)
def shipped_book(name: str) -> PromptBook:
    """The shipped book for models with an open vocabulary (OPEN), or in the demo model's words (CLOSED)."""
    diverse, groups, paraphrases, contents = SHIPPED[name]
    return PromptBook(
        name,
        PromptList.load(diverse).prompts,
        GroupPrompts.load(groups),
        Paraphrases.load(paraphrases),
        PromptList.load(contents).prompts,
    )

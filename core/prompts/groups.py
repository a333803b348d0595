"""Prompts of every group of an attribute, and the word that says the group of anything."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import InputError, digest_of
from core.prompts.files import SCHEMA, keys_of, read_prompts, texts_of

FOREIGN = ("scene descriptions", "bias classes", "bias class descriptions", "bias placeholder")
"""Keys by which a file in the layout of SEM's repository is known."""


@dataclass(frozen=True)
class GroupTexts:
    """One group's prompts."""

    word: str
    """Goes before a noun: "male" makes "a male doctor"."""
    prompts: tuple[str, ...]
    """The first is the plainest: "a photo of a man". Row i of every group of an attribute says the same."""

    def to_json(self) -> dict[str, Any]:
        return {"word": self.word, "prompts": list(self.prompts)}


@dataclass(frozen=True)
class GroupPrompts:
    """File: {"schema": 1, "attributes": {"gender": {"Male": {"word": "male", "prompts": [...]}, ...}}}."""

    name: str
    attributes: Mapping[str, Mapping[str, GroupTexts]]

    @classmethod
    def load(cls, source: str | Path) -> "GroupPrompts":
        """The shipped set of that name, or a file, also of SEM's layout; InputError naming what is wrong."""
        value, name = read_prompts(source, "group prompts")
        return cls.from_json(value, name)

    @classmethod
    def from_json(cls, value: Any, name: str = "groups") -> "GroupPrompts":
        if isinstance(value, dict) and set(FOREIGN) <= set(value):
            return from_sem(value, name)
        what = f"the group prompts {name}"
        value = keys_of(value, what, ["attributes"])
        attributes = {}
        for attribute, groups in _object(value["attributes"], f"attributes of {name}").items():
            if len(_object(groups, attribute)) < 2:
                raise InputError(f"{what}: {attribute} has {len(groups)} group; expected at least two")
            attributes[attribute] = {group: _group(given, f"{attribute}, {group}") for group, given in groups.items()}
        return cls(str(value.get("name", name)), attributes)

    def to_json(self) -> dict[str, Any]:
        attributes = {a: {g: texts.to_json() for g, texts in by.items()} for a, by in self.attributes.items()}
        return {"schema": SCHEMA, "name": self.name, "attributes": attributes}

    @property
    def digest(self) -> str:
        return digest_of(self.to_json()["attributes"])

    def of(self, attribute: str, groups: Iterable[str]) -> dict[str, GroupTexts] | None:
        """The prompts of these groups in their order, whatever the case of the names; None where one has none.

        The attribute of that name is asked first, then any other that knows all the groups: data sets name alike
        what they label alike.
        """
        wanted = list(groups)
        order = sorted(self.attributes, key=lambda name: name != attribute)
        for by in (self.attributes[name] for name in order):
            known = {_plain(group): texts for group, texts in by.items()}
            if all(_plain(group) in known for group in wanted):
                return {group: known[_plain(group)] for group in wanted}
        return None

    def with_group(self, attribute: str, group: str, texts: GroupTexts) -> "GroupPrompts":
        """A copy with one group's prompts replaced or added."""
        changed = {**self.attributes.get(attribute, {}), group: texts}
        return GroupPrompts(self.name, {**self.attributes, attribute: changed})


def from_sem(value: Mapping[str, Any], name: str) -> GroupPrompts:
    """Group prompts from the JSON layout of SEM's repository.

    Every scene description is said of every bias class: the bias placeholder becomes the class's descriptions, the
    target placeholder the target classes' descriptions in turn. The attribute is named by the placeholder: "<gender>".
    """
    scenes = texts_of(value["scene descriptions"], f"scene descriptions of {name}")
    placeholder = str(value["bias placeholder"])
    targets = [t for texts in value.get("target class descriptions", {}).values() for t in texts] or [""]
    filled = [scene.replace(str(value.get("target placeholder", "\0")), str(t)) for scene, t in _turns(scenes, targets)]
    descriptions = _object(value["bias class descriptions"], f"bias class descriptions of {name}")
    groups = {}
    for group in texts_of(value["bias classes"], f"bias classes of {name}", least=2):
        words = texts_of(descriptions.get(group, []), f"bias class descriptions of {group}")
        prompts = [scene.replace(placeholder, word) for scene in filled for word in words]
        groups[group] = GroupTexts(words[0], texts_of(prompts, f"prompts of {group}"))
    return GroupPrompts(name, {placeholder.strip("<>[]{} ") or "attribute": groups})


def _turns(scenes: Sequence[str], targets: Sequence[str]) -> list[tuple[str, str]]:
    return [(scene, targets[i % len(targets)]) for i, scene in enumerate(scenes)]


def _group(value: Any, what: str) -> GroupTexts:
    if not isinstance(value, dict) or set(value) != {"word", "prompts"} or not isinstance(value["word"], str):
        raise InputError(f'{what} must be an object {{"word": text, "prompts": [texts]}}')
    return GroupTexts(" ".join(value["word"].split()), texts_of(value["prompts"], f"prompts of {what}"))


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise InputError(f"{what} must be an object that is not empty")
    return value


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()

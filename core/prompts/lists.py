"""Lists of prompts: everyday scenes, roles, adjectives, activities."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import digest_of
from core.prompts.files import FOLDER, SCHEMA, keys_of, read_prompts, texts_of
from core.store import read_json


@dataclass(frozen=True)
class PromptList:
    """File: {"schema": 1, "name": "activities", "prompts": ["a photo of a person cooking", ...]}."""

    name: str
    prompts: tuple[str, ...]

    @classmethod
    def load(cls, source: str | Path) -> "PromptList":
        """The shipped list of that name, or a file; InputError naming what is wrong."""
        value, name = read_prompts(source, "list of prompts")
        return cls.from_json(value, name)

    @classmethod
    def from_json(cls, value: Any, name: str = "prompts") -> "PromptList":
        value = keys_of(value, f"the list of prompts {name}", ["prompts"])
        return cls(str(value.get("name", name)), texts_of(value["prompts"], f"prompts of {name}"))

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "name": self.name, "prompts": list(self.prompts)}

    @property
    def digest(self) -> str:
        return digest_of(list(self.prompts))


def shipped_lists() -> list[str]:
    """Names of the shipped lists, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if "prompts" in read_json(path))

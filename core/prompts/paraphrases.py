"""Other wordings of a query: a table of written ones, and templates for everything else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.config import InputError, digest_of
from core.prompts.files import SCHEMA, keys_of, read_prompts, texts_of


@dataclass(frozen=True)
class Paraphrases:
    """File: {"schema": 1, "openings": ["a photo of"], "templates": ["a picture of {}"], "queries": {query: [...]}}.

    A query that begins with an opening is about what follows it; one that does not is about all of itself.
    """

    name: str
    openings: tuple[str, ...]
    templates: tuple[str, ...]
    """Each with `{}` once, where goes what the query is about."""
    queries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Written paraphrases of single queries; they go before the templates."""

    @classmethod
    def load(cls, source: str | Path) -> "Paraphrases":
        """The shipped set of that name, or a file; InputError naming what is wrong."""
        value, name = read_prompts(source, "paraphrases")
        return cls.from_json(value, name)

    @classmethod
    def from_json(cls, value: Any, name: str = "paraphrases") -> "Paraphrases":
        value = keys_of(value, f"the paraphrases {name}", ["openings", "templates"], ["queries"])
        templates = texts_of(value["templates"], f"templates of {name}")
        if wrong := [t for t in templates if t.count("{}") != 1]:
            raise InputError(f"template {wrong[0]!r} must hold {{}} once, where goes what the query is about")
        queries = value.get("queries", {})
        if not isinstance(queries, dict):
            raise InputError(f"queries of {name} must be an object query: [paraphrases]")
        written = {" ".join(q.split()): texts_of(wordings, f"paraphrases of {q!r}") for q, wordings in queries.items()}
        openings = texts_of(value["openings"], f"openings of {name}")
        return cls(str(value.get("name", name)), openings, templates, written)

    def to_json(self) -> dict[str, Any]:
        queries = {query: list(wordings) for query, wordings in self.queries.items()}
        parts = {"openings": list(self.openings), "templates": list(self.templates), "queries": queries}
        return {"schema": SCHEMA, "name": self.name, **parts}

    @property
    def digest(self) -> str:
        return digest_of({**self.to_json(), "name": ""})

    def of(self, query: str) -> list[str]:
        """The query itself, then its paraphrases, without repeats."""
        subject = self.subject(query)
        wordings = [query, *self.queries.get(query, ()), *(t.replace("{}", subject) for t in self.templates)]
        return list(dict.fromkeys(wordings))

    def subject(self, query: str) -> str:
        """What the query is about: "a doctor" of "a photo of a doctor"."""
        openings = [o for o in self.openings if query.lower().startswith(f"{o.lower()} ")]
        return query[len(max(openings, key=len)) :].strip() if openings else query

    def said_of(self, query: str, word: str) -> str:
        """The query with a group's word: "a photo of a male doctor" of "a photo of a doctor" and "male"."""
        subject = self.subject(query)
        opening = query[: len(query) - len(subject)]
        first, _, rest = subject.partition(" ")
        if first.lower() in ("a", "an") and rest:
            return f"{opening}{article(f'{word} {rest}')}"
        if first.lower() == "the" and rest:
            return f"{opening}the {word} {rest}"
        return f"{opening}{word} {subject}"


def article(phrase: str) -> str:
    """The phrase with its indefinite article by its first letter."""
    return f"{'an' if phrase[:1].lower() in 'aeiou' else 'a'} {phrase}"

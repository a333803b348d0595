"""Class prompts: from phrases and templates to one unit row per group, and the most similar class of every item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.config import ASSETS, NOTHING, InputError, Progress, digest_of
from core.reading import read_json
from core.retrieval import Index
from core.units import unit

Embed = Callable[[list[str]], np.ndarray]
"""Takes texts to embeddings (n, d), un-normalised."""
REQUIRED, OPTIONAL = {"schema", "templates", "attributes"}, {"name", "description"}
CHUNK = 65_536
BLOCK = 16_384
"""Items of an index that are normalised at a time: 16,384 x 1,024 float32 are 64 MB."""


@dataclass(frozen=True)
class PromptSet:
    """Class prompts: for every attribute the groups, for every group some phrases that fill the templates.

    File: {"schema": 1, "templates": ["a photo of {}"], "attributes": {"gender": {"Male": ["a man"], ...}}}, perhaps
    with "name" and "description". Every prompt is a template with its `{}` replaced by a phrase.
    """

    name: str
    templates: tuple[str, ...]
    attributes: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def load(cls, source: str | Path) -> "PromptSet":
        """The shipped set of that name, or a file; InputError naming the file and the part that is wrong."""
        path = ASSETS / "prompts" / f"{source}.json"
        if not path.is_file():
            path = Path(source)
        if not path.is_file():
            shipped = ", ".join(sorted(p.stem for p in (ASSETS / "prompts").glob("*-attributes.json")))
            raise InputError(f"no class prompts at {source}; give a JSON file or one of {shipped}")
        value = read_json(path)
        try:
            return cls.from_json(value, path.stem)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: {error}") from None

    @classmethod
    def from_json(cls, value: Any, name: str) -> "PromptSet":
        if not isinstance(value, dict) or not set(value) >= REQUIRED:
            raise InputError(f"class prompts need an object with {', '.join(sorted(REQUIRED))}")
        if extra := set(value) - REQUIRED - OPTIONAL:
            raise InputError(f"unknown key {min(extra)!r} in class prompts")
        if value["schema"] != 1:
            raise InputError(f"class prompts of schema {value['schema']!r}; this version reads schema 1")
        templates = _texts(value["templates"], "templates")
        for template in templates:
            if template.count("{}") != 1:
                raise InputError(f"template {template!r} must hold {{}} once, where the phrase goes")
        attributes = {}
        for attribute, groups in _object(value["attributes"], "attributes").items():
            if len(_object(groups, attribute)) < 2:
                raise InputError(f"attribute {attribute!r} has {len(groups)} group; a classification needs two")
            attributes[attribute] = {g: _texts(phrases, f"{attribute}, {g}") for g, phrases in groups.items()}
        return cls(str(value.get("name", name)), templates, attributes)

    def groups(self, attribute: str) -> list[str]:
        """Groups of an attribute in the file's order; InputError listing the attributes if there is none."""
        if attribute not in self.attributes:
            raise InputError(f"{self.name} has no prompts for {attribute!r}; it has {', '.join(self.attributes)}")
        return list(self.attributes[attribute])

    def prompts(self, attribute: str) -> dict[str, list[str]]:
        """Every prompt of every group of an attribute."""
        phrases = {group: self.attributes[attribute][group] for group in self.groups(attribute)}
        return {g: [t.replace("{}", p) for t in self.templates for p in phrases[g]] for g in phrases}

    @property
    def digest(self) -> str:
        attributes = {a: {g: list(p) for g, p in groups.items()} for a, groups in self.attributes.items()}
        return digest_of({"templates": list(self.templates), "attributes": attributes})


def class_embeddings(embed: Embed, prompts: PromptSet, attribute: str) -> np.ndarray:
    """One unit row per group (G, d), float32, in the order of `prompts.groups(attribute)`.

    The normalised mean of the group's normalised prompt embeddings (the prompt ensemble of Radford et al. 2021).
    """
    by_group = prompts.prompts(attribute)
    rows = unit(embed([prompt for group in by_group.values() for prompt in group]))
    ends = np.cumsum([len(group) for group in by_group.values()])
    means = np.stack([part.mean(axis=0) for part in np.split(rows, ends[:-1])])
    nowhere = np.linalg.norm(means, axis=1) < NOTHING
    if nowhere.any():
        group = list(by_group)[int(nowhere.argmax())]
        raise InputError(f"the class prompts of {group} point in opposite directions and have no mean; give others")
    return unit(means).astype(np.float32)


def classify(x: np.ndarray, class_unit: np.ndarray) -> np.ndarray:
    """Number of the most similar class for every row, int64 (n,); the first of equals.

    Parameters
    ----------
    x : embeddings (n, d); their length does not matter.
    class_unit : unit rows (G, d).
    """
    parts = [np.asarray(x[i : i + CHUNK], dtype=np.float32) @ class_unit.T for i in range(0, len(x), CHUNK)]
    return np.concatenate([part.argmax(axis=1) for part in parts]) if parts else np.empty(0, dtype=np.int64)


def classify_items(index: Index, class_unit: np.ndarray, progress: Progress | None = None) -> np.ndarray:
    """`classify` of every item of an index (n,), block by block: memory holds one block of unit rows."""
    parts = []
    for start in range(0, index.n, BLOCK):
        parts.append(classify(index.unit_at(slice(start, start + BLOCK)), class_unit))
        if progress is not None:
            progress(min(start + BLOCK, index.n), index.n, "classifying every item")
    return np.concatenate(parts)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise InputError(f"{what} must be an object that is not empty")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v.strip() for v in value):
        raise InputError(f"{what} must be a list of texts that is not empty")
    return tuple(value)

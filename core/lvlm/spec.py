"""What an audit of answers sets out to do, written down before anything is measured: SPEC.json of kind "lvlm"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from core.config import InputError, digest_of
from core.edits.choosing import EditChoice
from core.lvlm.model import DEFAULT
from core.lvlm.protocol import PROTOCOLS
from core.lvlm.token_method import METHODS, Hold
from core.store import read_json

SCHEMA, KIND = 1, "lvlm"
HOLDS: tuple[Hold, ...] = ("value", "probe mean")
OWN_KEYS = ("hold", "tokens")
RIVALS = ("mean-difference", "steering", "engineered-prompt")
SELECTS = ("rule", "neurons", "attribution", "smallest", "label_set")


@dataclass(frozen=True)
class TokenEditChoice:
    """How the switched neurons of read tokens are chosen, and what only read tokens have."""

    choice: EditChoice
    hold: Hold = "value"
    tokens: tuple[int, ...] | None = None

    @classmethod
    def from_json(cls, value: Any) -> TokenEditChoice:
        """EDIT of a specification; InputError naming a key or value that is not known."""
        if not isinstance(value, Mapping):
            raise InputError(f"the edit was {value!r}; expected an object such as {{'select': 'rule', 'tau': 0.5}}")
        hold, tokens = value.get("hold", "value"), value.get("tokens")
        if hold not in HOLDS:
            raise InputError(f"hold of the edit was {hold!r}; expected one of {', '.join(HOLDS)}")
        if tokens is not None and not (isinstance(tokens, list | tuple) and all(_is_whole(t, 0) for t in tokens)):
            raise InputError(
                f"tokens of the edit were {tokens!r}; expected numbers of read tokens from 0, or none for all"
            )
        choice = EditChoice.from_json({k: v for k, v in value.items() if k not in OWN_KEYS})
        return cls(choice, hold, None if tokens is None else tuple(sorted(set(tokens))))

    def to_json(self) -> dict[str, Any]:
        value = {**self.choice.to_json(), "hold": self.hold}
        return value | ({} if self.tokens is None else {"tokens": list(self.tokens)})


@dataclass(frozen=True)
class LvlmSpec:
    """The choices of an audit of answers. Equal specs have equal digests."""

    gallery: str
    """Shipped name or folder of the gallery whose pictures are asked about."""
    attributes: tuple[str, ...]
    model: str = DEFAULT
    sae: str | None = None
    """SAE of the read tokens; None: only methods that need none."""
    protocol: str = "direct"
    words: tuple[str, ...] = ()
    """Empty: the planted words of the default's model."""
    edit: TokenEditChoice | None = None
    n: int = 100
    """Pictures of the evaluation half, equally many of every group."""
    seed: int = 0
    title: str = "Audit of answers about people"
    where: Mapping[str, str] = field(default_factory=dict)
    rivals: tuple[str, ...] = RIVALS
    draws: int = 10
    """Draws of random neurons, at least 10."""
    questions: Mapping[str, str] = field(default_factory=dict)
    """Folder, task and perhaps split of VLAGenderBias's own files, in place of our templates; words: its values."""
    ability: Mapping[str, Any] = field(default_factory=dict)
    """Layout, root and perhaps n of a published ability set, in place of ours."""

    def __post_init__(self) -> None:
        PROTOCOLS.get(self.protocol)
        for name in self.rivals:
            METHODS.get(name)
        if not self.attributes:
            raise InputError("attributes were empty; name at least one attribute column")
        for name, least in (("n", 2), ("draws", 10)):
            if not _is_whole(getattr(self, name), least):
                raise InputError(f"{name} was {getattr(self, name)!r}; expected a whole number of at least {least}")
        if not _is_whole(self.seed, 0):
            raise InputError(f"seed was {self.seed!r}; expected a whole number of at least 0")
        if len(set(self.words)) < len(self.words):
            raise InputError("a word was given twice; give every word once")
        if self.edit is not None and self.sae is None:
            raise InputError("an edit was given without an SAE; name the SAE whose neurons are switched as sae")

    @classmethod
    def load(cls, path: Path) -> LvlmSpec:
        """The spec of a file; InputError naming the file and what is wrong."""
        try:
            return cls.from_json(read_json(path))
        except InputError as error:
            said = str(error)
            raise InputError(said if said.startswith(str(path)) else f"{path}: {said}") from None

    @classmethod
    def from_json(cls, value: Any) -> LvlmSpec:
        if not isinstance(value, Mapping):
            raise InputError("the spec is no object; expected keys such as schema, kind, gallery, attributes")
        if value.get("schema") != SCHEMA or value.get("kind") != KIND:
            told = f"schema {value.get('schema')!r}, kind {value.get('kind')!r}"
            raise InputError(f"the spec has {told}; an audit of answers has schema {SCHEMA}, kind {KIND!r}")
        known = {one.name for one in fields(cls)}
        if unknown := [str(key) for key in value if key not in (*known, "schema", "kind")]:
            raise InputError(f"the spec has unknown keys: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        if missing := [key for key in ("gallery", "attributes") if key not in value]:
            raise InputError(f"the spec lacks {', '.join(missing)}")
        given: dict[str, Any] = {key: item for key, item in value.items() if key in known}
        for key in ("attributes", "words", "rivals"):
            if key in given:
                given[key] = _texts(given[key], key)
        for key in ("gallery", "model", "protocol", "title", "sae"):
            if not isinstance(given.get(key, ""), str) and not (key == "sae" and given[key] is None):
                raise InputError(f"{key} was {given[key]!r}; expected text")
        where = given.get("where", {})
        if not isinstance(where, Mapping) or not all(isinstance(v, str) for v in where.values()):
            raise InputError(f"where was {where!r}; expected an object of column and value")
        for key, needs, more in (
            ("questions", ("folder", "task"), ("split",)),
            ("ability", ("layout", "root"), ("n",)),
        ):
            _keys(given.get(key, {}), key, needs, more)
        if given.get("edit") is not None:
            given["edit"] = TokenEditChoice.from_json(given["edit"])
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """All settings, defaults written out; `from_json` reads it back."""
        return {
            "schema": SCHEMA,
            "kind": KIND,
            "title": self.title,
            "model": self.model,
            "gallery": self.gallery,
            "sae": self.sae,
            "attributes": list(self.attributes),
            "where": dict(self.where),
            "protocol": self.protocol,
            "words": list(self.words),
            "edit": self.edit.to_json() if self.edit else None,
            "rivals": list(self.rivals),
            "n": self.n,
            "draws": self.draws,
            "seed": self.seed,
            **({"questions": dict(self.questions)} if self.questions else {}),
            **({"ability": dict(self.ability)} if self.ability else {}),
        }

    @property
    def folders(self) -> tuple[Path, ...]:
        """What is read beside galleries, models and SAEs: question files and a published set, where they are named."""
        named = (self.questions.get("folder"), self.ability.get("root"))
        return tuple(Path(one) for one in named if one is not None)

    @property
    def digest(self) -> str:
        return digest_of(self.to_json())


def _keys(value: Any, key: str, needs: tuple[str, ...], more: tuple[str, ...]) -> None:
    """InputError unless an object is empty or has exactly the keys that it may have."""
    if not isinstance(value, Mapping) or (value and not set(needs) <= set(value) <= {*needs, *more}):
        raise InputError(
            f"{key} was {value!r}; expected an object with {', '.join(needs)} and perhaps {', '.join(more)}"
        )


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one.strip() for one in value):
        raise InputError(f"{key} were {value!r}; expected a list of texts")
    return tuple(one.strip() for one in value)

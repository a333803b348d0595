"""What an audit sets out to do, written down before anything is measured: the file SPEC.json."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core.audit.stated import BLOCKS, checked
from core.config import InputError, digest_of, finite
from core.metrics.targets import TARGETS, Target
from core.store import read_json

SCHEMA = 2
SCHEMAS = (1, 2)
"""Schema 1 meant even shares where no target was given; schema 2 means the shares of the searched rows."""
REQUIRED = ("schema", "gallery", "attributes", "k", "prompts")
LATER = ("methods", *BLOCKS)
"""Keys that stand in a spec only where they say something: a spec without them keeps its digest."""
Targets = str | Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class AuditSpec:
    """The choices of an audit. Equal specs have equal digests; a finding is headline only for a prompt named here."""

    gallery: str
    """Shipped name or folder of the gallery that is searched."""
    attributes: tuple[str, ...]
    """Attribute columns, or intersections of them as "gender x race"."""
    k: int
    prompts: tuple[str, ...]
    """Pre-registered: their findings are corrected together by Holm's method."""
    title: str = "Audit of representation in retrieval"
    model: str | None = None
    """Text encoder; None: the gallery's own, or its known prompts."""
    sae: str | tuple[str, ...] | None = None
    """Name or folder of an SAE, or one a side."""
    where: Mapping[str, str] = field(default_factory=dict)
    target: Targets = "gallery"
    """"gallery" (the shares of the searched part), "uniform", or {attribute: {group: share}}. The lean does not depend
    on it."""
    exploratory_prompts: tuple[str, ...] = ()
    """Looked at beside: corrected by Benjamini and Hochberg, never headline."""
    method: str = "neuron-edit"
    edit: Mapping[str, Any] | None = None
    """What is switched, as the command line's EDIT; None: only the model as it is."""
    seed: int = 0
    methods: tuple[str, ...] = ()
    """Registered interventions that are audited side by side, the first being `method`; (): `method` alone."""
    purpose: Mapping[str, Any] = field(default_factory=dict)
    """What the system is for and who may be harmed, in the auditor's words; see `core.audit.stated`."""
    data_sheet: Mapping[str, Any] = field(default_factory=dict)
    """How the gallery came to be, and the record for special categories."""

    def __post_init__(self) -> None:
        for name in ("attributes", "prompts", "exploratory_prompts", "methods"):
            object.__setattr__(self, name, _texts(getattr(self, name), name))
        if not self.attributes or not self.prompts:
            raise InputError("an audit needs at least one attribute and one pre-registered prompt")
        both = [*self.prompts, *self.exploratory_prompts]
        if twice := sorted({text for text in both if both.count(text) > 1}):
            raise InputError(f"the prompt {twice[0]!r} stands there twice; a prompt is pre-registered or exploratory")
        for name, least in (("k", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} was {value!r}; expected a whole number of at least {least}")
        for name in ("where", "edit"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), Mapping):
                raise InputError(f"{name} was {getattr(self, name)!r}; expected an object")
        object.__setattr__(self, "where", {str(a): str(g) for a, g in self.where.items()})
        if isinstance(self.sae, list | tuple):
            object.__setattr__(self, "sae", _texts(self.sae, "sae") or None)
        for name in ("gallery", "title", "model", "sae", "method"):
            value = self.saes[0] if name == "sae" and self.saes else getattr(self, name)
            if not isinstance(value, str) and not (value is None and name in ("model", "sae")):
                raise InputError(f"{name} was {value!r}; expected text")
        for name in BLOCKS:
            object.__setattr__(self, name, checked(getattr(self, name), name))
        if len(set(self.methods)) < len(self.methods):
            raise InputError(f"methods names one twice: {', '.join(self.methods)}; name each once")
        if self.edit is not None and self.sae is None:
            raise InputError("edit names neurons to switch, but no SAE was given; give sae")
        self._check_targets()

    def _check_targets(self) -> None:
        if isinstance(self.target, str):
            if self.target not in TARGETS:
                raise InputError(f"target was {self.target!r}; expected uniform, gallery or attribute: group: share")
            return
        if not isinstance(self.target, Mapping) or not all(isinstance(t, Mapping) for t in self.target.values()):
            raise InputError("target is a table of tables, {attribute: {group: share}}, or uniform, or gallery")
        missing = [a for a in self.attributes if a not in self.target]
        foreign = [a for a in self.target if a not in self.attributes]
        if missing or foreign:
            wrong = f"lacks {missing[0]}" if missing else f"names {foreign[0]}, which is not audited"
            raise InputError(f"the target table {wrong}; give one table for each of {', '.join(self.attributes)}")
        for attribute, table in self.target.items():
            for group, share in table.items():
                if isinstance(share, bool) or not isinstance(share, int | float) or math.isnan(finite(share)):
                    raise InputError(f"the target share of {attribute} {group} was {share!r}; expected a number")

    @property
    def saes(self) -> tuple[str, ...]:
        """Names or folders of the SAEs, the one whose neurons are switched first."""
        return self.sae if isinstance(self.sae, tuple) else () if self.sae is None else (self.sae,)

    @property
    def intervenes(self) -> bool:
        """Whether anything is audited besides the model as it is."""
        return self.edit is not None or bool(self.methods) or self.method != "neuron-edit"

    @property
    def others(self) -> tuple[str, ...]:
        """The methods beside the first."""
        return self.methods[1:]

    def with_method(self, method: str) -> "AuditSpec":
        """The same audit of another of its methods; how many tests there are stays."""
        return replace(self, method=method)

    def target_of(self, attribute: str) -> Target:
        """The target of one attribute, as a ranking takes it."""
        return self.target if isinstance(self.target, str) else dict(self.target[attribute])

    @property
    def all_prompts(self) -> tuple[str, ...]:
        """Pre-registered prompts, then exploratory ones."""
        return (*self.prompts, *self.exploratory_prompts)

    def tests(self, kind: str) -> int:
        """Findings of one family that this spec will make: a lean for every prompt and attribute, and where something
        is edited an effect of every method; for the pre-registered ones, if several, also of their mean.
        """
        questions = 1 + (len(self.methods) or 1) * self.intervenes
        prompts = self.prompts if kind == "headline" else self.exploratory_prompts
        means = 1 if kind == "headline" and len(prompts) > 1 else 0
        return max(len(self.attributes) * questions * (len(prompts) + means), 1)

    @classmethod
    def from_json(cls, value: Any) -> "AuditSpec":
        """The spec that a JSON object holds; InputError naming what is missing, unknown or wrong."""
        if not isinstance(value, Mapping):
            raise InputError(f"an audit spec is a JSON object with {', '.join(REQUIRED)}; this is something else")
        known = ("schema", *(f.name for f in fields(cls)))
        if unknown := [str(key) for key in value if key not in known]:
            raise InputError(f"an audit spec has no {', '.join(unknown)}; known: {', '.join(known)}")
        if missing := [key for key in REQUIRED if key not in value]:
            raise InputError(f"the audit spec lacks {', '.join(missing)}; required: {', '.join(REQUIRED)}")
        if value["schema"] not in SCHEMAS or isinstance(value["schema"], bool):
            raise InputError(f"the audit spec has schema {value['schema']!r}; this version reads schemas 1 and 2")
        given = {key: item for key, item in value.items() if key != "schema"}
        if isinstance(given.get("methods"), list) and given["methods"]:
            first, method = given["methods"][0], given.setdefault("method", given["methods"][0])
            if first != method:
                raise InputError(f"method was {method!r} and methods begin with {first!r}; leave method out")
        return cls(**({"target": "uniform"} if value["schema"] == 1 else {}) | given)

    @classmethod
    def load(cls, path: str | Path) -> "AuditSpec":
        """The spec in a file; every mistake names the file."""
        value = read_json(Path(path))
        try:
            return cls.from_json(value)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {"schema": SCHEMA}
        for f in fields(self):
            item = getattr(self, f.name)
            if f.name in LATER and not item:
                continue
            value[f.name] = list(item) if isinstance(item, tuple) else _plain(item)
        return value

    @property
    def digest(self) -> str:
        return digest_of(self.to_json())


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise InputError(f"{name} was {value!r}; expected a list of texts")
    if not all(isinstance(text, str) and text.strip() for text in value):
        raise InputError(f"{name} holds something that is no text; expected a list of texts that are not empty")
    return tuple(value)


def _plain(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {key: _plain(value) for key, value in item.items()}
    return list(item) if isinstance(item, tuple) else item

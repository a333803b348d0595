"""One entry of the label log: who said what about which neuron, when, and bound to which SAE and gallery."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

from core.config import VERSION, InputError, finite, one_of

Kind = Literal["label", "skip", "retract", "prediction", "adjudication"]

KINDS: tuple[Kind, ...] = ("label", "skip", "retract", "prediction", "adjudication")
TYPES = ("social", "context", "artefact", "unclear")
DETAILS: Mapping[str, tuple[str, ...]] = {
    "social": ("gender", "age", "race appearance", "other"),
    "artefact": ("text", "watermark", "crop"),
}
"""What a label of a type may say more exactly."""
SPELLINGS = {"race": "race appearance"}
"""Short names that people type: a label speaks of how somebody appears, never of what somebody is."""
SCHEMA = 1
LONGEST = 2000
"""Characters of a free text."""
NEURONS = 1 << 31
"""Numbers of neurons lie below it: databases keep them in 32 bits."""
LENGTHS = {"rater": 100, "sae": 64, "id": 64, "gallery": 64, "about": 64, "at": 40, "app": 40, "source": 500}
"""Characters of every text that identifies; the same for every database, whatever it would take."""


def _storable(text: str | None) -> bool:
    return text is None or ("\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class LabelEvent:
    """An entry that is never changed: a later one may retract it, or decide between several."""

    neuron: int
    rater: str
    sae: str
    """Digest of the SAE whose neuron it is; a label says nothing about the neurons of another one."""
    kind: Kind = "label"
    gallery: str | None = None
    """Digest of the gallery that was looked at; None where nobody said."""
    type: str | None = None
    """One of TYPES for labels and adjudications."""
    attribute: str | None = None
    """One of DETAILS[type], or None."""
    text: str = ""
    confidence: float | None = None
    """In [0, 1]; None: not told."""
    confound: bool = False
    """True where something that goes with the group (hair, make-up, background) may explain the neuron instead."""
    about: str | None = None
    """Id of the label that is retracted, or that a prediction test belongs to."""
    score: Mapping[str, float] | None = None
    """Result of a prediction test (core.neurons.prediction)."""
    source: str = ""
    """Where it comes from if not from the rater's own hand: an imported file, or a guess by matching."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Unique; an event that is written twice is kept once."""
    at: str = field(default_factory=_now)
    """ISO 8601, UTC."""
    app: str = VERSION

    def __post_init__(self) -> None:
        one_of(self.kind, KINDS, "kind of event")
        object.__setattr__(self, "rater", " ".join(str(self.rater).split()))
        object.__setattr__(self, "text", " ".join(str(self.text or "").split()))
        object.__setattr__(self, "attribute", SPELLINGS.get(self.attribute or "", self.attribute) or None)
        object.__setattr__(self, "confound", bool(self.confound))
        self._check_identity()
        if self.kind in ("label", "adjudication"):
            one_of(str(self.type), TYPES, "type")
            self._check_detail()
        elif self.kind in ("retract", "prediction") and not self.about:
            raise InputError(f"an event of kind {self.kind} was given without the id of the label that it is about")
        if isinstance(self.confidence, str):
            raise InputError(f"confidence was {self.confidence!r}; expected a number from 0 to 1")
        if self.confidence is not None:
            confidence = finite(self.confidence)
            if not 0 <= confidence <= 1:
                raise InputError(f"confidence was {self.confidence}; expected a number from 0 to 1")
            object.__setattr__(self, "confidence", confidence)

    def _check_identity(self) -> None:
        if not self.rater or len(self.rater) > 100:
            raise InputError(f"the rater's name was {self.rater[:20]!r}; expected 1 to 100 characters")
        if len(self.text) > LONGEST:
            raise InputError(f"the text has {len(self.text):,} characters; expected at most {LONGEST:,}")
        number = isinstance(self.neuron, int | float) and not isinstance(self.neuron, bool)
        if not number or not finite(self.neuron).is_integer() or self.neuron < 0:
            raise InputError(f"neuron was {self.neuron!r}; expected a whole number from 0")
        if self.neuron >= NEURONS:
            raise InputError(f"neuron was {int(self.neuron):,}; expected a number below {NEURONS:,}")
        if not self.sae or not self.id:
            raise InputError("a label needs the digest of its SAE and an id of its own")
        object.__setattr__(self, "neuron", int(self.neuron))
        for name, longest in LENGTHS.items():
            said = getattr(self, name)
            if said is not None and len(said) > longest:
                raise InputError(f"{name} has {len(said):,} characters; expected at most {longest}")
        for name in (*LENGTHS, "text", "attribute"):
            if not _storable(getattr(self, name)):
                raise InputError(f"{name} holds a character that no database keeps (0, or half of a pair)")

    def _check_detail(self) -> None:
        allowed = DETAILS.get(str(self.type), ())
        if self.attribute is None or self.attribute in allowed:
            return
        if not allowed:
            raise InputError(f"attribute was {self.attribute!r}; a label of type {self.type} has none: leave it out")
        raise InputError(f"attribute was {self.attribute!r}; expected one of {', '.join(allowed)} for type {self.type}")

    @property
    def category(self) -> str:
        """Type and attribute as one word, for counting: "social: gender", "context"."""
        return f"{self.type}: {self.attribute}" if self.attribute else str(self.type)

    def to_json(self) -> dict[str, Any]:
        score = None if self.score is None else dict(self.score)
        return {"schema": SCHEMA, **asdict(self) | {"score": score}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = "") -> "LabelEvent":
        """The event that `to_json` wrote; unknown keys are refused by name, absent ones take their defaults."""
        if value.get("schema", SCHEMA) != SCHEMA:
            raise InputError(f"an event has schema {value['schema']}; this version reads schema {SCHEMA}")
        known = {item.name for item in fields(cls)}
        given = {key: item for key, item in value.items() if key != "schema"}
        surplus, lacking = sorted(set(given) - known), sorted({"neuron", "rater", "sae"} - set(given))
        if surplus or lacking:
            raise InputError(
                f"an event lacks {', '.join(lacking) or 'nothing'} and has unknown keys "
                f"{', '.join(surplus) or 'none'}; known: {', '.join(sorted(known))}"
            )
        if source and not given.get("source"):
            given["source"] = source
        try:
            return cls(**given)
        except InputError:
            raise
        except (TypeError, ValueError, AttributeError, OverflowError):
            said = ", ".join(f"{key} {item!r}" for key, item in given.items() if not isinstance(item, str))[:200]
            raise InputError(f"an event holds a value of the wrong kind ({said}); export the labels again") from None

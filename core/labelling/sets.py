"""Named sets of labelled neurons: what several people agreed on becomes an edit, found again by its hash."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.config import InputError, digest_of
from core.labelling.current import Standing


@dataclass(frozen=True)
class LabelSet:
    """Neurons of one SAE under a name, for example "gender, agreed by 3". Equal sets have equal hashes."""

    name: str
    sae: str
    """Digest of the SAE whose neurons they are."""
    neurons: tuple[int, ...]
    rule: str
    """How they were chosen, in words."""
    version: int = 1
    """Counts the sets of this name: a set is never changed, a new one takes the next number."""
    by: str = ""
    gallery: str | None = None
    """Digest of the gallery on which they were labelled; None where labels of several were taken together."""
    raters: tuple[str, ...] = ()
    """Who labelled these neurons, in alphabetical order; (): it was not written down."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", " ".join(self.name.split()))
        object.__setattr__(self, "neurons", tuple(sorted({int(j) for j in self.neurons})))
        object.__setattr__(self, "raters", tuple(sorted(set(self.raters))))
        if not self.name or len(self.name) > 100:
            raise InputError(f"the name of the set was {self.name[:20]!r}; expected 1 to 100 characters")
        if not self.neurons:
            raise InputError(f"no neuron is in the set {self.name!r}: {self.rule}; label more or ask for fewer raters")

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the set says."""
        return digest_of(self._content())

    def with_version(self, version: int) -> "LabelSet":
        return replace(self, version=version)

    def to_json(self) -> dict[str, Any]:
        return {**self._content(), "hash": self.digest}

    def _content(self) -> dict[str, Any]:
        content = {**asdict(self), "neurons": list(self.neurons), "raters": list(self.raters)}
        if not self.raters:
            del content["raters"]  # sets that were kept before raters were keep their hash
        return content

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "LabelSet":
        """The set that `to_json` wrote; InputError where it is not what its hash says."""
        content = {key: item for key, item in value.items() if key != "hash"}
        made = cls(**content | {"neurons": tuple(content["neurons"])})
        if value.get("hash", made.digest) != made.digest:
            raise InputError(f"the set {made.name!r} is not the one that its hash {value['hash'][:12]} names")
        return made


def agreed_neurons(standings: Sequence[Standing], type: str, attribute: str | None, least: int) -> tuple[int, ...]:
    """Neurons of which at least `least` raters say this and nobody says otherwise, or that were decided so.

    A decision (adjudication) stands against any count of labels. `attribute` None: any attribute of the type.
    """

    def says(own_type: str | None, own_attribute: str | None) -> bool:
        return own_type == type and attribute in (None, own_attribute)

    chosen = []
    for standing in standings:
        if standing.decision is not None:
            agreed = says(standing.decision.type, standing.decision.attribute)
        else:
            votes = [says(label.type, label.attribute) for label in standing.labels.values()]
            agreed = len(votes) >= least and all(votes)
        if agreed:
            chosen.append(standing.neuron)
    return tuple(sorted(set(chosen)))


def raters_of(standings: Sequence[Standing], neurons: Collection[int]) -> tuple[str, ...]:
    """Everybody who said something about some neurons, or decided about them."""
    found: set[str] = set()
    for standing in standings:
        if standing.neuron in neurons:
            found |= set(standing.labels) | ({standing.decision.rater} if standing.decision is not None else set())
    return tuple(sorted(found))


def rule_text(type: str, attribute: str | None, least: int) -> str:
    """The rule of `agreed_neurons` in words."""
    text = f"{type}: {attribute}" if attribute else type
    who = "1 rater" if least == 1 else f"{least} raters"
    return f"labelled {text} by at least {who} and by nobody otherwise, or decided so"

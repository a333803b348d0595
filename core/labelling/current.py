"""What the log says now: the newest label of each rater that was not taken back, and what was decided between them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.labelling.events import LabelEvent

Item = tuple[str, str | None, int]
"""SAE, gallery, neuron: labels of one neuron on two galleries are two items."""


@dataclass
class Standing:
    """What is said about one neuron of one SAE, looked at on one gallery."""

    sae: str
    gallery: str | None
    neuron: int
    labels: dict[str, LabelEvent] = field(default_factory=dict)
    """Rater -> newest label that was not retracted."""
    scores: dict[str, LabelEvent] = field(default_factory=dict)
    """Id of a label -> its newest prediction test."""
    decision: LabelEvent | None = None
    """The newest adjudication."""
    skipped: set[str] = field(default_factory=set)
    """Raters who passed it over and have not labelled it since."""

    @property
    def disputed(self) -> bool:
        """True where raters said different things and nobody decided yet."""
        return self.decision is None and len({label.category for label in self.labels.values()}) > 1

    @property
    def said(self) -> str | None:
        """The decision, else what most raters say; None where nobody said anything or there is a tie."""
        if self.decision is not None:
            return self.decision.category
        counts = Counter(label.category for label in self.labels.values()).most_common(2)
        if not counts or (len(counts) == 2 and counts[0][1] == counts[1][1]):
            return None
        return counts[0][0]


def standings(events: Iterable[LabelEvent]) -> dict[Item, Standing]:
    """Fold events, in writing order, into what stands of them; items in the order in which they first came."""
    events = list(events)
    gone = _retracted(events)
    standing_of: dict[Item, Standing] = {}
    for entry in events:
        if entry.kind == "retract" or (entry.id, entry.rater) in gone:
            continue
        key = (entry.sae, entry.gallery, entry.neuron)
        standing = standing_of.setdefault(key, Standing(*key))
        if entry.kind == "label":
            standing.labels[entry.rater] = entry
            standing.skipped.discard(entry.rater)
        elif entry.kind == "skip":
            standing.skipped.add(entry.rater)
        elif entry.kind == "prediction":
            standing.scores[str(entry.about)] = entry
        else:
            standing.decision = entry
    return standing_of


def last_action(events: Sequence[LabelEvent], rater: str) -> LabelEvent | None:
    """The rater's newest label or skip that was not taken back: what undo takes back."""
    gone = _retracted(events)
    actions = (e for e in reversed(events) if e.rater == rater and e.kind in ("label", "skip"))
    return next((e for e in actions if (e.id, rater) not in gone), None)


def _retracted(events: Iterable[LabelEvent]) -> set[tuple[str | None, str]]:
    """(id, rater) of what was taken back: everybody takes back their own only."""
    return {(entry.about, entry.rater) for entry in events if entry.kind == "retract"}

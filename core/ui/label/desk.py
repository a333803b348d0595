"""What the Label page does: whose turn it is, what a key commits, and what stands in the log. Draws nothing."""

import os
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import InputError, Side
from core.labelling import LabelEvent, Queue, Standing, last_action, order_neurons, queue_for
from core.ui.session import cache, label_log, probing
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.neurons import PredictionTest

EACH = 12
"""Items of each of the four grids."""
CONFIDENCES = (None, 0.25, 0.5, 0.75, 1.0)
TESTED = ("social", "context", "artefact")
"""Types that claim to know what the neuron fires on, so that a rater can predict it."""


@dataclass(frozen=True)
class Desk:
    """One rater at one SAE and one gallery."""

    state: AppState
    found: probing.Probe
    side: Side

    @property
    def rater(self) -> str:
        return str(self.state.filters.get("rater") or "")

    @property
    def sae(self) -> str:
        return self.found.sae.digest

    @property
    def gallery(self) -> str:
        return self.found.gallery.digest

    @cached_property
    def standings(self) -> dict[int, Standing]:
        return dict(label_log.live(self.sae).on(self.gallery))

    @cached_property
    def queue(self) -> Queue:
        """What waits for this rater, in the chosen order."""
        return queue_for(self.rater, self._order(), self.standings)

    def _order(self) -> list[int]:
        """The order does not move while somebody labels, but for disagreements, which are looked up anew."""
        order, seed = self.state.filters["label-order"], _seed_of(self.rater)
        attribute = self.state.attribute_in(self.found.gallery.attributes)
        if order == "disagreements":
            others = {j: _without(s, self.rater) for j, s in self.standings.items()}
            return order_neurons(probing.living(self.found), order, standings=others)
        key = [*self.found.parts, attribute, order, seed]
        return cache.result("label-order", key, lambda: self._fixed_order(order, attribute, seed))

    def _fixed_order(self, order: str, attribute: str | None, seed: int) -> list[int]:
        strength = None if attribute is None else probing.association(self.found, attribute)
        return order_neurons(probing.living(self.found), order, strength, seed=seed)

    @property
    def current(self) -> int | None:
        """The neuron on the desk: one that was asked for or brought back, else the first that waits."""
        held = self.state.filters.get("label-held")
        if held is not None and 0 <= held < self.found.sae.sae.config.d_sae:
            return int(held)
        return next(iter(self.queue.waiting), None)

    @property
    def last(self) -> LabelEvent | None:
        """This rater's newest label or skip here."""
        return self.state.filters.get("label-last")

    @property
    def test(self) -> "PredictionTest | None":
        """The prediction test that waits to be answered."""
        return self.state.filters.get("label-test")

    # -- what a key does ----------------------------------------------------------------------------------------------

    def commit(self, neuron: int, type: str, attribute: str | None) -> None:
        """Write a label; it is on disk before the next neuron shows.

        Only the neuron on the desk can be labelled: a press that was under way when the next one came does nothing,
        and a repeated one adds nothing, because the id belongs to what was shown.
        """
        filters = self.state.filters
        if not self._on_desk(neuron):
            return
        entry = self._event(
            neuron,
            "label",
            id=presented(self.state, neuron),
            type=type,
            attribute=attribute,
            text=str(filters.get("label-text") or ""),
            confidence=filters.get("label-confidence"),
            confound=bool(filters.get("label-confound")),
        )
        self._write(entry)
        if filters.get("label-testing") and type in TESTED:
            self.begin_test(neuron)

    def skip(self, neuron: int) -> None:
        """Put a neuron at the end of the queue."""
        if not self._on_desk(neuron):
            return
        self._write(self._event(neuron, "skip", id=presented(self.state, neuron)))

    def undo(self) -> None:
        """Take back the newest label or skip and bring its neuron back; the log keeps both."""
        entry = last_action(label_log.live(self.sae).events(self.gallery), self.rater)
        if entry is None:
            return self.state.notice("There is nothing of yours to take back on this gallery.")
        label_log.log().add(self._event(entry.neuron, "retract", about=entry.id))
        self._clear(held=entry.neuron)
        for name in ("text", "confidence", "confound"):
            self.state.set_filter(f"label-{name}", getattr(entry, name) or None)

    def begin_test(self, neuron: int) -> None:
        """Ask for predictions on items of the neuron that were not shown; says so where there are too few."""
        from core.neurons import prediction_test

        shown = probing.shown_evidence(self.found, neuron, EACH)
        seen = np.concatenate([part.rows for part in (shown.top, shown.middle, shown.firing, shown.silent)])
        drawn = prediction_test(self.found.codes.csc, neuron, seen, self.found.rows, seed=secret_seed())
        self.state.set_filter("label-test", drawn)

    def finish_test(self, grades: list[int]) -> None:
        """Store how well the predictions were, beside the label that they belong to."""
        from core.neurons import prediction_score

        test = self.test
        label = None if test is None else self.own_label(test.neuron)
        self.state.set_filter("label-test", None)
        if test is None or label is None:
            return
        score = prediction_score(test.fires, grades)
        items = self.found.gallery.item_ids(np.array(test.rows))
        score |= {"items": items, "grades": list(grades), "fires": list(test.fires)}
        label_log.log().add(self._event(test.neuron, "prediction", about=label.id, score=score))
        self.state.set_filter("label-score", (test.neuron, score))

    def own_label(self, neuron: int) -> LabelEvent | None:
        standing = label_log.live(self.sae).on(self.gallery).get(neuron)
        return None if standing is None else standing.labels.get(self.rater)

    def decide(self, neuron: int, type: str, attribute: str | None) -> None:
        """Settle what raters disagree on."""
        label_log.log().add(self._event(neuron, "adjudication", type=type, attribute=attribute))

    def _on_desk(self, neuron: int) -> bool:
        """Whether it is still this neuron's turn: asked anew, as this desk may be that of an earlier drawing."""
        return replace(self).current == neuron

    def _event(self, neuron: int, kind: Any, **said: Any) -> LabelEvent:
        return LabelEvent(neuron=neuron, rater=self.rater, sae=self.sae, gallery=self.gallery, kind=kind, **said)

    def _write(self, entry: LabelEvent) -> None:
        label_log.log().add(entry)
        self._clear()
        self.state.set_filter("label-last", entry)

    def _clear(self, held: int | None = None) -> None:
        """An empty desk for the next neuron."""
        for name in ("text", "confidence", "confound", "shown", "last", "test", "score"):
            self.state.set_filter(f"label-{name}", None)
        self.state.set_filter("label-held", held)


def desk_of(state: AppState, side: Side) -> Desk:
    """The desk of this session; InputError where there are no codes to look at."""
    state.filters.setdefault("label-order", "associated")
    state.filters.setdefault("label-testing", True)
    return Desk(state, probing.probe(state, side), side)


def presented(state: AppState, neuron: int) -> str:
    """Id of the event that a key will write about the neuron on the desk: new whenever another one is laid there."""
    shown = state.filters.get("label-shown")
    if shown is None or shown[0] != neuron:
        shown = (neuron, uuid.uuid4().hex)
        state.set_filter("label-shown", shown)
    return shown[1]


def guarded_key(action: Any, *args: Any) -> None:
    """Run what a key does; what goes wrong becomes a line instead of a lost key."""
    try:
        action(*args)
    except InputError as error:
        get_state().notice(str(error))


def turn_confidence(state: AppState, step: int) -> None:
    """One step up or down, and not told below the lowest."""
    at = CONFIDENCES.index(state.filters.get("label-confidence"))
    state.set_filter("label-confidence", CONFIDENCES[min(max(at + step, 0), len(CONFIDENCES) - 1)])


def secret_seed() -> int:
    """Another draw for every test, so that a second test of a neuron is not the first again."""
    return int.from_bytes(os.urandom(4))


def _seed_of(rater: str) -> int:
    """Each rater has an order of their own, the same in every session."""
    return int.from_bytes(rater.encode()[:8].ljust(8, b"\0")) % (1 << 32)


def _without(standing: Standing, rater: str) -> Standing:
    """What the others say: a rater's own labels do not make a neuron urgent for that rater."""
    others = {name: label for name, label in standing.labels.items() if name != rater}
    return Standing(standing.sae, standing.gallery, standing.neuron, others, decision=standing.decision)

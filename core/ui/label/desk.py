"""What the Label page does: whose turn it is, what a key commits, and what stands in the log. Draws nothing."""

import os
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import InputError, Side
from core.labelling import LabelEvent, Queue, Standing, last_action, order_neurons, queue_for
from core.ui.session import cache, entering, label_log, probing
from core.ui.session.choices import LABEL_TEST, ON_DESK, RATER, Choice
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.neurons import PredictionTest

EACH = 12
"""Items of each of the four grids."""
CONFIDENCES = (None, 0.25, 0.5, 0.75, 1.0)
TESTED = ("social", "context", "artefact")
"""Types that claim to know what the neuron fires on, so that a rater can predict it."""

ORDER = Choice("label-order", "associated")
TESTING = Choice("label-testing", True)
"""Whether a prediction test follows each label."""
TEXT = Choice("label-text", "")
CONFIDENCE: Choice[float | None] = Choice("label-confidence", None)
CONFOUND = Choice("label-confound", False)
"""What a rater adds to the label to come."""
PRESENTED: Choice[tuple[int, str] | None] = Choice("label-shown", None)
"""Neuron on the desk, and the id of the event that a key will write about it."""
LAST: Choice[LabelEvent | None] = Choice("label-last", None)
SCORE: Choice[dict[str, Any] | None] = Choice("label-score", None)
"""How well the last test was answered (core.neurons.prediction_score)."""


@dataclass(frozen=True)
class Desk:
    """One rater at one SAE and one gallery."""

    state: AppState
    probe: probing.Probe
    side: Side

    @property
    def rater(self) -> str:
        return entering.identity() or RATER.of(self.state)

    @property
    def sae(self) -> str:
        return self.probe.sae.digest

    @property
    def gallery(self) -> str:
        return self.probe.gallery.digest

    @cached_property
    def standings(self) -> dict[int, Standing]:
        return dict(label_log.live(self.sae).on(self.gallery))

    @cached_property
    def queue(self) -> Queue:
        """What waits for this rater, in the chosen order."""
        return queue_for(self.rater, self._order(), self.standings)

    def _order(self) -> list[int]:
        """The order does not move while somebody labels, but for disagreements, which are looked up anew."""
        order, seed = ORDER.of(self.state), _seed_of(self.rater)
        attribute = self.state.attribute_in(self.probe.gallery.attributes)
        if order == "disagreements":
            others = {j: _without(s, self.rater) for j, s in self.standings.items()}
            return order_neurons(probing.living(self.probe).tolist(), order, standings=others)
        key = [*self.probe.parts, attribute, order, seed]
        return cache.result("label-order", key, lambda: self._fixed_order(order, attribute, seed))

    def _fixed_order(self, order: str, attribute: str | None, seed: int) -> list[int]:
        strength = None if attribute is None else probing.association(self.probe, attribute).tolist()
        return order_neurons(probing.living(self.probe).tolist(), order, strength, seed=seed)

    @property
    def current(self) -> int | None:
        """The neuron on the desk: one that was asked for or brought back, else the first that waits."""
        laid = ON_DESK.of(self.state)
        if laid is not None and 0 <= laid < self.probe.sae.sae.config.d_sae:
            return laid
        return next(iter(self.queue.waiting), None)

    @property
    def last(self) -> LabelEvent | None:
        """This rater's newest label or skip here."""
        return LAST.of(self.state)

    @property
    def test(self) -> "PredictionTest | None":
        """The prediction test that waits to be answered."""
        return LABEL_TEST.of(self.state)

    # -- what a key does ----------------------------------------------------------------------------------------------

    def commit(self, neuron: int, type: str, attribute: str | None) -> None:
        """Write a label; it is on disk before the next neuron shows.

        Only the neuron on the desk can be labelled: a press that was under way when the next one came does nothing,
        and a repeated one adds nothing, because the id belongs to what was shown.
        """
        if not self._on_desk(neuron):
            return
        entry = self._event(
            neuron,
            "label",
            id=presented(self.state, neuron),
            type=type,
            attribute=attribute,
            text=TEXT.of(self.state),
            confidence=CONFIDENCE.of(self.state),
            confound=CONFOUND.of(self.state),
        )
        self._write(entry)
        if TESTING.of(self.state) and type in TESTED:
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
            self.state.notice("There is nothing of yours to take back on this gallery.")
            return
        label_log.log().add(self._event(entry.neuron, "retract", about=entry.id))
        self._clear(held=entry.neuron)
        TEXT.put(self.state, entry.text)
        CONFIDENCE.put(self.state, entry.confidence)
        CONFOUND.put(self.state, entry.confound)

    def begin_test(self, neuron: int) -> None:
        """Ask for predictions on items of the neuron that were not shown; says so where there are too few."""
        from core.neurons import prediction_test

        shown = probing.shown_examples(self.probe, neuron, EACH)
        seen = np.concatenate([part.rows for part in (shown.top, shown.middle, shown.firing, shown.silent)])
        drawn = prediction_test(self.probe.codes.csc, neuron, seen, self.probe.rows, seed=secret_seed())
        LABEL_TEST.put(self.state, drawn)

    def finish_test(self, grades: list[int]) -> None:
        """Store how well the predictions were, beside the label that they belong to."""
        from core.neurons import prediction_score

        test = self.test
        label = None if test is None else self.own_label(test.neuron)
        LABEL_TEST.put(self.state, None)
        if test is None or label is None:
            return
        score = prediction_score(test.fires, grades)
        items = self.probe.gallery.item_ids(np.array(test.rows))
        score |= {"items": items, "grades": list(grades), "fires": list(test.fires)}
        label_log.log().add(self._event(test.neuron, "prediction", about=label.id, score=score))
        SCORE.put(self.state, score)

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
        LAST.put(self.state, entry)

    def _clear(self, held: int | None = None) -> None:
        """An empty desk for the next neuron."""
        for choice in (TEXT, CONFIDENCE, CONFOUND, PRESENTED, LAST, LABEL_TEST, SCORE):
            choice.put(self.state, None)
        ON_DESK.put(self.state, held)


def desk_of(state: AppState, side: Side) -> Desk:
    """The desk of this session; InputError where there are no codes to look at."""
    return Desk(state, probing.probe_of(state, side), side)


def presented(state: AppState, neuron: int) -> str:
    """Id of the event that a key will write about the neuron on the desk: new whenever another one is laid there."""
    shown = PRESENTED.of(state)
    if shown is None or shown[0] != neuron:
        shown = (neuron, uuid.uuid4().hex)
        PRESENTED.put(state, shown)
    return shown[1]


def guarded_key(action: Any, *args: Any) -> None:
    """Run what a key does; what goes wrong becomes a line instead of a lost key."""
    try:
        action(*args)
    except InputError as error:
        get_state().notice(str(error))


def turn_confidence(state: AppState, step: int) -> None:
    """One step up or down, and not told below the lowest."""
    at = CONFIDENCES.index(CONFIDENCE.of(state))
    CONFIDENCE.put(state, CONFIDENCES[min(max(at + step, 0), len(CONFIDENCES) - 1)])


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

"""Small choices of single views: each is declared once, with its name, its type and what holds before anybody chose.

A view declares its own beside its code. Here stand those that more than one page reads or sets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from core.config import Side
from core.ui.session.state import AppState, bind

if TYPE_CHECKING:
    from core.neurons import PredictionTest

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One small choice, for example which view of a page is shown.

    A value comes into the session only by `put`, or from the widget that mirrors the choice; so it is of this type.
    Another gallery drops it, unless the state counts it among the personal ones.
    """

    name: str
    """Its own among all choices; the widget that mirrors it carries the name in its key."""
    first: T
    """What holds before anybody chose."""

    def of(self, state: AppState) -> T:
        """What is chosen in a session."""
        return cast(T, state.filters.get(self.name, self.first))

    def put(self, state: AppState, value: T | None) -> None:
        """Choose; None forgets."""
        state.set_filter(self.name, value)

    def among(self, state: AppState, offered: Iterable[U]) -> U:
        """What is chosen where it is offered; else, and from then on, the first that is."""
        known = list(offered)
        if self.of(state) not in known:
            state.set_filter(self.name, known[0])
        return cast(U, self.of(state))

    def mirrored(self, state: AppState, key: str | None = None) -> dict[str, Any]:
        """Keyword arguments that tie a widget to this choice: `st.slider("τ", 0.0, 1.0, **TAU.mirrored(state))`.

        Parameters
        ----------
        key : key of the widget, where two widgets show the same choice.
        """
        self.put(state, self.of(state))
        return bind("filters", self.name, key)


RATER = Choice("rater", "")
"""Who labels, by the name that stands in the log."""
PHONE = Choice("phone", False)
"""Whether the window is as narrow as a phone's; see core.ui.parts.window."""
TAU = Choice("tau", 0.5)
"""Share of a group's items on which a neuron must fire to be that group's."""
SWITCH_SIDE: Choice[Side | None] = Choice("switch-side", None)
"""Side whose neurons stand beside the answer on Compare."""
LABEL_SET: Choice[tuple[Side, str, tuple[int, ...]] | None] = Choice("label-set", None)
"""The labelled set that was made the edit of a side: side, hash, neurons; an audit of it names the set."""
START_VIEW = Choice("start-view", "loaded")
DEMO_STEP: Choice[str | None] = Choice("demo", None)
"""Step at which the demo on Start is, from "1" on; None: it does not run."""
NEURONS_VIEW = Choice("neurons-view", "social")
DIRECTION_KIND = Choice("direction-kind", "mean")
"""How the direction of Neurons is made."""
DIRECTION_GROUP: Choice[str | None] = Choice("direction-group", None)
"""Group that it points to; None: the first."""
DIRECTION_PLUS = Choice("direction-plus", "a photo of a man")
DIRECTION_MINUS = Choice("direction-minus", "a photo of a woman")
"""Prompts of a direction between two texts: from the second to the first."""
COMPARE_VIEW = Choice("compare-view", "pictures")
BESIDE: Choice[str | None] = Choice("beside", None)
"""What stands beside the question on Compare, as core.ui.compare.beside writes it; None: its first suggestion."""
DATA_VIEW = Choice("data-view", "choose")
LABEL_VIEW = Choice("label-view", "label")
ASK_VIEW = Choice("ask-view", "one")
ASK_QUESTION: Choice[str | None] = Choice("ask-question", None)
"""The question of Ask; None: its first suggestion."""
ON_DESK: Choice[int | None] = Choice("label-held", None)
"""Neuron that was laid on the desk of Label; None: the first that waits."""
GUIDE_TOPIC: Choice[str | None] = Choice("guide-topic", None)
"""Page of the guide that is read; None: the first."""
LABEL_TEST: "Choice[PredictionTest | None]" = Choice("label-test", None)
"""Prediction test that waits to be answered."""
SHOWN: Mapping[str, Mapping[str, Choice[Any]]] = {
    "start": {"view": START_VIEW, "demo": DEMO_STEP},
    "label": {"view": LABEL_VIEW},
    "compare": {"view": COMPARE_VIEW, "beside": BESIDE},
    "neurons": {
        "view": NEURONS_VIEW,
        "direction": DIRECTION_KIND,
        "group": DIRECTION_GROUP,
        "plus": DIRECTION_PLUS,
        "minus": DIRECTION_MINUS,
    },
    "ask": {"view": ASK_VIEW, "question": ASK_QUESTION},
    "data_and_models": {"view": DATA_VIEW},
    "guide": {"topic": GUIDE_TOPIC},
}
"""Page -> part of its link -> the choice that it holds. Values are texts; what a page does not offer it passes."""

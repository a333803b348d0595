"""A browser's tab without the browser: what is switched in it, what it keeps of earlier runs, and what came over."""

import time
from collections import Counter
from collections.abc import Mapping

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.team.visiting import Run, Visitor, say

KEPT_RUNS = 6
"""Runs after which a browser forgets a message that was not used again (global.maxCachedMessageAge)."""
SWITCH = "-switch-image-"
"""Part of the identity of a neuron's switch."""


class Tab(Visitor):
    """Compare in one tab, which asks for what a browser asks for and forgets what a browser forgets."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.came = 0
        """Bytes that the last run sent."""
        self.kinds: Counter[str] = Counter()
        """The same by what they were."""
        self.took = 0.0
        """Seconds from the click to the last of them."""
        self._on: dict[str, bool] = {}
        self._part = ""
        self._kept: dict[str, tuple[int, ForwardMsg]] = {}
        """What the browser has, with the run that used it last."""
        self._runs = 0

    def compare(self, query: str = "") -> Run:
        """Open Compare and learn which switches there are."""
        run = self.open("compare", query)
        for delta in run.deltas:
            if SWITCH in delta.new_element.checkbox.id:
                self._on[delta.new_element.checkbox.id] = delta.new_element.checkbox.value
                self._part = delta.fragment_id
        if not self._on:
            raise RuntimeError(f"no switch on Compare: {run.text[:400]}")
        return run

    def toggle(self, which: int = 0) -> Run:
        """Switch the neuron of a place in the list the other way: the answer alone; `rest` is what follows it."""
        name = sorted(self._on)[which % len(self._on)]
        self._on[name] = not self._on[name]
        return self.again(self._part)

    def _ask(self, fragment: str, triggered: Mapping[str, bool], told: Mapping[str, tuple[str, str]]) -> bytes:
        asked = BackMsg()
        state = asked.rerun_script
        state.query_string, state.page_name, state.fragment_id = self._query, self._page, fragment
        state.context_info.url, state.context_info.timezone = f"{self.address}/{self._page}", "UTC"
        state.cached_message_hashes.extend(self._kept)
        for identity, value in self._on.items():
            widget = state.widget_states.widgets.add()
            widget.id, widget.bool_value = identity, value
        for identity, value in triggered.items():
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = identity, value
        say(state, told)
        return asked.SerializeToString()

    def _run(
        self, triggered: Mapping[str, bool], fragment: str = "", told: Mapping[str, tuple[str, str]] | None = None
    ) -> Run:
        assert self.socket is not None, "nobody has entered"
        began = time.perf_counter()
        self.socket.send(self._ask(fragment, triggered, told or {}))
        messages = list(self._messages())
        self.took = time.perf_counter() - began
        self.came, self.kinds = 0, Counter()
        for message in messages:
            size = message.ByteSize()
            self.came += size
            self.kinds[_kind(message)] += size
            if message.metadata.cacheable:
                self._kept[message.hash] = (self._runs, message)
            elif message.WhichOneof("type") == "ref_hash":
                self._kept[message.ref_hash] = (self._runs, self._kept[message.ref_hash][1])
        run = Run(messages, {name: message for name, (_, message) in self._kept.items()})
        self._runs += 1
        ran = _parts(messages)
        self._kept = {
            name: (used, message)
            for name, (used, message) in self._kept.items()
            # parts that ran alone forget their own
            if self._runs - used <= KEPT_RUNS or (ran and message.delta.fragment_id not in ran)
        }
        self._query = self._query if run.address is None else run.address
        return run


def _kind(message: ForwardMsg) -> str:
    kind = message.WhichOneof("type") or ""
    if kind != "delta":
        return kind
    kind = message.delta.WhichOneof("type") or ""
    return message.delta.new_element.WhichOneof("type") or kind if kind == "new_element" else kind


def _parts(messages: list[ForwardMsg]) -> list[str]:
    """The parts of a page that ran by themselves; none where the page ran."""
    begun = [message for message in messages if message.WhichOneof("type") == "new_session"]
    return list(begun[-1].metadata.run.fragment_ids) if begun else []

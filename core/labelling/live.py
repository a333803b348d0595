"""What stands of a growing log, kept up to date by reading only what is new."""

import threading
from collections.abc import Mapping

from core.labelling.current import Standing, standings
from core.labelling.events import LabelEvent
from core.labelling.log import LabelLog

OVERLAP = 50
"""Numbers read again each time: in a database server a lower number may become visible after a higher one."""


class LiveStandings:
    """The standings of one SAE's neurons; one object serves all sessions of a process."""

    def __init__(self, log: LabelLog, sae: str) -> None:
        self._log, self._sae = log, sae
        self._last = 0
        self._seen: set[str] = set()
        self._events: dict[tuple[str | None, int], list[tuple[int, LabelEvent]]] = {}
        self._standings: dict[str | None, dict[int, Standing]] = {}
        self._lock = threading.Lock()

    def on(self, gallery: str | None) -> Mapping[int, Standing]:
        """Neuron -> what is said about it on a gallery; a copy that later events do not change."""
        with self._lock:
            self._refresh()
            return dict(self._standings.get(gallery, {}))

    def everywhere(self) -> list[Standing]:
        """What is said about every neuron on every gallery."""
        with self._lock:
            self._refresh()
            return [standing for by_item in self._standings.values() for standing in by_item.values()]

    def events(self, gallery: str | None, neuron: int | None = None) -> list[LabelEvent]:
        """The events of one gallery in writing order, or those about one neuron on it."""
        with self._lock:
            self._refresh()
            keys = [key for key in self._events if key[0] == gallery and neuron in (None, key[1])]
            return [entry for _, entry in sorted((e for key in keys for e in self._events[key]), key=lambda e: e[0])]

    def _refresh(self) -> None:
        touched = set()
        after = max(0, self._last - OVERLAP)
        for number, entry in self._log.numbered(self._sae, after=after, known=self._seen):
            self._last = max(self._last, number)
            self._seen.add(entry.id)
            key = (entry.gallery, entry.neuron)
            self._events.setdefault(key, []).append((number, entry))
            touched.add(key)
        for gallery, neuron in touched:
            events = sorted(self._events[gallery, neuron], key=lambda e: e[0])
            stands = standings(entry for _, entry in events)
            by_item = self._standings.setdefault(gallery, {})
            by_item.pop(neuron, None)
            if stands:
                by_item[neuron] = stands[self._sae, gallery, neuron]

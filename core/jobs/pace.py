"""How long the rest of long work takes."""

from core.config import KEPT

TOLD_AFTER = 2.0
"""Seconds of a stage from which on its speed is known well enough to say how long the rest takes."""


class Pace:
    """How long the rest of a stage takes, from what this run has done: what was kept from earlier took no time."""

    def __init__(self) -> None:
        self._stage, self._began, self._first = "", 0.0, 0

    def left(self, done: int, total: int, what: str, now: float) -> float | None:
        """Seconds; None where nobody can tell yet."""
        stage = what.split(":")[0]
        if stage != self._stage or what.endswith(KEPT) or done < self._first:
            self._stage, self._began, self._first = stage, now, done
        worked, steps = now - self._began, done - self._first
        return worked / steps * (total - done) if worked >= TOLD_AFTER and steps > 0 else None


def words_of(seconds: float) -> str:
    """ "about 40 s left", "about 3 min left"."""
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} s left"
    return f"about {seconds / 60:.0f} min left" if seconds < 5400 else f"about {seconds / 3600:.1f} h left"

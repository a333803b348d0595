"""How much an index and the live engine remember of what they were last asked."""

SCORES_BYTES = 1 << 27
"""Memory that the scores of an index's last queries may take."""
LIVE_BYTES = 1 << 28
"""Memory that a live engine's queries, sets and edits may take, each of the three."""


def arrays_of(n: int) -> int:
    """How many float32 arrays (n,) are remembered."""
    return min(max(SCORES_BYTES // (4 * n), 2), 64)


def answers_of(n: int) -> int:
    """How many queries or edits of a live engine on n rows are remembered: each takes some 24 bytes a row."""
    return min(max(LIVE_BYTES // (24 * n), 4), 64)

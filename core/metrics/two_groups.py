"""What metrics that compare two groups have in common: which of them counts positive."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.metrics.base import ListFacts, RankingMetric

FIRST_GROUPS = ("male", "man", "men", "m")
"""Names of the group that counts positive, as in the papers; else the first by name."""


@dataclass(frozen=True)
class TwoGroups(RankingMetric):
    """A signed comparison of two groups."""

    first: int = 0
    """Number of the group that counts positive (M)."""
    second: int = 1
    """Number of the group that counts negative (W)."""

    range = (-1.0, 1.0)
    zero_means = "both groups equally often, or neither"
    better = "nearer to 0"
    bias_direction = 0

    @classmethod
    def for_list(cls, facts: ListFacts) -> "TwoGroups | str":
        if len(facts.groups) != 2:
            return f"it compares two groups, and there are {len(facts.groups)}"
        first = next((i for i, group in enumerate(facts.groups) if group.lower() in FIRST_GROUPS), 0)
        return cls(first=first, second=1 - first)

    def named(self, groups: Sequence[str]) -> dict[str, str]:
        return {"first": groups[self.first], "second": groups[self.second]}

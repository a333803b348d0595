"""The searched rows of an attribute as the second author counts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.verify.own.values import SMALL


@dataclass(frozen=True, eq=False)
class Searched:
    """Rows of the gallery that are searched, with their groups and what is asked for."""

    rows: np.ndarray
    """Row numbers in the gallery (n,)."""
    groups: tuple[str, ...]
    """Groups that these rows hold."""
    labels: np.ndarray
    """Place in `groups` of every row (n,); -1 unknown."""
    target: tuple[float, ...]
    """Share that is asked of each group."""
    named_target: Any
    """The target as the spec writes it."""
    absent: tuple[str, ...] = ()
    """Groups that no searched row has."""
    clusters: np.ndarray | None = None
    """Which rows belong together (n,); None: all are different people."""
    attribute: str = ""
    """Whose groups they are."""

    @property
    def n(self) -> int:
        return len(self.rows)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Searched rows of each group."""
        return tuple(int((self.labels == g).sum()) for g in range(len(self.groups)))

    @cached_property
    def unknown(self) -> int:
        return int((self.labels < 0).sum())

    @cached_property
    def base(self) -> np.ndarray:
        """Share of each group among the searched rows of known group (G,)."""
        counts = np.array(self.counts, dtype=np.float64)
        return counts / counts.sum()

    @cached_property
    def asks_own_shares(self) -> bool:
        """Whether the target is the shares of the searched rows."""
        return bool(np.abs(np.array(self.target) - self.base).max() <= 1e-9)

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "unknown": self.unknown,
            "absent": list(self.absent),
            "target": self.named_target,
            "asks_gallery_shares": self.asks_own_shares,
            "groups": {
                group: {"n": n, "target": asked, "small": n < SMALL}
                for group, n, asked in zip(self.groups, self.counts, self.target, strict=True)
            },
        }


def searched_rows(gallery: Any, attribute: str, where: Mapping[str, str], target: Any) -> Searched:
    """The evaluation half of a gallery, restricted as the spec says, by the groups of an attribute.

    Parameters
    ----------
    target : "uniform", "gallery" or shares by group, divided by their sum.
    """
    rows, names = gallery.rows("evaluation", where), gallery.groups(attribute)
    numbers = gallery.group_numbers(attribute)[rows]
    there = [g for g in range(len(names)) if (numbers == g).any()]
    labels = np.full(len(rows), -1, dtype=np.int64)
    for place, g in enumerate(there):
        labels[numbers == g] = place
    groups = tuple(names[g] for g in there)
    if isinstance(target, Mapping):
        asked = [float(target[group]) for group in groups]
    else:
        asked = [1.0 if target == "uniform" else float((labels == g).sum()) for g in range(len(groups))]
    absent = (*(name for g, name in enumerate(names) if g not in there), *gallery.empty_cells(attribute))
    together = gallery.clusters()
    clusters = None if together is None else together[rows]
    return Searched(rows, groups, labels, tuple(a / sum(asked) for a in asked), target, absent, clusters, attribute)

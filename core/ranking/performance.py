"""Precision and recall by group, where it is known who is relevant: does a query find everybody equally well?

A row is relevant where a column says so (occupation = doctor), or where its caption holds a word. With R_g relevant
searched rows of group g, k_g retrieved ones whose relevance is known, and x_g that are both:

    precision_g = x_g / k_g     of whom the list shows of g, the share that was asked for
    recall_g    = x_g / R_g     of those of g who were asked for, the share that the list shows

Both take a group's people as a sample of people like them, so that their intervals are Wilson's. Recall cannot exceed
k / R: it is compared between groups and before with after, not with 1.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.config import InputError
from core.gallery import Gallery
from core.ranking.results import RankResult
from core.statistics import (
    MINIMUM_N,
    Estimate,
    RateChange,
    RateGap,
    exchanged_rate_change,
    holm,
    paired_rate_change,
    rate_gap,
    share_estimate,
)

TEXT = "text"
"""Column of the captions: there a value is a word that the caption holds."""
SHOWN = 8
"""Values of a column that a message lists at most."""
MEASURES = ("precision", "recall")
INTERVALS = (
    "Wilson for rates; of changes Tango's paired score interval, with McNemar's exact test for recall and the "
    "exchange's for precision"
)
NOBODY = {"precision": "nobody of this group was retrieved", "recall": "no searched row of this group is relevant"}


@dataclass(frozen=True, eq=False)
class Rates:
    """One measure in one arm."""

    overall: Estimate
    """Over all searched rows, those of unknown group too."""
    by_group: tuple[Estimate, ...]
    gap: RateGap

    def to_json(self, groups: tuple[str, ...]) -> dict[str, Any]:
        return {
            "overall": self.overall.to_json(),
            "by_group": {g: one.to_json() for g, one in zip(groups, self.by_group, strict=True)},
            "gap": self.gap.to_json(groups),
        }


@dataclass(frozen=True, eq=False)
class RateChanges:
    """One measure, after minus before, on the same rows."""

    overall: RateChange
    by_group: tuple[RateChange, ...]

    @property
    def p_adjusted(self) -> list[float | None]:
        """Of the groups' changes, over the groups (Holm)."""
        p = [one.p for one in self.by_group]
        adjusted = iter(holm([value for value in p if value is not None]).tolist())
        return [None if value is None else next(adjusted) for value in p]

    def to_json(self, groups: tuple[str, ...]) -> dict[str, Any]:
        rows = zip(groups, self.by_group, self.p_adjusted, strict=True)
        return {
            "overall": self.overall.to_json(),
            "by_group": {g: one.to_json() | {"p_adjusted": p} for g, one, p in rows},
        }


@dataclass(frozen=True, eq=False)
class Performance:
    """How well one query finds each group's relevant people, before and after an edit."""

    groups: tuple[str, ...]
    relevant: tuple[int, ...]
    """Relevant searched rows of each group, R_g."""
    n: int
    """Relevant searched rows, those of unknown group too."""
    unknown: int
    """Searched rows of which nobody knows whether they are relevant; they count nowhere."""
    k: int
    before: Mapping[str, Rates]
    after: Mapping[str, Rates] | None
    difference: Mapping[str, RateChanges] | None
    asked: Mapping[str, str]
    """Column and value that make a row relevant."""

    @property
    def notes(self) -> list[str]:
        said = []
        few = [f"{g} ({n})" for g, n in zip(self.groups, self.relevant, strict=True) if n < MINIMUM_N]
        if few:
            said.append(f"fewer than {MINIMUM_N} relevant rows, shown and not interpreted: {', '.join(few)}")
        if self.unknown:
            said.append(f"of {self.unknown} searched rows nobody knows whether they are relevant; they count nowhere")
        if self.k < self.n:
            said.append(
                f"{self.n} rows are relevant and {self.k} are retrieved: recall cannot exceed {self.k / self.n:.2f}"
            )
        return said

    def to_json(self) -> dict[str, Any]:
        arms = {"before": self.before, "after": self.after, "difference": self.difference}
        return {
            "relevant": dict(self.asked),
            "n": self.n,
            "group_counts": dict(zip(self.groups, self.relevant, strict=True)),
            "unknown": self.unknown,
            "intervals": INTERVALS,
            **{
                arm: {name: one.to_json(self.groups) for name, one in found.items()}
                for arm, found in arms.items()
                if found is not None
            },
            "notes": self.notes,
        }


def performance(gallery: Gallery, found: RankResult, asked: Mapping[str, str]) -> Performance:
    """Precision and recall by group of a ranking.

    Parameters
    ----------
    asked : column and value that make a row relevant, {"occupation": "doctor"}; of several all must hold. The column
        "text" of a caption gallery takes a word that the caption holds.

    Raises
    ------
    InputError : a column or value that the gallery does not have, or the attribute whose groups are counted.
    """
    request, part = found.request, found.part
    clash = [column for column in asked if column in gallery.components(request.attribute)]
    if clash:
        raise InputError(
            f"relevant was {clash[0]}={asked[clash[0]]}, and {clash[0]} is the attribute whose groups are compared; "
            "name another column"
        )
    k, flags = request.k, relevant_rows(gallery, asked)[part.rows]
    tops = [arm.deep[:k] for arm in (found.before, found.after) if arm is not None]
    return replace(performance_of(tops, part.labels, flags, part.groups), asked=dict(asked))


def relevant_rows(gallery: Gallery, asked: Mapping[str, str]) -> np.ndarray:
    """1 relevant, 0 not, -1 nobody knows, for every row of the gallery, int8 (n,)."""
    if not asked:
        raise InputError("what is relevant was not said; give COLUMN=VALUE")
    columns = np.stack([_holds(gallery, column, value) for column, value in asked.items()])
    # one column that does not hold settles it, whatever nobody knows about the others
    settled = np.where((columns == 0).any(axis=0), 0, columns.min(axis=0))
    if not (settled == 1).any():
        said = ", ".join(f"{column}={value}" for column, value in asked.items())
        raise InputError(f"no item of gallery {gallery.name} has {said}; nothing would be relevant")
    return settled.astype(np.int8)


def _holds(gallery: Gallery, column: str, value: str) -> np.ndarray:
    """1, 0 or -1 (nobody knows) of every row for one column."""
    if column == TEXT and column not in gallery.attributes:
        if gallery.kind != "captions":
            raise InputError(
                f"relevant was {column}={value}, but gallery {gallery.name} has no captions; name a column"
            )
        word = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
        return np.array([word.search(gallery.text(i)) is not None for i in range(gallery.n)], dtype=np.int8)
    if column not in gallery.attributes:
        there = ", ".join([*gallery.attributes, *([TEXT] if gallery.kind == "captions" else [])]) or "none"
        raise InputError(f"relevant was {column}={value}, but gallery {gallery.name} has no column {column!r}: {there}")
    groups, numbers = gallery.groups(column), gallery.group_numbers(column)
    if value not in groups:
        near = ", ".join(difflib.get_close_matches(value, groups, n=3, cutoff=0.4) or groups[:SHOWN])
        raise InputError(f"relevant was {column}={value}, but no item has that {column}; values are such as {near}")
    return np.where(numbers < 0, -1, numbers == groups.index(value)).astype(np.int8)


def performance_of(
    tops: list[np.ndarray], labels: np.ndarray, relevant: np.ndarray, groups: tuple[str, ...]
) -> Performance:
    """The same on bare arrays.

    Parameters
    ----------
    tops : rows (k,) retrieved before, and after where there is an edit.
    labels : group number of every searched row (n,); -1 unknown.
    relevant : 1, 0 or -1 (nobody knows) of every searched row (n,).
    """
    whole = _counts(np.flatnonzero(relevant == 1), labels, len(groups))
    arms = [_arm(top, labels, relevant, whole, len(groups)) for top in tops]
    return Performance(
        groups=groups,
        relevant=tuple(whole[:-1]),
        n=int((relevant == 1).sum()),
        unknown=int((relevant < 0).sum()),
        k=len(tops[0]),
        before=arms[0],
        after=arms[1] if len(arms) > 1 else None,
        difference=_difference(tops[0], tops[1], labels, relevant, whole, len(groups)) if len(arms) > 1 else None,
        asked={},
    )


def _counts(rows: np.ndarray, labels: np.ndarray, n_groups: int) -> list[int]:
    """Rows of each group, then of all (G + 1)."""
    own = labels[rows]
    return [*np.bincount(own[own >= 0], minlength=n_groups).tolist(), len(rows)]


def _arm(
    top: np.ndarray, labels: np.ndarray, relevant: np.ndarray, whole: list[int], n_groups: int
) -> dict[str, Rates]:
    """Both measures of one list."""
    hits = _counts(top[relevant[top] == 1], labels, n_groups)
    sizes = {"precision": _counts(top[relevant[top] >= 0], labels, n_groups), "recall": whole}
    return {name: _rates(hits, sizes[name], NOBODY[name]) for name in MEASURES}


def _rates(hits: list[int], of: list[int], nobody: str) -> Rates:
    def rate(x: int, n: int) -> Estimate:
        if n == 0:
            return Estimate.missing(nobody)
        note = f"not interpreted: only {n} rows, fewer than {MINIMUM_N}" if n < MINIMUM_N else None
        return replace(share_estimate(x, n), note=note)

    *by_group, overall = (rate(x, n) for x, n in zip(hits, of, strict=True))
    return Rates(overall, tuple(by_group), rate_gap(hits[:-1], of[:-1]))


def _difference(
    before: np.ndarray,
    after: np.ndarray,
    labels: np.ndarray,
    relevant: np.ndarray,
    whole: list[int],
    n_groups: int,
) -> dict[str, RateChanges]:
    """Both measures after minus before, from the rows that were exchanged."""
    parts = [np.setdiff1d(before, after), np.setdiff1d(after, before), np.intersect1d(before, after)]
    hits, misses = ([_counts(rows[relevant[rows] == flag], labels, n_groups) for rows in parts] for flag in (1, 0))
    lost, gained = hits[0], hits[1]
    recall = [paired_rate_change(*counts) for counts in zip(gained, lost, whole, strict=True)]
    pairs = [list(zip(miss, hit, strict=True)) for miss, hit in zip(misses, hits, strict=True)]
    precision = [exchanged_rate_change(*tables) for tables in zip(*pairs, strict=True)]
    return {
        name: RateChanges(changes[-1], tuple(_said(one, name) for one in changes[:-1]))
        for name, changes in (("precision", precision), ("recall", recall))
    }


def _said(one: RateChange, name: str) -> RateChange:
    """A change that cannot be had with its reason in the words of its measure."""
    return one if one.change.estimate is not None else replace(one, change=Estimate.missing(NOBODY[name]))

"""What a neuron answers to: every group of every attribute, and every word of the captions, by how well it is told."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse

from core.neurons.firing import mann_whitney
from core.neurons.matrices import AnyCodes, column
from core.statistics import MINIMUM_N, Estimate, auc_estimate, benjamini_hochberg
from core.statistics.mid_ranks import mid_ranks

if TYPE_CHECKING:
    from core.gallery import Gallery

CAPTION = "caption says"
"""The attribute of a caption's words: "caption says doctor"."""
LEAST = 10
"""Items on either side that a test of a group needs: with fewer the normal approximation of its p does not hold."""
MOST_GROUPS = 100
"""An attribute with more values is no attribute but a name or a number of the item."""
ALIKE = 0.8
"""Share of a group's items that lie in another group as well, from which on the two are called hard to tell apart."""
RAISED = 1.25
"""How many times more often than any item they have to lie there: nearly every group lies in one that holds nearly
all."""
FEW = 4
"""Groups with too few items that are named; of more only how many there are."""
COMPARED = 6
"""Associations among which overlaps are looked for, strongest first."""
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
ALPHA = 0.05


@dataclass(frozen=True)
class Association:
    """How a neuron answers to one group (or word) against all other known items."""

    attribute: str
    group: str
    auc: Estimate
    """P(code of a random item of the group > code of a random other item) + P(equal) / 2, with 95 % interval. 1/2 is
    no association, above it the neuron answers to the group, below it to the others."""
    p: float
    """Two-sided Mann-Whitney U (normal approximation, tie- and continuity-corrected)."""
    p_adjusted: float
    """Benjamini-Hochberg over all associations that were tested of this neuron."""
    n: int
    """Items of the group."""
    rate: float
    """Share of the group's items on which the neuron fires."""
    other_rate: float
    """The same of all other known items."""

    @property
    def strength(self) -> float:
        """|AUC - 1/2|, in [0, 1/2]; 0 is no association."""
        return abs(self._auc - 0.5)

    @property
    def found(self) -> bool:
        """Whether it is a finding at a false discovery rate of 5 %."""
        return self.p_adjusted <= ALPHA

    @property
    def said(self) -> str:
        """ "background orange"; "not background orange" where the neuron answers to the others."""
        name = named_group(self.attribute, self.group)
        return name if self._auc >= 0.5 else f"not {name}"

    @property
    def _auc(self) -> float:
        assert self.auc.estimate is not None, "both sides of an association that is tested have items"
        return self.auc.estimate

    def to_json(self) -> dict[str, Any]:
        return {
            "attribute": self.attribute,
            "group": self.group,
            "auc": self.auc.to_json(),
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "n": self.n,
            "rate": self.rate,
            "other_rate": self.other_rate,
        }


def named_group(attribute: str, group: str) -> str:
    """ "background orange", and "no hat" alone where the group says its attribute itself."""
    return group if attribute.lower() in group.lower().split() else f"{attribute} {group}"


@dataclass(frozen=True)
class Answers(Sequence[Association]):
    """The strongest associations of a neuron, strongest first, and what was looked at to find them."""

    associations: tuple[Association, ...]
    tests: int
    """Associations tested: what every p_adjusted was corrected for."""
    overlap: str | None = None
    """One sentence where strong associations share most of their items, so that they can hardly be told apart."""
    left_out: tuple[str, ...] = ()
    """Attributes with too many values, and groups with too few items, with the reason."""

    def __len__(self) -> int:
        return len(self.associations)

    def __getitem__(self, place: Any) -> Any:
        return self.associations[place]

    def by_attribute(self, most: int) -> tuple[Association, ...]:
        """The strongest association of each attribute, every word being one of its own; at most so many."""
        firsts: dict[tuple[str, str], Association] = {}
        for association in self.associations:
            firsts.setdefault(
                (association.attribute, association.group if association.attribute == CAPTION else ""), association
            )
        return tuple(firsts.values())[:most]

    @property
    def strongest(self) -> Association | None:
        """The first association, where it is a finding."""
        return self.associations[0] if self.associations and self.associations[0].found else None

    def to_json(self) -> dict[str, Any]:
        return {
            "answers": [association.to_json() for association in self.associations],
            "tests": self.tests,
            "overlap": self.overlap,
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True, eq=False)
class Words:
    """Which words the captions of some rows hold."""

    words: tuple[str, ...]
    holds: sparse.csc_matrix
    """(rows, words) 0 or 1."""


def caption_words(gallery: "Gallery", rows: np.ndarray, least: int = MINIMUM_N) -> Words | None:
    """Words that at least `least` of the captions hold, and at least as many do not; None for a gallery of pictures.

    Words are taken without regard to capitals; a number is no word.
    """
    if gallery.kind != "captions":
        return None
    numbers: dict[str, int] = {}
    at: list[int] = []
    starts = [0]
    for text in gallery.table["text"].to_numpy(dtype=object)[rows]:
        words = set(WORD.findall(text.lower())) if isinstance(text, str) else set()
        at.extend(numbers.setdefault(word, len(numbers)) for word in words)
        starts.append(len(at))
    shape = (len(rows), len(numbers))
    holds = sparse.csr_matrix((np.ones(len(at)), np.array(at, dtype=np.int64), starts), shape=shape).tocsc()
    counts = np.diff(holds.indptr)
    names = np.array(list(numbers), dtype=object)
    kept = np.flatnonzero((counts >= least) & (len(rows) - counts >= least))
    kept = kept[np.argsort(names[kept], kind="stable")]
    return Words(tuple(names[kept]), holds[:, kept])


@dataclass(frozen=True, eq=False)
class _Tested:
    """One attribute (or the words) before the correction; one entry a group that was tested."""

    attribute: str
    groups: list[str]
    inside: Callable[[int], np.ndarray]
    """Place in `groups` -> whether each of the known rows is in it."""
    known: np.ndarray
    """Which of the rows take part."""
    auc: np.ndarray
    p: np.ndarray
    n: np.ndarray
    """Rows of each group."""


def answers_to(
    gallery: "Gallery",
    codes: AnyCodes,
    neuron: int,
    rows: np.ndarray,
    top: int | None = 12,
    words: Words | None = None,
) -> Answers:
    """What a neuron answers to, of all groups of all attributes of a gallery and all words of its captions.

    Findings come first, by falling |AUC - 1/2|, then the others: a small group that looks strong by chance is none.

    Each group is held against all other rows whose label is known, each word against the captions without it. Of an
    attribute with two groups there is one test, named by the group that the neuron answers to. Groups with fewer than
    10 rows on either side, and attributes with more than 100 values, are left out and named. An association that
    cannot be tested (the neuron is the same on all rows) is no association.

    Parameters
    ----------
    codes : z (n, F) of all rows of the gallery.
    rows : where it is looked at (a half, `where`), rising.
    top : associations that get an interval and are given back; None: all.
    words : `caption_words(gallery, rows)` where it is at hand; made where it is not.

    Raises
    ------
    InputError : a neuron that is not there.
    """
    at, active = column(codes, neuron)
    values = np.zeros(gallery.n)
    values[at] = active
    values = values[rows]
    left_out: list[str] = []
    blocks = list(_attributes(gallery, rows, values, left_out))
    words = caption_words(gallery, rows) if words is None else words
    if words is not None and words.words:
        blocks.append(_of_words(words, values))
    auc = np.concatenate([block.auc for block in blocks] or [np.empty(0)])
    p = np.concatenate([block.p for block in blocks] or [np.empty(0)])
    places = [(b, g) for b, block in enumerate(blocks) for g in range(len(block.groups))]
    adjusted = benjamini_hochberg(p)
    tested = np.flatnonzero(~np.isnan(p))
    strength = np.round(np.abs(auc[tested] - 0.5), 12)
    order = tested[np.lexsort((-strength, adjusted[tested] > ALPHA))][:top]
    associations = [_association(blocks[b], g, values, float(adjusted[i])) for i in order for b, g in [places[i]]]
    parts = [
        (association, *_rows_of(blocks[places[i][0]], places[i][1]))
        for association, i in zip(associations, order, strict=True)
    ]
    return Answers(tuple(associations), len(tested), _overlap(parts[:COMPARED]), tuple(left_out))


def _attributes(gallery: "Gallery", rows: np.ndarray, values: np.ndarray, left_out: list[str]) -> Iterator[_Tested]:
    """Every attribute with the groups that can be tested; says in `left_out` what cannot."""
    ranked: dict[bytes, tuple[np.ndarray, float]] = {}
    for attribute in gallery.attributes:
        groups = gallery.groups(attribute)
        if len(groups) > MOST_GROUPS:
            left_out.append(f"{attribute}: {len(groups):,} values, more than {MOST_GROUPS}")
            continue
        numbers = gallery.group_numbers(attribute)[rows]
        known = numbers >= 0
        numbers = numbers[known]
        sizes = np.bincount(numbers, minlength=len(groups))
        enough = (sizes >= LEAST) & (len(numbers) - sizes >= LEAST)
        few = [groups[g] for g in np.flatnonzero(~enough & (sizes > 0))]
        if few:
            names = ", ".join(few[:FEW]) + (f" and {len(few) - FEW} more" if len(few) > FEW else "")
            left_out.append(f"{attribute} {names}: fewer than {LEAST} items in it or outside it")
        if not enough.any():
            continue
        key = known.tobytes()
        if key not in ranked:
            ranked[key] = _ranks(values[known])
        ranks, ties = ranked[key]
        places = np.flatnonzero(enough)
        sums = np.bincount(numbers, weights=ranks, minlength=len(groups))[places]
        auc, p = mann_whitney(sums, np.full(len(places), ties), sizes[places], len(numbers) - sizes[places])
        if len(groups) == 2 and len(places) == 2:
            places, auc, p = (part[[int(auc[1] > auc[0])]] for part in (places, auc, p))
        yield _Tested(
            attribute,
            [groups[g] for g in places],
            partial(_is_in, numbers, places),
            known,
            auc,
            p,
            sizes[places],
        )


def _is_in(numbers: np.ndarray, places: np.ndarray, g: int) -> np.ndarray:
    """Whether each item is in the g-th of the tested groups (n,) bool."""
    return numbers == places[g]


def _of_words(words: Words, values: np.ndarray) -> _Tested:
    """All words at once: every caption is known to hold a word or not."""
    ranks, ties = _ranks(values)
    counts = np.diff(words.holds.indptr)
    auc, p = mann_whitney(words.holds.T @ ranks, np.full(len(counts), ties), counts, len(values) - counts)
    holds = words.holds
    return _Tested(
        CAPTION,
        list(words.words),
        lambda g: holds[:, [g]].toarray().ravel() > 0,
        np.ones(len(values), dtype=bool),
        auc,
        p,
        counts,
    )


def _ranks(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Mid-ranks, and sum(t^3 - t) over the ties."""
    ranks = mid_ranks(values)
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    return ranks, float((ties**3 - ties).sum())


def _association(block: _Tested, g: int, values: np.ndarray, adjusted: float) -> Association:
    inside, of_known = block.inside(g), values[block.known]
    return Association(
        attribute=block.attribute,
        group=block.groups[g],
        auc=auc_estimate(of_known, inside),
        p=float(block.p[g]),
        p_adjusted=adjusted,
        n=int(block.n[g]),
        rate=float((of_known[inside] != 0).mean()),
        other_rate=float((of_known[~inside] != 0).mean()),
    )


def _rows_of(block: _Tested, g: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a group, and those whose label is known, among all rows that are looked at."""
    inside = np.zeros(len(block.known), dtype=bool)
    inside[block.known] = block.inside(g)
    return inside, block.known


def _overlap(parts: Sequence[tuple[Association, np.ndarray, np.ndarray]]) -> str | None:
    """A sentence about the strongest association and the next one of another attribute that shares most of its rows.

    Words are passed over: a caption that names its group is no second explanation of it.
    """
    first, rows, known = parts[0] if parts else (None, np.empty(0), np.empty(0))
    if first is None or first.attribute == CAPTION or not first.found or first._auc < 0.5:
        return None
    for other, its_rows, its_known in parts[1:]:
        if other.attribute in (first.attribute, CAPTION) or not other.found or other._auc < 0.5:
            continue
        both = known & its_known
        pairs = [(first, rows & both, other, its_rows & both), (other, its_rows & both, first, rows & both)]
        small, inner, large, outer = min(pairs, key=lambda pair: pair[1].sum())
        shared, usual = float((inner & outer).sum() / max(inner.sum(), 1)), float(outer.sum() / max(both.sum(), 1))
        if shared >= ALIKE and shared >= RAISED * usual:
            share = "All" if shared == 1 else f"{100 * shared:.0f} % of the"
            fact = f"{share} items of {small.said} are {large.said} too, as are {100 * usual:.0f} % of all items"
            hi, lo = other.auc.hi, first.auc.lo
            if hi is None or lo is None or hi >= lo:
                return f"{fact}: which of the two it answers to can hardly be told here."
            return f"{fact}: some of its answer to {other.said} is its answer to {first.said}."
    return None

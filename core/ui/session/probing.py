"""What the pages know about neurons: where they are found, how they fire for each group, and which to try first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import InputError, Progress, Side
from core.statistics import Estimate
from core.ui.session import cache, fit
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from pandas import DataFrame

    from core.gallery import Codes, Gallery
    from core.neurons import Answers, Association, Evidence, Lift, SocialNeurons
    from core.saes.checkpoint import SAEFile
    from core.ui.session.uploads import Upload


TAU = 0.5
"""Share of a group's items that must fire for a suggested neuron, until the person chooses another."""
PER_GROUP = 4
"""Suggested neurons for each group: the first few by mean activation."""
MOST = 8
"""Suggested neurons in all: more switches than fit on a projector help nobody."""
FEW_GROUPS = 4
"""Up to so many groups, one without a specific neuron is offered the neuron that tells it apart best."""
ASSOCIATIONS = 24
"""Associations of a neuron that are kept with their intervals."""
STRIP = 8
"""Top items kept of a suggested neuron."""


@dataclass(frozen=True)
class Suggestion:
    """A neuron worth switching off, and what it answers to."""

    neuron: int
    why: str
    top: tuple[int, ...]
    """Rows of the probe gallery on which it fires strongest."""
    specific: bool = True
    """False for a neuron that only tells a group apart best, and for one that may fire as often on another group."""


@dataclass(frozen=True)
class Probe:
    """Where neurons are found: a gallery, the rows that are looked at, their codes, and how all of it is keyed."""

    gallery: "Gallery"
    sae: "SAEFile"
    codes: "Codes"
    rows: np.ndarray
    where: dict[str, str]
    """The part of the searched gallery that is looked at, as far as the probe gallery has its columns and groups."""

    @cached_property
    def parts(self) -> list[Any]:
        """What an answer depends on: stamps, because codes on disk are part of no digest."""
        return [cache.stamp_of(self.gallery), cache.stamp_of(self.sae), self.where]

    def labels(self, attribute: str) -> np.ndarray:
        return self.gallery.labels(attribute)


def probe(state: AppState, side: Side, progress: Progress | None = None) -> Probe:
    """The probe set of one side; InputError where the gallery holds the other side's items or there is no SAE."""
    gallery, sae = cache.current_probe(state), cache.current_sae(side, state)
    if sae is None:
        raise InputError(f"no SAE is chosen for the {side} side; choose one in Data & models")
    if gallery.side != side:
        what = "pictures" if gallery.kind == "images" else "captions"
        raise InputError(
            f"the gallery {gallery.name} holds {what}, so that neurons of the {side} side have no items here"
        )
    misfit = fit.own_side(sae, gallery)
    if misfit:
        raise InputError(f"{misfit} Choose or train one in Data & models.")
    where = {c: v for c, v in state.where.items() if c in gallery.attributes and v in gallery.groups(c)}
    return Probe(gallery, sae, cache.codes(gallery, sae, progress), gallery.rows("probe", where), where)


def social(found: Probe, attribute: str, tau: float) -> "SocialNeurons":
    """Consistent and specific neurons of each group of an attribute."""
    from core.neurons import social_neurons

    def compute() -> "SocialNeurons":
        return social_neurons(found.codes.csr[found.rows], found.labels(attribute)[found.rows], tau, "at-least")

    return cache.result("social", [*found.parts, attribute, tau], compute)


def statistics(found: Probe, attribute: str) -> "DataFrame":
    """Firing rates and AUC of every neuron for every group (core.neurons.firing_statistics); not to be changed."""
    from core.neurons import firing_statistics

    def compute() -> "DataFrame":
        return firing_statistics(found.codes.csc, found.labels(attribute), found.rows)

    return cache.result("firing", [*found.parts, attribute], compute)


def tau_that_finds(found: Probe, attribute: str, group: str) -> float | None:
    """The largest tau, in tenths, at which a group has a neuron of its own; None where there is none at all."""
    for tenths in range(10, 0, -1):
        if social(found, attribute, tenths / 10).groups[group].specific:
            return tenths / 10
    return None


def shown_evidence(found: Probe, neuron: int, size: int = 12) -> "Evidence":
    """Top, middle, random firing and silent items of a neuron in the probe set."""
    from core.neurons import evidence

    def compute() -> "Evidence":
        return evidence(found.codes.csc, neuron, size, size, size, 0, size, found.rows)

    return cache.result("evidence", [*found.parts, neuron, size], compute)


def rates(found: Probe, neuron: int, attribute: str) -> dict[str, Estimate]:
    """Share of each group's items on which a neuron fires, with Wilson interval."""
    lines = _lines_of(found, neuron, attribute)
    return {line.group: Estimate(line.rate, line.lo, line.hi, int(line.n)) for line in lines.itertuples()}


def auc(found: Probe, neuron: int, attribute: str, group: str) -> float:
    """How well a neuron tells a group apart (core.neurons.firing_statistics)."""
    lines = _lines_of(found, neuron, attribute)
    return float(lines["auc"][lines["group"] == group].iloc[0])


def lift(found: Probe, neuron: int, attribute: str, group: str) -> "Lift | None":
    """How much more often a neuron fires on a group than on any other; None where there is no other."""
    from core.neurons import lifts

    lines = _lines_of(found, neuron, attribute)
    groups = list(lines["group"])
    fired, sizes = lines["fired"].to_numpy(), lines["n"].to_numpy()
    return next(iter(lifts([neuron], fired[:, None], sizes, groups, groups.index(group))), None)


def answers(found: Probe, neuron: int) -> "Answers":
    """What a neuron answers to, of all attributes and of the captions' words."""
    from core.neurons import answers_to, caption_words

    words = cache.result("caption-words", found.parts, lambda: caption_words(found.gallery, found.rows))
    return cache.result(
        "answers",
        [*found.parts, neuron, ASSOCIATIONS],
        lambda: answers_to(found.gallery, found.codes, neuron, found.rows, ASSOCIATIONS, words),
    )


def beside(found: Probe, neuron: int, attribute: str, group: str) -> str | None:
    """ "more to hair bald": where a neuron of a group answers to another attribute most."""
    looked_at, components = answers(found, neuron), found.gallery.components(attribute)
    how = compared(looked_at, components, auc(found, neuron, attribute, group))
    return None if how is None else f"{how} to {looked_at[0].said}"


def association(found: Probe, attribute: str) -> np.ndarray:
    """How well each neuron tells any group of an attribute apart: the largest |AUC - 1/2| over its groups (F,)."""

    def compute() -> np.ndarray:
        distances = (statistics(found, attribute)["auc"].to_numpy() - 0.5).reshape(found.sae.sae.config.d_sae, -1)
        return np.nan_to_num(np.abs(distances)).max(axis=1)

    return cache.result("association", [*found.parts, attribute], compute)


def _lines_of(found: Probe, neuron: int, attribute: str) -> "DataFrame":
    """The neuron's lines of the firing statistics, one a group."""
    table = statistics(found, attribute)
    groups = len(table) // found.sae.sae.config.d_sae
    return table.iloc[neuron * groups : (neuron + 1) * groups]


def ordered(found: Probe, attribute: str, group: str, most: int) -> "DataFrame":
    """The neurons that tell a group apart best, by falling AUC."""
    table = statistics(found, attribute)
    return table[table["group"] == group].nlargest(most, "auc").drop(columns=["group", "p"], errors="ignore")


def best(found: Probe, attribute: str, group: str, most: int) -> list[int]:
    """Neurons with the largest AUC for a group."""
    return [int(j) for j in ordered(found, attribute, group, most)["neuron"]]


def activations(found: Probe, neuron: int, attribute: str) -> tuple[list[float], dict[str, list[float]]]:
    """Edges (bins + 1,) and, for each group, the share of its items in each bin; no edges for a silent neuron."""
    from core.neurons import histogram

    drawn = histogram(found.codes.csc, neuron, found.labels(attribute), rows=found.rows, bins=24)
    if not any(counts.sum() for counts in drawn.counts.values()):
        return [], {}
    shares = {g: (counts / max(drawn.sizes[g], 1)).tolist() for g, counts in drawn.counts.items() if drawn.sizes[g]}
    return drawn.edges.tolist(), shares


def living(found: Probe) -> np.ndarray:
    """Neurons that fire on at least one item of the probe gallery, rising."""
    return cache.result("living", found.parts, lambda: np.flatnonzero(np.diff(found.codes.csc.indptr)))


def living_neighbours(found: Probe, neuron: int) -> tuple[int, int]:
    """The living neuron before and after this one, around the end; itself where none lives."""
    alive = living(found)
    if not len(alive):
        return neuron, neuron
    before, after = np.searchsorted(alive, neuron), np.searchsorted(alive, neuron, side="right")
    return int(alive[before - 1]), int(alive[after % len(alive)])


def alike(found: Probe, neuron: int, most: int = 8) -> list[tuple[int, float]]:
    """Neurons whose decoder directions are nearest, with the cosine."""
    from core.neurons import nearest_neurons

    decoder = found.sae.sae.W_dec
    return cache.result(
        "alike", [found.parts[1], neuron, most], lambda: nearest_neurons(decoder.detach().cpu().numpy(), neuron, most)
    )


def together(found: Probe, neuron: int, most: int = 8) -> list[tuple[int, float]]:
    """Neurons that fire on the same items, with the overlap."""
    from core.neurons import coactive_neurons

    return cache.result(
        "together", [*found.parts[:2], neuron, most], lambda: coactive_neurons(found.codes.csr, neuron, most)
    )


def upload_values(state: AppState, side: Side, sae: "SAEFile", neuron: int) -> "list[tuple[Upload, float]]":
    """Uploads of the session on which a neuron fires, with its value; computed each time: uploads are never kept."""
    from core.neurons import encode_rows

    attach = sae.attach or "pooled"
    items = [u for u in getattr(state.uploads, "items", []) if u.side == side and attach in u.embeddings]
    items = [u for u in items if len(u.embeddings[attach]) == sae.sae.config.d_in]
    if not items:
        return []
    values = encode_rows(np.stack([u.embeddings[attach] for u in items]), sae.sae)[:, [neuron]].toarray()[:, 0]
    return [(u, float(v)) for u, v in zip(items, values, strict=True) if v > 0]


def suggested(state: AppState, side: Side, attribute: str, tau: float) -> tuple[list[Suggestion], Probe]:
    """The first specific neurons of each group, and for a group without any the neuron that tells it apart best."""
    found = probe(state, side)
    try:
        found.gallery.components(attribute)
    except InputError:
        raise InputError(
            f"the probe gallery {found.gallery.name} has no attribute {attribute!r} to find neurons with"
        ) from None
    rule, why = social(found, attribute, tau), {}
    for group, neurons in rule.groups.items():
        if neurons.specific:
            for j in neurons.specific[:PER_GROUP]:
                sure, other = j not in neurons.unsure, beside(found, j, attribute, group)
                words = f"{group}, {'specific' if sure else 'unsure'}"
                why[j] = (f"{words}, but {other}" if other else words, sure)
        elif len(rule.groups) <= FEW_GROUPS:
            j = best(found, attribute, group, 1)[0]
            why.setdefault(j, (f"{group}, AUC {auc(found, j, attribute, group):.2f}", False))
    suggestions = []
    for j, (words, specific) in list(why.items())[:MOST]:
        top = shown_evidence(found, j).top.rows[:STRIP]
        suggestions.append(Suggestion(j, words, tuple(map(int, top)), specific))
    return suggestions, found


def towards(one: "Association") -> tuple[float, float, float]:
    """AUC with its interval, seen from the side that the neuron answers to: "not orange" .8 instead of orange .2."""
    estimate, lo, hi = (v if v is not None else 0.5 for v in (one.auc.estimate, one.auc.lo, one.auc.hi))
    return (estimate, lo, hi) if estimate >= 0.5 else (1 - estimate, 1 - hi, 1 - lo)


def compared(answers: "Answers", components: Sequence[str], auc: float) -> str | None:
    """Whether it answers to another attribute "more" than to the group of the one that is looked at; None: it does not.

    "as much": it does, but the interval of the strongest association reaches down to what the group has.

    Parameters
    ----------
    components : the attribute that is looked at, or those that it crosses.
    auc : of the neuron for that group.
    """
    strongest = answers.strongest
    if strongest is None or strongest.attribute in components or strongest.strength <= abs(auc - 0.5):
        return None
    return "more" if towards(strongest)[1] - 0.5 > abs(auc - 0.5) else "as much"

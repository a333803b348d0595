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
    from core.neurons import Answers, Association, Examples, Lift, SocialNeurons
    from core.saes.checkpoint import SAEFile
    from core.ui.session.uploads import Upload


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


def probe_of(state: AppState, side: Side, progress: Progress | None = None) -> Probe:
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


def social(probe: Probe, attribute: str, tau: float) -> "SocialNeurons":
    """Consistent and specific neurons of each group of an attribute."""
    from core.neurons import social_neurons

    def compute() -> "SocialNeurons":
        return social_neurons(probe.codes.csr[probe.rows], probe.labels(attribute)[probe.rows], tau, "at-least")

    return cache.result("social", [*probe.parts, attribute, tau], compute)


def statistics(probe: Probe, attribute: str) -> "DataFrame":
    """Firing rates and AUC of every neuron for every group (core.neurons.firing_statistics); not to be changed."""
    from core.neurons import firing_statistics

    def compute() -> "DataFrame":
        return firing_statistics(probe.codes.csc, probe.labels(attribute), probe.rows)

    return cache.result("firing", [*probe.parts, attribute], compute)


def tau_that_finds(probe: Probe, attribute: str, group: str) -> float | None:
    """The largest tau, in tenths, at which a group has a neuron of its own; None where there is none at all."""
    for tenths in range(10, 0, -1):
        if social(probe, attribute, tenths / 10).groups[group].specific:
            return tenths / 10
    return None


def shown_examples(probe: Probe, neuron: int, size: int = 12) -> "Examples":
    """Top, middle, random firing and silent items of a neuron in the probe set."""
    from core.neurons import examples_of

    def compute() -> "Examples":
        return examples_of(probe.codes.csc, neuron, size, size, size, 0, size, probe.rows)

    return cache.result("examples", [*probe.parts, neuron, size], compute)


def rates(probe: Probe, neuron: int, attribute: str) -> dict[str, Estimate]:
    """Share of each group's items on which a neuron fires, with Wilson interval."""
    lines = _lines_of(probe, neuron, attribute)
    columns = (lines[name].tolist() for name in ("group", "rate", "lo", "hi", "n"))
    return {group: Estimate(rate, lo, hi, int(n)) for group, rate, lo, hi, n in zip(*columns, strict=True)}


def auc(probe: Probe, neuron: int, attribute: str, group: str) -> float:
    """How well a neuron tells a group apart (core.neurons.firing_statistics)."""
    lines = _lines_of(probe, neuron, attribute)
    return float(lines["auc"][lines["group"] == group].iloc[0])


def lift(probe: Probe, neuron: int, attribute: str, group: str) -> "Lift | None":
    """How much more often a neuron fires on a group than on any other; None where there is no other."""
    from core.neurons import lifts

    lines = _lines_of(probe, neuron, attribute)
    groups = list(lines["group"])
    fired, sizes = lines["fired"].to_numpy(), lines["n"].to_numpy()
    return next(iter(lifts([neuron], fired[:, None], sizes, groups, groups.index(group))), None)


def answers(probe: Probe, neuron: int) -> "Answers":
    """What a neuron answers to, of all attributes and of the captions' words."""
    from core.neurons import answers_to, caption_words

    words = cache.result("caption-words", probe.parts, lambda: caption_words(probe.gallery, probe.rows))
    return cache.result(
        "answers",
        [*probe.parts, neuron, ASSOCIATIONS],
        lambda: answers_to(probe.gallery, probe.codes, neuron, probe.rows, ASSOCIATIONS, words),
    )


def beside(probe: Probe, neuron: int, attribute: str, group: str) -> str | None:
    """ "more to hair bald": where a neuron of a group answers to another attribute most."""
    looked_at, components = answers(probe, neuron), probe.gallery.components(attribute)
    how = compared(looked_at, components, auc(probe, neuron, attribute, group))
    return None if how is None else f"{how} to {looked_at[0].said}"


def association(probe: Probe, attribute: str) -> np.ndarray:
    """How well each neuron tells any group of an attribute apart: the largest |AUC - 1/2| over its groups (F,).

    NaN where nobody can tell: there is one group alone.
    """

    def compute() -> np.ndarray:
        distances = (statistics(probe, attribute)["auc"].to_numpy() - 0.5).reshape(probe.sae.sae.config.d_sae, -1)
        return np.fmax.reduce(np.abs(distances), axis=1)

    return cache.result("association", [*probe.parts, attribute], compute)


def _lines_of(probe: Probe, neuron: int, attribute: str) -> "DataFrame":
    """The neuron's lines of the firing statistics, one a group."""
    table = statistics(probe, attribute)
    groups = len(table) // probe.sae.sae.config.d_sae
    return table.iloc[neuron * groups : (neuron + 1) * groups]


def ordered(probe: Probe, attribute: str, group: str, most: int) -> "DataFrame":
    """The neurons that tell a group apart best, by falling AUC."""
    table = statistics(probe, attribute)
    return table[table["group"] == group].nlargest(most, "auc").drop(columns=["group", "p"], errors="ignore")


def best(probe: Probe, attribute: str, group: str, most: int) -> list[int]:
    """Neurons with the largest AUC for a group."""
    return [int(j) for j in ordered(probe, attribute, group, most)["neuron"]]


def activations(probe: Probe, neuron: int, attribute: str) -> tuple[list[float], dict[str, list[float]]]:
    """Edges (bins + 1,) and, for each group, the share of its items in each bin; no edges for a silent neuron."""
    from core.neurons import histogram

    drawn = histogram(probe.codes.csc, neuron, probe.labels(attribute), rows=probe.rows, bins=24)
    if not any(counts.sum() for counts in drawn.counts.values()):
        return [], {}
    shares = {g: (counts / max(drawn.sizes[g], 1)).tolist() for g, counts in drawn.counts.items() if drawn.sizes[g]}
    return drawn.edges.tolist(), shares


def living(probe: Probe) -> np.ndarray:
    """Neurons that fire on at least one item of the probe gallery, rising."""
    return cache.result("living", probe.parts, lambda: np.flatnonzero(np.diff(probe.codes.csc.indptr)))


def living_neighbours(probe: Probe, neuron: int) -> tuple[int, int]:
    """The living neuron before and after this one, around the end; itself where none lives."""
    alive = living(probe)
    if not len(alive):
        return neuron, neuron
    before, after = np.searchsorted(alive, neuron), np.searchsorted(alive, neuron, side="right")
    return int(alive[before - 1]), int(alive[after % len(alive)])


def alike(probe: Probe, neuron: int, most: int = 8) -> list[tuple[int, float]]:
    """Neurons whose decoder directions are nearest, with the cosine."""
    from core.neurons import nearest_neurons

    decoder = probe.sae.sae.W_dec
    return cache.result(
        "alike", [probe.parts[1], neuron, most], lambda: nearest_neurons(decoder.detach().cpu().numpy(), neuron, most)
    )


def together(probe: Probe, neuron: int, most: int = 8) -> list[tuple[int, float]]:
    """Neurons that fire on the same items, with the overlap."""
    from core.neurons import coactive_neurons

    return cache.result(
        "together", [*probe.parts[:2], neuron, most], lambda: coactive_neurons(probe.codes.csr, neuron, most)
    )


def uploads_of(state: AppState, side: Side) -> "list[Upload]":
    """The session's uploads that neurons of a side can fire on."""
    return [] if state.uploads is None else [u for u in state.uploads.items if u.side == side]


def upload_values(state: AppState, side: Side, sae: "SAEFile", neuron: int) -> "list[tuple[Upload, float]]":
    """Uploads of the session on which a neuron fires, with its value; computed each time: uploads are never kept."""
    from core.neurons import encode_rows

    attach = sae.attach or "pooled"
    items = [u for u in uploads_of(state, side) if attach in u.embeddings]
    items = [u for u in items if len(u.embeddings[attach]) == sae.sae.config.d_in]
    if not items:
        return []
    values = encode_rows(np.stack([u.embeddings[attach] for u in items]), sae.sae)[:, [neuron]].toarray()[:, 0]
    return [(u, float(v)) for u, v in zip(items, values, strict=True) if v > 0]


def suggested(state: AppState, side: Side, attribute: str, tau: float) -> tuple[list[Suggestion], Probe]:
    """The first specific neurons of each group, and for a group without any the neuron that tells it apart best."""
    probe = probe_of(state, side)
    try:
        probe.gallery.components(attribute)
    except InputError:
        raise InputError(
            f"the probe gallery {probe.gallery.name} has no attribute {attribute!r} to find neurons with"
        ) from None
    rule, why = social(probe, attribute, tau), {}
    for group, neurons in rule.groups.items():
        if neurons.specific:
            for j in neurons.specific[:PER_GROUP]:
                sure, other = j not in neurons.unsure, beside(probe, j, attribute, group)
                words = f"{group}, {'specific' if sure else 'unsure'}"
                why[j] = (f"{words}, but {other}" if other else words, sure)
        elif len(rule.groups) <= FEW_GROUPS:
            j = best(probe, attribute, group, 1)[0]
            why.setdefault(j, (f"{group}, AUC {auc(probe, j, attribute, group):.2f}", False))
    suggestions = []
    for j, (words, specific) in list(why.items())[:MOST]:
        top = shown_examples(probe, j).top.rows[:STRIP]
        suggestions.append(Suggestion(j, words, tuple(map(int, top)), specific))
    return suggestions, probe


def towards(association: "Association") -> tuple[float, float, float]:
    """AUC with its interval, seen from the side that the neuron answers to: "not orange" .8 instead of orange .2."""
    auc = association.auc
    estimate, lo, hi = (end if end is not None else 0.5 for end in (auc.estimate, auc.lo, auc.hi))
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

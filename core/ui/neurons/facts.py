"""More about one neuron: how alike its items are, what switching it off does to prompts, and how it is elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.config import Edit, InputError, Progress, Side
from core.labelling import Standing
from core.ui.session import cache, fit, folders, label_log, probing, results
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.ranking import RankResult

MOST_ITEMS = 60_000
"""Items up to which monosemanticity is computed without being asked for."""
RATES = (0.01, 0.6)
"""Firing rates of an interesting neuron: not an accident, and not always on."""


def monosemanticity(found: probing.Probe, neuron: int) -> tuple[float, float] | None:
    """The neuron's score and that of a neuron that says nothing (mean cosine of all pairs); None in large galleries."""
    from core.saes.monosemanticity import mean_cosine
    from core.saes.monosemanticity import monosemanticity as scores

    if len(found.rows) > MOST_ITEMS:
        return None

    def compute() -> tuple[np.ndarray, float]:
        x = found.gallery.embeddings("pooled")
        return scores(found.codes.csr, x, found.rows), mean_cosine(x, found.rows)

    every, nothing = cache.result("monosemanticity", found.parts, compute)
    return float(every[neuron]), nothing


def switched_off(
    state: AppState, side: Side, neuron: int, attribute: str, prompts: Sequence[str], progress: Progress
) -> "dict[str, RankResult]":
    """Each prompt before and after this one neuron is off, by the same path as Compare."""
    found = {}
    for done, prompt in enumerate(prompts):
        progress(done, len(prompts), prompt)
        question = results.asked(replace(state, query=prompt, edits={side: Edit((neuron,))}), attribute)
        found[prompt] = results.ranking(question)
    return found


def references(found: probing.Probe) -> "dict[str, Gallery]":
    """Other galleries whose items the same SAE reads: name or folder -> gallery."""
    fitting = {}
    for name in folders.known("galleries"):
        try:
            gallery = cache.gallery(name)
        except InputError:
            continue  # a broken gallery is named where it is chosen
        own = gallery.digest == found.gallery.digest
        if not own and gallery.side == found.gallery.side and fit.own_side(found.sae, gallery) is None:
            fitting[name] = gallery
    return fitting


def elsewhere(found: probing.Probe, gallery: "Gallery", progress: Progress) -> probing.Probe:
    """The same neurons looked at on another gallery, all its items."""
    codes = cache.codes(gallery, found.sae, progress)
    return probing.Probe(gallery, found.sae, codes, gallery.rows("all"), {})


def interesting(found: probing.Probe, attribute: str | None) -> np.ndarray:
    """Living neurons worth a look: those that tell a group apart best, neither rare nor always on."""
    alive = probing.living(found)
    rate = np.diff(found.codes.csc.indptr)[alive] / found.gallery.n
    worth = alive[(rate >= RATES[0]) & (rate <= RATES[1])]
    if attribute is None or len(worth) < 8:
        return worth if len(worth) else alive
    strength = probing.association(found, attribute)[worth]
    return worth[strength >= np.quantile(strength, 0.75)]


def standing(found: probing.Probe, neuron: int) -> Standing | None:
    """What is said about a neuron on this gallery."""
    return label_log.live(found.sae.digest).on(found.gallery.digest).get(neuron)


def heat(state: AppState, found: probing.Probe, neuron: int, picture: bytes) -> np.ndarray:
    """The neuron's activation on each patch of a small picture, (rows, columns)."""
    from core.datasets.images import read_image
    from core.neurons import patch_activations

    model = cache.current_backbone(state)
    return patch_activations(model, found.sae, read_image(picture, "the picture").image, neuron)

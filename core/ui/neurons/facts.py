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


def monosemanticity(probe: probing.Probe, neuron: int) -> tuple[float, float] | None:
    """The neuron's score and that of a neuron that says nothing (mean cosine of all pairs); None in large galleries."""
    from core.saes.monosemanticity import mean_cosine
    from core.saes.monosemanticity import monosemanticity as scores

    if len(probe.rows) > MOST_ITEMS:
        return None

    def compute() -> tuple[np.ndarray, float]:
        x = probe.gallery.embeddings("pooled")
        return scores(probe.codes.csr, x, probe.rows), mean_cosine(x, probe.rows)

    every, nothing = cache.result("monosemanticity", probe.parts, compute)
    return float(every[neuron]), nothing


def switched_off(
    state: AppState, side: Side, neuron: int, attribute: str, prompts: Sequence[str], progress: Progress
) -> "dict[str, RankResult]":
    """Each prompt before and after this one neuron is off, by the same path as Compare."""
    answers = {}
    for done, prompt in enumerate(prompts):
        progress(done, len(prompts), prompt)
        question = results.asked(replace(state, query=prompt, edits={side: Edit((neuron,))}), attribute)
        answers[prompt] = results.ranking(question)
    return answers


def references(probe: probing.Probe) -> "dict[str, Gallery]":
    """Other galleries whose items the same SAE reads: name or folder -> gallery."""
    fitting = {}
    for name in folders.known("galleries"):
        try:
            gallery = cache.gallery(name)
        except InputError:
            continue  # a broken gallery is named where it is chosen
        itself = gallery.digest == probe.gallery.digest
        if not itself and gallery.side == probe.gallery.side and fit.own_side(probe.sae, gallery) is None:
            fitting[name] = gallery
    return fitting


def elsewhere(probe: probing.Probe, gallery: "Gallery", progress: Progress) -> probing.Probe:
    """The same neurons looked at on another gallery, all its items."""
    codes = cache.codes(gallery, probe.sae, progress)
    return probing.Probe(gallery, probe.sae, codes, gallery.rows("all"), {})


def interesting(probe: probing.Probe, attribute: str | None) -> np.ndarray:
    """Living neurons worth a look: those that tell a group apart best, neither rare nor always on."""
    alive = probing.living(probe)
    rate = np.diff(probe.codes.csc.indptr)[alive] / probe.gallery.n
    worth = alive[(rate >= RATES[0]) & (rate <= RATES[1])]
    if attribute is None or len(worth) < 8:
        return worth if len(worth) else alive
    strength = probing.association(probe, attribute)[worth]
    return worth[strength >= np.quantile(strength, 0.75)]


def standing(probe: probing.Probe, neuron: int) -> Standing | None:
    """What is said about a neuron on this gallery."""
    return label_log.live(probe.sae.digest).on(probe.gallery.digest).get(neuron)


def heat(state: AppState, probe: probing.Probe, neuron: int, picture: bytes) -> np.ndarray:
    """The neuron's activation on each patch of a small picture, (rows, columns)."""
    from core.datasets.images import read_image
    from core.neurons import patch_activations

    model = cache.current_backbone(state)
    return patch_activations(model, probe.sae, read_image(picture, "the picture").image, neuron)

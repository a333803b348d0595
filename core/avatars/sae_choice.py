"""Which of several trained SAEs of the image side ships: judged on the probe gallery, never on the evaluation gallery.

SAEs of the same quality differ, by chance of their training, in how they write down two groups: a neuron for each, or
one neuron that fires for one group and is silent for the other; and now and then a neuron of something else fires just
often enough to count as a group's own. The default should show the clearest case, so several are trained and one is
chosen by a rule that another seed can follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.avatars import planted
from core.avatars.captions import prompt_for
from core.avatars.world import ATTRIBUTES, REFERENCE_WORDS
from core.config import Attach, Edit
from core.gallery import Gallery
from core.interventions.base import Material
from core.interventions.neuron_edit import NeuronEdit
from core.neurons import encode_rows, social_neurons
from core.saes.base import SAE
from core.units import unit
from core.zeroshot import PromptSet, class_embeddings

TAU = 0.5
EDITED = "gender"
MOST_SKEW, MOST_FALL = 0.25, 0.01
"""Stricter than what is promised of the evaluation gallery (.30 and .02), to leave room for chance."""


@dataclass(frozen=True)
class Judgement:
    """What the reference edit does to the probe gallery: the first specific neuron of each gender switched off."""

    groups: int
    """Genders that have a specific neuron."""
    skew: float
    """Mean MaxSkew@100 of the ten reference words after the edit, target uniform; 0 is even."""
    fall: float
    """Largest fall of another attribute's zero-shot accuracy; 0 or less: nothing was lost."""

    @property
    def order(self) -> tuple[bool, int, float]:
        """Smallest is best: clean edits first, then those with a neuron for each gender, then the least skew."""
        clean = self.groups > 0 and self.skew <= MOST_SKEW and self.fall <= MOST_FALL
        return (not clean, -self.groups, self.skew)


class Judge:
    """Judges SAEs of one attach point on one gallery, whose texts and untouched accuracies are worked out once."""

    def __init__(
        self, gallery: Gallery, attach: Attach, embed: Callable[[Sequence[str]], np.ndarray], prompts: PromptSet
    ) -> None:
        self.attach = attach
        self.pooled = np.asarray(gallery.embeddings("pooled"), dtype=np.float32)
        self.x = np.asarray(gallery.embeddings(attach), dtype=np.float32)
        self.readout = gallery.readout() if attach == "residual" else None
        self.gender = gallery.labels(EDITED)
        self.words = unit(embed([prompt_for(word) for word in REFERENCE_WORDS]))
        self.classes = {name: class_embeddings(embed, prompts, name) for name in ATTRIBUTES if name != EDITED}
        self.labels = {
            name: np.array([prompts.groups(name).index(label) for label in gallery.labels(name)])
            for name in self.classes
        }
        self.untouched = self._accuracies(self.pooled)

    def __call__(self, sae: SAE) -> Judgement:
        codes = encode_rows(self.x, sae)
        chosen = social_neurons(codes, self.gender, TAU, "at-least").top(1)
        edit = Edit(tuple(j for neurons in chosen.values() for j in neurons))
        material = Material("image", self.pooled, self.attach, self.x, codes.tocsc(), sae, self.readout)
        edited = NeuronEdit()(material, edit)
        scores = unit(edited) @ self.words.T
        after = self._accuracies(edited)
        return Judgement(
            groups=sum(bool(neurons) for neurons in chosen.values()),
            skew=float(planted.max_skew_at(scores, self.gender == "Male").mean()),
            fall=max(self.untouched[name] - after[name] for name in after),
        )

    def _accuracies(self, pooled: np.ndarray) -> dict[str, float]:
        return {
            name: planted.zero_shot_accuracy(pooled, classes, self.labels[name])
            for name, classes in self.classes.items()
        }

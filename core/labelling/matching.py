"""Labels of another SAE as guesses: which neuron of this one writes most alike. Never taken over by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.config import InputError, digest_of
from core.labelling.events import LabelEvent
from core.units import unit


@dataclass(frozen=True)
class Match:
    """A labelled neuron of another SAE, and the neuron here whose decoder direction is nearest."""

    theirs: int
    ours: int
    cosine: float
    mutual: bool
    """True where each is the other's nearest."""


def match_neurons(theirs: np.ndarray, ours: np.ndarray, neurons: list[int]) -> list[Match]:
    """The nearest neuron of `ours` (F2, d) for each of some neurons of `theirs` (F1, d), by cosine of decoder rows.

    InputError where the SAEs write into spaces of different size. Equal size does not make equal spaces: the caller
    compares fingerprints.
    """
    if theirs.shape[1] != ours.shape[1]:
        raise InputError(
            f"the other SAE writes {theirs.shape[1]} numbers and this one {ours.shape[1]}; only SAEs of the same model "
            "and attach point can be matched"
        )
    a, b = unit(theirs), unit(ours)
    matches = []
    for j in neurons:
        cosines = b @ a[j]
        nearest = int(np.argmax(cosines))
        matches.append(Match(j, nearest, float(cosines[nearest]), int(np.argmax(a @ b[nearest])) == j))
    return matches


def guesses(
    labels: Mapping[int, LabelEvent], matches: list[Match], sae: str, rater: str, gallery: str | None = None
) -> list[LabelEvent]:
    """Labels for this SAE (digest `sae`) made from another one's: by a rater whose name says that it is a guess.

    They are not written anywhere; a person looks at them first. Confidence is the old one times the cosine. Ids
    follow from what is matched, so that the same guess is kept once.
    """
    made = []
    for match in matches:
        label = labels[match.theirs]
        made.append(
            LabelEvent(
                neuron=match.ours,
                rater=f"guess for {rater}",
                sae=sae,
                gallery=gallery,
                id=digest_of([label.id, sae, match.ours, rater, gallery]),
                type=label.type,
                attribute=label.attribute,
                text=label.text,
                confidence=max(0.0, match.cosine) * (1.0 if label.confidence is None else label.confidence),
                confound=label.confound,
                source=f"guess: cosine {match.cosine:.2f} to neuron {match.theirs} of SAE {label.sae[:12]}",
            )
        )
    return made

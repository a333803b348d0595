"""Steering score: does an embedding move towards what a neuron stands for when the neuron is turned on?"""

from typing import ClassVar

import numpy as np
import pandas as pd

from core.config import Edit, InputError, Progress
from core.figures import Picture, Series
from core.gallery import Gallery
from core.interventions import INTERVENTIONS
from core.neurons import codes_of
from core.ranking.items import item_material
from core.ranking.rows import Part, part_of
from core.statistics import Estimate, mean_of
from core.studies.asking import ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.studies.uniqueness import TOP, top_sets
from core.units import unit

NEURONS, ITEMS = 64, 64
"""Neurons that are steered, evenly taken from those that fire often enough, and items that each is turned on in."""


@STUDIES.register("steering")
class Steering(Study):
    """Mean over items of cos(x', m_j) - cos(x, m_j): x' is x with neuron j set to s_j, m_j what j stands for.

    On the probe half, m_j is the unit mean of the 16 items on which j fires most and s_j its mean activation there. x
    are items of the measured half on which j is silent, drawn at random. 0: turning it on moves nothing towards its
    items; above 0: it does. Control: the same items towards m of the next steered neuron, which a neuron that means
    something of its own leaves alone. Ours, on embeddings: the published score (Pach et al. 2025) compares captions of
    a language model, which is not asked here.
    """

    title = "Steering score"
    question = "When a neuron is turned on, do embeddings move towards the items it stands for, and to no others?"
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        (attribute,) = request.require_attributes()[:1]
        sae, scene = request.require_sae(), request.scene
        probe = scene.at("probe").gallery
        rows = scene.probe_rows(request.where)
        codes = codes_of(probe, sae, progress).csc
        live, sets = top_sets(codes, rows)
        chosen = np.unique(np.linspace(0, len(live) - 1, min(len(live), NEURONS)).astype(np.int64))
        if len(chosen) < 2:
            raise InputError(
                f"{len(live)} neurons fire on {TOP} of the {len(rows):,} probe items; expected two at least"
            )
        tops = [rows[sets.indices[sets.indptr[i] : sets.indptr[i + 1]]] for i in chosen]
        means = unit(np.stack([unit(_pooled(probe, top)).mean(axis=0) for top in tops]))
        strengths = [
            float(np.asarray(codes[top, int(live[i])].todense()).mean()) for i, top in zip(chosen, tops, strict=True)
        ]
        part = part_of(scene, ask(request, attribute))
        table = []
        for done, i in enumerate(chosen):
            if progress:
                progress(done, len(chosen), f"steering neuron {live[i]}")
            moved = steered(request, part, int(live[i]), strengths[done])
            if moved is None:
                continue
            before, after = moved
            own, other = (mean_of((after - before) @ means[place]) for place in (done, (done + 1) % len(chosen)))
            table.append({"neuron": int(live[i]), "n": len(before), **_named("score", own), **_named("control", other)})
        if not table:
            raise InputError("every steered neuron fires on all measured items; none can be turned on")
        if progress:
            progress(len(chosen), len(chosen), "done")
        frame = pd.DataFrame(table)
        arms = {name: mean_of(frame[name].to_numpy(), (-2.0, 2.0)) for name in ("score", "control")}
        series = tuple(
            Series(title, ["all neurons"], [e.estimate], [e.lo], [e.hi])
            for title, e in (("towards its own items", arms["score"]), ("towards another neuron's", arms["control"]))
        )
        words = f"mean change of cosine over {len(frame)} neurons; strokes: 95 % intervals over neurons"
        picture = Picture(self.title, "bars", "", "change of cosine", series, words)
        better = float((frame["score"] > frame["control"]).mean())
        notes = (f"{better:.0%} of {len(frame)} neurons move items further towards their own items than elsewhere",)
        findings = {name: e.to_json() for name, e in arms.items()} | {"own_above_control": better}
        settings = {"study": "steering", **ask(request, attribute).to_json(), "items": ITEMS, **request.digests()}
        return StudyResult(frame, picture, settings, notes, findings, frame.head(20))


def steered(request: StudyRequest, part: Part, neuron: int, strength: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Unit rows (n, d) of silent measured items before and after the neuron is set; None where it is silent on none."""
    material = item_material(request.scene, part, request.require_sae())
    column = np.asarray(material.require_codes()[:, [neuron]].todense()).ravel()
    silent = np.flatnonzero(column == 0)
    if not len(silent):
        return None
    rng = np.random.default_rng([request.seed, neuron])
    some = material.at(np.sort(rng.choice(silent, min(ITEMS, len(silent)), replace=False)))
    after = INTERVENTIONS.get("neuron-edit")()(some, Edit((neuron,), gamma=strength))
    return unit(some.pooled), unit(after)


def _pooled(gallery: Gallery, rows: np.ndarray) -> np.ndarray:
    return np.asarray(gallery.embeddings("pooled")[np.sort(rows)], dtype=np.float64)


def _named(name: str, e: Estimate) -> dict[str, float | None]:
    return {name: e.estimate, f"{name}_lo": e.lo, f"{name}_hi": e.hi}

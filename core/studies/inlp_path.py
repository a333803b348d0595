"""The path of INLP: what readers still find of the group against how many directions were deleted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.config import Half, InputError, Progress
from core.figures import Picture, Series
from core.interventions.inlp import nullspaces
from core.interventions.subspaces import without
from core.ranking.rows import part_of
from core.scene import Scene
from core.statistics import Estimate, auc_estimate, held_out_leakage, mean_of
from core.studies.asking import ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.units import unit

ROUNDS = 12
TREES = 100


@STUDIES.register("inlp-path")
class InlpPath(Study):
    """Leakage of an attribute after every round of INLP, to a linear reader and to one that is not linear.

    Rounds are fitted on the probe half, as in the method `inlp`, which stops after 5; readers are fitted on the probe
    half as the round leaves it and asked on the measured half: AUC of logistic regression and of a random forest, mean
    over groups against the rest (.5: nothing is left). Beside them the mean cosine of items before and after. Linear
    readers are what INLP works against: where the forest stays above them, the group is there, but not on a line.
    """

    title = "Leakage against directions removed (INLP)"
    question = "How many directions must go until the group cannot be read, and what do they take along?"

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        (attribute,) = request.require_attributes()[:1]
        scene = request.scene
        if scene.half(request.half) != "evaluation" and scene.has_own_probe:
            raise InputError(
                f"the {request.half} rows of {request.gallery.name} are those that readers are fitted on; choose the "
                "evaluation half of a gallery that has one"
            )
        fitted = _labelled(scene.at("probe"), "probe", attribute, request)
        measured = _labelled(scene, request.half, attribute, request)
        groups = [np.unique(labels).tolist() for _, labels in (fitted, measured)]
        if len(groups[0]) < 2 or groups[0] != groups[1]:
            raise InputError(
                f"the probe and the measured rows do not hold the same groups of {attribute}, two at least"
            )
        spaces = [np.zeros((fitted[0].shape[1], 0)), *nullspaces(*fitted, ROUNDS)]
        table = []
        for done, V in enumerate(spaces):
            if progress:
                progress(done, len(spaces), f"round {done}")
            train, test = (unit(without(x, V)) for x, _ in (fitted, measured))
            cosine = mean_of(np.einsum("ij,ij->i", test, measured[0]), (-np.inf, 1.0))
            linear = held_out_leakage(train, fitted[1], test, measured[1])
            row: dict[str, Any] = {"round": done, "directions": V.shape[1], "n": len(test)}
            for name, e in (("linear", linear), ("forest", forest(train, fitted[1], test, measured[1], request.seed))):
                row |= {f"{name}_auc": e.estimate, f"{name}_auc_lo": e.lo, f"{name}_auc_hi": e.hi}
            table.append(row | {"cosine": cosine.estimate, "cosine_lo": cosine.lo, "cosine_hi": cosine.hi})
        if progress:
            progress(len(spaces), len(spaces), "done")
        frame = pd.DataFrame(table)
        series = tuple(
            Series(title, frame["directions"].tolist(), *(frame[key + end].tolist() for end in ("", "_lo", "_hi")))
            for title, key in (("linear reader", "linear_auc"), ("random forest", "forest_auc"), ("cosine", "cosine"))
        )
        words = "AUC of readers, and mean cosine before and after; bands: 95 % intervals"
        picture = Picture(self.title, "lines", "directions removed", "", series, words, {"nothing left": 0.5})
        settings: dict[str, Any] = {"study": "inlp-path", "attribute": attribute, "half": scene.half(request.half)}
        settings |= {"where": dict(request.where), "rounds": ROUNDS, "seed": request.seed, **request.digests()}
        notes = []
        if len(spaces) <= ROUNDS:
            notes.append(f"after {len(spaces) - 1} rounds a linear reader of the probe half only guesses")
        return StudyResult(frame, picture, settings, tuple(notes))


def _labelled(scene: Scene, half: Half, attribute: str, request: StudyRequest) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows (n, d) with a known group, and their group's number in the gallery."""
    part = part_of(scene, replace(ask(request, attribute), half=scene.half(half)))
    known = part.labels >= 0
    place = {group: number for number, group in enumerate(scene.gallery.groups(attribute))}
    numbers = np.array([place[group] for group in part.groups])
    return unit(scene.gallery.embeddings("pooled")[part.rows[known]]), numbers[part.labels[known]]


def forest(x: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray, seed: int = 0) -> Estimate:
    """AUC of a random forest fitted on x (n, d), y (n,) and asked on other rows; several groups: mean over groups.

    Intervals are of the asked rows, for a fixed forest; of a mean the widest of its groups'.
    """
    from sklearn.ensemble import RandomForestClassifier

    said = RandomForestClassifier(TREES, min_samples_leaf=3, random_state=seed).fit(x, y).predict_proba(test)
    groups = np.unique(y)
    if len(groups) == 2:
        return auc_estimate(said[:, 1], truth == groups[1])
    found = [auc_estimate(said[:, place], truth == group) for place, group in enumerate(groups)]
    estimates, lows, highs = (np.array([getattr(e, end) for e in found]) for end in ("estimate", "lo", "hi"))
    width = float(np.maximum(estimates - lows, highs - estimates).max())
    mean = float(estimates.mean())
    return Estimate(mean, max(0.0, mean - width), min(1.0, mean + width), len(test))

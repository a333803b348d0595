"""PCA of professions said of men and of women (SEM): where gender lies among them, before and after a method."""

from typing import ClassVar

import numpy as np
import pandas as pd

from core.config import Progress
from core.figures import Picture, Series
from core.statistics import Estimate, auc_estimate
from core.studies.asking import answered, ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.studies.preservation import GENDERS, gendered, method_arms
from core.units import unit

AXES = 2


@STUDIES.register("profession-pca")
class ProfessionPCA(Study):
    """Principal components of unit prompts "a photo of a male doctor", "... a female doctor", and what gender is there.

    For each arm: the share of variance of each of its first two components and the AUC of gender along it (the better
    of both directions, so from .5 up); the share of all variance that lies between the genders' means, from 0 (gender
    is gone) to 1 (there is nothing else). The figure draws both arms on the untouched model's first two components.
    """

    title = "PCA of gendered professions"
    question = "Is gender what tells professions apart, before and after the method?"
    needs_model: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        prompts = sorted(set(request.require_prompts()))
        (attribute,) = request.attributes[:1] or ("gender",)
        texts = [gendered(prompt, gender) for gender in GENDERS for prompt in prompts]
        male = np.arange(len(texts)) < len(prompts)
        arms = list(method_arms(request))
        table, series = [], []
        plane: tuple[np.ndarray, np.ndarray] | None = None
        for done, (arm, edits, method) in enumerate(arms):
            if progress:
                progress(done, len(arms), arm)
            rows = unit(answered(request.scene, ask(request, attribute, edits, method), texts)[2])
            mean, axes, shares = components(rows)
            plane = plane or (mean, axes)
            between = between_share(rows, male)
            for number, (axis, share) in enumerate(zip(axes, shares, strict=True), 1):
                row = {"arm": arm, "component": number, "variance": share, "between_genders": between}
                table.append(row | _columns(separation((rows - mean) @ axis, male)))
            series += [
                Series(f"{arm}, {gender}", *np.transpose((rows[chosen] - plane[0]) @ plane[1].T).tolist())
                for gender, chosen in zip(GENDERS, (male, ~male), strict=True)
            ]
        if progress:
            progress(len(arms), len(arms), "done")
        words = f"axes: first two components of the untouched model; {len(prompts)} professions, said of both genders"
        picture = Picture(self.title, "points", "component 1", "component 2", tuple(series), words)
        settings = {"study": "profession-pca", **ask(request, attribute).to_json(), "prompts": prompts}
        return StudyResult(pd.DataFrame(table), picture, settings)


def components(rows: np.ndarray, n: int = AXES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), first principal axes (n, d) and their shares of the variance (n,); zeros where nothing varies.

    An axis points to where its largest number is positive.
    """
    mean = rows.mean(axis=0)
    _, s, axes = np.linalg.svd(rows - mean, full_matrices=False)
    axes = axes[:n] * np.sign(axes[np.arange(min(n, len(axes))), np.abs(axes[:n]).argmax(axis=1)])[:, None]
    variance = float((s * s).sum())
    return mean, axes, (s[:n] ** 2 / variance if variance > 0 else np.zeros(min(n, len(s))))


def between_share(rows: np.ndarray, male: np.ndarray) -> float:
    """Share of the variance of rows (n, d) that lies between the means of the two genders, from 0 to 1."""
    centred = rows - rows.mean(axis=0)
    whole = float((centred * centred).sum())
    parts = [len(centred[own]) * float((centred[own].mean(axis=0) ** 2).sum()) for own in (male, ~male)]
    return sum(parts) / whole if whole > 0 else 0.0


def separation(along: np.ndarray, male: np.ndarray) -> Estimate:
    """AUC of gender along an axis (n,), in the direction in which it is at least .5."""
    along = np.round(along, 12)  # what rounding leaves of equal places is no order
    first = auc_estimate(along, male)
    return first if first.estimate is None or first.estimate >= 0.5 else auc_estimate(-along, male)


def _columns(e: Estimate) -> dict[str, float | int | None]:
    return {"auc": e.estimate, "auc_lo": e.lo, "auc_hi": e.hi, "n": e.n}

"""Disentanglement D (SEM, section 3.1): can bias be read off what a probe needs for content?"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from core.config import InputError, Progress
from core.figures import Picture, Series
from core.neurons import codes_of
from core.statistics import telling
from core.studies.asking import ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLDS, FOLD_SEED = 5, 42


@dataclass(frozen=True)
class Disentangled:
    """Accuracies of three probes per fold, and the score made of them."""

    content: np.ndarray
    """Probe for the content attribute on the features (folds,)."""
    bias: np.ndarray
    """Probe for the bias attribute on the features (folds,)."""
    leaked: np.ndarray
    """Probe for the bias attribute on the decision values of the content probe (folds,)."""
    chance: float
    score: float
    error: float


def disentanglement(features: np.ndarray, content: np.ndarray, bias: np.ndarray) -> Disentangled:
    """D = 1 - (acc_leaked - chance) / (acc_bias - chance), by 5 folds stratified by content (seed 42).

    1: what a probe reads for content says nothing of the bias; 0: all of it. Probes are logistic regressions on
    standardised columns, fitted and asked on different rows.

    Parameters
    ----------
    features : (n, d).
    content, bias : class numbers (n,), at least five rows of every content class.

    Source: SEM, section 3.1.
    """
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(content).min())
    if fewest < FOLDS:
        raise InputError(f"a class of the content attribute has {fewest} rows; {FOLDS} folds need at least {FOLDS}")
    scores: list[tuple[float, float, float]] = []
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=FOLD_SEED).split(features, content):
        reader, asked = _probe(features[train], content[train]), _probe(features[train], bias[train])
        said = [_decisions(reader, features[rows]) for rows in (train, test)]
        leak = _probe(said[0], bias[train])
        scores.append(
            (
                float(reader.score(features[test], content[test])),
                float(asked.score(features[test], bias[test])),
                float(leak.score(said[1], bias[test])),
            )
        )
    per_fold = np.array(scores).T
    chance = 1.0 / len(np.unique(bias))
    means, errors = per_fold.mean(axis=1), per_fold.std(axis=1)
    d, error = score(means[1], errors[1], means[2], errors[2], chance)
    return Disentangled(content=per_fold[0], bias=per_fold[1], leaked=per_fold[2], chance=chance, score=d, error=error)


def score(bias: float, bias_error: float, leaked: float, leaked_error: float, chance: float) -> tuple[float, float]:
    """D and its propagated error; (0, 0) where either accuracy does not exceed chance.

    error = |1 - D| sqrt((s_leaked / (leaked - chance))^2 + (s_bias / (bias - chance))^2).
    """
    over_bias, over_leaked = bias - chance, leaked - chance
    if over_bias <= 0 or over_leaked <= 0:
        return 0.0, 0.0
    ratio = over_leaked / over_bias
    return 1.0 - ratio, abs(ratio) * math.hypot(leaked_error / over_leaked, bias_error / over_bias)


def _probe(x: np.ndarray, y: np.ndarray) -> "Pipeline":
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)


def _decisions(probe: "Pipeline", x: np.ndarray) -> np.ndarray:
    said = probe.decision_function(x)
    return said[:, None] if said.ndim == 1 else said


@STUDIES.register("disentanglement")
class Disentanglement(Study):
    """D of the embeddings and of the SAE's codes, for a content and a bias attribute (in this order)."""

    title = "Disentanglement"
    question = "Is bias kept apart from content, in the embeddings and in the SAE's codes?"
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        content, bias = request.require_attributes(2)[:2]
        sae, gallery = request.require_sae(), request.gallery
        asked = ask(request, content)
        rows = gallery.rows(asked.half, request.where)
        numbers = [gallery.group_numbers(name)[rows] for name in (content, bias)]
        known = (numbers[0] >= 0) & (numbers[1] >= 0)
        kept, (main, second) = rows[known], (np.unique(n[known], return_inverse=True)[1] for n in numbers)
        attach = sae.attach or "pooled"
        codes = codes_of(gallery, sae).csr[kept]
        active = np.flatnonzero(codes.getnnz(axis=0))
        spaces = {
            "embeddings": lambda: telling(np.asarray(gallery.embeddings(attach)[kept], dtype=np.float64)),
            "SAE codes": lambda: telling(codes[:, active].toarray().astype(np.float64)),
        }
        table: list[dict[str, Any]] = []
        for done, (space, features) in enumerate(spaces.items()):
            if progress:
                progress(done, len(spaces), space)
            found = disentanglement(features(), main, second)
            accuracies = {"content": found.content, "bias": found.bias, "leaked": found.leaked}
            row: dict[str, Any] = {"space": space, "D": found.score, "D_lo": found.score - found.error}
            row |= {"D_hi": found.score + found.error, "n": len(kept), "chance": found.chance}
            for name, values in accuracies.items():
                row |= {f"accuracy_{name}": float(values.mean()), f"accuracy_{name}_sd": float(values.std())}
            table.append(row)
        if progress:
            progress(len(spaces), len(spaces), "done")
        frame = pd.DataFrame(table)
        series = Series("D", frame["space"].tolist(), *(frame[key].tolist() for key in ("D", "D_lo", "D_hi")))
        words = f"content {content}, bias {bias}; strokes: propagated deviation over {FOLDS} folds"
        picture = Picture(self.title, "bars", "", "D", (series,), words)
        settings: dict[str, Any] = {"study": "disentanglement", "content": content, "bias": bias, "half": asked.half}
        settings |= {"where": dict(request.where), "folds": FOLDS, "fold_seed": FOLD_SEED, **request.digests()}
        missing = int((~known).sum())
        notes = [f"{missing} rows have no label of both and are left out"] if missing else []
        for row in table:
            if row["accuracy_leaked"] <= row["chance"]:
                notes.append(f"{row['space']}: nothing leaks beyond chance; the published score is 0 by convention")
        return StudyResult(frame, picture, settings, tuple(notes))

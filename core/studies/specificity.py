"""Specificity matrix (DeBiasLens, figure 5): do the neurons of one attribute leave the others alone?"""

from typing import ClassVar

import pandas as pd

from core.config import Progress
from core.figures import Picture, Series
from core.statistics import mean_of
from core.studies.asking import ask, max_skews, rule_edit, with_edit
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult


@STUDIES.register("specificity")
class Specificity(Study):
    """Change of mean MaxSkew@k of each attribute when the neurons of each attribute are switched off.

    cell (A, B) = mean over queries of MaxSkew_B after switching off A's neurons minus before; negative: B became more
    balanced. A specific edit has a negative diagonal and zeros beside it. Neurons by the consistency and specificity
    rule on the probe half; intervals are Student's over the queries' paired changes.
    """

    title = "Specificity matrix"
    question = "Do the neurons of one attribute leave the other attributes alone?"
    needs_model: ClassVar = True
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        names = tuple(sorted(request.require_attributes(2)))
        request.require_sae()
        before = {name: max_skews(request, name) for name in names}
        rows, series = [], []
        notes: list[str] = []
        for done, edited in enumerate(names):
            if progress:
                progress(done, len(names), edited)
            edit, said = rule_edit(request, edited)
            notes += said
            line = []
            for name in names:
                change = mean_of(max_skews(request, name, with_edit(request, edit)) - before[name])
                line.append(change.estimate)
                rows.append(
                    {
                        "neurons_of": edited,
                        "measured": name,
                        "change": change.estimate,
                        "change_lo": change.lo,
                        "change_hi": change.hi,
                        "n": change.n,
                        "before": mean_of(before[name]).estimate,
                        "neurons": " ".join(map(str, edit.neurons)),
                    }
                )
            series.append(Series(edited, names, line))
        if progress:
            progress(len(names), len(names), "done")
        words = "mean change over queries; below 0 is more balanced"
        picture = Picture(self.title, "cells", "change of MaxSkew of", "neurons of", tuple(series), words)
        settings = {"study": "specificity", **ask(request, names[0]).to_json(), **request.digests()}
        return StudyResult(pd.DataFrame(rows), picture, settings, tuple(notes))

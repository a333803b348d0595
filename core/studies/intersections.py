"""Intersectional table: the neurons of one attribute, of another, and of all together, against every attribute."""

from itertools import combinations
from typing import ClassVar

import numpy as np
import pandas as pd

from core.config import Edit, Progress
from core.figures import Picture, Series
from core.statistics import mean_of
from core.studies.asking import MAX_SKEW, ask, crossed_skews, max_skews, rule_edit, union, with_edit
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult


@STUDIES.register("intersections")
class Intersections(Study):
    """Mean MaxSkew@k of each attribute and of their intersection, under the neurons of every set of attributes.

    Neurons of an attribute are the first specific one of each group (probe half); those of a set are their union. An
    edit that balances gender and age one by one may leave the intersection unbalanced: that is what this table shows.
    Intervals are Student's over queries; the change is paired with the untouched gallery.
    """

    title = "Intersections"
    question = "Does balancing single attributes balance their intersections?"
    needs_model: ClassVar = True
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        names = tuple(sorted(request.require_attributes(2)))
        request.require_sae()
        edits: dict[str, Edit] = {}
        notes: list[str] = []
        for name in names:
            edits[name], said = rule_edit(request, name)
            notes += said
        sets = [(), *(s for size in range(1, len(names) + 1) for s in combinations(names, size))]
        before: dict[str, np.ndarray] = {}
        rows, series = [], []
        for done, chosen in enumerate(sets):
            if progress:
                progress(done, len(sets), " + ".join(chosen) or "original")
            edit = union([edits[name] for name in chosen]) if chosen else None
            given = with_edit(request, edit) if edit is not None else None
            found = {name: max_skews(request, name, given) for name in names}
            found[" x ".join(names)] = crossed_skews(request, names, given)
            label = " + ".join(chosen) or "original"
            for measured, values in found.items():
                before.setdefault(measured, values)
                skew, change = mean_of(values, MAX_SKEW), mean_of(values - before[measured])
                rows.append(
                    {
                        "neurons_of": label,
                        "measured": measured,
                        "max_skew": skew.estimate,
                        "max_skew_lo": skew.lo,
                        "max_skew_hi": skew.hi,
                        "change": change.estimate,
                        "change_lo": change.lo,
                        "change_hi": change.hi,
                        "n": skew.n,
                        "neurons": " ".join(map(str, edit.neurons)) if edit else "",
                    }
                )
            means = [mean_of(values, MAX_SKEW) for values in found.values()]
            parts = ([getattr(e, end) for e in means] for end in ("estimate", "lo", "hi"))
            series.append(Series(label, list(found), *parts))
        if progress:
            progress(len(sets), len(sets), "done")
        picture = Picture(self.title, "bars", "", "mean MaxSkew", tuple(series), "strokes: 95 % intervals over queries")
        settings = {"study": "intersections", **ask(request, names[0]).to_json(), **request.digests()}
        return StudyResult(pd.DataFrame(rows), picture, settings, tuple(notes))

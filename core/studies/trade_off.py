"""Trade-off curve over alpha (DeBiasLens, figure 4): skew against what the model still knows."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from core.config import Edit, InputError, Progress
from core.figures import Picture, Series
from core.ranking.classification import class_answers
from core.ranking.rows import part_of
from core.statistics import mean_of
from core.studies.asking import MAX_SKEW, ask, max_skews, rule_edit, with_edit
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult

ALPHAS = tuple(round(a, 1) for a in np.arange(0.0, 1.01, 0.1))


@STUDIES.register("trade-off")
class TradeOff(Study):
    """Mean MaxSkew@k and mean zero-shot accuracy of the other attributes, as alpha goes from 0 to 1 in the blend form.

    x' = alpha (z' W_dec + b_dec) + (1 - alpha) x with the attribute's neurons off (the given edit, or the rule on the
    probe half). alpha = 0 is the untouched model. Intervals: skew over queries, accuracy over attributes' rows.
    """

    title = "Trade-off over alpha"
    question = "How much accuracy does how much balance cost?"
    needs_model: ClassVar = True
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        (attribute,) = request.require_attributes()[:1]
        request.require_sae()
        given = request.edits.get(request.gallery.side)
        chosen, notes = (given, ()) if given is not None else rule_edit(request, attribute)
        named = request.class_prompts.attributes if request.class_prompts else ()
        others = [name for name in named if name in request.gallery.attributes and name != attribute]
        if not others:
            raise InputError("the trade-off needs class prompts of another attribute; give --classes FILE")
        rows = []
        for done, alpha in enumerate(ALPHAS):
            if progress:
                progress(done, len(ALPHAS), f"alpha: {alpha:g}")
            edit = replace(chosen, form="blend", alpha=alpha)
            skew = mean_of(max_skews(request, attribute, with_edit(request, edit)), MAX_SKEW)
            kept = mean_of(self._right(request, attribute, edit, others), (0.0, 1.0))
            rows.append(
                {
                    "alpha": alpha,
                    "max_skew": skew.estimate,
                    "max_skew_lo": skew.lo,
                    "max_skew_hi": skew.hi,
                    "queries": skew.n,
                    "accuracy": kept.estimate,
                    "accuracy_lo": kept.lo,
                    "accuracy_hi": kept.hi,
                    "rows": kept.n,
                }
            )
        if progress:
            progress(len(ALPHAS), len(ALPHAS), "done")
        table = pd.DataFrame(rows)
        series = [
            Series(title, table["alpha"].tolist(), *(table[key + end].tolist() for end in ("", "_lo", "_hi")))
            for title, key in (("mean MaxSkew", "max_skew"), ("mean accuracy of other attributes", "accuracy"))
        ]
        picture = Picture(self.title, "lines", "alpha", "", tuple(series), "bands: 95 % intervals")
        settings = {"study": "trade-off", **ask(request, attribute).to_json(), **request.digests()}
        settings |= {"neurons": list(chosen.neurons), "classified": others}
        return StudyResult(table, picture, settings, tuple(notes))

    def _right(self, request: StudyRequest, attribute: str, edit: Edit, others: list[str]) -> np.ndarray:
        """Right answers of every row and other attribute, one long list."""
        asked = ask(request, attribute, with_edit(request, edit))
        part, prompts = part_of(request.scene, asked), request.class_prompts
        assert prompts is not None, "attributes are those of the class prompts"
        found = []
        for name in others:
            classes = prompts.groups(name)
            truth = request.gallery.labels(name)[part.rows]
            answers = class_answers(request.scene, asked, prompts, name)
            known = np.isin(truth.astype(str), classes)
            found.append(np.asarray(classes, dtype=object)[answers][known] == truth[known])
        return np.concatenate(found).astype(np.float64)

"""Residual leakage: "neuron off" is not "information gone"."""

from dataclasses import replace
from typing import ClassVar

import pandas as pd

from core.config import InputError, Progress
from core.figures import Picture, Series
from core.statistics import held_out_leakage
from core.studies.asking import Edits, ask, rule_edit, searched, with_edit
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult


@STUDIES.register("leakage")
class Leakage(Study):
    """AUC of a linear probe for each attribute on the items before and after an edit.

    The probe (logistic regression on standardised columns) is fitted on the probe rows as the arm leaves them, and
    asked on the measured rows. .5: nothing of the attribute is left to a linear reader, 1: all of it. Without an edit
    the first attribute's neurons are chosen by the rule.
    """

    title = "Residual leakage"
    question = "What can a linear probe still read after the edit?"
    needs_sae: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        names = request.require_attributes()
        notes: tuple[str, ...] = ()
        edits = dict(request.edits)
        if not edits and request.method == "neuron-edit":
            request.require_sae()
            edit, notes = rule_edit(request, names[0])
            edits = dict(with_edit(request, edit))
        rows = []
        for done, name in enumerate(names):
            for arm, given, method in (("before", {}, "identity"), ("after", edits, request.method)):
                if progress:
                    progress(2 * done + (arm == "after"), 2 * len(names), f"probes: {name} {arm}")
                rows.append({"attribute": name, "arm": arm, **self._auc(request, name, given, method)})
        if progress:
            progress(2 * len(names), 2 * len(names), "done")
        frame = pd.DataFrame(rows)
        series = tuple(
            Series(str(arm), part["attribute"].tolist(), *(part[key].tolist() for key in ("auc", "auc_lo", "auc_hi")))
            for arm, part in frame.groupby("arm", sort=False)
        )
        picture = Picture(self.title, "bars", "", "AUC of a linear probe", series, "", {"nothing left": 0.5})
        settings = {"study": "leakage", **ask(request, names[0], edits).to_json(), **request.digests()}
        return StudyResult(frame, picture, settings, notes)

    def _auc(self, request: StudyRequest, attribute: str, edits: Edits, method: str) -> dict[str, float | int | None]:
        own = ask(request, attribute, edits, method)
        scene, probe = request.scene, replace(own, half="probe")
        (fitted, train), (measured, test) = searched(scene.at("probe"), probe), searched(scene, own)
        if fitted.groups != measured.groups or len(measured.groups) < 2:
            raise InputError(f"probe rows and measured rows do not hold the same groups of {attribute}")
        estimate = held_out_leakage(train.index.unit, fitted.labels, test.index.unit, measured.labels)
        return {"auc": estimate.estimate, "auc_lo": estimate.lo, "auc_hi": estimate.hi, "n": estimate.n}

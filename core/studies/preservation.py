"""Content preservation and bias neutralisation of prompts (SEM): what a method does to a gendered prompt."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd

from core.config import InputError, Progress
from core.figures import Picture, Series
from core.statistics import Estimate, mean_of
from core.studies.asking import Edits, answered, ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.units import unit

COSINE = (-math.inf, 1.0)
"""What a cosine can be; the untouched arm's may all be 1."""
GENDERS = ("male", "female")
ARTICLE = re.compile(r"\b(an?)\s+(\S+)$")


@STUDIES.register("preservation")
class Preservation(Study):
    """CP and BN of a method on prompts said of men and of women.

    CP = mean over prompts and genders of cos(debiased gendered prompt, untouched neutral prompt); 1: content is kept.
    BN = mean over prompts of cos(debiased male prompt, debiased female prompt); 1: gender is gone from prompts. Both
    beside the untouched model's. "a photo of a doctor" is said as "a photo of a male doctor", "... a female doctor".
    """

    title = "Content preservation and bias neutralisation"
    question = "Does the method take gender out of a prompt, and leave its content in?"
    needs_model: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        prompts = sorted(set(request.require_prompts()))
        (attribute,) = request.attributes[:1] or ("gender",)
        said = {gender: [gendered(prompt, gender) for prompt in prompts] for gender in GENDERS}
        plain = ask(request, attribute)
        neutral = unit(answered(request.scene, replace(plain, method="identity"), prompts)[2])
        rows = []
        for done, (arm, edits, method) in enumerate(method_arms(request)):
            if progress:
                progress(done, 2, arm)
            asked = ask(request, attribute, edits, method)
            vectors = {g: unit(answered(request.scene, asked, texts)[2]) for g, texts in said.items()}
            kept = np.mean([np.einsum("ij,ij->i", vectors[g], neutral) for g in GENDERS], axis=0)
            alike = np.einsum("ij,ij->i", vectors["male"], vectors["female"])
            for measure, values in (("content preservation", kept), ("bias neutralisation", alike)):
                rows.append({"arm": arm, "measure": measure, **_columns(mean_of(values, COSINE))})
        if progress:
            progress(2, 2, "done")
        frame = pd.DataFrame(rows)
        series = tuple(
            Series(
                str(arm),
                part["measure"].tolist(),
                *(part[key].tolist() for key in ("cosine", "cosine_lo", "cosine_hi")),
            )
            for arm, part in frame.groupby("arm", sort=False)
        )
        picture = Picture(self.title, "bars", "", "mean cosine", series, "strokes: 95 % intervals over prompts")
        return StudyResult(frame, picture, {"study": "preservation", **plain.to_json(), "prompts": prompts})


def method_arms(request: StudyRequest) -> Iterator[tuple[str, Edits, str]]:
    """The untouched model, and the method or edit that was given."""
    if not request.edits and request.method == "neuron-edit":
        raise InputError("this study is about a method; give --method NAME, or --sae with --off")
    yield "original", {}, "identity"
    yield request.method, request.edits, request.method


def gendered(prompt: str, gender: str) -> str:
    """A prompt with the gender before its last word's noun: "a photo of an artist" -> "a photo of a male artist"."""
    found = ARTICLE.search(prompt)
    if found is None:
        raise InputError(f"{prompt!r} does not end in an article and a noun; expected such as 'a photo of a doctor'")
    return f"{prompt[: found.start()]}a {gender} {found[2]}"


def _columns(estimate: Estimate) -> dict[str, float | int | None]:
    return {"cosine": estimate.estimate, "cosine_lo": estimate.lo, "cosine_hi": estimate.hi, "n": estimate.n}

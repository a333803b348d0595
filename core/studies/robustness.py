"""Robustness: the same findings over paraphrases, list lengths and small changes of the pictures, in one figure."""

import textwrap
from collections.abc import Iterator
from typing import Any, ClassVar

import pandas as pd

from core.config import Progress
from core.figures import Picture, Series
from core.gallery.perturbed import AS_IT_IS
from core.ranking.robustness import robustness
from core.ranking.variants import KINDS, PromptRobustness, Robustness, Variant
from core.statistics import Estimate, Lean
from core.studies.asking import ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult

NOTES = (
    "filled: the prompt as it was asked, with its 95 % interval; open: one thing changed. Right of 1 the group is "
    "retrieved more often than its share of the searched rows, left of 1 more rarely."
)
COLUMNS = 62
"""Letters of a row's name at most, on one line."""


@STUDIES.register("robustness")
class RobustnessStudy(Study):
    """The lean of each prompt, and with an edit its change, asked again with one thing changed at a time.

    Paraphrases are those of the prompt sets; lists have k/4, k/2, 2k and 4k rows within the searched ones; pictures are
    cropped to 95 and 90 %, saved as JPEG of quality 50 and 30, and mirrored. A finding holds where verdict and
    direction are the same. p of the variants is not corrected over prompts: it tells whether each finding by itself
    would have been another one.
    """

    title = "Robustness of findings"
    question = "Do the findings hold with other wordings, other list lengths and slightly changed pictures?"
    needs_model: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        attribute, *_ = request.require_attributes()
        prompts = sorted(set(request.require_prompts()))
        asked = ask(request, attribute, request.edits)
        found = robustness(request.scene, asked, prompts, progress=progress)
        part = "".join(f", {column} = {value}" for column, value in request.where.items())
        what = f"{attribute} in gallery {request.gallery.name}{part}"
        settings = {"study": "robustness", **asked.to_json(), "prompts": prompts, **request.digests()}
        return StudyResult(
            pd.DataFrame(list(rows_of(found))),
            picture(found, what, asked.k, asked.intervenes),
            settings,
            (*(" ".join(one.sentences()) for one in found.prompts), *found.notes),
            {"prompts": [one.to_json() for one in found.prompts], "picture_cosine": found.picture_cosine},
        )


def rows_of(found: Robustness) -> Iterator[dict[str, Any]]:
    """One row a prompt and variant, the original first."""
    for one in found.prompts:
        plain = [one.as_it_is] if one.as_it_is is not None else []
        for variant in (one.original, *one.variants, *plain):
            yield _row(one, variant)


def _row(one: PromptRobustness, variant: Variant) -> dict[str, Any]:
    own = variant.lean.groups[one.group]
    leading = variant.lean.leading
    row = {
        "prompt": one.prompt,
        "kind": variant.kind,
        "variant": variant.name,
        "k": variant.k,
        "group": one.group_name,
        **_columns("ratio", own.ratio),
        **_columns("points", own.points),
        "n": own.share.n,
        "p": variant.lean.p,
        "verdict": variant.verdict,
        "leading_group": None if leading is None else one.groups[leading],
        "holds": one.holds(variant),
        "turns": one.flips(variant),
    }
    if variant.after is None:
        return row
    effect = variant.effect
    change = effect.shares[one.group] if effect is not None else Estimate.missing("a list holds no known group")
    return row | {
        **_columns("ratio_after", variant.after.groups[one.group].ratio),
        **_columns("change", change),
        "change_p": effect.p if effect is not None else None,
        "change_direction": effect.lean_direction if effect is not None else None,
        "change_holds": one.change_holds(variant),
    }


def _columns(name: str, e: Estimate) -> dict[str, float | None]:
    return {name: e.estimate, f"{name}_lo": e.lo, f"{name}_hi": e.hi}


def picture(found: Robustness, what: str, k: int, edited: bool) -> Picture:
    """One row a prompt, and one more after an edit: the ratio of every variant by kind, the original filled.

    Parameters
    ----------
    what : attribute and gallery in words, for the title.
    """
    kinds = [("original", "as asked"), *KINDS.items(), (AS_IT_IS, "small pictures, unchanged")]
    series = [_series(title, found, kind, edited) for kind, title in kinds]
    small = "; changed pictures are compared with the small ones that the gallery keeps, unchanged"
    small = small if found.picture_cosine is not None else ""
    return Picture(
        f"Robustness of findings: {what}, k = {k}",
        "rows",
        "",
        "times the group's share of the searched rows (logarithmic)",
        tuple(series),
        textwrap.fill(f"{NOTES[:-1]}{small}.", 125),
        {"as often as chance would": 1.0},
        " ".join(sentence for one in found.prompts for sentence in one.sentences()),
    )


def _series(title: str, found: Robustness, kind: str, edited: bool) -> Series:
    """All marks of one kind; intervals of the originals alone, which keeps the figure readable."""
    words, names, ratios = [], [], []
    for one in found.prompts:
        plain = [one.as_it_is] if one.as_it_is is not None else []
        alone = {"original": [one.original], AS_IT_IS: plain}
        variants = alone[kind] if kind in alone else [v for v in one.variants if v.kind == kind]
        for after in range(1 + edited):
            for variant in variants:
                lean: Lean | None = variant.after if after else variant.lean
                if lean is not None:
                    words.append(_word(one, bool(after)))
                    names.append(variant.name)
                    ratios.append(lean.groups[one.group].ratio)
    values = [ratio.estimate for ratio in ratios]
    if kind != "original":
        return Series(title, words, values, names=names)
    return Series(title, words, values, [r.lo for r in ratios], [r.hi for r in ratios], names)


def _word(one: PromptRobustness, after: bool) -> str:
    """Name of a row: the prompt and the group that is followed."""
    prompt = textwrap.shorten(one.prompt, COLUMNS - len(one.group_name), placeholder="…")
    return f"{prompt}: {one.group_name}{', edited' if after else ''}"

"""An audit from the first picture to the last number: six steps, each of them a function that can be read alone."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import access
from core.audit.arms import Ranked, costed_prompt, edits_of, gather
from core.audit.findings import findings
from core.audit.numbers import NO_TARGET, arm_numbers, part_numbers, prompt_numbers
from core.audit.sources import Sources, open_sources, request_for
from core.audit.spec import AuditSpec
from core.config import VERSION, Progress
from core.ranking.arms import EDITED, ORIGINAL, Edits
from core.ranking.cost import utility_cost
from core.ranking.rows import Part, part_of
from core.ranking.steps import MOST_OF_THEM
from core.scene import why_not_interpreted
from core.threads import one_thread
from core.verdicts import ALL_RETRIEVED, most_retrieved

if TYPE_CHECKING:
    from core.backbones.base import Backbone

UNKNOWN_WORDS = "the model does not know {words} in “{prompt}”, and reads the prompt without"
NOT_READ = "“{prompt}” is not interpreted: {reason}; it was pre-registered or asked, so it counts in m and in means"
SOFTWARE = ("numpy", "scipy", "pandas", "pyarrow", "faiss-cpu", "torch", "open_clip_torch", "safetensors")


@dataclass(frozen=True, eq=False)
class OtherMethod:
    """One of several methods beside the first: its lists, without what it has in common with it."""

    method: str
    edits: Mapping[str, Sequence[Edits]]
    ranked: Mapping[tuple[str, str], Ranked]
    attributes: list[dict[str, Any]]
    """Numbers of each attribute after the method."""


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What an audit found, and all that a second reader needs to find it again."""

    spec: AuditSpec
    sources: Sources
    edits: Mapping[str, Sequence[Edits]]
    """attribute -> the edit of every prompt, in the order of `spec.all_prompts`."""
    ranked: Mapping[tuple[str, str], Ranked]
    """(attribute, prompt) -> the rows that each arm retrieves."""
    attributes: list[dict[str, Any]]
    """Numbers of each attribute."""
    findings: list[dict[str, Any]]
    notes: tuple[str, ...] = ()
    others: tuple["OtherMethod", ...] = ()
    """The methods beside the first, each by the same prompts and rows."""
    software: Mapping[str, str] = field(default_factory=dict)
    engine: Mapping[str, Any] | None = None
    """The running search whose lists these are, and what it answered; None: rankings that were made here."""


def run(
    spec: AuditSpec,
    backbone: "Backbone | None" = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> AuditResult:
    """The audit that the spec describes: neurons found on the probe half, everything measured on the evaluation half.

    Parameters
    ----------
    backbone : the text encoder, where it is loaded already.
    folder : where the rankings of an interrupted run are found and those of this one are kept.

    Raises
    ------
    InputError : what the spec names is not there or does not fit together.
    """
    access.require("audit")
    sources = open_sources(spec, backbone)
    edits, notes = edits_of(spec, sources)
    ranked = gather(spec, sources, edits, folder, progress)
    effects = {a: side_effects(spec, sources, a, edits[a], ranked, progress) for a in spec.attributes}
    numbers = [numbers_of(spec, sources, a, edits[a], ranked, effects[a]) for a in spec.attributes]
    others = tuple(_other(spec.with_method(name), sources, folder, progress) for name in spec.others)
    found = findings(numbers, spec.method, [(one.method, one.attributes) for one in others], unread(spec, sources))
    return AuditResult(spec, sources, edits, ranked, numbers, found, notes_of(spec, sources, notes), others, software())


def _other(spec: AuditSpec, sources: Sources, folder: Path | None, progress: Progress | None) -> OtherMethod:
    """The same audit by another method; controls stand beside the first."""
    edits, _ = edits_of(spec, sources)
    ranked = gather(spec, sources, edits, folder, progress, controls=False)
    numbers = []
    for attribute in spec.attributes:
        effects = side_effects(spec, sources, attribute, edits[attribute], ranked, progress)
        numbers.append(after_alone(numbers_of(spec, sources, attribute, edits[attribute], ranked, effects)))
    return OtherMethod(spec.method, edits, ranked, numbers)


def after_alone(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """An attribute's numbers without those of the original, which stand beside the first method."""
    shared = ("part", "before")
    prompts = [{key: item for key, item in prompt.items() if key not in shared} for prompt in numbers["prompts"]]
    arms = {arm: found for arm, found in numbers["arms"].items() if arm == EDITED}
    return {**{key: item for key, item in numbers.items() if key not in shared}, "prompts": prompts, "arms": arms}


def unread(spec: AuditSpec, sources: Sources) -> dict[str, str]:
    """prompt -> why nothing that it retrieves says anything about it."""
    return {one["prompt"]: one["reason"] for one in words_of(spec, sources) if one["reason"] is not None}


def words_of(spec: AuditSpec, sources: Sources) -> list[dict[str, Any]]:
    """Prompts with words that the model does not know, or that say nothing to it, in the order of the spec."""
    found, texts = [], sources.texts
    for prompt in spec.all_prompts:
        unknown = texts.unknown_words(prompt) if texts is not None else []
        reason = why_not_interpreted(prompt, unknown)
        if unknown or reason is not None:
            found.append({"prompt": prompt, "words": list(unknown), "interpreted": reason is None, "reason": reason})
    return found


def notes_of(spec: AuditSpec, sources: Sources, edits: Sequence[str]) -> tuple[str, ...]:
    """What must be known: about the length of the lists, the words of prompts, and how edits were found."""
    words = []
    for one in words_of(spec, sources):
        if one["words"]:
            words.append(UNKNOWN_WORDS.format(words=", ".join(one["words"]), prompt=one["prompt"]))
        if one["reason"] is not None:
            words.append(NOT_READ.format(prompt=one["prompt"], reason=one["reason"]))
    return (*length_notes(spec, sources), *words, *edits)


def length_notes(spec: AuditSpec, sources: Sources) -> list[str]:
    """What must be known first where the lists hold most of the searched rows, or all of them."""
    n = part_of(sources.scene, request_for(spec, spec.attributes[0], spec.prompts[0])).n
    if spec.k == n:
        return [ALL_RETRIEVED]
    return [most_retrieved(spec.k, n)] if spec.k >= MOST_OF_THEM * n else []


def side_effects(
    spec: AuditSpec,
    sources: Sources,
    attribute: str,
    edits: Sequence[Edits],
    ranked: Mapping[tuple[str, str], Ranked],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What the edit costs, or why that is not known."""
    prompt = costed_prompt(spec, attribute, edits, ranked)
    request = request_for(spec, attribute, prompt, edits[spec.all_prompts.index(prompt)])
    if not request.intervenes:
        reason = {"reason": "nothing is edited"}
        return {"cost": reason, "leakage": reason}
    edited = sources.gallery.components(attribute)
    found = utility_cost(sources.scene, request, sources.scene.class_prompts, edited=edited, progress=progress)
    document = _with_targets(found.to_json())
    cost = {name: document[name] for name in ("zeroshot", "explicit")}
    return {"cost": {"prompt": prompt, **cost}, "leakage": {"prompt": prompt, **document["leakage"]}}


def _with_targets(value: Any) -> Any:
    """Estimates of accuracy, AUC and leakage have no target distribution, and say so."""
    if isinstance(value, Mapping):
        changed = {key: _with_targets(item) for key, item in value.items()}
        return changed | {"target": NO_TARGET} if "estimate" in value else changed
    return [_with_targets(item) for item in value] if isinstance(value, list | tuple) else value


def numbers_of(
    spec: AuditSpec,
    sources: Sources,
    attribute: str,
    edits: Sequence[Edits],
    ranked: Mapping[tuple[str, str], Ranked],
    effects: Mapping[str, Any],
) -> dict[str, Any]:
    """Every number of one attribute, from the rankings and the groups of the rows alone."""
    part = part_of(sources.scene, request_for(spec, attribute, spec.prompts[0]))
    own = {prompt: ranked[attribute, prompt] for prompt in spec.all_prompts}
    with one_thread():
        prompts = [
            prompt_numbers(spec, attribute, prompt, part, one, _ids(sources, part, one, spec.k))
            for prompt, one in own.items()
        ]
        arms = arm_numbers(spec, attribute, part, {prompt: own[prompt] for prompt in spec.prompts})
    return {
        "attribute": attribute,
        "part": part_numbers(part, spec.target_of(attribute)),
        "edits": [{side: edit.to_json() for side, edit in one.items()} for one in edits],
        "prompts": prompts,
        "arms": arms,
        **effects,
    }


def _ids(sources: Sources, part: Part, one: Ranked, k: int) -> dict[str, list[str]]:
    arms = [arm for arm in (ORIGINAL, EDITED) if arm in one.arms]
    return {arm: sources.gallery.item_ids(part.rows[one.of(arm)[:k]]) for arm in arms}


def software() -> dict[str, str]:
    """Versions of what computed the numbers."""
    found = {"unskew": VERSION, "python": platform.python_version()}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # named where it is there; an audit runs without some of them
            continue
    return found

"""An audit of a running search: its lists in place of rankings that are made here."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.audit.arms import Ranked
from core.audit.findings import findings
from core.audit.run import AuditResult, notes_of, numbers_of, software, unread
from core.audit.sources import Sources, check, request_for
from core.audit.spec import AuditSpec
from core.config import InputError, Progress, digest_of
from core.engines import Answer, Asker, Engine, read_lists
from core.engines.answers import Placed
from core.engines.reaching import Ask, Searched, from_lists, reached, why_short
from core.gallery import open_gallery
from core.ranking.arms import ORIGINAL, Edits
from core.ranking.items import baseline_items
from core.ranking.rows import Part, part_of
from core.scene import Scene, query_embedding, text_model
from core.statistics import depth_for
from core.store import read_json, write_json

NAMED = 5
"""Strange ids that are told by name."""


@dataclass(frozen=True, eq=False)
class EngineLists:
    """What an engine answered to a spec, placed among the searched rows."""

    spec: AuditSpec
    """The spec with those prompts alone to which there is a list."""
    ranked: Mapping[tuple[str, str], Ranked]
    document: Mapping[str, Any]
    """For the report: the engine, its lists as they came, what failed."""


def run_engine(
    spec: AuditSpec, engine: Engine, folder: Path | None = None, progress: Progress | None = None
) -> AuditResult:
    """The audit of a running search: the same numbers and findings as of rankings that are made here.

    Parameters
    ----------
    folder : where answers of an interrupted run are found and those of this one are kept.

    Raises
    ------
    InputError : the spec asks for an edit, or not one prompt has a list.
    """
    sources = engine_sources(spec)
    check(spec, sources.scene)
    asked = ask_engine(spec, sources, engine, folder, progress)
    edits: dict[str, list[Edits]] = {a: [{}] * len(asked.spec.all_prompts) for a in spec.attributes}
    none = {name: {"reason": "nothing is edited"} for name in ("cost", "leakage")}
    numbers = [numbers_of(asked.spec, sources, a, edits[a], asked.ranked, none) for a in spec.attributes]
    notes = (*notes_of(asked.spec, sources, ()), *engine_notes(spec.k, asked.document))
    return AuditResult(
        asked.spec,
        sources,
        edits,
        asked.ranked,
        numbers,
        findings(numbers, unread=unread(asked.spec, sources)),
        notes,
        software=software(),
        engine=asked.document,
    )


def engine_sources(spec: AuditSpec) -> Sources:
    """What an audit of an engine reads: the gallery's labels. Its text encoder is not needed."""
    if spec.intervenes:
        raise InputError(
            "an engine is audited as it is: leave out edit and method, apply the edit to its vectors and audit it again"
        )
    return Sources(Scene(open_gallery(spec.gallery)))


def ask_engine(
    spec: AuditSpec, sources: Sources, engine: Engine, folder: Path | None = None, progress: Progress | None = None
) -> EngineLists:
    """Ask every prompt, and place the answers.

    The engine is asked for more than k, so that resamples reach deeper, and again for more where too few of its
    results are searched rows (of the evaluation half, or of the part).

    Parameters
    ----------
    folder : where answers of an interrupted run are found and those of this one are kept.

    Raises
    ------
    InputError : not one prompt has k results.
    """
    part = part_of(sources.scene, request_for(spec, spec.attributes[0], spec.prompts[0]))
    gallery = sources.gallery
    rows = Searched(
        {one: place for place, one in enumerate(gallery.item_ids(part.rows))},
        {one: row for row, one in enumerate(gallery.item_ids(np.arange(gallery.n)))},
    )
    ask = _asking(engine, spec, sources, folder)
    depth = min(depth_for(spec.k), part.n)
    answers: dict[str, Answer] = {}
    lists: dict[str, Placed] = {}
    for done, prompt in enumerate(spec.all_prompts):
        if progress:
            progress(done, len(spec.all_prompts), f"asking: {prompt}")
        answers[prompt], lists[prompt] = reached(ask, prompt, rows, depth, engine.most)
    if progress:
        progress(len(spec.all_prompts), len(spec.all_prompts), "asking")
    failed = {prompt: why for prompt in spec.all_prompts if (why := why_short(answers[prompt], lists[prompt], spec.k))}
    kept = (
        replace(
            spec,
            prompts=tuple(p for p in spec.prompts if p not in failed),
            exploratory_prompts=tuple(p for p in spec.exploratory_prompts if p not in failed),
        )
        if any(p not in failed for p in spec.prompts)
        else None
    )
    if kept is None:
        raise InputError(f"no pre-registered prompt has {spec.k} results; of the first: {failed[spec.prompts[0]]}")
    shortest = min(min(len(lists[prompt].places) for prompt in kept.all_prompts), depth)
    ranked = {
        (attribute, prompt): _ranked(lists[prompt].places[:shortest])
        for attribute in spec.attributes
        for prompt in kept.all_prompts
    }
    document = {
        "engine": engine.to_json(),
        "digest": digest_of([engine.to_json(), [answers[p].to_json() for p in spec.all_prompts]]),
        "asked_prompts": list(spec.all_prompts),
        "failed": failed,
        "depth": shortest,
        "reach": depth,
        "answers": [_told(answers[p], lists[p]) for p in spec.all_prompts],
        "recall": _recall(spec, sources, part, {p: lists[p] for p in kept.all_prompts}),
    }
    return EngineLists(kept, ranked, document)


def _asking(engine: Engine, spec: AuditSpec, sources: Sources, folder: Path | None) -> Ask:
    """(prompt, how many) -> its list: from a file of lists, from an interrupted run, or from the engine itself."""
    if engine.lists is not None:
        return from_lists(read_lists(Path(engine.lists)), Path(engine.lists).name)
    asker = Asker(engine)
    scene = sources.scene
    if engine.reads_embeddings:
        scene = replace(scene, model=text_model(sources.gallery, spec.all_prompts, spec.model))

    def ask(prompt: str, asked: int) -> Answer:
        key = digest_of([engine.digest, prompt, asked])
        path = None if folder is None else folder / f"answer-{key[:16]}.json"
        if path is not None and path.is_file():
            with suppress(InputError, TypeError, KeyError):
                return Answer.from_json(read_json(path))
        vector = query_embedding(scene, prompt).tolist() if engine.reads_embeddings else None
        found = asker(prompt, asked, vector)
        if path is not None and found.failed is None:
            write_json(path, found.to_json())
        return found

    return ask


def _ranked(places: tuple[int, ...]) -> Ranked:
    rows = np.array([places], dtype=np.int64)
    return Ranked((ORIGINAL,), rows, (0,), (1.0,), (0.0,), (0,))


def _told(answer: Answer, found: Placed) -> dict[str, Any]:
    return {
        **answer.to_json(),
        "duplicate": found.duplicate,
        "unknown": list(found.unknown),
        "outside": found.outside,
        "used": len(found.places),
    }


def _recall(spec: AuditSpec, sources: Sources, part: Part, lists: Mapping[str, Placed]) -> dict[str, Any]:
    """Share of the exact top k that the engine's top k has, by prompt, where the prompts can be embedded here."""
    try:
        scene = replace(sources.scene, model=text_model(sources.gallery, list(lists), spec.model))
        index = baseline_items(scene, part).index
        shares = {}
        for prompt, found in lists.items():
            exact = index.search(query_embedding(scene, prompt), spec.k).rows
            shares[prompt] = len({*exact.tolist()} & {*found.places[: spec.k]}) / spec.k
    except InputError as error:
        return {"reason": str(error)}
    return {"k": spec.k, "mean": float(np.mean(list(shares.values()))), "by_prompt": shares}


def engine_notes(k: int, document: Mapping[str, Any]) -> list[str]:
    """What has to be known of an engine's lists, one line each, from what the report keeps of them."""
    engine, answers = document["engine"], document["answers"]
    notes = [
        f"the lists are those of {engine['name']} as it answered: nothing was ranked here, and nobody can compute them "
        "again; the report keeps them"
    ]
    notes += [f"“{prompt}” is left out: {why}" for prompt, why in document["failed"].items()]
    duplicate, outside = (sum(one[name] for one in answers) for name in ("duplicate", "outside"))
    unknown = [one for found in answers for one in found["unknown"]]
    if duplicate:
        notes.append(f"{duplicate} results came twice in a list; the first place counts")
    if unknown:
        named = ", ".join(unknown[:NAMED])
        notes.append(f"{len(unknown)} results are no items of the gallery ({named}) and do not count")
    if outside:
        notes.append(f"{outside} results are items of the gallery that are not among the searched rows")
    if document["depth"] < document["reach"]:
        notes.append(
            f"the lists hold {document['depth']} searched rows, fewer than the {document['reach']} that resamples of "
            f"k = {k} can reach: intervals of metrics are from these"
        )
    recall = document["recall"]
    if "mean" in recall:
        worst = min(recall["by_prompt"], key=recall["by_prompt"].__getitem__)
        notes.append(
            f"of the exact first {k} the engine has {recall['mean']:.1%} on average, fewest "
            f"({recall['by_prompt'][worst]:.1%}) for “{worst}”"
        )
    else:
        notes.append(f"recall against the exact ranking is not known: {recall['reason']}")
    return notes

"""The lists of a running search against what the report takes from them: places, duplicates, strange ids."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from core.audit.arms import Ranked
from core.audit.spec import AuditSpec
from core.config import digest_of
from core.gallery import Gallery


def wrong_lists(
    spec: AuditSpec, gallery: Gallery, engine: Mapping[str, Any], recorded: Mapping[tuple[str, str], Ranked]
) -> list[str]:
    """One line for each list that does not give the rows which the report counts, and for what is not the lists'."""
    return list(_lines(spec, gallery, engine, recorded))


def _lines(
    spec: AuditSpec, gallery: Gallery, engine: Mapping[str, Any], recorded: Mapping[tuple[str, str], Ranked]
) -> Iterator[str]:
    answers = {one["query"]: one for one in engine["answers"]}
    own = ("query", "asked", "ids", "tries", "at", "failed")
    said = [{name: answers[query][name] for name in own} for query in engine["asked_prompts"]]
    if digest_of([engine["engine"], said]) != engine["digest"]:
        yield "engine | digest: is not that of the engine and its lists"
    measured = [prompt for prompt in engine["asked_prompts"] if prompt not in engine["failed"]]
    if sorted(measured) != sorted(spec.all_prompts):
        yield f"engine | failed: says {', '.join(engine['failed']) or 'none'}, but other prompts are measured"
    rows = gallery.rows("evaluation", spec.where)
    place = {one: number for number, one in enumerate(gallery.item_ids(rows))}
    known = set(gallery.item_ids(np.arange(gallery.n)))
    for prompt, one in answers.items():
        once = list(dict.fromkeys(one["ids"]))
        found = [place[item] for item in once if item in place]
        counted = {
            "duplicate": len(one["ids"]) - len(once),
            "unknown": [item for item in once if item not in known],
            "outside": sum(item in known and item not in place for item in once),
            "used": len(found),
        }
        for name, value in counted.items():
            if one[name] != value:
                yield f"engine | {prompt} | {name}: says {one[name]!r}, its list gives {value!r}"
        for attribute in spec.attributes:
            ranked = recorded.get((attribute, prompt))
            if ranked is not None and ranked.rows[0].tolist() != found[: engine["depth"]]:
                yield f"{attribute} | {prompt}: the rows are not those of the engine's list"

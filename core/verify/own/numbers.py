"""All numbers of one attribute, from the rows that each arm retrieves and the labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core.verify.own.change import change_document
from core.verify.own.lists import list_document
from core.verify.own.means import arms_document, mean_cosine
from core.verify.own.searched import Searched
from core.verify.own.values import aimed, share_of

ARMS = {"before": "original", "after": "edited"}


def family(spec: Any, kind: str) -> int:
    """Findings of one family: a lean, and where something is edited an effect of each method, of every attribute and
    prompt; of the pre-registered ones, if there are several, also of their mean.
    """
    prompts = len(spec.prompts) if kind == "headline" else len(spec.exploratory_prompts)
    if kind == "headline" and prompts > 1:
        prompts += 1
    edited = spec.edit is not None or spec.method != "neuron-edit" or len(spec.methods) > 0
    return max(len(spec.attributes) * prompts * (1 + max(len(spec.methods), 1) * edited), 1)


def attribute_document(
    spec: Any,
    attribute: str,
    searched: Searched,
    ranked: Mapping[str, Any],
    edits: Sequence[Mapping[Any, Any]],
    ids: Callable[[np.ndarray], Sequence[str]],
) -> dict[str, Any]:
    """The attribute's blocks, all but what the edit costs.

    Parameters
    ----------
    spec : the audit's choices.
    ranked : prompt -> the rankings of its arms.
    edits : edits of each prompt.
    ids : from row numbers of the gallery to ids.
    """
    prompts = [prompt_document(spec, prompt, searched, ranked[prompt], ids) for prompt in spec.all_prompts]
    headline = {prompt: ranked[prompt] for prompt in spec.prompts}
    return {
        "attribute": attribute,
        "part": searched.to_json(),
        "edits": [{side: edit.to_json() for side, edit in one.items()} for one in edits],
        "prompts": prompts,
        "arms": arms_document(headline, searched, spec.k, family(spec, "headline"), spec.seed),
    }


def prompt_document(
    spec: Any, prompt: str, searched: Searched, ranked: Any, ids: Callable[[np.ndarray], Sequence[str]]
) -> dict[str, Any]:
    """Who one prompt retrieves, before and after."""
    kind = "headline" if prompt in spec.prompts else "exploratory"
    tests = family(spec, kind)
    document: dict[str, Any] = {"prompt": prompt, "kind": kind, "k": spec.k}
    for name, arm in ARMS.items():
        if arm not in ranked.arms:
            continue
        rows = ranked.of(arm)[: spec.k]
        top = searched.labels[rows]
        document[name] = {
            "ids": list(ids(searched.rows[rows])),
            "groups": [searched.groups[g] if g >= 0 else None for g in top.tolist()],
            "ties_at_k": ranked.ties[ranked.arms.index(arm)],
            **list_document(rows, searched, tests, spec.seed),
        }
    if "before" in document and "after" in document:
        rankings = ranked.of(ARMS["before"]), ranked.of(ARMS["after"])
        lists = document["before"], document["after"]
        document["difference"] = change_document(rankings, lists, searched, spec.k, tests, spec.seed)
        at = ranked.arms.index(ARMS["after"])
        document["rows_changed"] = aimed(share_of(ranked.rows_changed[at], searched.n))
        document["cosine"] = mean_cosine([ranked], ARMS["after"], searched.n)
    elif (reason := dict(ranked.absent).get(ARMS["after"])) is not None:
        document |= {"after": {"reason": reason}, "difference": {"reason": reason}}
    return document

"""Two audits beside each other: what was asked of both, and what changed, paired where the searched items are the same.

Paired. The lists of both audits are two selections from the same items, as before and after an edit are: everything
rests on the items that only one of them holds (`core.statistics.exchange`).

Not paired. Other items were searched, so that each lean stands in its own gallery: the difference of two leans in
points has the interval of two independent estimates (square-and-add of their own), and its p is that of the normal
deviate with the half-width on the side of 0.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import erfc

from core.config import InputError
from core.metrics import RANKING_METRICS
from core.report.folder import FILES, MANIFEST
from core.statistics import (
    ALPHA,
    NORMAL,
    Lean,
    benjamini_hochberg,
    effect_of,
    exchange_of,
    holm,
    lean_of,
    metric_change,
)
from core.store import file_digest, read_json
from core.verdicts import NO_CHANGE, NOT_COMPUTED

Document = Mapping[str, Any]
KIND = "audit report"
NO_ROW = "a list holds no row with a known group"
PARTS = ("spec", "gallery", "saes", "attributes", "findings")
DIFFERS = "differs beyond chance"


@dataclass(frozen=True)
class Listed:
    """One retrieved list of a report."""

    groups: tuple[str, ...]
    searched: tuple[int, ...]
    """Searched items of each group."""
    target: tuple[float, ...]
    ids: tuple[str, ...]
    """Of the retrieved items, best first."""
    of: tuple[str | None, ...]
    """Their groups; None unknown."""

    @cached_property
    def retrieved(self) -> tuple[int, ...]:
        return tuple(self.of.count(group) for group in self.groups)

    def lean(self, tests: int) -> Lean:
        return lean_of(self.searched, self.retrieved, tests)


def read_audit(folder: Path) -> dict[str, Any]:
    """The document of a finished audit of rankings, whose files are what its manifest says.

    InputError where it is none, is one of a model's answers, or was changed.
    """
    folder = Path(folder)
    for name in (MANIFEST, "report.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder} is no report (it has no {name}); give the folder that `audit` wrote")
    document, manifest = read_json(folder / "report.json"), read_json(folder / MANIFEST)
    if not isinstance(document, dict) or document.get("kind") != KIND or not set(PARTS) <= set(document):
        raise InputError(f"{folder} holds no audit of rankings; give the folder that `audit` wrote")
    if document["schema"] != 2:
        raise InputError(f"{folder / 'report.json'} has schema {document['schema']!r}; run `audit` on its spec again")
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    for name in FILES:
        path = folder / name
        if not isinstance(listed, dict) or not path.is_file() or file_digest(path) != listed.get(name):
            raise InputError(f"{path} is not what the manifest says: it was changed; `verify {folder}` tells more")
    return document


def audit_diff(first: Document, second: Document) -> dict[str, Any]:
    """What two audits share and where they differ; second minus first.

    Parameters
    ----------
    first, second : documents of two reports; see `read_audit`.
    """
    lists = compared_lists(first, second)
    return {
        "schema": 1,
        "a": _named(first),
        "b": _named(second),
        "k": [first["spec"]["k"], second["spec"]["k"]],
        "target": [first["spec"]["target"], second["spec"]["target"]],
        "digests": {name: [_digests(one)[name] for one in (first, second)] for name in _digests(first)},
        "asked": {"different": _different(first["spec"], second["spec"]), "not_in_both": not_in_both(first, second)},
        "paired": same_items(first, second),
        "lists": lists,
        "findings": list(_findings(first, second)),
    }


def same_items(first: Document, second: Document) -> bool:
    """Whether both audits searched the same items with the same groups: the gallery by its bytes, and the part."""
    same = first["gallery"]["digest"] == second["gallery"]["digest"]
    return same and first["spec"]["where"] == second["spec"]["where"]


def not_in_both(first: Document, second: Document) -> list[str]:
    """Lists that only one of two audits holds, as "attribute | prompt | arm"."""
    return [" | ".join(key) for key in dict.fromkeys([*listed(first), *listed(second)])
            if (key in listed(first)) != (key in listed(second))]  # fmt: skip


def listed(document: Document) -> dict[tuple[str, str, str], tuple[Listed | None, str]]:
    """(attribute, prompt, arm) -> the list and the prompt's kind; None where the arm leaves nothing of the prompt.

    Arms are "before", "after", and "after METHOD" of every further method.
    """
    found: dict[tuple[str, str, str], tuple[Listed | None, str]] = {}
    for one in document["attributes"]:
        for prompt in one["prompts"]:
            for arm in ("before", "after"):
                if arm in prompt:
                    key = (one["attribute"], prompt["prompt"], arm)
                    found[key] = (_listed(one["part"], prompt[arm]), prompt["kind"])
    for method in document.get("methods", ()):
        for one in method["attributes"]:
            part = next(a["part"] for a in document["attributes"] if a["attribute"] == one["attribute"])
            for prompt in one["prompts"]:
                key = (one["attribute"], prompt["prompt"], f"after {method['method']}")
                found[key] = (_listed(part, prompt["after"]), prompt["kind"])
    return found


def _listed(part: Document, block: Document) -> Listed | None:
    if "reason" in block:
        return None
    groups = part["groups"]
    return Listed(
        tuple(groups),
        tuple(about["n"] for about in groups.values()),
        tuple(about["target"] for about in groups.values()),
        tuple(block["ids"]),
        tuple(block["groups"]),
    )


def compared_lists(first: Document, second: Document, more: int = 0) -> list[dict[str, Any]]:
    """Every list that both audits hold, compared; p corrected by Holm over the lists of pre-registered prompts, by
    Benjamini and Hochberg over those of exploratory ones. A prompt is exploratory where either audit says so.

    Parameters
    ----------
    more : further tests that the caller corrects together with the pre-registered ones; drawn p are as fine as that.
    """
    a, b, paired = listed(first), listed(second), same_items(first, second)
    both = [key for key in a if key in b]
    kinds = {key: "exploratory" if "exploratory" in (a[key][1], b[key][1]) else "headline" for key in both}
    found = []
    for key in both:
        tests = sum(kind == kinds[key] for kind in kinds.values()) + (more if kinds[key] == "headline" else 0)
        about = dict(zip(("attribute", "prompt", "arm"), key, strict=True)) | {"kind": kinds[key]}
        found.append(about | list_difference(a[key][0], b[key][0], paired, tests, second["spec"]["seed"]))
    for kind, correct in (("headline", holm), ("exploratory", benjamini_hochberg)):
        family = [one for one in found if one["kind"] == kind and one["p"] is not None]
        for one, adjusted in zip(family, correct([one["p"] for one in family]), strict=True):
            one |= {"p_adjusted": float(adjusted), "m": len(family)}
            shown = adjusted <= ALPHA
            one["verdict"] = (one["direction"] if one["paired"] else DIFFERS) if shown else NO_CHANGE
    return found


def list_difference(
    first: Listed | None, second: Listed | None, paired: bool, tests: int = 1, seed: int = 0
) -> dict[str, Any]:
    """One list beside another: change of share (paired) or of lean in points (not paired) by group, and p.

    Parameters
    ----------
    paired : both were retrieved from the same items.
    tests : size of the family that p will be corrected with.
    """
    nothing = {"p": None, "p_adjusted": None, "m": None, "verdict": NOT_COMPUTED, "paired": paired}
    if first is None or second is None:
        return nothing | {"reason": "the method leaves nothing of the prompt in one of them"}
    if first.groups != second.groups:
        return nothing | {"reason": f"their groups are {', '.join(first.groups)} and {', '.join(second.groups)}"}
    if not (sum(first.retrieved) and sum(second.retrieved)):
        return nothing | {"reason": NO_ROW}
    return nothing | (_paired(first, second, tests, seed) if paired else _unpaired(first, second, tests))


def _paired(first: Listed, second: Listed, tests: int, seed: int) -> dict[str, Any]:
    groups, place = first.groups, {item: i for i, item in enumerate(dict.fromkeys([*first.ids, *second.ids]))}
    of = np.full(len(place), -1)
    for one in (first, second):
        for item, group in zip(one.ids, one.of, strict=True):
            of[place[item]] = -1 if group is None else groups.index(group)
    before, after = (np.array([place[item] for item in one.ids]) for one in (first, second))
    exchange = exchange_of(before, after, of, len(groups))
    effect = effect_of(first.lean(tests), second.lean(tests), exchange, second.target, tests)
    assert effect is not None, "both lists hold known rows"
    metric = metric_change(RANKING_METRICS.get("max_skew")(), exchange, second.target, seed=seed)
    return {
        "share_difference": {g: share.to_json() for g, share in zip(groups, effect.shares, strict=True)},
        "max_skew_difference": metric.to_json(),
        "p": effect.p,
        "p_smallest": effect.smallest_p,
        "p_group": dict(zip(groups, effect.p_group, strict=True)),
        "group": groups[effect.group],
        "direction": effect.direction,
        "lean_direction": effect.lean_direction,
        "left": sum(exchange.leaves),
        "entered": sum(exchange.enters),
    }


def _unpaired(first: Listed, second: Listed, tests: int) -> dict[str, Any]:
    differences, p_group = {}, {}
    before, after = first.lean(tests), second.lean(tests)
    for group, a, b in zip(first.groups, before.groups, after.groups, strict=True):
        if a.points.estimate is None or b.points.estimate is None:
            differences[group] = {"estimate": None, "reason": a.points.reason or b.points.reason or NO_ROW}
            continue
        differences[group] = difference = independent(a.points.to_json(), b.points.to_json())
        p_group[group] = deviate_p(difference)
    if not p_group:
        return {"points_difference": differences, "reason": NO_ROW}
    # the shares of all groups sum to 1: of two there is one difference
    questions = max(len(p_group) - 1, 1)
    group = min(p_group, key=lambda name: p_group[name])
    return {
        "points_difference": differences,
        "p": min(1.0, questions * p_group[group]),
        "p_group": p_group,
        "group": group,
    }


def deviate_p(difference: Document) -> float:
    """p of a difference being 0, of the normal deviate with the half-width of its interval on the side of 0."""
    d = difference["estimate"]
    half = d - difference["lo"] if d > 0 else difference["hi"] - d
    return float(erfc(NORMAL * abs(d) / max(half, 1e-300) / math.sqrt(2))) if d else 1.0


def independent(a: Document, b: Document) -> dict[str, Any]:
    """b - a with the interval of two independent estimates (Newcombe's square-and-add)."""
    d = b["estimate"] - a["estimate"]
    lo = d - math.hypot(b["estimate"] - b["lo"], a["hi"] - a["estimate"])
    hi = d + math.hypot(b["hi"] - b["estimate"], a["estimate"] - a["lo"])
    return {"estimate": d, "lo": lo, "hi": hi, "n": min(a["n"], b["n"])}


def _named(document: Document) -> dict[str, Any]:
    names = {"title": document["spec"]["title"], "created_at": document["created_at"]}
    return names | {
        "auditor": document["options"]["auditor"],
        "gallery": document["gallery"]["name"],
        "saes": {side: sae["name"] for side, sae in document["saes"].items()},
        "software": document["software"].get("unskew"),
    }


def _digests(document: Document) -> dict[str, Any]:
    return {
        "spec": document["spec_digest"],
        "gallery": document["gallery"]["digest"],
        "saes": {side: sae["digest"] for side, sae in document["saes"].items()},
        "model": document["texts"]["weights"] if document["texts"] else None,
    }


def _different(first: Document, second: Document) -> dict[str, list[Any]]:
    keys = dict.fromkeys([*first, *second])
    return {key: [first.get(key), second.get(key)] for key in keys if first.get(key) != second.get(key)}


def _findings(first: Document, second: Document) -> Iterator[dict[str, Any]]:
    """Every finding of both, with what either audit said of it."""
    a, b = ({one["id"]: one for one in document["findings"]} for document in (first, second))
    for name in dict.fromkeys([*a, *b]):
        said = [_said(of.get(name)) for of in (a, b)]
        same = None not in said and said[0]["verdict"] == said[1]["verdict"] and said[0]["group"] == said[1]["group"]
        yield {"id": name, "a": said[0], "b": said[1], "same_verdict": same}


def _said(finding: Document | None) -> Any:
    if finding is None:
        return None
    return {name: finding[name] for name in ("verdict", "group", "value", "p", "p_adjusted")}

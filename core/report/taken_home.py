"""The edits of an audited report as files that travel: what the audit recorded, for every set of searches its own."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.audit.sources import open_sources
from core.audit.spec import AuditSpec
from core.config import Edit, InputError, Side
from core.home.exporting import ExportRequest
from core.interventions import INTERVENTIONS
from core.reading import parse_json
from core.scene import Scene

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class TakenHome:
    """What can be taken along, by name, and why the rest cannot."""

    requests: Mapping[str, ExportRequest] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Method -> reason, in words."""


def taken_home(files: Files) -> TakenHome:
    """The edits that a finished audit recorded: one a method, attribute and set of searches that share it.

    Neurons are not searched again: they are those of the report, so that a file does what the report says. A method
    that is fitted is fitted again by the same rule on the same rows.

    Parameters
    ----------
    files : report.json and manifest.json of the report, whose digest the edits carry.
    """
    document = parse_json(files["report.json"], "report.json")
    spec = AuditSpec.from_json(document["spec"])
    if not spec.intervenes or document.get("engine"):
        return TakenHome()
    audit = {"name": spec.title, "digest": hashlib.sha256(files["manifest.json"]).hexdigest()}
    requests: dict[str, ExportRequest] = {}
    refused: dict[str, str] = {}
    named = [(spec.method, document["attributes"])]
    named += [(one["method"], one["attributes"]) for one in document["methods"]]
    for method, attributes in named:
        kind = INTERVENTIONS.get(method)
        if kind.stays:
            refused[kind.title] = kind.stays
            continue
        for one in attributes:
            sets = list(_sets(one["edits"], spec.all_prompts, kind.needs.edit))
            if not sets:
                refused[f"{kind.title}, {one['attribute']}"] = "the audit found nothing to switch"
            for edits, prompts in sets:
                own = len(sets) > 1 or len(prompts) < len(spec.all_prompts)
                name = _name(method, one["attribute"], prompts[0] if own else "")
                requests[_free(name, requests)] = ExportRequest(
                    method=method,
                    edits=edits,
                    attribute=one["attribute"],
                    queries=prompts,
                    k=spec.k,
                    target=spec.target_of(one["attribute"]),
                    half="evaluation",
                    where=spec.where,
                    seed=spec.seed,
                    name=name,
                    audit=audit,
                    per_query=own,
                )
    return TakenHome(requests, refused)


def _sets(
    recorded: list[Mapping[Side, Mapping[str, Any]]], prompts: tuple[str, ...], needs_edit: bool
) -> Iterator[tuple[dict[Side, Edit], tuple[str, ...]]]:
    """Every different edit with the prompts that have it; without those that switch nothing."""
    found: dict[tuple[str, ...], tuple[dict[Side, Edit], list[str]]] = {}
    for one, prompt in zip(recorded, prompts, strict=True):
        edits = {side: Edit(**value) for side, value in one.items()}
        if needs_edit and not any(edit.neurons for edit in edits.values()):
            continue
        key = tuple(f"{side} {edit.digest}" for side, edit in sorted(edits.items()))
        found.setdefault(key, (edits, []))[1].append(prompt)
    for edits, named in found.values():
        yield edits, tuple(named)


def _name(method: str, attribute: str, prompt: str) -> str:
    words = " ".join((method, attribute, prompt))
    return re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower()[:80]


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def audited_scene(files: Files, backbone: Any = None) -> Scene:
    """What the report was measured on, opened again; InputError where it is another one by now.

    Parameters
    ----------
    backbone : the text encoder where it is loaded already.
    """
    document = parse_json(files["report.json"], "report.json")
    scene = open_sources(AuditSpec.from_json(document["spec"]), backbone).scene
    now = {"the gallery": scene.gallery.digest} | {f"the {side} SAE": one.digest for side, one in scene.saes.items()}
    then = {"the gallery": document["gallery"]["digest"]}
    then |= {f"the {side} SAE": one["digest"] for side, one in document["saes"].items()}
    for name, digest in then.items():
        if now.get(name) != digest:
            raise InputError(
                f"{name} that the report was measured on has the digest {digest[:8]}; here it is "
                f"{str(now.get(name))[:8]}: bring the old one back, or audit again"
            )
    return scene

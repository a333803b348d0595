"""report.json: everything that an audit found and everything it depends on, as one document."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.audit.frozen import Frozen
from core.audit.run import AuditResult, words_of
from core.audit.spec import AuditSpec
from core.audit.stated import BLOCKS, stated
from core.config import InputError
from core.gallery import Gallery
from core.interventions import INTERVENTIONS
from core.ranking.arms import RANDOM_DRAWS
from core.report.costs import largest_loss
from core.report.crosswalk import NOT_STATED, crosswalk, notes
from core.report.formulas import formulas
from core.statistics import ALPHA, DRAWS, LEVEL, MINIMUM_N

SCHEMA = 2
FREE = re.compile(r"\bCC0\b|\bCC[ -]BY(?![ -]?(?:SA[ -]?)?N[CD])\b|public domain|\bMIT\b", re.IGNORECASE)
"""Licence notes under which pictures may be passed on in a report."""


@dataclass(frozen=True)
class ReportOptions:
    """What the auditor decides about the report itself; recorded in it."""

    auditor: str = NOT_STATED
    thumbnails: bool = False
    """Embed pictures of the retrieved items, where the gallery's licence note allows it."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """Finding's id -> the reason why it is not shown; the removal itself is."""
    frozen: Frozen | None = None
    """When the spec was fixed, and by which digest; None: it was not."""

    def to_json(self) -> dict[str, Any]:
        frozen = self.frozen.to_json() if self.frozen is not None else None
        return {
            "auditor": self.auditor,
            "thumbnails": self.thumbnails,
            "removed": dict(self.removed),
            "frozen": frozen,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ReportOptions":
        frozen = Frozen(**value["frozen"]) if value["frozen"] else None
        return cls(value["auditor"], value["thumbnails"], value["removed"], frozen)


def licence_allows(licence: str | None) -> bool:
    """Whether a gallery's licence note lets its pictures be passed on."""
    return bool(licence and FREE.search(licence))


def report_document(result: AuditResult, options: ReportOptions) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document, and the arrays that belong to it: rankings of every arm and embeddings of every text.

    InputError where a finding is to be removed that is not there or without a reason, or where pictures are to be
    embedded whose licence note does not allow it.
    """
    gallery = result.sources.gallery
    _check(result, options, gallery)
    texts, arrays = result.sources.texts.record() if result.sources.texts is not None else (None, {})
    arms: dict[str, list[str]] = {}
    absent: dict[str, dict[str, str]] = {}
    for n, rankings in enumerate([result.ranked, *(one.ranked for one in result.others)]):
        for key, attribute, prompt in evidence_keys(result.spec, n):
            one = rankings[attribute, prompt]
            arms[key] = list(one.arms)
            absent |= {key: dict(one.absent)} if one.absent else {}
            arrays |= {f"rows_{key}": one.rows.astype(np.int32), f"changed_{key}": np.array(one.rows_changed)}
            arrays |= {f"cosine_{key}": np.array(one.cosine), f"spread_{key}": np.array(one.spread)}
            arrays[f"ties_{key}"] = np.array(one.ties)
    document = {
        "schema": SCHEMA,
        "kind": "audit report",
        "spec": result.spec.to_json(),
        "spec_digest": result.spec.digest,
        "options": options.to_json(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": dict(result.software),
        "gallery": _gallery(gallery, result),
        "probe": _probe(result),
        "label_set": result.sources.labelled.to_json() if result.sources.labelled is not None else None,
        "saes": {side: _sae(sae) for side, sae in result.sources.scene.saes.items()},
        "stated": {block: stated(block, getattr(result.spec, block)) for block in BLOCKS},
        "settings": {
            "half": "evaluation",
            "level": LEVEL,
            "draws": DRAWS,
            "random_draws": RANDOM_DRAWS,
            "small_group": MINIMUM_N,
            "alpha": ALPHA,
            "seed": result.spec.seed,
        },
        "formulas": formulas(),
        "treatment": treatment(result.spec.method, gallery.kind) if result.spec.intervenes else None,
        "attributes": result.attributes,
        "methods": [{**treatment(one.method, gallery.kind), "attributes": one.attributes} for one in result.others],
        "findings": result.findings,
        "unknown_words": words_of(result.spec, result.sources),
        "crosswalk": crosswalk({block: getattr(result.spec, block) for block in BLOCKS}, _held(result, options)),
        "laws": notes(),
        "notes": list(result.notes),
        "texts": texts,
        "arms": arms,
        "absent": absent,
        **({"engine": dict(result.engine)} if result.engine is not None else {}),
    }
    return document, arrays


def evidence_keys(spec: AuditSpec, method: int = 0) -> list[tuple[str, str, str]]:
    """(name in the evidence, attribute, prompt) of every ranking of a method, the first being number 0."""
    head = f"{method}m" if method else ""
    return [
        (f"{head}{i}_{j}", attribute, prompt)
        for i, attribute in enumerate(spec.attributes)
        for j, prompt in enumerate(spec.all_prompts)
    ]


def treatment(method: str, items: str) -> dict[str, str]:
    """A method in words, of what the gallery holds."""
    kind = INTERVENTIONS.get(method)
    return {"method": method, "title": kind.title, "plain": kind.plain_for(items)}


def _check(result: AuditResult, options: ReportOptions, gallery: Gallery) -> None:
    known = [entry["id"] for entry in result.findings]
    for name, reason in options.removed.items():
        if name not in known:
            raise InputError(f"the finding {name!r} is not in this audit; its findings are {'; '.join(known)}")
        if not reason.strip():
            raise InputError(f"the finding {name!r} is to be removed without a reason; give one: it is recorded")
    if options.thumbnails and not gallery.has_thumbs:
        raise InputError(f"gallery {gallery.name} has no pictures to embed; leave the pictures out")
    if options.thumbnails and not licence_allows(gallery.info()["licence"]):
        said = gallery.info()["licence"] or "nothing"
        raise InputError(f"pictures cannot be embedded: the licence note of gallery {gallery.name} says {said!r}")


def _held(result: AuditResult, options: ReportOptions) -> list[str]:
    """What clauses rest on beside the auditor's words, of what this report holds."""
    numbers = result.attributes
    held = {
        "auditor": options.auditor != NOT_STATED,
        "provenance": bool(result.sources.gallery.info().get("provenance")),
        "edit": result.spec.intervenes,
        "cost": any(largest_loss(one.get("cost", {})) is not None for one in numbers),
        "leakage": any("before" in one.get("leakage", {}) for one in numbers),
    }
    return [name for name, holds in held.items() if holds]


def _gallery(gallery: Gallery, result: AuditResult) -> dict[str, Any]:
    info = gallery.info()
    kept = ("name", "kind", "n", "digest", "licence", "provenance", "source", "halves", "fingerprints", "split")
    rows = gallery.rows("evaluation", result.spec.where)
    # searched rows of every attribute, audited or not: a reader sees what a restriction leaves
    counts = {name: gallery.group_counts(name, rows) for name in gallery.attributes}
    return {**{key: info.get(key) for key in kept}, "searched": len(rows), "counts": counts} | {
        "together": gallery.together
    }


def _probe(result: AuditResult) -> dict[str, Any] | None:
    if not result.spec.intervenes:
        return None
    probe = result.sources.scene.probe
    return {"name": probe.name, "digest": probe.digest, "half": "probe", "n": len(probe.rows("probe"))}


def _sae(sae: Any) -> dict[str, Any]:
    return {
        "name": sae.name,
        "digest": sae.digest,
        "config": sae.sae.config.to_json(),
        "fingerprint": sae.fingerprint.to_json() if sae.fingerprint else None,
    }

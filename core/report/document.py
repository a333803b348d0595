"""report.json: everything that an audit found and everything it depends on, as one document."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.audit.arms import RANDOM_DRAWS
from core.audit.run import AuditResult
from core.config import InputError
from core.gallery import Gallery
from core.statistics import ALPHA, DRAWS, LEVEL, MINIMUM_N

SCHEMA = 2
FREE = re.compile(r"\bCC0\b|\bCC[ -]BY(?![ -]?(?:SA[ -]?)?N[CD])\b|public domain|\bMIT\b", re.IGNORECASE)
"""Licence notes under which pictures may be passed on in a report."""

FORMULAS = {
    "share": "s_g = k_g / K: rows of group g in the top k / rows of known group in the top k",
    "base share": "p_g = n_g / N: searched rows of group g / searched rows of known group",
    "lean": "ratio s_g / p_g and points s_g - p_g; independent of the target",
    "interval of a share, a ratio, a lean and a distance": (
        "Fisher's noncentral hypergeometric distribution with odds w for g against the rest; E_w[X] / K at "
        "the w with P_w(X >= k_g) = .025 and at the w with P_w(X <= k_g) = .025, full tails; w = 0 or "
        "infinity where k_g is the smallest or largest possible number"
    ),
    "p of a lean": (
        "two groups: hypergeometric, exact, twice the smaller tail, at most 1; more: chance of a G = 2 sum_g "
        "k_g ln(s_g / p_g) at least as large, exact where at most 200,000 draws are possible, else (1 + b) / "
        "(1 + B) of B multivariate hypergeometric draws (numpy, default_rng(0), method marginals, B = "
        "max(19,999, 1,000 m - 1) for a family of m)"
    ),
    "p of a group": "hypergeometric, exact, twice the smaller tail; Holm over the groups of one list",
    "leading group": (
        "largest (k_g - K p_g) / sqrt(K p_g (1 - p_g) (N - K) / (N - 1)) above 0 among groups with an "
        "adjusted p of at most .05 and enough searched rows, where the p of all groups is at most .05"
    ),
    "distance": "s_g - t_g = (p_g - t_g) + (s_g - p_g): target, composition of the gallery, lean of the model",
    "skew": "ln(s_g / t_g), t_g the target share; s_g = 0 counts as 1/K",
    "max_skew": "the largest skew of the groups; 0: no group has more than its target share",
    "min_skew": "the smallest skew of the groups",
    "ndkl": "sum_i KL(s_i, t) / log2(i + 1), over sum_i 1 / log2(i + 1), s_i the shares of the first i rows",
    "kl": "sum_g s_g ln(s_g / t_g)",
    "null band": (
        "middle 95 % of the metric when K rows are drawn blindly from the searched rows of known group; only "
        "where the target is their shares"
    ),
    "blind draw": "the same against any target, as context: it is no test",
    "p of an effect": (
        "of the rows that leave and enter, the number of g among those that enter is hypergeometric given the"
        " groups of all that are exchanged; two-sided, exact; more than two groups: by the G of the table "
        "{leaves, enters} x groups"
    ),
    "interval of a change of share": (
        "Tango's score interval of paired shares over the K places, leaving and entering rows paired at "
        "random; it holds 0 exactly where the group's p exceeds .05"
    ),
    "change of a metric": (
        "after minus before; counts: compositions drawn around what leaves, enters and stays; ndkl: "
        "Poisson(1) resamples of the rows"
    ),
    "direction": (
        "d, d' = share minus target before and after, of the group that leads before, else of the one that "
        "changed most: past if the sign changes and the interval after excludes the target; away if it began "
        "at the target or |d'| >= |d|; else towards; no change beyond chance if p > .05"
    ),
    "mean over prompts": (
        "of the points of each group; prompts and rows are resampled together; p permutes the labels of the "
        "searched rows once for all prompts of a draw"
    ),
    "impact ratio": "selection rate k_g / n_g over the highest among groups of at least 2 % of the data",
    "Holm": "sorted p times m, m - 1, ..., 1, made rising, at most 1",
    "Benjamini-Hochberg": "sorted p times m / rank, made rising from the largest, at most 1",
}


@dataclass(frozen=True)
class ReportOptions:
    """What the auditor decides about the report itself; recorded in it."""

    auditor: str = "not stated"
    thumbnails: bool = False
    """Embed pictures of the retrieved items, where the gallery's licence note allows it."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """Finding's id -> the reason why it is not shown; the removal itself is."""

    def to_json(self) -> dict[str, Any]:
        return {"auditor": self.auditor, "thumbnails": self.thumbnails, "removed": dict(self.removed)}


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
    for i, attribute in enumerate(result.spec.attributes):
        for j, prompt in enumerate(result.spec.all_prompts):
            one, key = result.ranked[attribute, prompt], f"{i}_{j}"
            arms[key] = list(one.arms)
            absent |= {key: dict(one.absent)} if one.absent else {}
            arrays |= {f"rows_{key}": one.rows.astype(np.int32), f"changed_{key}": np.array(one.rows_changed)}
            arrays |= {f"cosine_{key}": np.array(one.cosine), f"spread_{key}": np.array(one.spread)}
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
        "saes": {side: _sae(sae) for side, sae in result.sources.saes.items()},
        "settings": {
            "half": "evaluation",
            "level": LEVEL,
            "draws": DRAWS,
            "random_draws": RANDOM_DRAWS,
            "small_group": MINIMUM_N,
            "alpha": ALPHA,
            "seed": result.spec.seed,
        },
        "formulas": FORMULAS,
        "attributes": result.attributes,
        "findings": result.findings,
        "notes": list(result.notes),
        "texts": texts,
        "arms": arms,
        "absent": absent,
    }
    return document, arrays


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


def _gallery(gallery: Gallery, result: AuditResult) -> dict[str, Any]:
    info = gallery.info()
    kept = ("name", "kind", "n", "digest", "licence", "provenance", "source", "halves", "fingerprints", "split")
    rows = gallery.rows("evaluation", result.spec.where)
    # searched rows of every attribute, audited or not: a reader sees what a restriction leaves
    counts = {name: gallery.group_counts(name, rows) for name in gallery.attributes}
    return {**{key: info.get(key) for key in kept}, "searched": len(rows), "counts": counts}


def _probe(result: AuditResult) -> dict[str, Any] | None:
    if result.spec.edit is None and result.spec.method == "neuron-edit":
        return None
    probe = result.sources.probe
    return {"name": probe.name, "digest": probe.digest, "half": "probe", "n": len(probe.rows("probe"))}


def _sae(sae: Any) -> dict[str, Any]:
    return {
        "name": sae.name,
        "digest": sae.digest,
        "config": sae.sae.config.to_json(),
        "fingerprint": sae.fingerprint.to_json() if sae.fingerprint else None,
    }

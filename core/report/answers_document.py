"""report.json of an audit of answers: everything that it found and everything it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audit.run import software
from core.report.document import ReportOptions, licence_allows
from core.verdicts import BEYOND, NO_DIFFERENCE, NOT_COMPUTED

if TYPE_CHECKING:
    from core.lvlm.audit import LvlmResult

SCHEMA, KIND = 1, "lvlm report"
ALPHA = 0.05
LIBRARIES = ("transformers", "tokenizers")


def answers_document(result: LvlmResult, options: ReportOptions) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document and its arrays: rows, labels, the probability of every answer, right answers of the ability set.

    InputError where pictures are to be embedded whose licence note does not allow it.
    """
    from core.config import InputError
    from core.lvlm.protocol import PROTOCOLS
    from core.lvlm.reader import error_rate
    from core.lvlm.token_method import METHODS

    gallery, protocol = result.gallery, PROTOCOLS.get(result.spec.protocol)
    if options.thumbnails and not licence_allows(gallery.info()["licence"]):
        said = gallery.info()["licence"] or "nothing"
        raise InputError(f"pictures cannot be embedded: the licence note of gallery {gallery.name} says {said!r}")
    family = result.model.attachment.family
    arms = {
        arm: {"method": name, "title": METHODS.get(name).title, "plain": METHODS.get(name).plain}
        for arm, name in result.methods.items()
    }
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "spec": result.spec.to_json(),
        "spec_digest": result.spec.digest,
        "options": options.to_json(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": software() | _libraries(),
        "model": {
            "name": result.model.name,
            "weights": result.model.weights,
            "family": family.title if family else "found by experiment",
            "reads": list(result.model.attachment.names),
        },
        "gallery": {key: gallery.info().get(key) for key in ("name", "kind", "n", "digest", "licence", "provenance")},
        "probe": {"name": result.probe.name, "digest": result.probe.digest} if result.probe else None,
        "sae": {"name": result.sae.name, "digest": result.sae.digest} if result.sae else None,
        "protocol": {"title": protocol.title, "plain": protocol.plain, "paper": protocol.paper},
        "reader": error_rate().to_json(),
        "edit": result.edit.to_json() if result.edit else None,
        "arms": arms,
        "titles": {name: METHODS.get(name).title for name in METHODS},
        "items": gallery.item_ids(result.rows),
        "evidence": result.evidence.shape(),
        **result.numbers,
        "findings": findings(result.numbers),
        "notes": list(result.notes),
    }
    return document, {"rows": result.rows.astype(np.int64), **result.evidence.arrays()}


def findings(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every word of every attribute with two groups: the original's difference, tested, Holm over words."""
    found = []
    for attribute, one in numbers["attributes"].items():
        for word, own in one["arms"]["original"]["words"].items():
            if "p" not in own:
                continue
            tested = own["p_adjusted"] is not None
            found.append(
                {
                    "id": f"{attribute} | {word}",
                    "attribute": attribute,
                    "word": word,
                    "difference": own["difference"],
                    "p": own["p"],
                    "p_adjusted": own["p_adjusted"],
                    "verdict": NOT_COMPUTED if not tested else BEYOND if own["p_adjusted"] <= ALPHA else NO_DIFFERENCE,
                }
            )
    return found


def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

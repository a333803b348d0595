"""Every ranking metric of a list that somebody else's system ranked: labels in, numbers with their uncertainty out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.config import InputError, digest_of
from core.gallery.labels import CROSS, crossed
from core.metrics import RANKING_METRICS, Mode, target_distribution
from core.metrics.targets import Target
from core.ranking.measures import RANKING_NAMES, list_numbers, metric_estimate
from core.ranking.results import SCHEMA, Part
from core.statistics import Estimate, null_p, share_estimate, wilson

FIRST_GROUPS = ("male", "man", "men", "m")
"""Names of the group that counts positive in Bias@k, as in the papers; else the first by name."""


def list_metrics(
    ranked: pd.DataFrame,
    gallery: pd.DataFrame,
    k: int,
    target: Target = "gallery",
    attributes: Sequence[str] = (),
    mode: Mode = "ours",
    relevant: tuple[str, str] | None = None,
    top1_percent: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Shares and every registered ranking metric of the first k rows, for each attribute.

    Parameters
    ----------
    ranked, gallery : a column of text for each attribute (NA: unknown), best first and all searched items.
    attributes : columns or intersections ("gender x race"); none: every column that both tables have.
    relevant : column and value that make a row relevant, for precision and recall.
    top1_percent : zero-shot accuracy in per cent, for ABLE.

    Raises
    ------
    InputError : k beyond the list, a column or group that is not there, more ranked rows of a group than there are.
    """
    if not 1 <= k <= len(ranked):
        raise InputError(f"k was {k}; the ranked table has {len(ranked)} rows: choose k from 1 to that")
    shared = [c for c in ranked.columns if c in gallery.columns and c not in ("id", "file", "text", "half")]
    if not (attributes or shared):
        raise InputError("the ranked table and the gallery table share no attribute column; name the columns alike")
    found = {a: _attribute(a, ranked, gallery, k, target, mode, seed) for a in attributes or shared}
    others = _relevance(ranked, gallery, k, relevant)
    for document in found.values():
        document |= others | {"able": _able(document, top1_percent)}
    tables = {
        name: digest_of(table.astype(object).where(table.notna(), None).to_dict("list"))
        for name, table in (("ranked", ranked), ("gallery_table", gallery))
    }
    return {
        "schema": SCHEMA,
        "k": k,
        "target": target if isinstance(target, str) else dict(target),
        "mode": mode,
        "seed": seed,
        "digests": tables,
        "attributes": found,
    }


def _attribute(
    attribute: str, ranked: pd.DataFrame, gallery: pd.DataFrame, k: int, target: Target, mode: Mode, seed: int
) -> dict[str, Any]:
    """All numbers of one attribute."""
    groups, numbers = _numbered(attribute, gallery, None)
    _, places = _numbered(attribute, ranked, groups)
    counts = np.bincount(numbers[numbers >= 0], minlength=len(groups))
    shown = np.bincount(places[places >= 0], minlength=len(groups))
    if (shown > counts).any():
        group = groups[int((shown > counts).argmax())]
        raise InputError(
            f"more ranked rows are {attribute} {group} than the gallery table has; give the searched gallery"
        )
    q = target_distribution(target, groups, counts.tolist())
    top = places[:k]
    known = int((top >= 0).sum())
    part = Part(np.arange(len(gallery)), "", tuple(groups), numbers.astype(np.int16), tuple(counts.tolist()), q)
    document: dict[str, Any] = {
        "n": len(gallery),
        "unknown_in_gallery": part.unknown,
        "group_counts": dict(zip(groups, part.counts, strict=True)),
        "target_shares": dict(zip(groups, q.tolist(), strict=True)),
        **list_numbers(top, part, seed).to_json(),
    }
    for name in RANKING_NAMES:
        if mode != "ours":
            document[name] = metric_estimate(name, top, q, part.counts, seed, mode=mode).to_json()
        elif "null" in document[name]:
            metric, value = RANKING_METRICS.get(name)(), document[name]["estimate"]
            document[name]["p"] = null_p(metric, value, part.counts, known, q.tolist(), seed)
    return document | _signed(groups, top, known)


def _numbered(attribute: str, table: pd.DataFrame, known: list[str] | None) -> tuple[list[str], np.ndarray]:
    """Groups of an attribute or intersection, as `known` has them (None: sorted), and each row's place; -1 unknown."""
    parts = [attribute] if attribute in table.columns else attribute.split(CROSS)
    missing = [part for part in parts if part not in table.columns]
    if missing:
        raise InputError(f"a table has no column {missing[0]!r}; its columns are {', '.join(map(str, table.columns))}")
    columns = []
    for part in parts:
        codes, names = pd.factorize(table[part], sort=True)
        columns.append((list(map(str, names)), codes.astype(np.int64)))
    groups, numbers = crossed(columns)
    if known is None:
        return groups, numbers
    strange = [group for group in groups if group not in known]
    if strange:
        raise InputError(
            f"the ranked table has {attribute} {strange[0]}, but the gallery table only {', '.join(known)}; give the "
            "table of all searched items"
        )
    place = np.array([known.index(group) for group in groups] + [-1])
    return known, place[numbers]


def _signed(groups: list[str], top: np.ndarray, known: int) -> dict[str, Any]:
    """Bias@k and bias count@k of two groups, named; for other numbers of groups the reason why there is none."""
    names = ("bias_at_k", "bias_count_at_k")
    if len(groups) != 2:
        reason = f"it compares two groups, and there are {len(groups)}"
        return {name: Estimate.missing(reason).to_json() for name in names}
    first = next((i for i, group in enumerate(groups) if group.lower() in FIRST_GROUPS), 0)
    said = {"first": groups[first], "second": groups[1 - first]}
    half = np.full(2, 0.5)
    found = {}
    for name in names:
        value = float(RANKING_METRICS.get(name)(first=first, second=1 - first)(top, half))
        lo, hi = (float(2 * end - 1) for end in wilson(int((top == first).sum()), known))
        scale = known / len(top) if name == "bias_count_at_k" else 1.0
        estimate = (
            Estimate(value, lo * scale, hi * scale, known) if known else Estimate.missing("no row with a known group")
        )
        found[name] = {**estimate.to_json(), **said}
    return found


def _relevance(ranked: pd.DataFrame, gallery: pd.DataFrame, k: int, relevant: tuple[str, str] | None) -> dict[str, Any]:
    """precision@k (Wilson) and recall@k, or why there is none."""
    names = ("precision_at_k", "recall_at_k")
    if relevant is None:
        reason = "what is relevant was not said; give a column and its value"
        return {name: Estimate.missing(reason).to_json() for name in names}
    column, value = relevant
    for table in (ranked, gallery):
        if column not in table.columns:
            raise InputError(f"a table has no column {column!r}; its columns are {', '.join(map(str, table.columns))}")
    hits, known = int((ranked[column][:k] == value).sum()), int(ranked[column][:k].notna().sum())
    whole = int((gallery[column] == value).sum())
    if whole == 0:
        raise InputError(f"no row of the gallery table has {column} {value}; give one of its values")
    found = RANKING_METRICS.get("recall_at_k")(n_relevant=whole)
    recall = float(found.from_counts(np.array([hits]), np.ones(1)))
    precision = share_estimate(hits, known)
    estimate = Estimate(
        recall, *(min(end * known / whole, 1.0) for end in (precision.lo or 0.0, precision.hi or 1.0)), n=whole
    )
    return {"precision_at_k": precision.to_json(), "recall_at_k": estimate.to_json()}


def _able(document: Mapping[str, Any], top1_percent: float | None) -> dict[str, Any]:
    """ABLE with the interval that MaxSkew's gives it, or why there is none."""
    skew = document["max_skew"]
    if top1_percent is None:
        return Estimate.missing("it needs the zero-shot accuracy of the same model; give it in per cent").to_json()
    if skew["estimate"] is None:
        return Estimate.missing(skew["reason"]).to_json()
    from core.metrics.able import Able, able

    Able(top1_percent)  # refuses what is no accuracy
    estimate = Estimate(float(able(skew["estimate"], top1_percent)), n=skew["n"])
    if skew["lo"] is not None:
        estimate = replace(estimate, lo=float(able(skew["hi"], top1_percent)), hi=float(able(skew["lo"], top1_percent)))
    return estimate.to_json()

"""Every ranking metric of a list that somebody else's system ranked: labels in, numbers with their uncertainty out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.config import InputError, digest_of
from core.gallery.labels import CROSS, crossed
from core.metrics import RANKING_METRICS, ListFacts, Mode, headline_metrics, target_distribution
from core.metrics.targets import Target
from core.ranking.measures import estimate_of, list_numbers, metric_estimate
from core.ranking.results import SCHEMA
from core.ranking.rows import Part
from core.statistics import Estimate, null_p
from core.tables import numbered
from core.tables.order import require_few_groups

EVEN = np.full(2, 0.5)
Document = dict[str, Any]


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

    Many parameters: the options of `metrics`, for lists without any gallery.
    """
    if not 1 <= k <= len(ranked):
        raise InputError(f"k was {k}; the ranked table has {len(ranked)} rows: choose k from 1 to that")
    shared = [c for c in ranked.columns if c in gallery.columns and c not in ("id", "file", "text", "half")]
    if not (attributes or shared):
        raise InputError("the ranked table and the gallery table share no attribute column; name the columns alike")
    relevance = _relevance(ranked, gallery, k, relevant)
    found = {
        a: _attribute(a, ranked, gallery, k, target, mode, seed, relevance, top1_percent) for a in attributes or shared
    }
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
    attribute: str,
    ranked: pd.DataFrame,
    gallery: pd.DataFrame,
    k: int,
    target: Target,
    mode: Mode,
    seed: int,
    relevance: tuple[np.ndarray | None, int | None],
    top1_percent: float | None,
) -> Document:
    """All numbers of one attribute.

    Many parameters: the options of `metrics`, of one attribute.
    """
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
    document: Document = {
        "n": len(gallery),
        "unknown_in_gallery": part.unknown,
        "group_counts": dict(zip(groups, part.counts, strict=True)),
        "target_shares": dict(zip(groups, q.tolist(), strict=True)),
        **list_numbers(top, part, seed).to_json(),
    }
    for name in headline_metrics():
        if mode != "ours":
            document[name] = metric_estimate(name, top, q, part.counts, seed, mode=mode).to_json()
        elif "null" in document[name]:
            metric, value = RANKING_METRICS.get(name)(), document[name]["estimate"]
            document[name]["p"] = null_p(metric, value, part.counts, known, q.tolist(), seed)
    facts = ListFacts(part.groups, relevance[1], top1_percent)
    return document | _others(facts, part, top, relevance[0], seed, mode)


def _numbered(attribute: str, table: pd.DataFrame, known: list[str] | None) -> tuple[list[str], np.ndarray]:
    """Groups of an attribute or intersection, as `known` has them (None: in natural order), and each row's place.

    -1 is unknown.
    """
    parts = [attribute] if attribute in table.columns else attribute.split(CROSS)
    missing = [part for part in parts if part not in table.columns]
    if missing:
        raise InputError(f"a table has no column {missing[0]!r}; its columns are {', '.join(map(str, table.columns))}")
    groups, numbers = crossed([numbered(table[part]) for part in parts])
    if known is None:
        require_few_groups(attribute, len(groups))
        return groups, numbers
    places = {group: place for place, group in enumerate(known)}
    strange = next((group for group in groups if group not in places), None)
    if strange is not None:
        raise InputError(
            f"the ranked table has {attribute} {strange}, but the gallery table only {', '.join(known)}; give the "
            "table of all searched items"
        )
    return known, np.array([*(places[group] for group in groups), -1])[numbers]


def _relevance(
    ranked: pd.DataFrame, gallery: pd.DataFrame, k: int, relevant: tuple[str, str] | None
) -> tuple[np.ndarray | None, int | None]:
    """0 for each of the top k rows that is relevant, 1 where not, -1 unknown; and how many relevant rows there are."""
    if relevant is None:
        return None, None
    column, value = relevant
    for table in (ranked, gallery):
        if column not in table.columns:
            raise InputError(f"a table has no column {column!r}; its columns are {', '.join(map(str, table.columns))}")
    top, whole = ranked[column][:k], int((gallery[column] == value).sum())
    if whole == 0:
        raise InputError(f"no row of the gallery table has {column} {value}; give one of its values")
    return np.where(top.isna(), -1, np.where(top == value, 0, 1)), whole


def _others(
    facts: ListFacts, part: Part, top: np.ndarray, relevance: np.ndarray | None, seed: int, mode: Mode
) -> Document:
    """The metrics that not every ranking is measured by, or why there is none; settings of their own are told."""
    found: Document = {}
    for name in RANKING_METRICS:
        if name in headline_metrics():
            continue
        metric = RANKING_METRICS.get(name).for_list(facts)
        if isinstance(metric, str):
            found[name] = Estimate.missing(metric).to_json()
            continue
        ranked, target = top, part.target
        if metric.about == "relevance":
            assert relevance is not None, "a metric about relevance gives a reason where none was said"
            ranked, target = relevance, EVEN
        found[name] = estimate_of(metric, ranked, target, part.counts, seed, mode=mode).to_json()
        found[name] |= metric.named(part.groups)
    return found

"""One retrieved list: lean, distance, impact, the most unlike pair, a blind draw, bounds where groups are unknown."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.verify.own.bands import beside_band, null_band
from core.verify.own.chance import biased_ends, blind_points, holm_adjusted, together_p, two_sided
from core.verify.own.inversion import metric_ends
from core.verify.own.metrics import NAMES, of_lists
from core.verify.own.searched import Searched
from core.verify.own.together import by_clusters
from core.verify.own.values import SHOWN, SMALL, Value, aimed, missing, small_note, value

FAMILY_SHARE = 0.02
"""A category with a smaller share of all rows is never the one that others are compared with."""
UNKNOWN_SHARE = 0.05


def list_document(places: np.ndarray, searched: Searched, tests: int, seed: int) -> dict[str, Any]:
    """All blocks of one list.

    Parameters
    ----------
    places : of the retrieved rows among the searched ones (k,), best first.
    tests : findings of the family that the lean's p is one of.
    """
    top = searched.labels[places]
    seen = [int((top == g).sum()) for g in range(len(searched.groups))]
    unknown = int((top < 0).sum())
    lean = lean_document(searched.groups, searched.counts, seen, tests)
    if searched.clusters is not None:
        lean = by_clusters(lean, searched.labels, searched.clusters, places, tests, seed)
    one = lean["lean"]
    metrics = {name: metric_value(name, top, searched, seed) for name in NAMES}
    document = {
        "shares": {group: one[group]["share"] for group in searched.groups},
        "unknown": unknown,
        **lean,
        "distance": {
            group: distance(one[group], asked) for group, asked in zip(searched.groups, searched.target, strict=True)
        },
        **{name: aimed(metric, searched.named_target) for name, metric in metrics.items()},
        "blind_draw": blind_draw(searched, sum(seen), metrics, seed),
        "impact": impact(searched, seen, unknown),
        "worst_pair": worst_pair(one),
    }
    if unknown > UNKNOWN_SHARE * len(top):
        whole = sum(seen) + unknown
        ends = ([x / whole, (x + unknown) / whole] for x in seen)
        document["share_bounds"] = dict(zip(searched.groups, ends, strict=True))
    return document


# ------------------------------------------------------------------------------------------------ lean


def lean_document(names: Sequence[str], sizes: Sequence[int], seen: Sequence[int], tests: int = 1) -> dict[str, Any]:
    """The lean of each group, one p for all, and which group leads."""
    total, k = sum(sizes), sum(seen)
    reason = None
    if k == 0:
        reason = "no retrieved row has a known group"
    elif len(sizes) < 2:
        reason = "the searched rows hold only one group"
    elif k == total:
        reason = "everything was retrieved"
    if reason is not None:
        groups = {name: untested(n, x, total, k, reason) for name, n, x in zip(names, sizes, seen, strict=True)}
        nothing = {"lean_p": None, "lean_p_smallest": 1.0, "leading_group": None, "lean_beyond_chance": None}
        return {"lean": groups, **nothing, "lean_reason": reason}
    p, smallest = together_p(sizes, seen, tests)
    own = [p] * 2 if len(sizes) == 2 else [two_sided(x, n, total, k) for n, x in zip(sizes, seen, strict=True)]
    adjusted = own if len(sizes) == 2 else holm_adjusted(own)
    groups = {
        name: tested(n, x, total, k, *ps) for name, n, x, *ps in zip(names, sizes, seen, own, adjusted, strict=True)
    }
    leading = None
    for name, one in groups.items():
        named = p <= SHOWN and one["searched"] >= SMALL and one["p_adjusted"] <= SHOWN and one["departure"] > 0
        if named and (leading is None or one["departure"] > groups[leading]["departure"]):
            leading = name
    return {
        "lean": groups,
        "lean_p": p,
        "lean_p_smallest": smallest,
        "leading_group": leading,
        "lean_beyond_chance": p <= SHOWN,
    }


def tested(n: int, x: int, total: int, k: int, p: float, p_adjusted: float) -> dict[str, Any]:
    """One group of a list that was tested."""
    base, share = n / total, x / k
    ends = [rows / k for rows in biased_ends(x, n, total, k)]
    lo, hi = min(ends[0], share), max(ends[1], share)
    variance = k * base * (1 - base) * (total - k) / (total - 1)
    return {
        "searched": n,
        "retrieved": x,
        "base_share": base,
        "share": small_note(value(share, lo, hi, k), n),
        "ratio": small_note(value(share / base, lo / base, hi / base, k), n),
        "points": small_note(value(share - base, lo - base, hi - base, k), n),
        "p": p,
        "p_adjusted": p_adjusted,
        "departure": (x - k * base) / math.sqrt(variance) if variance > 0 else 0.0,
    }


def untested(n: int, x: int, total: int, k: int, reason: str) -> dict[str, Any]:
    """One group of a list of which only the shares can be told."""
    share = value(x / k, x / k, x / k, k) if k else missing(reason)
    numbers = {"share": share, "ratio": missing(reason), "points": missing(reason)}
    rest = {"p": None, "p_adjusted": None, "departure": 0.0}
    return {"searched": n, "retrieved": x, "base_share": n / total if total else 0.0, **numbers, **rest}


def worst_pair(lean: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The groups that depart most upwards and most downwards, of those that are large enough."""
    large = [name for name, one in lean.items() if one["searched"] >= SMALL]
    if not large:
        return None
    rising = sorted(large, key=lambda name: lean[name]["departure"])
    # of equal ones the first in the order of the groups
    over = next(name for name in large if lean[name]["departure"] == lean[rising[-1]]["departure"])
    under = rising[0]
    if not lean[over]["departure"] > 0 > lean[under]["departure"]:
        return None
    ratios = [lean[name]["ratio"]["estimate"] for name in (over, under)]
    return {
        "over": over,
        "under": under,
        "departure_over": lean[over]["departure"],
        "departure_under": lean[under]["departure"],
        "ratio": ratios[0] / ratios[1] if ratios[0] is not None and ratios[1] else None,
        "n_over": lean[over]["searched"],
        "n_under": lean[under]["searched"],
    }


# ------------------------------------------------------------------------------------------------ distance, metrics


def distance(lean: dict[str, Any], asked: float) -> dict[str, Any]:
    """How far a group's share is from its target, and the gallery's and the model's part of it."""
    share = lean["share"]
    if share["estimate"] is None:
        return {"target": asked, "difference": missing(share["reason"]), "composition": None, "model": None}
    moved = {key: share[key] - asked for key in ("estimate", "lo", "hi")}
    composition, model = lean["base_share"] - asked, share["estimate"] - lean["base_share"]
    return {"target": asked, "difference": share | moved, "composition": composition, "model": model}


def metric_value(name: str, top: np.ndarray, searched: Searched, seed: int) -> Value:
    """A metric of a list with its interval, and its null band where the searched rows' own shares are asked."""
    known = np.asarray(top)[np.asarray(top) >= 0]
    if not len(known):
        return missing("none of the top k has a known group")
    if len(searched.target) < 2:
        return missing("the searched rows hold only one group")
    estimate = float(of_lists(name, known, searched.target))
    found = value(estimate, *metric_ends(name, known, searched.target, seed), len(known))
    if not searched.asks_own_shares:
        return found
    return beside_band(name, found, null_band(name, searched.counts, len(known), searched.target, seed))


def blind_draw(searched: Searched, k: int, metrics: dict[str, Value], seed: int) -> dict[str, Any] | None:
    """What a blind draw of as many rows of known group shows."""
    if not k or len(searched.groups) < 2:
        return None
    total, shares = sum(searched.counts), {}
    for group, n in zip(searched.groups, searched.counts, strict=True):
        lo, hi = (rows / k for rows in blind_points(n, total, k))
        shares[group] = {"mean": n / total, "lo": lo, "hi": hi}
    bands = {
        name: dict(zip(("lo", "hi", "mean"), null_band(name, searched.counts, k, searched.target, seed), strict=True))
        for name, found in metrics.items()
        if found["estimate"] is not None
    }
    return {"n": k, "shares": shares, "metrics": bands}


# ------------------------------------------------------------------------------------------------ impact


def impact(searched: Searched, seen: Sequence[int], unknown: int) -> dict[str, Any]:
    """Selection rates against that of the category with the highest one, and a row of the unknown."""
    rows = dict(zip(searched.groups, zip(searched.counts, seen, strict=True), strict=True))
    total, best = searched.n, None
    for name, (n, x) in rows.items():
        if n / total >= FAMILY_SHARE and (best is None or x / n > rows[best][1] / rows[best][0]):
            best = name
    if searched.unknown:
        rows["(unknown)" if "unknown" in rows else "unknown"] = (searched.unknown, unknown)
    return {name: _impact(n, x, total, rows[best] if best else None, name == best) for name, (n, x) in rows.items()}


def _impact(n: int, x: int, total: int, best: tuple[int, int] | None, is_best: bool) -> dict[str, Any]:
    ratio: float | None = None
    ends: list[float | None] = [None, None]
    if best is not None and best[1]:
        ratio = 1.0 if is_best else (x / n) / (best[1] / best[0])
        if not is_best:
            both, selected = n + best[0], x + best[1]
            lo, hi = biased_ends(x, n, both, selected)
            most = max(_rates(hi, n, selected, best[0]), ratio)
            # where every selected row may be of this category there is no upper end
            ends = [min(_rates(lo, n, selected, best[0]), ratio), None if math.isinf(most) else most]
    return {
        "n": n,
        "count": x,
        "selection_rate": x / n,
        "impact_ratio": ratio,
        "impact_ratio_interval": ends,
        "scoring_rate": None,
        "scoring_ratio": None,
        "scoring_ratio_interval": [None, None],
        "scoring_reason": "the score of every searched row is not at hand",
        "share_of_data": n / total,
        "under_2_percent": n / total < FAMILY_SHARE,
        "benchmark": is_best,
    }


def _rates(x: float, n: int, selected: int, n_best: int) -> float:
    return (x / n) / ((selected - x) / n_best) if selected > x else math.inf

"""The audit's own inference on bare arrays: for notebooks, and for whoever wants to check coverage from outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import InputError
from core.metrics import RANKING_METRICS
from core.statistics import (
    Impact,
    above_median,
    accuracy_gap,
    auc_estimate,
    effect_of,
    exchange_of,
    impact_of,
    leakage_estimate,
    lean_of,
    metric_change,
)

Arrays = Mapping[str, np.ndarray]
Document = dict[str, Any]
SHARED = ("k", "target", "seed")
"""Arrays that repetitions share."""
MOST_GROUPS = 10_000


@dataclass(frozen=True)
class Inference:
    """One kind of inference: the axes of its arrays without repetitions, and what it computes from one repetition."""

    axes: Mapping[str, int]
    """Array -> number of its axes."""
    compute: Callable[[Arrays], Document]
    optional: tuple[str, ...] = ()
    """Those of the arrays that may be missing."""


def infer(name: str, arrays: Arrays) -> Document:
    """The inference of that name; with a leading axis of repetitions on any array but k, target and seed, the list
    `results` of one document each. Arrays without that axis are shared by all repetitions.

    Raises
    ------
    InputError : unknown name; an array that is missing, strange, of another shape or not of whole numbers where
        these are counts, rows or groups.
    """
    if name not in INFERENCES:
        raise InputError(f"there is no inference {name!r}; known: {', '.join(INFERENCES)}")
    kind = INFERENCES[name]
    given = {}
    for array, axes in kind.axes.items():
        if array in arrays:
            given[array] = _checked(name, array, np.asarray(arrays[array]), axes)
        elif array not in kind.optional:
            raise InputError(f"{name} needs the array {array!r}; arrays given: {', '.join(sorted(arrays)) or 'none'}")
    if strange := [array for array in arrays if array not in given]:
        raise InputError(f"{name} knows no array {strange[0]!r}; it takes {', '.join(kind.axes)}")
    repeated = {a: len(x) for a, x in given.items() if a not in SHARED and x.ndim == kind.axes[a] + 1}
    if not repeated:
        return kind.compute(given)
    if len(set(repeated.values())) > 1:
        told = ", ".join(f"{a} {n}" for a, n in repeated.items())
        raise InputError(f"the arrays of {name} have different numbers of repetitions ({told}); expected the same")
    times = next(iter(repeated.values()))
    return {
        "results": [kind.compute({a: x[i] if a in repeated else x for a, x in given.items()}) for i in range(times)]
    }


def _checked(name: str, array: str, given: np.ndarray, axes: int) -> np.ndarray:
    if given.dtype.kind not in "fiub":
        raise InputError(f"{name}: the array {array!r} has type {given.dtype}; expected numbers")
    if array in SHARED and array != "target":
        if given.size != 1:
            raise InputError(f"{name}: the array {array!r} has shape {given.shape}; expected one number")
        given = given.reshape(())
    elif given.ndim not in ((axes,) if array in SHARED else (axes, axes + 1)) or 0 in given.shape:
        raise InputError(
            f"{name}: the array {array!r} has shape {given.shape}; expected {axes} axes that are not empty, or one "
            "more for repetitions"
        )
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise InputError(f"{name}: the array {array!r} holds NaN or infinity; expected finite numbers")
    return given


def _whole(name: str, arrays: Arrays, array: str, least: int = 0, most: int | None = None) -> np.ndarray:
    """Whole numbers; InputError where they are none or out of range."""
    given = np.asarray(arrays[array])
    whole = given.astype(np.int64)
    top = MOST_GROUPS if most is None and array in ("group", "groups", "y") else most
    if (whole != given).any() or whole.min() < least or (top is not None and whole.max() > top):
        bounds = f"whole numbers of at least {least}" + (f" and at most {top}" if top is not None else "")
        raise InputError(f"{name}: the array {array!r} holds other numbers; expected {bounds}")
    return whole


def _told(estimates: Any) -> list[Document]:
    return [estimate.to_json() for estimate in estimates]


def _lean(arrays: Arrays) -> Document:
    searched, retrieved = (_whole("lean", arrays, a) for a in ("searched", "retrieved"))
    if searched.shape != retrieved.shape or (retrieved > searched).any():
        raise InputError(
            "lean: retrieved does not fit searched; expected the same groups, none with more retrieved rows"
        )
    lean = lean_of(searched.tolist(), retrieved.tolist())
    return {
        "ratio": _told(one.ratio for one in lean.groups),
        "points": _told(one.points for one in lean.groups),
        "share": _told(one.share for one in lean.groups),
        "p": [one.p for one in lean.groups],
        "p_adjusted": [one.p_adjusted for one in lean.groups],
        "lean_p": lean.p,
        "lean_p_smallest": lean.smallest_p,
        "lean_beyond_chance": lean.beyond_chance,
        "leading_group": lean.leading,
    }


def _paired(arrays: Arrays) -> Document:
    groups = _whole("paired", arrays, "groups", -1)
    target, k = np.asarray(arrays["target"], dtype=np.float64), int(_whole("paired", arrays, "k", 1))
    n_groups = len(target)
    if groups.max() >= n_groups or (target <= 0).any() or abs(target.sum() - 1) > 1e-6:
        raise InputError("paired: target is no share for each group of groups; expected (G,) above 0 that sums to 1")
    before, after = (_whole("paired", arrays, name, 0, len(groups) - 1) for name in ("before", "after"))
    if any(len(rows) < k or len(np.unique(rows)) < len(rows) for rows in (before, after)):
        raise InputError(f"paired: a list is shorter than k = {k} or holds a row twice; expected rows, best first")
    searched = np.bincount(groups[groups >= 0], minlength=n_groups).tolist()
    exchange = exchange_of(before[:k], after[:k], groups, n_groups)
    effect = effect_of(lean_of(searched, exchange.before), lean_of(searched, exchange.after), exchange, target.tolist())
    if effect is None:
        reason = "a list holds no row with a known group"
        missing = {"estimate": None, "reason": reason}
        return {"share_difference": [missing] * n_groups, "max_skew_difference": missing, "p": None}
    seed = int(arrays["seed"]) if "seed" in arrays else 0
    return {
        "share_difference": _told(effect.shares),
        "max_skew_difference": metric_change(RANKING_METRICS.get("max_skew")(), exchange, target, seed=seed).to_json(),
        "p": effect.p,
        "p_smallest": effect.smallest_p,
        "p_group": list(effect.p_group),
        "direction": effect.direction,
        "lean_direction": effect.lean_direction,
        "group": effect.group,
        "leading_before": effect.leading_before,
        "leading_after": effect.leading_after,
    }


def _auc(arrays: Arrays) -> Document:
    y = _whole("auc", arrays, "y", 0, 1)
    _same("auc", arrays, "x", "y")
    return auc_estimate(np.asarray(arrays["x"], dtype=np.float64), y == 1).to_json()


def _accuracy_gap(arrays: Arrays) -> Document:
    group = _whole("accuracy-gap", arrays, "group", -1)
    _same("accuracy-gap", arrays, "predicted", "group")
    _same("accuracy-gap", arrays, "true", "group")
    right = (np.asarray(arrays["predicted"]) == np.asarray(arrays["true"])) & (group >= 0)
    n = np.bincount(group[group >= 0])
    good = np.bincount(group[right], minlength=len(n))
    return accuracy_gap(good[n > 0], n[n > 0]).to_json()


def _leakage(arrays: Arrays) -> Document:
    y = _whole("leakage", arrays, "y", -1)
    x = np.asarray(arrays["X"], dtype=np.float64)
    if len(x) != len(y):
        raise InputError(f"leakage: X has {len(x)} rows and y {len(y)}; expected as many")
    seed = int(arrays["seed"]) if "seed" in arrays else 0
    _, numbers = np.unique(y[y >= 0], return_inverse=True)
    return leakage_estimate(x[y >= 0], numbers, seed).to_json()


def _impact(arrays: Arrays) -> Document:
    group = _whole("impact", arrays, "group", -1)
    _same("impact", arrays, "selected", "group")
    selected = _whole("impact", arrays, "selected", 0, 1) == 1
    document = _impact_columns("selection", group, selected)
    if "score" in arrays:
        _same("impact", arrays, "score", "group")
        score = np.asarray(arrays["score"], dtype=np.float64)
        document |= {"median": float(np.median(score)), **_impact_columns("scoring", group, above_median(score))}
    return document


def _impact_columns(kind: str, group: np.ndarray, chosen: np.ndarray) -> Document:
    """The table by columns, categories by number and the unknown one, -1, last."""
    names = np.unique(group[group >= 0])
    n = [int((group == g).sum()) for g in names]
    count = [int(chosen[group == g].sum()) for g in names]
    unknown = group < 0
    rest = (int(unknown.sum()), int(chosen[unknown].sum())) if unknown.any() else None
    table: Impact = impact_of(n, count, rest)
    columns: dict[str, Any] = {
        "category": [*names.tolist(), *([-1] if rest else [])],
        "n": [row.n for row in table.rows],
        "count": [row.count for row in table.rows],
        "rate": [row.rate for row in table.rows],
        "share": [row.share for row in table.rows],
        "under_2_percent": [row.under_2_percent for row in table.rows],
        "impact_ratio": [row.ratio.estimate for row in table.rows],
        "impact_ratio_interval": [[row.ratio.lo, row.ratio.hi] for row in table.rows],
        "benchmark_rate": None if np.isnan(table.benchmark_rate) else table.benchmark_rate,
        "below_four_fifths": [row.below_four_fifths for row in table.rows],
        "z": [row.z for row in table.rows],
        "p": [row.p for row in table.rows],
        "needed_for_four_fifths": [row.needed_for_four_fifths for row in table.rows],
    }
    return {f"{kind}_{name}": value for name, value in columns.items()}


def _same(name: str, arrays: Arrays, array: str, other: str) -> None:
    if np.shape(arrays[array]) != np.shape(arrays[other]):
        shapes = f"{np.shape(arrays[array])} and {np.shape(arrays[other])}"
        raise InputError(f"{name}: {array} and {other} have shapes {shapes}; expected the same")


INFERENCES: dict[str, Inference] = {
    "lean": Inference({"searched": 1, "retrieved": 1}, _lean),
    "paired": Inference(
        {"groups": 1, "before": 1, "after": 1, "k": 0, "target": 1, "seed": 0}, _paired, optional=("seed",)
    ),
    "auc": Inference({"x": 1, "y": 1}, _auc),
    "accuracy-gap": Inference({"predicted": 1, "true": 1, "group": 1}, _accuracy_gap),
    "leakage": Inference({"X": 2, "y": 1, "seed": 0}, _leakage, optional=("seed",)),
    "impact": Inference({"group": 1, "selected": 1, "score": 1}, _impact, optional=("score",)),
}

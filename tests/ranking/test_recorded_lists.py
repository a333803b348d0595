"""Lists and arrays of others, numbers of one list, findings asked again, and what is refused, as recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import ranking
from core.config import InputError
from core.metrics import RANKING_METRICS, ListFacts
from core.ranking import items, scene_arm, scene_change, scene_gaps
from core.ranking.bare_arrays import infer
from core.ranking.changes import list_change
from core.ranking.measures import estimate_of, lean_of_top, list_numbers
from core.ranking.performance import relevant_rows
from core.ranking.ranked_lists import list_metrics
from core.ranking.robustness import _shows_less, lengths_around, robustness
from core.ranking.rows import Part, checked
from core.ranking.scenes import pair_of
from core.ranking.sweep import sweep
from core.ranking.variants import KINDS, PromptRobustness, Variant
from core.statistics import Exchange, effect_of, lean_of
from tests.as_recorded import Recording
from tests.ranking.test_recorded_rankings import BOOK, PLAIN, off, request, scene_of
from tests.tiny import QUERY

RECORDED = Recording(Path(__file__).with_name("recorded_lists.json"))


# -- lists and arrays of others ----------------------------------------------------------------------------------------


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(5)
    gallery = pd.DataFrame({"sex": rng.choice(["f", "m"], 90), "town": rng.choice(["A", "B", "C"], 90)})
    gallery.loc[::9, "sex"] = None
    gallery["job"] = rng.choice(["doctor", "nurse"], 90)
    gallery.loc[::11, "job"] = None
    return gallery.iloc[rng.permutation(90)[:40]].reset_index(drop=True), gallery


def listed(choices: dict[str, Any]) -> Any:
    return list_metrics(*tables(), **({"k": 25, "seed": 1} | choices))


RECORDED.case(
    listed,
    [
        ({},),
        ({"target": "uniform", "attributes": ["sex x town"], "top1_percent": 61.0},),
        ({"mode": "sem", "attributes": ["sex", "town"], "relevant": ("job", "doctor")},),
        ({"mode": "berg", "attributes": ["town"], "k": 7},),
        ({"relevant": ("job", "nurse"), "attributes": ["sex"], "k": 40, "target": {"f": 0.4, "m": 0.6}},),
    ],
)


def inferred(name: str, arrays: dict[str, Any]) -> Any:
    return infer(name, {array: np.array(values) for array, values in arrays.items()})


RNG = np.random.default_rng(2)
GROUP, SELECTED = RNG.integers(-1, 3, 60), RNG.integers(0, 2, 60)
RECORDED.case(
    inferred,
    [
        ("lean", {"searched": [[60, 30, 10], [20, 20, 0]], "retrieved": [[14, 9, 0], [4, 4, 0]]}),
        (
            "paired",
            {
                "groups": RNG.integers(-1, 2, 50),
                "before": RNG.permutation(50)[:20],
                "after": [RNG.permutation(50)[:12], RNG.permutation(50)[:12]],
                "k": 12,
                "target": [0.4, 0.6],
                "seed": [4],
            },
        ),
        ("auc", {"x": RNG.normal(size=(2, 30)), "y": np.arange(30) % 2}),
        ("accuracy-gap", {"predicted": SELECTED, "true": np.roll(SELECTED, 1), "group": GROUP}),
        ("leakage", {"X": RNG.normal(size=(60, 4)), "y": GROUP % 3, "seed": 2}),
        ("impact", {"group": GROUP, "selected": SELECTED, "score": RNG.normal(size=60).round(1)}),
        ("impact", {"group": np.abs(GROUP), "selected": [SELECTED, 0 * SELECTED]}),
    ],
)


# -- numbers of one list, two lists and scenes -------------------------------------------------------------------------


def part(labels: np.ndarray, groups: str, clusters: np.ndarray | None = None, even: bool = False) -> Part:
    counts = tuple(np.bincount(labels[labels >= 0], minlength=len(groups)).tolist())
    target = np.full(len(groups), 1 / len(groups)) if even else np.array(counts) / max(sum(counts), 1)
    return Part(np.arange(len(labels)), "digest", tuple(groups), labels, counts, target, clusters=clusters)


def numbered(seed: int, groups: str, unknown: float, k: int, even: bool, together: int) -> Any:
    """Both lists of a draw, and what changed between them."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(160) < unknown, -1, rng.integers(0, len(groups), 160) // (1 + rng.integers(0, 2, 160)))
    whole = part(labels, groups, np.arange(160) // together if together else None, even)
    lists = [rng.permutation(160) for _ in range(2)]
    scored = np.array([*(np.array(whole.counts) // 2).tolist(), whole.unknown // 3])
    first, second = (
        list_numbers(labels[one[:k]], whole, 4, 60, 3, scored, one[:k] if together else None) for one in lists
    )
    changes = [list_change(first, second, tuple(lists), whole, k, 5, 60, 2, same) for same in (False, True)]
    return [first.to_json(), [change.to_json() for change in changes], lean_of_top(whole, lists[0][:k], 2, 1).p]


RECORDED.case(
    numbered,
    [
        (0, "ab", 0.1, 30, False, 0),
        (1, "abc", 0.0, 12, True, 0),
        (2, "abcd", 0.4, 160, False, 0),
        (3, "ab", 0.2, 40, True, 3),
        (4, "abc", 0.1, 50, False, 4),
        (5, "ab", 0.98, 1, False, 0),
        (6, "a", 0.3, 9, False, 0),
    ],
)


def estimated(mode: str) -> Any:
    found: list[Any] = []
    for ranked in ([0, 1, 0, 0, -1, 1], [1, 1, 1], [-1, -1], [0, 0, 1, 2]):
        counts = (30, 20, 10)[: 3 if 2 in ranked else 2]
        target = np.array(counts) / sum(counts)
        for name in RANKING_METRICS:
            metric = RANKING_METRICS.get(name).for_list(ListFacts(("a", "b", "c")[: len(counts)], 7, 55.0))
            if isinstance(metric, str):
                found.append(metric)
            else:
                found.append(estimate_of(metric, np.array(ranked), target, counts, 1, 40, mode).to_json())  # type: ignore[arg-type]
    return found


RECORDED.case(estimated, [("ours",), ("sem",), ("berg",)])


def gaps(seed: int, n_groups: int, scenes: int) -> Any:
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(-1, n_groups, 60), rng.integers(0, scenes, 60)
    pair = pair_of(labels, clusters, n_groups)
    if pair is None:
        return None
    first, second = (scene_gaps(rng.normal(size=60).round(1), labels, clusters, pair) for _ in range(2))
    arms = scene_arm(first, 3), scene_change(first, second, 3)
    return [pair, first.scenes, first.scores, first.ranks, first.ahead, first.nbytes, [arm.to_json() for arm in arms]]


RECORDED.case(gaps, [(0, 2, 20), (1, 3, 15), (2, 4, 12), (3, 1, 9)])


# -- a finding asked again ---------------------------------------------------------------------------------------------


def variant(kind: Any, name: str, found: tuple[int, ...], after: tuple[int, ...] | None = None) -> Variant:
    searched, k = (60, 50, 40)[: len(found)], sum(found)
    before = lean_of(searched, found)
    if after is None:
        return Variant(kind, name, k, before)
    stays = tuple(map(min, found, after))
    moved = Exchange(*(tuple(x - s for x, s in zip(one, stays, strict=True)) for one in (found, after)), stays)
    later = lean_of(searched, after)
    return Variant(kind, name, k, before, later, effect_of(before, later, moved, [1 / len(found)] * len(found)))


def asked_again(original: Variant, others: list[Variant], plain: Variant | None) -> Any:
    found = PromptRobustness(
        "a pilot", ("a", "b", "c")[: len(original.lean.groups)], original, tuple(others), plain, ("x",)
    )
    each = [
        [
            [v.verdict, found.reference(v).name, *(v.direction(g) for g in range(len(v.lean.groups)))],
            [found.holds(v), found.flips(v), found.change_holds(v), found.change_flips(v)],
        ]
        for v in others
    ]
    told = [[len(found.of_kind(kind)) for kind in KINDS], found.disagree, found.ratio_range, found.counted()]
    return [found.to_json(), each, told, _shows_less(found, others[0]) if others else None]


TOWARDS, AWAY, EVEN = (30, 6), (6, 30), (18, 15)
RECORDED.case(
    asked_again,
    [
        (variant("original", "a pilot", TOWARDS), [], None),
        (
            variant("original", "a pilot", TOWARDS),
            [variant("paraphrase", "one", TOWARDS), variant("paraphrase", "two", AWAY), variant("k", "k = 9", (5, 4))],
            None,
        ),
        (
            variant("original", "a pilot", TOWARDS, EVEN),
            [
                variant("paraphrase", "one", TOWARDS, AWAY),
                variant("k", "k = 9", (5, 4), (4, 5)),
                variant("k", "k = 8", EVEN, TOWARDS),
                variant("picture", "grey", AWAY, TOWARDS),
                variant("picture", "flipped", EVEN, EVEN),
                variant("picture", "small", EVEN, EVEN),
                variant("picture", "dark", EVEN, EVEN),
            ],
            variant("original", "as it is", EVEN, AWAY),
        ),
        (variant("original", "a pilot", EVEN), [variant("k", "k = 9", (5, 4))], variant("original", "as it is", AWAY)),
        (variant("original", "a pilot", (20, 4, 9)), [variant("paraphrase", "one", (4, 20, 9), (9, 9, 15))], None),
    ],
)


# -- galleries that are not copied -------------------------------------------------------------------------------------


def large(attach: str, choices: dict[str, Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "INDEX_BYTES", 0)
        found = ranking.rank(scene_of(attach=attach), request(**choices))
    assert found.after is not None and found.difference is not None
    change = found.difference
    told = [change.rows_changed, change.cosine.to_json(), change.query_cosine, change.entered, change.left]
    return [found.before.rows, found.after.rows, found.after.scores, told, found.notes]


RECORDED.case(
    large,
    [
        ("pooled", {"edits": off()}),
        ("residual", {"edits": off(form="blend"), "half": "evaluation"}),
        ("pooled", {"method": "mean-difference", "where": {"size": "big"}}),
        ("pooled", {"method": "sp-topk"}),
    ],
)


# -- refusals, and what is just not refused ----------------------------------------------------------------------------

SEARCHED = {"searched": np.array([6, 3]), "retrieved": np.array([2, 1])}
LISTS = {"groups": np.array([0, 1, 1, 0, -1]), "before": np.arange(3), "after": np.arange(2, 5), "k": np.array(3)}
IMPACT = {"group": np.array([0, 1, -1, 1]), "selected": np.array([0, 1, 1, 0])}
REFUSED: list[Callable[[], Any]] = [
    *(
        lambda n=n, name=name: request(**{name: n})
        for name in ("k", "seed", "null_draws")
        for n in (-1, 0, 1, 1.5, 2.0)
    ),
    *(lambda v=v: request(query=None, query_embedding=v) for v in ((), (0.0,), (np.nan,), (1.0, np.inf))),
    *(lambda q=q: request(query=q) for q in ("", " ", "a", None)),
    *(lambda t=t: request(target=t) for t in ({"a": np.nan}, {"a": 0.0}, {})),
    *(lambda k=k: ranking.rank(scene_of(), request(k=k)) for k in (400, 401)),
    *(lambda k=k: checked(scene_of(), request(k=k)) for k in (400, 401)),
    *(lambda k=k: checked(scene_of(), request(k=k), ranked=False) for k in (400, 401)),
    *(lambda j=j: checked(scene_of(), request(edits=off(j))) for j in (47, 48)),
    *(lambda k=k: list_metrics(*tables(), k=k) for k in (0, 1, 40, 41)),
    *(lambda a=a: list_metrics(*tables(), k=2, attributes=[a]) for a in ("age", "sex x age", "town x sex")),
    *(lambda r=r: list_metrics(*tables(), k=2, relevant=r) for r in (("age", "1"), ("job", "baker"))),
    *(
        lambda o=o, v=v: sweep(scene_of(), request(edits=off()), o, v)
        for o in ("k", "alpha")
        for v in ([], [0], [1], [1.5])
    ),
    *(lambda v=v: sweep(scene_of(), request(edits=off()), "k", [v]) for v in (400, 401)),
    lambda: sweep(scene_of(), request(), "k", [3]),
    lambda: sweep(scene_of(), request(edits=off()), "k", [3], "ndkl"),
    lambda: sweep(scene_of(), request(edits=off(), method="reconstruction-only"), "k", [3]),
    lambda: ranking.controls(scene_of(), request()),
    lambda: ranking.utility_cost(scene_of(), request()),
    *(lambda k=k: robustness(scene_of(), request(k=k, prompts=BOOK), [QUERY]).notes for k in (400, 401)),
    *(lambda k=k, n=n: lengths_around(k, n) for k in (1, 2, 20) for n in (40, 41, 80, 81)),
    *(
        lambda a=a: relevant_rows(PLAIN, a)
        for a in ({}, {"age": "1"}, {"size": "bgi"}, {"size": "none"}, {"text": "a"})
    ),  # type: ignore[arg-type]
    *(
        lambda a=a: infer("lean", SEARCHED | a)
        for a in ({}, {"retrieved": np.array([6, 3])}, {"retrieved": np.array([7, 3])})
    ),
    lambda: infer("lean", SEARCHED | {"retrieved": np.array([[2, 1], [1, 1]]), "searched": np.array([[6, 3]])}),
    lambda: infer("lean", SEARCHED | {"retrieved": np.array([[[2, 1]]])}),
    lambda: infer("lean", SEARCHED | {"retrieved": np.array([2.5, 1])}),
    lambda: infer("lean", SEARCHED | {"retrieved": np.array([-1, 1])}),
    lambda: infer("lean", SEARCHED | {"retrieved": np.array(["a", "b"])}),
    lambda: infer("lean", SEARCHED | {"other": np.array([1])}),
    *(
        lambda t=t: infer("paired", LISTS | {"target": np.array(t)})
        for t in ([0.5, 0.5], [1.0, 0.0], [0.5, 0.6], [1.0])
    ),
    *(
        lambda k=k: infer("paired", LISTS | {"target": np.array([0.5, 0.5]), "k": np.array(k)})
        for k in (0, 1, 4, [1, 2])
    ),
    *(
        lambda b=b: infer("paired", LISTS | {"target": np.array([0.5, 0.5]), "before": np.array(b)})
        for b in ([0, 1, 5], [0, 1, 1])
    ),
    *(
        lambda y=y: infer("auc", {"x": np.array([1.0, 2, 3]), "y": np.array(y)})
        for y in ([0, 1, 1], [0, 1], [0, 1, 2], [1, 1, 1])
    ),
    lambda: infer("auc", {"x": np.array([1.0, np.nan]), "y": np.array([0, 1])}),
    lambda: infer("impact", IMPACT | {"score": np.array([1.0, 2, 3])}),
    *(
        lambda g=g: infer("impact", IMPACT | {"group": np.array(g)})
        for g in ([0, 10_000, 0, 0], [0, 10_001, 0, 0], [-2, 0, 0, 0])
    ),
    lambda: infer("leakage", {"X": np.ones((4, 2)), "y": np.array([0, 1, 1])}),
    lambda: infer("nothing", {}),
]


def answered(call: Callable[[], Any]) -> Any:
    try:
        found = call()
    except InputError as error:
        return f"refused: {error}"
    return found if isinstance(found, str | tuple | list) else "answered"


def refusals() -> Any:
    return [answered(call) for call in REFUSED]


RECORDED.case(refusals)


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()

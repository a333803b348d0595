"""Every metric of many short lists, what it follows from, targets and what is refused, as recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import InputError
from core.metrics import MODES, RANKING_METRICS, ListFacts, ShareOf, formula_of, meaning_of, target_distribution
from core.metrics.base import count_groups, shares, skews, top_rows
from tests.as_recorded import Recording

RECORDED = Recording(Path(__file__).with_name("recorded.json"))
LISTS = [
    [0],
    [-1],
    [1, 0],
    [0, 0, 0, 0],
    [1, 1, 1, -1],
    [0, 1, 1, -1, 0, 0, 1],
    [-1, -1, 0, 1, 0, 1, 1, 1],
    [2, 0, 2, 1, 1, 0, 2, -1, 0, 2],
    [0, 5, 1, 0],
]
TARGETS = [[0.5, 0.5], [0.2, 0.8], [0.5, 0.3, 0.2], [1.0, 0.0], [0.4, 0.6, 0.0]]
FACTS = [
    ListFacts(("Women", "Men"), 3, 61.0),
    ListFacts(("a", "b", "c"), 1),
    ListFacts(("m", "w")),
    ListFacts(("b", "man")),
]


def made(name: str) -> list[Any]:
    """The metric as it is made for lists of these facts."""
    return [RANKING_METRICS.get(name).for_list(facts) for facts in FACTS]


def of_class(name: str) -> Any:
    kind = RANKING_METRICS.get(name)
    facts = [kind.title, formula_of(kind), meaning_of(kind), kind.headline, kind.place, kind.range, kind.zero_means]
    facts += [kind.better, kind.ordered, kind.bias_direction, kind.extreme, kind.about]
    return [facts, [one if isinstance(one, str) else [repr(one), one.named(("x", "y"))] for one in made(name)]]


RECORDED.case(of_class, [(name,) for name in RANKING_METRICS])


def measured(name: str, mode: Any) -> Any:
    found: list[Any] = []
    for metric in made(name)[:2]:
        if isinstance(metric, str):
            continue
        for ranked in LISTS:
            for target in TARGETS[: 5 if 2 in ranked else 2] + TARGETS[3:4]:
                with np.errstate(all="ignore"):
                    found.append([metric(np.array(ranked), np.array(target), mode, k) for k in (None, len(ranked) + 2)])
    return found


RECORDED.case(measured, [(name, mode) for name in RANKING_METRICS for mode in MODES])


def many(name: str, n_groups: int, k: int) -> Any:
    """Lists along two axes, of known rows alone and not, and the same as counts."""
    metric = made(name)[0]
    if isinstance(metric, str):
        return metric
    rng = np.random.default_rng(n_groups)
    ranked, target = rng.integers(0, n_groups, (2, 3, k)), np.arange(1, n_groups + 1) / sum(range(1, n_groups + 1))
    found = [
        metric(ranked, target),
        metric(np.where(ranked == 1, -1, ranked), target),
        metric(ranked[:0], target).shape,
    ]
    try:
        return [*found, metric.from_counts(count_groups(ranked, n_groups), target)]
    except NotImplementedError as error:
        return [*found, str(error)]


RECORDED.case(many, [(name, g, k) for name in RANKING_METRICS for g, k in ((2, 9), (3, 30), (12, 40), (2, 1))])


def follows(name: str) -> Any:
    found: list[Any] = []
    for metric in made(name):
        for ranked in LISTS:
            simpler = None if isinstance(metric, str) else metric.follows_from(np.array(ranked))
            if isinstance(simpler, ShareOf):
                found.append([simpler.successes, simpler.of, simpler.n, [simpler.value(x) for x in (0.0, 0.3, 1.0)]])
            elif simpler is not None:
                found.append([repr(simpler.metric), [simpler.value(x) for x in (-0.5, 0.0, 1.0)]])
    return found


RECORDED.case(follows, [(name,) for name in RANKING_METRICS])


def counted(ranked: list[int], n_groups: int) -> Any:
    counts = count_groups(np.array(ranked), n_groups)
    target = np.full(n_groups, 1 / max(n_groups, 1))
    each = [skews(counts, target, mode, k) for mode in MODES for k in (None, len(ranked), 9)] if n_groups else []
    return [counts, counts.shape, [one.tolist() for one in shares(counts)], each]


RECORDED.case(counted, [(ranked, g) for ranked in LISTS for g in (0, 1, 2, 3)])


def first(scores: list[float], k: int) -> Any:
    return [top_rows(np.array(scores), k, ties) for ties in (False, True)]


RECORDED.case(first, [([0.1, 0.3, 0.3, 0.2, 0.3], k) for k in (1, 2, 3, 4, 5, 6)])

REFUSED: list[Callable[[], Any]] = [
    *(lambda t=t: target_distribution(t, ["a", "b"], [3, 1]) for t in ("uniform", "gallery", "even")),
    *(lambda g=g, n=n: target_distribution("uniform", g, n) for g, n in (([], []), (["a"], [0]), (["a"], [1]))),
    *(
        lambda t=t: target_distribution(t, ["a", "b"], [3, 1])
        for t in (
            {"a": 0.4, "b": 0.6},
            {"b": 0.6, "a": 0.4},
            {"a": 0.4},
            {"a": 0.4, "b": 0.6, "c": 0.0},
            {"a": 0.4, "b": 0.6, "c": 0.1},
            {"a": 1.0, "b": 0.0},
            {"a": 1.2, "b": -0.2},
            {"a": np.nan, "b": 0.2},
            {"a": 0.2, "b": np.inf},
            {"a": 0.4, "b": 0.6 + 2e-6},
            {"a": 0.4, "b": 0.6 + 5e-7},
            {"a": 0.4, "b": 0.6 - 5e-7},
            {"a": "x", "b": 0.6},
            {"a": None, "b": 0.6},
            {"a": "0.4", "b": 0.6},
        )
    ),
    *(lambda n=n: RANKING_METRICS.get("recall_at_k")(n) for n in (0, 1, 5)),
    *(lambda x=x: RANKING_METRICS.get("able")(x) for x in (-1.0, 0.0, 1e-3, 100.0, 100.1)),
    *(lambda m=m: RANKING_METRICS.get("kl")()(np.array([0]), np.array([1.0]), m) for m in ("ours", "theirs")),
    *(lambda m=m: RANKING_METRICS.get("ndkl")()(np.array([0]), np.array([1.0]), m) for m in ("ours", "theirs")),
]


def refusals() -> Any:
    found = []
    for call in REFUSED:
        try:
            answer = call()
            found.append(answer if isinstance(answer, np.ndarray) else repr(answer))
        except InputError as error:
            found.append(f"refused: {error}")
    return found


RECORDED.case(refusals)


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()

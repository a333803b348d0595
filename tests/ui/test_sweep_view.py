"""The sweep of Compare: its curve is the page's own numbers, wherever the slider stands."""

import csv
import io
from collections.abc import Iterator

import pytest

from core.config import Edit
from core.ui import cache, results, sweep_view
from core.ui.state import KEY, AppState
from tests.ui.test_compare_view import busiest, chosen, page, said
from tests.ui.world import SmallModel, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cache, "backbone", lambda *args, **kwargs: SmallModel())
    yield
    cache._results().clear()


def switched(world: dict[str, str], strength: float = 1.0) -> AppState:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),), strength)}
    state.set_filter("compare-view", "sweep")
    return state


@pytest.mark.parametrize("over", sweep_view.OVERS)
def test_the_page_shows_it(world: dict[str, str], over: str) -> None:
    state = switched(world, 0.5)
    state.set_filter("sweep-over", over)
    shown = page("compare", state)
    assert not shown.exception and not shown.warning, [w.value for w in shown.warning]
    assert ("Two exact rankings cut at" if over == "k" else "101 exact rankings") in said(shown)


def test_without_an_edit_it_says_what_to_do(world: dict[str, str]) -> None:
    state = chosen(world)
    state.set_filter("compare-view", "sweep")
    assert sweep_view.NOTHING in [info.value for info in page("compare", state).info]


def test_the_curve_goes_through_the_page_s_own_numbers(world: dict[str, str]) -> None:
    question = results.asked(switched(world, 0.25), "gender")
    shown = page("compare", switched(world, 0.25))
    assert shown.session_state[KEY].edits["image"].strength == 0.25
    request, bench = question.request, results.bench(question)
    found = sweep_view.sweep(question.gallery, request, "strength", [0.25, 1.0], question.model, question.saes, bench)
    own = results.ranking(question)
    assert found.points[0].after == own.after.metrics["max_skew"]
    assert found.points[0].before == own.before.metrics["max_skew"]
    lines = list(csv.DictReader(io.StringIO(sweep_view.tidy(found))))
    assert [(line["value"], line["arm"]) for line in lines] == [
        *[("0.25", "before"), ("0.25", "after")],
        *[("1.0", "before"), ("1.0", "after")],
    ]
    assert float(lines[1]["estimate"]) == own.after.metrics["max_skew"].estimate
    drawn = {trace.name: trace for trace in sweep_view.figure(found, 0.25).data}
    assert drawn["after"].y[0] == own.after.metrics["max_skew"].estimate
    assert {"before", "after", "after, 95 % interval", "no bias (95 %)"} == set(drawn) - {None}

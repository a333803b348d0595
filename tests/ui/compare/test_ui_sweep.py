"""The sweep of Compare: its curve is the page's own numbers, wherever the slider stands."""

import csv
import io
from dataclasses import replace

import pytest

from core.config import Edit
from core.statistics import lean_of
from core.ui.compare import sweep
from core.ui.session import results
from core.ui.session.state import KEY, AppState
from tests.ui.compare.test_ui_compare import busiest, chosen, page, said

pytestmark = pytest.mark.usefixtures("small_model")


def switched(world: dict[str, str], strength: float = 1.0) -> AppState:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),), strength)}
    state.set_filter("compare-view", "sweep")
    return state


@pytest.mark.parametrize("over", sweep.OVERS)
def test_the_page_shows_it(world: dict[str, str], over: str) -> None:
    state = switched(world, 0.5)
    state.set_filter("sweep-over", over)
    shown = page("compare", state)
    assert not shown.exception and not shown.warning, [w.value for w in shown.warning]
    assert ("Two exact rankings cut at" if over == "k" else "101 exact rankings") in said(shown)


def test_without_an_edit_it_says_what_to_do(world: dict[str, str]) -> None:
    state = chosen(world)
    state.set_filter("compare-view", "sweep")
    assert sweep.NOTHING in [info.value for info in page("compare", state).info]


def test_the_curve_goes_through_the_page_s_own_numbers(world: dict[str, str]) -> None:
    question = results.asked(switched(world, 0.25), "gender")
    shown = page("compare", switched(world, 0.25))
    assert shown.session_state[KEY].edits["image"].strength == 0.25
    found = sweep.sweep(question.scene, question.request, "strength", [0.25, 1.0])
    own = results.ranking(question)
    assert found.points[0].after == own.after.metrics["max_skew"]
    assert found.points[0].before == own.before.metrics["max_skew"]
    lines = list(csv.DictReader(io.StringIO(sweep.tidy(found))))
    skews = [line for line in lines if line["metric"] == "max_skew"]
    assert [(line["value"], line["arm"]) for line in skews] == [
        *[("0.25", "before"), ("0.25", "after")],
        *[("1.0", "before"), ("1.0", "after")],
    ]
    assert float(skews[1]["estimate"]) == own.after.metrics["max_skew"].estimate
    drawn = {trace.name: trace for trace in sweep.figure(found, 0.25).data}
    assert drawn["after"].y[0] == own.after.metrics["max_skew"].estimate
    assert {"before", "after", "after, 95 % interval", "a blind draw (95 %)"} == set(drawn) - {None}
    group = own.part.groups[sweep.followed(found)]
    told = [line for line in lines if (line["metric"], line["group"], line["arm"]) == ("share", group, "after")]
    assert float(told[0]["estimate"]) == own.after.shares[group].estimate
    drawn = {trace.name: trace for trace in sweep.share_figure(found, 0.25).data}
    assert drawn["after"].y[0] == own.after.shares[group].estimate
    assert drawn["before"].y[0] == own.before.shares[group].estimate
    symbol = "circle" if own.after.numbers.lean.beyond_chance else "circle-open"
    assert drawn["after"].marker.symbol[0] == symbol
    assert "searched share = target" in drawn


@pytest.mark.parametrize("metric", sweep.followable())
def test_the_metric_stays_selectable(world: dict[str, str], metric: str) -> None:
    state = switched(world)
    state.set_filter("sweep-shown", metric)
    shown = page("compare", state)
    assert not shown.exception and not shown.warning
    assert sweep.sweep_of(results.asked(state, "gender"), "strength", metric).metric == metric


def test_verdicts_are_told_in_stretches(world: dict[str, str]) -> None:
    found = sweep.sweep_of(results.asked(switched(world), "gender"), "strength")
    few, many = lean_of((50, 50), (11, 9)), lean_of((50, 50), (20, 0))
    points = [replace(point, lean_after=many if i < 30 else few) for i, point in enumerate(found.points)]
    told = sweep.verdicts_said(replace(found, points=tuple(points)))
    first = found.points[0].groups[0]
    assert told == f"Strength 0 to 0.29: leans towards {first} beyond chance; 0.3 to 1: no lean beyond chance."
    wild = [replace(point, lean_after=many if i % 2 else few) for i, point in enumerate(found.points)]
    assert "the verdict changes several times" in sweep.verdicts_said(replace(found, points=tuple(wild)))

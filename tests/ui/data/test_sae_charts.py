"""Figures about SAEs put their numbers where they are, and say them in words."""

from dataclasses import dataclass

import numpy as np
import pytest

from core.neurons.sae_quality import rate_histogram
from core.statistics import Estimate
from core.ui.data import sae_charts
from tests.ui.parts.test_charts import words


@dataclass
class Point:
    step: int
    loss: float
    fvu: float
    l0: float
    dead: float


def test_curves_run_over_the_steps_and_their_last_values_are_said() -> None:
    points = [Point(0, 2.0, 0.9, 20.0, 0.0), Point(50, 0.5, 0.25, 8.0, 0.125)]
    figure = sae_charts.training_curves(points, 100)
    assert [list(trace.y) for trace in figure.data] == [[2.0, 0.5], [0.9, 0.25], [20.0, 8.0], [0.0, 0.125]]
    assert all(list(trace.x) == [0, 50] for trace in figure.data) and figure.layout.xaxis.range == (0, 100)
    for text in ("loss 0.5", "missed 0.250", "neurons 8.0", "dead neurons 12%"):
        assert text in words(figure)
    assert len(sae_charts.training_curves([], 100).data) == 4


def test_rates_stand_on_a_log_scale_and_silent_neurons_are_said() -> None:
    edges, counts = rate_histogram(np.array([0, 0, 0.01, 0.5, 0.5]), 1000)
    figure = sae_charts.firing_rates(edges.tolist(), counts.tolist(), 2)
    (bars,) = figure.data
    for x, width, low, high in zip(bars.x, bars.width, edges, edges[1:], strict=False):
        assert low < x < high and width < high - low
    assert figure.layout.xaxis.type == "log" and "3 neurons fire, 2 never do" in words(figure)


def test_gaps_have_their_intervals_and_numbers() -> None:
    before, after = Estimate(0.1, 0.08, 0.12, 50), Estimate(0.02, -0.01, 0.05, 50)
    figure = sae_charts.similarity_gaps({"gender": (before, after)})
    for trace, e in zip(figure.data, (before, after), strict=True):
        assert trace.x == (e.estimate,) and trace.x[0] + trace.error_x.array[0] == pytest.approx(e.hi)
    assert "0.10" in words(figure) and "0.02" in words(figure)


def test_scores_have_the_line_of_random_pairs_and_the_trade_off_its_names() -> None:
    figure = sae_charts.scores([0.4, 0.5], 0.31, "random pairs", "score")
    assert figure.layout.shapes[0].x0 == 0.31 and "random pairs 0.31" in words(figure)
    figure = sae_charts.trade_off({"a": (8.0, 0.1), "b": (20.0, 0.05)})
    assert (list(figure.data[0].x), list(figure.data[0].y)) == ([8.0, 20.0], [0.1, 0.05])
    assert list(figure.data[0].text) == ["a", "b"]

"""Robustness and performance on the page: the figure's lanes, a ratio of 0 at the edge, and words of the tables."""

import math

import numpy as np
import plotly.graph_objects as go
import pytest

from core.figures import Picture, Series, draw_svg, lane, log_edge, log_ticks
from core.ranking.performance import performance_of
from core.ui.compare import performance
from core.ui.parts import charts

ROWS = Picture(
    "Robustness",
    "rows",
    "",
    "ratio",
    (
        Series("as asked", ["pilot", "nurse"], [1.5, 0.8], [1.2, 0.5], [1.7, 1.1], ["pilot", "nurse"]),
        Series("paraphrases", ["pilot", "pilot", "nurse"], [1.4, 0.0, None], names=["a", "b", "c"]),
        Series("pictures", [], []),
    ),
    marks={"as often as chance would": 1.0},
    alt="what it shows",
)


def test_every_series_has_its_lane_and_nobody_stands_at_the_left_edge() -> None:
    figure = charts.picture(ROWS)
    first, second, third = (trace for trace in figure.data if isinstance(trace, go.Scatter))
    assert list(first.y) == [lane(0, 3), 1 + lane(0, 3)] and list(second.x) == [1.4, log_edge(ROWS), None]
    assert first.marker.symbol == "circle" and second.marker.symbol.endswith("open")
    np.testing.assert_allclose(first.x - np.array(first.error_x.arrayminus), [1.2, log_edge(ROWS)])
    np.testing.assert_allclose(first.x + np.array(first.error_x.array), [1.7, 1.1])
    assert second.text[1] == "b: 0.00 times" and second.text[2] == "c: no ratio"
    assert third.showlegend is False and first.showlegend is True
    assert list(figure.layout.yaxis.ticktext) == ["pilot", "nurse"] and figure.layout.title.text == "Robustness"
    low, high = figure.layout.xaxis.range
    assert low <= math.log10(log_edge(ROWS)) and high > math.log10(1.7)
    assert [shape for shape in figure.layout.shapes if shape.type == "line" and shape.x0 == 1.0]
    assert 1 in log_ticks(ROWS)


def test_the_figure_on_paper_repeats_and_says_what_it_shows(tmp_path) -> None:
    draw_svg(ROWS, tmp_path / "a.svg")
    draw_svg(ROWS, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert "what it shows" in text and "as often as chance would" in text and "pictures" not in text


@pytest.mark.parametrize("edited", [False, True])
def test_rows_of_performance(edited: bool) -> None:
    labels, relevant = np.repeat([0, 1], 60), np.ones(120, dtype=int)
    tops = [np.r_[0:30, 60:90]] + ([np.r_[0:15, 60:105]] if edited else [])
    shown = performance_of(tops, labels, relevant, ("Female", "Male"))
    everybody, women, men = performance.rows(shown, "recall")
    assert women["Before"].startswith("50 % (") and women["Before"].endswith("of 60")
    assert everybody["Relevant in the gallery"] == "120" and men[""] == "Male"
    assert ("After" in women) == edited
    if edited:
        assert women["Change, points"].startswith("−25 ") and "p < 0.0001" in women["Change, points"]
        before, after = performance.gap_lines(shown, "recall")
        assert before.startswith("Gap before: none (0 to ") and "Male over Female 50 %" in after

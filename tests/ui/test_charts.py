"""Figures say the numbers they were given: bars, intervals and targets are where their numbers are, in words beside."""

import plotly.graph_objects as go
import pytest
from plotly.colors import hex_to_rgb

from core.statistics import Band, Estimate, share_estimate
from core.ui import charts, figure_parts, neuron_charts

SHARES = {"before": {"Female": share_estimate(8, 100), "Male": share_estimate(92, 100)}}
SHARES["after"] = {"Female": share_estimate(45, 100), "Male": share_estimate(55, 100)}
TARGET = {"Female": 0.5, "Male": 0.5}


def words(figure: go.Figure) -> str:
    return " | ".join(annotation.text for annotation in figure.layout.annotations)


def test_a_bar_ends_at_its_share_and_its_interval_at_the_limits() -> None:
    figure = charts.demographics(SHARES, TARGET, "even shares")
    for trace, (name, shares) in zip(figure.data, SHARES.items(), strict=False):
        assert trace.name == name
        for i, group in enumerate(trace.y):
            e = shares[group]
            assert trace.x[i] == e.estimate
            assert trace.x[i] + trace.error_x.array[i] == pytest.approx(e.hi)
            assert trace.x[i] - trace.error_x.arrayminus[i] == pytest.approx(e.lo)


def test_every_number_stands_beside_its_bar_with_n() -> None:
    text = words(charts.demographics(SHARES, TARGET, "even shares"))
    for shares in SHARES.values():
        for e in shares.values():
            assert f"{100 * e.estimate:.0f} %" in text
    assert text.count("of 100") == 4


def test_the_target_is_drawn_for_every_group_and_named() -> None:
    figure = charts.demographics(SHARES, {"Female": 0.3, "Male": 0.7}, "gallery shares")
    line = figure.data[-1]
    assert dict(zip(line.y, line.x, strict=True)) == {"Female": 0.3, "Male": 0.7}
    assert "gallery shares" in line.name


def test_a_click_tells_the_group() -> None:
    figure = charts.demographics(SHARES, TARGET, "even shares")
    for trace in figure.data:
        assert [row[0] for row in trace.customdata] == list(trace.y)


def test_a_group_that_cannot_be_counted_has_its_reason_and_no_bar() -> None:
    shares = {"before": {"Female": Estimate.missing("no row with a known group"), "Male": share_estimate(3, 3)}}
    figure = charts.demographics(shares, TARGET, "even shares")
    assert list(figure.data[0].y) == ["Male"]
    assert "no row with a known group" in words(figure)


def test_before_after_and_target_differ_in_lightness_too() -> None:
    """For every colour vision and in grey print: no mark is red or green, and lightness alone tells some apart."""

    def luminance(colour: str) -> float:
        r, g, b = hex_to_rgb(colour)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    colours = (figure_parts.BEFORE, figure_parts.AFTER, figure_parts.TARGET)
    for colour in colours:
        r, g, b = hex_to_rgb(colour)
        assert not (r > 1.8 * g and r > 1.8 * b) and not (g > 1.3 * r and g > 1.3 * b)
    blue, orange = hex_to_rgb(figure_parts.AFTER), hex_to_rgb(figure_parts.TARGET)
    assert abs(blue[2] - orange[2]) > 120
    assert max(map(luminance, colours)) - min(map(luminance, colours)) > 20


def test_controls_show_every_draw_the_null_band_and_every_value() -> None:
    draws = [0.5 + 0.01 * i for i in range(20)]
    figure = charts.controls({"original": 0.61, "this edit": 0.1}, draws, Band(0.0, 0.2, 0.08), "MaxSkew")
    assert any(trace.x is not None and list(trace.x) == draws for trace in figure.data)
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.0, 0.2)
    assert "0.61" in words(figure) and "0.10" in words(figure) and "0.50 to 0.69" in words(figure)


def test_a_metric_that_is_missing_leaves_its_row_out_of_controls() -> None:
    figure = charts.controls({"original": 0.6, "reconstruction only": None}, [], None, "MaxSkew")
    assert list(figure.data[0].x) == [0.6]


def test_costs_have_two_dots_a_row_with_intervals() -> None:
    rows = {"glasses": (share_estimate(198, 200), share_estimate(190, 200))}
    figure = charts.before_after(rows)
    assert [trace.x[0] for trace in figure.data] == [0.99, 0.95]
    assert "99.0 % → 95.0 %" in words(figure)


def test_firing_rates_print_interval_and_n() -> None:
    text = words(neuron_charts.rates({"Female": share_estimate(610, 1000)}))
    assert text == "61 % (58 to 64), n = 1,000"


def test_histogram_rows_have_one_scale_and_sum_to_the_firing_rate() -> None:
    shares = {"Female": [0.1, 0.2, 0.0], "Male": [0.01, 0.0, 0.0]}
    figure = neuron_charts.activation_histogram([0.0, 1.0, 2.0, 3.0], shares)
    assert [list(trace.y) for trace in figure.data] == list(shares.values())
    assert list(figure.data[0].x) == [0.5, 1.5, 2.5]
    assert {figure.layout.yaxis.matches, figure.layout.yaxis2.matches} & {"y", "y2"}
    assert "Female, fires on 30 %" in words(figure)


def test_the_toolbar_saves_a_vector_image() -> None:
    options = charts.config("shares")["toImageButtonOptions"]
    assert options["format"] == "svg" and options["filename"] == "shares"

"""Figures say the numbers they were given: bars, intervals and targets are where their numbers are, in words beside."""

from math import log2

import plotly.graph_objects as go
import pytest
from plotly.colors import hex_to_rgb

from core.statistics import Estimate, lean_of, share_estimate
from core.ui.neurons import firing_charts
from core.ui.parts import charts, figures, lean_charts

GROUPS = ("Female", "Male")
ARMS = {"before": lean_of((500, 500), (8, 92)), "after": lean_of((500, 500), (45, 55))}
EVEN = [0.5, 0.5]


def words(figure: go.Figure) -> str:
    return " | ".join(annotation.text for annotation in figure.layout.annotations)


def test_combinations_are_pale_where_their_lean_is_not_beyond_chance() -> None:
    lean = lean_of((500, 300, 190, 10), (60, 25, 13, 2))
    places = {("Female", "old"): 0, ("Female", "young"): 1, ("Male", "old"): 2, ("Male", "young"): 3}
    figure = lean_charts.representation(lean, places, GROUPS, ("old", "young"))
    strong, pale = (trace.z for trace in figure.data)
    for (r, c), i in places.items():
        at = GROUPS.index(r), ("old", "young").index(c)
        own = strong if lean_charts.named(lean, lean.groups[i]) else pale
        other = pale if own is strong else strong
        assert own[at[0]][at[1]] == pytest.approx(log2(lean.groups[i].ratio.estimate)) and other[at[0]][at[1]] is None
    text = words(figure)
    assert f"{lean.groups[0].ratio.estimate:.2f}" in text and f"{lean.groups[3].ratio.estimate:.2f}*" in text
    gone = lean_charts.representation(lean, {("Female", "old"): 0}, GROUPS, ("old",))
    assert "–" in words(gone)


def test_before_after_and_target_differ_in_lightness_too() -> None:
    """For every colour vision and in grey print: no mark is red or green, and lightness alone tells some apart."""

    def luminance(colour: str) -> float:
        r, g, b = hex_to_rgb(colour)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    colours = (figures.BEFORE, figures.AFTER, figures.TARGET)
    for colour in colours:
        r, g, b = hex_to_rgb(colour)
        assert not (r > 1.8 * g and r > 1.8 * b) and not (g > 1.3 * r and g > 1.3 * b)
    blue, orange = hex_to_rgb(figures.AFTER), hex_to_rgb(figures.TARGET)
    assert abs(blue[2] - orange[2]) > 120
    assert max(map(luminance, colours)) - min(map(luminance, colours)) > 20


def test_controls_show_every_draw_and_every_value_in_points() -> None:
    draws = [0.25 + 0.01 * i for i in range(20)]
    arms = {"original": Estimate(0.46, 0.36, 0.55, 100), "this edit": Estimate(-0.02, -0.1, 0.06, 100)}
    figure = charts.controls(arms, draws, "lean of Male in points")
    assert any(list(trace.x) == pytest.approx([100 * v for v in draws]) for trace in figure.data if len(trace.x) == 20)
    assert "+46 (+36 to +55)" in words(figure) and "−2 (−10 to +6)" in words(figure) and "+25 to +44" in words(figure)
    assert "%" not in figure.layout.xaxis.tickformat, "its values are points already: 50 would read as 5000 %"


def test_an_arm_that_is_missing_leaves_its_row_out_of_controls() -> None:
    figure = charts.controls({"original": Estimate(0.6), "projection": Estimate.missing("none")}, [], "points")
    assert [list(trace.x) for trace in figure.data] == [[60.0]]


def test_costs_have_two_dots_a_row_with_intervals() -> None:
    rows = {"glasses": (share_estimate(198, 200), share_estimate(190, 200))}
    figure = charts.before_after(rows)
    assert [trace.x[0] for trace in figure.data] == [0.99, 0.95]
    assert "99.0 % → 95.0 %" in words(figure)


def test_firing_rates_print_interval_and_n() -> None:
    text = words(firing_charts.rates({"Female": share_estimate(610, 1000)}))
    assert text == "61 % (58 to 64), n = 1,000"


def test_histogram_rows_have_one_scale_and_sum_to_the_firing_rate() -> None:
    shares = {"Female": [0.1, 0.2, 0.0], "Male": [0.01, 0.0, 0.0]}
    figure = firing_charts.activation_histogram([0.0, 1.0, 2.0, 3.0], shares)
    assert [list(trace.y) for trace in figure.data] == list(shares.values())
    assert list(figure.data[0].x) == [0.5, 1.5, 2.5]
    assert {figure.layout.yaxis.matches, figure.layout.yaxis2.matches} & {"y", "y2"}
    assert "Female, fires on 30 %" in words(figure)


def test_the_toolbar_saves_a_vector_image() -> None:
    options = charts.config("shares")["toImageButtonOptions"]
    assert options["format"] == "svg" and options["filename"] == "shares"


# -- on a phone -------------------------------------------------------------------------------------------------------


def test_on_a_phone_numbers_stand_above_their_marks_and_nothing_else_changes() -> None:
    rows = {"glasses": (share_estimate(198, 200), share_estimate(190, 200))}
    wide, phone = (charts.before_after(rows) for _ in range(2))
    figures.for_a_phone(phone)
    assert words(phone) == words(wide) and phone.layout.margin.r < wide.layout.margin.r
    assert phone.layout.height > 1.3 * wide.layout.height
    assert all(note.xanchor == "right" and note.yshift == figures.PHONE_LIFT for note in phone.layout.annotations)
    assert [trace.to_plotly_json() for trace in phone.data] == [trace.to_plotly_json() for trace in wide.data]


def test_on_a_phone_long_titles_and_names_break_between_words() -> None:
    figure = charts.controls({"the reconstruction alone": Estimate(0.1, 0.0, 0.2, 9)}, [], "a title " * 9)
    height = figure.layout.height
    figures.for_a_phone(figure)
    assert figure.layout.yaxis.ticktext[0].split("<br>") == ["the", "reconstruction", "alone  "]
    lines = figure.layout.xaxis.title.text.split("<br>")
    assert len(lines) == 2 and max(map(len, lines)) <= figures.PHONE_TITLE and figure.layout.height > height


def test_numbers_of_points_keep_apart_and_stay_apart_in_a_wider_plot() -> None:
    places = [(100.0 + i % 4, 200.0 + 3 * (i % 5)) for i in range(20)] + [(300.0, 10.0), (50.0, 390.0)]
    found = charts.lifts(places)
    for wider in (1.0, 1.7, 4.0):
        at = [(wider * x, y + lift) for (x, y), lift in zip(places, found, strict=True)]
        for i, (x, y) in enumerate(at):
            assert 0 <= y <= charts.PLOT_HEIGHT
            assert all(abs(x - a) >= charts.LABEL_WIDTH or abs(y - b) >= charts.LABEL_HEIGHT for a, b in at[:i])

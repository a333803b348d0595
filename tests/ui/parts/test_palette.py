"""The charts' colours are told apart by every common kind of colour vision, and no mark stands without its number."""

from itertools import combinations

import numpy as np
import pytest
from plotly.colors import hex_to_rgb

from core import figures
from core.statistics import Estimate, lean_of, share_estimate
from core.ui.neurons import firing_charts
from core.ui.parts import charts, lean_charts
from core.ui.parts import figures as parts_of_figures

# Severe colour blindness in linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
LEAST = 15.0
"""Smallest distance in CIELAB (delta E 1976) between two marks that must be told apart; 2.3 is just noticeable."""
every_vision = pytest.mark.parametrize("vision", list(VISION))


def lab(colour: str, vision: str) -> np.ndarray:
    """CIELAB (D65) of a hex colour as this kind of vision sees it."""
    srgb = np.array(hex_to_rgb(colour)) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a: str, b: str, vision: str) -> float:
    return float(np.linalg.norm(lab(a, vision) - lab(b, vision)))


def test_the_simulation_knows_red_from_green():
    assert distance("#c00000", "#008000", "normal") > 100
    assert distance("#b03a2e", "#6b7a1f", "deuteranopia") < 20  # the pair that people confuse


@every_vision
def test_before_after_and_target_are_told_apart(vision):
    for a, b in combinations((parts_of_figures.BEFORE, parts_of_figures.AFTER, parts_of_figures.TARGET), 2):
        assert distance(a, b, vision) >= LEAST, (a, b)


@every_vision
@pytest.mark.parametrize("background", ["#ffffff", "#0e1117"], ids=["light", "dark"])
def test_every_colour_stands_out_from_both_themes(vision, background):
    for colour in (parts_of_figures.BEFORE, parts_of_figures.AFTER, parts_of_figures.TARGET):
        assert distance(colour, background, vision) >= 2 * LEAST, colour


@every_vision
def test_the_first_series_of_a_study_are_told_apart_and_every_series_has_its_own_mark(vision):
    for a, b in combinations(figures.COLOURS[:3], 2):
        assert distance(a, b, vision) >= LEAST, (a, b)
    assert len(set(figures.MARKS)) == len(figures.MARKS) >= len(figures.COLOURS)


# ------------------------------------------------------------------------------- no colour without its number

HALF = lean_of((500, 500), (8, 92))
FIGURES = {
    "controls": (
        charts.controls({"original": Estimate(0.46), "this edit": Estimate(0.21)}, [0.44, 0.49], "points"),
        ["+46", "+21", "+44 to +49"],
    ),
    "before_after": (
        charts.before_after({"gender": (share_estimate(9, 10), share_estimate(4, 10))}),
        ["90.0 %", "40.0"],
    ),
    "rates": (firing_charts.rates({"Female": share_estimate(30, 60)}), ["50 %", "n = 60"]),
    "activation_histogram": (firing_charts.activation_histogram([0.0, 1.0, 2.0], {"Female": [0.25, 0.25]}), ["50 %"]),
}


@pytest.mark.parametrize("name", list(FIGURES))
def test_the_numbers_of_a_figure_stand_beside_its_colours(name):
    figure, numbers = FIGURES[name]
    text = " | ".join(annotation.text for annotation in figure.layout.annotations)
    for number in numbers:
        assert number in text, (number, text)


@pytest.mark.parametrize("name", list(FIGURES))
def test_no_colour_scale_stands_for_a_number(name):
    """A mark's colour says which arm it is; how much is said by its place and its number."""
    for trace in FIGURES[name][0].data:
        assert not getattr(trace.marker, "showscale", None)
        colours = trace.marker.color if isinstance(trace.marker.color, list | tuple) else [trace.marker.color]
        assert all(colour is None or isinstance(colour, str) for colour in colours)


@every_vision
def test_the_ends_of_the_ratios_colours_are_told_apart_and_every_cell_has_its_number(vision):
    low, high = lean_charts.SCALE[0][1], lean_charts.SCALE[-1][1]
    assert distance(low, high, vision) >= 2 * LEAST
    cells = {("a", "x"): 0, ("b", "x"): 1}
    figure = lean_charts.representation(HALF, cells, ("a", "b"), ("x",))
    assert sum("0.16" in a.text or "1.84" in a.text for a in figure.layout.annotations) == 2
    assert not any(trace.showscale for trace in figure.data)


def test_a_missing_number_has_its_reason_and_no_mark():
    figure = firing_charts.rates({"Female": Estimate.missing("no row"), "Male": share_estimate(3, 4)})
    assert list(figure.data[0].y) == ["Male"]
    assert "no row" in " | ".join(annotation.text for annotation in figure.layout.annotations)

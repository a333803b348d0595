"""How steeply something grows is a slope of logarithms, whatever its units; the plot shows every point."""

import pytest

from tests.benchmarks import growth


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_steepness_is_the_power(power: float) -> None:
    assert growth.steepness([(m, 0.3 * m**power) for m in (3, 10, 50, 1000)]) == pytest.approx(power, abs=1e-9)


def test_a_new_set_changes_as_many_rows_as_its_neurons_fire_on() -> None:
    few, many = growth._switches(3_000, (1, 16), 2)
    assert 0 < few[1] < many[1] <= 3_000 and min(few[0], many[0]) > 0


def test_the_plot_shows_what_was_measured() -> None:
    found = {name: [(1, 2.0), (10, 8.0)] for name in growth.PANELS}
    drawn = growth.figure(found, growth.LIGHT)
    shown = [trace for trace in drawn.data if trace.text]
    assert [list(trace.y) for trace in shown] == [[2.0, 8.0]] * len(growth.PANELS)
    proportion = [trace for trace in drawn.data if not trace.text]
    assert all(list(trace.y) == [2.0, 20.0] for trace in proportion)

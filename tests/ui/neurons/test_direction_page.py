"""The view of a direction: made of either kind, measured on the evaluation half, and carried by the link."""

import numpy as np
import pytest

from core.gallery import open_gallery
from core.interventions.subspaces import mean_differences
from core.statistics import auc
from core.ui.neurons.direction import KINDS
from core.ui.parts.wording import number
from core.ui.session import links
from core.ui.session.state import KEY, AppState
from core.units import unit
from tests.ui.neurons.test_neuron_pages import fine, opened

VIEW = {"neurons-view": "direction"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_direction_of_each_kind_has_all_that_a_neuron_has(world, small_model: None, kind: str) -> None:
    page = opened(world, "searched", **VIEW, **{"direction-kind": kind})
    shown = fine(page)
    for part in (
        "Lies furthest along it",
        "In the middle",
        "Furthest the other way",
        "How the groups lie along it",
        "Neurons that write along it",
        "What taking it out of the items does to a prompt",
        "| Female | ",
    ):
        assert part in shown, part
    assert "evaluation" in str(page.get("plotly_chart")[0].proto), "the figure says which rows it is about"
    assert len([one for one in page.button if (one.key or "").startswith("near-along")]) == 6


def test_the_number_is_that_of_the_evaluation_half_by_the_methods_own_direction(world, small_model: None) -> None:
    shown = fine(opened(world, "searched", **VIEW, **{"direction-group": "Male"}))
    probe, searched = open_gallery(world["probe"]), open_gallery(world["searched"])
    numbers = probe.group_numbers("gender")
    known = numbers >= 0
    v = mean_differences(probe.embeddings()[known], numbers[known])[probe.groups("gender").index("Male")]
    of_searched = searched.labels("gender")
    asked = np.array([label is not None for label in of_searched])
    expected = auc((unit(searched.embeddings()) @ v)[asked], of_searched[asked] == "Male")
    assert f"Tells **Male** from all others with AUC **{number(expected)}**" in shown
    assert f"n = {asked.sum()}" in shown


def test_a_neuron_near_to_it_opens(world, small_model: None) -> None:
    page = opened(world, "searched", **VIEW)
    near = next(one for one in page.button if (one.key or "").startswith("near-along"))
    near.click()
    page.run()
    assert page.session_state[KEY].neuron == int(near.key.rsplit("-", 1)[1])


def test_an_empty_prompt_is_one_calm_line(world, small_model: None) -> None:
    page = opened(world, "searched", **VIEW, **{"direction-kind": "text", "direction-plus": " "})
    assert not page.exception and "a prompt of the direction is empty" in page.warning[0].value


def test_the_link_carries_the_direction(world) -> None:
    state = AppState(page="neurons")
    state.filters |= VIEW | {"direction-kind": "text", "direction-plus": "a man", "direction-minus": "a <b>woman"}
    params = links.params_of(state)
    assert params["view"] == ["direction"] and params["direction"] == ["text"] and params["plus"] == ["a man"]
    other = AppState(page="neurons")
    links.apply({name: params[name] for name in ("view", "direction", "plus", "minus")}, other)
    assert {name: other.filters[name] for name in state.filters} == state.filters


def test_a_hostile_prompt_is_drawn_as_text(world, small_model: None) -> None:
    page = opened(world, "searched", **VIEW, **{"direction-kind": "text", "direction-plus": "photo <script>x</script>"})
    assert not page.exception
    assert all("<script>" not in one.value for one in [*page.markdown, *page.warning, *page.caption])

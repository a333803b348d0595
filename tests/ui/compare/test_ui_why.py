"""Why this lean: the bars add up, a picked point becomes the switched set, and it ends with its prompt."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import InputError
from core.ui.compare import why_charts
from core.ui.session import results, why_results
from core.ui.session.state import KEY, AppState

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[3]


def state_of(world: dict[str, str]) -> AppState:
    state = AppState(gallery=world["searched"], model="small", linked=True, query="a photo of a doctor", k=20)
    state.saes, state.attribute = {"image": world["image"], "text": world["text"]}, "gender"
    state.set_filter("compare-view", "why")
    return state


def page(state: AppState) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "compare.py"), default_timeout=180)
    test.session_state[KEY] = state
    return test.run()


def button(test: AppTest, label: str):
    return next(b for b in test.button if b.label == label)


def words(test: AppTest) -> str:
    return "\n".join(str(item.value) for kind in ("markdown", "caption", "info", "warning") for item in test.get(kind))


def test_a_point_is_switched_confirmed_and_ends_with_its_prompt(world):
    test = page(state_of(world))
    assert not test.exception and "score gap" in words(test) and "The smallest edit" in words(test)
    assert "On the probe half, “a photo of a doctor”: **" in words(test) and "beyond chance" in words(test)
    offered = button(test, "Switch this set")
    assert not offered.disabled
    test = offered.click().run()
    state = test.session_state[KEY]
    edit = state.edits["image"]
    assert not test.exception and edit.strengths and edit.gammas and len(edit.neurons) <= why_results.SIZE
    (table,) = test.table
    assert {"Which", "MaxSkew", "Cosine"} < set(table.value.columns) and "By chance" not in table.value.columns
    assert "On the evaluation half" in words(test) and "moved towards their means" in words(test)
    state.ask("a photo of a nurse")
    test = test.run()
    assert not test.exception and not test.session_state[KEY].edits
    assert "was for that prompt only" in words(test)


def test_one_edit_for_a_list_stays_for_every_prompt(world):
    state = state_of(world)
    state.set_filter("why-scope", "list")
    state.set_filter("why-prompts", "a photo of a doctor\n\n a photo of  a nurse ")
    test = page(state)
    test = button(test, "Switch this set").click().run()
    assert not test.exception and test.session_state[KEY].edits
    test.session_state[KEY].ask("a photo of a nurse")
    assert test.run().session_state[KEY].edits["image"].gammas


def test_the_figures_say_what_was_found(world):
    state = state_of(world)
    asked = why_results.leaning(state, results.asked(state, "gender"))
    found = why_results.why(asked)
    bars = why_charts.pulls(found).data[0]
    assert [row[0] for row in bars.customdata[:-1]] == [pull.neuron for pull in found.pulls]
    assert list(bars.x)[:-1] == [pull.contribution.estimate for pull in found.pulls]
    assert sum(found.attribution.contributions) + found.attribution.rest == pytest.approx(found.attribution.gap)
    path = why_results.smallest(asked, None)
    drawn = why_charts.path(path, None).data[0]
    assert list(drawn.x) == [point.cosine for point in path.points]
    assert list(drawn.y) == [point.expected for point in path.points]
    strict, loose = path.under(0.0), path.under(10.0)
    assert loose.chosen == 0 and strict.point.expected == min(point.expected for point in path.points)


def test_prompts_of_a_list():
    assert why_results.prompts_of("a  b\n\nc\na b") == ["a b", "c"]
    with pytest.raises(InputError, match="one prompt a line"):
        why_results.prompts_of(" \n")

"""A prompt that says nothing to the model is not ranked on Compare; two numbers can be typed as a target."""

import pytest

from core.ui.session.state import OWN_TARGET
from tests.ui.compare.test_ui_compare import chosen, page, said

pytestmark = pytest.mark.usefixtures("small_model")


@pytest.mark.parametrize(("query", "reason"), [("?!", "it holds no word"), ("a photo of a zorgling", "knows none of")])
def test_nothing_is_ranked_for_it(world, query, reason):
    state = chosen(world, attribute="gender")
    state.query = query
    test = page("compare", state)
    assert not test.exception
    assert any("Nothing is ranked" in one.value and reason in one.value for one in test.info)
    assert "nearest to" not in said(test)


def test_two_numbers_can_be_typed_in_place_of_a_table(world):
    state = chosen(world, attribute="gender", target=OWN_TARGET)
    test = page("compare", state)
    next(field for field in test.text_input if field.label == "Or type them").set_value("Female 30, Male 70").run()
    assert not test.exception and state.own_targets == {"gender": {"Female": 0.3, "Male": 0.7}}
    assert "Compared with: Female 30 %, Male 70 %" in said(test) and "nearest to" in said(test)

"""An auditor's own target and crossed attributes on Compare: nothing is shown before the target is there."""

import pytest

from core.ui.session.state import OWN_TARGET
from tests.ui.compare.test_ui_compare import chosen, page, said

pytestmark = pytest.mark.usefixtures("small_model")


def test_results_wait_for_the_target_and_then_say_it(world):
    state = chosen(world, attribute="gender", target=OWN_TARGET)
    test = page("compare", state)
    assert not test.exception and "Nothing is shown before the target of gender" in said(test)
    assert "nearest to" not in said(test)
    test.file_uploader[0].upload("t.csv", b"group,share\nFemale,0.3\nMale,0.7\n").run()
    assert not test.exception and state.own_targets == {"gender": {"Female": 0.3, "Male": 0.7}}
    assert "Compared with: Female 30 %, Male 70 %" in said(test) and "nearest to" in said(test)
    assert "own shares (" in said(test) and "the gallery brings" in said(test)


def test_a_table_that_does_not_fit_is_one_calm_line(world):
    test = page("compare", chosen(world, attribute="gender", target=OWN_TARGET))
    test.file_uploader[0].upload("t.csv", b"group,share\nFemale,1\n").run()
    assert not test.exception
    assert any("lacks Male" in item.value for kind in ("error", "warning", "info") for item in test.get(kind))


def test_crossed_attributes_are_counted_and_the_pair_furthest_apart_is_named(world):
    state = chosen(world, attribute="gender x age", filters={"compare-view": "numbers"})
    test = page("compare", state)
    assert not test.exception and " x " in said(test)

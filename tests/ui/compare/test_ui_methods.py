"""Methods and prompt sets as people meet them: one choice, a reason where it cannot run, edits that stay at home."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.interventions import INTERVENTIONS
from core.prompts import OPEN, shipped_book
from core.ui.compare.method import HIDDEN
from core.ui.session import links
from core.ui.session.escaping import escape
from core.ui.session.state import KEY, AppState
from tests.ui.compare.test_ui_compare import chosen, page, said

pytestmark = pytest.mark.usefixtures("small_model")

OFFERED = [name for name in INTERVENTIONS if name not in HIDDEN]


def test_every_method_is_offered_with_its_sentences_and_formula(world):
    shown = page("compare", chosen(world, method="mean-difference-text"))
    box = shown.selectbox(key="choice-method-None")
    assert len(box.options) == len(OFFERED)
    method = INTERVENTIONS.get("mean-difference-text")
    assert method.plain in said(shown) and "**Needs** prompts of every group" in said(shown)
    assert any("bar t_g" in item.value for item in shown.get("latex"))


@pytest.mark.parametrize("method", ["mean-difference", "mean-difference-text", "prism-mini", "sem-b"])
def test_one_click_and_the_answer_is_the_methods(world, method):
    shown = page("compare", chosen(world))
    assert "**After**" not in said(shown)
    shown.selectbox(key="choice-method-None").set_value(method).run()
    assert not shown.exception and not shown.warning
    assert shown.session_state[KEY].method == method
    named = f"With {escape(f'the method “{INTERVENTIONS.get(method).title}”')}"
    assert "**After**" in said(shown) and named in said(shown)
    assert not shown.toggle, "no neurons to switch"


def test_a_method_that_cannot_run_says_why_and_the_answer_stays(world):
    state = chosen(world, method="sem-bi")
    state.saes.pop("text")
    shown = page("compare", state)
    assert not shown.exception and "**Before**" in said(shown) and "**After**" not in said(shown)
    assert "No text SAE was given" in said(shown)


@pytest.mark.parametrize("view", ["numbers", "controls", "cost"])
def test_the_other_views_open_for_methods_without_neurons(world, view):
    state = chosen(world, method="mean-difference")
    state.set_filter("compare-view", view)
    shown = page("compare", state)
    assert not shown.exception and not shown.warning


def test_a_link_restores_the_method_and_an_unknown_one_is_a_line(world):
    state = chosen(world, method="bendvlm")
    assert links.params_of(state)["method"] == ["bendvlm"]
    other = AppState()
    assert links.apply({"method": ["bendvlm"]}, other) == [] and other.method == "bendvlm"
    notices = links.apply({"method": ["magic"]}, other)
    assert len(notices) == 1 and "unknown intervention" in notices[0] and other.method == "bendvlm"


def editor(state: AppState) -> AppTest:
    state.set_filter("data-view", "prompts")
    return page("data_and_models", state)


def test_edited_prompts_belong_to_the_session_that_edited_them(world):
    one, other = chosen(world), chosen(world)
    shown = editor(one)
    area = shown.text_area[0]
    area.set_value("a photo of a hill\na photo of a lamp\n\n a photo of a  lamp ")
    next(b for b in shown.button if b.label == "Use these").click().run()
    assert not shown.exception and not shown.warning
    book = shown.session_state[KEY].prompts
    assert book.diverse == ("a photo of a hill", "a photo of a lamp") and book.name.endswith(", edited")
    assert other.prompts is None and len(shipped_book(OPEN).diverse) > 300
    assert "Your prompt sets" in said(shown)
    next(b for b in shown.button if b.label == "Back to the shipped ones").click().run()
    assert shown.session_state[KEY].prompts is None


def test_nothing_typed_is_a_calm_line_and_changes_nothing(world):
    shown = editor(chosen(world))
    shown.text_area[0].set_value("   ")
    next(b for b in shown.button if b.label == "Use these").click().run()
    assert not shown.exception and shown.session_state[KEY].prompts is None
    assert "expected at least 1" in " ".join(w.value for w in shown.warning)


def test_what_is_saved_is_read_again(tmp_path: Path):
    book = shipped_book(OPEN)
    saved = json.loads(json.dumps(book.to_json()))
    assert book.taking(saved, "prompts.json").digest == book.digest

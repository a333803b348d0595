"""Small choices: typed where they are declared, remembered by name, and mirrored by a widget."""

import ast
from collections.abc import Iterator
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.ui.session.choices import Choice
from core.ui.session.state import KEY, AppState

ROOT = Path(__file__).resolve().parents[3]
VIEW = Choice("view", "pictures")


def views() -> Iterator[tuple[Path, ast.AST]]:
    for path in [*sorted((ROOT / "core" / "ui").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py"))]:
        yield from ((path, node) for node in ast.walk(ast.parse(path.read_text())))


def test_a_choice_begins_with_its_first_value_and_can_be_forgotten() -> None:
    state = AppState()
    assert VIEW.of(state) == "pictures" and not state.filters
    VIEW.put(state, "numbers")
    assert VIEW.of(state) == "numbers"
    VIEW.put(state, None)
    assert VIEW.of(state) == "pictures"


def test_a_value_that_is_not_offered_gives_way_to_the_first_that_is() -> None:
    state = AppState()
    group: Choice[str | None] = Choice("group", None)
    assert group.among(state, ["Female", "Male"]) == "Female" == group.of(state)
    group.put(state, "Male")
    assert group.among(state, ["Female", "Male"]) == "Male"
    assert group.among(state, ["old", "young"]) == "old" == group.of(state), "and stays so"


def test_falsehood_is_a_choice_and_not_a_missing_one() -> None:
    state, testing = AppState(), Choice("testing", True)
    testing.put(state, False)
    assert testing.of(state) is False


def test_a_widget_mirrors_it() -> None:
    def script() -> None:
        import streamlit as st

        from core.ui.session.choices import Choice
        from core.ui.session.state import get_state

        st.text_input("Name", **Choice("rater-of-test", "nobody").mirrored(get_state()))

    test = AppTest.from_function(script).run()
    assert test.text_input[0].value == "nobody"
    test.text_input[0].set_value("ann").run()
    assert Choice("rater-of-test", "nobody").of(test.session_state[KEY]) == "ann"


def test_views_reach_small_choices_by_their_declarations_alone() -> None:
    """Whoever reads the mapping by a name again knows neither the type nor what holds before anybody chose."""
    named = {"filters", "set_filter"}
    reached = {path for path, node in views() if isinstance(node, ast.Attribute) and node.attr in named}
    outside = {path.relative_to(ROOT).as_posix() for path in reached if path.parent.name != "session"}
    assert outside == set()


def test_no_two_choices_have_one_name() -> None:
    calls = [node for _, node in views() if isinstance(node, ast.Call) and ast.unparse(node.func) == "Choice"]
    names = [call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)]
    assert len(names) > 30 and len(set(names)) == len(names)

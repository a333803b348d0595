"""Choices stay with their session and stay consistent."""

import threading

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import ScriptRunContext, add_script_run_ctx
from streamlit.runtime.state import SafeSessionState, SessionState
from streamlit.testing.v1 import AppTest

from core.config import Edit, InputError
from core.ui.session.state import OWN_TARGET, AppState, get_state


def session_context(own: int) -> ScriptRunContext:
    """What Streamlit gives the thread of one session: a session state of its own."""
    return ScriptRunContext(
        session_id=f"session {own}",
        _enqueue=lambda message: None,
        query_string="",
        session_state=SafeSessionState(SessionState(), lambda: None),
        uploaded_file_mgr=None,  # type: ignore[arg-type]
        main_script_path="",
        user_info={},
        fragment_storage=None,  # type: ignore[arg-type]
        pages_manager=PagesManager("app.py"),
    )


def test_sessions_in_threads_never_share_a_choice() -> None:
    sessions, turns = range(8), 50
    together = threading.Barrier(len(sessions))
    wrong: list[str] = []
    finished: list[int] = []

    def session(own: int) -> None:
        add_script_run_ctx(threading.current_thread(), session_context(own))
        for turn in range(turns):
            together.wait()
            state = get_state()
            state.ask(f"prompt {own} {turn}")
            state.set_where({"race": str(own)})
            state.set_edit("image", Edit((own,)))
            state.saes["image"] = f"sae {own}"
            together.wait()
            seen = get_state()
            here = (seen.query, seen.where, seen.edits, seen.saes["image"])
            if here != (f"prompt {own} {turn}", {"race": str(own)}, {"image": Edit((own,))}, f"sae {own}"):
                wrong.append(f"session {own} saw {here}")
        finished.append(own)

    threads = [threading.Thread(target=session, args=(own,)) for own in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(finished) == list(sessions)


def choosing_page(own: int) -> None:
    import streamlit as st

    from core.ui.session.state import bind, get_state

    state = get_state()
    if st.button("choose"):
        state.ask(f"prompt {own}")
        state.toggle_neuron(own)
    st.number_input("k", 1, 10_000, **bind("k"))
    st.text(f"{state.query}|{state.k}|{state.edits}")


def test_sessions_taking_turns_never_share_a_choice() -> None:
    pages = {own: AppTest.from_function(choosing_page, args=(own,)).run() for own in (1, 2, 3)}
    for own, page in pages.items():
        page.button[0].click()
        page.number_input[0].set_value(100 * own).run()
    for own, page in pages.items():
        assert page.run().text[0].value == f"prompt {own}|{100 * own}|{ {'image': Edit((own,))} }"


def test_two_states_own_their_containers() -> None:
    a, b = AppState(), AppState()
    a.saes["image"], a.filters["page"] = "mine", 3
    a.set_edit("image", Edit((1,)))
    assert b == AppState()


def mirrored_page() -> None:
    import streamlit as st

    from core.ui.session.state import bind, get_state

    if st.button("other page"):
        st.text("here is no slider")
    else:
        st.slider("k", 1, 500, **bind("k"))
        st.text_input("prompt", **bind("query"))
    st.text(str(get_state().k))


def test_choices_survive_a_page_without_their_widget() -> None:
    page = AppTest.from_function(mirrored_page).run()
    page.slider[0].set_value(37).run()
    page.text_input[0].set_value("  a photo   of a doctor ").run()
    page.button[0].click().run()
    assert not page.slider
    page.run()
    assert page.slider[0].value == 37
    assert page.text_input[0].value == "a photo of a doctor"
    assert not page.exception


def refusing_page() -> None:
    import streamlit as st

    from core.ui.session.state import bind, get_state

    st.number_input("k", 0, 500, **bind("k"))
    for line in get_state().take_notices():
        st.info(line)


def test_a_value_that_cannot_be_used_becomes_a_line() -> None:
    page = AppTest.from_function(refusing_page).run()
    page.number_input[0].set_value(0).run()
    assert not page.exception
    assert "k was 0" in page.info[0].value
    assert page.number_input[0].value == 100


def test_another_sae_drops_the_edit_of_its_side_only() -> None:
    state = AppState()
    state.set_edit("image", Edit((3, 17)))
    state.set_edit("text", Edit((5,)))
    state.open_neuron(3, "image")
    state.choose_sae("image", "default-image")
    assert set(state.edits) == {"image", "text"}, "the same SAE again changes nothing"
    state.choose_sae("image", "other")
    assert set(state.edits) == {"text"}
    assert state.neuron is None
    state.choose_sae("text", None)
    assert "text" not in state.saes


def test_another_gallery_drops_its_filters() -> None:
    state = AppState()
    state.set_where({"race": "White"})
    state.set_filter("page", 4)
    state.ask("a photo of a doctor")
    state.choose_gallery("default")
    assert state.where == {"race": "White"}
    state.choose_gallery("default-attire")
    assert (state.where, state.filters, state.query) == ({}, {}, "a photo of a doctor")


def test_toggling_twice_is_the_original() -> None:
    state = AppState()
    state.set_edit("image", Edit((3,), strength=0.5))
    state.toggle_neuron(17)
    assert state.edits["image"] == Edit((3, 17), strength=0.5)
    assert state.is_switched(17)
    state.toggle_neuron(17)
    state.toggle_neuron(3)
    assert state.edits == {}


@pytest.mark.parametrize(
    ("setter", "value"), [("set_k", 0), ("set_target", "fair"), ("set_half", "both")], ids=["k", "target", "half"]
)
def test_setters_refuse(setter: str, value: object) -> None:
    with pytest.raises(InputError):
        getattr(AppState(), setter)(value)


def test_attribute_falls_back_to_the_first() -> None:
    state = AppState(attribute="race")
    assert state.attribute_in(["gender", "race"]) == "race"
    assert state.attribute_in(["gender"]) == "gender"
    assert state.attribute_in([]) is None


def test_an_own_target_belongs_to_its_attribute_and_is_never_replaced_in_silence() -> None:
    state = AppState()
    state.set_own_target("gender", {"Female": 0.3, "Male": 0.7})
    assert state.target == OWN_TARGET and state.target_for("gender") == {"Female": 0.3, "Male": 0.7}
    with pytest.raises(InputError, match="no target table for age"):
        state.target_for("age")
    state.set_target("gallery")
    assert state.target_for("age") == "gallery"
    state.choose_gallery("elsewhere")
    assert state.own_targets == {}


def test_an_intersection_is_an_attribute_where_the_gallery_says_so() -> None:
    state = AppState(attribute="gender x age")

    def components(attribute: str) -> list[str]:
        parts = attribute.split(" x ")
        if not set(parts) <= {"gender", "age"}:
            raise InputError("no such attribute")
        return parts

    assert state.attribute_in(["gender", "age"], components) == "gender x age"
    assert state.attribute_in(["gender", "age"]) == "gender"
    state.set_attribute("gender x height")
    assert state.attribute_in(["gender", "age"], components) == "gender"


def test_a_switch_that_is_told_twice_stays_where_it_is() -> None:
    state = AppState()
    for off in (True, True, False, False):
        state.switch_neuron(3, "image", off)
        assert state.is_switched(3, "image") is off
    assert not state.edits


def test_what_is_drawn_around_a_switch_depends_on_every_choice_but_switches_and_small_ones() -> None:
    state = AppState(query="a photo of a doctor")
    drawn = state.around()
    state.toggle_neuron(3)
    state.set_filter("compare-view", "numbers")
    assert state.around() == drawn
    for change in (lambda: state.ask("a nurse"), lambda: state.set_k(20), lambda: state.choose_method("leace")):
        drawn = state.around()
        change()
        assert state.around() != drawn
    drawn = state.around()
    state.saes.pop("text")
    assert state.around() != drawn, "a choice that is changed in place counts too"

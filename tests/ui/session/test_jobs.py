"""Long work says how far it is and how long the rest takes, and stops when it is asked to."""

import pytest
from streamlit.testing.v1 import AppTest

from core.config import KEPT
from core.ui.session import jobs


def test_what_was_kept_is_no_part_of_the_pace() -> None:
    pace = jobs.Pace()
    assert pace.left(0, 100, "images", 0.0) is None
    assert pace.left(80, 100, f"images: {KEPT}", 1.0) is None
    assert pace.left(81, 100, "images", 2.0) is None, "too early to tell"
    assert pace.left(90, 100, "images", 6.0) == pytest.approx(5.0), "10 in 5 s; all 90 in 6 s would promise 0.7 s"
    assert pace.left(1, 9, "thumbnails", 7.0) is None, "another stage has its own pace"
    assert pace.left(5, 9, "thumbnails: b", 11.0) == pytest.approx(4.0)


def test_times_in_words() -> None:
    assert [jobs.words_of(s) for s in (0.2, 45, 200, 7200)] == [
        "about 1 s left",
        "about 45 s left",
        "about 3 min left",
        "about 2.0 h left",
    ]


def work() -> None:
    import time

    import streamlit as st

    from core.ui.parts.frame import guard
    from core.ui.session import jobs

    shown = st.session_state.setdefault("shown", [])
    with guard(), jobs.progress("Ranking", at_once=st.session_state.get("at once", False)) as report:
        for step in range(1, 4):
            time.sleep(st.session_state.get("seconds", 0.0))
            report(step, 3, "reading the gallery")
        shown.append("done")
    jobs.settle()


def test_work_that_is_over_soon_draws_nothing() -> None:
    test = AppTest.from_function(work).run()
    assert test.session_state["shown"] == ["done"] and not test.button and not test.exception


def test_stopped_work_is_not_begun_again_by_the_same_click() -> None:
    test = AppTest.from_function(work)
    test.session_state[jobs.STOPPED] = "Ranking"  # what the button's click leaves
    test.run()
    assert "shown" not in test.session_state or test.session_state["shown"] == []
    assert [b.label for b in test.button] == ["Go on"] and "stopped before it was done" in test.warning[0].value
    test.button[0].click().run()
    assert test.session_state["shown"] == ["done"] and not test.warning


def test_another_work_is_not_held_up() -> None:
    test = AppTest.from_function(work)
    test.session_state[jobs.STOPPED] = "Sweep"
    test.run()
    assert test.session_state["shown"] == ["done"] and jobs.STOPPED not in test.session_state

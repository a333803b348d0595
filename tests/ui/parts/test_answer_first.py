"""What follows an answer waits for the answers of others, but not for ever."""

import threading
import time

import pytest
import streamlit as st

from core.ui.parts import answer_first


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that were asked to be drawn."""
    asked: list[str] = []
    monkeypatch.setattr(st, "rerun", asked.append)
    return asked


def test_what_follows_is_drawn_at_once_where_nobody_waits(drawn: list[str]) -> None:
    began = time.monotonic()
    answer_first._follow()
    assert drawn == [answer_first.AROUND] and time.monotonic() - began < answer_first.LONGEST_WAIT / 2


def test_what_follows_comes_after_the_answers_of_others(drawn: list[str]) -> None:
    with answer_first.answering(), answer_first.answering():
        waiting = threading.Thread(target=answer_first._follow)
        waiting.start()
        time.sleep(0.1)
        assert not drawn
    waiting.join(answer_first.LONGEST_WAIT)
    assert drawn == [answer_first.AROUND]


def test_an_answer_that_takes_long_holds_nothing_up(drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_first, "LONGEST_WAIT", 0.05)
    with answer_first.answering():
        answer_first._follow()
    assert drawn == [answer_first.AROUND]


def test_an_answer_that_fails_is_over(drawn: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), answer_first.answering():
        raise ZeroDivisionError
    assert answer_first._answering == [0]

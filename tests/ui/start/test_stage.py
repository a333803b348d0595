"""The demo: one neuron that was found elsewhere, the same prompt through all steps, sentences that are measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from core.ui.session import cache, probing, why_results
from core.ui.session.state import KEY, AppState
from core.ui.start import stage, story
from core.verdicts import list_line

ROOT = Path(__file__).resolve().parents[3]
NURSE = "a photo of a nurse"


def opened(world: dict[str, str], step: str | None = None, query: str = "") -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "start.py"), default_timeout=90)
    state = AppState(gallery=world["searched"], model="small", linked=True, query=query)
    state.saes = {"image": world["image"], "text": world["text"]}
    if step is not None:
        state.set_filter("demo", step)
    test.session_state[KEY] = state
    return test.run()


def leaning(told: story.Story) -> why_results.Leaning:
    return why_results.Leaning(told.question, told.probe)


def words(test: AppTest) -> str:
    return "\n".join(str(item.value) for item in [*test.markdown, *test.caption, *test.title])


@pytest.mark.usefixtures("small_model")
def test_a_button_begins_at_its_step_and_next_and_back_turn(world: dict[str, str]) -> None:
    start = opened(world)
    start.button(key="stage-0").click().run()
    assert not start.exception and "1 of 7: Ask" in words(start)
    assert start.session_state[KEY].query == story.PROMPT
    start.button(key="stage-next").click().run()
    assert "2 of 7" in words(start)
    start.button(key="stage-back").click().run()
    assert "1 of 7" in words(start) and start.button(key="stage-back").disabled
    start.button(key="stage-end").click().run()
    assert "Who appears" in words(start) and not stage.running(start.session_state[KEY])


def default_story() -> story.Story:
    state = AppState(query=story.PROMPT)
    return story.told(state)


def test_the_neuron_that_does_the_work_is_switched_alone() -> None:
    told = default_story()
    found = story.after(told)
    assert found.after is not None and found.difference is not None
    men = [arm.numbers.groups.index("Male") for arm in (found.before, found.after)]
    counts = [arm.numbers.lean.groups[at].retrieved for arm, at in zip((found.before, found.after), men, strict=True)]
    assert counts == [100, 57]
    assert found.before.numbers.leading_group == "Male" and found.after.numbers.leading_group is None
    assert told.probe.gallery.digest != told.gallery.digest, "it was chosen where nothing is measured"
    effects = []
    for neuron in {pull.neuron for pull in why_results.why(leaning(told)).pulls}:
        other = replace(told, neuron=neuron)
        ranked = story.after(other)
        if ranked.after is not None:
            effects.append(abs(ranked.after.numbers.lean.groups[men[0]].retrieved - 50))
    assert abs(counts[1] - 50) == min(effects)


def test_the_recap_tells_what_was_measured() -> None:
    told = default_story()
    found = story.after(told)
    assert list_line(found.before.numbers.to_json()) in story.lean_said(found)
    rates = probing.rates(told.probe, told.neuron, "gender")
    assert all(f"of {group}" in story.firing_said(told) for group in rates)
    assert "Male goes from 100 % to 57 %" in story.change_said(told, found)
    assert "no lean beyond chance" in story.change_said(told, found)
    spent = story.cost(told)
    rows = story.cost_rows(spent)
    falls = {name: before.estimate - after.estimate for name, (before, after) in rows.items()}
    assert max(falls, key=falls.get) in story.cost_said(spent)


def test_the_planted_step_compares_with_what_was_planted() -> None:
    words, found, order = story.planted(AppState())
    gaps, planted = found.gaps[:, 0], found.planted[:, 0]
    assert order["estimate"] == pytest.approx(spearmanr(planted, gaps).statistic, abs=1e-12)
    assert order["lo"] > 0.8 and f"{order['estimate']:.2f}" in story.planted_said(order)
    doctor = next(i for i, word in enumerate(words.table) if word["word"] == "doctor")
    rows = story.nearest(words, doctor, 20)
    scores = words.scores[:, doctor]
    every = cache.gallery("default").rows("evaluation")
    assert np.array_equal(np.sort(scores)[::-1][:20], scores[np.searchsorted(every, rows)])


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize("step", ["1", "2", "3", "4", "7"])
def test_every_step_keeps_the_prompt_and_says_what_was_measured(world: dict[str, str], step: str) -> None:
    shown = opened(world, step, NURSE)
    assert not shown.exception and not shown.warning
    assert shown.session_state[KEY].query == NURSE
    assert shown.session_state[KEY].edits == {}, "the demo switches nothing on the other pages"


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize("number", ["", "0", "99", "-1", "two"])
def test_a_link_to_no_step_shows_one_that_there_is(world: dict[str, str], number: str) -> None:
    shown = opened(world, number)
    assert not shown.exception and " of 7: " in words(shown)

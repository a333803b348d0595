"""The demo: one neuron that was found elsewhere, the same prompt through all steps, sentences that are measured."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from core.statistics import Estimate
from core.ui.session import answering, cache, probing, why_results
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
    assert np.array_equal(np.sort(scores)[::-1][:20], scores[np.searchsorted(words.rows, rows)])
    labels = cache.gallery("default").group_numbers("gender")
    assert np.array_equal(labels[words.rows], words.labels["gender"])


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


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize("query", ["zorblax", "!!!"])
def test_nothing_is_told_of_a_prompt_that_says_nothing(world: dict[str, str], query: str) -> None:
    shown = opened(world, "1", query)
    assert not shown.exception and str(shown.warning[0].value).startswith("nothing is ranked")


@pytest.mark.usefixtures("small_model")
def test_unknown_words_are_said_on_every_step(world: dict[str, str]) -> None:
    for step in ("1", "3", "7"):
        shown = opened(world, step, "a photo of a zorblax doctor")
        assert any("does not know" in str(line.value) for line in shown.info), step


def test_a_gallery_with_known_prompts_alone_begins_with_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def gallery(*prompts: str) -> SimpleNamespace:
        table = pd.DataFrame({"prompt": prompts})
        known = SimpleNamespace(model="RN50")
        return SimpleNamespace(prompts=list(prompts), prompt_table=table, fingerprint=lambda attach: known)

    for made, first in ((gallery(NURSE), NURSE), (gallery(NURSE, story.PROMPT), story.PROMPT)):
        monkeypatch.setattr(cache, "current_gallery", lambda state, made=made: made)
        assert story.first_prompt(AppState()) == first


def test_the_model_that_answers_is_asked_words_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def by_group(state, of, name, question, change):
        asked.append(question)
        return {"before": {}}, "yes", 0

    monkeypatch.setattr(answering, "by_group", by_group)
    for query in (NURSE, "a photo of a zorblax", "nurse"):
        told = SimpleNamespace(state=AppState(), question=SimpleNamespace(request=SimpleNamespace(query=query)))
        story.spoken(told)
    own = story.QUESTION.format("a doctor")
    assert asked == [story.QUESTION.format("a nurse"), own, own]


def test_what_the_numbers_cannot_show_is_no_fall() -> None:
    def estimate(value: float) -> Estimate:
        return Estimate(value, value, value, 100)

    def cost(after: float) -> SimpleNamespace:
        explicit = {"a man": SimpleNamespace(before=estimate(0.999), after=estimate(after))}
        return SimpleNamespace(zeroshot={}, explicit=explicit, cosine_mean=1.0)

    assert "Nothing that is compared falls" in story.cost_said(cost(0.9989))
    assert "a man" in story.cost_said(cost(0.99))


def test_a_neuron_explains_no_lean_where_there_is_none() -> None:
    assert "no lean" not in story.firing_said(default_story())
    told = story.told(AppState(query=story.PROMPT, attribute="age"))
    assert "no lean beyond chance that it could explain" in story.firing_said(told)

"""The Label page: a key is a label of the neuron on the desk, once; others stay unseen until then."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config import HOME_VARIABLE, InputError
from core.labelling import LabelEvent, LabelLog, label_set
from core.ui.label import desk as desks
from core.ui.label import mine
from core.ui.label import page as label_page
from core.ui.label.agreement import held_at
from core.ui.session import cache
from core.ui.session.state import KEY
from tests.ui.test_pages import chosen, texts

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def own_log(small_model: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))


def opened(world: dict[str, str], rater: str = "ann", **filters: object) -> AppTest:
    page = AppTest.from_file(str(ROOT / "pages/label.py"), default_timeout=180)
    page.session_state[KEY] = chosen(world)
    page.session_state[KEY].filters |= {"rater": rater, "label-testing": False} | filters
    return page.run()


def press(page: AppTest, name: str) -> AppTest:
    next(button for button in page.button if button.label.startswith(name)).click().run()
    assert not page.exception
    return page


def on_desk(page: AppTest) -> int:
    heading = next(m.value for m in page.markdown if m.value.startswith("## Neuron"))
    return int(heading.split()[2])


def written() -> list[LabelEvent]:
    return LabelLog().events()


def test_nobody_labels_without_a_name(world: dict[str, str]) -> None:
    page = opened(world, rater="")
    assert "Type your name" in texts(page) and not [b for b in page.button if "Gender" in b.label]


def test_who_has_labelled_here_goes_on_by_one_click(world: dict[str, str]) -> None:
    press(opened(world, rater="ann"), "Gender")
    page = opened(world, rater="")
    press(page, "ann")
    assert page.session_state[KEY].filters["rater"] == "ann" and on_desk(page) >= 0


def test_a_key_writes_a_label_bound_to_everything_and_the_next_neuron_comes(world: dict[str, str]) -> None:
    page = opened(world)
    first = on_desk(page)
    press(press(page, "More"), "Confound")
    page.text_input[-1].set_value("red squares").run()
    press(page, "Gender")
    (entry,) = written()
    sae, probe = cache.sae(world["image"]), cache.gallery(world["probe"])
    assert (entry.neuron, entry.category, entry.rater) == (first, "social: gender", "ann")
    assert (entry.sae, entry.gallery) == (sae.digest, probe.digest)
    assert (entry.text, entry.confidence, entry.confound) == ("red squares", 0.25, True)
    assert on_desk(page) != first
    assert page.session_state[KEY].filters.get("label-confound") is None, "the next neuron has an empty desk"
    assert "1 of" in texts(page)


def test_a_press_for_a_neuron_that_is_no_longer_on_the_desk_does_nothing(world: dict[str, str]) -> None:
    page = opened(world)
    state = page.session_state[KEY]
    desk = desks.desk_of(state, "image")
    first = desk.current
    desk.commit(first, "social", "gender")
    desk.commit(first, "context", None)
    desk.skip(first)
    assert [entry.category for entry in written()] == ["social: gender"]


def test_others_are_unseen_until_the_own_label(world: dict[str, str]) -> None:
    page = opened(world, "ben")
    neuron = on_desk(page)
    press(page, "Watermark")
    page = opened(world, "ann")
    assert on_desk(page) == neuron
    assert "watermark" not in texts(page) and "ben" not in texts(page)
    press(page, "Context")
    assert "ben: artefact: watermark" in texts(page)


def test_undo_brings_the_neuron_back_with_what_was_said(world: dict[str, str]) -> None:
    page = opened(world)
    first = on_desk(page)
    press(press(page, "Confound"), "Age")
    press(page, "Undo")
    assert on_desk(page) == first
    assert page.session_state[KEY].filters["label-confound"] is True
    press(page, "Context")
    assert [entry.kind for entry in written()] == ["label", "retract", "label"], "the log keeps everything"
    assert "1 of" in texts(page)


def test_skipped_neurons_come_last(world: dict[str, str]) -> None:
    page = opened(world)
    first = on_desk(page)
    press(page, "Skip")
    seen = []
    while any("## Neuron" in m.value for m in page.markdown) and len(seen) < 40:
        seen.append(on_desk(page))
        press(page, "Unclear")
    assert seen[-1] == first and len(set(seen)) == len(seen)
    assert "All living neurons" in "".join(s.value for s in page.success)


def test_a_test_asks_about_unseen_items_and_its_score_belongs_to_the_label(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "EACH", 3)
    monkeypatch.setattr(label_page, "EACH", 3)
    page = opened(world, **{"label-testing": True})
    desk = desks.desk_of(page.session_state[KEY], "image")
    neuron = next(j for j in desk.queue.waiting if _testable(desk, j))
    page.session_state[KEY].set_filter("label-held", neuron)
    press(page.run(), "Gender")
    test = page.session_state[KEY].filters["label-test"]
    assert "Does neuron" in texts(page)
    desk.finish_test([4 if fires else 1 for fires in test.fires])
    label, prediction = written()
    assert prediction.about == label.id
    assert prediction.score["auc"] == 1.0 and prediction.score["n"] == len(test.rows)
    assert not page.run().exception


def _testable(desk: desks.Desk, neuron: int) -> bool:
    desk.begin_test(neuron)
    found, _ = desk.test is not None, desk.state.set_filter("label-test", None)
    return found


def test_agreed_labels_become_a_set_and_an_edit(world: dict[str, str]) -> None:
    for rater in ("ann", "ben"):
        page = opened(world, rater)
        first = on_desk(page)
        press(press(page, "Gender"), "Context" if rater == "ann" else "Age")
    page = opened(world, "ann", **{"label-view": "agreement"})
    assert "Disputed" in texts(page) and "ben: **social: age**" in texts(page)
    page = opened(world, "ann", **{"label-view": "sets"})
    assert not page.exception and not page.warning
    press(page, "Keep this set")
    (made,) = LabelLog().sets()
    assert made.neurons == (first,) and made.version == 1
    assert label_set(made.digest, cache.sae(world["image"]).digest) == made
    assert made.digest in texts(page.run())


def test_the_text_side_is_labelled_by_its_captions(world: dict[str, str]) -> None:
    page = AppTest.from_file(str(ROOT / "pages/label.py"), default_timeout=180)
    page.session_state[KEY] = chosen(world)
    page.session_state[KEY].choose_gallery(world["captions"])
    page.session_state[KEY].filters |= {"rater": "ann", "label-testing": False, "label-order": "random"}
    page.run()
    assert not page.exception and not page.warning
    neuron = on_desk(page)
    assert "a photo of" in texts(page).replace("\\", "")
    press(page, "Context")
    (entry,) = written()
    assert (entry.neuron, entry.sae) == (neuron, cache.sae(world["text"]).digest)


def test_no_key_shows_a_group(world: dict[str, str]) -> None:
    """Pictures are judged, not labels: no group of the gallery is on the page."""
    page = opened(world)
    groups = {g for name in ("gender", "age") for g in cache.gallery(world["probe"]).groups(name)}
    shown = set(texts(page).replace(":", " ").split())
    assert not groups & shown, np.array(sorted(groups & shown))


# -- one's own labels -------------------------------------------------------------------------------------------------


def test_several_neurons_are_labelled_at_once_and_a_new_label_replaces_what_stood(world: dict[str, str]) -> None:
    page = opened(world)
    desk = desks.desk_of(page.session_state[KEY], "image")
    mine.label_them(desk, [3, 5, 7], type="social", attribute="gender", text="faces", confidence=0.5, confound=True)
    mine.label_them(desk, [5], type="unclear", attribute=None, text="", confidence=None, confound=False)
    assert len(written()) == 4, "nothing is ever changed in the log"
    own = mine.own_labels(desks.desk_of(page.session_state[KEY], "image").standings, "ann")
    assert {j: e.category for j, e in own.items()} == {3: "social: gender", 5: "unclear", 7: "social: gender"}
    assert own[3].confound and own[3].confidence == 0.5
    assert mine.listed(own, "social: gender", "") == [3, 7] and mine.listed(own, mine.EVERY, "FACES 7") == [7]
    table = mine.frame(own, [3, 5])
    assert table["Label"].tolist() == ["social: gender", "unclear"] and table["Sure"].tolist() == ["50 %", "not told"]


def test_progress_counts_each_rater_and_the_most_active_comes_first(world: dict[str, str]) -> None:
    page = opened(world)
    state = page.session_state[KEY]
    for rater, neurons in (("ann", [1]), ("bea", [1, 2])):
        state.filters["rater"] = rater
        desk = desks.desk_of(state, "image")
        mine.label_them(desk, neurons, type="context", attribute=None, text="", confidence=None, confound=False)
    rows = mine.progress_of(desks.desk_of(state, "image").standings, 8)
    assert rows["Rater"].tolist() == ["bea", "ann"] and rows["Labelled"].tolist() == [2, 1]
    assert rows["Of all"].tolist() == ["25 %", "12 %"] and rows["Tests"].tolist() == [0, 0]


def test_the_list_of_labels_is_drawn_with_its_form(world: dict[str, str]) -> None:
    page = opened(world)
    desk = desks.desk_of(page.session_state[KEY], "image")
    mine.label_them(desk, [2], type="artefact", attribute="text", text="", confidence=None, confound=False)
    page = opened(world, **{"label-view": "mine"})
    assert not page.exception and "Labels of ann" in " ".join(h.value for h in page.header)
    page.text_input[-2].set_value("3 99999")
    press(page, "Label them")
    assert any("expected numbers from 0 to" in w.value for w in page.warning)


@pytest.mark.parametrize("text", ["three", "1;2", "-1", "12345678901"])
def test_neurons_that_are_no_numbers_of_the_sae_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected numbers from 0 to 15"):
        mine.neurons_of(text, 16)
    assert mine.neurons_of(" 3, 7 3,", 16) == [3, 7] and mine.neurons_of("", 16) == []


def test_the_first_disputed_neuron_is_decided_by_a_key_of_its_own(world: dict[str, str]) -> None:
    page = opened(world)
    state = page.session_state[KEY]
    for rater, type in (("bea", "context"), ("ann", "unclear")):
        state.filters["rater"] = rater
        desk = desks.desk_of(state, "image")
        mine.label_them(desk, [1, 4], type=type, attribute=None, text="", confidence=None, confound=False)
    page = opened(world, **{"label-view": "agreement"})
    keyed = {button.key for button in page.button if (button.key or "").startswith("decide-")}
    assert "decide-1-type-5" in keyed and not any(key.startswith("decide-4") for key in keyed)
    page.button(key="decide-1-type-5").click().run()
    assert (written()[-1].kind, written()[-1].neuron, written()[-1].category) == ("adjudication", 1, "context")
    assert page.button(key="decide-4-type-5"), "the next one takes its place"


def test_keys_lead_to_the_next_disputed_neuron_and_back(world: dict[str, str]) -> None:
    state = opened(world).session_state[KEY]
    for rater, type in (("bea", "context"), ("ann", "unclear")):
        state.filters["rater"] = rater
        desk = desks.desk_of(state, "image")
        mine.label_them(desk, [1, 4, 6], type=type, attribute=None, text="", confidence=None, confound=False)
    page = opened(world, **{"label-view": "agreement"})
    assert page.button(key="disputed-back").disabled
    page.button(key="disputed-next").click().run()
    assert page.button(key="decide-4-type-5") and "2 of 3" in texts(page)
    page.button(key="disputed-next").click().run()
    assert page.button(key="disputed-next").disabled
    page.button(key="decide-6-type-5").click().run()
    assert page.button(key="decide-4-type-5"), "the last one was decided: the one before it is held"
    page.button(key="disputed-back").click().run()
    assert page.button(key="decide-1-type-5") and not page.exception


@pytest.mark.parametrize(("held", "place"), [(None, 0), (1, 0), (2, 1), (4, 1), (6, 2), (7, 2)])
def test_a_decided_neuron_gives_way_to_the_next(held: int | None, place: int) -> None:
    assert held_at([1, 4, 6], held) == place and held_at([], held) == 0

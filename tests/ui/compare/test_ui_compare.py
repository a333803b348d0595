"""Compare and Neurons as people meet them: the answer follows the switches, and every number is where it was made."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config import Edit
from core.ui.compare import numbers, upload_ranks
from core.ui.compare import page as compare_page
from core.ui.session import cache, jobs, probing, results
from core.ui.session.state import KEY, TARGETS, AppState
from core.ui.session.uploads import Upload, Uploads
from core.verdicts import NO_CHANGE, list_line
from tests.ui.world import D_SAE, SmallModel

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[3]


def chosen(world: dict[str, str], **choices: object) -> AppState:
    state = AppState(gallery=world["searched"], model="small", linked=True, query="a photo of a doctor", k=20)
    state.saes = {"image": world["image"], "text": world["text"]}
    for name, value in choices.items():
        setattr(state, name, value)
    return state


def page(name: str, state: AppState) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=180)
    test.session_state[KEY] = state
    return test.run()


def said(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "metric", "table")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind)).replace(
        "\u00a0", " "
    )


def busiest(world: dict[str, str], state: AppState) -> int:
    """The neuron that fires on most items of the probe set."""
    found = probing.probe_of(state, "image")
    return int(np.diff(found.codes.csc.indptr).argmax())


# -- Compare ----------------------------------------------------------------------------------------------------------


def test_a_switch_brings_the_second_arm_and_original_takes_it_away(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    assert not shown.exception and "**After**" not in said(shown)
    shown.toggle[0].set_value(False).run()
    assert "**After**" in said(shown) and "off: **" in said(shown)
    assert shown.session_state[KEY].edits["image"].neurons
    assert not shown.toggle, "the answer alone is drawn"
    shown.run()
    shown.button(key="original-image").click().run()
    assert "**After**" not in said(shown) and shown.toggle[0].value


def test_a_page_that_is_there_no_more_is_the_last_one(world: dict[str, str]) -> None:
    state = chosen(world, k=40)
    state.set_edit("image", Edit((busiest(world, state),)))
    shown = page("compare", state)
    key = compare_page._page_key(state)
    shown.session_state[key] = 3
    shown.run()
    assert shown.session_state[key] == 3, "two lists of sixteen a page"
    shown.button(key="original-image").click().run()
    assert shown.session_state[key] == 2, "one list of thirty-two: what is chosen is what is shown"


def test_the_sentence_says_the_lean_then_counts_what_the_ranking_found(world: dict[str, str]) -> None:
    state = chosen(world)
    found = results.ranking(results.asked(state, "gender"))
    group, told = results.told_of(found), found.before.numbers.to_json()
    shown = said(page("compare", state))
    assert f"**{list_line(told)}**" in shown
    assert f"**{told['lean'][group]['retrieved']} are {group}**" in shown


def test_the_lean_is_the_same_for_every_target_and_the_distance_is_not(world: dict[str, str]) -> None:
    shown = [said(page("compare", chosen(world, target=target, where={"age": "old"}))) for target in TARGETS]
    leans = [next(line for line in text.splitlines() if "ean" in line and "**" in line) for text in shown]
    assert leans[0] == leans[1]
    assert "the shares of the searched rows (" in shown[0] and "even shares (" in shown[1]
    assert "the gallery brings" in shown[1] and "the gallery brings" not in shown[0]


def test_an_edit_is_told_by_direction_with_the_lean_after_it(world: dict[str, str]) -> None:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),))}
    found = results.ranking(results.asked(state, "gender"))
    shown = said(page("compare", state))
    after = list_line(found.after.numbers.to_json())
    assert f"After: {after[:1].lower()}{after[1:-1]}; {results.told_of(found)} is " in shown
    effect = found.difference.change.to_json()["effect"]
    words = "No change beyond chance" if effect["direction"] == NO_CHANGE else effect["group"]
    assert f"off: **{words}" in shown or f"off: **From {words}" in shown


def test_a_list_of_most_or_all_rows_says_so_first(world: dict[str, str]) -> None:
    for k, words in ((40, "mostly the gallery itself"), (60, "everything is retrieved whatever the prompt is")):
        shown = page("compare", chosen(world, k=k))
        assert not shown.exception
        captions = [item.value for item in shown.caption if words in item.value]
        assert len(captions) == 1, "once, above the sentence, and not again at the foot"


def test_ties_at_the_last_place_are_said(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    question = results.asked(chosen(world), "gender")
    found = results.ranking(question)
    tied = replace(found, before=replace(found.before, ties=3))
    monkeypatch.setattr(results, "ranking", lambda *args: tied)
    assert "3 rows tie at place 20" in said(page("compare", chosen(world)))


def test_numbers_have_every_table_with_intervals_and_unknown_rows(world: dict[str, str]) -> None:
    state = chosen(world, attribute="gender", target="uniform")
    state.edits = {"image": Edit((busiest(world, state),))}
    state.set_filter("compare-view", "numbers")
    shown = page("compare", state)
    assert not shown.exception and not shown.warning
    lean, distance, metrics, impact = (table.value for table in shown.table)
    assert {"Searched", "Retrieved", "Ratio", "Points", "p", "Blind draw"} < set(lean.columns) and len(lean) == 4
    assert {"Target", "The gallery brings", "The model adds", "Change of share"} < set(distance.columns)
    assert list(metrics.columns) == ["", "Before", "After", "Change", "Blind draw"]
    assert any("benchmark" in name for name in impact[""]) and "unknown" in "".join(impact[""])
    words = said(shown)
    assert "no pass mark" in words and "Local Law 144" in words and "Combinations with gender" in words


def test_combinations_count_the_list_on_the_page(world: dict[str, str]) -> None:
    """Whatever method made the list: it is the same people, counted by two attributes."""
    question = results.asked(chosen(world), "gender")
    gallery, found = question.gallery, results.ranking(question)
    groups, lean = numbers.crossed_lean(question.scene, found, "gender x age")
    assert sum(one.retrieved for one in lean.groups) == sum(
        n is not None for n in gallery.labels("gender x age")[found.before.rows]
    )
    male = [one.retrieved for group, one in zip(groups, lean.groups, strict=True) if group.startswith("Male")]
    both = gallery.labels("age")[found.before.rows] != None  # noqa: E711
    assert sum(male) == int((gallery.labels("gender")[found.before.rows][both] == "Male").sum())
    rows, columns, places = numbers.grid(gallery, groups, "gender", "age")
    assert {(r, c) for r in rows for c in columns} >= set(places) and len(rows) <= len(columns)
    for (r, c), at in places.items():
        assert groups[at] in (f"{r} x {c}", f"{c} x {r}")


def test_unknown_labels_are_counted_in_words(world: dict[str, str]) -> None:
    state = chosen(world, k=60)
    assert "4 have no known gender" in said(page("compare", state))


def test_strength_and_form_reach_the_edit(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.toggle[0].set_value(False).run().run()
    shown.slider(key="strength-image").set_value(0.5).run()
    shown.radio(key="form-image").set_value("blend").run()
    shown.slider(key="alpha-image").set_value(0.4).run()
    edit = shown.session_state[KEY].edits["image"]
    assert (edit.strength, edit.form, edit.alpha) == (0.5, "blend", 0.4)
    assert "turned down by 50 %" in said(shown)


def test_a_strength_chosen_before_any_neuron_is_kept_for_it(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.slider(key="strength-image").set_value(0.25).run()
    shown.toggle[0].set_value(False).run()
    assert shown.session_state[KEY].edits["image"].strength == 0.25


def test_any_neuron_can_be_switched_by_its_number(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.number_input(key="other-image").set_value(D_SAE - 1).run()
    assert D_SAE - 1 in shown.session_state[KEY].edits["image"].neurons
    assert shown.number_input(key="other-image").value is None


def test_an_edit_that_cannot_be_ranked_is_said_once(world: dict[str, str]) -> None:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),), gamma=1e30)}
    shown = page("compare", state)
    assert not shown.exception
    assert len([one for kind in ("warning", "info") for one in shown.get(kind) if "not finite" in one.value]) == 1


def test_what_was_stopped_may_begin_again_where_the_answer_alone_runs(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[int] = []
    monkeypatch.setattr(jobs, "settle", lambda: settled.append(1))
    shown = page("compare", chosen(world))
    before = len(settled)
    shown.toggle[0].set_value(False).run()
    assert not shown.toggle and len(settled) > before


def test_a_part_of_the_gallery_is_the_part_that_is_searched(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.selectbox(key="where-age").set_value("old").run()
    assert shown.session_state[KEY].where == {"age": "old"}
    assert "age = old" in said(shown)


def test_k_is_at_most_the_part_that_is_searched(world: dict[str, str]) -> None:
    part = len(cache.gallery(world["searched"]).rows("all", {"age": "old"}))
    shown = page("compare", chosen(world, where={"age": "old"}, k=100_000))
    assert not shown.warning
    assert shown.selectbox(key="choice-k-None").value == part
    assert f"{part} pictures nearest" in said(shown) or f"among the {part} pictures nearest" in said(shown)


def test_a_prompt_is_shown_as_it_was_typed(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world, query="a :red[photo] of $a$ *doctor*"))
    assert "a \\:red\\[photo\\] of \\$a\\$ \\*doctor\\*" in said(shown)


def test_numbers_controls_and_cost_open_without_a_word_of_error(world: dict[str, str]) -> None:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),))}
    for view in ("numbers", "controls", "cost"):
        state.set_filter("compare-view", view)
        shown = page("compare", state)
        assert not shown.exception and not shown.warning, (view, [w.value for w in shown.warning])
    assert "Mean cosine" in str([m.label for m in shown.metric])


def test_a_method_that_leaves_nothing_of_the_prompt_says_so_in_its_place(world: dict[str, str]) -> None:
    for view in ("pictures", "numbers", "cost"):
        state = chosen(world, query="a photo of a man", method="orth-proj")
        state.set_filter("compare-view", view)
        test = page("compare", state)
        assert "Orth-Proj leaves nothing of “a photo of a man”: it lies in what it removes" in said(test)
        assert not test.exception and not test.warning and "went wrong" not in said(test)
    found = results.ranking(results.asked(chosen(world, query="a photo of a man", method="orth-proj"), "gender"))
    lines = list(csv.DictReader(io.StringIO(numbers.tidy(found))))
    assert {line["arm"]: line["reason"] for line in lines if not line["metric"]} == dict.fromkeys(
        ("after", "difference"), found.reason
    )


def test_the_prompt_side_switches_what_fires_on_the_prompt(world: dict[str, str]) -> None:
    state = chosen(world)
    state.set_filter("switch-side", "text")
    shown = page("compare", state)
    assert not shown.warning
    shown.toggle[0].set_value(False).run()
    assert "text neuron" in said(shown) and not shown.warning


def test_the_table_to_download_has_every_estimate_of_every_arm(world: dict[str, str]) -> None:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),))}
    found = results.ranking(results.asked(state, "gender"))
    lines = list(csv.DictReader(io.StringIO(numbers.tidy(found))))
    assert {"share", "ratio", "points", "distance"} < {line["metric"] for line in lines}
    assert {line["arm"] for line in lines} == {"before", "after", "difference"}
    line = next(line for line in lines if (line["arm"], line["metric"]) == ("after", "max_skew"))
    assert float(line["estimate"]) == found.after.metrics["max_skew"].estimate
    assert line["null_hi"] and line["prompt"] == "a photo of a doctor"


# -- uploads in a ranking ---------------------------------------------------------------------------------------------


def test_a_copy_of_an_item_takes_the_items_place_before_and_after(world: dict[str, str]) -> None:
    """An upload is edited and ranked as the gallery is: a copy of a row stands where the row stands, in both arms."""
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),), strength=0.7)}
    question = results.asked(state, "gender")
    found = results.ranking(question)
    rows = [int(found.before.rows[i]) for i in (0, 3, 11)]
    pooled = question.gallery.embeddings("pooled")
    copies = [Upload(str(r), "image", str(r), {"pooled": np.array(pooled[r])}, picture=b"x") for r in rows]
    state.uploads = Uploads(items=copies, weights=SmallModel().weights_digest)
    after = {int(row): place for place, row in enumerate(found.after.rows, 1)}
    for place, row, before in zip(upload_ranks.places(state, question, found), rows, (1, 4, 12), strict=True):
        assert abs(place.before - before) <= 1  # equal scores are told apart by rounding alone
        assert (place.after is None) == (row not in after) or abs((place.after or 20) - after.get(row, 20)) <= 1


def test_uploads_of_another_model_have_no_place(world: dict[str, str]) -> None:
    state = chosen(world)
    question = results.asked(state, "gender")
    row = {"pooled": np.ones(12, dtype=np.float32)}
    state.uploads = Uploads(items=[Upload("a", "image", "a", row)], weights="6" * 64)
    assert upload_ranks.places(state, question, results.ranking(question)) == []


# -- Neurons ----------------------------------------------------------------------------------------------------------


def test_groups_without_a_neuron_are_named_with_what_to_try(world: dict[str, str]) -> None:
    state = chosen(world)
    state.set_filter("tau", 1.0)
    words = said(page("neurons", state))
    for group in ("Female", "Male"):
        specific = probing.social(probing.probe_of(state, "image"), "gender", 1.0).groups[group].specific
        assert specific or f"No neuron is {group}'s alone at τ = 1" in words


def test_a_neurons_page_shows_firing_and_silent_items(world: dict[str, str]) -> None:
    state = chosen(world)
    neuron = busiest(world, state)
    state.open_neuron(neuron)
    shown = page("neurons", state)
    assert not shown.exception and not shown.warning
    assert f"Neuron {neuron}" in [item.value for item in shown.header]
    for title in ("Fires most on", "Does not fire on", "Fires as usual on", "Fires on, at random"):
        assert title in said(shown)


def test_the_rates_on_the_page_are_counted_by_hand(world: dict[str, str]) -> None:
    state = chosen(world)
    found, neuron = probing.probe_of(state, "image"), busiest(world, state)
    fires = found.codes.csr[:, [neuron]].toarray()[:, 0] > 0
    labels = found.labels("gender")
    for group, e in probing.rates(found, neuron, "gender").items():
        inside = [i for i in found.rows if labels[i] == group]
        assert e.n == len(inside)
        assert e.estimate == pytest.approx(fires[inside].mean())


def test_going_on_and_back_returns_to_the_same_living_neuron(world: dict[str, str]) -> None:
    found = probing.probe_of(chosen(world), "image")
    for neuron in probing.living(found):
        after = probing.living_neighbours(found, int(neuron))[1]
        assert probing.living_neighbours(found, after)[0] == neuron


def test_a_neuron_that_the_sae_does_not_have_is_one_calm_line(world: dict[str, str]) -> None:
    state = chosen(world)
    state.open_neuron(D_SAE)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    app.session_state[KEY] = state
    app.run()
    app.switch_page("pages/neurons.py").run()
    assert not app.exception and any(str(D_SAE) in w.value for w in app.warning)

"""Compare and Neurons as people meet them: the answer follows the switches, and every number is where it was made."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config import Edit
from core.ui import cache, compare_more, probing, results, upload_ranks
from core.ui.state import KEY, AppState
from core.ui.uploads import Upload, Uploads
from tests.ui.world import D_SAE, SmallModel, make_world

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cache, "backbone", lambda *args, **kwargs: SmallModel())
    yield
    cache._results().clear()


def chosen(world: dict[str, str], **choices: object) -> AppState:
    state = AppState(gallery=world["searched"], model="small", linked=True, query="a photo of a doctor", k=20)
    state.saes = {"image": world["image"], "text": world["text"]}
    for name, value in choices.items():
        setattr(state, name, value)
    return state


def page(name: str, state: AppState) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
    test.session_state[KEY] = state
    return test.run()


def said(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "metric", "table")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind)).replace(
        "\u00a0", " "
    )


def busiest(world: dict[str, str], state: AppState) -> int:
    """The neuron that fires on most items of the probe set."""
    found = probing.probe(state, "image")
    return int(np.diff(found.codes.csc.indptr).argmax())


# -- Compare ----------------------------------------------------------------------------------------------------------


def test_a_switch_brings_the_second_arm_and_original_takes_it_away(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    assert not shown.exception and "**After**" not in said(shown)
    shown.toggle[0].set_value(True).run()
    assert "**After**" in said(shown) and "off: **" in said(shown)
    assert shown.session_state[KEY].edits["image"].neurons
    shown.button(key="original-image").click().run()
    assert "**After**" not in said(shown) and not shown.toggle[0].value


def test_the_sentence_counts_what_the_ranking_found(world: dict[str, str]) -> None:
    state = chosen(world)
    found = results.ranking(results.asked(state, "gender"))
    top = max(found.before.shares, key=lambda g: found.before.shares[g].estimate)
    share = found.before.shares[top]
    assert f"**{round(share.estimate * share.n)} are {top}**" in said(page("compare", state))


def test_unknown_labels_are_counted_in_words(world: dict[str, str]) -> None:
    state = chosen(world, k=60)
    assert "4 have no known gender" in said(page("compare", state))


def test_strength_and_form_reach_the_edit(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.toggle[0].set_value(True).run()
    shown.slider(key="strength-image").set_value(0.5).run()
    shown.radio(key="form-image").set_value("blend").run()
    shown.slider(key="alpha-image").set_value(0.4).run()
    edit = shown.session_state[KEY].edits["image"]
    assert (edit.strength, edit.form, edit.alpha) == (0.5, "blend", 0.4)
    assert "turned down by 50 %" in said(shown)


def test_a_strength_chosen_before_any_neuron_is_kept_for_it(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.slider(key="strength-image").set_value(0.25).run()
    shown.toggle[0].set_value(True).run()
    assert shown.session_state[KEY].edits["image"].strength == 0.25


def test_any_neuron_can_be_switched_by_its_number(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.number_input(key="other-image").set_value(D_SAE - 1).run()
    assert D_SAE - 1 in shown.session_state[KEY].edits["image"].neurons
    assert shown.number_input(key="other-image").value is None


def test_a_part_of_the_gallery_is_the_part_that_is_searched(world: dict[str, str]) -> None:
    shown = page("compare", chosen(world))
    shown.selectbox(key="where-age").set_value("old").run()
    assert shown.session_state[KEY].where == {"age": "old"}
    assert "this part of the gallery" in said(shown) and "age = old" in said(shown)


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
    lines = list(csv.DictReader(io.StringIO(compare_more.tidy(found))))
    assert {line["arm"]: line["reason"] for line in lines if not line["metric"]} == dict.fromkeys(
        ("after", "difference"), found.reason
    )


def test_the_prompt_side_switches_what_fires_on_the_prompt(world: dict[str, str]) -> None:
    state = chosen(world)
    state.set_filter("switch-side", "text")
    shown = page("compare", state)
    assert not shown.warning
    shown.toggle[0].set_value(True).run()
    assert "text neuron" in said(shown) and not shown.warning


def test_the_table_to_download_has_every_estimate_of_every_arm(world: dict[str, str]) -> None:
    state = chosen(world)
    state.edits = {"image": Edit((busiest(world, state),))}
    found = results.ranking(results.asked(state, "gender"))
    lines = list(csv.DictReader(io.StringIO(compare_more.tidy(found))))
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
        specific = probing.social(probing.probe(state, "image"), "gender", 1.0).groups[group].specific
        assert specific or f"No neuron is {group}'s alone at τ = 1" in words


def test_a_neurons_page_shows_firing_and_silent_items(world: dict[str, str]) -> None:
    state = chosen(world)
    neuron = busiest(world, state)
    state.open_neuron(neuron)
    shown = page("neurons", state)
    assert not shown.exception and not shown.warning
    assert f"Neuron {neuron}" in [item.value for item in shown.subheader]
    for title in ("Fires most on", "Does not fire on", "Fires as usual on", "Fires on, at random"):
        assert title in said(shown)


def test_the_rates_on_the_page_are_counted_by_hand(world: dict[str, str]) -> None:
    state = chosen(world)
    found, neuron = probing.probe(state, "image"), busiest(world, state)
    fires = found.codes.csr[:, [neuron]].toarray()[:, 0] > 0
    labels = found.labels("gender")
    for group, e in probing.rates(found, neuron, "gender").items():
        inside = [i for i in found.rows if labels[i] == group]
        assert e.n == len(inside)
        assert e.estimate == pytest.approx(fires[inside].mean())


def test_going_on_and_back_returns_to_the_same_living_neuron(world: dict[str, str]) -> None:
    found = probing.probe(chosen(world), "image")
    for neuron in probing.living(found):
        after = probing.living_neighbours(found, int(neuron))[1]
        assert probing.living_neighbours(found, after)[0] == neuron


def test_a_neuron_that_the_sae_does_not_have_is_one_calm_line(world: dict[str, str]) -> None:
    state = chosen(world)
    state.open_neuron(D_SAE)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[KEY] = state
    app.run()
    app.switch_page("pages/neurons.py").run()
    assert not app.exception and any(str(D_SAE) in w.value for w in app.warning)

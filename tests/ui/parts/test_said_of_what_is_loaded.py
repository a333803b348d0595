"""What pages say of what is loaded holds for that gallery: its SAEs, its prompts, the rows that were looked at."""

import pytest

from core.ui.compare import cost, item
from core.ui.parts import facts, provenance
from core.ui.session import answering, cache, probing
from core.ui.session.state import AppState
from core.ui.start import stage

pytestmark = pytest.mark.usefixtures("small_model")


def chosen(world: dict[str, str], **more: str) -> AppState:
    return AppState(gallery=world["searched"], model="small", saes={"image": world["image"], **more})


def test_an_sae_that_is_not_in_use_is_in_no_line_of_provenance(world: dict[str, str]) -> None:
    lines = provenance.loaded(chosen(world, text="default-text"))
    assert "image SAE" in lines and "text SAE" not in lines
    assert "text SAE" in provenance.loaded(chosen(world, text=world["text"]))


def test_it_is_said_where_the_saes_are_listed(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "current_gallery", lambda *_: cache.gallery(world["searched"]))
    assert facts.sae_line("default-text", "text").endswith(facts.UNUSED)
    assert facts.UNUSED not in facts.sae_line(world["image"], "image")


def test_numbers_of_neurons_name_the_gallery_that_they_were_looked_at_in(world: dict[str, str]) -> None:
    state = chosen(world)
    state.probe = world["probe"]
    lines = provenance.probed(probing.probe_of(state, "image"))
    assert cache.gallery(world["probe"]).digest in lines["gallery"] and "edit" not in lines and "k" not in lines


def test_an_item_has_no_neurons_of_another_models_sae(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(item.st, "caption", said.append)
    item._neurons(chosen(world, image="default-image"), cache.gallery(world["searched"]), 0)
    assert len(said) == 1 and "default-image" in said[0]


def test_the_title_asks_what_the_demo_asks(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert stage.question(chosen(world)) == "Who appears when you ask for a doctor?"
    monkeypatch.setattr(stage.story, "first_prompt", lambda _: "a photo of a *staff*")
    assert stage.question(chosen(world)) == r"Who appears when you ask for “a photo of a \*staff\*”?"


def test_the_shipped_model_that_answers_is_no_stranger_at_home_alone(world: dict[str, str]) -> None:
    state = chosen(world)
    assert answering.elsewhere_said(state, cache.gallery("default")) is None
    assert "built-in world" in (answering.elsewhere_said(state, cache.gallery(world["searched"])) or "")
    answering.MODEL.put(state, "local-dir:another")
    assert answering.elsewhere_said(state, cache.gallery(world["searched"])) is None


def test_it_is_said_where_another_gallerys_pictures_are_asked_about(world: dict[str, str]) -> None:
    state = chosen(world)
    assert answering.instead_said(state, cache.gallery(world["searched"])) is None
    assert "keeps no pictures: those of default" in (answering.instead_said(state, cache.gallery("default")) or "")


def test_a_reason_on_a_page_leaves_the_command_line_out() -> None:
    assert cost.first_clause("no text encoder is here; choose that model (--model NAME)") == "no text encoder is here"


def test_a_finished_study_is_told_by_its_own_settings() -> None:
    settings = {
        "gallery": "d" * 64,
        "edits": {"image": {"neurons": [3, 17]}},
        "attribute": "age",
        "k": 20,
        "target": {"old": 0.4, "young": 0.6},
        "where": {"race": "White"},
        "half": "evaluation",
    }
    lines = provenance.of_settings("mine", settings)
    assert lines["gallery"] == f"mine, digest {'d' * 64}" and lines["image edit"] == "neurons 3, 17"
    assert (lines["attribute"], lines["k"], lines["part"], lines["rows"]) == ("age", "20", "race = White", "evaluation")
    assert lines["target"].startswith("own shares, digest ")
    assert provenance.of_settings("mine", {}) == {"gallery": "mine"}

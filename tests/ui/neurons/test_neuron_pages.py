"""Neurons: map, search and a neuron's page, for pictures and for captions alike."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import projection
from core.config import HOME_VARIABLE, InputError
from core.gallery import Gallery
from core.labelling import LabelEvent
from core.neurons import neurons_towards
from core.ui.neurons import facts, map_hover, maps, search, searching
from core.ui.parts import grids
from core.ui.session import label_log, probing
from core.ui.session.choices import TAU
from core.ui.session.state import KEY
from tests.ui.test_pages import chosen, texts
from tests.ui.world import SmallModel

ROOT = Path(__file__).resolve().parents[3]
SIDES = ["searched", "captions"]


def opened(world: dict[str, str], gallery: str, neuron: int | None = None, **filters: object) -> AppTest:
    page = AppTest.from_file(str(ROOT / "pages/neurons.py"), default_timeout=180)
    state = chosen(world)
    state.choose_gallery(world[gallery])
    state.filters |= filters
    if neuron is not None:
        state.open_neuron(neuron, "text" if gallery == "captions" else "image")
    page.session_state[KEY] = state
    return page.run()


def fine(page: AppTest) -> str:
    assert not page.exception
    assert not page.warning, page.warning[0].value
    return texts(page).replace("\\", "")


def found(world: dict[str, str], gallery: str) -> probing.Probe:
    state = chosen(world)
    state.choose_gallery(world[gallery])
    return probing.probe_of(state, "text" if gallery == "captions" else "image")


@pytest.mark.parametrize("gallery", SIDES)
@pytest.mark.parametrize("kind", ["neurons", "fired", "items"])
def test_the_map_is_there_at_once_by_pca(world: dict[str, str], gallery: str, kind: str) -> None:
    page = opened(world, gallery, **{"neurons-view": "map", "map-kind": kind})
    shown = fine(page)
    assert "By PCA" in shown and "Until then" in "".join(str(p.proto) for p in page.get("progress"))
    assert page.get("plotly_chart")


def test_a_finished_map_says_how_far_it_can_be_trusted(world: dict[str, str], monkeypatch) -> None:
    points = maps.neuron_points(found(world, "searched"))
    made = projection.Projection(np.zeros((len(points.numbers), 2)), 0.91, 0.72, 0.31, 15, 0)
    monkeypatch.setattr(projection, "read_map", lambda folder: made)
    shown = fine(opened(world, "searched", **{"neurons-view": "map", "map-kind": "neurons"}))
    assert "Trustworthiness 0.91 (15 neighbours), PCA's 0.72" in shown
    assert "hardly resemble each other (median cosine to the nearest: 0.31)" in shown


def test_a_map_belongs_to_its_points(world: dict[str, str]) -> None:
    a, b = (maps.neuron_points(found(world, gallery)) for gallery in SIDES)
    assert a.folder != b.folder
    assert a.folder == maps.neuron_points(found(world, "searched")).folder


@pytest.mark.parametrize("gallery", SIDES)
def test_search_by_text_is_the_nearest_direction(world: dict[str, str], gallery: str) -> None:
    page = opened(world, gallery, **{"neurons-view": "search", "search-way": "text", "search-text": "a photo of man"})
    assert "cosine" in fine(page)
    probe = found(world, gallery)
    state = chosen(world)
    best = searching.along_prompt(state, probe, "a photo of man")
    vector, W = SmallModel().text_embedding("a photo of man").astype(float), probe.sae.sae.W_dec.numpy().astype(float)
    cosines = W @ vector / np.linalg.norm(W, axis=1) / np.linalg.norm(vector)
    alive = probing.living(probe)
    assert best[0][0] == alive[np.argmax(cosines[alive])]
    assert best[0][1] == pytest.approx(cosines[alive].max(), abs=1e-6)


def test_where_only_known_prompts_can_be_read_one_of_them_is_chosen(world: dict[str, str], monkeypatch) -> None:
    monkeypatch.setattr(Gallery, "prompts", property(lambda self: ["red", "blue"]))
    monkeypatch.setattr(search, "only_known_prompts", lambda state, gallery: True)
    page = opened(world, "searched", **{"neurons-view": "search", "search-way": "text"})
    (asked,) = [box for box in page.selectbox if box.label == "Prompt"]
    assert asked.options == ["red", "blue"] and not [box for box in page.text_input if box.label == "Prompt"]
    asked.select("blue")
    next(button for button in page.button if button.label == "Search").click()
    assert "cosine" in fine(page.run())


@pytest.mark.parametrize("gallery", SIDES)
def test_search_by_item_shows_its_strongest_neurons(world: dict[str, str], gallery: str) -> None:
    probe = found(world, gallery)
    item = probe.gallery.item_id(3)
    shown = fine(opened(world, gallery, **{"neurons-view": "search", "search-way": "item", "search-item": item}))
    assert "activation" in shown
    row, active = searching.on_item(probe, item)
    z = probe.codes.csr[3].toarray().ravel()
    assert row == 3 and active[0] == (int(np.argmax(z)), pytest.approx(float(z.max())))
    with pytest.raises(InputError, match="no item"):
        searching.on_item(probe, "nothing of this name")


@pytest.fixture
def own_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of labels that no other test writes."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))


@pytest.mark.usefixtures("own_labels")
def test_search_by_label_and_by_two_attributes(world: dict[str, str]) -> None:
    probe = found(world, "searched")
    common = {"sae": probe.sae.digest, "gallery": probe.gallery.digest}
    neuron = int(probing.living(probe)[0])
    for rater, type in (("ann", "context"), ("ben", "context"), ("cy", "social")):
        label_log.log().add(LabelEvent(neuron, rater, type=type, **common))
    page = opened(world, "searched", **{"neurons-view": "search", "search-way": "label"})
    assert "raters 3" in fine(page)
    assert list(searching.labelled(probe)) == ["context"]
    both = fine(opened(world, "searched", **{"neurons-view": "search", "search-way": "overlap"}))
    shared = searching.overlaps(probe, "gender", "age", TAU.first)
    assert (f"{shared[0][1]} · {shared[0][2]}" if shared else "no neuron serves both") in both


@pytest.mark.parametrize("gallery", SIDES)
def test_a_neurons_page_is_never_the_top_alone(world: dict[str, str], gallery: str) -> None:
    probe = found(world, gallery)
    neuron = int(probing.living(probe)[1])
    shown = fine(opened(world, gallery, neuron))
    for title in ("Fires most on", "Does not fire on", "Fires as usual on", "Fires on, at random"):
        assert title in shown
    assert "Monosemanticity" in shown
    score, nothing = facts.monosemanticity(probe, neuron)
    assert -1 <= score <= 1 and -1 <= nothing <= 1


@pytest.mark.usefixtures("own_labels")
def test_labels_stay_hidden_from_a_rater_who_has_not_labelled(world: dict[str, str]) -> None:
    probe = found(world, "searched")
    neuron = int(probing.living(probe)[1])
    common = {"sae": probe.sae.digest, "gallery": probe.gallery.digest}
    label_log.log().add(LabelEvent(neuron, "ben", type="artefact", attribute="crop", **common))
    assert "hidden until" in fine(opened(world, "searched", neuron, rater="ann"))
    assert "crop" not in fine(opened(world, "searched", neuron, rater="ann"))
    assert "artefact: crop" in fine(opened(world, "searched", neuron))


def test_switching_it_off_is_shown_for_a_list_of_prompts(world: dict[str, str]) -> None:
    probe = found(world, "searched")
    neuron = int(probing.living(probe)[1])
    page = opened(world, "searched", neuron)
    next(button for button in page.button if button.label == "Try them").click().run()
    shown = fine(page)
    assert "MaxSkew before" in shown and "95 % intervals" in shown
    assert page.session_state[KEY].edits == {}, "looking at it switches nothing"


def test_another_gallery_is_shown_beside(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts.folders, "known", lambda kind: [world["searched"], world["captions"]])
    probe = found(world, "searched")
    assert list(facts.references(probe)) == [world["searched"]], "the probe set is shown above, captions cannot be"
    neuron = int(probing.living(probe)[1])
    page = opened(world, "searched", neuron, reference=world["searched"])
    assert "On **searched** it fires" in fine(page).replace("\\", "")


def test_directions_of_another_space_are_refused() -> None:
    W = np.eye(4)
    assert neurons_towards(W, np.array([0, 2.0, 1, 0]), 2)[0] == (1, pytest.approx(2 / np.sqrt(5)))
    for wrong in (np.ones(3), np.zeros(4), np.full(4, np.nan)):
        with pytest.raises(InputError, match="direction"):
            neurons_towards(W, wrong)


def test_pictures_go_out_as_they_are() -> None:
    assert grids._source(b"\xff\xd8abc") == "data:image/jpeg;base64,/9hhYmM="
    assert grids._source(b"\x89PNGabc").startswith("data:image/png;base64,")


@pytest.mark.parametrize("gallery", SIDES)
@pytest.mark.parametrize("kind", list(maps.POINTS))
def test_what_a_point_is_comes_in_pictures_or_words(world: dict[str, str], gallery: str, kind: str) -> None:
    probe = found(world, gallery)
    number = int(maps.POINTS[kind](probe).numbers[0])
    tiles = map_hover.tiles(probe, kind, number)
    rows = [number] if kind == "items" else list(probing.shown_examples(probe, number).top.rows)
    assert [tile.alt for tile in tiles] == [f"Item {probe.gallery.item_id(row)}" for row in rows[: len(tiles)]]
    assert len(tiles) == min(len(rows), 3 if gallery == "captions" else 6)
    assert all(tile.picture or tile.text for tile in tiles)

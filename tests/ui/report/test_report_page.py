"""The report page runs the same audit as the command line; pages and figures say where their numbers come from."""

import json
from pathlib import Path

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from core.config import Edit
from core.ui.parts import provenance
from core.ui.session import cache
from core.ui.session.state import KEY, AppState

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[3]


def chosen(world: dict[str, str]) -> AppState:
    state = AppState(gallery=world["searched"], model="small", linked=True)
    state.saes = {"image": world["image"], "text": world["text"]}
    state.set_edit("image", Edit((1, 2), strength=0.5))
    state.k = 10
    return state


def words(test: AppTest) -> str:
    kinds = ("header", "subheader", "markdown", "caption", "html", "info", "warning", "code")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind))


def test_the_page_asks_first_and_then_shows_the_files(world: dict[str, str]) -> None:
    test = AppTest.from_file(str(ROOT / "pages" / "report.py"), default_timeout=120)
    test.session_state[KEY] = chosen(world)
    test.run()
    assert not test.exception and not test.get("download_button")
    next(area for area in test.text_area if area.label.startswith("Pre-registered")).set_value("red\nblue")
    next(button for button in test.button if button.label == "Run the audit").click()
    test.run()
    assert not test.exception, test.exception
    made = test.session_state[KEY].filters.get("report")
    assert made is not None, words(test)
    document = json.loads(made["files"]["report.json"])
    assert document["spec"]["prompts"] == ["red", "blue"]
    assert (document["spec"]["schema"], document["spec"]["target"]) == (2, "gallery")
    assert document["attributes"][0]["edits"][0]["image"]["neurons"] == [1, 2]
    assert set(made["files"]) >= {"report.html", "report.json", "findings.csv", "card.md", "manifest.json"}
    assert len(test.get("download_button")) == 6
    next(button for button in test.button if button.label == "Verify").click()
    test.run()
    assert "computed again" in words(test), [w.value for w in test.warning] + [e.value for e in test.error]


def test_a_repeated_prompt_is_one_calm_line(world: dict[str, str]) -> None:
    test = AppTest.from_file(str(ROOT / "pages" / "report.py"), default_timeout=60)
    test.session_state[KEY] = chosen(world)
    test.run()
    next(area for area in test.text_area if area.label.startswith("Pre-registered")).set_value("red\nred")
    next(button for button in test.button if button.label == "Run the audit").click()
    test.run()
    assert not test.exception and "stands there twice" in words(test)


def test_a_figure_carries_gallery_sae_edit_k_target_part_and_seed(world: dict[str, str]) -> None:
    state = chosen(world)
    lines = provenance.loaded(state)
    figure = go.Figure().update_layout(height=200, margin={"b": 30})
    carried = provenance.carrying(figure, lines)
    text = carried.layout.annotations[-1].text.replace("<br>", " ")
    gallery = cache.gallery(world["searched"])
    for part in (
        gallery.name,
        gallery.digest[:8],
        state.edits["image"].digest[:8],
        "k: 10",
        "the shares of the searched rows",
        "seed: 0",
    ):
        assert part in text
    assert gallery.digest not in text
    assert carried.layout.height > 200 and carried.layout.margin.b > 30


def test_what_is_not_there_is_named(world: dict[str, str]) -> None:
    state = AppState(gallery="/no/such/folder", linked=True, saes={"image": "/no/sae"})
    lines = provenance.loaded(state)
    assert "not there" in lines["gallery"] and "not there" in lines["image SAE"]

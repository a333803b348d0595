"""The report page runs the same audit as the command line; pages and figures say where their numbers come from."""

import csv
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from core.config import Edit
from core.report.comparison import audit_diff, read_audit
from core.report.difference_words import asked_lines, list_row
from core.report.pdf import browser
from core.ui.parts import provenance
from core.ui.parts.grids import escape
from core.ui.report import form
from core.ui.report.page import taken_edits
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


@pytest.fixture(autouse=True)
def own_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Audits are kept in a folder of the test's own."""
    monkeypatch.setenv("UNSKEW_AUDITS", str(tmp_path / "audits"))
    return tmp_path / "audits"


def page(state: AppState) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "report.py"), default_timeout=180)
    test.session_state[KEY] = state
    return test.run()


def button(test: AppTest, label: str) -> Any:
    return next(one for one in test.button if one.label == label)


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
    labels = [button.proto.label for button in test.get("download_button")]
    known = ["Everything", "HTML", "CSV", "JSON", "Model card", "Take this edit home", "Spec"]
    assert [label for label in labels if label != "PDF"] == known
    with zipfile.ZipFile(io.BytesIO(taken_edits(test.session_state[KEY], made["files"]))) as taken:
        names = {name.rpartition("/")[2]: name for name in taken.namelist()}
        assert set(names) == {"edit.json", "edit.safetensors", "card.md"}
        told = json.loads(taken.read(names["edit.json"]))
    assert told["edits"]["image"]["neurons"] == [1, 2] and [one["query"] for one in told["measured"]] == ["red", "blue"]
    assert ("PDF" in labels) == (browser() is not None)
    next(button for button in test.button if button.label == "Verify").click()
    test.run()
    assert "computed again" in words(test), [w.value for w in test.warning] + [e.value for e in test.error]


def test_a_repeated_prompt_is_one_calm_line(world: dict[str, str]) -> None:
    test = AppTest.from_file(str(ROOT / "pages" / "report.py"), default_timeout=180)
    test.session_state[KEY] = chosen(world)
    test.run()
    next(area for area in test.text_area if area.label.startswith("Pre-registered")).set_value("red\nred")
    next(button for button in test.button if button.label == "Run the audit").click()
    test.run()
    assert not test.exception and "stands there twice" in words(test)


def test_a_first_audit_in_two_clicks_is_kept_and_opened_again(world: dict[str, str], own_shelf: Path) -> None:
    state = chosen(world)
    state.query = "red"
    test = page(state)
    button(test, "First audit: occupations x gender").click()
    test.run()
    prompts = next(area for area in test.text_area if area.label.startswith("Pre-registered"))
    assert "a photo of a doctor" in prompts.value
    prompts.set_value("red\nblue")  # the test's small model knows no occupation
    button(test, "Run the audit").click()
    test.run()
    made = test.session_state[KEY].filters["report"]
    assert [path.name for path in own_shelf.iterdir()] and made["spec"]["prompts"] == ["red", "blue"]
    # a reload is a new session: the list is there, and what is opened is the same report
    again = page(chosen(world))
    assert "Audits kept on this machine (1)" in [one.label for one in again.expander]
    button(again, "Open").click()
    again.run()
    assert not again.exception and again.session_state[KEY].filters["report"]["files"] == made["files"]
    assert "red\nblue" in [area.value for area in again.text_area]
    button(again, "Forget").click()
    again.run()
    assert list(own_shelf.iterdir()) == []


def test_the_form_remembers_and_says_below_its_button_what_is_wrong(world: dict[str, str]) -> None:
    test = page(chosen(world))
    next(area for area in test.text_area if area.label.startswith("Pre-registered")).set_value("red\nred")
    next(field for field in test.text_input if field.label == "Title").set_value("My title")
    next(area for area in test.text_area if area.label == "Provider").set_value("Example Ltd.")
    button(test, "Run the audit").click()
    test.run()
    inside = test.expander[0]
    assert inside.label == "What is asked" and "stands there twice" in inside.warning[0].value
    order = [type(one).__name__ for one in inside if type(one).__name__ in ("Button", "Warning")]
    assert order[-1] == "Warning", order
    later = page(test.session_state[KEY])
    assert "My title" in [field.value for field in later.text_input]
    assert "red\nred" in [area.value for area in later.text_area]
    assert "Example Ltd." in [area.value for area in later.text_area]


def test_methods_filter_and_own_target_of_the_session_reach_the_report(world: dict[str, str]) -> None:
    state = chosen(world)
    gallery = cache.gallery(world["searched"])
    attribute = gallery.attributes[0]
    state.set_own_target(attribute, {group: 1 / len(gallery.groups(attribute)) for group in gallery.groups(attribute)})
    state.method = "mean-difference"
    test = page(state)
    next(area for area in test.text_area if area.label.startswith("Pre-registered")).set_value("red\nblue")
    shares = " ".join(["50"] * len(gallery.groups(attribute))) if len(gallery.groups(attribute)) == 2 else ""
    next(field for field in test.text_input if field.label.startswith("Or type")).set_value(shares)
    button(test, "Run the audit").click()
    test.run()
    made = test.session_state[KEY].filters.get("report")
    assert made is not None, words(test)
    document = json.loads(made["files"]["report.json"])
    assert document["spec"]["methods"] == ["neuron-edit", "mean-difference"]
    assert isinstance(document["spec"]["target"], dict) and len(document["methods"]) == 1


def test_a_word_that_the_model_does_not_know_is_told_on_the_page_and_in_every_file(world: dict[str, str]) -> None:
    test = page(chosen(world))
    prompts = next(area for area in test.text_area if area.label.startswith("Pre-registered"))
    prompts.set_value("a photo of a zorgling doctor\na zorgling\na photo of a nurse")
    button(test, "Run the audit").click()
    test.run()
    made = test.session_state[KEY].filters.get("report")
    assert made is not None, words(test)
    shown = words(test)
    assert "reads prompts without zorgling (in “a photo of a zorgling doctor”)" in shown
    assert "<strong>Not interpreted</strong>: “a zorgling”" in shown
    files = {name: content.decode() for name, content in made["files"].items() if name != "evidence.npz"}
    told = {one["prompt"]: one for one in json.loads(files["report.json"])["unknown_words"]}
    assert {prompt: (one["words"], one["interpreted"]) for prompt, one in told.items()} == {
        "a photo of a zorgling doctor": (["zorgling"], True),
        "a zorgling": (["zorgling"], False),
    }
    notes = {line["prompt"]: line["note"] for line in csv.DictReader(io.StringIO(files["findings.csv"]))}
    assert "the model does not know: zorgling" in notes["a photo of a zorgling doctor"]
    assert "not interpreted" in notes["a zorgling"] and "zorgling" not in notes["a photo of a nurse"]
    for name in ("report.html", "card.md"):
        assert "without zorgling" in files[name] and "Not interpreted" in files[name]
    verdicts = {f["prompt"]: f["verdict"] for f in json.loads(files["report.json"])["findings"]}
    assert verdicts["a zorgling"] == "not interpreted" != verdicts["a photo of a zorgling doctor"]


def audited(world: dict[str, str], edit: Edit) -> dict[str, bytes]:
    """The files of an audit that the page made; it keeps them."""
    state = chosen(world)
    state.set_edit("image", edit)
    test = page(state)
    next(area for area in test.text_area if area.label.startswith("Pre-registered")).set_value("red\nblue")
    button(test, "Run the audit").click()
    test.run()
    return test.session_state[KEY].filters["report"]["files"]


def archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        for name, content in files.items():
            made.writestr(f"audit/{name}", content)
    return written.getvalue()


def test_two_audits_are_compared_as_the_command_line_does(
    world: dict[str, str], tmp_path: Path, own_shelf: Path
) -> None:
    both = [audited(world, Edit((1, 2), strength=0.5)), audited(world, Edit((3,)))]
    folders = []
    for i, files in enumerate(both):
        folders.append(tmp_path / f"report {i}")
        folders[-1].mkdir()
        for name, content in files.items():
            (folders[-1] / name).write_bytes(content)
    wanted = audit_diff(*map(read_audit, folders))
    assert wanted["paired"] and any(one["p"] is not None for one in wanted["lists"])
    # once from the shelf and once from archives
    for archives in (False, True):
        test = page(chosen(world))
        sides = [next(box for box in test.selectbox if box.key == f"diff-{key}") for key in ("first", "second")]
        names = sorted(path.name for path in own_shelf.iterdir())
        kept = [next(n for n in names if (own_shelf / n / "report" / "report.json").read_bytes() == f["report.json"])
                for f in both]  # fmt: skip
        for side, name in zip(sides, kept, strict=True):
            side.set_value("" if archives else name)
        test.run()
        assert button(test, "Compare them").disabled == archives
        if archives:
            for key, files in zip(("first", "second"), both, strict=True):
                given = next(one for one in test.file_uploader if one.key == f"diff-zip-{key}")
                given.upload("audit.zip", archive(files), "application/zip")
            test.run()
        button(test, "Compare them").click()
        test.run()
        assert not test.exception, test.exception
        shown = test.dataframe[0].value.to_dict("records")
        assert len(shown) == len(wanted["lists"]) == 4
        for row, one in zip(shown, wanted["lists"], strict=True):
            own = list_row(one)
            assert {name: row[name] for name in ("attribute", "prompt", "list", "what changed", "group")} == {
                name: own[name] for name in ("attribute", "prompt", "list", "what changed", "group")
            }
            assert row["points"] == pytest.approx(own["points"]) and row["adjusted p"] == pytest.approx(
                own["adjusted p"]
            )
        for line in asked_lines(wanted):
            assert escape(line) in words(test)


def test_an_archive_that_was_changed_is_not_compared(world: dict[str, str]) -> None:
    files = audited(world, Edit((3,)))
    test = page(chosen(world))
    next(box for box in test.selectbox if box.key == "diff-first").set_value("")
    test.run()
    changed = files | {"card.md": files["card.md"] + b"."}
    given = next(one for one in test.file_uploader if one.key == "diff-zip-first")
    given.upload("audit.zip", archive(changed), "application/zip")
    test.run()
    button(test, "Compare them").click()
    test.run()
    assert not test.exception and not test.dataframe
    assert "card.md is not what the manifest says" in words(test)


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


def test_a_first_audit_is_named_for_what_it_asks() -> None:
    model = SimpleNamespace(model="another")
    mine = {"attributes": ["race"], "name": "mine", "n": 50, "side": "image", "fingerprint": lambda _: model}
    known, free = SimpleNamespace(**mine, prompts=["red", "blue"]), SimpleNamespace(**mine, prompts=[])
    state = AppState()
    first = form.template(state, known)
    assert first["title"] == "Known prompts by race: who is retrieved from mine" and first["prompts"] == ["red", "blue"]
    assert form.template(state, free)["title"].startswith("Occupations by race")


def test_what_is_switched_on_compare_is_what_is_switched_now(world: dict[str, str]) -> None:
    """A spec that was loaded or audited before keeps its own edit, under its own name."""
    state, gallery = chosen(world), cache.gallery(world["searched"])
    audited = form._edit(state, gallery, form.CHOSEN, {})
    form.fill_in(state, audited)
    assert form._way(state, audited) == form.CHOSEN
    state.set_edit("image", Edit((5,)))
    assert form._edit(state, gallery, form.CHOSEN, audited)["edit"]["neurons"] == [5]
    assert form._way(state, audited) == form.GIVEN and form.GIVEN in form._possible(state, gallery)
    assert form._edit(state, gallery, form.GIVEN, audited) == audited


@pytest.mark.parametrize("edit", [{"select": "smallest", "size": 3}, {"neurons": [7]}, {"label_set": "a" * 64}])
def test_no_edit_of_a_loaded_spec_becomes_another_one(world: dict[str, str], edit: dict[str, Any]) -> None:
    state, gallery = chosen(world), cache.gallery(world["searched"])
    state.clear_edits()
    spec = {"edit": edit, "sae": world["image"]}
    form.fill_in(state, spec)
    way = form._way(state, spec)
    assert way in form._possible(state, gallery) and form._edit(state, gallery, way, spec) == spec


def test_a_part_that_is_chosen_on_compare_later_is_the_part_that_is_audited(world: dict[str, str]) -> None:
    state = chosen(world)
    form.fill_in(state, {"where": {"gender": "Male"}})
    assert form.searched_part(state, form.SPEC.of(state)) == {"gender": "Male"}
    state.set_where({"gender": "Female"})
    assert form.searched_part(state, form.SPEC.of(state)) == {"gender": "Female"}

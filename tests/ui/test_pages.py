"""Every page is there, says what it shows, and answers bad input with one line."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sparse
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.config import InputError
from core.saes.checkpoint import sae_digest
from core.store import file_digest
from core.training import Trainer, train_sae
from core.ui.data import training_jobs
from core.ui.session import cache, folders
from core.ui.session.state import KEY, AppState
from core.ui.start import overview
from tests.ui.world import SmallModel, make_sae, make_world

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[2]


def chosen(world: dict[str, str]) -> AppState:
    state = AppState(gallery=world["searched"], model="small", linked=True)
    state.saes = {"image": world["image"], "text": world["text"]}
    return state


def page(name: str, world: dict[str, str] | None = None, **filters: object) -> AppTest:
    test = AppTest.from_file(str(ROOT / name), default_timeout=180)
    if world is not None:
        test.session_state[KEY] = chosen(world)
        test.session_state[KEY].filters.update(filters)
    return test


def texts(test: AppTest) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "html", "info", "warning", "metric")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind))


def picture(colour: tuple[int, int, int] = (200, 40, 90), kind: str = "PNG", size: int = 24) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, kind)
    return buffer.getvalue()


def test_the_frame_shows_what_is_loaded_and_its_link(world: dict[str, str]) -> None:
    app = page("app.py", world).run()
    assert not app.exception
    shown = "\n".join(item.value for item in app.sidebar.markdown)
    assert "searched" in shown and "Female 28" in shown and "unknown 4" in shown
    assert "fvu 0.25" in shown
    assert world["searched"] in str(app.query_params["gallery"])


@pytest.mark.parametrize("name", ["start", "neurons", "compare", "report", "benchmark", "models", "data_and_models"])
def test_every_page_opens(name: str, world: dict[str, str]) -> None:
    app = page("app.py", world)
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception and app.session_state[KEY].page == name
    assert "should not" not in texts(app)


@pytest.mark.parametrize("name", ["start", "neurons", "compare", "report", "benchmark", "models", "data_and_models"])
def test_a_missing_gallery_is_one_calm_line(name: str) -> None:
    app = page("app.py")
    app.session_state[KEY] = AppState(gallery="/no/such/folder", linked=True)
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception and app.session_state[KEY].page == name
    assert "/no/such/folder" in texts(app)
    assert "should not" not in texts(app)


def test_benchmark_measures_what_is_chosen(world: dict[str, str]) -> None:
    view = page("pages/benchmark.py", world).run()
    assert "Nothing is measured on this gallery yet" in texts(view)
    next(box for box in view.selectbox if box.label == "Protocol").set_value("debiaslens").run()
    view.multiselect[0].set_value(["identity", "sem-b"]).run()
    view.button(key="benchmark-measure").click().run()
    assert not view.exception and "should not" not in texts(view)
    assert "What balance costs" in texts(view)
    cells = view.session_state[KEY].filters["benchmark debiaslens"].cells
    assert [cell.arm for cell in cells] == ["identity", "sem-b"]
    assert cells[0].values["max_skew"].n and all(cell.values or cell.refused for cell in cells)


def test_start_counts_groups_before_anything_else(world: dict[str, str]) -> None:
    start = page("pages/start.py", world).run()
    assert not start.exception
    (bars, _) = (item.value for item in start.html[:2])
    for group in ("Female", "Male", "unknown", "old", "young"):
        assert group in bars
    assert bars.count("28 <span") == 2
    assert "4 <span" in bars
    assert not start.metric


def flip_one_embedding(folder: Path) -> None:
    """Change one number of a gallery on disk and bring its manifest up to date."""
    rows = np.load(folder / "pooled.npy")
    rows[0] = -rows[0]
    np.save(folder / "pooled.npy", rows)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["pooled.npy"]["sha256"] = file_digest(folder / "pooled.npy")
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flip_one_activation(folder: Path) -> None:
    """Change one number of a gallery's codes on disk and bring its description up to date."""
    (codes,) = (folder / "codes").iterdir()
    parts = [np.load(codes / f"csr_{name}.npy") for name in ("data", "indices", "indptr")]
    parts[0][0] += 1000
    np.save(codes / "csr_data.npy", parts[0])
    np.save(codes / "csc_data.npy", sparse.csr_matrix(tuple(parts)).tocsc().data)
    about = json.loads((codes / "codes.json").read_text())
    about["files"] |= {name: file_digest(codes / name) for name in ("csr_data.npy", "csc_data.npy")}
    (codes / "codes.json").write_text(json.dumps(about))


def number_page() -> None:
    import streamlit as st

    from core.ui.session import cache

    gallery, sae = cache.current_gallery(), cache.current_sae("image")

    def numbers() -> str:
        codes = cache.codes(gallery, sae)
        return f"{float(codes.csr.sum()):.4f} {float(gallery.unit()[0] @ gallery.unit()[1]):.6f}"

    st.text(cache.result("test numbers", [cache.stamp_of(gallery), cache.stamp_of(sae)], numbers))


@pytest.mark.parametrize("flip", [flip_one_embedding, flip_one_activation])
def test_a_changed_file_changes_the_number_on_the_page(flip, tmp_path: Path) -> None:
    own = make_world(tmp_path)
    test = AppTest.from_function(number_page)
    test.session_state[KEY] = chosen(own)
    before = test.run().text[0].value
    assert test.run().text[0].value == before
    flip(Path(own["searched"]))
    assert test.run().text[0].value != before
    assert not test.exception


# -- uploads ----------------------------------------------------------------------------------------------------------


def upload(start: AppTest, files: list[tuple[str, bytes]], captions: str = "") -> AppTest:
    for name, content in files:
        start.file_uploader[0].upload(name, content)
    if captions:
        start.text_area[0].set_value(captions)
    start.form_submit_button[0].click().run()
    return start


def uploads_page(world: dict[str, str]) -> AppTest:
    return page("pages/start.py", world, **{"start-view": "uploads"}).run()


def test_uploads_show_neurons_and_neighbours_but_no_group(world: dict[str, str]) -> None:
    start = upload(uploads_page(world), [("me.png", picture())], "a photo of a doctor\n\nan astronaut")
    assert not start.exception
    items = start.session_state[KEY].uploads.items
    assert [item.kind for item in items] == ["image", "caption", "caption"]
    shown = texts(start)
    assert "me.png" in shown and "astronaut" in shown
    assert any(button.label.startswith("Neuron ") for button in start.button), "the most active neurons are buttons"
    assert "Uploads have no groups" in shown
    assert not any(hasattr(item, field) for item in items for field in ("gender", "group", "label", "attributes"))


BAD = {
    "truncated.png": picture()[:60],
    "text.jpg": b"this is no picture at all",
    "empty.png": b"",
}


def test_bad_files_are_named_one_by_one_and_the_rest_is_used(world: dict[str, str]) -> None:
    start = upload(uploads_page(world), [*BAD.items(), ("good.png", picture()), ("again.png", picture())])
    assert not start.exception
    uploads = start.session_state[KEY].uploads
    assert [item.name for item in uploads.items] == ["good.png"]
    for name in [*BAD, "again.png"]:
        assert sum(name in problem for problem in uploads.problems) == 1
        assert name in texts(start)


def test_two_hundred_files_at_once(world: dict[str, str]) -> None:
    files = [(f"{i}.png", picture((i, 255 - i, 40), size=8)) for i in range(200)]
    start = upload(uploads_page(world), files)
    assert not start.exception
    assert len(start.session_state[KEY].uploads.items) == 200
    assert start.get("pagination")


def test_forgetting_wipes_everything(world: dict[str, str]) -> None:
    start = upload(uploads_page(world), [("me.png", picture())], "a photo of a doctor")
    forget = next(button for button in start.button if button.label.startswith("Forget"))
    forget.click().run()
    assert not start.exception
    uploads = start.session_state[KEY].uploads
    assert (uploads.items, uploads.problems) == ([], [])
    assert start.file_uploader[0].value in (None, [])
    assert "me.png" not in texts(start)


def test_uploads_of_another_model_are_not_compared(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    start = upload(uploads_page(world), [("me.png", picture())])
    monkeypatch.setattr(cache, "backbone", lambda *args, **kwargs: SmallModel("6" * 64))
    start.run()
    assert not start.exception
    assert "another model" in texts(start)


def test_nothing_uploaded_is_written(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    for name in ("write_bytes", "write_text"):
        monkeypatch.setattr(Path, name, lambda self, *args, **kwargs: written.append(str(self)))
    before = {path: path.stat().st_mtime_ns for path in Path(world["searched"]).rglob("*")}
    upload(uploads_page(world), [("me.png", picture())], "a photo of a doctor")
    assert written == []
    assert {path: path.stat().st_mtime_ns for path in Path(world["searched"]).rglob("*")} == before


# -- data & models ----------------------------------------------------------------------------------------------------


def test_what_is_loaded_is_described(world: dict[str, str]) -> None:
    data = page("pages/data_and_models.py", world).run()
    assert not data.exception
    shown = texts(data)
    assert cache.gallery(world["searched"]).digest in shown
    assert cache.sae_card(world["image"]).digest in shown
    assert "un-normalised" in shown and "made for a test" in shown
    assert {metric.value for metric in data.metric} >= {"24", "0.25", "4", "0.125"}


def test_a_wrong_choice_changes_nothing(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "known", lambda kind: ["/no/gallery/here"])
    data = page("pages/data_and_models.py", world).run()
    data.selectbox[0].set_value("/no/gallery/here")
    data.form_submit_button[0].click().run()
    assert not data.exception
    assert "/no/gallery/here" in data.warning[0].value
    assert data.session_state[KEY].gallery == world["searched"]


def test_an_sae_of_the_other_side_is_refused(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "known", lambda kind: [world["text"]] if kind == "saes" else [])
    data = page("pages/data_and_models.py", world).run()
    data.selectbox[3].set_value(world["text"])
    data.form_submit_button[0].click().run()
    assert "text side" in data.warning[0].value
    assert data.session_state[KEY].saes["image"] == world["image"]


def test_a_gallery_is_imported_and_an_sae_trained(world, tmp_path: Path, own_folders: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(80, 6)).astype(np.float32))
    lines = "\n".join(f"{i},{'Male' if i % 2 else 'Female'}" for i in range(80))
    data = page("pages/data_and_models.py", world, **{"data-view": "gallery"}).run()
    next(box for box in data.selectbox if box.label == "Make it from").set_value("import").run()
    data.text_input[0].set_value(str(tmp_path / "x.npy"))
    data.file_uploader[0].upload("table.csv", f"id,gender\n{lines}".encode())
    data.text_input[2].set_value("some model")
    next(item for item in data.text_input if item.label == "Name").set_value("mine")
    data.form_submit_button[0].click().run()
    assert not data.exception and not data.warning
    state = data.session_state[KEY]
    assert cache.gallery(state.gallery).group_counts("gender") == {"Female": 40, "Male": 40, "unknown": 0}
    state.set_filter("data-view", "sae")
    data.run()
    assert "32 neurons for 80 rows of 6 columns" not in texts(data) and "12 neurons for 80 rows" in texts(data)
    number(data, "Steps").set_value(5)
    data.form_submit_button[0].click().run()
    training_jobs.trainings().wait()
    data.run()
    assert not data.exception and not data.warning
    assert "mine-sae is trained" in texts(data)
    press(data, "Use this SAE").run()
    assert not data.exception and not data.warning
    assert cache.sae_card(state.saes["image"]).d_in == 6
    assert data.session_state[KEY].filters["data-view"] == "quality"


def number(test: AppTest, label: str):
    return next(box for box in test.number_input if box.label == label)


def press(test: AppTest, label: str) -> AppTest:
    return next(button for button in test.button if button.label == label).click()


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of what is made here, and a server that trains nothing before and after."""
    monkeypatch.setattr(folders, "OWN", {"galleries": tmp_path / "galleries", "saes": tmp_path / "saes"})
    yield tmp_path / "saes"
    training_jobs.trainings().ask("stopping")
    training_jobs.trainings().wait()
    training_jobs.trainings().dismiss()


def ordered(world: dict[str, str], steps: int) -> AppTest:
    """The page just after a training was ordered."""
    data = page("pages/data_and_models.py", world, **{"data-view": "sae"}).run()
    number(data, "Steps").set_value(steps)
    number(data, "Rows per step").set_value(8)
    return data.form_submit_button[0].click().run()


def test_training_goes_on_without_its_visitor_and_is_seen_by_others(world, own_folders) -> None:
    first = ordered(world, 1_000_000)
    assert not first.exception and "is training" in texts(first)
    other = page("pages/data_and_models.py", world, **{"data-view": "sae"}).run()
    assert "searched-sae is training" in texts(other)
    with pytest.raises(InputError, match="is being trained on this server"):
        training_jobs.trainings().start(training_jobs.trainings().job.order)
    press(other, "Pause").run()
    training_jobs.trainings().wait()
    first.run()
    assert "is paused" in texts(first) and not first.exception
    reached = training_jobs.trainings().job.step
    press(first, "Resume").run()
    assert training_jobs.trainings().job.active and not first.exception
    press(other.run(), "Stop").run()
    training_jobs.trainings().wait()
    other.run()
    assert "was stopped and forgotten" in texts(other) and not list(own_folders.iterdir())
    assert training_jobs.trainings().job.step >= reached
    press(other, "Train another").run()
    assert number(other, "Steps") and not other.exception


def test_what_a_server_left_unfinished_is_offered_to_the_next(world, own_folders) -> None:
    ordered(world, 400)
    jobs = training_jobs.trainings()
    while jobs.job.step < 20 and jobs.job.active:
        time.sleep(0.01)
    jobs.ask("pausing")
    jobs.wait()
    order = jobs.job.order
    jobs.dismiss()
    data = page("pages/data_and_models.py", world, **{"data-view": "sae"}).run()
    assert "searched-sae** was interrupted at step" in texts(data)
    press(data, "Go on").run()
    jobs.wait()
    assert jobs.job.status == "done" and jobs.job.order.config == order.config and jobs.job.curve[0].step == 0
    assert jobs.job.look and not data.run().exception
    plain, _ = train_sae(np.array(cache.gallery(world["searched"]).embeddings()), order.config, order.training)
    assert sae_digest(plain) == cache.sae(str(order.out)).digest, "as if it had never been interrupted"


def test_a_training_that_cannot_be_is_one_line(world, own_folders, monkeypatch) -> None:
    monkeypatch.setattr(Trainer, "rate", lambda self: 1e30)
    data = ordered(world, 50)
    training_jobs.trainings().wait()
    data.run()
    assert not data.exception and len(data.warning) == 1 and "diverged" in data.warning[0].value
    assert not list(own_folders.iterdir())


def test_saes_are_judged_side_by_side(world: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    second = make_sae(tmp_path / "second", cache.gallery(world["probe"]), seed=3)
    monkeypatch.setattr(folders, "known", lambda kind: [world["image"], str(second.path), world["text"]])
    data = page("pages/data_and_models.py", world, **{"data-view": "quality"}).run()
    assert not data.exception and not data.warning
    assert data.multiselect[0].options == ["image", "second"], "the text SAE does not read pictures"
    data.multiselect[0].set_value([world["image"], str(second.path)]).run()
    assert not data.exception and not data.warning
    table = data.dataframe[0].value
    assert table["SAE"].tolist() == ["image", "second"] and (table["n"] == 60).all()
    assert "How often neurons fire" in texts(data) and "no independent encoder" in texts(data)
    assert list(data.get("plotly_chart"))


def test_an_import_without_a_table_is_one_line(world: dict[str, str]) -> None:
    data = page("pages/data_and_models.py", world, **{"data-view": "gallery"}).run()
    data.form_submit_button[0].click().run()
    assert not data.exception
    assert len(data.warning) == 1
    assert "\n" not in data.warning[0].value


# -- no stack trace ---------------------------------------------------------------------------------------------------


def test_an_unexpected_error_is_one_calm_line(world: dict[str, str], monkeypatch, caplog) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(overview, "loaded", fail)
    app = page("app.py", world).run()
    assert not app.exception
    assert "server log" in app.warning[0].value
    assert "secret detail" not in texts(app)
    assert "secret detail" in caplog.text

"""On a team server long work of the pages waits for workers, is seen on Jobs, and comes back to who asked for it."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import access, projection
from core.access import Person
from core.config import HOME_VARIABLE
from core.jobs.kind import Made
from core.jobs.opening import JOBS_VARIABLE
from core.jobs.rows import Hold, Job
from core.jobs.store import JobStore
from core.jobs.worker import Worker
from core.team import record
from core.ui.parts import standing
from core.ui.session import cache, entering, work
from core.ui.session.state import KEY, AppState
from tests.jobs import toy_worker

pytestmark = pytest.mark.usefixtures("small_model")

ROOT = Path(__file__).resolve().parents[3]
ADA = Person("ada@example.org", "Ada", frozenset({"operator"}))
BOB = Person("bob@example.org", "Bob [x](http://evil.example) <b>", frozenset({"viewer"}))


@pytest.fixture(autouse=True)
def toy_kind() -> Iterator[None]:
    with toy_worker.toys():
        yield


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A team server on which everybody who comes in is Ada, until somebody else is."""
    for kind in ("galleries", "saes"):
        (tmp_path / kind).mkdir()
    path = tmp_path / "unskew.toml"
    roots = "".join(f'[roots.{kind}]\nours = "{tmp_path / kind}"\n' for kind in ("galleries", "saes"))
    path.write_text(f'[access]\nmode = "open"\neveryone = ["operator"]\n{roots}')
    monkeypatch.setenv(access.CONFIG_VARIABLE, str(path))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(JOBS_VARIABLE, raising=False)
    monkeypatch.setenv("TOY_NICENESS", "0")  # other tests do not make the wait for a worker long
    come_in(monkeypatch, ADA)
    return tmp_path


def come_in(monkeypatch: pytest.MonkeyPatch, person: Person) -> None:
    monkeypatch.setattr(access, "_asked", [lambda: person])
    monkeypatch.setattr(entering, "person_of", lambda session: person)  # whose files are taken, by other tests' guard


def opened(name: str, world: dict[str, str], **filters: object) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=180)
    state = AppState(gallery=world["searched"], model="small", linked=True)
    state.saes = {"image": world["image"], "text": world["text"]}
    state.filters.update(filters)
    app.session_state[KEY] = state
    return app.run()


def texts(app: AppTest) -> str:
    kinds = ("title", "header", "markdown", "caption", "html", "info", "warning", "code")
    shown = "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in app.get(kind))
    return shown.replace("\\", "")


def button(app: AppTest, label: str):
    return next(one for one in app.button if one.label == label)


def worked() -> None:
    """All that waits is done, by a worker in this process that starts real ones below it."""
    store = JobStore()
    Worker(store, toy_worker.SCRIPT).run(until_empty=True)
    failed = {job.title: (job.state, job.reason, store.log(job.id)) for job in store.listed() if job.state != "done"}
    store.close()
    assert not failed


def test_an_import_waits_is_done_and_is_chosen(world: dict[str, str], server: Path) -> None:
    np.save(server / "x.npy", np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32))
    lines = "\n".join(f"{i},{'Male' if i % 2 else 'Female'}" for i in range(80))
    data = opened("data_and_models", world, **{"data-view": "gallery"})
    next(box for box in data.selectbox if box.label == "Make it from").set_value("import").run()
    data.text_input[0].set_value(str(server / "x.npy"))
    data.file_uploader[0].upload("table.csv", f"id,gender\n{lines}".encode())
    data.text_input[2].set_value("some model")
    next(item for item in data.text_input if item.label == "Name").set_value("mine")
    data.form_submit_button[0].click().run()
    assert not data.exception and not data.warning, [one.value for one in data.warning]
    assert "Import a gallery: mine" in texts(data) and "waits for" in texts(data)
    assert data.session_state[KEY].gallery == world["searched"]
    assert not (server / "galleries" / "mine").exists()
    worked()
    assert (server / "galleries" / "mine" / "manifest.json").is_file()
    data.run()
    assert "done" in texts(data)
    button(data, "Choose it").click().run()
    state = data.session_state[KEY]
    assert state.gallery == "ours/mine"
    done = [
        (line.who, line.what) for line in record.kept().lines() if line.action == "import" and line.outcome == "done"
    ]
    assert done == [(ADA.name, "Import a gallery: mine")]
    assert cache.gallery(state.gallery).group_counts("gender") == {"Female": 40, "Male": 40, "unknown": 0}


def test_a_wrong_order_never_waits(world: dict[str, str], server: Path) -> None:
    data = opened("data_and_models", world, **{"data-view": "gallery"})
    data.text_input[0].set_value(str(server / "nowhere"))
    data.form_submit_button[0].click().run()
    assert not data.exception and len(data.warning) == 1 and "nowhere" in data.warning[0].value
    assert sum(work.store().counts().values()) == 0


def test_an_audit_is_done_by_a_worker_and_its_report_shown(world: dict[str, str], server: Path) -> None:
    report = opened("report", world | {"searched": "default", "image": "default-image", "text": "default-text"})
    report.session_state[KEY].choose_model("default")
    report.run()
    next(box for box in report.text_area if box.label.startswith("Pre-registered")).set_value("a photo of a doctor")
    next(box for box in report.selectbox if box.label == "Switched").set_value("nothing")
    report.form_submit_button[0].click().run()
    assert not report.exception and not report.warning, [one.value for one in report.warning]
    assert "Audit: " in texts(report) and "waits for" in texts(report)
    job = work.store().listed()
    assert job == [] or job[0].kind == "audit"
    worked()
    report.run()
    button(report, "Show the report").click().run()
    assert not report.exception and not report.warning
    made = report.session_state[KEY].filters["report"]
    document = json.loads(made["files"]["report.json"])
    assert document["options"]["auditor"] == ADA.name and document["spec"]["prompts"] == ["a photo of a doctor"]


def test_a_map_waits_for_a_worker(world: dict[str, str], server: Path) -> None:
    neurons = opened("neurons", world)
    assert not neurons.exception
    with access.acting_as(ADA):
        folder = server / "home" / "maps" / ("a" * 24)
        assert projection.prepare(folder, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
        job = work.store().submit("map", {"map": "a" * 24})
    assert work.store().get(job).state == "waiting" and projection.read_map(folder) is None


def test_jobs_shows_everybody_s_work_without_paths_and_links(
    world: dict[str, str], server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = work.store()
    with access.acting_as(ADA):
        running = store.submit("toy-count", {"out": str(server / "secret" / "running")}, ADA, priority=5)
        store.submit("toy-count", {"out": str(server / "secret" / "waiting")}, ADA)
    job = store.claim("1-1")
    assert job is not None and job.id == running
    store.progress(Hold(job.id, job.attempt), 2, 8, "counting: [y](http://evil.example)", 75.0)
    store.write(job.id, f"reading {server}/secret/table.csv")
    for person, may_cancel in ((ADA, True), (BOB, False)):
        come_in(monkeypatch, person)
        page = opened("jobs", world)
        page.toggle[0].set_value(True).run()
        assert not page.exception and not page.warning
        shown = texts(page)
        assert "Count: running" in shown and "Count: waiting" in shown and "1 running, 1 waiting" in shown
        assert "asked for by Ada" in shown and "reading table.csv" in shown
        assert str(server) not in shown
        assert ("Cancel" in [one.label for one in page.button]) == may_cancel
    come_in(monkeypatch, ADA)
    page = opened("jobs", world)
    button(page, "Cancel").click().run()
    assert store.get(running).cancelling and "is being cancelled" in texts(page)
    page.button[[one.label for one in page.button].index("Cancel", 1)].click().run()
    assert store.counts()["cancelled"] == 1


def test_what_others_wrote_is_shown_literally(world: dict[str, str], server: Path, monkeypatch) -> None:
    store = work.store()
    with access.acting_as(ADA):
        job = store.submit(
            "toy-count", {"out": str(server / "[z](http:evil) <i>")}, dataclasses.replace(ADA, title=BOB.title)
        )
    taken = store.claim("1-1")
    assert taken is not None
    store.fail(Hold(job, 1), "![p](http://evil.example/p.png) <script>")
    page = opened("jobs", world, **{"jobs-view": "over"})
    marked = "\n".join(str(one.value) for kind in ("markdown", "caption") for one in page.get(kind))
    assert "](http" not in marked and "<script" not in marked and "<b>" not in marked


def test_states_in_words() -> None:
    fields = {one.name: None for one in dataclasses.fields(Job)}
    job = Job(**{**fields, "state": "waiting", "submitted": 100.0, "attempt": 0, "cancelling": False, "worked": 0.0})
    assert standing.state_words(job, 130.0) == "waits for 30 s"
    again = dataclasses.replace(job, attempt=3)
    assert standing.state_words(again, 400.0) == "waits for 5 min, begun 3 times"
    runs = dataclasses.replace(job, state="running", started=100.0)
    assert standing.state_words(runs, 100.0 + 7200) == "running for 2.0 h"
    done = dataclasses.replace(job, state="done", finished=200.0, worked=95.0)
    assert standing.state_words(done, 200.0 + 3 * 86400) == "done 3 days ago, after 2 min of work"


def test_without_a_configuration_everything_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, world) -> None:
    monkeypatch.delenv(access.CONFIG_VARIABLE, raising=False)
    done = []
    assert work.work_or_job("audit", lambda: done.append("asked") or {}, lambda: "here") == "here" and done == []
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    app.session_state[KEY] = AppState(gallery=world["searched"], model="small", linked=True)
    app.run()
    assert not app.exception
    page = AppTest.from_file(str(ROOT / "pages" / "jobs.py"), default_timeout=180).run()
    assert "On one person's machine" in texts(page)


def test_a_training_is_ordered_as_a_job(world: dict[str, str], server: Path) -> None:
    data = opened("data_and_models", world, **{"data-view": "sae"})
    next(box for box in data.number_input if box.label == "Steps").set_value(5)
    next(item for item in data.text_input if item.label == "Name").set_value("small-sae")
    data.form_submit_button[0].click().run()
    assert not data.exception and not data.warning, [one.value for one in data.warning]
    assert "Train an SAE: small" in texts(data)
    job = work.store().claim("1-1")
    assert job is not None and job.kind == "sae-train" and job.parameters["training"]["steps"] == 5
    work.store().finish(Hold(job.id, 1), Made("small-sae", Path(world["image"])))
    data.run()
    button(data, "Use this SAE").click().run()
    assert data.session_state[KEY].filters["data-view"] == "quality"


def test_a_benchmark_of_a_job_is_shown_to_whoever_chooses_the_same(world: dict[str, str], server: Path) -> None:
    page = opened("benchmark", world)
    button(page, "Measure").click().run()
    assert not page.exception and not page.warning, [one.value for one in page.warning]
    job = work.store().claim("1-1")
    assert job is not None and job.kind == "benchmark" and job.parameters["gallery"] == world["searched"]
    assert "running" in texts(page.run())


def test_a_study_of_a_job_is_shown_to_whoever_chooses_the_same(world: dict[str, str], server: Path) -> None:
    page = opened("benchmark", world)
    box = next(box for box in page.selectbox if box.label == "Study")
    box.set_value("uniqueness").run()
    page.button(key="study-run").click().run()
    assert not page.exception and not page.warning, [one.value for one in page.warning]
    assert "Study: " in texts(page) and not page.dataframe
    worked()
    another = opened("benchmark", world)
    next(box for box in another.selectbox if box.label == "Study").set_value("uniqueness").run()
    assert not another.exception and len(another.dataframe) == 1
    assert another.get("plotly_chart")


def test_answers_of_a_job_are_taken_up(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(toy_worker.FEW, "1")
    page = AppTest.from_file(str(ROOT / "pages" / "ask.py"), default_timeout=180)
    page.session_state[KEY] = state = AppState(linked=True)
    state.filters["ask-view"] = "many"
    page.run()
    next(field for field in page.text_input if field.label == "Words, with commas").set_value("doctor")
    next(one for one in page.select_slider if one.label == "Pictures").set_value(24)
    button(page, "Ask them all").click().run()
    assert not page.exception and not page.warning, [one.value for one in page.warning]
    assert "Audit of answers" in texts(page) and "Mean gap by arm" not in texts(page)
    worked()
    button(page.run(), "Show the answers").click().run()
    assert not page.exception and "Mean gap by arm" in texts(page)
    assert json.loads(state.filters["ask-audit"]["report.json"])["options"]["auditor"] == ADA.name

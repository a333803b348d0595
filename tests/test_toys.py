"""One new file a kind is enough: toys of each kind go all the way, and no other file knows their names."""

import csv
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.backbones.base import BACKBONES
from core.cli import main
from core.config import Edit
from core.datasets import DATASETS
from core.metrics import RANKING_METRICS
from core.registry import Registry
from core.saes.base import SAES
from core.saes.checkpoint import load_sae
from core.ui.data import training_jobs
from core.ui.session import cache, folders
from core.ui.session.state import KEY, AppState

ROOT = Path(__file__).resolve().parent.parent
TOYS = Path(__file__).resolve().parent / "toys"
FAMILIES: dict[str, Registry] = {
    "metric": RANKING_METRICS,
    "metric_without_interval": RANKING_METRICS,
    "sae": SAES,
    "dataset": DATASETS,
    "backbone": BACKBONES,
}
PROMPTS = ["a photo of a pilot", "a nurse", "somebody who sells bread"]
N = 120


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A file of each kind beside the real ones, as the registries find them; gone afterwards."""
    added: dict[str, tuple[Registry, list, str, set[str]]] = {}
    for name, registry in FAMILIES.items():
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(TOYS / f"{name}.py", folder / f"toy_{name}.py")
        paths = importlib.import_module(registry._package).__path__
        added[name] = (registry, paths, str(folder), set(registry.names()))
        paths.append(str(folder))
        registry._loaded = False
    yield
    for name, (registry, paths, folder, before) in reversed(added.items()):
        paths.remove(folder)
        for variant in set(registry.names()) - before:
            del registry._variants[variant]
        sys.modules.pop(f"{registry._package}.toy_{name}", None)
    cache._results().clear()


@pytest.fixture(scope="module")
def made(toys: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy people embedded by the toy model, a toy SAE trained on them, and an audit of both, by the command line."""
    folder, rng = tmp_path_factory.mktemp("toys"), np.random.default_rng(0)
    (folder / "people").mkdir()
    lines = []
    for i in range(N):
        gender, age = ("Male", "Female")[i % 2], ("old", "young")[int(rng.random() < 0.5)]
        red = 60 + 130 * (gender == "Male") + int(rng.integers(0, 50))
        colour = (red, int(rng.integers(0, 255)), 90 + 80 * (age == "old"))
        Image.new("RGB", (8, 8), colour).save(folder / "people" / f"{i}.png")
        lines.append(f"{i}.png {gender} {age}")
    (folder / "people" / "people.toy").write_text("\n".join(lines))
    gallery, sae = folder / "gallery", folder / "sae"
    run("gallery", "build", "--dataset", "toy-people", "--root", folder / "people", "--model", "toy:colours")(gallery)
    settings = ["--arch", "toy-margin", "--set", "margin=0.05", "--d-sae", "24", "--k", "4", "--steps", "80"]
    run("sae", "train", "--gallery", gallery, *settings, "--batch", "32")(sae)
    spec = {"schema": 2, "target": "uniform", "gallery": str(gallery), "sae": str(sae), "k": 15, "seed": 1}
    spec |= {"attributes": ["gender"], "prompts": PROMPTS, "title": "Toys"}
    spec |= {"edit": {"select": "attribution", "size": 3, "per_query": False}}
    (folder / "spec.json").write_text(json.dumps(spec))
    run("audit", folder / "spec.json", "--auditor", "a tester")(folder / "report")
    return folder


def run(*arguments: object):
    """Run a verb that writes to the folder it is then given."""

    def to(out: Path) -> None:
        assert main([*map(str, arguments), "--out", str(out)]) == 0

    return to


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_no_other_file_knows_them() -> None:
    names = ("toy_distance", "toy_groups", "toy-margin", "toy-people", "toy:")
    for path in (path for room in ("core", "pages") for path in (ROOT / room).rglob("*.py")):
        assert not any(name in path.read_text() for name in names), path


def test_unknown_names_list_what_there_is(toys: None) -> None:
    for registry, name in ((RANKING_METRICS, "toy_distance"), (SAES, "toy-margin"), (DATASETS, "toy-people")):
        with pytest.raises(ValueError, match=f"did you mean '{name}'.*known: .*{name}"):
            registry.get(f"{name}s")


# -- command line -----------------------------------------------------------------------------------------------------


def test_the_verbs_measure_the_metric(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"gender": ["Male", "Female", "Male", "Male"] * 20})
    frame.to_csv(tmp_path / "all.csv", index=False)
    frame[:30].to_csv(tmp_path / "top.csv", index=False)
    tables = ["--ranked", tmp_path / "top.csv", "--gallery-table", tmp_path / "all.csv", "--target", "uniform"]
    lines = said(capsys, "metrics", *tables, "--k", "20")
    assert "Toy distance: 0.250 (" in lines and "Toy groups: not computed" in lines.replace(
        "Toy groups: ", "Toy groups: "
    )
    arguments = ["--gallery", made / "gallery", "--sae", made / "sae", "--query", PROMPTS[0], "--k", "15"]
    document = json.loads(said(capsys, "rank", *arguments, "--attribute", "gender", "--off", "1,2", "--json"))
    for arm in ("before", "after"):
        value = document[arm]["toy_distance"]
        assert value["lo"] <= value["estimate"] <= value["hi"]
        assert (
            document[arm]["toy_groups"]["estimate"] is None and "no interval" in document[arm]["toy_groups"]["reason"]
        )


def test_the_sae_is_what_was_asked_for(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load_sae(made / "sae").sae
    assert loaded.config.arch == "toy-margin" and loaded.config.margin == 0.05
    lines = said(capsys, "sae", "quality", made / "sae", "--gallery", made / "gallery", "--json")
    assert json.loads(lines)["digests"]
    for form in ("dictionary-learning", "saelens", "sem", "msae"):
        line = said(capsys, "sae", "export", made / "sae", "--format", form, "--out", tmp_path / form, code=2)
        assert "'toy-margin'" in line and "codes would change" in line and not (tmp_path / form).exists()
    wrong = ["sae", "train", "--gallery", made / "gallery", "--arch", "toy-margin", "--out", tmp_path / "wrong"]
    assert "margin was -1.0" in said(capsys, *wrong, "--set", "margin=-1", code=2)
    assert "its own settings: sparsity, margin" in said(capsys, *wrong, "--set", "depth=1", code=2)


def test_the_model_and_the_data_set_refuse_in_one_line(made: Path, tmp_path: Path, capsys) -> None:
    build = ["gallery", "build", "--dataset", "toy-people", "--out", tmp_path / "g"]
    assert "known: toy:colours" in said(capsys, *build, "--root", made / "people", "--model", "toy:none", code=2)
    assert "hf:..., toy:..." in said(capsys, *build, "--root", made / "people", "--model", "tooy:colours", code=2)
    assert "people.toy" in said(capsys, *build, "--root", tmp_path, "--model", "toy:colours", code=2)


# -- report and its second reader -------------------------------------------------------------------------------------


def test_the_report_tells_them_and_verify_finds_the_same(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = made / "report"
    page = (report / "report.html").read_text()
    for words in ("Toy distance", "Toy groups", "(1/2) sum over g of |p_g - q_g|.", "toy-margin", "toy:colours"):
        assert words in page, words
    assert "not computed: Toy groups" in page
    with (report / "findings.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["metric"] == "toy_distance"]
    assert {line["arm"] for line in lines} == {"before", "after", "difference"} and len(lines) == 3 * len(PROMPTS)
    assert all(line["lo"] and line["hi"] for line in lines)
    places = ["--gallery", made / "gallery", "--sae", made / "sae"]
    document = json.loads(said(capsys, "verify", report, *places, "--json"))
    assert document["equal"] and document["differences"] == []
    assert document["without_second_formula"] == ["toy_distance", "toy_groups"]


def test_verify_says_what_was_changed_of_a_toy_number(made: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(made / "report", tmp_path / "report")
    path = tmp_path / "report" / "report.json"
    document = json.loads(path.read_text())
    document["attributes"][0]["prompts"][0]["before"]["toy_distance"]["estimate"] += 0.1
    path.write_text(json.dumps(document))
    places = ["--gallery", made / "gallery", "--sae", made / "sae"]
    assert "toy_distance" in said(capsys, "verify", tmp_path / "report", *places, code=1)


# -- pages ------------------------------------------------------------------------------------------------------------


def page(name: str, state: AppState) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=180)
    test.session_state[KEY] = state
    return test.run()


def chosen(made: Path, **filters: str) -> AppState:
    state = AppState(gallery=str(made / "gallery"), model="toy:colours", linked=True)
    state.saes = {"image": str(made / "sae")}
    state.edits = {"image": Edit(tuple(range(6)))}
    for name, value in filters.items():
        state.set_filter(name, value)
    return state


def shown(test: AppTest) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "html", "info", "warning", "table")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind))


def test_compare_shows_the_metric(made: Path) -> None:
    numbers = page("compare", chosen(made, **{"compare-view": "numbers"}))
    assert not numbers.exception and not numbers.warning, [w.value for w in numbers.warning]
    assert "Toy distance" in shown(numbers) and "Toy groups" in shown(numbers)
    for metric in ("toy_distance", "toy_groups"):
        sweep = page("compare", chosen(made, **{"compare-view": "sweep", "sweep-shown": metric}))
        assert not sweep.exception and not sweep.warning, [w.value for w in sweep.warning]
        box = next(box for box in sweep.selectbox if box.label == "Show")
        assert box.value == metric and "Toy distance" in box.options


def test_data_and_models_offers_the_data_set_the_architecture_and_the_family(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "OWN", {"galleries": tmp_path / "galleries", "saes": tmp_path / "saes"})
    data = page("data_and_models", chosen(made, **{"data-view": "gallery"}))
    way = next(box for box in data.selectbox if box.label == "Make it from")
    assert {DATASETS.get(name).title for name in DATASETS} < set(way.options)
    way.set_value("toy-people").run()
    assert "Folder with people.toy" in shown(data) and not data.file_uploader
    next(box for box in data.text_input if box.label == "Path on this server").set_value(str(made / "people"))
    data.form_submit_button[0].click().run()
    assert not data.exception and not data.warning, [w.value for w in data.warning]
    state = data.session_state[KEY]
    assert cache.gallery(state.gallery).group_counts("gender") == {"Female": N // 2, "Male": N // 2, "unknown": 0}
    assert cache.gallery(state.gallery).fingerprint("pooled").model == "toy:colours"

    training = page("data_and_models", chosen(made, **{"data-view": "sae"}))
    next(box for box in training.selectbox if box.label == "Architecture").set_value("toy-margin").run()
    next(box for box in training.text_input if box.label == "Toy margin").set_value("0.1")
    next(box for box in training.number_input if box.label == "Steps").set_value(5)
    training.form_submit_button[0].click().run()
    jobs = training_jobs.trainings()
    try:
        jobs.wait()
        assert jobs.job.status == "done" and jobs.job.order.config.margin == 0.1
        assert not training.run().exception
    finally:
        jobs.dismiss()

    models = page("data_and_models", chosen(made))
    assert not models.exception and "`toy:colours`" in next(b for b in models.selectbox if b.label == "Model").help


def test_the_other_pages_open(made: Path) -> None:
    for name in ("start", "neurons", "report", "benchmark"):
        test = page(name, chosen(made))
        assert not test.exception, name

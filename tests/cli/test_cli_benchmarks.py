"""zeroshot, study and benchmark from the command line: documents, files, one line for every mistake."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.cli import main
from core.gallery import open_gallery
from core.saes.checkpoint import save_sae
from tests.benchmark.small_world import CONTROLS, PROMPTS, small_gallery, small_sae
from tests.cli.test_cli import document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery, an SAE, class prompts and lists of queries as files."""
    folder = tmp_path_factory.mktemp("verbs")
    gallery = small_gallery(folder)
    found = small_sae(gallery)
    save_sae(folder / "sae", found.sae, "sae", gallery.fingerprint())
    classes = {"town": {"A": ["in A"], "B": ["in B"]}, "gender": {"Male": ["a man"], "Female": ["a woman"]}}
    document = {"schema": 1, "templates": ["{}"], "attributes": classes}
    (folder / "classes.json").write_text(json.dumps(document))
    (folder / "town.json").write_text(json.dumps(document | {"attributes": {"town": classes["town"]}}))
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    (folder / "controls.json").write_text(json.dumps({"prompts": CONTROLS}))
    (folder / "named.json").write_text(json.dumps([{"prompt": PROMPTS[0], "relevant": {"gender": "Male"}}]))
    return folder


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err


# ---------------------------------------------------------------------------------------------------- zeroshot


def test_zeroshot_by_cell_before_and_after(made: Path, capsys: pytest.CaptureFixture) -> None:
    where = ["zeroshot", "--gallery", f"{made}/small", "--attribute", "gender", "--classes", f"{made}/town.json"]
    plain = document(capsys, *where)
    assert plain["classified"] == "town" and plain["classes"] == ["A", "B"] and plain["attribute"] == "gender"
    assert set(plain["before"]["by_group"]) == {"A × Female", "A × Male", "B × Female", "B × Male"}
    assert "after" not in plain and "difference" not in plain
    found = document(capsys, *where, "--sae", f"{made}/sae", "--off", "0,1", "--half", "evaluation")
    assert found["n"] == len(open_gallery(f"{made}/small").rows("evaluation"))
    for arm in ("before", "after", "difference"):
        for name in ("accuracy", "gap", "demographic_parity_difference", "equalized_odds_difference"):
            estimate = found[arm][name]
            assert estimate["lo"] <= estimate["estimate"] <= estimate["hi"]
    for name in ("accuracy", "demographic_parity_difference", "equalized_odds_difference"):
        change = found["after"][name]["estimate"] - found["before"][name]["estimate"]
        assert found["difference"][name]["estimate"] == pytest.approx(change, abs=1e-12)
    assert found["difference"]["worst_group"]["estimate"] is not None


def test_zeroshot_numbers_are_those_of_its_predictions(made: Path, capsys: pytest.CaptureFixture) -> None:
    """The document against counts made here from cosines."""
    where = ["zeroshot", "--gallery", f"{made}/small", "--attribute", "gender", "--classes", f"{made}/town.json"]
    found = document(capsys, *where)["before"]
    gallery = open_gallery(f"{made}/small")
    scores = np.stack([gallery.unit() @ gallery.prompt_embedding(text) for text in ("in A", "in B")], axis=1)
    answers, truth = np.array(["A", "B"])[scores.argmax(1)], gallery.labels("town").astype(str)
    men = gallery.labels("gender") == "Male"
    assert found["accuracy"]["estimate"] == pytest.approx(np.mean(answers == truth))
    shares = [np.mean(answers[rows] == "A") for rows in (men, ~men)]
    assert found["demographic_parity_difference"]["estimate"] == pytest.approx(abs(shares[0] - shares[1]))
    cell = men & (truth == "B")
    assert found["by_group"]["B × Male"]["estimate"] == pytest.approx(np.mean(answers[cell] == "B"))


def test_zeroshot_of_the_attribute_itself_has_no_parity(made: Path, capsys: pytest.CaptureFixture) -> None:
    found = document(
        capsys, "zeroshot", "--gallery", f"{made}/small", "--attribute", "gender", "--classes", f"{made}/classes.json"
    )
    assert found["classified"] == "gender" and set(found["before"]["by_group"]) == {"Male", "Female"}
    assert "classes themselves" in found["before"]["demographic_parity_difference"]["reason"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--classes", "absent.json"], "no class prompts at absent.json"),
        (["--classes", "{made}/town.json", "--classify", "age"], "share no attribute 'age'; they share town"),
        (["--classes", "{made}/town.json", "--off", "3"], "every --off belongs to the --sae before it"),
        (["--classes", "{made}/town.json", "--method", "magic"], "unknown intervention 'magic'"),
        (["--classes", "{made}/town.json", "--where", "gender=Male"], "hold only gender Male"),
        (["--classes", "{made}/town.json", "--half", "some"], "--half was 'some'"),
    ],
)
def test_zeroshot_refuses_in_one_line(
    made: Path, capsys: pytest.CaptureFixture, options: list[str], words: str
) -> None:
    given = [option.format(made=made) for option in options]
    assert words in refused(capsys, "zeroshot", "--gallery", f"{made}/small", "--attribute", "gender", *given)


# ------------------------------------------------------------------------------------------------------- study


def test_study_writes_its_files(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["study", "leakage", "--gallery", f"{made}/small", "--attribute", "gender", "--sae", f"{made}/sae"]
    found = document(capsys, *arguments, "--out", f"{tmp_path}/out")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".csv", ".svg", ".json"}
    assert [row["arm"] for row in found["rows"]] == ["before", "after"] and found["study"] == "leakage"
    assert "exists already" in refused(capsys, *arguments, "--out", f"{tmp_path}/out")
    assert main([*arguments, "--out", f"{tmp_path}/out", "--replace"]) == 0
    assert "Residual leakage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["magic", "--gallery", "{made}/small"], "unknown study 'magic'; known: "),
        (["leakage", "--gallery", "{made}/nowhere"], "is no gallery"),
        (["leakage", "--gallery", "{made}/small"], "needs 1 attribute"),
        (["specificity", "--gallery", "{made}/small", "--attribute", "gender"], "needs 2 attributes"),
        (["leakage", "--gallery", "{made}/small", "--prompts", "{made}/classes.json"], "holds no queries"),
    ],
)
def test_study_refuses_in_one_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], words: str
) -> None:
    given = [option.format(made=made) for option in options]
    assert words in refused(capsys, "study", *given, "--out", f"{tmp_path}/out")
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------------------------------- benchmark


def test_benchmark_writes_tables_and_resumes(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["benchmark", "--gallery", f"{made}/small", "--protocol", "default", "--k", "40"]
    arguments += ["--prompts", f"{made}/prompts.json", "--controls", f"{made}/controls.json"]
    arguments += ["--classes", f"{made}/classes.json", "--sae", f"{made}/sae", "--out", f"{tmp_path}/out"]
    found = document(capsys, *arguments, "--methods", "identity,neuron-edit")
    assert [cell["arm"] for cell in found["cells"]] == ["identity", "neuron-edit-rule"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"cells", "benchmark.csv", "benchmark.tex", "benchmark.json", "trade-off.svg"}
    assert "--resume" in refused(capsys, *arguments, "--methods", "identity")
    more = document(capsys, *arguments, "--methods", "identity,mean-difference", "--resume")
    assert more["cells"][0] == found["cells"][0] and len(list((tmp_path / "out" / "cells").iterdir())) == 3


def test_benchmark_reads_what_queries_name_and_published_numbers(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "published.csv").write_text("dataset,setting,backbone,method,metric,mean,ci\n")
    arguments = ["benchmark", "--gallery", f"{made}/small", "--protocol", "sem", "--k", "20", "--methods", "identity"]
    arguments += ["--prompts", f"{made}/named.json", "--published", f"{tmp_path}/published.csv"]
    found = document(capsys, *arguments, "--out", f"{tmp_path}/out")
    assert found["cells"][0]["values"]["precision"]["estimate"] > 0.9 and found["published"] == []
    assert main([*arguments, "--out", f"{tmp_path}/again"]) == 0
    assert "no published number is of the same data set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--protocol", "semm"], "did you mean 'sem'"),
        (["--methods", "identity,magic", "--prompts", "{made}/prompts.json"], "unknown method 'magic'"),
        (["--methods", "identity"], "has no planted words of its own; give --prompts"),
        (["--attribute", "age"], "no attribute 'age'"),
        (["--published", "{made}/absent.csv"], "absent.csv does not exist; expected a table"),
        (["--methods", ",", "--prompts", "{made}/prompts.json"], "at least one gallery and one method"),
    ],
)
def test_benchmark_refuses_in_one_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], words: str
) -> None:
    given = [option.format(made=made) for option in options]
    assert words in refused(capsys, "benchmark", "--gallery", f"{made}/small", *given, "--out", f"{tmp_path}/out")

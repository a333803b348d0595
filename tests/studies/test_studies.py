"""Every registered study answers on a small world with a table, a figure and a document, the same each time."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import Edit, InputError
from core.figures import Picture, Series, draw_svg
from core.gallery import Gallery
from core.scene import Scene
from core.statistics import held_out_leakage
from core.store import plain
from core.studies import STUDIES, StudyRequest, StudyResult
from core.studies.asking import crossed_skews, max_skews
from core.studies.disentanglement import disentanglement, score
from core.studies.preservation import gendered
from tests.benchmark.small_world import CLASSES, PROMPTS, small_gallery, small_sae
from tests.recorded import oracle

SHIPPED_ONLY = ("planted",)
"""Studies of the default world alone."""
OF_A_METHOD = ("preservation", "profession-pca", "running-cost")
ELSEWHERE = ("preservation", "running-cost", "class-folders", "profession-pca")
"""Studies that need a method, pictures or a text model, or whose numbers are times: by themselves below."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return small_gallery(tmp_path_factory.mktemp("studies"))


def request(gallery: Gallery, model: "Prompts | None" = None, **choices) -> StudyRequest:
    fields = {"attributes": ("gender", "town"), "prompts": PROMPTS, "class_prompts": CLASSES, "k": 40, "tau": 0.5}
    return StudyRequest(Scene(gallery, {"image": small_sae(gallery)}, model), **(fields | choices))


def method_needed(name: str) -> dict:
    """Preservation is about a method: neuron 0 of the gallery's side stands in for one."""
    return {"edits": {"image": Edit((0,))}} if name in OF_A_METHOD else {}


@pytest.mark.parametrize("name", [name for name in STUDIES.names() if name not in (*SHIPPED_ONLY, *ELSEWHERE)])
def test_every_study_writes_a_table_a_figure_and_a_document(gallery: Gallery, tmp_path: Path, name: str) -> None:
    study = STUDIES.get(name)
    assert study.title and study.question.endswith("?")
    asked = request(gallery)
    result = study()(asked)
    result.write(name, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{name}.csv", f"{name}.svg", f"{name}.json"}
    table = pd.read_csv(tmp_path / "out" / f"{name}.csv")
    assert len(table) == len(result.table) > 0
    for column in (c for c in table.columns if f"{c}_lo" in table.columns):
        held = table[[f"{column}_lo", column, f"{column}_hi"]].dropna()
        assert (held.iloc[:, 0] <= held.iloc[:, 1] + 1e-9).all() and (held.iloc[:, 1] <= held.iloc[:, 2] + 1e-9).all()
    document = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert document["schema"] == 1 and document["study"] == name and len(document["rows"]) == len(table)
    assert "<svg" in (tmp_path / "out" / f"{name}.svg").read_text()
    result.keep(tmp_path / "kept")
    read = StudyResult.load(tmp_path / "kept")
    assert plain(read.to_json()) == document and (read.brief is None) == (result.brief is None)
    read.write(name, tmp_path / "read")
    for path in (tmp_path / "out").iterdir():
        assert (tmp_path / "read" / path.name).read_bytes() == path.read_bytes(), "kept and read, it is the same"
    again = study()(replace(asked, prompts=PROMPTS[::-1]))
    assert plain(again.to_json())["rows"] == plain(result.to_json())["rows"], "the order of queries plays no part"
    with pytest.raises(InputError, match="exists already"):
        result.write(name, tmp_path / "out")


def test_a_kept_study_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text('{"schema": 1, "picture": {"series": [{}]}, "brief": null}')
    with pytest.raises(InputError, match=r"study\.json holds no result of a study"):
        StudyResult.load(tmp_path)


@pytest.mark.parametrize("name", [name for name in STUDIES.names() if name not in (*SHIPPED_ONLY, "inlp-path")])
def test_every_study_says_what_it_lacks_in_one_line(gallery: Gallery, name: str) -> None:
    with pytest.raises(InputError) as error:
        STUDIES.get(name)()(StudyRequest(Scene(gallery), ("gender",)))
    assert "\n" not in str(error.value)


def test_an_unknown_attribute_and_study_are_refused(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="no attribute 'age'; it has gender, town"):
        StudyRequest(Scene(gallery), ("age",))
    with pytest.raises(InputError, match="did you mean 'specificity'"):
        STUDIES.get("specifity")


# ------------------------------------------------------------------------------------------------- what they find


def test_specificity_finds_the_specific_neurons(gallery: Gallery) -> None:
    """Neurons 0 and 1 carry gender alone: its own cell falls, the town's stays."""
    asked = request(gallery)
    table = STUDIES.get("specificity")()(asked).table.set_index(["neurons_of", "measured"])
    own, beside = table.loc[("gender", "gender")], table.loc[("gender", "town")]
    assert own["change"] < -0.2 and own["change_hi"] < 0
    assert abs(beside["change"]) < abs(own["change"]) / 2


def test_alpha_0_is_the_untouched_model(gallery: Gallery) -> None:
    asked = request(gallery)
    table = STUDIES.get("trade-off")()(asked).table
    assert table["alpha"].tolist() == [round(a, 1) for a in np.arange(0, 1.01, 0.1)]
    assert table["max_skew"].iloc[0] == pytest.approx(float(np.mean(max_skews(asked, "gender"))))


def test_intersections_of_one_attribute_are_that_attribute(gallery: Gallery) -> None:
    asked = request(gallery)
    np.testing.assert_allclose(crossed_skews(asked, ["gender"]), max_skews(asked, "gender"))
    table = STUDIES.get("intersections")()(asked).table
    assert set(table["neurons_of"]) == {"original", "gender", "town", "gender + town"}
    assert set(table["measured"]) == {"gender", "town", "gender x town"}
    assert (table.loc[table["neurons_of"] == "original", "change"] == 0).all()


def test_crossed_skew_by_hand(gallery: Gallery) -> None:
    asked = request(gallery, k=5)
    rows = gallery.rows("evaluation")
    x = gallery.unit(rows)
    names = [f"{a} x {b}" for a, b in zip(gallery.labels("gender")[rows], gallery.labels("town")[rows], strict=True)]
    groups = sorted(set(names))
    found = crossed_skews(asked, ["gender", "town"])
    for value, prompt in zip(found, asked.prompts, strict=True):
        q = gallery.prompt_embedding(prompt)
        top = [names[i] for i in np.argsort(-(x @ (q / np.linalg.norm(q))), kind="stable")[:5]]
        shares = [max(top.count(g) / 5, 0.2) for g in groups]
        assert value == pytest.approx(max(np.log(share * len(groups)) for share in shares), abs=1e-6)


def test_leakage_falls_where_the_carrying_neurons_are_off(gallery: Gallery) -> None:
    table = STUDIES.get("leakage")()(request(gallery, attributes=("gender",))).table.set_index("arm")
    assert table.loc["before", "auc"] > 0.95 and table.loc["after", "auc"] < 0.8


def test_a_probe_of_random_labels_finds_nothing_and_of_three_groups_all() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 600, 5))
    labels = rng.integers(-1, 2, 600)
    estimate = held_out_leakage(x, labels, y, labels)
    assert estimate.lo < 0.5 < estimate.hi
    three = rng.integers(0, 3, 600)
    x[np.arange(600), three] += 8
    y[np.arange(600), three] += 8
    assert held_out_leakage(x, three, y, three).estimate > 0.99


# ------------------------------------------------------------------------------------------------ disentanglement


@pytest.mark.parametrize("space", ["clip", "sae"])
def test_disentanglement_is_the_recorded_one(space: str) -> None:
    o = oracle("disentanglement")
    found = disentanglement(o[f"{space}_features"], o["main_label"], o["bias_label"])
    names = {"content": "direct_probe_main", "bias": "direct_probe_second", "leaked": "seq_second_from_main"}
    for mine, theirs in names.items():
        recorded = o[f"{space}_scores_{theirs}"]
        assert np.abs(getattr(found, mine) - recorded).max() <= 1 / 38 + 1e-9, "at most one row of a fold differs"
    np.testing.assert_allclose([found.score, found.error], o[f"{space}_D"], atol=0.05)


def test_the_score_is_the_recorded_function() -> None:
    for bias, bias_sd, leaked, leaked_sd, chance, D, error in oracle("disentanglement")["D_function_table"]:
        np.testing.assert_allclose(score(bias, bias_sd, leaked, leaked_sd, chance), (D, error), rtol=0, atol=1e-12)


def test_a_content_class_smaller_than_the_folds_is_refused() -> None:
    with pytest.raises(InputError, match="has 2 rows; 5 folds need"):
        disentanglement(np.zeros((12, 2)), np.array([0] * 10 + [1] * 2), np.arange(12) % 2)


# --------------------------------------------------------------------------------------------------- preservation


class Prompts:
    """Embeds a prompt along its noun, and along column 0 by its gender."""

    name, weights_digest, known_words = "hand-made", "unknown", None

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery

    def fingerprint(self, side, attach, normalised=False):
        return replace(self.gallery.fingerprint(), side=side)

    def encode_texts(self, texts, attaches=("pooled",), **_):
        rows = np.zeros((len(texts), 12), np.float32)
        for row, text in zip(rows, texts, strict=True):
            words = text.split()
            row[0] = ("male" in words or "man" in words) - float("female" in words or "woman" in words)
            if words[-1] not in ("man", "woman"):
                row[2 + sum(map(ord, words[-1])) % 9] = 1.0
        return {"pooled": rows}

    def unknown_words(self, text):
        return []

    def truncated(self, text):
        return False


def test_preservation_by_hand(gallery: Gallery) -> None:
    """Untouched: neutral e, gendered e +- g of length sqrt 2: CP = 1 / sqrt 2, BN = 0. A query edit that is none."""
    asked = request(gallery, Prompts(gallery), **method_needed("preservation"))
    table = STUDIES.get("preservation")()(asked).table.set_index(["arm", "measure"])["cosine"]
    assert table[("original", "content preservation")] == pytest.approx(2**-0.5)
    assert table[("original", "bias neutralisation")] == pytest.approx(0.0, abs=1e-9)
    assert table[("neuron-edit", "bias neutralisation")] == pytest.approx(0.0, abs=1e-9), "pictures alone are edited"


def test_a_method_on_prompts_neutralises(gallery: Gallery) -> None:
    asked = request(gallery, Prompts(gallery), method="orth-proj")
    table = STUDIES.get("preservation")()(asked).table.set_index(["arm", "measure"])["cosine"]
    assert table[("orth-proj", "bias neutralisation")] > 0.9


def test_gendered_prompts() -> None:
    assert gendered("a photo of an artist", "female") == "a photo of a female artist"
    with pytest.raises(InputError, match="does not end in an article and a noun"):
        gendered("people dancing", "male")


# -------------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize("kind", ["bars", "lines", "points", "cells"])
def test_figures_repeat_byte_by_byte_and_leave_gaps(tmp_path: Path, kind: str) -> None:
    x = [0.1, 0.2, 0.3] if kind in ("lines", "points") else ["a", "b", "c"]
    series = (
        Series("one", x, [0.5, None, 0.25], [0.4, None, 0.2], [0.6, None, 0.3], ["p", "q", "r"]),
        Series("_two", x, [0.1, 0.2, 0.3]),
    )
    picture = Picture(r"A & B < C $\href{b}{x}$", kind, "x", "y", series, "small print", {"reference": 0.3})
    draw_svg(picture, tmp_path / "a.svg")
    draw_svg(picture, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text() and "A &amp; B &lt; C $\\href{b}{x}$" in text
    assert kind == "cells" or "> _two<" in text
    with pytest.raises(ValueError, match="parts of lengths"):
        Series("bad", [1, 2], [1])


@pytest.mark.parametrize(("n", "all_written"), [(6, True), (60, False)])
def test_names_of_points_are_written_where_there_is_room(tmp_path: Path, n: int, all_written: bool) -> None:
    """Of few points all are named, wherever they lie; of a crowd in one place only some, and far ones always."""
    names = [f"crowded {i}" for i in range(n - 1)] + ["far away"]
    x, y = [*np.linspace(0, 0.01, n - 1).tolist(), 1.0], [*[0.0] * (n - 1), 1.0]
    draw_svg(Picture("t", "points", "x", "y", (Series("s", x, y, names=names),)), tmp_path / "a.svg")
    written = [name for name in names if f">{name}<" in (tmp_path / "a.svg").read_text()]
    assert "far away" in written and (written == names) == all_written

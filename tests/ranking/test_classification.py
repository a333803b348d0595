"""A classification before and after an edit, against classes guessed here from cosines."""

import numpy as np
import pandas as pd
import pytest

from core.config import Edit, InputError, NothingLeft
from core.gallery import Gallery, import_gallery
from core.ranking import RankRequest
from core.ranking import classification as module
from core.ranking.classification import class_answers, classification
from core.scene import Scene
from core.zeroshot import difference, evaluate
from core.zeroshot.parity import NAMES, parity, parity_change
from tests.benchmark.small_world import CLASSES, small_gallery, small_sae

TOWNS, TEXTS = ["A", "B"], ["in A", "in B"]
OFF = Edit((2, 3))
"""The neurons of the towns."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Of five rows the town is not known, of four others the gender, and three lie in a town without class prompt."""
    folder = tmp_path_factory.mktemp("classified")
    made = small_gallery(folder)
    table = pd.read_csv(folder / "small.csv")
    table.loc[:4, "town"], table.loc[5:8, "gender"], table.loc[9:11, "town"] = None, None, "C"
    table.to_csv(folder / "with unknown.csv", index=False)
    texts = np.stack([made.prompt_embedding(text) for text in TEXTS]).astype(np.float32)
    pd.DataFrame({"prompt": TEXTS}).to_csv(folder / "texts.csv", index=False)
    given = {"model_name": "hand-made", "out": folder / "g", "texts": texts, "text_table": folder / "texts.csv"}
    return import_gallery(np.asarray(made.embeddings()), folder / "with unknown.csv", **given)


@pytest.fixture(scope="module")
def scene(gallery: Gallery) -> Scene:
    return Scene(gallery, {"image": small_sae(gallery)})


def request(attribute: str = "gender", **choices) -> RankRequest:
    return RankRequest(**({"attribute": attribute, "query": "towns", "null_draws": 300, "seed": 5} | choices))


def guessed(scene: Scene, rows: np.ndarray, off: tuple[int, ...] = ()) -> np.ndarray:
    """The nearest class prompt of every row, without what some neurons add."""
    x = np.asarray(scene.gallery.embeddings(), dtype=np.float64)[rows]
    W = scene.saes["image"].sae.arrays()
    if off:
        active = np.maximum((x - W["b_dec"]) @ W["W_enc"] + W["b_enc"], 0)
        x = x - active[:, list(off)] @ W["W_dec"][list(off)]
    prompts = np.stack([scene.gallery.prompt_embedding(text) for text in TEXTS])
    prompts = prompts / np.linalg.norm(prompts, axis=1, keepdims=True)
    return (x / np.linalg.norm(x, axis=1, keepdims=True) @ prompts.T).argmax(1)


@pytest.mark.parametrize("half", ["all", "evaluation"])
def test_every_number_is_of_what_was_guessed(scene: Scene, half: str) -> None:
    asked = request(edits={"image": OFF}, half=half)
    found = classification(scene, asked, CLASSES, "town")
    rows = scene.gallery.rows(half)
    town, gender = scene.gallery.labels("town")[rows], scene.gallery.labels("gender")[rows]
    answers = [guessed(scene, rows), guessed(scene, rows, OFF.neurons)]
    known = np.array([place in TOWNS and sex is not None for place, sex in zip(town, gender, strict=True)])
    truth = np.array([TOWNS.index(place) for place in town[known]])
    assert found.after is not None and (answers[0] != answers[1]).any()
    accuracy = [evaluate(one, town, TOWNS, "town", gender) for one in answers]
    served = [parity(one[known], truth, gender[known], TOWNS, 300, 5) for one in answers]
    for arm, one, right, equal in zip((found.before, found.after), answers, accuracy, served, strict=True):
        np.testing.assert_array_equal(arm.predictions, one)
        assert arm.to_json() == right.to_json() | equal.to_json()
    change = parity_change(answers[0][known], answers[1][known], truth, gender[known], TOWNS, 300, 5)
    document = found.to_json()
    assert document["difference"] == (
        difference(*accuracy, 300, 5).to_json() | {name: one.to_json() for name, one in change.items()}
    )
    assert document["before"] == found.before.to_json() and document["after"] == found.after.to_json()
    assert (document["n"], document["unknown"]) == (accuracy[0].n, accuracy[0].unknown)
    assert (document["classified"], document["classes"], document["seed"]) == ("town", TOWNS, 5)
    assert (document["half"], document["attribute"]) == (half, "gender")
    assert document["edits"] == {"image": OFF.to_json()} and document["method"] == asked.method
    assert document["digests"] == {
        "gallery": scene.gallery.digest,
        "classes": CLASSES.digest,
        "saes": {"image": scene.saes["image"].digest},
        "edits": {"image": OFF.digest},
    }


def test_rows_that_are_not_measured_are_told(scene: Scene) -> None:
    found = classification(scene, request(), CLASSES, "town")
    notes = found.to_json()["notes"]
    assert "3 searched rows have town C, which has no class prompt" in notes
    unknown = found.before.accuracy.unknown
    assert unknown > 0 and f"{unknown} searched rows have no known group and are not measured" in notes
    everybody = classification(scene, request(where={"town": "A"}), CLASSES, "town")
    assert not any("no class prompt" in note for note in everybody.notes)


def test_without_an_edit_there_is_one_arm(scene: Scene) -> None:
    found = classification(scene, request(), CLASSES, "town")
    document = found.to_json()
    assert found.after is None and not {"after", "difference"} & set(document)
    assert document["digests"]["saes"] == document["digests"]["edits"] == {}
    np.testing.assert_array_equal(class_answers(scene, request(), CLASSES, "town"), found.before.predictions)


def test_the_attribute_itself_has_cells_and_no_parity(scene: Scene) -> None:
    found = classification(scene, request("town", edits={"image": OFF}), CLASSES, "town")
    document = found.to_json()
    missing = {"estimate": None, "reason": "the compared groups are the classes themselves"}
    assert found.after is not None
    for arm, result in (("before", found.before), ("after", found.after)):
        assert set(document[arm]["by_group"]) == set(TOWNS) and result.parity is None
        assert all(document[arm][name] == missing for name in NAMES)
        assert len(result.predictions) == scene.gallery.n
    assert all(document["difference"][name] == missing for name in NAMES)


def test_a_method_that_leaves_nothing_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = class_answers

    def answers(scene: Scene, asked: RankRequest, *given) -> np.ndarray:
        if asked.edits:
            raise NothingLeft("Erasure", ["in A"])
        return plain(scene, asked, *given)

    monkeypatch.setattr(module, "class_answers", answers)
    found = classification(scene, request(edits={"image": OFF}), CLASSES, "town")
    document = found.to_json()
    assert (
        document["after"]
        == document["difference"]
        == {"reason": "Erasure leaves nothing of “in A”: it lies in what it removes"}
    )
    assert found.after is None and document["before"] == found.before.to_json()


def test_parity_needs_two_groups(scene: Scene) -> None:
    with pytest.raises(InputError, match="the searched rows hold only gender Male; parity compares two groups"):
        classification(scene, request(where={"gender": "Male"}), CLASSES, "town")

"""Class prompts: every template with every phrase, unit means, and errors that name the wrong part."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.config import ASSETS, InputError
from core.zeroshot import PromptSet, class_embeddings, classify

FILE = {
    "schema": 1,
    "templates": ["a photo of {}", "{}"],
    "attributes": {"gender": {"Male": ["a man"], "Female": ["a woman", "a lady"]}, "hat": {"yes": ["a"], "no": ["b"]}},
}


def embed(texts: list[str]) -> np.ndarray:
    """Different directions and lengths for different texts."""
    return np.stack([np.random.default_rng(list(t.encode())).normal(size=6) * len(t) for t in texts])


def test_every_template_with_every_phrase() -> None:
    prompts = PromptSet.from_json(FILE, "mine")
    assert prompts.prompts("gender") == {
        "Male": ["a photo of a man", "a man"],
        "Female": ["a photo of a woman", "a photo of a lady", "a woman", "a lady"],
    }
    assert (prompts.name, prompts.groups("hat")) == ("mine", ["yes", "no"])


def test_class_embedding_is_the_unit_mean_of_unit_prompts() -> None:
    prompts = PromptSet.from_json(FILE, "mine")
    found = class_embeddings(embed, prompts, "gender")
    for row, texts in zip(found, prompts.prompts("gender").values(), strict=True):
        mean = sum(embed([t])[0] / np.linalg.norm(embed([t])[0]) for t in texts)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_classify_ignores_length_and_takes_the_first_of_equals() -> None:
    classes = np.eye(3, 5, dtype=np.float32)
    x = np.array([[3, 1, 0, 9, 9], [0.1, 0.3, 0.2, 0, 0], [0, 1, 1, 0, 0], [-1, -1, -1, 0, 0]])
    assert classify(x, classes).tolist() == [0, 1, 1, 0]
    assert classify(x * 1e-3, classes).tolist() == [0, 1, 1, 0]
    assert classify(np.empty((0, 5)), classes).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"template": []}, "unknown key 'template'"),
        ({"templates": []}, "templates must be a list"),
        ({"templates": ["a photo"]}, "must hold {} once"),
        ({"attributes": []}, "attributes must be an object"),
        ({"attributes": {"gender": {"Male": ["a man"]}}}, "'gender' has 1 group"),
        ({"attributes": {"gender": {"Male": "a man", "Female": ["x"]}}}, "gender, Male must be a list"),
        ({"attributes": {"gender": {"Male": [" "], "Female": ["x"]}}}, "gender, Male must be a list"),
    ],
)
def test_wrong_files_are_named_with_the_wrong_part(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(FILE | change))
    with pytest.raises(InputError) as caught:
        PromptSet.load(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}'])
def test_files_that_are_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"classes\.json"):
        PromptSet.load(path)
    with pytest.raises(InputError, match=r"no class prompts at nowhere.*faces-attributes"):
        PromptSet.load("nowhere")
    with pytest.raises(InputError, match="no prompts for 'hair'; it has gender, hat"):
        PromptSet.from_json(FILE, "mine").groups("hair")


@pytest.mark.parametrize("path", sorted((ASSETS / "prompts").glob("*-attributes.json")), ids=lambda path: path.stem)
def test_shipped_sets_are_sound(path: Path) -> None:
    prompts = PromptSet.load(path.stem)
    assert prompts.name == path.stem
    for attribute in prompts.attributes:
        texts = [prompt for group in prompts.prompts(attribute).values() for prompt in group]
        assert len(texts) == len(set(texts))


def test_faces_set_has_the_labels_of_fairface() -> None:
    faces = PromptSet.load("faces-attributes")
    assert set(faces.groups("gender")) == {"Male", "Female"}
    assert len(faces.groups("race")) == 7
    assert faces.groups("age") == ["0-2", "3-9", *(f"{a}-{a + 9}" for a in range(10, 70, 10)), "more than 70"]

"""A small world with everything that a report can print: two and more groups, ties, known class prompts, an edit."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.zeroshot import PromptSet

N, D = 240, 12
PROMPTS = ["a photo of a pilot", "a photo of a nurse", "a photo of a clerk"]
CLASSES = ("gender", "age", "glasses")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders gallery and sae, and spec.json. The first direction carries gender, the second age; pairs of rows are
    equal and of different gender.
    """
    folder = tmp_path_factory.mktemp("second-author")
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"id": [f"item {i}" for i in range(N)]})
    labels["gender"] = np.where(np.arange(N) % 3 > 0, "Male", "Female")
    labels["age"] = np.array(["young", "middle-aged", "older"])[rng.integers(0, 3, N)]
    labels["glasses"] = np.where(rng.random(N) < 0.3, "glasses", "no glasses")
    x = rng.normal(size=(N, D)).astype(np.float32) * 0.3 + 1.0
    x[:, 0] += np.where(labels["gender"] == "Male", 1.0, -1.0)
    x[:, 1] += np.where(labels["age"] == "older", 1.0, -1.0)
    x[1:90:3] = x[0:90:3]
    labels.loc[5::40, "gender"] = None
    np.save(folder / "x.npy", x)
    labels.to_csv(folder / "labels.csv", index=False)
    classes = PromptSet.load("default-attributes")
    named = {text: group for a in CLASSES for group, texts in classes.prompts(a).items() for text in texts}
    leaning = {"Male": (0, 1.0), "Female": (0, -1.0), "older": (1, 1.0), "young": (1, -1.0)}
    texts = rng.normal(size=(len(PROMPTS) + len(named), D)).astype(np.float32) * 0.2 + 0.5
    texts[:3, 0] += [1.5, -1.5, 0.3]
    for i, group in enumerate(named.values(), len(PROMPTS)):
        column, side = leaning.get(group, (2, 0.0))
        texts[i, column] += side
    pd.DataFrame({"prompt": [*PROMPTS, *named]}).to_csv(folder / "prompts.csv", index=False)
    np.save(folder / "texts.npy", texts)
    arguments = ["gallery", "import", "--embeddings", f"{folder}/x.npy", "--table", f"{folder}/labels.csv"]
    arguments += ["--texts", f"{folder}/texts.npy", "--text-table", f"{folder}/prompts.csv", "--licence", "CC0"]
    assert main([*arguments, "--model-name", "hand-made", "--out", f"{folder}/gallery"]) == 0
    arguments = ["sae", "train", "--gallery", f"{folder}/gallery", "--d-sae", "24", "--k", "4", "--steps", "60"]
    assert main([*arguments, "--batch", "64", "--half", "probe", "--out", f"{folder}/sae"]) == 0
    spec = {
        "schema": 2,
        "gallery": f"{folder}/gallery",
        "sae": f"{folder}/sae",
        "k": 20,
        "seed": 3,
        "target": "uniform",
        "attributes": ["gender", "gender x age"],
        "prompts": PROMPTS[:2],
        "exploratory_prompts": PROMPTS[2:],
        "edit": {"select": "attribution", "size": 2, "per_query": False},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder

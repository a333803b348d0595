"""One audit of a few hundred numbers, for every test of what leaves the house."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main

N, D = 240, 16
PROMPTS = ["a photo of a pilot", "a photo of a nurse", "a photo of a clerk"]


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders gallery, sae and report, and spec.json: the first direction carries gender, the second age."""
    folder = tmp_path_factory.mktemp("audited")
    rng = np.random.default_rng(0)
    male, old = np.arange(N) % 2 == 0, np.arange(N) % 3 == 0
    x = rng.normal(size=(N, D)).astype(np.float32) * 0.3 + 1.0
    x[:, 0] += np.where(male, 1.2, -1.2)
    x[:, 1] += np.where(old, 1.0, -1.0)
    np.save(folder / "x.npy", x)
    labels = pd.DataFrame({"id": [f"item {i}" for i in range(N)], "gender": np.where(male, "Male", "Female")})
    labels["age"] = np.where(old, "old", "young")
    labels.loc[5::40, "gender"] = None
    labels.to_csv(folder / "labels.csv", index=False)
    texts = rng.normal(size=(4, D)).astype(np.float32) * 0.2 + 0.5
    texts[:3, 0] += [1.5, -1.5, 0.0]
    pd.DataFrame({"prompt": [*PROMPTS, "a photo of a baker"]}).to_csv(folder / "prompts.csv", index=False)
    np.save(folder / "texts.npy", texts)
    arguments = ["gallery", "import", "--embeddings", f"{folder}/x.npy", "--table", f"{folder}/labels.csv"]
    arguments += ["--texts", f"{folder}/texts.npy", "--text-table", f"{folder}/prompts.csv", "--licence", "CC0"]
    assert main([*arguments, "--model-name", "hand-made", "--out", f"{folder}/gallery"]) == 0
    arguments = ["sae", "train", "--gallery", f"{folder}/gallery", "--d-sae", "32", "--k", "4", "--steps", "60"]
    assert main([*arguments, "--batch", "64", "--half", "probe", "--out", f"{folder}/sae"]) == 0
    spec = {
        "schema": 2,
        "target": "uniform",
        "gallery": f"{folder}/gallery",
        "sae": f"{folder}/sae",
        "k": 20,
        "seed": 3,
    }
    spec |= {
        "attributes": ["gender", "gender x age"],
        "prompts": PROMPTS,
        "exploratory_prompts": ["a photo of a baker"],
    }
    spec |= {"title": "A test", "edit": {"select": "attribution", "size": 3, "per_query": False}}
    (folder / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", f"{folder}/spec.json", "--out", f"{folder}/report", "--auditor", "a tester"]) == 0
    return folder

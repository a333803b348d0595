"""A gallery of a few hundred rows with known prompts, and an SAE whose first neurons carry gender and town."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from core.benchmark import World
from core.config import digest_of
from core.gallery import Gallery, import_gallery
from core.saes.base import new_sae, sae_config
from core.saes.checkpoint import SAEFile
from core.scene import Scene
from core.zeroshot import PromptSet

N, D, F = 400, 12, 16
PROMPTS = ("a photo of a pilot", "a photo of a nurse", "a photo of a judge")
CONTROLS = ("a photo of a baker", "a photo of a writer")
CLASSES = PromptSet.from_json(
    {
        "schema": 1,
        "templates": ["{}"],
        "attributes": {"gender": {"Male": ["a man"], "Female": ["a woman"]}, "town": {"A": ["in A"], "B": ["in B"]}},
    },
    "test",
)


def small_gallery(folder: Path, name: str = "small", seed: int = 0) -> Gallery:
    """Column 0 carries gender (+-1), column 1 the town; prompts lean along column 0."""
    rng = np.random.default_rng(seed)
    male, town = rng.random(N) < 0.5, rng.random(N) < 0.4
    x = rng.normal(size=(N, D)).astype(np.float32) * 0.4 + 1.0
    x[:, 0] = np.where(male, 2.0, 0.2) + rng.normal(size=N) * 0.1
    x[:, 1] = np.where(town, 2.0, 0.2) + rng.normal(size=N) * 0.1
    labels = pd.DataFrame({"id": [f"{name} {i}" for i in range(N)], "gender": np.where(male, "Male", "Female")})
    labels["town"] = np.where(town, "A", "B")
    labels.to_csv(folder / f"{name}.csv", index=False)
    texts = {
        PROMPTS[0]: [0.8, 0, 1, 0],
        PROMPTS[1]: [-0.8, 0, 0, 1],
        PROMPTS[2]: [0.5, 0.1, 1, 1],
        CONTROLS[0]: [0, 0, 1, 0.5],
        CONTROLS[1]: [0.02, 0, 0.5, 1],
        "a man": [1, 0, 0, 0],
        "a woman": [-1, 0, 0, 0],
        "in A": [0, 1, 0, 0],
        "in B": [0, -1, 0, 0],
    }
    rows = np.zeros((len(texts), D), np.float32)
    rows[:, :4] = list(texts.values())
    table = folder / f"{name} prompts.csv"
    pd.DataFrame({"prompt": list(texts)}).to_csv(table, index=False)
    return import_gallery(
        x, folder / f"{name}.csv", model_name="hand-made", out=folder / name, texts=rows, text_table=table
    )


def small_sae(gallery: Gallery) -> SAEFile:
    """Neurons 0 and 1 fire for men and women alone, 2 and 3 for the towns; the others are random directions."""
    sae = new_sae(sae_config("relu", D, F, 4))
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        W = torch.randn(F, D, generator=rng) * 0.2
        W[:4] = 0.0
        W[0, 0], W[1, 0], W[2, 1], W[3, 1] = 1.0, -1.0, 1.0, -1.0
        for name, value in {"W_dec": W, "W_enc": W.T, "b_enc": torch.zeros(F), "b_dec": torch.zeros(D)}.items():
            getattr(sae, name).data = value.clone().contiguous()
        sae.b_enc.data[:4] = torch.tensor([-1.1, 1.1, -1.1, 1.1])
    return SAEFile(sae.frozen(), "hand-made", digest_of(["small sae"]), None)


def small_world(gallery: Gallery, **choices) -> World:
    fields = {"prompts": PROMPTS, "controls": CONTROLS, "class_prompts": CLASSES, "k": 40}
    return World(Scene(gallery, {"image": small_sae(gallery)}), "gender", **(fields | choices))

"""The same items as several models embed them, with known prompts in place of text encoders."""

from pathlib import Path

import numpy as np

from core.gallery import Gallery, import_gallery

N, D = 600, 16
PROMPTS = ("a photo of a nurse", "a photo of a pilot", "a photo of a person")


def made(folder: Path, name: str, lean: float, order: np.ndarray | None = None, drop: int = 0) -> Gallery:
    """A model whose prompts score one group higher by `lean`; its rows in another order."""
    rng = np.random.default_rng(5)
    gender = rng.permutation(np.arange(N) % 2)
    x = rng.normal(size=(N, D)).astype(np.float32)
    x[:, 0] = lean * (2 * gender - 1)
    texts = rng.normal(size=(len(PROMPTS), D)).astype(np.float32)
    texts[:, 0] = 3.0
    rows = (np.arange(N) if order is None else order)[drop:]
    table = folder / f"{name}.csv"
    table.write_text("id,gender\n" + "".join(f"i{row:04d},{('Female', 'Male')[gender[row]]}\n" for row in rows))
    prompts = folder / f"{name}-prompts.csv"
    prompts.write_text("prompt\n" + "".join(f"{prompt}\n" for prompt in PROMPTS))
    return import_gallery(x[rows], table, model_name=name, out=folder / name, texts=texts, text_table=prompts)

"""A small world for the tests of views: a model without torch, two galleries made by it, and SAEs on both sides."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from core.config import Fingerprint
from core.datasets.base import DATASETS
from core.gallery import Gallery, build_gallery
from core.saes.base import new_sae, sae_config
from core.saes.checkpoint import SAEFile, save_sae

D, D_SAE = 12, 24
WORDS = ["a", "photo", "of", "doctor", "nurse", "man", "woman", "person", "the"]


class SmallModel:
    """Embeds a picture by its mean colour and a text by its letters: cheap, deterministic, and good for nothing."""

    name = "small"
    device = "cpu"
    image_size = (8, 8)
    notes: list[str] = []  # noqa: RUF012
    weights_digest = "5" * 64
    known_words = WORDS

    def __init__(self, weights: str = "5" * 64) -> None:
        self.weights_digest = weights

    def fingerprint(self, side: Any, attach: Any = "pooled", normalised: bool = False) -> Fingerprint:
        return Fingerprint(self.name, self.weights_digest, side, attach, D, "p" * 8, False, normalised)

    def dims(self, side: str, attach: str) -> int | None:
        return D if attach == "pooled" else None

    def why_not(self, side: str, attach: str) -> str | None:
        return None if attach == "pooled" else "this small model has no transformer"

    def readout(self, side: str) -> None:
        return None

    def pixels(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image.convert("RGB").resize((1, 1), Image.Resampling.BOX))

    def pixel_buffer(self, n: int) -> np.ndarray:
        return np.empty((n, 1, 1, 3), np.uint8)

    def encode_pixels(self, pixels: np.ndarray, attaches: Any = ("pooled",), **_: Any) -> Callable[[], dict]:
        rows = np.stack([_direction(bytes(colour.tolist())) for colour in pixels.reshape(-1, 3)])
        return lambda: {"pooled": rows}

    def encode_images(self, images: Sequence[Image.Image], attaches: Any = ("pooled",), **_: Any) -> dict:
        return {"pooled": np.stack([_direction(_mean_colour(image)) for image in images])}

    def encode_texts(self, texts: Sequence[str], attaches: Any = ("pooled",), **_: Any) -> dict:
        return {"pooled": np.stack([_direction(hashlib.sha256(text.encode()).digest()[:3]) for text in texts])}

    def text_embedding(self, text: str) -> np.ndarray:
        return self.encode_texts([text])["pooled"][0]

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in text.lower().split() if word not in WORDS]

    def truncated(self, text: str) -> bool:
        return len(text) > 200


def _mean_colour(image: Image.Image) -> bytes:
    return bytes(np.asarray(image.convert("RGB")).reshape(-1, 3).mean(axis=0).astype(np.uint8).tolist())


def _direction(colour: bytes) -> np.ndarray:
    """A fixed turn of the colour's neighbourhood, so that similar colours have similar embeddings."""
    turn = np.random.default_rng(0).normal(size=(4, D))
    return (np.array([*colour, 128]) / 128 - 0.9).astype(np.float32) @ turn.astype(np.float32)


def make_gallery(folder: Path, seed: int, whole: Any = None, n: int = 60, extra: dict | None = None) -> Gallery:
    """Coloured squares with a gender, an age and some unknown labels."""
    rng, pictures = np.random.default_rng(seed), folder.parent / f"{folder.name}-pictures"
    pictures.mkdir(parents=True)
    rows = []
    for i in range(n):
        gender, age = ("Male", "Female")[i % 2], ("young", "old")[int(rng.random() < 0.4)]
        red = 60 + 130 * (gender == "Male") + int(rng.integers(0, 50))
        Image.new("RGB", (16, 16), (red, int(rng.integers(0, 255)), 90 + 80 * (age == "old"))).save(
            pictures / f"{i}.png"
        )
        rows.append({"file": f"{i}.png", "gender": None if i % 15 == 7 else gender, "age": age})
    table = folder.parent / f"{folder.name}.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    said = {"licence": "made for a test", "provenance": "drawn colours"}
    items = DATASETS.get("folder")().items(pictures, table=table, **said)
    return build_gallery(items, SmallModel(), folder, whole=whole, extra=extra or {})


def make_sae(folder: Path, gallery: Gallery, side: Any = "image", seed: int = 0) -> SAEFile:
    """Directions of the gallery's own rows as neurons."""
    rng, config = np.random.default_rng(seed), sae_config("topk", D, D_SAE, 4)
    rows = gallery.unit(np.sort(rng.choice(gallery.n, D_SAE, replace=False)))
    arrays = {"W_enc": rows.T, "b_enc": np.zeros(D_SAE), "W_dec": rows, "b_dec": np.zeros(D)}
    sae = new_sae(config).load_arrays({name: np.array(value, dtype=np.float32) for name, value in arrays.items()})
    fingerprint = SmallModel().fingerprint(side)
    return save_sae(folder, sae, folder.name, fingerprint, quality={"fvu": 0.25, "l0": 4.0, "dead_fraction": 0.125})


def make_world(folder: Path) -> dict[str, str]:
    """Names of what was made: searched, probe, captions, image, text."""
    from core.neurons import encode_gallery

    probe = make_gallery(folder / "probe", 1, "probe")
    searched = make_gallery(folder / "searched", 2, "evaluation", extra={"probe_gallery": str(folder / "probe")})
    texts = folder / "captions.csv"
    pd.DataFrame({"text": [f"a photo of {word} {i}" for i in range(5) for word in WORDS]}).to_csv(texts, index=False)
    captions = build_gallery(DATASETS.get("captions")().items(texts), SmallModel(), folder / "captions")
    image, text = make_sae(folder / "image", probe), make_sae(folder / "text", captions, "text")
    for gallery in (probe, searched):
        encode_gallery(gallery, image)
    encode_gallery(captions, text)
    return {name: str(folder / name) for name in ("searched", "probe", "captions", "image", "text")}

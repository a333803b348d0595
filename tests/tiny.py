"""A gallery, a text model and SAEs of a few hundred numbers, for tests of what combines them."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from core.config import Fingerprint, digest_of
from core.gallery import Codes
from core.readout import ReadoutArrays
from core.saes.base import new_sae, sae_config
from core.saes.checkpoint import SAEFile
from core.units import unit_rows

N, D_MODEL, D, F = 400, 16, 12, 48
GROUPS = ["Female", "Male"]


def fingerprint(side: str, attach: str) -> Fingerprint:
    d = D_MODEL if attach == "residual" else D
    return Fingerprint("tiny", "w" * 64, side, attach, d, "p" * 64 if side == "image" else "t" * 64, False, False)


READOUT = ReadoutArrays(
    np.random.default_rng(1).random(D_MODEL).astype(np.float32) + 0.5,
    np.random.default_rng(2).normal(size=D_MODEL).astype(np.float32),
    1e-5,
    np.random.default_rng(3).normal(size=(D_MODEL, D)).astype(np.float32),
)


@dataclass(frozen=True, eq=False)
class TinyGallery:
    """The part of a gallery that an audit reads."""

    kind: str = "images"
    n: int = N
    name: str = "tiny"
    seed: int = 0
    stored: dict | None = None

    @property
    def side(self) -> str:
        return "image" if self.kind == "images" else "text"

    @cached_property
    def digest(self) -> str:
        return digest_of([self.kind, self.n, self.seed])

    @cached_property
    def _labels(self) -> np.ndarray:
        return np.random.default_rng(self.seed).choice([-1, 0, 1], p=[0.15, 0.5, 0.35], size=self.n).astype(np.int32)

    @cached_property
    def residual(self) -> np.ndarray:
        x = np.random.default_rng(self.seed + 1).normal(size=(self.n, D_MODEL)).astype(np.float32) + 0.5
        x[:, 0] += self._labels == 1
        return x

    def embeddings(self, attach: str = "pooled") -> np.ndarray:
        return self.residual if attach == "residual" else self._pooled

    @cached_property
    def _pooled(self) -> np.ndarray:
        return READOUT(self.residual)

    def unit(self, rows=None) -> np.ndarray:
        return unit_rows(self._pooled if rows is None else self._pooled[rows])

    def has(self, attach: str) -> bool:
        return True

    def fingerprint(self, attach: str = "pooled") -> Fingerprint:
        return fingerprint(self.side, attach)

    def readout(self) -> ReadoutArrays:
        return READOUT

    def codes(self, digest: str) -> Codes | None:
        return (self.stored or {}).get(digest)

    def groups(self, attribute: str) -> list[str]:
        return {"gender": GROUPS, "size": ["big", "none", "small"]}[attribute]

    together = None
    manifest: ClassVar[dict] = {"split": {}}

    def clusters(self) -> None:
        return None

    def empty_cells(self, attribute: str) -> list[str]:
        return []

    def group_numbers(self, attribute: str) -> np.ndarray:
        return self._labels if attribute == "gender" else np.where(np.arange(self.n) % 3 == 0, 0, 2).astype(np.int32)

    def rows(self, half: str = "all", where=None) -> np.ndarray:
        keep = np.ones(self.n, dtype=bool) if half == "all" else np.arange(self.n) % 2 == (half == "evaluation")
        for attribute, value in (where or {}).items():
            keep &= self.group_numbers(attribute) == self.groups(attribute).index(value)
        return np.flatnonzero(keep)

    def item_ids(self, rows) -> list[str]:
        return [f"item-{row}" for row in rows]

    attributes = ("gender", "size")

    def labels(self, attribute: str) -> np.ndarray:
        names = [*self.groups(attribute), None]
        return np.array([names[g] for g in self.group_numbers(attribute)], dtype=object)

    prompts = ("a photo of a nurse", "a photo of a pilot")

    def prompt_embedding(self, text: str) -> np.ndarray | None:
        return TinyBackbone().encode_texts([text])["pooled"][0] if text in self.prompts else None


class TinyBackbone:
    """Texts become fixed random residuals."""

    name = "tiny"
    weights_digest = "w" * 64

    def encode_texts(self, texts, attaches=("pooled",), batch=256, progress=None):
        seeds = [int(digest_of(text)[:8], 16) for text in texts]
        x = np.stack([np.random.default_rng(seed).normal(size=D_MODEL) for seed in seeds]).astype(np.float32) + 0.5
        return {attach: x if attach == "residual" else READOUT(x) for attach in attaches}

    def fingerprint(self, side, attach, normalised=False):
        return fingerprint(side, attach)

    def readout(self, side):
        return READOUT

    def unknown_words(self, text):
        return [word for word in text.split() if word == "xyzzy"]

    def truncated(self, text):
        return False


def sae_file(side: str, attach: str) -> SAEFile:
    d_in = D_MODEL if attach == "residual" else D
    rng = np.random.default_rng(7)
    sae = new_sae(sae_config("topk", d_in, F, 6))
    W_dec = rng.normal(size=(F, d_in)).astype(np.float32)
    W_dec /= np.linalg.norm(W_dec, axis=1, keepdims=True)
    filled = {"W_enc": W_dec.T, "W_dec": W_dec, "b_enc": np.zeros(F), "b_dec": np.full(d_in, 0.3)}
    arrays = {name: filled.get(name, value) for name, value in sae.arrays().items()}
    sae.load_arrays({name: torch.as_tensor(np.array(value, dtype=np.float32)) for name, value in arrays.items()})
    return SAEFile(sae.frozen(), f"{side}-{attach}", digest_of([side, attach]), fingerprint(side, attach))


def dense_codes(x: np.ndarray, file: SAEFile) -> np.ndarray:
    with torch.inference_mode():
        return file.sae.encode(torch.as_tensor(x)).numpy()


def busy_neurons(gallery: TinyGallery, file: SAEFile, n: int = 3) -> tuple[int, ...]:
    z = dense_codes(gallery.embeddings(file.attach), file)
    return tuple(int(j) for j in np.argsort(-(z > 0).sum(axis=0))[:n])


QUERY = "a photo of a pilot"
IMAGES, CAPTIONS = TinyGallery(), TinyGallery("captions")

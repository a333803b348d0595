"""Trains the small CLIP model of the avatars' world, from nothing, on a CPU.

A fixed number of steps, every random choice a function of (seed, step): the same seed gives the same model on the same
machine, and a training that was interrupted continues as if nothing had happened.

Two things make a small model learn fine cues within minutes. *Label heads*: beside the contrastive loss, fixed linear
classifiers read every drawn attribute off the image embedding; they are thrown away afterwards. And bfloat16 with plain
attention (`SDPBackend.MATH`), whose backward pass is several times faster on CPUs than the fused one.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.avatars.captions import caption, vocabulary_words
from core.avatars.world import NEUTRAL, Avatar
from core.backbones.base import Foreign
from core.backbones.open_clip_models import bpe_encode, new_clip
from core.backbones.vocabulary import CompactVocabulary
from core.config import Progress
from core.saes.formats.torch_files import read_torch

PROMINENCE = {
    "gender": 1.7,
    **dict.fromkeys(("age", "skin", "glasses", "smile"), 0.8),
    "background": 0.6,
    **dict.fromkeys(("hair", "hair_colour", "beard", "hat", "scarf", "shirt", "earrings"), 0.25),
}
"""How far apart the label heads ask the values of each attribute to lie. What is audited stands out, as it does in the
large models: an SAE that may use few neurons then spends one on it alone."""
PIXEL_MEAN, PIXEL_STD = 0.5, 0.28


@dataclass(frozen=True)
class ClipTrainingConfig:
    """How the model is built and trained."""

    image_size: int = 96
    patch_size: int = 16
    width: int = 192
    layers: int = 4
    head_width: int = 64
    text_width: int = 128
    text_layers: int = 2
    embed_dim: int = 128
    context_length: int = 24
    steps: int = 2000
    batch: int = 128
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05
    """share of the steps in which the learning rate rises; then it falls along a cosine to zero"""
    head_weight: float = 3.0
    """weight of the label heads' mean cross-entropy beside the contrastive loss"""
    retrieval: float = 0.7
    """weight of the text-to-picture half of the contrastive loss: it alone keeps a text that says nothing about an
    attribute from leaning to one of its groups"""
    max_shift: int = 3
    """pictures are moved by up to this many pixels"""
    average: float = 0.995
    """the model that is kept is a running average of the weights with this decay: between steps, leans of words that
    say little come and go"""
    checkpoint_every: int = 200
    seed: int = 0

    def model_cfg(self, vocabulary_size: int) -> dict:
        """The `model_cfg` of open_clip for this model."""
        return {
            "embed_dim": self.embed_dim,
            "quick_gelu": False,
            "vision_cfg": {
                "image_size": self.image_size,
                "patch_size": self.patch_size,
                "width": self.width,
                "layers": self.layers,
                "head_width": self.head_width,
            },
            "text_cfg": {
                "context_length": self.context_length,
                "vocab_size": vocabulary_size,
                "width": self.text_width,
                "heads": self.text_width // 32,
                "layers": self.text_layers,
            },
        }


def default_vocabulary() -> CompactVocabulary:
    """The closed list of words that captions can contain."""
    return CompactVocabulary.from_words(vocabulary_words(), bpe_encode)


class LabelHeads(torch.nn.Module):
    """Classifiers of the drawn attributes on the layer-normalised image embedding; used in training only.

    Every value of every attribute has a fixed direction, all of them orthogonal. The logit of a value is the embedding
    along its direction divided by the attribute's prominence: the larger the prominence, the farther apart the values.
    """

    weight: torch.Tensor

    def __init__(self, embed_dim: int, sizes: Sequence[int], prominence: Sequence[float]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        values = sum(sizes)
        directions = torch.linalg.qr(torch.randn(max(embed_dim, values), max(embed_dim, values)))[0]
        scale = torch.repeat_interleave(torch.tensor(list(prominence)), torch.tensor(self.sizes))
        self.register_buffer("weight", directions[:values, :embed_dim] / scale[:, None])

    def loss(self, embedding: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over attributes; `shares` (n, values) as `label_table` gives them."""
        logits = F.layer_norm(embedding, embedding.shape[1:]) @ self.weight.T
        parts = zip(logits.split(self.sizes, 1), shares.split(self.sizes, 1), strict=True)
        first, *others = (F.cross_entropy(part, target) for part, target in parts)
        return sum(others, first) / len(self.sizes)


def label_table(avatars: Sequence[Avatar]) -> tuple[np.ndarray, list[int]]:
    """What the label heads should say of each avatar, float32 (n, values), and how many values each attribute has.

    One-hot per attribute of `PROMINENCE`; a neutral presentation is half of either gender.
    """
    columns, sizes = [], []
    for name in PROMINENCE:
        labels = np.array([str(getattr(avatar, name)) for avatar in avatars])
        values = np.unique(labels[labels != NEUTRAL])
        shares = (labels[:, None] == values).astype(np.float32)
        shares[labels == NEUTRAL] = 1 / len(values)
        columns.append(shares)
        sizes.append(len(values))
    return np.concatenate(columns, 1), sizes


def contrastive_loss(
    image: torch.Tensor, text: torch.Tensor, scale: torch.Tensor, retrieval: float = 0.5
) -> torch.Tensor:
    """CLIP's cross-entropy over a batch of matching pairs, embeddings not yet normalised.

    `retrieval` is the weight of finding the picture for a text, 1 - `retrieval` that of finding the text for a
    picture; CLIP weighs both alike.
    """
    logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    target = torch.arange(len(logits))
    return (1 - retrieval) * F.cross_entropy(logits, target) + retrieval * F.cross_entropy(logits.T, target)


class ClipTraining:
    """A training that can be advanced, saved and taken up again.

    Parameters
    ----------
    avatars, pixels : the training population and its pictures, uint8 (n, size, size, 3).
    """

    def __init__(self, config: ClipTrainingConfig, avatars: Sequence[Avatar], pixels: np.ndarray) -> None:
        self.config, self.avatars, self.pixels = config, avatars, pixels
        self.vocabulary = default_vocabulary()
        self.labels, sizes = label_table(avatars)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model: Foreign = new_clip(config.model_cfg(self.vocabulary.size)).train()
            self.heads = LabelHeads(config.embed_dim, sizes, tuple(PROMINENCE.values()))
        self.optimiser = _optimiser(config, self.model, self.heads)
        self.averaged = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.step = 0

    def advance(self, until: int, progress: Progress | None = None) -> None:
        """Train up to step `until`."""
        with sdpa_kernel([SDPBackend.MATH]):
            while self.step < until:
                loss, head_loss = self._train_one_step()
                self.step += 1
                if progress and self.step % 10 == 0:
                    text = f"training the model: loss {loss:.2f}, labels {head_loss:.2f}"
                    progress(self.step, self.config.steps, text)

    def _train_one_step(self) -> tuple[float, float]:
        """One optimiser step; returns contrastive and label loss."""
        cfg = self.config
        rows = batch_rows(len(self.avatars), cfg.batch, self.step, cfg.seed)
        rng = random.Random(f"captions {cfg.seed} {self.step}")
        tokens = self.vocabulary([caption(self.avatars[i], rng) for i in rows], cfg.context_length)
        pictures = augmented(self.pixels[rows], cfg.max_shift, np.random.default_rng([cfg.seed, self.step]))
        for group in self.optimiser.param_groups:
            group["lr"] = cfg.learning_rate * schedule(self.step, cfg.steps, cfg.warm_up)
        with torch.autocast("cpu", torch.bfloat16):
            image, text = self.model.encode_image(pictures), self.model.encode_text(tokens)
        loss = contrastive_loss(image.float(), text.float(), self.model.logit_scale.exp(), cfg.retrieval)
        head_loss = self.heads.loss(image.float(), torch.from_numpy(self.labels[rows]))
        self.optimiser.zero_grad(set_to_none=True)
        (loss + cfg.head_weight * head_loss).backward()
        torch.nn.utils.clip_grad_norm_([*self.model.parameters(), *self.heads.parameters()], 1.0)
        self.optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(50))
            decay = min(cfg.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.model.parameters()), 1 - decay)
        return loss.item(), head_loss.item()

    @property
    def _parts(self) -> tuple:
        """Everything with a state."""
        return self.averaged, self.model, self.heads, self.optimiser

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one is replaced only when the new one is complete."""
        partial = path.with_name(path.name + ".partial")
        states = [part.state_dict() for part in self._parts]
        torch.save({"step": self.step, "config": vars(self.config), "states": states}, partial)
        partial.replace(path)

    def load(self, path: Path) -> bool:
        """Take up a checkpoint of exactly this configuration; False where there is none."""
        if not path.exists():
            return False
        saved = read_torch(path)
        if saved["config"] != vars(self.config):
            return False
        for part, state in zip(self._parts, saved["states"], strict=True):
            part.load_state_dict(state)
        self.step = saved["step"]
        return True


def train_clip(
    training: ClipTraining, checkpoint: Path | None = None, progress: Progress | None = None
) -> torch.nn.Module:
    """Train to the end, saving a checkpoint from time to time and starting from it where it exists."""
    if checkpoint:
        training.load(checkpoint)
    config = training.config
    while training.step < config.steps:
        training.advance(min(training.step + config.checkpoint_every, config.steps), progress)
        if checkpoint:
            training.save(checkpoint)
    return training.averaged


def _optimiser(config: ClipTrainingConfig, *modules: torch.nn.Module) -> torch.optim.Optimizer:
    """AdamW that decays matrices and leaves biases, gains and the temperature alone."""
    parameters = [p.requires_grad_() for module in modules for p in module.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Share of the learning rate at a step: up in a line, down along a cosine."""
    done = (step + 1) / steps
    if done < warm_up:
        return done / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def batch_rows(n: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Rows of the batch at a step: every epoch is one permutation, a last incomplete batch is left out."""
    per_epoch = max(1, n // batch)
    epoch, position = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch, 1]).permutation(n)
    return order[position * batch : (position + 1) * batch]


def augmented(pixels: np.ndarray, max_shift: int, rng: np.random.Generator) -> torch.Tensor:
    """Pictures as normalised floats (n, 3, size, size), half of them mirrored, moved and in slightly other light."""
    pixels = pixels.copy()
    mirrored = rng.random(len(pixels)) < 0.5
    pixels[mirrored] = pixels[mirrored, :, ::-1]
    for part in np.array_split(np.arange(len(pixels)), 4):
        pixels[part] = np.roll(pixels[part], rng.integers(-max_shift, max_shift + 1, 2), axis=(1, 2))
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255).sub_(PIXEL_MEAN).div_(PIXEL_STD)
    light = torch.from_numpy(rng.normal(size=(2, len(pixels), 1, 1, 1)).astype(np.float32))
    return (x * (1 + 0.05 * light[0]) + 0.05 * light[1]).contiguous()

"""Trains the default's projector and language model on tokens of the shipped image tower, which stays as it is.

A fixed number of steps, every random choice a function of (seed, step): the same seed gives the same model on the same
machine, and an interrupted training goes on as if nothing had happened. The targets are the planted probabilities
themselves, not draws from them.

Three things make so small a model learn within minutes. *Order*: ten words first, then all; answers in words first,
then by option letter. *An early answer*: the layer before the last has to know the word itself, so that the last layer
is left with finding the letter behind which it stands. *Label heads*: a linear classifier reads what was drawn off the
state that answers about people; like those of the image tower it is thrown away, and the model has no words for it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from core.avatars.clip_training import schedule
from core.avatars.pictures import Progress
from core.avatars.world import (
    AGES,
    GENDERS,
    NEUTRAL,
    REFERENCE_WORDS,
    SKINS,
    WORDS,
    Avatar,
    balanced_cells,
    sample_avatar,
)
from core.lvlm.default import questions as asked
from core.lvlm.default.packing import at_places, hidden_behind, pack
from core.lvlm.default.words import ASSISTANT, END, IMAGE, PAD, START, USER
from core.lvlm.library import transformers
from core.saes.formats.torch_files import read_torch

LOOKS = 2 + 3 + 3 + 1 + 1
"""Columns of `look_shares`: presentation, age, skin tone, glasses, smile."""


@dataclass(frozen=True)
class LanguageTrainingConfig:
    """How the language model is built and trained."""

    layer: int = -1
    """`vision_feature_layer`: the tower's hidden state that is read"""
    select: str = "full"
    """`vision_feature_select_strategy`: "full" reads CLS and patches, "default" patches alone"""
    width: int = 96
    layers: int = 4
    heads: int = 4
    pictures: int = 4500
    neutral: int = 600
    """of the pictures, drawn with a presentation between the two"""
    steps: int = 1800
    batch: int = 16
    questions: int = 16
    """asked of every picture of a batch"""
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05
    few_words_until: float = 0.2
    """share of the steps in which only the ten reference words are asked for"""
    letters_from: float = 0.2
    """share of the steps before option letters are asked for"""
    letters: float = 0.6
    """share of questions by letter from then on"""
    early_weight: float = 0.5
    """weight of the answer in words at the layer before the last"""
    look_weight: float = 0.3
    """weight of the label heads"""
    end_weight: float = 0.1
    """weight of ending after one word"""
    average: float = 0.99
    """the model that is kept is a running average of the weights with this decay"""
    checkpoint_every: int = 100
    seed: int = 0


def new_model(config: LanguageTrainingConfig, vision_config: Any, tokenizer: Any) -> Any:
    """A LlavaForConditionalGeneration with a random projector and language model; the tower's weights follow."""
    lib = transformers()
    number = tokenizer.convert_tokens_to_ids
    text = lib.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=2 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=256,
        initializer_range=config.width**-0.5,
        pad_token_id=number(PAD),
        bos_token_id=number(START),
        eos_token_id=number(END),
        tie_word_embeddings=True,
    )
    patches = (vision_config.image_size // vision_config.patch_size) ** 2
    whole = lib.LlavaConfig(
        vision_config=vision_config,
        text_config=text,
        image_token_index=number(IMAGE),
        vision_feature_layer=config.layer,
        vision_feature_select_strategy=config.select,
        image_seq_length=patches + (config.select == "full"),
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return lib.LlavaForConditionalGeneration(whole)


def training_avatars(config: LanguageTrainingConfig) -> list[Avatar]:
    """The pictures that are asked about: balanced over presentation, age and skin tone, without words or attire."""
    rng = random.Random(f"language training {config.seed}")
    avatars = [sample_avatar(rng, cell) for cell in balanced_cells(config.pictures - config.neutral)]
    avatars += [sample_avatar(rng, (NEUTRAL, *cell[1:])) for cell in balanced_cells(config.neutral)]
    rng.shuffle(avatars)
    return avatars


def look_shares(avatars: Sequence[Avatar]) -> torch.Tensor:
    """What the label heads should say, float32 (n, LOOKS): shares in the first eight, 0 or 1 in the others."""
    rows = []
    for one in avatars:
        gender = [0.5, 0.5] if one.gender == NEUTRAL else [float(one.gender == name) for name in GENDERS]
        age, skin = [float(one.age == name) for name in AGES], [float(one.skin == name) for name in SKINS]
        rows.append([*gender, *age, *skin, float(one.glasses), float(one.smile)])
    return torch.tensor(rows)


class LanguageTraining:
    """A training that can be advanced, saved and taken up again.

    Parameters
    ----------
    model : as `new_model` makes it, tower included.
    tokens : what the tower gives for every avatar, float16 (n, t, width of the tower), as the projector reads it.
    """

    def __init__(
        self,
        config: LanguageTrainingConfig,
        model: Any,
        tokenizer: Any,
        avatars: Sequence[Avatar],
        tokens: torch.Tensor,
    ) -> None:
        self.config, self.tokenizer, self.avatars, self.tokens = config, tokenizer, avatars, tokens
        self.model = model.train()
        self.model.model.vision_tower.requires_grad_(False)
        self.looks = look_shares(avatars)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.heads = nn.Linear(config.width, LOOKS)
            _start_projector(self.model.model.multi_modal_projector, tokens)
        self.trained = nn.ModuleList(
            [self.model.model.multi_modal_projector, self.model.model.language_model]  # the output layer is tied
        )
        self.averaged = copy.deepcopy(self.trained).requires_grad_(False)
        parameters = [*self.trained.parameters(), *self.heads.parameters()]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._parameters = parameters
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)
        self._number = {word: tokenizer.convert_tokens_to_ids(word) for word in tokenizer.get_vocab()}
        self._number |= {letter: tokenizer.encode(letter, add_special_tokens=False)[0] for letter in asked.LETTERS}
        self.step = 0

    def advance(self, until: int, progress: Progress | None = None) -> None:
        """Train up to step `until`."""
        with sdpa_kernel([SDPBackend.MATH]):
            while self.step < until:
                losses = self._train_one_step()
                self.step += 1
                if progress and self.step % 10 == 0:
                    said = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
                    progress(self.step, self.config.steps, f"training the language model: {said}")

    def _train_one_step(self) -> dict[str, float]:
        """One optimiser step; returns the parts of the loss, and how far answers are from their targets by kind."""
        cfg = self.config
        rng = random.Random(f"questions {cfg.seed} {self.step}")
        rows = [rng.randrange(len(self.avatars)) for _ in range(cfg.batch)]
        items = [[self._item(self.avatars[r], rng) for _ in range(cfg.questions)] for r in rows]
        for group in self.optimiser.param_groups:
            group["lr"] = cfg.learning_rate * schedule(self.step, cfg.steps, cfg.warm_up)
        losses, apart = self._losses(items, rows)
        weights = {"answer": 1.0, "early": cfg.early_weight, "looks": cfg.look_weight, "end": cfg.end_weight}
        self.optimiser.zero_grad(set_to_none=True)
        nothing = torch.zeros((), device=losses["answer"].device)
        sum((weights[name] * loss for name, loss in losses.items()), start=nothing).backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self.optimiser.step()
        with torch.no_grad():
            decay = min(cfg.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.trained.parameters()), 1 - decay)
        return apart

    def _losses(
        self, items: list[list[asked.Item]], rows: list[int]
    ) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        """The parts of the loss, and the mean divergence from the target by kind of question."""
        ids = [[self._ids(item.text) for item in row] for row in items]
        tokens = self.tokens[rows].float()
        packed = pack(ids, 1 + tokens.shape[1], self._number[PAD], room=1)
        target = self._table([[item.target for item in row] for row in items])
        meant = self._table([[item.meant or item.target for item in row] for row in items])
        draws = torch.Generator().manual_seed(hash((self.config.seed, self.step)) % 2**31)
        answer = torch.multinomial(target.flatten(0, 1), 1, generator=draws).view(packed.last.shape)
        packed.ids.scatter_(1, packed.last + 1, answer)  # what was answered, so that the end is learnt behind it
        language_model, head = self.model.model.language_model, self.model.lm_head
        start = language_model.embed_tokens(torch.full((len(rows), 1), self._number[START]))
        prefix = torch.cat([start, self.model.model.multi_modal_projector(tokens)], 1)
        depth = self.config.layers
        early, final = hidden_behind(language_model, prefix, packed, (depth - 1, depth))
        here = at_places(early, packed.last)
        said = head(at_places(final, packed.last)).log_softmax(-1)
        end = head(at_places(final, packed.last + 1)).log_softmax(-1)[..., self._number[END]]
        is_person = torch.tensor([[item.kind not in (*asked.SEEN_TEMPLATES, "find") for item in row] for row in items])
        losses = {
            "answer": -(target * said).sum(-1).mean(),
            "early": -(meant * head(here).log_softmax(-1)).sum(-1).mean(),
            "looks": _look_loss(self.heads(here), self.looks[rows][:, None].expand(-1, here.shape[1], -1), is_person),
            "end": -end.mean(),
        }
        with torch.no_grad():
            each = (target * (target.clamp_min(1e-9).log() - said)).sum(-1)
        return losses, _by_kind(items, each)

    def _item(self, avatar: Avatar, rng: random.Random) -> asked.Item:
        """One question of the stage that the training has reached."""
        done = self.step / self.config.steps
        letters = done >= self.config.letters_from and rng.random() < self.config.letters
        words = REFERENCE_WORDS if done < self.config.few_words_until else tuple(row.word for row in WORDS)
        kind = rng.random()
        if kind < 0.1:
            return asked.find_item(rng)
        if kind < 0.45:
            possible = [name for name in asked.SEEN_TEMPLATES if asked.can_be_asked(avatar, name)]
            if letters:  # colours have many words to be found again, yes and no are two
                possible += [name for name in possible if name in asked.VALUES]
            return asked.seen_item(avatar, rng.choice(possible), letters, rng)
        if letters and kind < 0.6:
            first, second = rng.sample(asked.ROLES, 2)
            return asked.pair_item(avatar, (first, second), rng)
        return asked.person_item(avatar, rng.choice(words), letters, rng)

    def _ids(self, text: str) -> list[int]:
        return [self._number[USER], *self.tokenizer.encode(text, add_special_tokens=False), self._number[ASSISTANT]]

    def _table(self, shares: list[list[Any]]) -> torch.Tensor:
        """Probabilities of words as rows over the vocabulary (n, q, V)."""
        table = torch.zeros(len(shares), len(shares[0]), len(self.tokenizer))
        for r, row in enumerate(shares):
            for c, share in enumerate(row):
                for word, p in share.items():
                    table[r, c, self._number[word]] = p
        return table

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one is replaced only when the new one is complete."""
        partial = path.with_name(path.name + ".partial")
        states = [part.state_dict() for part in self._parts]
        torch.save({"step": self.step, "config": asdict(self.config), "states": states}, partial)
        partial.replace(path)

    def load(self, path: Path) -> bool:
        """Take up a checkpoint of exactly this configuration; False where there is none."""
        if not path.exists():
            return False
        saved = read_torch(path)
        if saved["config"] != asdict(self.config):
            return False
        for part, state in zip(self._parts, saved["states"], strict=True):
            part.load_state_dict(state)
        self.step = saved["step"]
        return True

    @property
    def _parts(self) -> tuple[Any, ...]:
        """Everything with a state."""
        return self.averaged, self.trained, self.heads, self.optimiser


def train_language(training: LanguageTraining, checkpoint: Path | None = None, progress: Progress | None = None) -> Any:
    """Train to the end, with checkpoints; the model with its averaged weights, in evaluation mode."""
    if checkpoint:
        training.load(checkpoint)
    config = training.config
    while training.step < config.steps:
        training.advance(min(training.step + config.checkpoint_every, config.steps), progress)
        if checkpoint:
            training.save(checkpoint)
    training.trained.load_state_dict(training.averaged.state_dict())
    return training.model.eval().requires_grad_(False)


def _start_projector(projector: Any, tokens: torch.Tensor) -> None:
    """Start as a projector of standardised tokens: the tower's tokens share a mean several times their spread."""
    x = tokens[:500].float().flatten(0, 1)
    mean, spread = x.mean(0), x.std(0)
    with torch.no_grad():
        weight = torch.randn_like(projector.linear_1.weight) / x.shape[1] ** 0.5 / spread
        projector.linear_1.weight.copy_(weight)
        projector.linear_1.bias.copy_(-weight @ mean)
        nn.init.normal_(projector.linear_2.weight, std=projector.linear_2.in_features**-0.5)


def _look_loss(logits: torch.Tensor, shares: torch.Tensor, asked_about: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the label heads over the questions about people."""
    logits, shares = logits[asked_about], shares[asked_about]
    choices = ((0, 2), (2, 5), (5, 8))
    parts = [F.cross_entropy(logits[:, a:b], shares[:, a:b]) for a, b in choices]
    return sum(parts) + F.binary_cross_entropy_with_logits(logits[:, 8:], shares[:, 8:])


def _by_kind(items: list[list[asked.Item]], each: torch.Tensor) -> dict[str, float]:
    """Mean of `each` (n, q) over kinds of questions."""
    found: dict[str, list[float]] = {}
    for row, values in zip(items, each.tolist(), strict=True):
        for item, value in zip(row, values, strict=True):
            what = (
                "seen"
                if item.kind in asked.SEEN_TEMPLATES
                else item.kind
                if item.kind in ("pair", "find")
                else "person"
            )
            found.setdefault(f"{what} {'letter' if item.by_letter else 'word'}", []).append(value)
    return {kind: float(np.mean(values)) for kind, values in sorted(found.items())}

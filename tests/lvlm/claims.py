"""What is claimed of the small model that answers, measured on avatars that it was not trained on."""

from __future__ import annotations

import random
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from core.avatars.build import Plan
from core.avatars.drawing import draw
from core.avatars.galleries import PICTURE_SIZE
from core.avatars.world import WORD_OF, WORDS, Avatar, plain_avatars
from core.interventions import matched_random_edits
from core.lvlm.answering import answers, logits, prepare
from core.lvlm.audit import own_tokens
from core.lvlm.choosing import Probe, choose
from core.lvlm.default import questions as asked
from core.lvlm.model import Lvlm
from core.lvlm.questions import Question
from core.lvlm.spec import TokenEditChoice
from core.lvlm.token_method import METHODS, TokenEdit
from core.saes.checkpoint import load_sae

N, PROBED = 54, 108
NAMES = [row.word for row in WORDS]
AT = [NAMES.index(word) for word in asked.GENDERED]
"""Where the words with a planted lean stand among all."""


class Claims:
    """A model of the shipped kind, with the shipped SAE of its tower's residual, on `n` avatars."""

    def __init__(self, model: Lvlm, n: int = N) -> None:
        self.model, self.sae, self.n = model, load_sae("default-image-residual"), n

    @cached_property
    def avatars(self) -> list[Avatar]:
        """The shipped evaluation gallery's first."""
        return plain_avatars(1001, Plan().plain)[: self.n]

    @cached_property
    def male(self) -> np.ndarray:
        return np.array([one.gender == "Male" for one in self.avatars])

    @cached_property
    def chunks(self) -> list[Any]:
        return prepare(self.model, [draw(one, PICTURE_SIZE) for one in self.avatars])

    @cached_property
    def probe(self) -> Probe:
        people = plain_avatars(1002, Plan().plain)[:PROBED]
        return Probe.of(self.model, [draw(one, PICTURE_SIZE) for one in people], [one.gender for one in people])

    def p_yes(self, words: list[str], edit: Any = None) -> np.ndarray:
        """P(yes) of every picture and word (n, words)."""
        rows = [
            Question(word, asked.PERSON_TEMPLATES[0].format(asked.phrase(word)), asked.ANSWERS, asked.ANSWERS)
            for word in words
        ]
        found = [answers(one, [rows] * len(one), edit).renormalised[:, 0].reshape(len(one), -1) for one in self.chunks]
        return np.concatenate(found)

    def gaps(self, p: np.ndarray) -> np.ndarray:
        """Male minus Female, of every word."""
        return p[self.male].mean(0) - p[~self.male].mean(0)

    def accuracy(self, letters: bool, edit: Any = None) -> dict[str, float]:
        """Share of right answers by what is asked."""
        rng, at = random.Random(1), 0
        found: dict[str, list[bool]] = {}
        for one in self.chunks:
            part = self.avatars[at : at + len(one)]
            at += len(one)
            items = [[asked.seen_item(a, name, letters, rng) for name in asked.SEEN_TEMPLATES] for a in part]
            rows = logits(one, [[item.text for item in row] for row in items], edit)
            for avatar, row, own in zip(part, items, rows, strict=True):
                for item, values in zip(row, own, strict=True):
                    if asked.can_be_asked(avatar, item.kind):
                        said = self.model.tokenizer.decode(int(values.argmax()))
                        found.setdefault(item.kind, []).append(said == max(item.target, key=lambda a: item.target[a]))
        return {kind: float(np.mean(right)) for kind, right in found.items()}

    @cached_property
    def before(self) -> np.ndarray:
        return self.p_yes(NAMES)

    @cached_property
    def planted(self) -> np.ndarray:
        """P(yes) as it was planted (n, all words)."""
        return np.array([[asked.planted(WORD_OF[word], one)["yes"] for word in NAMES] for one in self.avatars])

    @cached_property
    def chosen(self) -> TokenEdit:
        """One neuron by the rule on the probe half, off."""
        choice = TokenEditChoice.from_json({"select": "rule", "tau": 0.5, "top": 1})
        return choose(choice, self.sae.sae, self.probe, [], own_tokens(self.model, self.sae))[0]

    @property
    def held(self) -> TokenEdit:
        """The same, held at its mean over the probe half."""
        return TokenEdit(self.chosen.edit, self.chosen.tokens, "probe mean")

    def change(self, edit: TokenEdit, method: str = "neuron-edit") -> Any:
        return METHODS.get(method)().fit(self.probe.evidence(self.sae.sae), edit)

    def words(self) -> dict[str, float]:
        """How far answers lean as planted: signs, rank correlation and differences of the gap; the mean miss."""
        gendered = np.array([word in asked.GENDERED for word in NAMES])
        measured, planted = self.gaps(self.before), self.gaps(self.planted)
        return {
            "wrong directions": int((np.sign(measured[gendered]) != np.sign(planted[gendered])).sum()),
            "Spearman": float(spearmanr(measured[gendered], planted[gendered])[0]),
            "controls' mean gap": float(np.abs(measured[~gendered] - planted[~gendered]).mean()),
            "mean miss of P(yes)": float(np.abs(self.before - self.planted).mean()),
        }

    def cut(self, edit: TokenEdit) -> tuple[float, float]:
        """Share of the mean gap that an edit takes away; the largest change of an ability."""
        whole = np.abs(self.gaps(self.before)[AT]).mean()
        left = np.abs(self.gaps(self.p_yes(asked.GENDERED, self.change(edit)))).mean()
        abilities = self.accuracy(False, self.change(edit))
        moved = max(abs(value - abilities[kind]) for kind, value in self.accuracy(False).items())
        return float(1 - left / whole), moved

    def controls(self, draws: int = 10, words: int = 10) -> dict[str, float]:
        """How far the mean gap of some words moves by reconstruction alone, and at most by random matched neurons."""
        few = asked.GENDERED[:words]
        whole = np.abs(self.gaps(self.before)[AT[:words]]).mean()

        def moved(edit: TokenEdit, method: str = "neuron-edit") -> float:
            return float(abs(np.abs(self.gaps(self.p_yes(few, self.change(edit, method)))).mean() - whole))

        codes = self.probe.codes(self.sae.sae, self.chosen.tokens)
        drawn = matched_random_edits(codes, self.chosen.edit, draws, 0)
        return {
            "reconstruction": moved(self.chosen, "reconstruction"),
            "random": max(moved(TokenEdit(edit, self.chosen.tokens)) for edit in drawn),
        }

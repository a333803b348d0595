"""What an audit of answers keeps: the probability of every answer, from which all numbers follow without a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.lvlm.scoring import MASS_FLOOR

ORIGINAL, RECONSTRUCTION, RANDOM, EDIT, HELD = "original", "reconstruction", "random", "edit", "held"


@dataclass(frozen=True, eq=False)
class AnswerEvidence:
    """Answers of every arm.

    Attributes
    ----------
    words : what is compared; each has `per_word` questions a picture, one behind the other.
    answers : what can be answered; the first is compared.
    groups : attribute -> the names of its groups, sorted.
    labels : attribute -> the place of each picture's group (n,), -1 where it is not known.
    prob : arm -> (n, words * per_word, answers), shares of the whole vocabulary.
    ability : arm -> right answers of the ability set, bool (m, k).
    kinds : what the k questions ask.
    scenes : cluster number of each picture (n,), where they are compared inside scenes.
    """

    words: tuple[str, ...]
    per_word: int
    answers: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, np.ndarray]
    prob: Mapping[str, np.ndarray]
    ability: Mapping[str, np.ndarray]
    kinds: tuple[str, ...]
    scenes: np.ndarray | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    """Arms that could not be made, and why."""

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in order; draws of random neurons are "random-01" and so on."""
        return list(self.prob)

    @property
    def random_arms(self) -> list[str]:
        return [arm for arm in self.prob if arm.startswith(f"{RANDOM}-")]

    def share(self, arm: str, floor: float = MASS_FLOOR) -> np.ndarray:
        """Shares of the answers alone (n, words, answers), mean over a word's questions; NaN where none was answered.

        A question whose answers hold less than `floor` of the probability together was not answered.
        """
        prob = self.prob[arm]
        mass = np.nansum(prob, axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(mass[..., None] >= floor, prob / mass[..., None], np.nan)
        split = share.reshape(len(prob), len(self.words), self.per_word, -1)
        known = ~np.isnan(split)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(known, split, 0).sum(2) / known.sum(2)

    def published(self, arm: str) -> np.ndarray:
        """P(first answer) of the whole vocabulary (n, words), as published: no floor, not renormalised."""
        return self.prob[arm][..., 0].reshape(len(self.prob[arm]), len(self.words), self.per_word).mean(2)

    def unanswered(self, arm: str, floor: float = MASS_FLOOR) -> int:
        """Questions whose answers hold less than `floor` together."""
        return int((np.nansum(self.prob[arm], axis=2) < floor).sum())

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name, for a file."""
        found = {f"labels_{i}": np.asarray(self.labels[name], np.int16) for i, name in enumerate(self.groups)}
        for i, arm in enumerate(self.prob):
            found |= {f"prob_{i}": self.prob[arm], f"ability_{i}": self.ability[arm].astype(np.int8)}
        return found | ({} if self.scenes is None else {"scenes": np.asarray(self.scenes, np.int64)})

    def shape(self) -> dict[str, Any]:
        """What the arrays mean, for the document beside them."""
        return {
            "words": list(self.words),
            "per_word": self.per_word,
            "answers": list(self.answers),
            "groups": {name: list(groups) for name, groups in self.groups.items()},
            "arms": self.arms,
            "kinds": list(self.kinds),
            "absent": dict(self.absent),
            "scenes": self.scenes is not None,
        }

    @classmethod
    def of(cls, shape: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> AnswerEvidence:
        """The same from a document and its arrays."""
        return cls(
            tuple(shape["words"]),
            shape["per_word"],
            tuple(shape["answers"]),
            {name: tuple(groups) for name, groups in shape["groups"].items()},
            {name: arrays[f"labels_{i}"].astype(np.int64) for i, name in enumerate(shape["groups"])},
            {arm: arrays[f"prob_{i}"] for i, arm in enumerate(shape["arms"])},
            {arm: arrays[f"ability_{i}"].astype(bool) for i, arm in enumerate(shape["arms"])},
            tuple(shape["kinds"]),
            arrays["scenes"] if shape["scenes"] else None,
            dict(shape["absent"]),
        )

"""Inference rules of SAEs in plain NumPy: how codes follow from pre-activations, for whoever does without torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from core.saes.config import SAEConfig

Weights = Mapping[str, np.ndarray]


class Rule(ABC):
    """pre (n, F) -> z (n, F), exact zeros where a neuron is off; no state."""

    name: ClassVar[str]
    """Written beside the weights, so that the rule is found without the architecture's own file."""

    @abstractmethod
    def codes(self, pre: np.ndarray, weights: Weights, config: SAEConfig) -> np.ndarray:
        """Codes of pre-activations, in their dtype."""

    def onset(self, z: np.ndarray, weights: Weights) -> np.ndarray:
        """The value above which a neuron fires, one number, one a row (n, 1) or one a neuron (F,), for codes z."""
        return np.zeros(())


class Plain(Rule):
    """z = relu(pre)."""

    name = "relu"

    def codes(self, pre: np.ndarray, weights: Weights, config: SAEConfig) -> np.ndarray:
        return np.where(pre > 0, pre, 0)


class Threshold(Rule):
    """z = pre where pre > max(threshold, 0); one threshold for all neurons, or one for each."""

    name = "threshold"

    def codes(self, pre: np.ndarray, weights: Weights, config: SAEConfig) -> np.ndarray:
        return np.where(pre > np.maximum(weights["threshold"], 0).astype(pre.dtype), pre, 0)

    def onset(self, z: np.ndarray, weights: Weights) -> np.ndarray:
        return np.maximum(weights["threshold"], 0)


class Largest(Rule):
    """z = relu(pre) on the k largest pre-activations of the row, 0 elsewhere."""

    name = "largest"

    def codes(self, pre: np.ndarray, weights: Weights, config: SAEConfig) -> np.ndarray:
        kept = np.argpartition(-pre, config.k - 1, axis=1)[:, : config.k]
        z = np.zeros_like(pre)
        np.put_along_axis(z, kept, np.maximum(np.take_along_axis(pre, kept, axis=1), 0), axis=1)
        return z

    def onset(self, z: np.ndarray, weights: Weights) -> np.ndarray:
        return np.where(z > 0, z, np.inf).min(axis=1, keepdims=True)


PLAIN, THRESHOLD, LARGEST = Plain(), Threshold(), Largest()
RULES: dict[str, Rule] = {rule.name: rule for rule in (PLAIN, THRESHOLD, LARGEST)}

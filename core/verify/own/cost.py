"""What an edit costs: other attributes' accuracy, queries that name a group, and what a probe still reads."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from core.config import InputError
from core.verify.own.accuracy import accuracy_document, answers_of
from core.verify.own.areas import area_change, area_of, leakage_values
from core.verify.own.searched import Searched
from core.verify.own.values import aimed, missing

MOST_ROWS = 5000
"""Rows that a probe reads at most."""
BLOCK = 16_384


class Arm(Protocol):
    """The searched items and texts as one arm has them."""

    def rows(self, at: np.ndarray | slice) -> np.ndarray:
        """Unit embeddings of some of the searched rows, float32."""

    def scores(self, text: str) -> np.ndarray:
        """Cosine of every searched row with a text (n,); InputError where the text has no embedding."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings of texts (m, d); InputError where one has none."""


def cost_document(
    gallery: Any,
    attribute: str,
    searched: Searched,
    arms: tuple[Arm, Arm],
    prompts: Any,
    seed: int,
) -> dict[str, Any]:
    """The blocks `cost` and `leakage` without the prompt that they were computed for.

    Parameters
    ----------
    gallery : where other attributes' labels are.
    prompts : class prompts, or None.
    """
    own = gallery.components(attribute)
    named = list(prompts.attributes) if prompts is not None else []
    others = [name for name in named if name in gallery.attributes and name not in own]
    asked = {texts[0]: group for group, texts in prompts.prompts(attribute).items()} if attribute in named else {}
    return {
        "zeroshot": {name: accuracies(gallery, name, searched, arms, prompts.prompts(name), seed) for name in others},
        "explicit": {query: explicit(query, group, searched, arms) for query, group in asked.items()},
        "leakage": {"attribute": attribute, **leakage(searched, arms, seed)},
    }


# ------------------------------------------------------------------------------------------------ classification


def accuracies(
    gallery: Any,
    attribute: str,
    searched: Searched,
    arms: tuple[Arm, Arm],
    prompts: Mapping[str, Sequence[str]],
    seed: int,
) -> dict[str, Any]:
    """Zero-shot classification of one attribute before and after."""
    try:
        chosen = [classified(arm, searched.n, class_rows(arm, prompts)) for arm in arms]
    except InputError as error:
        return aimed(missing(str(error)))
    numbers, names = gallery.group_numbers(attribute)[searched.rows], gallery.groups(attribute)
    answers, unknown, outside = answers_of(np.asarray(numbers), names, list(prompts), chosen)
    if answers is None:
        return aimed(missing(f"no row has a known group of {attribute} among {', '.join(prompts)}"))
    return accuracy_document(attribute, answers, unknown, outside, seed)


def class_rows(arm: Arm, prompts: Mapping[str, Sequence[str]]) -> np.ndarray:
    """One unit row a class, float32: the normalised mean of its normalised prompts."""
    every = np.asarray(arm.texts([text for texts in prompts.values() for text in texts]), dtype=np.float64)
    every /= np.maximum(np.sqrt(np.square(every).sum(axis=1, keepdims=True)), 1e-12)
    rows, start = [], 0
    for group, texts in prompts.items():
        mean = every[start : start + len(texts)].mean(axis=0)
        length, start = float(np.sqrt(np.square(mean).sum())), start + len(texts)
        if length < 1e-4:
            raise InputError(f"the class prompts of {group} point in opposite directions and have no mean; give others")
        rows.append(mean / length)
    return np.stack(rows).astype(np.float32)


def classified(arm: Arm, n: int, classes: np.ndarray) -> np.ndarray:
    """Number of the most similar class of every row (n,); in float32 as the report, for which near ties fall alike."""
    blocks = (arm.rows(slice(start, start + BLOCK)) for start in range(0, n, BLOCK))
    return np.concatenate([(np.asarray(rows, dtype=np.float32) @ classes.T).argmax(axis=1) for rows in blocks])


# ------------------------------------------------------------------------------------------------ queries, probes


def explicit(query: str, group: str, searched: Searched, arms: tuple[Arm, Arm]) -> dict[str, Any]:
    """AUC of a query that names a group, for its rows against all others of known group."""
    if group not in searched.groups:
        numbers = (missing(f"no searched row is {group}"),) * 3
    else:
        known = searched.labels >= 0
        positive = searched.labels[known] == searched.groups.index(group)
        try:
            before, after = (np.asarray(arm.scores(query))[known] for arm in arms)
            numbers = area_of(before, positive), area_of(after, positive), area_change(before, after, positive)
        except InputError as error:
            numbers = (missing(str(error)),) * 3
    return {"group": group, **_arms(*numbers)}


def leakage(searched: Searched, arms: tuple[Arm, Arm], seed: int) -> dict[str, Any]:
    """What a linear probe reads of the attribute."""
    chosen = np.flatnonzero(searched.labels >= 0)
    words = "searched rows of the evaluation half" if len(chosen) else "all searched rows"
    if len(chosen) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST_ROWS, replace=False))
        words = f"{MOST_ROWS} random {words}"
    own = searched.labels[chosen]
    labels = np.searchsorted(sorted(set(own.tolist())), own)
    return {"rows": words, **_arms(*leakage_values(arms[0].rows(chosen), arms[1].rows(chosen), labels, seed))}


def _arms(*numbers: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(("before", "after", "difference"), map(aimed, map(dict, numbers)), strict=True))

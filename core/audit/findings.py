"""Which numbers are findings: every one is listed, null and unfavourable ones too, corrected for their number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from core.audit.numbers import HEADLINE

ALPHA = 0.05
BIAS, EFFECT, MEAN_EFFECT = "bias", "effect", "mean effect"
CORRECTIONS = {"headline": "Holm", "exploratory": "Benjamini-Hochberg"}


def holm(p: Sequence[float]) -> np.ndarray:
    """Adjusted p values (m,) of Holm 1979: max over the j <= i smallest of (m - j + 1) p_(j), at most 1.

    Controls the chance of even one false finding, whatever the dependence.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p: Sequence[float]) -> np.ndarray:
    """Adjusted p values (m,) of Benjamini and Hochberg 1995: min over the j >= i smallest of m p_(j) / j, at most 1.

    Controls the expected share of false findings among those below a level.
    """
    values = np.asarray(p, dtype=np.float64)
    m = len(values)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * m / np.arange(1, m + 1)
    stepped = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def findings(attributes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry for every question that the audit asked, in the order of the spec, with p and adjusted p.

    bias : is the original's MaxSkew beyond what shuffled labels give? effect : does the edit change it? Headline
    findings are one family (Holm), exploratory ones another (Benjamini-Hochberg).

    Parameters
    ----------
    attributes : the attributes' numbers; see `core.audit.run`.
    """
    listed = [entry for one in attributes for entry in _of_attribute(one)]
    for kind, correct in (("headline", holm), ("exploratory", benjamini_hochberg)):
        family = [entry for entry in listed if entry["kind"] == kind and entry["p"] is not None]
        for entry, adjusted in zip(family, correct([entry["p"] for entry in family]), strict=True):
            entry["p_adjusted"], entry["m"] = float(adjusted), len(family)
            entry["verdict"] = _verdict(entry)
    return listed


def _of_attribute(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    attribute, groups = one["attribute"], one["part"]["groups"]
    for prompt in one["prompts"]:
        metric = prompt["metrics"][HEADLINE]
        leading = _leading(prompt)
        small = leading is not None and groups[leading]["small"]
        for about, arm in ((BIAS, "original"), (EFFECT, "difference")):
            if arm in metric:
                yield _entry(attribute, prompt["prompt"], prompt["kind"], about, metric[arm], leading, small)
    mean = one["arms"].get("edited")
    if mean is not None and mean["change"]["estimate"] is not None:
        yield _entry(attribute, None, "headline", MEAN_EFFECT, mean["change"], None, False)


def _entry(
    attribute: str, prompt: str | None, kind: str, about: str, value: Mapping[str, Any], leading: str | None, small: bool
) -> dict[str, Any]:
    return {
        "id": " | ".join([attribute, prompt or "all pre-registered prompts", about]),
        "attribute": attribute,
        "prompt": prompt,
        "kind": kind,
        "about": about,
        "metric": HEADLINE,
        "group": leading,
        "value": {key: item for key, item in value.items() if key != "p"},
        "p": value.get("p"),
        "p_adjusted": None,
        "m": None,
        "correction": CORRECTIONS[kind],
        "interpreted": not small,
        "verdict": "not computed",
    }


def _leading(prompt: Mapping[str, Any]) -> str | None:
    """The group that the original over-represents most."""
    ratios = {
        group: arms["original"]["estimate"] / arms["original"]["target"]
        for group, arms in prompt["shares"].items()
        if arms["original"]["estimate"] is not None
    }
    return max(ratios, key=ratios.__getitem__) if ratios else None


def _verdict(entry: Mapping[str, Any]) -> str:
    """What may be said: about bias "beyond chance" or "not distinguishable"; about an edit "less", "more" or "none"."""
    shown = entry["p_adjusted"] <= ALPHA
    if entry["about"] == BIAS:
        return "beyond chance" if shown else "not distinguishable"
    if not shown:
        return "none"
    return "less" if entry["value"]["estimate"] < 0 else "more"

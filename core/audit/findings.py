"""Which numbers are findings: every one is listed, null and unfavourable ones too, corrected for their number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.audit.numbers import HEADLINE
from core.statistics import benjamini_hochberg, holm

ALPHA = 0.05
BIAS, EFFECT = "bias", "effect"
CORRECTIONS = {"headline": "Holm", "exploratory": "Benjamini-Hochberg"}


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
    if sum(prompt["kind"] == "headline" for prompt in one["prompts"]) > 1:
        arms = one["arms"]
        yield _entry(attribute, None, "headline", BIAS, arms["original"]["mean"], None, False)
        if "edited" in arms:
            yield _entry(attribute, None, "headline", EFFECT, arms["edited"]["change"], None, False)


def _entry(
    attribute: str,
    prompt: str | None,
    kind: str,
    about: str,
    value: Mapping[str, Any],
    leading: str | None,
    small: bool,
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

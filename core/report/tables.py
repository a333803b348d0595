"""findings.csv: every number of the report as a line of its own, with all that it depends on."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from core.report.words import target_name

COLUMNS = (
    *("attribute", "kind", "prompt", "arm", "group", "metric", "k", "target", "n", "estimate", "lo", "hi"),
    *("null_lo", "null_hi", "p", "p_adj", "correction", "m", "verdict", "method", "where", "seed", "reason", "removed"),
)
INTERVALS = {
    "share": "Wilson",
    "share difference": "paired bootstrap",
    "mean": "prompts and rows resampled",
    "random": "smallest and largest draw",
    "explicit before": "score limits of placements",
    "explicit after": "score limits of placements",
    "explicit difference": "score limits of placements, paired",
    "leakage": "score limits, with the spread of a cross-validated probe",
    "zeroshot": "not computed",
    "zeroshot before": "Wilson; gap: Newcombe",
    "zeroshot after": "Wilson; gap: Newcombe",
    "zeroshot difference": "Newcombe, paired; worst group and gap: paired bootstrap",
    "cosine": "normal over rows",
}


def findings_csv(document: Mapping[str, Any]) -> str:
    """The tidy table."""
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, lineterminator="\n", restval="")
    table.writeheader()
    for line in lines(document):
        table.writerow(line)
    return written.getvalue()


def lines(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One line an estimate."""
    spec = document["spec"]
    where = "; ".join(f"{column}={value}" for column, value in spec["where"].items())
    for one in document["attributes"]:
        common = {"attribute": one["attribute"], "where": where, "seed": spec["seed"], "k": spec["k"]}
        judged = {(f["prompt"], f["about"]): f for f in document["findings"] if f["attribute"] == one["attribute"]}
        for prompt in one["prompts"]:
            own = {**common, "prompt": prompt["prompt"], "kind": prompt["kind"]}
            yield from _of_prompt(document, prompt, own, judged)
        yield from _of_arms(document, one, common, judged)
        yield from _of_cost(one, common)


def _of_prompt(
    document: Mapping[str, Any], prompt: Mapping[str, Any], own: Mapping[str, Any], judged: Mapping[Any, Any]
) -> Iterator[dict[str, Any]]:
    for group, arms in prompt["shares"].items():
        for arm, value in arms.items():
            metric = "share difference" if arm == "difference" else "share"
            yield {**own, "arm": arm, "group": group, "metric": metric, **_value(value), "method": INTERVALS[metric]}
    for name, arms in prompt["metrics"].items():
        for arm, value in arms.items():
            how = "paired bootstrap" if arm == "difference" else "test inversion" if "skew" in name else "bootstrap"
            line = {**own, "arm": arm, "metric": name, **_value(value), "method": how, "p": value.get("p")}
            about = {"original": "bias", "difference": "effect"}.get(arm)
            if name == "max_skew" and about is not None:
                line |= _judged(document, judged.get((prompt["prompt"], about)))
            yield line
    for name in ("rows_changed", "cosine"):
        if name in prompt:
            how = "Wilson" if name == "rows_changed" else INTERVALS["cosine"]
            yield {**own, "arm": "edited", "metric": name, **_value(prompt[name]), "method": how}


def _of_arms(
    document: Mapping[str, Any], one: Mapping[str, Any], common: Mapping[str, Any], judged: Mapping[Any, Any]
) -> Iterator[dict[str, Any]]:
    for arm, found in one["arms"].items():
        own = {**common, "kind": "headline", "prompt": "all pre-registered prompts", "arm": arm}
        how = INTERVALS["random" if arm == "random neurons" else "mean"]
        line = {**own, "metric": "mean max_skew", **_value(found["mean"]), "method": how, "p": found.get("p")}
        yield line | (_judged(document, judged.get((None, "bias"))) if arm == "original" else {})
        if "change" in found:
            line = {**own, "metric": "change of mean max_skew", **_value(found["change"]), "method": INTERVALS["mean"]}
            if arm == "edited":
                line |= _judged(document, judged.get((None, "effect")))
            yield line
            yield {**own, "metric": "cosine", **_value(found["cosine"]), "method": INTERVALS["cosine"]}
        for prompt, value in found.get("by_prompt", {}).items():
            if arm not in ("original", "edited"):
                line = {**own, "prompt": prompt, "metric": "max_skew", **_value(value)}
                yield line | {"method": "test inversion"}
        for i, value in enumerate(found.get("draws", []), 1):
            yield {
                **own,
                "arm": f"random {i}",
                "metric": "mean max_skew",
                **_value(value),
                "method": "Student over prompts",
            }


def _of_cost(one: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for part in ("cost", "leakage"):
        for path, value in _estimates(one.get(part, {})):
            arm = next((step for step in path if step in ("before", "after", "difference")), "")
            named = [step for step in path if step not in (arm, "zeroshot", "explicit", "by_group")]
            how = INTERVALS[part if part == "leakage" else f"{path[0]} {arm}".strip()]
            yield {
                **common,
                "kind": part,
                "arm": arm,
                "metric": " | ".join([part, *named]),
                **_value(value),
                "method": how,
            }


def _estimates(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every estimate inside a document, with the keys that lead to it."""
    if isinstance(value, Mapping):
        if "estimate" in value:
            yield path, value
            return
        for key, item in value.items():
            yield from _estimates(item, (*path, str(key)))


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    lo, hi = value.get("null", ("", ""))
    kept = {name: value.get(name) for name in ("estimate", "lo", "hi", "n")}
    return kept | {
        "null_lo": lo,
        "null_hi": hi,
        "reason": value.get("reason", ""),
        "target": target_name(value["target"]),
    }


def _judged(document: Mapping[str, Any], finding: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the correction made of it, and whether the auditor left it out of the page."""
    if finding is None:
        return {}
    removed = document["options"]["removed"].get(finding["id"], "")
    line = {"p": finding["p"], "p_adj": finding["p_adjusted"], "correction": finding["correction"]}
    return line | {"m": finding["m"], "verdict": finding["verdict"], "removed": removed}

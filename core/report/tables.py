"""findings.csv: every number of the report as a line of its own, with all that it depends on.

Names are those of report.json: `share`, `ratio`, `points`, `difference`, `composition`, `model`, `impact_ratio` and the
metrics of a list; `lean` and `effect` are the findings.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from core.metrics import headline_metrics
from core.report.words import NO_TARGET, arms_of, edited, target_name
from core.writing import csv_text

COLUMNS = (
    *("attribute", "kind", "prompt", "arm", "group", "metric", "k", "target", "n", "estimate", "lo", "hi"),
    *("null_lo", "null_hi", "p", "p_smallest", "p_adj", "correction", "m", "verdict", "direction", "lean_direction"),
    *("leading_before", "leading_after", "intervention", "method", "where", "seed", "note", "reason", "removed"),
)
EXACT = "noncentral hypergeometric, exact"
CHANGE = "Tango, paired"
MEAN = "prompts and rows resampled"
DRAWN = "smallest and largest draw"
FACT = "counted, no sampling"
NO_NUMBER = "a statement, and no number"
METHODS = {
    "rows_changed": "Wilson",
    "cosine": "normal over rows",
    "explicit": "placements, square-and-add",
    "explicit difference": "placements, square-and-add, paired",
    "leakage": "placements of a cross-validated probe, variance inflated",
    "zeroshot": "Wilson; worst group and gap: test inversion",
    "zeroshot difference": "Newcombe, paired; worst group and gap: test inversion, joined by a paired bootstrap",
}
"""Which interval a number has."""
P_LEAN = "p: hypergeometric, exact; more than two groups: G statistic"
P_EFFECT = "p: exchanged rows, hypergeometric, exact; more than two groups: G statistic"
P_MEAN = "p: labels permuted once for all prompts"
Line = dict[str, Any]
Document = Mapping[str, Any]


def findings_csv(document: Document) -> str:
    """The tidy table."""
    return csv_text(COLUMNS, lines(document))


def lines(document: Document) -> Iterator[Line]:
    """One line an estimate, findings first; what the auditor stated, and the clauses, come last and have no number."""
    strange = {one["prompt"]: _about_words(one) for one in document["unknown_words"]}
    for line in _numbers(document):
        note = strange.get(line.get("prompt", ""))
        yield {**line, "note": "; ".join(filter(None, (line.get("note"), note)))} if note else line
    yield from _words(document)


def _about_words(one: Document) -> str:
    said = [f"the model does not know: {', '.join(one['words'])}"] if one["words"] else []
    return "; ".join([*said, *([f"not interpreted: {one['reason']}"] if one["reason"] else [])])


def _words(document: Document) -> Iterator[Line]:
    """Everything of the report that is no number."""
    about = {"title": document["spec"]["title"], "auditor": document["options"]["auditor"]}
    about |= {"created_at": document["created_at"], "spec_digest": document["spec_digest"]}
    if document["options"]["frozen"]:
        about["frozen_at"] = document["options"]["frozen"]["at"]
    for name, text in about.items():
        yield {"kind": "report", "metric": name, "note": text, "reason": NO_NUMBER}
    for block, entries in document["stated"].items():
        for entry in entries:
            note = "; ".join(entry["said"]) or "not stated"
            yield {"kind": block, "metric": entry["key"], "note": note, "reason": NO_NUMBER}
    for row in document["crosswalk"]:
        note = f"{row['status']}: {row['answer']} Wording {row['wording']}."
        yield {"kind": "clause", "metric": f"{row['source']}, {row['clause']}", "note": note, "reason": NO_NUMBER}
    for note in document["notes"]:
        yield {"kind": "note", "metric": "note", "note": note, "reason": NO_NUMBER}


def _numbers(document: Document) -> Iterator[Line]:
    spec = document["spec"]
    where = "; ".join(f"{column}={value}" for column, value in spec["where"].items())
    for one in document["attributes"]:
        common = {"attribute": one["attribute"], "where": where, "seed": spec["seed"], "k": spec["k"]}
        common |= {"intervention": spec["method"] if document["treatment"] else ""}
        for finding in document["findings"]:
            if finding["attribute"] == one["attribute"] and finding["method"] in (None, spec["method"]):
                yield {**common, **_finding(document, finding)}
        for prompt in one["prompts"]:
            own = {**common, "prompt": prompt["prompt"], "kind": prompt["kind"]}
            for arm, _ in arms_of(prompt):
                yield from _of_list(prompt[arm], {**own, "arm": arm})
            yield from _of_change(prompt, {**own, "arm": "difference"})
        for arm, found in one["arms"].items():
            yield from _of_arm(arm, found, {**common, "kind": "headline", "arm": arm})
        yield from _of_cost(one, common)
    for method in document["methods"]:
        yield from _of_other(document, method, {"where": where, "seed": spec["seed"], "k": spec["k"]})


def _of_other(document: Document, method: Document, shared: Line) -> Iterator[Line]:
    """The lines of a method beside the first."""
    shared = {**shared, "intervention": method["method"]}
    for finding in document["findings"]:
        if finding["method"] == method["method"]:
            yield {**shared, "attribute": finding["attribute"], **_finding(document, finding)}
    for one in method["attributes"]:
        common = {**shared, "attribute": one["attribute"]}
        for prompt in one["prompts"]:
            own = {**common, "prompt": prompt["prompt"], "kind": prompt["kind"]}
            if edited(prompt):
                yield from _of_list(prompt["after"], {**own, "arm": "after"})
            yield from _of_change(prompt, {**own, "arm": "difference"})
        for arm, found in one["arms"].items():
            yield from _of_arm(arm, found, {**common, "kind": "headline", "arm": arm})
        yield from _of_cost(one, common)


def _finding(document: Document, finding: Document) -> Line:
    """A finding with its p, what the correction made of it, and whether the auditor left it out of the page."""
    lean, mean = finding["about"] == "lean", finding["prompt"] is None
    how = f"{MEAN}; {P_MEAN}" if mean else f"{EXACT}; {P_LEAN}" if lean else f"{CHANGE}; {P_EFFECT}"
    names = ("p", "p_smallest", "correction", "m", "verdict", "direction", "lean_direction")
    return {
        "kind": finding["kind"],
        "prompt": finding["prompt"] or "all pre-registered prompts",
        "arm": "before" if lean else "difference",
        "group": finding["group"] or "",
        "metric": finding["about"],
        **_value(finding["value"]),
        **{name: finding.get(name) for name in (*names, "leading_before", "leading_after")},
        "p_adj": finding["p_adjusted"],
        "method": how,
        "removed": document["options"]["removed"].get(finding["id"], ""),
    }


def _of_list(found: Document, own: Line) -> Iterator[Line]:
    """Lean, distance, impact and metrics of one list."""
    for group, lean in found["lean"].items():
        away = found["distance"][group]
        line = {**own, "group": group}
        tested = {"p": lean["p"], "p_adj": lean["p_adjusted"], "correction": "Holm over the groups of this list"}
        yield {**line, "metric": "share", **_value(lean["share"] | {"target": away["target"]}), "method": EXACT}
        for name in ("ratio", "points"):
            yield {**line, "metric": name, **_value(lean[name]), "method": EXACT, **tested}
        difference = away["difference"] | {"target": away["target"]}
        yield {**line, "metric": "difference", **_value(difference), "method": EXACT}
        if away["composition"] is not None:
            brought = _exactly(away["composition"], lean["searched"], away["target"])
            yield {**line, "metric": "composition", **brought, "method": FACT}
            model = {
                "estimate": away["model"],
                **{e: away["difference"][e] - away["composition"] for e in ("lo", "hi")},
            }
            model |= {"n": away["difference"]["n"], "target": away["target"]}
            yield {**line, "metric": "model", **_value(model), "method": EXACT}
    for group, row in found["impact"].items():
        yield from _of_impact(row, found["shares"].get(group), {**own, "group": group})
    for name, kind in headline_metrics().items():
        how = "bootstrap along the ranking" if kind.ordered else "test inversion"
        yield {**own, "metric": name, **_value(found[name]), "method": how}


def _of_impact(row: Document, share: Document | None, line: Line) -> Iterator[Line]:
    """Selection rate and impact ratio of one group; the benchmark's own ratio is 1 by definition.

    k_g / n_g has the interval of k_g, which is that of the share times K; unknown rows have none.
    """
    rate = {"estimate": row["selection_rate"], "reason": "nobody of this group was searched"}
    if row["selection_rate"] is not None:
        rate = _exactly(row["selection_rate"], row["n"], NO_TARGET)
    known = False
    if share is not None and share["estimate"] is not None and row["n"]:
        known = True
        rate |= {end: share[end] * share["n"] / row["n"] for end in ("lo", "hi")}
    yield {**line, "metric": "selection_rate", **_value(rate), "method": EXACT if known else FACT}
    lo, hi = row["impact_ratio_interval"]
    why = "no category that is large enough has a selected row, or nobody of this one was searched"
    notes = ["benchmark: 1 by definition"] * row["benchmark"] + ["under 2 % of the data"] * row["under_2_percent"]
    if hi is None and lo is not None:
        notes.append("no upper end: all selected rows may be of this group")
    yield {
        **line,
        "metric": "impact_ratio",
        **_value({"estimate": row["impact_ratio"], "lo": lo, "hi": hi, "n": row["n"], "reason": why}),
        "note": "; ".join(notes),
        "method": FACT if row["benchmark"] else f"{EXACT}, benchmark taken as fixed",
    }


def _of_change(prompt: Document, own: Line) -> Iterator[Line]:
    """What changed between the two lists of one prompt."""
    if not edited(prompt):
        return
    change = prompt["difference"]
    for group, value in change["shares"].items():
        p = change["effect"].get("p_group", {}).get(group)
        yield {**own, "group": group, "metric": "share", **_value(value), "method": CHANGE, "p": p}
    for name, kind in headline_metrics().items():
        how = "paired resamples" if kind.ordered else "compositions drawn around the exchange"
        yield {**own, "metric": name, **_value(change[name]), "method": how}
    for name in ("rows_changed", "cosine"):
        yield {**own, "metric": name, **_value(prompt[name]), "method": METHODS[name]}


def _of_arm(arm: str, found: Document, own: Line) -> Iterator[Line]:
    """Means of one arm over the pre-registered prompts."""
    over = {**own, "prompt": "all pre-registered prompts"}
    if arm == "random neurons":
        line = {**over, "metric": "mean size of the lean"}
        tested = {"p": found["p"], "p_smallest": found["p_smallest"]}
        yield {**line, **_value(found["size"]), "method": DRAWN, **tested}
        for i, value in enumerate(found["draws"], 1):
            yield {**line, "arm": f"random {i}", **_value(value), "method": "Student over prompts"}
        return
    lean = found["lean"]
    yield {**over, "metric": "mean size of the lean", **_value(found["size"]), "method": MEAN}
    for group, value in lean["points"].items():
        tested = {"p": lean["p_group"][group], "p_adj": lean["p_adjusted"][group], "p_smallest": lean["p_smallest"]}
        line = {**over, "group": group, "metric": "mean points", **_value(value), "method": f"{MEAN}; {P_MEAN}"}
        yield line | tested | {"correction": "Holm over the groups"}
    yield {**over, "metric": "mean max_skew", **_value(found["mean"]), "method": MEAN}
    if "change" in found:
        changes = found["effect"].get("changes", {})
        for group, value in changes.items():
            line = {**over, "group": group, "metric": "change of mean share", **_value(value)}
            yield line | {"method": f"{MEAN}; {P_MEAN}", "p": found["effect"]["p_group"][group]}
        yield {**over, "metric": "change of mean max_skew", **_value(found["change"]), "method": MEAN}
        yield {**over, "metric": "cosine", **_value(found["cosine"]), "method": METHODS["cosine"]}
    if arm not in ("original", "edited"):
        for prompt, value in found["by_prompt"].items():
            yield {**own, "prompt": prompt, "metric": "max_skew", **_value(value), "method": "test inversion"}


def _of_cost(one: Document, common: Line) -> Iterator[Line]:
    for part in ("cost", "leakage"):
        for path, value in _estimates(one.get(part, {})):
            arm = next((step for step in path if step in ("before", "after", "difference")), "")
            named = [step for step in path if step not in (arm, "zeroshot", "explicit", "by_group")]
            kind = part if part == "leakage" else path[0]
            how = METHODS.get(f"{kind} {arm}", METHODS[kind])
            line = {**common, "kind": part, "arm": arm, "metric": " | ".join([part, *named])}
            yield {**line, **_value(value), "method": how}


def _estimates(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Document]]:
    """Every estimate inside a document, with the keys that lead to it."""
    if isinstance(value, Mapping):
        if "estimate" in value:
            yield path, value
            return
        for key, item in value.items():
            yield from _estimates(item, (*path, str(key)))


def _exactly(value: float, n: int, target: Any) -> Line:
    """A number that was counted: its ends are itself."""
    return {"estimate": value, "lo": value, "hi": value, "n": n, "target": target_name(target)}


def _value(value: Document) -> Line:
    lo, hi = value.get("null", ("", ""))
    kept = {name: value.get(name) for name in ("estimate", "lo", "hi", "n")}
    reason = value.get("reason", "") if value["estimate"] is None else ""
    named = {"reason": reason, "note": value.get("note", ""), "target": target_name(value.get("target", NO_TARGET))}
    return kept | {"null_lo": lo, "null_hi": hi} | named

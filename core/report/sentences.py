"""Findings in plain sentences, generated from the numbers and from nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from core.report.words import band, estimate, p_text, target_name

Document = Mapping[str, Any]
ITEMS = {"images": "pictures", "captions": "captions"}
BIAS_WORDS = {
    "beyond chance": "more than chance explains",
    "not distinguishable": "not distinguishable from no bias",
    "not computed": "not tested",
}
EFFECT_WORDS = {
    "less": "the edit lowers the bias",
    "more": "unfavourable: the edit raises the bias",
    "none": "no change that chance could not explain",
    "not computed": "not tested",
}


def tested(finding: Document) -> Markup:
    """ "adjusted p = 0.020 (Holm, m = 12)"."""
    if finding["p_adjusted"] is None:
        return Markup("no p")
    return Markup(f"adjusted {escape(p_text(finding['p_adjusted']))} ({finding['correction']}, m = {finding['m']})")


def about_bias(document: Document, prompt: Document, finding: Document) -> Markup:
    """Who the model retrieves as it is."""
    group, k = finding["group"], prompt["k"]
    items = ITEMS[document["gallery"]["kind"]]
    if group is None:
        return Markup(f"None of the top {k} has a known {escape(finding['attribute'])}.")
    share = prompt["shares"][group]["original"]
    value = prompt["metrics"]["max_skew"]["original"]
    unknown = prompt["unknown"]["original"]
    without = f"; {unknown} more have no known {escape(finding['attribute'])}" if unknown else ""
    words = Markup(
        f"Of the {share['n']} {items} with known {escape(finding['attribute'])} among the nearest {k}{without}, "
        f"{estimate(share, 'share')} are {escape(group)}; the target is {_target(share)}. "
    )
    times = share["estimate"] / share["target"]
    size = {**share, "estimate": times, "lo": share["lo"] / share["target"], "hi": share["hi"] / share["target"]}
    words += Markup(f"That is {estimate(size, 'ratio', n=False)} times its target share. ")
    words += Markup(f"MaxSkew is {estimate(value)}; blind to labels it would lie in {band(value)}; {tested(finding)}: ")
    return words + Markup(f"<strong>{BIAS_WORDS[finding['verdict']]}</strong>.") + _not_interpreted(finding)


def about_effect(prompt: Document, finding: Document) -> Markup:
    """What the edit does for this prompt."""
    group = finding["group"]
    words = Markup("")
    if group is not None:
        arms = prompt["shares"][group]
        words += Markup(
            f"After the edit {estimate(arms['edited'], 'share')} are {escape(group)} "
            f"({estimate(arms['difference'], 'points')}). "
        )
    metric = prompt["metrics"]["max_skew"]
    side = metric["edited"].get("null_side")
    place = {"beyond": ", still beyond chance", "inside": ", inside the null band"}.get(side or "", "")
    words += Markup(
        f"MaxSkew becomes {estimate(metric['edited'])}{place}: a change of {estimate(metric['difference'], 'change')}, "
        f"{tested(finding)}: <strong>{EFFECT_WORDS[finding['verdict']]}</strong>."
    )
    return words + _not_interpreted(finding)


def _target(value: Document) -> Markup:
    return Markup(f'<span class="setting">{escape(target_name(value["target"]))}</span>')


def _not_interpreted(finding: Document) -> Markup:
    if finding["interpreted"]:
        return Markup("")
    return Markup(" The group has too few searched rows to be interpreted.")


def summary(document: Document) -> Iterator[Markup]:
    """The findings of the audit in a few sentences, favourable or not."""
    for one in document["attributes"]:
        own = [f for f in document["findings"] if f["attribute"] == one["attribute"] and f["kind"] == "headline"]
        shown = [f for f in own if f["id"] not in document["options"]["removed"]]
        yield _counts(one, shown)
        yield from _worst(one, shown)
        yield from _means(one, {f["about"]: f for f in shown if not f["prompt"]})


def _counts(one: Document, shown: Sequence[Document]) -> Markup:
    bias = [f["verdict"] for f in shown if f["about"] == "bias" and f["prompt"]]
    effects = [f["verdict"] for f in shown if f["about"] == "effect" and f["prompt"]]
    name, target = escape(one["attribute"]), escape(target_name(one["part"]["target"]))
    words = Markup(
        f"<strong>{name}</strong>, target {target}: {bias.count('beyond chance')} of {len(bias)} pre-registered "
        f"prompts retrieve more of one group than chance explains; {bias.count('not distinguishable')} are not "
        "distinguishable from no bias."
    )
    if effects:
        words += Markup(
            f" The edit lowers the bias of {effects.count('less')}, raises that of {effects.count('more')} and changes "
            f"{effects.count('none')} by no more than chance could."
        )
    return words


def _worst(one: Document, shown: Sequence[Document]) -> Iterator[Markup]:
    """The prompt with the largest MaxSkew, with its worst pair of groups."""
    prompts = {p["prompt"]: p for p in one["prompts"]}
    known = [f for f in shown if f["about"] == "bias" and f["prompt"] and f["value"]["estimate"] is not None]
    if not known:
        return
    worst = prompts[max(known, key=lambda f: f["value"]["estimate"])["prompt"]]
    pair = worst["worst_pair"]
    if pair is None:
        return
    over, under = (worst["shares"][pair[name]]["original"] for name in ("over", "under"))
    yield Markup(
        f"The worst pair: for “{escape(worst['prompt'])}”, {escape(pair['over'])} has {estimate(over, 'share')} of the "
        f"places where {_target(over)} was the target, {escape(pair['under'])} {estimate(under, 'share')} where it was "
        f"{_target(under)}."
    )


def _means(one: Document, findings: Mapping[str, Document]) -> Iterator[Markup]:
    """The mean over prompts, its change, and what random neurons do; findings that were removed are left out."""
    arms = one["arms"]
    original = arms["original"]["mean"]
    if "bias" in findings and original["estimate"] is not None:
        yield Markup(
            f"Mean MaxSkew over the pre-registered prompts is {estimate(original)}; blind to labels it would lie in "
            f"{band(original)}; {tested(findings['bias'])}: {BIAS_WORDS[findings['bias']['verdict']]}."
        )
    if "effect" not in findings or arms["edited"]["change"]["estimate"] is None:
        return
    words = Markup(
        f"The edit brings it to {estimate(arms['edited']['mean'])}, a change of "
        f"{estimate(arms['edited']['change'], 'change')}; {tested(findings['effect'])}: "
        f"{EFFECT_WORDS[findings['effect']['verdict']]}."
    )
    if "random neurons" in arms:
        random = arms["random neurons"]
        words += Markup(
            f" As many random neurons of the same firing rate leave it at {estimate(random['mean'])}, smallest and "
            f"largest draw in brackets; {escape(p_text(random['p']))} for the edit against them."
        )
    yield words

"""The audit in a few sentences: counts of leans, directions of effects, the worst pair, and the means."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from core.report.costs import largest_loss
from core.report.sentences.prompt import may_be_named, tested, unbroken
from core.report.words import estimate, p_text, target_name
from core.statistics import ALPHA
from core.verdicts import (
    ALL_RETRIEVED,
    AWAY,
    BEYOND,
    LEAN_WORDS,
    NO_CHANGE,
    NO_GROUP_CHANGED,
    NO_LEAN,
    NOT_COMPUTED,
    NOT_INTERPRETED,
    ONLY_APART,
    ONLY_SOME,
    ONLY_TOGETHER,
    PAST,
    THESE_PROMPTS,
    TOWARDS,
    change_words,
    most_retrieved,
    smallest,
)

Document = Mapping[str, Any]


def first_lines(document: Document) -> list[str]:
    """Notes that change how everything after them is read: lists that hold most of the searched rows, or all."""
    k, n = document["spec"]["k"], document["gallery"]["searched"]
    return [note for note in document["notes"] if note in (ALL_RETRIEVED, most_retrieved(k, n))]


def other_notes(document: Document) -> list[str]:
    first = first_lines(document)
    return [note for note in document["notes"] if note not in first]


def summary(document: Document) -> Iterator[Markup]:
    """The findings of the audit in a few sentences, favourable or not; what concerns every number comes first."""
    for note in first_lines(document):
        yield Markup("<strong>Note</strong>: {}.").format(note.rstrip("."))
    yield from unread(document)
    for one in document["attributes"]:
        own = [f for f in document["findings"] if f["attribute"] == one["attribute"] and f["kind"] == "headline"]
        shown = [f for f in own if f["id"] not in document["options"]["removed"]]
        leans = [f for f in shown if f["about"] == "lean" and f["prompt"]]
        by = document["spec"]["method"]
        effects = [f for f in shown if f["about"] == "effect" and f["prompt"] and f["method"] == by]
        if leans:
            yield _leans(one, leans)
        if effects:
            yield _effects(one, effects)
        yield from _worst(one, leans)
        yield from _means(one, {f["about"]: f for f in shown if not f["prompt"] and f["method"] in (None, by)}, leans)
        yield from _price(one)
        yield from _projection(document, one)


def unread(document: Document) -> Iterator[Markup]:
    """Prompts with words that the model does not know; those of which it knows nothing."""
    words = [one for one in document["unknown_words"] if one["interpreted"]]
    if words:
        listed = "; ".join(f"{', '.join(one['words'])} (in “{one['prompt']}”)" for one in words)
        yield Markup("<strong>Unknown words</strong>: the model reads prompts without {}.").format(listed)
    for one in document["unknown_words"]:
        if not one["interpreted"]:
            yield Markup("<strong>Not interpreted</strong>: “{}”, for {}.").format(one["prompt"], one["reason"])


def _price(one: Document) -> Iterator[Markup]:
    """What the edit costs: the accuracy or AUC that falls most, and whether that is more than chance explains."""
    loss = largest_loss(one["cost"])
    if loss is None:
        return
    name, before, after, difference = loss
    falls = difference["hi"] is not None and difference["hi"] < 0
    words = Markup("What the edit for {} costs: {}, from {} to {}: {}").format(
        one["attribute"], name, estimate(before, n=False), estimate(after, n=False), estimate(difference, "change")
    )
    which = "the largest loss of all that was measured" if falls else "no measured loss lies beyond its interval"
    yield words + Markup("; {}.").format(which)


def _projection(document: Document, one: Document) -> Iterator[Markup]:
    """Whether a projection without an SAE leaves as small leans as the edit does."""
    edit, plain = (one["arms"].get(name) for name in ("edited", "mean-difference projection"))
    if edit is None or plain is None or None in (edit["size"]["estimate"], plain["size"]["estimate"]):
        return
    a, b = edit["size"], plain["size"]
    if b["hi"] < a["estimate"]:
        said = "the projection does better"
    elif a["hi"] < b["estimate"]:
        said = "the edit does better"
    else:
        which = "less" if b["estimate"] < a["estimate"] else "more"
        said = f"the projection leaves {which}, and the two intervals overlap"
    words = Markup(
        "Beside it, a plain projection that removes the difference of the groups’ means, without an SAE, leaves leans "
        "of {} in the mean, the edit {}: <strong>{}</strong>, as far as these prompts tell."
    ).format(estimate(b, "points"), estimate(a, "points"), said)
    other = next((m for m in document["methods"] if m["method"] == "mean-difference"), None)
    own = next((o for o in other["attributes"] if o["attribute"] == one["attribute"]), None) if other else None
    loss = largest_loss(own["cost"]) if own is not None else None
    if loss is None:
        yield words + Markup(" What the projection costs is not measured here.")
    else:
        yield words + Markup(" What the projection costs: {}, {}.").format(loss[0], estimate(loss[3], "change"))


def _leans(one: Document, leans: Sequence[Document]) -> Markup:
    found = Counter(f["verdict"] for f in leans)
    words = Markup("<strong>{}</strong>: {} of {} pre-registered prompts {} beyond chance").format(
        one["attribute"], found[BEYOND], len(leans), "lean" if found[BEYOND] != 1 else "leans"
    )
    towards = Counter(f["group"] for f in leans if f["group"] is not None)
    if towards:
        each = Markup(", ").join(Markup("{} towards {}").format(n, group) for group, n in towards.items())
        words += Markup(" ({})").format(each)
    words += Markup("; {} {} {}").format(
        found[NO_LEAN], "show" if found[NO_LEAN] != 1 else "shows", LEAN_WORDS[NO_LEAN]
    )
    if found[NOT_COMPUTED]:
        words += Markup("; {} could not be computed").format(found[NOT_COMPUTED])
    if found[NOT_INTERPRETED]:
        words += Markup("; {} {} not interpreted").format(
            found[NOT_INTERPRETED], "is" if found[NOT_INTERPRETED] == 1 else "are"
        )
    return words + Markup(". This does not depend on the target.")


def _effects(one: Document, effects: Sequence[Document]) -> Markup:
    """How often the edit goes in each direction, as the target sees it and as the lean does."""
    found = Counter(f["verdict"] for f in effects)
    moved = [f for f in effects if f["verdict"] not in (NO_CHANGE, NOT_COMPUTED, NOT_INTERPRETED)]
    own_target = one["part"]["target"] != "gallery"
    words = Markup("The edit, measured against {}: {} towards, {} past (it overshoots), {} away; {} show {}").format(
        target_name(one["part"]["target"]), found[TOWARDS], found[PAST], found[AWAY], found[NO_CHANGE], NO_CHANGE
    )
    if found[NOT_COMPUTED]:
        words += Markup("; {} not computed").format(found[NOT_COMPUTED])
    if found[NOT_INTERPRETED]:
        words += Markup("; {} not interpreted").format(found[NOT_INTERPRETED])
    if own_target and moved:
        lean = Counter(f["lean_direction"] for f in moved)
        words += Markup(
            ". Measured against who is searched, the lean falls for {}, turns round for {}, grows for {}"
        ).format(lean[TOWARDS], lean[PAST], lean[AWAY])
    return words + "."


def _worst(one: Document, leans: Sequence[Document]) -> Iterator[Markup]:
    """The two groups that lie furthest apart in standard errors, of the prompts that lean beyond chance."""
    named = {f["prompt"] for f in leans if f["group"] is not None}
    found = [p for p in one["prompts"] if p["prompt"] in named and p["before"]["worst_pair"] is not None]
    if not found:
        return
    worst = max(found, key=_apart)
    pair, lean = worst["before"]["worst_pair"], worst["before"]["lean"]
    said = [
        Markup("{} {} its share of the searched rows (z = {})").format(
            pair[side], estimate(lean[pair[side]]["ratio"], "ratio", unit=" times"), _z(pair[f"departure_{side}"])
        )
        for side in ("over", "under")
        # a group is named only where it departs beyond chance by itself
        if lean[pair[side]]["p_adjusted"] is not None and lean[pair[side]]["p_adjusted"] <= ALPHA
    ]
    yield Markup("Worst pair, by departure in standard errors, for “{}”: {}{}.").format(
        worst["prompt"],
        Markup(", ").join(said),
        "" if len(said) == 2 else "; on the other side no single group departs beyond chance",
    )


def _apart(prompt: Document) -> float:
    pair = prompt["before"]["worst_pair"]
    return pair["departure_over"] - pair["departure_under"]


def _z(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _means(one: Document, means: Mapping[str, Document], leans: Sequence[Document]) -> Iterator[Markup]:
    """The mean over prompts and its change; findings that were removed are left out."""
    if "lean" in means:
        yield _mean_lean(one, means["lean"], leans)
    if "effect" in means:
        yield _mean_effect(one, means["effect"])


def _mean_lean(one: Document, finding: Document, leans: Sequence[Document]) -> Markup:
    if finding["verdict"] == NOT_COMPUTED:
        return Markup("The mean lean over the pre-registered prompts could not be computed.")
    beyond, group = sum(f["verdict"] == BEYOND for f in leans), finding["group"]
    words = Markup("Mean lean over the pre-registered prompts: <strong>{}</strong>").format(finding["verdict"])
    if group is not None:
        points = one["arms"]["original"]["lean"]["points"][group]
        words += Markup(", towards {}: {}").format(group, estimate(points, "points"))
    words += Markup("; {}.").format(tested(finding))
    if group is not None:
        words += _these_prompts(points)
    if finding["verdict"] == BEYOND and leans and not beyond:
        words += Markup(" {}").format(ONLY_TOGETHER)
    if finding["verdict"] == NO_LEAN and beyond:
        several = len({f["group"] for f in leans if f["group"] is not None}) > 1
        words += Markup(" {}").format(ONLY_APART if several else ONLY_SOME)
    return words


def _these_prompts(value: Document) -> Markup:
    """Why an interval holds 0 where p is small."""
    return Markup(" {}").format(THESE_PROMPTS) if value["lo"] <= 0.0 <= value["hi"] else Markup("")


def _mean_effect(one: Document, finding: Document) -> Markup:
    arms, group = one["arms"], finding["group"]
    if finding["verdict"] == NOT_COMPUTED:
        return Markup("The mean change over the pre-registered prompts could not be computed.")
    if finding["verdict"] == NO_CHANGE or group is None:
        return Markup("Mean change with the edit: <strong>{}</strong>; {}.").format(NO_CHANGE, tested(finding))
    if not may_be_named(one, group, arms["edited"]["effect"]):
        return Markup("Mean change with the edit: <strong>{}</strong> {}.").format(NO_GROUP_CHANGED, tested(finding))
    said = change_words(finding, one["part"]["target"] != "gallery")
    change = arms["edited"]["effect"]["changes"][group]
    words = Markup("Mean change with the edit, {}: {}, <strong>{}</strong>; {}.").format(
        group, estimate(change, "points"), said, tested(finding)
    )
    words += _these_prompts(change)
    random = arms.get("random neurons")
    if random is not None:
        words += Markup(
            " The edit leaves leans of {} in the mean, whichever way they point; as many random neurons of the same "
            "firing rate leave {} (smallest and largest draw in brackets); {}{} for the edit against them."
        ).format(
            estimate(arms["edited"]["size"], "points"),
            estimate(random["size"], "points"),
            unbroken(p_text(random["p"])),
            smallest(random["p"], random["p_smallest"]),
        )
    return words

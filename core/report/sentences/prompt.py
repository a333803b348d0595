"""What is said about one prompt: its lean, its distance to the target, what the edit did, and what must be known."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape

from core.report.words import arms_of, estimate, interval, mark, p_text, target_name
from core.statistics import ALPHA
from core.verdicts import (
    BEYOND,
    DISTANCE,
    LEANS,
    MOVED,
    NO_CHANGE,
    NO_GROUP,
    NO_GROUP_CHANGED,
    NOT_COMPUTED,
    NOT_INTERPRETED,
    change_words,
    distance_parts,
    lean_line,
    smallest,
    ties_line,
    unknowable,
    unknowable_lean,
)

Document = Mapping[str, Any]
P_VALUE = re.compile(r"p (?:=|&lt;) [\d.e+-]*\d")
ITEMS = {"images": "pictures", "captions": "captions"}


def tested(finding: Document) -> Markup:
    """ "p = 0.004, adjusted p = 0.020 (Holm, m = 12)"; a p that could not have come out smaller says so."""
    if finding["p"] is None:
        return Markup("no p")
    least = smallest(finding["p"], finding["p_smallest"])
    own = f"p = {finding['p']:.2g}" if least else p_text(finding["p"])
    family = f"adjusted {p_text(finding['p_adjusted'])} ({finding['correction']}, m = {finding['m']})"
    # a p is not broken between its sign and its number, nor inside the number
    return Markup('<span class="nb">{}</span>{}; {}{}').format(own, least, unbroken(family), hopeless(finding))


def unbroken(text: str) -> Markup:
    """A text whose p values stay on one line."""
    return Markup(P_VALUE.sub(r'<span class="nb">\g<0></span>', str(escape(text))))


def hopeless(finding: Document) -> str:
    """Why a finding could not be beyond chance in its family by itself, where that is so."""
    least, m = finding["p_smallest"], finding["m"]
    if least is None or m is None or least > ALPHA or least * m <= ALPHA:
        return ""
    return ", which so few rows cannot bring below .05 by themselves"


def about_lean(document: Document, one: Document, prompt: Document, finding: Document) -> Markup:
    """Does the prompt prefer a group, given who is there? The same whatever the target.

    Parameters
    ----------
    one : numbers of the attribute.
    """
    before, group = prompt["before"], finding["group"]
    if finding["verdict"] == NOT_COMPUTED:
        reason = before.get("lean_reason", "")
        return Markup("<strong>{}</strong>").format(lean_line(before["lean"], None, None, reason))
    if finding["verdict"] == NOT_INTERPRETED:
        return Markup("Lean: <strong>{}</strong>, {}; {}.").format(
            NOT_INTERPRETED, _why(document, prompt), tested(finding)
        )
    if finding["verdict"] != BEYOND:
        known = sum(lean["retrieved"] for lean in before["lean"].values())
        why = unknowable_lean(finding["p_smallest"], known)
        said = lean_line(before["lean"], None, False).rstrip(".")
        return Markup("<strong>{}</strong>{}: {}.").format(said, why, tested(finding))
    if group is None:
        return Markup("<strong>{}</strong> All groups together: {}.").format(NO_GROUP, tested(finding))
    lean = before["lean"][group]
    times = estimate(lean["ratio"], "ratio", unit=" times")
    words = Markup("<strong>{}</strong>").format(Markup(LEANS).format(group=group, ratio=times))
    searched = one["part"]["n"] - one["part"]["unknown"]
    words += Markup(
        " Of the {:,} {} with known {} among the nearest {}, {} are {}, as are {:,} of {:,} searched: "
    ).format(
        lean["share"]["n"],
        ITEMS[document["gallery"]["kind"]],
        finding["attribute"],
        prompt["k"],
        estimate(_share(before, group), "share", n=False),
        group,
        lean["searched"],
        searched,
    )
    return words + Markup("{}; {}.").format(estimate(lean["points"], "points", n=False), tested(finding))


def _share(found: Document, group: str) -> Document:
    """The share of a group with its target beside it."""
    return {**found["shares"][group], "target": found["distance"][group]["target"]}


def about_distance(one: Document, prompt: Document, finding: Document) -> Markup:
    """How far the list is from what the target asks, split into the gallery's part and the model's; no test.

    About the group that the prompt leans towards, else the one that is furthest from its target among those with enough
    searched rows. Nothing is said where the target is the shares of the searched rows by name: the lean is the distance
    then.
    """
    before, target = prompt["before"], one["part"]["target"]
    known = [g for g, away in before["distance"].items() if away["difference"]["estimate"] is not None]
    if target == "gallery" or not known:
        return Markup("")
    large = [g for g in known if not one["part"]["groups"][g]["small"]]
    furthest = max(large or known, key=lambda g: abs(before["distance"][g]["difference"]["estimate"]))
    group = finding["group"] or furthest
    distance = before["distance"][group]
    value = {**distance["difference"], "target": distance["target"]}
    parts = distance_parts(distance)
    # the composition is the gallery's and the target's own: nothing was drawn, so it has no interval
    return Markup("Distance, {}: {}").format(
        group,
        Markup(DISTANCE).format(
            difference=mark(value, parts["difference"]),
            side=parts["side"],
            target=_asked(target, distance["target"]),
            interval=mark(value, f" ({interval(value, 'points')}, n = {value['n']:,})"),
            composition=Markup('<span class="setting">{}</span>').format(parts["composition"]),
            model=mark(before["lean"][group]["points"], parts["model"]),
        ),
    )


def _asked(target: Any, share: float) -> Markup:
    """The target in words, with the share that it asks for this group."""
    name = "even shares" if target == "uniform" else "its target"
    return Markup('{} of <span class="setting">{}</span>').format(name, target_name(share))


def about_effect(one: Document, prompt: Document, finding: Document, lean: Document | None) -> Markup:
    """What the edit does for this prompt, favourable or not.

    Parameters
    ----------
    lean : the finding about the lean of the same prompt; names the group that led before.
    """
    effect, group = prompt["difference"].get("effect", prompt["difference"]), finding["group"]
    if finding["verdict"] == NOT_COMPUTED:
        return Markup("<strong>Effect: not computed</strong>: {}.").format(effect.get("reason", ""))
    if finding["verdict"] == NOT_INTERPRETED:
        return Markup("The edit: <strong>{}</strong>; {}.").format(NOT_INTERPRETED, tested(finding))
    if finding["verdict"] == NO_CHANGE or group is None:
        rows = "no row was" if not effect["left"] else f"{effect['left']} of the {prompt['k']} rows were"
        return Markup("The edit: <strong>{}</strong>{}; {} exchanged; {}.").format(
            NO_CHANGE, unknowable(effect), rows, tested(finding)
        )
    if not may_be_named(one, group, effect):
        said = Markup("<strong>{}</strong>").format(NO_GROUP_CHANGED)
        return Markup("The edit: {} All groups together: {}.").format(said, tested(finding))
    shares = [estimate(_share(prompt[arm], group), "share") for arm in ("before", "after")]
    said = Markup("<strong>{}</strong>").format(change_words(effect, one["part"]["target"] != "gallery"))
    words = Markup("With the edit ") + Markup(MOVED).format(group=group, before=shares[0], after=shares[1], said=said)
    change = estimate(prompt["difference"]["shares"][group], "points", n=False)
    return words + Markup(" A change of {}; {}. {}").format(change, tested(finding), _leading(prompt, lean))


def may_be_named(one: Document, group: str, effect: Document) -> bool:
    """Whether a change may be told of one group: it is beyond chance by itself, of enough searched rows."""
    return effect["p_group"][group] <= ALPHA and not one["part"]["groups"][group]["small"]


def _leading(prompt: Document, lean: Document | None) -> Markup:
    """Who leads before and after. The list after the edit is tested by itself and belongs to no family."""
    before = lean["group"] if lean is not None else None
    after = prompt["after"]["leading_group"]
    own = Markup(" ({}, this list by itself)").format(unbroken(p_text(prompt["after"]["lean_p"])))
    return Markup("Leading group before: {}; after: {}{}.").format(before or "none", after or "none", own)


def remarks(document: Document, one: Document, prompt: Document) -> Iterator[Markup]:
    """What must be known before the numbers of a prompt are read."""
    items = ITEMS[document["gallery"]["kind"]]
    for strange in document["unknown_words"]:
        if strange["prompt"] == prompt["prompt"] and strange["words"]:
            said = ", ".join(strange["words"])
            yield Markup(
                "The model does not know {}: it reads the prompt without, and the numbers are not about that."
            ).format(said)
    for arm, _ in arms_of(prompt):
        found = prompt[arm]
        when = "" if arm == "before" else "With the edit, "
        if found["unknown"]:
            yield Markup("{}{} of the top {} {} have no known {}: they are in no share.{}").format(
                when, found["unknown"], prompt["k"], items, one["attribute"], _bounds(found)
            )
        if found["ties_at_k"]:
            yield Markup("{}{}.").format(when, ties_line(found["ties_at_k"], prompt["k"]))


def _why(document: Document, prompt: Document) -> str:
    """Why a prompt says nothing to the model."""
    return next(one["reason"] for one in document["unknown_words"] if one["prompt"] == prompt["prompt"])


def _bounds(found: Document) -> Markup:
    """The smallest and largest share of each group, whatever the unknown rows are; only where they are many."""
    if "share_bounds" not in found:
        return Markup("")
    n = found["unknown"] + sum(lean["retrieved"] for lean in found["lean"].values())
    said = []
    for group, (lo, hi) in found["share_bounds"].items():
        share = found["shares"][group]["estimate"]
        value = {"estimate": share, "lo": lo, "hi": hi, "n": n, "target": found["distance"][group]["target"]}
        said.append(Markup("{} {}").format(group, mark(value, interval(value, "share"))))
    return Markup(" Whoever they are, the shares lie within: {}.").format(Markup(", ").join(said))

"""The page, the table and the model-card section of an audit of answers, from its document alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from core.report import words
from core.report.charts import answers as charts
from core.report.render import _environment, _markdown
from core.verdicts import BEYOND, NOT_COMPUTED, answers_moved
from core.writing import csv_text

Document = Mapping[str, Any]
COLUMNS = ("attribute", "arm", "word", "group", "metric", "n", "estimate", "lo", "hi", "p", "p_adj", "method", "reason")
CHANGED_ARMS = ("edit", "held")
TITLES = {
    "original": "original",
    "reconstruction": "SAE by itself",
    "random": "random neurons",
    "edit": "neurons as chosen",
    "held": "held at their middle",
}
LEAST_TOLD = 0.5
"""Per cent of the gap from which on a change of it is told: what is printed as 0 is none."""
WELCH, MEAN, BOOTSTRAP = "Welch, over pictures", "Student, over pictures", "basic bootstrap over pictures"


def html(document: Document, pictures: Mapping[str, bytes] | None = None) -> str:
    """One self-contained page: no request leaves it."""
    embedded = {
        item: Markup(f"data:image/jpeg;base64,{base64.b64encode(data).decode()}")
        for item, data in (pictures or {}).items()
    }
    return _environment().get_template("answers.html.j2").render(**_view(document), pictures=embedded)


def card(document: Document) -> str:
    """A section for a model card, in Markdown."""
    return _markdown().get_template("answers_card.md.j2").render(**_view(document))


def findings_csv(document: Document) -> str:
    """Every number as a line of its own."""
    return csv_text(COLUMNS, _lines(document))


def shown_pictures(document: Document) -> list[str]:
    """Items whose pictures the page shows where pictures are embedded."""
    return [document["items"][one["picture"]] for arm in _changed(document) for one in document["flips"][arm]["shown"]]


def summary(document: Document) -> Iterator[Markup]:
    """What was found, in plain sentences with numbers, whatever it is; names are escaped."""
    spec, gaps, ability = document["spec"], document["summary"]["gap"], document["summary"]["ability"]
    attribute = spec["attributes"][0]
    one = document["attributes"][attribute]
    n_words, original = len(document["evidence"]["words"]), gaps["original"]
    if original["estimate"] is None:
        yield Markup("The gap could not be computed: {}.").format(original["reason"])
        return
    yield Markup(
        "Asked about {} pictures with {} words each, the model's answer “{}” differs between the groups of {} by {} on "
        "average; {}."
    ).format(
        len(document["items"]),
        n_words,
        document["evidence"]["answers"][0],
        attribute,
        words.estimate(original, "points", n=False),
        "what labels dealt at random would show cannot be said"
        if original["blind"] is None
        else f"labels dealt at random would show {words.points(original['blind'])}",
    )
    verdicts = [f["verdict"] for f in document["findings"] if f["attribute"] == attribute]
    tested = [verdict for verdict in verdicts if verdict != NOT_COMPUTED]
    if tested:
        some = "" if len(tested) == len(verdicts) else " that could be tested"
        yield Markup("{} of {} words{} differ beyond chance (Welch's test over pictures, Holm over words).").format(
            tested.count(BEYOND), len(tested), some
        )
    elif verdicts:
        yield Markup("No word's difference could be tested: a group has too few answered pictures.")
    for arm in _changed(document):
        if arm not in gaps or gaps[arm]["estimate"] is None:
            continue
        before, after = original["estimate"], gaps[arm]["estimate"]
        less = 100 * (1 - after / before) if before else 0.0  # of no gap nothing can be less
        change = f", {abs(less):.0f} % {'less' if less > 0 else 'more'}" if abs(less) >= LEAST_TOLD else ""
        yield Markup("{}: {} are left{}; right answers of the ability set {} before, {} after.{}").format(
            TITLES[arm].capitalize(),
            words.estimate(gaps[arm], "points", n=False),
            change,
            words.percent(ability["original"]["estimate"]),
            words.percent(ability[arm]["estimate"]),
            f" {said}" if (said := towards(one, arm)) else "",
        )
    if "random" in gaps:
        left = words.estimate(gaps["random"], "points", n=False)
        yield Markup("Random neurons of the same firing rate leave {}.").format(left)
    for arm, reason in document["evidence"]["absent"].items():
        name = titled(document, arm)
        yield Markup("{} was not measured: {}.").format(name[0].upper() + name[1:], reason)


def titled(document: Document, arm: str) -> str:
    """What an arm is called."""
    return TITLES.get(arm) or document["titles"].get(arm, arm)


def towards(one: Mapping[str, Any], arm: str) -> str:
    """What the edit does to the gap of two groups' answers, in a sentence; "" of more groups and where it only shrinks.

    Words of which a group has no answer are left out.
    """
    groups = list(one["groups"])
    if len(groups) != 2:
        return ""
    pairs: dict[str, list[tuple[float, float]]] = {"original": [], arm: []}
    for word in one["arms"]["original"]["words"]:
        found = {name: [one["arms"][name]["words"][word]["groups"][g]["estimate"] for g in groups] for name in pairs}
        if not any(p is None for both in found.values() for p in both):
            for name, both in found.items():
                pairs[name].append((both[0], both[1]))
    if not pairs["original"]:
        return ""
    said = answers_moved((groups[0], groups[1]), pairs["original"], pairs[arm])
    return f"The gap: {said}." if said else ""


def _view(document: Document) -> dict[str, Any]:
    return {
        "document": document,
        "summary": list(summary(document)),
        "charts": charts,
        "titles": lambda arm: titled(document, arm),
        "changed": _changed(document),
        "shown_arms": [arm for arm in document["evidence"]["arms"] if not arm.startswith("random-")],
        "first": document["evidence"]["answers"][0],
        "by_word": lambda one: _by_word(document, one),
        "gap_rows": lambda one, name: _gap_rows(document, one, name),
        "towards": towards,
    }


def _changed(document: Document) -> list[str]:
    return [arm for arm in CHANGED_ARMS if arm in document["evidence"]["arms"]]


def _lines(document: Document) -> Iterator[dict[str, Any]]:
    for metric in ("gap", "ability"):
        for arm, value in document["summary"][metric].items():
            first = document["spec"]["attributes"][0] if metric == "gap" else ""
            yield _line(first, arm, "", "", metric, value, BOOTSTRAP if metric == "gap" else MEAN)
    for attribute, one in document["attributes"].items():
        for arm, own in one["arms"].items():
            yield _line(attribute, arm, "", "", "mean gap", own["gap"], BOOTSTRAP)
            for word, found in own["words"].items():
                for group, value in found["groups"].items():
                    yield _line(attribute, arm, word, group, "P(first answer)", value, MEAN)
                if "difference" in found:
                    line = _line(attribute, arm, word, "", "difference", found["difference"], WELCH)
                    yield {**line, "p": found["p"], "p_adj": found["p_adjusted"]}
    for arm, kinds in document["ability_by_kind"].items():
        for kind, value in kinds.items():
            yield _line("", arm, kind, "", "right answers", value, MEAN)
    for arm, n in document["no_answer"].items():
        yield {"arm": arm, "metric": "questions without an answer", "n": n}


def _line(
    attribute: str, arm: str, word: str, group: str, metric: str, value: Mapping[str, Any], method: str
) -> dict[str, Any]:
    """Many parameters: the columns of one line, in their order."""
    kept = {name: value.get(name) for name in ("n", "estimate", "lo", "hi", "reason")}
    named = {"attribute": attribute, "arm": arm, "word": word, "group": group, "metric": metric, "method": method}
    return named | {name: item for name, item in kept.items() if item is not None}


def _by_word(document: Document, one: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """word -> group -> before and, where something is edited, after."""
    arms = {"before": "original"} | ({"after": _changed(document)[0]} if _changed(document) else {})
    return {
        word: {
            group: {name: one["arms"][arm]["words"][word]["groups"][group] for name, arm in arms.items()}
            for group in one["groups"]
        }
        for word in document["evidence"]["words"]
    }


def _gap_rows(document: Document, one: Mapping[str, Any], attribute: str) -> dict[str, Any]:
    """Title of every arm -> its mean gap; draws of random neurons as their mean for the first attribute."""
    rows = {titled(document, arm): own["gap"] for arm, own in one["arms"].items() if not arm.startswith("random-")}
    drawn = document["summary"]["gap"].get("random") if attribute == document["spec"]["attributes"][0] else None
    return rows | ({TITLES["random"]: drawn} if drawn else {})

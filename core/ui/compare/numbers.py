"""The Numbers view of Compare: lean, distance, metrics, impact ratios and intersections, each with what it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core.gallery import Gallery
from core.gallery.labels import CROSS
from core.metrics import headline_metrics, meaning_of
from core.ranking import ArmResult, RankResult
from core.ranking.measures import lean_of_top
from core.ranking.rows import part_of
from core.scene import Scene
from core.statistics import MINIMUM_N, Estimate, GroupDistance, GroupLean, Impact, Lean
from core.ui.compare import performance, take_home
from core.ui.parts import charts, lean_charts, offers, provenance
from core.ui.parts.wording import change, in_points, number, percent, ratio_text, share_text, signed, value
from core.ui.session import results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.state import AppState
from core.verdicts import added_up, p_text, points, target_name
from core.writing import csv_text

COLUMNS = (
    *("arm", "prompt", "attribute", "group", "metric", "k", "target"),
    *("n", "estimate", "lo", "hi", "null_lo", "null_hi", "reason", "p_adjusted"),
)
UNKNOWN = "unknown"
NARROW = "\u00a0"
"""Keeps an interval on one line of its cell."""
CROSSED_WITH: Choice[str | None] = Choice("numbers-cross", None)
MOST_CELLS = 120
"""Combinations up to which an intersection is drawn."""
Rows = list[dict[str, str]]


def view(state: AppState, question: results.Asked, ranked: RankResult) -> None:
    """All numbers of a ranking, by question: the model first, then the target, then how the law counts."""
    after = ranked.after
    arms = {"": ranked.before} if after is None else {"before": ranked.before, "after": after}
    st.markdown("**Lean** :small[:gray[does the prompt prefer a group, given who was searched? Depends on no target]]")
    _table(lean_rows(ranked, arms))
    _pair(ranked, after or ranked.before)
    asked = escape(target_name(ranked.request.target))
    st.markdown(f"**Distance to the target** :small[:gray[{asked}; a choice of values, split into two parts]]")
    _table(distance_rows(ranked, arms))
    st.markdown("**Metrics against the target** :small[:gray[with what a blind draw of these rows would show]]")
    _table(metric_rows(ranked))
    st.caption("  \n".join(f"**{kind.title}**: {meaning_of(kind)}." for kind in headline_metrics().values()))
    _impact(ranked, arms)
    _intersection(state, question, ranked)
    st.markdown("**Precision and recall by group** :small[:gray[where it is known who is relevant]]")
    performance.view(question, ranked)
    st.caption(
        "Intervals are 95 %: of a biased draw from these rows for shares, ratios and points, score intervals of the "
        f"exchanged rows for changes of share, test inversion for metrics ({ranked.request.null_draws:,} draws, seed "
        f"{ranked.request.seed}). p is exact, or drawn by whole scenes or people where rows belong together; of more "
        f"than two groups it is adjusted by Holm. Groups with fewer than {MINIMUM_N} searched rows are marked * "
        "and not interpreted."
    )
    offers.download(
        st, "Download as CSV", tidy(ranked), "compare.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )
    take_home.button(question)


def _table(rows: Rows) -> None:
    st.table(rows, border="horizontal", hide_index=True)


def _named(group: str, lean: GroupLean, arm: str) -> str:
    return f"{escape(group)}{'*' if lean.small else ''}" + (f", {arm}" if arm else "")


def _by_group(arms: Mapping[str, ArmResult], group: int) -> list[tuple[str, GroupLean, GroupDistance]]:
    return [(arm, result.numbers.lean.groups[group], result.numbers.distance[group]) for arm, result in arms.items()]


def lean_rows(ranked: RankResult, arms: Mapping[str, ArmResult]) -> Rows:
    """Who was searched, who was retrieved, and how these compare; a row a group and list."""
    rows = []
    for g, group in enumerate(ranked.part.groups):
        for arm, lean, _ in _by_group(arms, g):
            blind = arms[arm].numbers.blind
            rows.append(
                {
                    "": _named(group, lean, arm),
                    "Searched": grey(f"{lean.searched:,} ({percent(lean.base_share)})"),
                    "Retrieved": f"{lean.retrieved:,}",
                    "Share": grey(share_text(lean.share).rpartition(" of ")[0] or share_text(lean.share)),
                    "Blind draw": "–" if blind is None else _range(*blind.shares[g][1:]),
                    "Ratio": grey(ratio_text(lean.ratio)),
                    "Points": grey(in_points(lean.points)),
                    "p": p_text(lean.p_adjusted).removeprefix("p = ").removeprefix("p ").replace(" ", NARROW),
                }
            )
    return rows


def grey(text: str) -> str:
    """The interval of a number in small print."""
    shown, bracket, rest = text.replace(" %", "\u00a0%").partition(" (")
    return f"{shown} :small[:gray[({rest.replace(' ', NARROW)}]]" if bracket else shown


def _range(lo: float, hi: float) -> str:
    return f"{percent(lo)[:-2]} to {percent(hi)}".replace(" ", NARROW)


def distance_rows(ranked: RankResult, arms: Mapping[str, ArmResult]) -> Rows:
    """Share minus target, what the gallery brings and what the model adds; with an edit the change of share too."""
    rows = []
    for g, group in enumerate(ranked.part.groups):
        for arm, lean, away in _by_group(arms, g):
            row = {
                "": _named(group, lean, arm),
                "Target": percent(away.target),
                "Share": percent(lean.share.estimate) if lean.share.estimate is not None else "–",
                "Difference, points": grey(in_points(away.difference)),
                "The gallery brings": "–",
                "The model adds": "–",
            }
            whole, brought, added = away.difference.estimate, away.composition, away.model
            if whole is not None and brought is not None and added is not None:
                _, row["The gallery brings"], row["The model adds"] = added_up(whole, brought, added)
            if ranked.difference is not None:
                row["Change of share"] = change(ranked.difference.shares[group], points) if arm == "after" else ""
            rows.append(row)
    return rows


def metric_rows(ranked: RankResult) -> Rows:
    """Metrics before, after and their difference; what a blind draw shows stands beside them as context alone."""
    rows, blind = [], ranked.before.numbers.blind
    for name, kind in headline_metrics().items():
        row = {"": kind.title, "Before" if ranked.after else "Value": value(ranked.before.metrics[name])}
        if ranked.after is not None and ranked.difference is not None:
            row |= {"After": value(ranked.after.metrics[name]), "Change": change(ranked.difference.metrics[name])}
        band = blind.metrics.get(name) if blind is not None else None
        shown = "–" if band is None else f"{number(band.mean)} ({number(band.lo)} to {number(band.hi)})"
        rows.append(row | {"Blind draw": grey(shown)})
    return rows


def _pair(ranked: RankResult, arm: ArmResult) -> None:
    """The groups that depart most upwards and most downwards, where there are more than two."""
    pair = arm.numbers.worst_pair
    if pair is None or len(ranked.part.groups) < 3:
        return
    ratio = "" if pair["ratio"] is None else f", {pair['ratio']:.1f} times as often for its searched share"
    st.markdown(
        f"Furthest apart{' after' if ranked.after else ''}: **{escape(pair['over'])}** above and "
        f"**{escape(pair['under'])}** below their searched shares{ratio} :small[:gray["
        f"{signed(pair['departure_over'])} and {signed(pair['departure_under'])} standard errors of a blind draw; "
        "groups with few searched rows are not "
        "compared]]"
    )


# -- impact ratios ----------------------------------------------------------------------------------------------------


def _impact(ranked: RankResult, arms: Mapping[str, ArmResult]) -> None:
    """Selection rates and their ratios; with an edit those after it."""
    name, arm = list(arms.items())[-1]
    of = f", {name} the edit" if name == "after" else ""
    st.markdown(
        f"**Impact ratios{of}** :small[:gray[as New York City's Local Law 144 counts them: rate of a group over that "
        "of the group with the highest]]"
    )
    numbers = arm.numbers
    _table(impact_rows(ranked.part.groups, numbers.impact, numbers.scoring))
    st.caption(
        "Selected: retrieved. Scored: above the median score of all searched rows. For orientation: these ratios are "
        "no test and have no pass mark. Groups under 2 % of the data are shown, and are never the benchmark."
    )


def impact_rows(groups: Sequence[str], impact: Impact, scoring: Impact | None) -> Rows:
    """A row a group, and one of unknown rows where there are some."""
    names = [*groups, UNKNOWN if UNKNOWN not in groups else f"({UNKNOWN})"]
    rows = []
    for i, (name, counted) in enumerate(zip(names, impact.rows, strict=False)):
        marks = ["benchmark"] if counted.benchmark else []
        marks += ["under 2 % of the data"] if counted.under_2_percent else []
        row = {
            "": escape(name) + (f" :small[:gray[{', '.join(marks)}]]" if marks else ""),
            "Rows": grey(f"{counted.n:,} ({percent(counted.share)})"),
            "Selected": f"{counted.count:,}",
            "Selection rate": percent(counted.rate, 1) if counted.n else "–",
            "Impact ratio": grey(ratio_text(counted.ratio)),
        }
        if scoring is not None:
            scored = scoring.rows[i]
            row |= {
                "Scoring rate": percent(scored.rate, 1) if scored.n else "–",
                "Scoring ratio": grey(ratio_text(scored.ratio)),
            }
        rows.append(row)
    return rows


# -- intersections ----------------------------------------------------------------------------------------------------


def _intersection(state: AppState, question: results.Asked, ranked: RankResult) -> None:
    """Representation ratios of all combinations with another attribute."""
    gallery = question.gallery
    first, *crossed = gallery.components(ranked.request.attribute)
    others = [name for name in gallery.attributes if name != first]
    if not others:
        return
    CROSSED_WITH.among(state, others if CROSSED_WITH.of(state) in others else [*crossed[:1], *others])
    title, which = st.columns([2.2, 1], vertical_alignment="center")
    title.markdown(
        f"**Combinations with {escape(first)}{', after the edit' if ranked.after else ''}** "
        ":small[:gray[ratio of retrieved to searched share; pale: no lean beyond chance by itself]]"
    )
    which.selectbox("Cross with", others, label_visibility="collapsed", **CROSSED_WITH.mirrored(state))
    second = CROSSED_WITH.among(state, others)
    number_of = len(gallery.groups(first)) * len(gallery.groups(second))
    if number_of > MOST_CELLS:
        st.caption(f"{escape(first)} and {escape(second)} have {number_of} combinations, too many to be drawn.")
        return
    groups, lean = crossed_lean(question.scene, ranked, f"{first}{CROSS}{second}")
    rows, columns, places = grid(gallery, groups, first, second)
    told = ", ".join(
        f"{r} {c} {lean.groups[i].ratio.estimate:.2f}"
        for (r, c), i in places.items()
        if lean.groups[i].ratio.estimate is not None
    )
    provenance.chart(
        lean_charts.representation(lean, places, rows, columns),
        key="intersections",
        config=charts.config(f"intersections-{first}-{second}"),
        alt=f"Ratios of retrieved to searched share: {told}.",
    )


def crossed_lean(scene: Scene, ranked: RankResult, attribute: str) -> tuple[tuple[str, ...], Lean]:
    """The combinations that the searched rows hold, and the lean of the list on the page, counted by them."""
    part = part_of(scene, replace(ranked.request, attribute=attribute, target="gallery"))
    top = np.searchsorted(part.rows, (ranked.after or ranked.before).rows)
    return part.groups, lean_of_top(part, top, seed=ranked.request.seed)


def grid(
    gallery: Gallery, groups: Sequence[str], first: str, second: str
) -> tuple[list[str], list[str], dict[tuple[str, str], int]]:
    """Rows, columns and the place of each combination among `groups`; rows are the fewer."""
    place = {group: i for i, group in enumerate(groups)}
    cells = {
        (a, b): place[f"{a}{CROSS}{b}"]
        for a in gallery.groups(first)
        for b in gallery.groups(second)
        if f"{a}{CROSS}{b}" in place
    }
    firsts = [a for a in gallery.groups(first) if any(cell[0] == a for cell in cells)]
    seconds = [b for b in gallery.groups(second) if any(cell[1] == b for cell in cells)]
    if len(firsts) <= len(seconds):
        return firsts, seconds, cells
    return seconds, firsts, {(b, a): i for (a, b), i in cells.items()}


# -- to take away -----------------------------------------------------------------------------------------------------


def tidy(ranked: RankResult) -> str:
    """Every number of the page as a table: one estimate a line, with what it depends on."""
    rows: list[list[Any]] = []
    request = ranked.request
    for arm, given in (("before", ranked.before), ("after", ranked.after), ("difference", ranked.difference)):
        if given is None:
            continue
        named: list[tuple[str, str, Estimate, float | None]] = [
            ("", name, e, None) for name, e in given.metrics.items()
        ]
        named += [(group, "share", e, None) for group, e in given.shares.items()]
        if isinstance(given, ArmResult):
            numbers = given.numbers
            for group, lean, away in zip(numbers.groups, numbers.lean.groups, numbers.distance, strict=True):
                named += [(group, "retrieved", Estimate(lean.retrieved, n=lean.searched), None)]
                named += [
                    (group, "ratio", lean.ratio, lean.p_adjusted),
                    (group, "points", lean.points, lean.p_adjusted),
                ]
                named += [(group, "distance", away.difference, None)]
        for group, metric, e, p in named:
            null = (e.null.lo, e.null.hi) if e.null else ("", "")
            known = [request.query, request.attribute, group, metric, request.k, request.target]
            cells = ["" if v is None else v for v in (e.n, e.estimate, e.lo, e.hi)]
            rows.append([arm, *known, *cells, *null, e.reason or "", "" if p is None else p])
    if ranked.reason is not None:
        known = [request.query, request.attribute, "", "", request.k, request.target]
        for arm in ("after", "difference"):
            rows.append([arm, *known, *[""] * 6, ranked.reason, ""])
    return csv_text(COLUMNS, rows)

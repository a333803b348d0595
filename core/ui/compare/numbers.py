"""The Numbers view of Compare: lean, distance, metrics, impact ratios and intersections, each with what it rests on."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core.gallery import Gallery
from core.gallery.labels import CROSS
from core.metrics import headline_metrics, meaning_of
from core.ranking import ArmResult, RankResult
from core.statistics import MINIMUM_N, Estimate, GroupDistance, GroupLean, Impact, Lean, lean_of
from core.ui.compare import lean_charts, performance
from core.ui.parts import charts, provenance
from core.ui.parts.wording import change, in_points, number, percent, ratio_text, share_text, signed, value
from core.ui.session import results
from core.ui.session.state import AppState, bind
from core.verdicts import added_up, p_text, points, target_name

COLUMNS = (
    *("arm", "prompt", "attribute", "group", "metric", "k", "target"),
    *("n", "estimate", "lo", "hi", "null_lo", "null_hi", "reason", "p_adjusted"),
)
UNKNOWN = "unknown"
NARROW = "\u00a0"
"""Keeps an interval on one line of its cell."""
MOST_CELLS = 120
"""Combinations up to which an intersection is drawn."""
Rows = list[dict[str, str]]


def view(state: AppState, question: results.Asked, found: RankResult) -> None:
    """All numbers of a ranking, by question: the model first, then the target, then how the law counts."""
    after = found.after
    arms = {"": found.before} if after is None else {"before": found.before, "after": after}
    st.markdown("**Lean** :small[:gray[does the prompt prefer a group, given who was searched? Depends on no target]]")
    _table(lean_rows(found, arms))
    _pair(found, after or found.before)
    asked = target_name(found.request.target)
    st.markdown(f"**Distance to the target** :small[:gray[{asked}; a choice of values, split into two parts]]")
    _table(distance_rows(found, arms))
    st.markdown("**Metrics against the target** :small[:gray[with what a blind draw of these rows would show]]")
    _table(metric_rows(found))
    st.caption("  \n".join(f"**{kind.title}**: {meaning_of(kind)}." for kind in headline_metrics().values()))
    _impact(found, arms)
    _intersection(state, question, found)
    st.markdown("**Precision and recall by group** :small[:gray[where it is known who is relevant]]")
    performance.view(question, found)
    st.caption(
        "Intervals are 95 %: of a biased draw from these rows for shares, ratios and points, score intervals of the "
        f"exchanged rows for changes of share, test inversion for metrics ({found.request.null_draws:,} draws, seed "
        f"{found.request.seed}). p is exact for two groups, adjusted by Holm over more. Groups with fewer than "
        f"{MINIMUM_N} searched rows are marked * and not interpreted."
    )
    st.download_button(
        "Download as CSV", tidy(found), "compare.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )


def _table(rows: Rows) -> None:
    st.table(rows, border="horizontal", hide_index=True)


def _named(group: str, one: GroupLean, arm: str) -> str:
    return f"{group}{'*' if one.small else ''}" + (f", {arm}" if arm else "")


def _by_group(arms: Mapping[str, ArmResult], group: int) -> list[tuple[str, GroupLean, GroupDistance]]:
    return [(arm, one.numbers.lean.groups[group], one.numbers.distance[group]) for arm, one in arms.items()]


def lean_rows(found: RankResult, arms: Mapping[str, ArmResult]) -> Rows:
    """Who was searched, who was retrieved, and how these compare; a row a group and list."""
    rows = []
    for g, group in enumerate(found.part.groups):
        for arm, one, _ in _by_group(arms, g):
            blind = arms[arm].numbers.blind
            rows.append(
                {
                    "": _named(group, one, arm),
                    "Searched": grey(f"{one.searched:,} ({percent(one.base_share)})"),
                    "Retrieved": f"{one.retrieved:,}",
                    "Share": grey(share_text(one.share).rpartition(" of ")[0] or share_text(one.share)),
                    "Blind draw": "–" if blind is None else _range(*blind.shares[g][1:]),
                    "Ratio": grey(ratio_text(one.ratio)),
                    "Points": grey(in_points(one.points)),
                    "p": p_text(one.p_adjusted).removeprefix("p = ").removeprefix("p ").replace(" ", NARROW),
                }
            )
    return rows


def grey(text: str) -> str:
    """The interval of a number in small print."""
    shown, bracket, rest = text.replace(" %", "\u00a0%").partition(" (")
    return f"{shown} :small[:gray[({rest.replace(' ', NARROW)}]]" if bracket else shown


def _range(lo: float, hi: float) -> str:
    return f"{percent(lo)[:-2]} to {percent(hi)}".replace(" ", NARROW)


def distance_rows(found: RankResult, arms: Mapping[str, ArmResult]) -> Rows:
    """Share minus target, what the gallery brings and what the model adds; with an edit the change of share too."""
    rows = []
    for g, group in enumerate(found.part.groups):
        for arm, one, away in _by_group(arms, g):
            row = {
                "": _named(group, one, arm),
                "Target": percent(away.target),
                "Share": percent(one.share.estimate) if one.share.estimate is not None else "–",
                "Difference, points": grey(in_points(away.difference)),
                "The gallery brings": "–",
                "The model adds": "–",
            }
            if away.difference.estimate is not None:
                _, row["The gallery brings"], row["The model adds"] = added_up(
                    away.difference.estimate, away.composition or 0.0, away.model or 0.0
                )
            if found.difference is not None:
                row["Change of share"] = change(found.difference.shares[group], points) if arm == "after" else ""
            rows.append(row)
    return rows


def metric_rows(found: RankResult) -> Rows:
    """Metrics before, after and their difference; what a blind draw shows stands beside them as context alone."""
    rows, blind = [], found.before.numbers.blind
    for name, kind in headline_metrics().items():
        row = {"": kind.title, "Before" if found.after else "Value": value(found.before.metrics[name])}
        if found.after is not None and found.difference is not None:
            row |= {"After": value(found.after.metrics[name]), "Change": change(found.difference.metrics[name])}
        band = blind.metrics.get(name) if blind is not None else None
        shown = "–" if band is None else f"{number(band.mean)} ({number(band.lo)} to {number(band.hi)})"
        rows.append(row | {"Blind draw": grey(shown)})
    return rows


def _pair(found: RankResult, arm: ArmResult) -> None:
    """The groups that depart most upwards and most downwards, where there are more than two."""
    pair = arm.numbers.worst_pair
    if pair is None or len(found.part.groups) < 3:
        return
    ratio = "" if pair["ratio"] is None else f", {pair['ratio']:.1f} times as often for its searched share"
    st.markdown(
        f"Furthest apart{' after' if found.after else ''}: **{pair['over']}** above and **{pair['under']}** below "
        f"their searched shares{ratio} :small[:gray[{signed(pair['departure_over'])} and "
        f"{signed(pair['departure_under'])} standard errors of a blind draw; groups with few searched rows are not "
        "compared]]"
    )


# -- impact ratios ----------------------------------------------------------------------------------------------------


def _impact(found: RankResult, arms: Mapping[str, ArmResult]) -> None:
    """Selection rates and their ratios; with an edit those after it."""
    name, arm = list(arms.items())[-1]
    of = f", {name} the edit" if name == "after" else ""
    st.markdown(
        f"**Impact ratios{of}** :small[:gray[as New York City's Local Law 144 counts them: rate of a group over that "
        "of the group with the highest]]"
    )
    numbers = arm.numbers
    _table(impact_rows(found.part.groups, numbers.impact, numbers.scoring))
    st.caption(
        "Selected: retrieved. Scored: above the median score of all searched rows. For orientation: these ratios are "
        "no test and have no pass mark. Groups under 2 % of the data are shown, and are never the benchmark."
    )


def impact_rows(groups: Sequence[str], impact: Impact, scoring: Impact | None) -> Rows:
    """A row a group, and one of unknown rows where there are some."""
    names = [*groups, UNKNOWN if UNKNOWN not in groups else f"({UNKNOWN})"]
    rows = []
    for i, (name, one) in enumerate(zip(names, impact.rows, strict=False)):
        marks = ["benchmark"] if one.benchmark else []
        marks += ["under 2 % of the data"] if one.under_2_percent else []
        row = {
            "": name + (f" :small[:gray[{', '.join(marks)}]]" if marks else ""),
            "Rows": grey(f"{one.n:,} ({percent(one.share)})"),
            "Selected": f"{one.count:,}",
            "Selection rate": percent(one.rate, 1) if one.n else "–",
            "Impact ratio": grey(ratio_text(one.ratio)),
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


def _intersection(state: AppState, question: results.Asked, found: RankResult) -> None:
    """Representation ratios of all combinations with another attribute."""
    gallery = question.gallery
    first, *crossed = gallery.components(found.request.attribute)
    others = [name for name in gallery.attributes if name != first]
    if not others:
        return
    if state.filters.get("numbers-cross") not in others:
        state.set_filter("numbers-cross", crossed[0] if crossed else others[0])
    title, which = st.columns([2.2, 1], vertical_alignment="center")
    title.markdown(
        f"**Combinations with {first}{', after the edit' if found.after else ''}** :small[:gray[ratio of retrieved to "
        "searched share; pale: no lean beyond chance by itself]]"
    )
    which.selectbox("Cross with", others, label_visibility="collapsed", **bind("filters", "numbers-cross"))
    second = state.filters["numbers-cross"]
    number_of = len(gallery.groups(first)) * len(gallery.groups(second))
    if number_of > MOST_CELLS:
        st.caption(f"{first} and {second} have {number_of} combinations, too many to be drawn.")
        return
    groups, lean = crossed_lean(gallery, found, f"{first}{CROSS}{second}")
    rows, columns, places = grid(gallery, groups, first, second)
    said = ", ".join(
        f"{r} {c} {lean.groups[i].ratio.estimate:.2f}"
        for (r, c), i in places.items()
        if lean.groups[i].ratio.estimate is not None
    )
    provenance.chart(
        lean_charts.representation(lean, places, rows, columns),
        key="intersections",
        config=charts.config(f"intersections-{first}-{second}"),
        alt=f"Ratios of retrieved to searched share: {said}.",
    )


def crossed_lean(gallery: Gallery, found: RankResult, attribute: str) -> tuple[tuple[str, ...], Lean]:
    """The combinations that the searched rows hold, and the lean of the list on the page, counted by them."""
    arm = found.after or found.before
    numbers = gallery.group_numbers(attribute)
    n_groups = len(gallery.groups(attribute))
    searched, retrieved = (
        np.bincount(numbers[rows][numbers[rows] >= 0], minlength=n_groups) for rows in (found.part.rows, arm.rows)
    )
    there = np.flatnonzero(searched)
    groups = tuple(gallery.groups(attribute)[g] for g in there)
    return groups, lean_of(searched[there].tolist(), retrieved[there].tolist())


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
    one = [a for a in gallery.groups(first) if any(cell[0] == a for cell in cells)]
    other = [b for b in gallery.groups(second) if any(cell[1] == b for cell in cells)]
    if len(one) <= len(other):
        return one, other, cells
    return other, one, {(b, a): i for (a, b), i in cells.items()}


# -- to take away -----------------------------------------------------------------------------------------------------


def tidy(found: RankResult) -> str:
    """Every number of the page as a table: one estimate a line, with what it depends on."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    request = found.request
    for arm, given in (("before", found.before), ("after", found.after), ("difference", found.difference)):
        if given is None:
            continue
        named = [("", name, e, None) for name, e in given.metrics.items()]
        named += [(group, "share", e, None) for group, e in given.shares.items()]
        if isinstance(given, ArmResult):
            numbers = given.numbers
            for group, one, away in zip(numbers.groups, numbers.lean.groups, numbers.distance, strict=True):
                named += [(group, "retrieved", Estimate(one.retrieved, n=one.searched), None)]
                named += [(group, "ratio", one.ratio, one.p_adjusted), (group, "points", one.points, one.p_adjusted)]
                named += [(group, "distance", away.difference, None)]
        for group, metric, e, p in named:
            null = (e.null.lo, e.null.hi) if e.null else ("", "")
            known = [request.query, request.attribute, group, metric, request.k, request.target]
            cells = ["" if v is None else v for v in (e.n, e.estimate, e.lo, e.hi)]
            table.writerow([arm, *known, *cells, *null, e.reason or "", "" if p is None else p])
    if found.reason is not None:
        known = [request.query, request.attribute, "", "", request.k, request.target]
        for arm in ("after", "difference"):
            table.writerow([arm, *known, *[""] * 6, found.reason, ""])
    return written.getvalue()

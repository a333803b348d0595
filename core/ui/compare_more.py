"""The other views of Compare: all numbers, the controls that belong beside them, and what the edit costs."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from core.ranking import ControlsResult, RankResult, ZeroshotCost
from core.statistics import Estimate
from core.ui import charts, charts_scenes, provenance, results
from core.ui.jobs import progress
from core.ui.wording import (
    METRIC_HELP,
    METRIC_NAMES,
    band_text,
    interval_of,
    number,
    percent,
    reading,
    share_text,
    signed,
)

COLUMNS = (
    *("arm", "prompt", "attribute", "group", "metric", "k", "target"),
    *("n", "estimate", "lo", "hi", "null_lo", "null_hi", "reason"),
)

# -- numbers ----------------------------------------------------------------------------------------------------------


def numbers(found: RankResult) -> None:
    """Metrics before, after and their difference, each with its interval and what chance alone would show."""
    rows = []
    for name, title in METRIC_NAMES.items():
        before = found.before.metrics[name]
        row = {"": title, "Before": value(before)}
        last = before
        if found.after is not None and found.difference is not None:
            last = found.after.metrics[name]
            row |= {"After": value(last), "Change": change(found.difference.metrics[name])}
        rows.append(row | {"By chance": band_text(before), "Which is": reading(last)})
    st.table(rows, border="horizontal", hide_index=True)
    st.caption("  \n".join(f"**{METRIC_NAMES[name]}**: {text}." for name, text in METRIC_HELP.items()))
    share_rows = []
    for group, share in found.before.shares.items():
        row = {"": group, "Before": share_text(share)}
        if found.after is not None and found.difference is not None:
            moved = found.difference.shares[group]
            row |= {"After": share_text(found.after.shares[group]), "Change, points": change(moved, points)}
        share_rows.append(row | {"In the gallery": _in_gallery(found, group)})
    st.table(share_rows, border="horizontal", hide_index=True)
    pair = found.part.worst_pair(found.after or found.before)
    if pair is not None and len(found.part.groups) > 2:
        st.markdown(
            f"Furthest apart {'after' if found.after else 'before'}: **{pair['over']}**, {pair['ratio']:.1f} times as "
            f"often for its target as **{pair['under']}** "
            f":small[:gray[{pair['n_over']:,} and {pair['n_under']:,} searched rows; smaller groups are not compared]]"
        )
    st.caption(
        "Intervals are 95 %: Wilson for shares, test inversion for metrics, paired draws for changes. "
        f"“By chance” is where the metric lies when labels are shuffled ({found.request.null_draws:,} draws, "
        f"seed {found.request.seed})."
    )
    st.download_button(
        "Download as CSV",
        tidy(found),
        "compare.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def value(e: Estimate) -> str:
    """A metric with its interval, or why there is none."""
    return e.reason or "–" if e.estimate is None else f"{number(e.estimate)} :small[:gray[{interval_of(e)}]]"


def points(share: float | None) -> str:
    """A difference of shares in percentage points."""
    return "–" if share is None else f"{100 * share:+.0f}".replace("-", "−")


def change(e: Estimate, write: Callable[[float], str] = signed) -> str:
    """A difference with its interval; a difference of 0 is printed as such."""
    if e.estimate is None:
        return e.reason or "–"
    inside = "" if e.lo is None or e.hi is None else f" :small[:gray[({write(e.lo)} to {write(e.hi)})]]"
    return write(e.estimate) + inside


def _in_gallery(found: RankResult, group: str) -> str:
    count = found.part.counts[found.part.groups.index(group)]
    return f"{percent(count / sum(found.part.counts))} of {sum(found.part.counts):,}"


def tidy(found: RankResult) -> str:
    """Every number of the page as a table: one estimate a line, with what it depends on."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    request = found.request
    for arm, given in (("before", found.before), ("after", found.after), ("difference", found.difference)):
        if given is None:
            continue
        named = [("", name, e) for name, e in given.metrics.items()]
        named += [(group, "share", e) for group, e in given.shares.items()]
        for group, metric, e in named:
            null = (e.null.lo, e.null.hi) if e.null else ("", "")
            known = [request.query, request.attribute, group, metric, request.k, request.target]
            table.writerow([arm, *known, *_cells([e.n, e.estimate, e.lo, e.hi]), *null, e.reason or ""])
    return written.getvalue()


def _cells(values: Sequence[float | None]) -> list[float | str]:
    return ["" if v is None else v for v in values]


# -- scenes -----------------------------------------------------------------------------------------------------------


def scenes(found: RankResult) -> None:
    """Two groups inside the same scene: one figure of all scenes, and the three numbers with their intervals."""
    inside = found.scenes
    if inside is None or inside.before is None:
        column = inside.column if inside is not None else "the column that keeps rows together"
        st.info(
            f"No two groups of {found.request.attribute} meet in one scene (by {column}) of what is searched, so "
            "nothing can be compared inside scenes. Another attribute may."
        )
        return
    first, second = inside.groups
    n, arm = len(inside.names), inside.after or inside.before
    often, ahead, behind = arm.ahead, first, second
    if often.estimate < 0.5:
        often, ahead, behind = Estimate(1 - often.estimate, 1 - often.hi, 1 - often.lo, often.n), second, first
    p = "p < 0.001" if arm.p < 0.001 else f"p = {arm.p:.2g}"
    st.markdown(
        f"Inside {n:,} scenes that show both, **{ahead}** is nearer to the prompt than **{behind}** in "
        f"**{share_text(often)}**{' after the edit' if inside.after else ''}; the score gap is "
        f"{'beyond chance' if arm.p <= 0.05 else 'not beyond chance'} :small[:gray[({p})]]."
    )
    arms = {"before": inside.before} | ({"after": inside.after} if inside.after else {})
    gaps = {name: own.scores for name, own in zip(arms, inside.gaps, strict=True)}
    means = {name: own.score_gap for name, own in arms.items()}
    words = ", ".join(f"{mean.estimate:+.3f} {name}" for name, mean in means.items())
    provenance.chart(
        charts_scenes.scenes(gaps, means, inside.names, (first, second)),
        key="scenes",
        config=charts.config("scenes"),
        alt=f"Score gap of {first} minus {second} in {n} scenes, mean {words}.",
    )
    shown = {"Before": inside.before, "After": inside.after, "Change": inside.change}
    rows: list[dict[str, str]] = [{"": f"Score gap, {first} − {second}"}, {"": "Gap in places"}, {"": f"{first} ahead"}]
    for title, own in shown.items():
        if own is not None:
            moved = title == "Change"
            rows[0][title] = change(own.score_gap, _fine)
            rows[1][title] = change(own.rank_gap, _places)
            rows[2][title] = change(own.ahead, points) + " points" if moved else share_text(own.ahead)
    st.table(rows, border="horizontal", hide_index=True)
    others = f" {inside.others:,} scenes or single items show one of them only." if inside.others else ""
    st.caption(
        f"Scenes are the rows with the same {inside.column}; each counts once.{others} Places: of all searched items, "
        f"below 0 {first} stands further up. Intervals are 95 %: signs turned over scenes, Wilson for the share."
        + (f" {inside.before.score_gap.note.capitalize()}." if inside.before.score_gap.note else "")
    )


def _fine(value: float) -> str:
    """A difference of cosines, which are small."""
    return f"{value:+.4f}".replace("-", "−")


def _places(value: float) -> str:
    return f"{value:+,.1f}".replace("-", "−")


# -- controls ---------------------------------------------------------------------------------------------------------

NOTHING = "Nothing is switched, so there is nothing to set against chance. Switch a neuron at the left."
NO_NEURONS = "This method switches no neurons, so there are no random neurons to set beside it."


def controls(question: results.Asked) -> None:
    """MaxSkew of the original, the SAE by itself, the chosen neurons and matched random ones, in one figure."""
    if not any(edit.neurons for edit in question.request.edits.values()):
        st.info(NOTHING if results.needs_edit(question) else NO_NEURONS)
        return
    with progress("Controls") as report:
        found = results.controls(question, report)
    named = {"original": found.original, "reconstruction only": found.reconstruction_only}
    named |= {found.projection.name: found.projection} if found.projection else {}
    named["this edit"] = found.chosen
    values = {name: arm.max_skew.estimate for name, arm in named.items()}
    draws = [arm.max_skew.estimate for arm in found.random if arm.max_skew.estimate is not None]
    k = question.request.k
    words = ", ".join(f"{name} {number(skew)}" for name, skew in values.items())
    provenance.chart(
        charts.controls(values, draws, found.original.max_skew.null, f"MaxSkew of the {k} nearest; 0 is no skew"),
        key="controls",
        config=charts.config("controls"),
        alt=f"MaxSkew: {words}; random neurons {number(min(draws))} to {number(max(draws))} in {len(draws)} draws.",
    )
    as_low = sum(skew <= (values["this edit"] or 0.0) for skew in draws)
    st.markdown(
        f"{as_low} of {len(draws)} draws of random neurons, matched in number and firing rate, lower MaxSkew as far as "
        f"this edit does (p = {found.p_value:.2f}). The SAE's reconstruction alone changes it from "
        f"{number(values['original'])} to {number(values['reconstruction only'])}. Against the original this edit "
        f"changes MaxSkew by {change(found.chosen.change)}" + _rival(found) + "."
    )
    random_cosine = sum(arm.cosine for arm in found.random) / len(found.random)
    st.caption(
        f"Mean cosine to the original: this edit {found.chosen.cosine:.3f}, reconstruction only "
        f"{found.reconstruction_only.cosine:.3f}, random neurons {random_cosine:.3f} on average"
        + (f", {found.projection.name} {found.projection.cosine:.3f}." if found.projection else ".")
    )


def _rival(found: ControlsResult) -> str:
    """What removing the difference of the groups' means does instead, or why that is not known."""
    if found.projection is None:
        return f" (no mean-difference projection: {found.projection_reason})"
    return f", the mean-difference projection by {change(found.projection.change)}"


# -- cost -------------------------------------------------------------------------------------------------------------


def cost(question: results.Asked) -> None:
    """What the model still knows: other attributes, how far items moved, and queries that name a group outright."""
    if not question.request.intervenes:
        st.info("Nothing is switched, so nothing is lost. Switch a neuron at the left.")
        return
    with progress("What it costs") as report:
        found = results.cost(question, report)
    moved, cosine, explicit = st.columns(3)
    moved.metric("Items moved", percent(found.rows_changed / found.n), help=f"{found.rows_changed:,} of {found.n:,}")
    cosine.metric("Mean cosine to the original", f"{found.cosine_mean:.3f}", help="1: nothing moved")
    explicit.metric("Smallest cosine", f"{found.cosine_min:.3f}")
    attribute = question.request.attribute
    st.markdown("**Other attributes** :small[:gray[share recognised right by class prompts, with 95 % interval]]")
    right = {a: (c.before.accuracy, c.after.accuracy) for a, c in found.zeroshot.items() if c.before and c.after}
    _dumbbells(right, "cost-attributes", "Accuracy before and after")
    for name, c in found.zeroshot.items():
        if c.reason:
            st.caption(f"{name}: {c.reason}")
    if not found.zeroshot:
        st.caption("No attribute of this gallery besides the edited one has class prompts.")
    st.markdown(
        f"**Queries that name a {attribute}** :small[:gray[AUC: 100 % finds that group first, 50 % is guessing]]"
    )
    _dumbbells({q: (c.before, c.after) for q, c in found.explicit.items()}, "cost-explicit", "AUC before and after")
    if not found.explicit:
        st.caption(f"There are no class prompts for {attribute}, so no query names its groups.")
    left = found.leakage
    st.markdown(
        f"**Is {attribute} gone?** :small[:gray[AUC of a linear probe that reads it off the items, cross-validated; "
        "50 % is guessing]]"
    )
    _dumbbells({f"probe for {attribute}": (left.before, left.after)}, "cost-leakage", "AUC before and after")
    if left.after.estimate is not None:
        st.caption(
            f"Change {change(left.difference)}, n = {left.after.n:,}, {left.rows}. A neuron that is off does not mean "
            f"that {attribute} can no longer be read."
        )
    worst = "; ".join(f"{a} {_worst(c)}" for a, c in found.zeroshot.items() if c.before and c.after)
    st.caption(
        "An edit after which such queries find nobody has made the model blind, not fair."
        + (f" Worst-group accuracy: {worst}." if worst else "")
    )


def _dumbbells(rows: Mapping[str, tuple[Estimate, Estimate]], key: str, what: str) -> None:
    """The rows that have numbers as a figure, the others with their reasons."""
    drawn = {name: pair for name, pair in rows.items() if None not in (pair[0].estimate, pair[1].estimate)}
    if drawn:
        words = ", ".join(f"{name} {percent(b.estimate)} to {percent(a.estimate)}" for name, (b, a) in drawn.items())
        provenance.chart(charts.before_after(drawn), key=key, config=charts.config(key), alt=f"{what}: {words}.")
    for name in rows.keys() - drawn.keys():
        st.caption(f"{name}: {rows[name][0].reason or rows[name][1].reason}")


def _worst(c: ZeroshotCost) -> str:
    return f"{c.before.worst_group} {percent(c.before.worst.estimate)} → {percent(c.after.worst.estimate)}"

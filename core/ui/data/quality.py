"""How good SAEs are on the chosen gallery: side by side, then one in detail, with a verdict in words."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.config import HALVES, Half, InputError
from core.ui.data import sae_charts
from core.ui.parts import provenance
from core.ui.parts.charts import config
from core.ui.parts.grids import escape as plain
from core.ui.session import cache, fit, folders, jobs
from core.ui.session.state import get_state

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.neurons.sae_quality import QualityReport

OWN = "the gallery's own embeddings (not independent)"
MOST = 8
"""SAEs that are compared at a time."""
GAP_HELP = (
    "Every pair of items is counted, none is drawn; intervals (95 %) are jackknifed over items. A larger gap means "
    "that items of one group lie closer together than items do in general."
)
SCORE_HELP = (
    "Mean cosine of pairs of items, weighted by how strongly the neuron fires on both. A neuron that fires at random "
    "would get the mean over all pairs, the orange line."
)


def compare() -> None:
    """Choose SAEs, then see them in one table and each with its curves."""
    gallery, state = cache.current_gallery(), get_state()
    fitting = _fitting(gallery)
    if not fitting:
        st.info(f"No SAE reads the gallery {plain(gallery.name)}: train one, or choose another gallery.")
        return
    chosen = state.saes.get(gallery.side)
    left, middle, right = st.columns([2, 1, 1.4], gap="medium")
    names = left.multiselect(
        "SAEs",
        list(fitting),
        default=[chosen] if chosen in fitting else list(fitting)[:1],
        max_selections=MOST,
        format_func=lambda name: Path(name).name,
    )
    half = middle.selectbox(
        "Rows", _halves(gallery), format_func=lambda half: half if half == "all" else f"{half} half"
    )
    reference = right.selectbox(
        "Judged by",
        [OWN, *_references(gallery)],
        format_func=lambda name: name if name == OWN else Path(name).name,
        help="Monosemanticity asks whether a neuron's items look alike to an encoder, best to an independent one: "
        "a gallery of the same items embedded by another model.",
    )
    reports = {name: _report(gallery, name, half, None if reference == OWN else reference) for name in names}
    if not reports:
        st.caption("Choose one or more SAEs.")
        return
    _table(reports)
    if len(reports) > 1:
        points = {report.sae: (report.quality.l0, report.quality.fvu) for report in reports.values()}
        words = "; ".join(f"{name}: l0 {l0:.1f}, fvu {fvu:.3f}" for name, (l0, fvu) in points.items())
        provenance.chart(
            sae_charts.trade_off(points),
            lines=_facts(*reports.values()),
            key="sae-trade-off",
            config=config("sae-trade-off"),
            alt=words,
        )
        shown = st.selectbox("In detail", list(reports), format_func=lambda name: Path(name).name)
    else:
        shown = next(iter(reports))
    _detail(reports[shown])


def _fitting(gallery: "Gallery") -> dict[str, str]:
    """SAEs that read the gallery's items: name or folder -> digest. Folders that cannot be read are passed over."""
    saes, chosen = {}, get_state().saes.get(gallery.side)
    for name in dict.fromkeys([*([chosen] if chosen else []), *folders.known("saes")]):
        try:
            card = cache.sae_card(name)
        except InputError:
            continue
        other = card.fingerprint is not None and card.fingerprint.side != gallery.side
        if not other and fit.own_side(card, gallery) is None:
            saes[name] = card.digest
    return saes


def _halves(gallery: "Gallery") -> list[Half]:
    """The halves that the gallery has."""
    there = gallery.info()["halves"]
    return [half for half in HALVES if half == "all" or there.get(half)]


def _references(gallery: "Gallery") -> list[str]:
    """Galleries of as many items that another model embedded; whether the items are the same is seen when used."""
    names = []
    for name in folders.known("galleries"):
        try:
            other = cache.gallery(name)
        except InputError:
            continue
        if other.n == gallery.n and other.fingerprint().weights != gallery.fingerprint().weights:
            names.append(name)
    return names


def _report(gallery: "Gallery", name: str, half: Half, reference: str | None) -> "QualityReport":
    """The report of one SAE, computed once for what it depends on."""
    from core.neurons.sae_quality import quality_report

    file = cache.sae(name)
    against = None if reference is None else cache.gallery(reference)
    parts = [gallery.digest, file.digest, half, None if against is None else against.digest]

    def compute() -> "QualityReport":
        with jobs.progress(f"Measuring {file.name}") as report:
            return quality_report(gallery, file, half, against, report)

    return cache.result("sae quality", parts, compute)


def _table(reports: dict[str, "QualityReport"]) -> None:
    """One line an SAE; the table's own menu saves it as CSV."""
    rows = [
        {
            "SAE": report.sae,
            "architecture": report.arch,
            "neurons": report.d_sae,
            "k": report.k,
            "n": report.quality.n,
            "fvu": report.quality.fvu,
            "l0": report.quality.l0,
            "dead": report.quality.dead_fraction,
            "monosemanticity": report.median_monosemanticity,
            "random pairs": report.random_pairs,
            "verdict": report.verdict()[0],
        }
        for report in reports.values()
    ]
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "fvu": number(format="%.4f", help="Fraction of variance missed: 0 perfect, 1 no better than the mean"),
            "l0": number(format="%.1f", help="Active neurons an item"),
            "dead": number(format="percent", help="Neurons that never fire on these items"),
            "monosemanticity": number(format="%.3f", help=f"Median over the neurons. {SCORE_HELP}"),
            "random pairs": number(format="%.3f", help="Mean cosine of all pairs: what a neuron without meaning gets"),
            "verdict": st.column_config.TextColumn(width="large"),
        },
    )


def _detail(report: "QualityReport") -> None:
    """Verdict, firing rates, monosemanticity and similarity gaps of one SAE."""
    from core.neurons.sae_quality import rate_histogram

    with st.container(border=True):
        st.markdown(f"**{plain(report.sae)}** on {plain(report.gallery)}, n = {report.quality.n:,}")
        for line in report.verdict():
            st.markdown(f"- {plain(line)}")
    left, right = st.columns(2, gap="medium")
    edges, counts = rate_histogram(report.quality.firing_rate, report.quality.n)
    dead = report.d_sae - int(counts.sum())
    with left:
        st.markdown("**How often neurons fire**")
        provenance.chart(
            sae_charts.firing_rates(edges.tolist(), counts.tolist(), dead),
            lines=_facts(report),
            key="sae-rates",
            config=config(f"firing-rates-{report.sae}"),
            alt=f"Histogram of firing rates: {int(counts.sum()):,} neurons fire, {dead:,} never do.",
        )
    with right:
        _scores(report)
    _gaps(report)
    _neurons(report)


def _facts(*reports: "QualityReport") -> dict[str, str]:
    """What the figures of some SAEs on the same rows depend on."""
    first = reports[0]
    lines = {"gallery": f"{first.gallery}, {first.quality.n:,} items, digest {first.gallery_digest}"}
    lines |= {f"SAE {number}": f"{one.sae}, digest {one.sae_digest}" for number, one in enumerate(reports, 1)}
    return lines | {"rows": first.half}


def _scores(report: "QualityReport") -> None:
    known = [score for score in report.monosemanticity.tolist() if score == score]
    st.markdown("**Monosemanticity: do a neuron's items look alike?**", help=SCORE_HELP)
    if not known:
        st.caption("No neuron fires on two items, so that none has a score.")
        return
    provenance.chart(
        sae_charts.scores(known, report.random_pairs, "random pairs", f"score of {len(known):,} neurons"),
        lines=_facts(report) | {"judged by": report.reference},
        key="sae-scores",
        config=config(f"monosemanticity-{report.sae}"),
        alt=f"Median {report.median_monosemanticity:.3f}, random pairs {report.random_pairs:.3f}.",
    )
    st.caption(f"Judged by {plain(report.reference)}.")


def _gaps(report: "QualityReport") -> None:
    gaps = {gap.attribute: (gap.before.gap, gap.after.gap) for gap in report.gaps if gap.change.estimate is not None}
    st.markdown("**Do items of one group look alike, before and after the SAE?**", help=GAP_HELP)
    if not gaps:
        st.caption("The gallery has no attribute with two items of one group.")
        return
    provenance.chart(
        sae_charts.similarity_gaps(gaps),
        lines=_facts(report),
        key="sae-gaps",
        config=config(f"similarity-gap-{report.sae}"),
        alt="; ".join(f"{name}: {a.estimate:.3f} before, {b.estimate:.3f} after" for name, (a, b) in gaps.items()),
    )
    lines = [
        {
            "attribute": gap.attribute,
            "items": gap.n,
            "pairs": gap.pairs,
            "sharing": gap.shared_pairs,
            **{
                f"{name}, {space}": getattr(similarity, kind).estimate
                for space, similarity in (("embeddings", gap.before), ("codes", gap.after))
                for name, kind in (("all pairs", "random"), ("sharing", "shared"))
            },
            "change of the gap": gap.change.estimate,
            "from": gap.change.lo,
            "to": gap.change.hi,
        }
        for gap in report.gaps
        if gap.change.estimate is not None
    ]
    with st.expander("The numbers: mean cosines, pairs and intervals"):
        st.dataframe(pd.DataFrame(lines).round(4), hide_index=True)


def _neurons(report: "QualityReport") -> None:
    with st.expander(f"All {report.d_sae:,} neurons"):
        frame = pd.DataFrame(
            {
                "neuron": range(report.d_sae),
                "fires on": report.quality.firing_rate,
                "items": (report.quality.firing_rate * report.quality.n).round().astype(int),
                "monosemanticity": report.monosemanticity,
            }
        )
        columns = {
            "fires on": st.column_config.NumberColumn(format="percent"),
            "monosemanticity": st.column_config.NumberColumn(format="%.3f"),
        }
        st.dataframe(frame, hide_index=True, height=320, column_config=columns)

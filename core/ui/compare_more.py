"""The other views of Compare: all numbers, the controls that belong beside them, and what the edit costs."""

import csv
import io
from collections.abc import Sequence

import streamlit as st

from core.audit import RankResult
from core.statistics import Estimate
from core.ui import results
from core.ui.state import AppState
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
        rows.append(row | {"Without bias": band_text(before), "Which is": reading(last)})
    st.table(rows, border="horizontal", hide_index=True)
    st.caption("  \n".join(f"**{METRIC_NAMES[name]}**: {text}." for name, text in METRIC_HELP.items()))
    share_rows = []
    for group, share in found.before.shares.items():
        row = {"": group, "Before": share_text(share)}
        if found.after is not None and found.difference is not None:
            moved = found.difference.shares[group]
            row |= {"After": share_text(found.after.shares[group]), "Change": change(moved, points)}
        share_rows.append(row | {"In the gallery": _in_gallery(found, group)})
    st.table(share_rows, border="horizontal", hide_index=True)
    st.caption(
        "Intervals are 95 %: Wilson for shares, paired draws for changes. “Without bias” is where the metric lies when "
        f"labels are shuffled ({found.request.null_draws:,} draws, seed {found.request.seed})."
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
    return e.reason or "–" if e.estimate is None else f"{number(e.estimate)} {interval_of(e)}"


def points(share: float | None) -> str:
    """A difference of shares in percentage points."""
    return "–" if share is None else f"{100 * share:+.0f}".replace("-", "−")


def change(e: Estimate, write=signed) -> str:
    """A difference with its interval; a difference of 0 is printed as such."""
    if e.estimate is None:
        return e.reason or "–"
    inside = "" if e.lo is None or e.hi is None else f" ({write(e.lo)} to {write(e.hi)})"
    return write(e.estimate) + inside + (" points" if write is points else "")


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


# -- controls ---------------------------------------------------------------------------------------------------------


def controls(question: results.Asked, found: RankResult) -> None:
    st.info("later")


def cost(state: AppState, question: results.Asked, found: RankResult) -> None:
    st.info("later")

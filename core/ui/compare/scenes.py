"""Inside scenes: two groups of the same scene compared, on Compare, where the gallery keeps rows together."""

import streamlit as st

from core.ranking import RankResult
from core.statistics import Estimate
from core.ui.compare import scene_charts
from core.ui.parts import charts, provenance
from core.ui.parts.wording import change, share_text
from core.ui.session.escaping import escape
from core.verdicts import p_text, points


def view(ranked: RankResult) -> None:
    """Two groups inside the same scene: one figure of all scenes, and the three numbers with their intervals."""
    inside = ranked.scenes
    if inside is None or inside.before is None:
        column = inside.column if inside is not None else "the column that keeps rows together"
        st.info(
            f"No two groups of {escape(ranked.request.attribute)} meet in one scene (by {escape(column)}) "
            "of what is searched, so nothing can be compared inside scenes. Another attribute may."
        )
        return
    first, second = inside.groups
    n, arm = len(inside.names), inside.after or inside.before
    often, ahead, behind = arm.ahead, first, second
    if often.estimate is not None and often.estimate < 0.5:
        lo, hi = (None if end is None else 1 - end for end in (often.hi, often.lo))
        often, ahead, behind = Estimate(1 - often.estimate, lo, hi, often.n), second, first
    st.markdown(
        f"Inside {n:,} scenes that show both, **{escape(ahead)}** is nearer to the prompt than **{escape(behind)}** in "
        f"**{share_text(often)}**{' after the edit' if inside.after else ''} "
        f":small[:gray[(score gap: {p_text(arm.p)})]]."
    )
    arms = {"before": inside.before} | ({"after": inside.after} if inside.after else {})
    gaps = {name: side.scores for name, side in zip(arms, inside.gaps, strict=True)}
    means = {name: side.score_gap for name, side in arms.items()}
    words = ", ".join(f"{mean.estimate:+.3f} {name}" for name, mean in means.items())
    provenance.chart(
        scene_charts.scenes(gaps, means, inside.names, (first, second)),
        key="scenes",
        config=charts.config("scenes"),
        alt=f"Score gap of {first} minus {second} in {n} scenes, mean {words}.",
    )
    shown = {"Before": inside.before, "After": inside.after, "Change": inside.change}
    names = [f"Score gap, {escape(first)} − {escape(second)}", "Gap in places", f"{escape(first)} ahead"]
    rows: list[dict[str, str]] = [{"": name} for name in names]
    for title, side in shown.items():
        if side is not None:
            moved = title == "Change"
            rows[0][title] = change(side.score_gap, _fine)
            rows[1][title] = change(side.rank_gap, _places)
            rows[2][title] = change(side.ahead, points) + " points" if moved else share_text(side.ahead)
    st.table(rows, border="horizontal", hide_index=True)
    others = f" {inside.others:,} scenes or single items show one of them only." if inside.others else ""
    st.caption(
        f"Scenes are the rows with the same {escape(inside.column)}; each counts once.{others} Places: of all "
        f"searched items, below 0 {escape(first)} stands further up. Intervals are 95 %: signs turned over "
        "scenes, Wilson for the share."
        + (f" {escape(inside.before.score_gap.note.capitalize())}." if inside.before.score_gap.note else "")
    )


def _fine(value: float) -> str:
    """A difference of cosines, which are small."""
    return f"{value:+.4f}".replace("-", "−")


def _places(value: float) -> str:
    return f"{value:+,.1f}".replace("-", "−")

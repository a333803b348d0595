"""The figure of Compare's scenes: every scene a dot before and after an edit, the mean with its interval above them."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from core.statistics import Estimate
from core.ui.parts.figures import AFTER, BEFORE, FAINT, INK, TITLED, beside, framed, interval_bars, named_rows

ROW = 96
"""Pixels of a row of dots."""
SPREAD = 0.27
"""Half the height of a cloud of dots, in rows."""
LINED = 150
"""Up to so many scenes the two dots of each are joined; more would be a grey wall."""
GOLDEN = 0.6180339887


def scenes(
    gaps: Mapping[str, np.ndarray], means: Mapping[str, Estimate], names: Sequence[str], groups: tuple[str, str]
) -> go.Figure:
    """Score gap of every scene along, a row an arm; right of 0 the first group is nearer to the prompt.

    Parameters
    ----------
    gaps : "before" and perhaps "after" -> gap of each scene (m,).
    means : the same arms -> mean with interval.
    names : of the scenes (m,).
    groups : the first minus the second.
    """
    figure, m = go.Figure(), len(names)
    # Neighbours of the golden ratio's multiples never meet: heights are spread evenly and repeat with every drawing.
    lift = (((np.arange(m) + 1) * GOLDEN) % 1 - 0.5) * 2 * SPREAD
    values = list(gaps.values())
    if len(values) == 2 and m <= LINED:
        x = [v for pair in zip(*(of_arm.tolist() for of_arm in values), strict=True) for v in (*pair, None)]
        y = [v for at in lift.tolist() for v in (at, 1 + at, None)]
        line = {"color": BEFORE, "width": 1}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, opacity=0.35, hoverinfo="skip", showlegend=False)
    for row, ((arm, of_arm), colour) in enumerate(zip(gaps.items(), (BEFORE, AFTER), strict=False)):
        figure.add_scatter(
            x=of_arm,
            y=row + lift,
            mode="markers",
            marker={"size": 7, "color": colour, "opacity": 0.45 if m <= LINED else FAINT},
            hovertext=[f"{name}, {arm}: {gap:+.3f}" for name, gap in zip(names, of_arm.tolist(), strict=True)],
            hoverinfo="text",
            showlegend=False,
        )
        mean = means[arm]
        bars = interval_bars([mean], INK) if mean.lo is not None else None
        figure.add_scatter(
            x=[mean.estimate],
            y=[row],
            error_x=bars,
            mode="markers",
            marker={"size": 15, "color": colour, "symbol": "diamond", "line": {"width": 2, "color": INK}},
            hovertext=[f"mean of {m} scenes, {arm}: {mean.estimate:+.4f}"],
            hoverinfo="text",
            showlegend=False,
        )
        beside(figure, row, f"{mean.estimate:+.3f}".replace("-", "−"))
    figure.add_vline(x=0, line={"width": 1.5, "color": BEFORE, "dash": "dot"})
    widest = 1.12 * max(float(np.abs(of_arm).max()) for of_arm in values) or 1.0
    title = f"← {groups[1]} nearer to the prompt · score gap in a scene · {groups[0]} nearer →"
    figure.update_xaxes(
        range=[-widest, widest],
        title={"text": title, "font": {"size": 14}},
        zeroline=False,
        fixedrange=True,
    )
    named_rows(figure, list(gaps), room=0.45, size=15)
    figure.update_yaxes(showgrid=False)
    framed(figure, 66 + ROW * len(gaps), right=74, legend=False)
    return figure.update_layout(margin={"b": TITLED})

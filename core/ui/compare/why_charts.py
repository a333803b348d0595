"""Figures of "Why this lean?": who pulls a prompt towards a group, and what ending it would cost."""

import plotly.graph_objects as go

from core.edits import SmallestEdit, WhyResult
from core.ui.parts.figures import AFTER, BAND, BEFORE, INK, PALE, TARGET, beside, framed, interval_bars
from core.ui.parts.wording import number
from core.verdicts import NOT_COMPUTED


def pulls(why: WhyResult) -> go.Figure:
    """Contribution of each neuron to the score gap, signed, with its interval; what none explains last."""
    names = [f"neuron {pull.neuron}" for pull in why.pulls] + ["no neuron"]
    estimates = [pull.contribution for pull in why.pulls] + [why.attribution.rest_estimate]
    values = [e.estimate for e in estimates]
    shares = [None if value is None else why.share_of(value) for value in values]
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=names,
        x=values,
        error_x=interval_bars(estimates, BEFORE),
        marker={"color": [AFTER if value is not None and value > 0 else BEFORE for value in values], "opacity": PALE},
        selected={"marker": {"opacity": PALE}},
        unselected={"marker": {"opacity": PALE}},
        customdata=[[pull.neuron] for pull in why.pulls] + [[None]],
        hovertext=[
            f"neuron {p.neuron}: {signed_percent(p.share)} of the score gap; off alone it closes "
            f"{signed_percent(p.closed)} of it and MaxSkew is {number(p.skew)}"
            for p in why.pulls
        ]
        + ["what the SAE's reconstruction leaves over"],
        hoverinfo="text",
        showlegend=False,
    )
    closed = [f" · off: {signed_percent(pull.closed)}" for pull in why.pulls] + [""]
    for name, share, off in zip(names, shares, closed, strict=True):
        beside(figure, name, f"{signed_percent(share)}{off}")
    figure.update_yaxes(autorange="reversed", fixedrange=True, title=None)
    title = f"← away from {why.group}      pull on the score gap      towards {why.group} →"
    figure.update_xaxes(title={"text": title, "font": {"size": 14}}, fixedrange=True, zeroline=True)
    return framed(figure, 70 + 28 * len(names), right=150, legend=False).update_layout(margin={"b": 48})


def signed_percent(share: float | None) -> str:
    """A share with its sign and one digit: "+95.3 %", "−0.4 %"; in words where there is none."""
    if share is None:
        return NOT_COMPUTED
    return f"{100 * share:+.1f} %".replace("-", "−")


def path(smallest: SmallestEdit, picked: int | None) -> go.Figure:
    """MaxSkew against mean cosine along the path, with a blind draw and the target; a click picks a point."""
    points = smallest.points
    sizes = [18 if i == picked else 14 if i == smallest.chosen else 9 for i in range(len(points))]
    figure = go.Figure()
    figure.add_hrect(y0=smallest.null.lo, y1=smallest.null.hi, fillcolor=BAND, line_width=0, layer="below")
    figure.add_scatter(
        x=[point.cosine for point in points],
        y=[point.expected for point in points],
        mode="lines+markers",
        line={"color": AFTER, "width": 1.5},
        marker={
            "size": sizes,
            "color": [AFTER if i in (picked, smallest.chosen) else "white" for i in range(len(points))],
            "line": {"color": AFTER, "width": 2},
            "opacity": 1,
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=[[i] for i in range(len(points))],
        hovertext=[
            f"{len(p.edit.neurons)} neurons: MaxSkew {p.skew:.2f} (expected {p.expected:.2f}) at cosine {p.cosine:.3f}"
            for p in points
        ],
        hoverinfo="text",
        name="edits, expected MaxSkew on the probe rows",
    )
    strip = {"symbol": "square", "color": BAND, "size": 14}
    figure.add_scatter(x=[None], y=[None], mode="markers", name="a blind draw (95 %)", marker=strip)
    figure.add_hline(y=smallest.target_skew, line={"color": TARGET, "width": 2})
    figure.add_scatter(
        x=[None], y=[None], mode="lines", name=f"target {number(smallest.target_skew)}", line={"color": TARGET}
    )
    for i in sorted({smallest.chosen} | ({picked} if picked is not None else set())):
        point = points[i]
        figure.add_annotation(
            x=point.cosine,
            y=point.expected,
            text=f"{len(point.edit.neurons)} neurons, {number(point.expected)} at {point.cosine:.3f}",
            showarrow=False,
            font={"size": 14, "color": INK},
            yshift=-20,
            xanchor="right" if point.cosine < 0.5 * (points[0].cosine + points[-1].cosine) else "left",
        )
    figure.update_xaxes(
        autorange="reversed", fixedrange=True, title={"text": "mean cosine to the original: 1, nothing moved"}
    )
    figure.update_yaxes(fixedrange=True, rangemode="tozero", title={"text": f"MaxSkew@{smallest.k}"})
    return framed(figure, 330, left=60).update_layout(margin={"b": 52})

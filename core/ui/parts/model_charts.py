"""Figures of Ask: the answers to one question, P of an answer by group, the gap of every arm, and the sweep."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.statistics import Estimate
from core.ui.parts.figures import AFTER, BEFORE, PALE, TITLED, beside, framed, interval_bars, percent_axis
from core.ui.parts.wording import share_alone
from core.verdicts import NOT_COMPUTED

NAMES = {"before": "before", "after": "after"}
COLOURS = {"before": BEFORE, "after": AFTER}


def options(arms: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """The share of every answer, before and after: a row an answer."""
    figure, answers = go.Figure(), list(next(iter(arms.values())))
    for arm, shares in arms.items():
        figure.add_bar(
            x=[shares[one] for one in answers],
            y=answers,
            orientation="h",
            name=NAMES[arm],
            marker={"color": COLOURS[arm], "opacity": PALE + 0.35},
            text=[f"{100 * shares[one]:.0f} %" for one in answers],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    percent_axis(figure, 1.12)
    figure.update_xaxes(tickvals=[0, 0.25, 0.5, 0.75, 1.0])
    return framed(figure, 60 + 46 * len(answers), right=12)


def by_group(arms: Mapping[str, Mapping[str, Estimate]]) -> go.Figure:
    """P of one answer by group with intervals, before and after, numbers beside."""
    figure, groups = go.Figure(), list(next(iter(arms.values())))
    for arm, found in arms.items():
        figure.add_bar(
            x=[found[one].estimate for one in groups],
            y=groups,
            orientation="h",
            name=NAMES[arm],
            marker={"color": COLOURS[arm], "opacity": PALE},
            error_x=interval_bars([found[one] for one in groups], COLOURS[arm]),
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    for group in groups:
        said = " → ".join(share_alone(found[group]) for found in arms.values())
        beside(figure, group, said)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    percent_axis(figure, 1.0)
    return framed(figure, 66 + 52 * len(groups), right=130)


def gaps(arms: Mapping[str, Estimate], edited: Sequence[str], blind: float | None) -> go.Figure:
    """The mean gap of every arm with its interval; the band ends where labels dealt at random do, if that is known."""
    figure = go.Figure()
    for name, e in arms.items():
        if e.estimate is None:
            beside(figure, name, NOT_COMPUTED)
            continue
        colour = AFTER if name in edited else BEFORE
        figure.add_scatter(
            x=[e.estimate],
            y=[name],
            error_x=interval_bars([e], colour),
            mode="markers",
            marker={"size": 13, "color": colour, "symbol": "circle" if name in edited else "circle-open"},
            showlegend=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
        beside(figure, name, f"{100 * e.estimate:.1f} points")
    figure.add_vrect(x0=0, x1=blind or 0, fillcolor=BEFORE, opacity=0.15, line_width=0)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    highest = max([0.1, *(end for e in arms.values() for end in (e.estimate, e.hi) if end is not None)])
    figure.update_xaxes(
        range=[0, highest * 1.05], tickformat=".0%", fixedrange=True, zeroline=False, title={"text": "mean gap in P"}
    )
    return framed(figure, 70 + 34 * len(arms), right=110, legend=False).update_layout(margin={"b": TITLED})


def sweep(values: Sequence[float], gap: Sequence[Estimate], ability: Sequence[Estimate], along: str) -> go.Figure:
    """What is left of the gap and what is still answered rightly, along strength or alpha."""
    figure = go.Figure()
    for name, found, colour, dash in (("mean gap", gap, AFTER, "solid"), ("right answers", ability, BEFORE, "dot")):
        known = [(v, e) for v, e in zip(values, found, strict=True) if e.estimate is not None]
        figure.add_scatter(
            x=[v for v, _ in known],
            y=[e.estimate for _, e in known],
            error_y=interval_bars([e for _, e in known], colour),
            mode="lines+markers",
            name=name,
            line={"color": colour, "dash": dash, "width": 2.5},
            marker={"size": 9},
        )
    figure.update_yaxes(range=[0, 1.05], tickformat=".0%", fixedrange=True, zeroline=False)
    figure.update_xaxes(title={"text": along}, fixedrange=True, zeroline=False, tickvals=list(values))
    return framed(figure, 320).update_layout(margin={"b": TITLED})

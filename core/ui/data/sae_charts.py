"""Figures about SAEs: how a training goes, and how good what came out of it is."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.statistics import Estimate
from core.ui.parts.charts import pairs_of_dots
from core.ui.parts.figures import AFTER, BEFORE, INK, TARGET, framed
from core.ui.parts.wording import number, percent

CURVES = {
    "loss": ("loss", ".3g"),
    "fvu": ("fvu: variance missed", ".3f"),
    "l0": ("l0: active neurons", ".1f"),
    "dead": ("dead neurons", ".0%"),
}


def training_curves(points: Sequence[Any], steps: int) -> go.Figure:
    """Loss, fvu, l0 and dead share of a training, each over its steps, with its last value in words.

    Parameters
    ----------
    points : objects with `step` and the four numbers, in the order of the steps.
    steps : last step of the training, where the axes end.
    """
    figure = make_subplots(rows=1, cols=len(CURVES), horizontal_spacing=0.055)
    for place, (name, (title, form)) in enumerate(CURVES.items(), start=1):
        values = [getattr(point, name) for point in points]
        figure.add_scatter(
            x=[point.step for point in points],
            y=values,
            mode="lines",
            line={"color": AFTER, "width": 2},
            hovertemplate=f"step %{{x:,}}: {name} %{{y:{form}}}<extra></extra>",
            showlegend=False,
            row=1,
            col=place,
        )
        axis = "" if place == 1 else place
        figure.add_annotation(
            text=f"{title} {format(values[-1], form)}" if values else title,
            xref=f"x{axis} domain",
            yref=f"y{axis} domain",
            x=0,
            y=1,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 14, "color": INK},
        )
        finite = [value for value in values if math.isfinite(value)]
        least = 0.1 if name == "dead" else 1e-9  # a share that stays small is drawn small
        top = 1.08 * max([least, *finite])
        figure.update_yaxes(range=[0, top], fixedrange=True, nticks=4, row=1, col=place)
        if name == "dead":
            figure.update_yaxes(tickformat=".0%", row=1, col=place)
    figure.update_xaxes(range=[0, steps], fixedrange=True, nticks=4)
    return framed(figure, 220, legend=False).update_layout(margin={"t": 30, "b": 28})


def firing_rates(edges: Sequence[float], counts: Sequence[int], dead: int) -> go.Figure:
    """How many neurons fire how often, on a log scale; those that never fire are said in words.

    Parameters
    ----------
    edges, counts : of core.neurons.rate_histogram.
    dead : neurons in no bin.
    """
    figure = go.Figure()
    figure.add_bar(
        x=[(a * b) ** 0.5 for a, b in pairwise(edges)],
        y=list(counts),
        width=[0.92 * (b - a) for a, b in pairwise(edges)],
        marker={"color": AFTER, "opacity": 0.75},
        customdata=[[percent(a, 2), percent(b, 2)] for a, b in pairwise(edges)],
        hovertemplate="%{y:,} neurons fire on %{customdata[0]} to %{customdata[1]} of the items<extra></extra>",
    )
    figure.update_xaxes(
        type="log",
        range=[math.log10(edges[0]), 0],
        tickvals=[10.0**power for power in range(-6, 1)],
        ticktext=["0.0001 %", "0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"],
        title={"text": "share of the items on which a neuron fires (log scale)", "font": {"size": 13}},
        fixedrange=True,
    )
    figure.update_yaxes(title={"text": "neurons", "font": {"size": 13}}, fixedrange=True, nticks=5, rangemode="tozero")
    figure.add_annotation(
        text=f"{sum(counts):,} neurons fire, {dead:,} never do",
        x=0,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 14, "color": INK},
    )
    return framed(figure, 280, legend=False).update_layout(margin={"t": 28, "b": 48})


def scores(values: Sequence[float], line: float, line_name: str, title: str) -> go.Figure:
    """Histogram of one score over the neurons, with a line where a neuron that says nothing would lie."""
    figure = go.Figure()
    figure.add_histogram(
        x=list(values),
        nbinsx=40,
        marker={"color": AFTER, "opacity": 0.75},
        hovertemplate="%{y:,} neurons at %{x}<extra></extra>",
    )
    figure.add_vline(x=line, line={"color": TARGET, "width": 3})
    figure.add_annotation(
        text=f"{line_name} {number(line)}",
        x=line,
        y=1,
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 14, "color": INK},
    )
    figure.update_xaxes(title={"text": title, "font": {"size": 13}}, fixedrange=True, zeroline=False)
    figure.update_yaxes(title={"text": "neurons", "font": {"size": 13}}, fixedrange=True, nticks=5)
    return framed(figure, 280, legend=False).update_layout(margin={"t": 28, "b": 48})


def similarity_gaps(gaps: Mapping[str, tuple[Estimate, Estimate]]) -> go.Figure:
    """How much closer two items are that share a group than any two: in the embeddings and in the codes.

    Parameters
    ----------
    gaps : attribute -> (gap of the embeddings, gap of the codes), mean cosine of shared pairs minus that of all pairs.
    """
    figure = pairs_of_dots(gaps, ("embeddings", "SAE codes"), _gap, lambda e: number(e.estimate))
    figure.add_vline(x=0, line={"color": BEFORE, "width": 1})
    title = "mean cosine of pairs that share the group, minus that of all pairs"
    figure.update_xaxes(title={"text": title, "font": {"size": 13}}, fixedrange=True, zeroline=False)
    return framed(figure, 96 + 34 * len(gaps), right=140).update_layout(margin={"b": 48})


def _gap(e: Estimate) -> str:
    return f"{number(e.estimate)} {number(e.lo)} to {number(e.hi)}, n = {e.n:,}"


def trade_off(points: Mapping[str, tuple[float, float]]) -> go.Figure:
    """Variance missed against active neurons, one named point an SAE: better is lower and further left."""
    figure = go.Figure()
    figure.add_scatter(
        x=[l0 for l0, _ in points.values()],
        y=[fvu for _, fvu in points.values()],
        mode="markers+text",
        text=list(points),
        textposition="top center",
        textfont={"size": 14, "color": INK},
        marker={"size": 13, "color": AFTER},
        hovertext=[f"{name}: l0 {number(l0)}, fvu {number(fvu)}" for name, (l0, fvu) in points.items()],
        hoverinfo="text",
        cliponaxis=False,
    )
    room = 1.25
    figure.update_xaxes(
        title={"text": "l0: active neurons an item", "font": {"size": 13}},
        range=[0, room * max(l0 for l0, _ in points.values())],
        fixedrange=True,
    )
    figure.update_yaxes(
        title={"text": "fvu: variance missed", "font": {"size": 13}},
        range=[0, room * max(fvu for _, fvu in points.values())],
        fixedrange=True,
    )
    return framed(figure, 300, legend=False).update_layout(margin={"b": 48})

"""The figure of what a neuron answers to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from core.statistics import Estimate
from core.ui.parts import answer_words
from core.ui.parts.figures import AFTER, FAINT, INK, PALE, ROW, frame, interval_bars, note_beside
from core.ui.parts.wording import percent
from core.ui.session import probing

if TYPE_CHECKING:
    from core.neurons import Association


def associations(listed: Sequence["Association"]) -> go.Figure:
    """AUC of what a neuron answers to, strongest first, with 95 % interval; bars begin at 0.5, which tells nothing.

    What it fires less on stands as "not ..." with the AUC of all other items. Pale: not told from chance.
    """
    names, seen = [each.said for each in listed], [probing.towards(each) for each in listed]
    estimates = [Estimate(auc, lo, hi, each.n) for each, (auc, lo, hi) in zip(listed, seen, strict=True)]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": [auc - 0.5 for auc, *_ in seen],
        "base": 0.5,
        "error_x": interval_bars(estimates, AFTER),
        "marker": {"color": AFTER, "opacity": [PALE if each.found else FAINT for each in listed]},
        "hovertext": [
            f"{each.group}: fires on {percent(each.rate)} of {each.n:,} and on {percent(each.other_rate)} of the others"
            for each in listed
        ],
        "hoverinfo": "text",
    }
    layout = frame(44 + ROW[1] * len(listed), right=150, legend=False)
    across = {"range": [0.5, 1], "tickvals": [0.5, 0.75, 1], "fixedrange": True, "zeroline": False}
    along = {"autorange": "reversed", "fixedrange": True, "ticksuffix": "  ", "tickfont": {"size": 14, "color": INK}}
    layout |= {"xaxis": across, "yaxis": along}
    layout["annotations"] = [note_beside(each.said, answer_words.auc_text(each)) for each in listed]
    return go.Figure({"data": [bars], "layout": layout})

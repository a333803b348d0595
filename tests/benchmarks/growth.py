"""`growth`: what takes how much longer with more rows, neurons, prompts, people; `--draw FOLDER` makes the plot.

Rows and neurons: a switch in the live engine that nobody asked before, to a new exact first 1,000. Prompts: a whole
audit of three attributes with every control. Sessions: a switch on Compare to its answer, where all switch at the very
same moment. The plot has one panel for each, both axes in steps of ten, with a line in proportion to compare.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Edit
from core.retrieval import LiveEngine, LiveGallery, StoredIndex
from tests.benchmarks import audit, crowd, toggle
from tests.browser import serving

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROWS, SETS = (10_000, 100_000, 1_000_000), (1, 2, 4, 8, 16, 32)
PROMPTS, PEOPLE = (3, 6, 12, 25, 50), (1, 2, 5, 10, 20)
SIZE = {"width": 720, "height": 520}
LIGHT, DARK = ("#fcfcfb", "#22272e", "#1a6ba8"), ("#15191e", "#e6e8ea", "#5aa9e6")
"""Background, text and line of the app's two themes."""
GREY, QUALITY = "#7d8590", 82
NAME = "growth"
"""Of the picture, NAME.webp and NAME-dark.webp."""

Points = list[tuple[int, float]]
"""(how many, how long)."""


def run(runs: int = 7, n: int = ROWS[-1], draw: str | None = None) -> dict[str, Any]:
    """Every panel's points: medians of `runs`, rows up to n; the pictures where a folder for them is named."""
    found: dict[str, Any] = {
        "rows": [(m, ms) for m in ROWS if m <= n for ms, _ in [_switches(m, (2,), runs)[0]]],
        "neurons": [(size, ms) for size, (ms, _) in zip(SETS, _switches(min(n, ROWS[-1]), SETS, runs), strict=True)],
        "prompts": [(m, audit.run(runs=1, n=m)["here"]["processor"]) for m in PROMPTS],
        "sessions": _people(runs),
    }
    found |= {"steps": {name: steepness(points) for name, points in found.items()}, "runs": runs}
    if draw is not None:
        _pictures(found, Path(draw))
    return found


def steepness(points: Sequence[tuple[float, float]]) -> float:
    """b of how long = a · (how many)^b by least squares of the logarithms: 0 does not grow, 1 grows in proportion."""
    many, long = np.log(np.array(points, float)).T
    return float(np.polyfit(many, long, 1)[0])


def _switches(n: int, sizes: Sequence[int], runs: int) -> list[tuple[float, int]]:
    """Median milliseconds of a new set of each size, and how many rows it changes."""
    with tempfile.TemporaryDirectory() as folder:
        x, codes, W_dec, labels, query = toggle.material(n, Path(folder))
        stored = StoredIndex(x)
        engine = LiveEngine(LiveGallery(x, codes, W_dec, np.zeros(toggle.D), lengths=stored.lengths))
        base, rng, found = stored.scores(query), np.random.default_rng(0), []
        for size in sizes:
            took, edit = [], Edit((0,))
            for _ in range(runs):
                chosen = rng.choice(np.arange(toggle.EACH, 400), size, replace=False)
                for neuron in chosen:  # what a page knows that lists them: each neuron's inner products
                    engine.search(query, toggle.K, Edit((int(neuron),)), base)
                edit = Edit(tuple(map(int, chosen)), strength=float(rng.uniform(0.5, 1.0)))
                seconds, _ = toggle.timed(
                    lambda e=edit: toggle.measured(labels, engine.search(query, toggle.K, e, base))
                )
                took.append(1e3 * seconds)
            found.append((statistics.median(took), len(engine.edited(edit).rows)))
        return found


def _people(runs: int) -> Points:
    """Median milliseconds of a switch where so many switch at once."""
    server, address = serving.start()
    tabs: list[Any] = []
    points = []
    try:
        for people in PEOPLE:
            while len(tabs) < people:
                tabs.append(crowd._open(address, len(tabs)))
                tabs[-1].rest(tabs[-1].toggle())
            took = [
                s for i in range(runs) for s in crowd._together([lambda t=t, i=i: crowd._timed(t, i) for t in tabs])
            ]
            points.append((people, 1e3 * statistics.median(took)))
            time.sleep(1)
        for tab in tabs:
            tab.leave()
    finally:
        server.terminate()
        server.wait(timeout=20)
    return points


# -- the plot ---------------------------------------------------------------------------------------------------------

PANELS = {
    "rows": ("rows of the gallery", "a switch of two neurons, ms"),
    "neurons": ("neurons switched together", "a switch, ms"),
    "prompts": ("prompts of an audit", "the audit, s of the processor"),
    "sessions": ("people who switch at the same moment", "a switch to its answer, ms"),
}


def figure(found: dict[str, Any], theme: tuple[str, str, str]) -> "go.Figure":
    """Four panels, two in a row; dotted: what would be in proportion, from the first point on."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    ground, ink, line = theme
    titles = [title for _, title in PANELS.values()]
    made = make_subplots(2, 2, horizontal_spacing=0.09, vertical_spacing=0.2, subplot_titles=titles)
    for number, (name, (along, _)) in enumerate(PANELS.items()):
        place = number // 2 + 1, number % 2 + 1
        many, long = zip(*found[name], strict=True)
        ends = [many[0], many[-1]]
        proportion = [long[0] * end / many[0] for end in ends]
        made.add_trace(go.Scatter(x=ends, y=proportion, mode="lines", line={"color": GREY, "dash": "dot"}), *place)
        made.add_trace(
            go.Scatter(
                x=many,
                y=long,
                mode="lines+markers+text",
                text=[f"{value:.3g}" for value in long],
                textposition="bottom right",
                line={"color": line, "width": 2.5},
                marker={"size": 8},
                cliponaxis=False,
            ),
            *place,
        )
        room = [np.log10(min(long) / 1.7), np.log10(max(*long, *proportion) * 1.2)]  # for the numbers below the points
        made.update_yaxes(range=room, row=place[0], col=place[1])
        made.update_xaxes(
            type="log", title=along, tickvals=many, ticktext=[_short(m) for m in many], row=place[0], col=place[1]
        )
    made.update_yaxes(type="log", showticklabels=False)
    made.update_xaxes(showgrid=False, linecolor=GREY, title_font_size=13)
    made.update_yaxes(showgrid=False, linecolor=GREY)
    made.update_annotations(font_size=13)
    return made.update_layout(
        **SIZE,
        showlegend=False,
        paper_bgcolor=ground,
        plot_bgcolor=ground,
        font={"color": ink, "size": 12},
        margin={"l": 16, "r": 22, "t": 36, "b": 56},
    )


def _short(number: int) -> str:
    """1000000 -> 1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number // size}{letter}"
    return str(number)


def _pictures(found: dict[str, Any], folder: Path) -> None:
    """growth.webp and growth-dark.webp, drawn by a browser."""
    from PIL import Image

    with serving.browser() as opened:
        page = opened.new_page(viewport=SIZE)
        for theme, ending in ((LIGHT, ""), (DARK, "-dark")):
            drawn = figure(found, theme).to_html(include_plotlyjs=True, config={"staticPlot": True})
            page.set_content(f"<style>body {{ margin: 0; background: {theme[0]} }}</style>{drawn}")
            page.wait_for_selector(f".js-plotly-plot .x{len(PANELS)}title")
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.save(folder / f"{NAME}{ending}.webp", quality=QUALITY, method=6)

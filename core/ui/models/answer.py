"""What was found of models side by side: prompts by models, the differences beyond chance, one figure, the files."""

import html
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core.statistics import Estimate
from core.ui.parts import charts, offers, provenance
from core.ui.parts.wording import in_points, listing, percent
from core.ui.session.escaping import escape
from core.ui.session.prompts import short
from core.verdicts import NOT_COMPUTED, p_text
from core.writing import csv_text

STYLE = """<style>
.sides{overflow:auto;max-height:25rem}
.side{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums}
.side th,.side td{padding:.2rem .5rem;text-align:right;border-bottom:1px solid rgba(125,133,144,.28)}
.side th:first-child,.side td:first-child{text-align:left}.side thead th{font-weight:600;border-bottom-width:2px}
.side small{opacity:.78;font-size:.74rem;margin-left:.3rem;white-space:nowrap}.side .beyond{font-weight:700}
.side tr.mean td,.side tr.knows td{background:rgba(125,133,144,.1)}
</style>"""
MARK = "●"
"""Beside a lean that is beyond chance; the number is bold too."""
COLUMNS = ("model", "prompt", "group", "points", "lo", "hi", "n", "p", "beyond_chance")
Document = Mapping[str, Any]


def show(found: Document) -> None:
    """Everything of a comparison, of one group at a time."""
    from core.benchmark.side_by_side import picture, told_group

    groups, told = list(found["group_counts"]), told_group(found)
    head, which = st.columns([3, 1], vertical_alignment="bottom")
    head.header("Leans, prompt by prompt", anchor=False)
    group = which.selectbox("Lean towards", groups, groups.index(told), key="models-group")
    st.html(table_html(found, group))
    st.caption(
        f"Points: share of {escape(group)} among the nearest {found['k']:,} minus its share of the {found['n']:,} "
        f"searched rows, with 95 % intervals. {MARK} the list leans beyond chance; of means the "
        "interval is about prompts like these, the mark about these prompts alone. Knows: zero-shot accuracy of other "
        "attributes."
    )
    st.header("Which differences are beyond chance", anchor=False)
    st.markdown("\n".join(f"- {line}" for line in differences(found, group)))
    st.caption("  \n".join(f":material/info: {escape(note)}" for note in found["notes"]))
    drawn = picture(found, group)
    st.caption(f"{escape(drawn.title)}, by prompt and model.")
    provenance.chart(
        charts.picture(drawn), lines=facts(found), config=charts.config("models"), alt=f"{drawn.title}, by model."
    )
    _downloads(found, group)


def table_html(found: Document, group: str) -> str:
    """Prompts by models: points with interval, the means first, what each model knows last."""
    models = found["models"]
    heads = "".join(
        f'<th title="{html.escape(model["gallery"])}">{html.escape(str(model["name"]))}</th>' for model in models
    )
    means = "".join(_cell(m["mean"]["points"][group], bool(m["mean"]["lean_beyond_chance"])) for m in models)
    rows = [f'<tr class="mean"><td>mean over {len(found["prompts"])} prompts</td>{means}</tr>']
    for prompt in found["prompts"]:
        cells = "".join(
            _cell(said["lean"][group]["points"], bool(said["lean_beyond_chance"]))
            for said in (model["prompts"][prompt] for model in models)
        )
        rows.append(f'<tr><td title="{html.escape(prompt)}">{html.escape(short(prompt))}</td>{cells}</tr>')
    for attribute in dict.fromkeys(name for model in models for name in model["ability"] if name != "reason"):
        cells = "".join(_knows(model["ability"].get(attribute)) for model in models)
        rows.append(f'<tr class="knows"><td>knows {html.escape(attribute)}</td>{cells}</tr>')
    table = f'<table class="side"><thead><tr><th>Prompt</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="sides" tabindex="0" role="region" aria-label="Prompts by models">{table}</div>'


def _cell(points: Mapping[str, Any], beyond: bool) -> str:
    e = _estimate(points)
    if e.estimate is None:
        return f'<td title="{html.escape(e.reason or "")}">{NOT_COMPUTED}</td>'
    value, _, inside = html.escape(in_points(e)).partition(" ")
    mark = f'<span class="beyond" title="leans beyond chance">{MARK} {value}</span>' if beyond else value
    return f'<td title="n = {e.n:,}">{mark}<small>{inside}</small></td>'


def _estimate(said: Mapping[str, Any]) -> Estimate:
    return Estimate(*(said.get(name) for name in ("estimate", "lo", "hi", "n", "reason")))


def _knows(said: Mapping[str, Any] | None) -> str:
    e = Estimate.missing("not asked") if said is None else _estimate(said)
    if e.estimate is None:
        return f'<td title="{html.escape(e.reason or "")}">{NOT_COMPUTED}</td>'
    inside = "" if e.lo is None or e.hi is None else f"({percent(e.lo)} to {percent(e.hi)})"
    return f'<td title="n = {e.n:,}">{percent(e.estimate)}<small>{inside}</small></td>'


def differences(found: Document, group: str) -> Iterator[str]:
    """One line a pair of models: the mean, whether it is beyond chance, and the prompts that differ. Markdown."""
    pairs = len(found["differences"])
    over = f", adjusted over {pairs} pairs" if pairs > 1 else ""
    for one in found["differences"]:
        mean, prompts = one["mean"], one["prompts"]
        pair = f"**{escape(one['second'])}** minus **{escape(one['first'])}**"
        some = [short(prompt) for prompt, said in prompts.items() if said["beyond_chance"]]
        named = f": {escape(listing(some, 8))}" if some else ""
        tail = f"beyond chance for {len(some)} of {len(prompts)} prompts{named}"
        if mean["p_adjusted"] is None:
            yield f"{pair}: the same lists on average; {tail}."
            continue
        change = in_points(_estimate(mean["changes"][group]))
        verdict = "beyond chance" if mean["beyond_chance"] else "no difference beyond chance"
        tested = "" if len(mean["changes"]) == 2 else "all groups together "  # one test of all of them
        yield (
            f"{pair}: {escape(group)} {change} points on average, {tested}**{verdict}** "
            f"({p_text(mean['p_adjusted'])}{over}); {tail}."
        )


def facts(found: Document) -> dict[str, str]:
    """What the numbers depend on, in words."""
    part = ", ".join(f"{column} = {value}" for column, value in found["where"].items()) or "everything"
    galleries = {
        f"model {place}": f"{model['name']}, gallery {model['gallery']}, digest {found['digests'][model['name']]}"
        for place, model in enumerate(found["models"], 1)
    }
    target = found["target"] if isinstance(found["target"], str) else "own shares"
    return {
        **galleries,
        "prompts": str(len(found["prompts"])),
        "attribute": found["attribute"],
        "k": str(found["k"]),
        "target": target,
        "part": part,
        "rows": found["half"],
        "seed": str(found.get("seed", 0)),
    }


def rows(found: Document) -> list[Sequence[Any]]:
    """The table as a file holds it: one line a model, prompt and group."""
    return [
        (
            *(model["name"], prompt, group, points["estimate"], points.get("lo"), points.get("hi"), points.get("n")),
            *(said["lean_p"], said["lean_beyond_chance"]),
        )
        for model in found["models"]
        for prompt, said in model["prompts"].items()
        for group in found["group_counts"]
        for points in [said["lean"][group]["points"]]
    ]


def _downloads(found: Document, group: str) -> None:
    files: dict[str, tuple[str | bytes, str, str]] = {
        "CSV": (csv_text(COLUMNS, rows(found)), "text/csv", "csv"),
        "SVG": (_svg(found, group), "image/svg+xml", "svg"),
        "JSON": (json.dumps(found, indent=2, ensure_ascii=False), "application/json", "json"),
    }
    for column, (title, (text, mime, ending)) in zip(st.columns([1, 1, 1, 4]), files.items(), strict=False):
        offers.download(
            column,
            title,
            text,
            f"models.{ending}",
            mime,
            icon=":material/download:",
            width="stretch",
            on_click="ignore",
        )


def _svg(found: Document, group: str) -> bytes:
    """The figure as it is drawn on paper."""
    from core.benchmark.side_by_side import picture
    from core.figures import draw_svg

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.svg"
        draw_svg(picture(found, group), path)
        return path.read_bytes()

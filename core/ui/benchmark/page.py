"""Benchmark: every method side by side on the chosen gallery, what each does in words, and what others printed."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import ASSETS, InputError
from core.gallery import Gallery
from core.store import plain, read_json
from core.ui.benchmark.studies import studies
from core.ui.benchmark.table import STYLE, heat_html, main, numbered, table_html
from core.ui.parts import charts, offers, provenance, standing
from core.ui.parts.frame import guard
from core.ui.parts.heading import heading
from core.ui.parts.switches import switch
from core.ui.session import cache, jobs, work
from core.ui.session.choices import PHONE, Choice
from core.ui.session.escaping import escape
from core.ui.session.scene import chosen_scene, only_known_prompts
from core.ui.session.state import AppState, get_state
from core.verdicts import of_items, target_name
from core.writing import frame_text

if TYPE_CHECKING:
    from core.benchmark import BenchmarkResult, World

SHIPPED = ASSETS / "benchmarks"
"""Results that come with the project, one JSON a shipped gallery and protocol."""
RANKED = (
    "Methods are ranked by the lean that they remove at equal cost: each is turned down until the side that it moves "
    "more (pictures or queries) has a mean cosine of .95 to 1 with what it was."
)
COLUMNS = {"main": "Main columns", "all": "All columns", "heat": "Heat map"}
SHOWN: Choice[str] = Choice("benchmark-columns", "main")


def benchmark() -> None:
    """The whole page."""
    state, gallery = get_state(), cache.current_gallery()
    st.html(STYLE)
    heading("Benchmark", "Every method side by side on this gallery, and the studies of the papers")
    table, other = st.tabs(["Methods", "Studies"])
    with table, guard():
        _methods(state, gallery)
    with other, guard():
        studies(state, gallery)


def _methods(state: AppState, gallery: Gallery) -> None:
    """Choices, then the table and everything made of it."""
    from core.benchmark import PROTOCOLS, arm_names, find_arm

    names = sorted(PROTOCOLS, key=lambda name: (name != "default", name))
    titles = {name: PROTOCOLS.get(name).title for name in names}
    left, middle, depth, right = st.columns([1, 2.2, 0.55, 0.7], vertical_alignment="bottom")
    protocol = left.selectbox("Protocol", names, format_func=titles.__getitem__, help=PROTOCOLS.get(names[0]).words)
    chosen = middle.multiselect(
        "Methods", arm_names(), format_func=lambda name: find_arm(name).title, placeholder="All methods"
    )
    k = depth.number_input("k", 1, gallery.n, _usual_k(gallery, protocol), help="How many are retrieved")
    go = right.button("Measure", key="benchmark-measure", type="primary", icon=":material/speed:", width="stretch")
    st.caption(
        of_items(f"{PROTOCOLS.get(protocol).words} {RANKED}", gallery.kind) + f" Gallery: {escape(gallery.name)}."
    )
    measured: Choice[BenchmarkResult | None] = Choice(f"benchmark {protocol}", None)
    methods = chosen or arm_names()
    order = partial(_order, state, gallery, protocol, int(k), methods)
    if go:
        done = work.work_or_job("benchmark", order, lambda: _measure(state, gallery, protocol, int(k), methods))
        measured.put(state, done)
    standing.standing("benchmark")
    result = measured.of(state) or _by_a_job(order) or _shipped(state, gallery, protocol)
    if result is None:
        st.info(
            "Nothing is measured on this gallery yet. Choose methods, or leave the field empty for all, and measure."
        )
        return
    if chosen:
        result = _only(result, chosen)
    if not result.cells:
        st.info("None of these methods is in the table yet: measure them.")
        return
    if numbered(result):
        shown = switch(state, "Show", SHOWN, COLUMNS)
        columns = None if shown == "all" else main(result)
        st.html(heat_html(result, gallery.kind) if shown == "heat" else table_html(result, columns, gallery.kind))
        if shown == "heat":
            st.caption(
                "Blue is better than the original and orange worse, by how far, in the column's own range; intervals "
                "stand in the other tables."
            )
    _refused(result)
    if numbered(result):
        _trade_off(result, gallery)
    _explained([cell.arm for cell in result.cells], gallery)
    _published(result, gallery)
    _downloads(result, protocol)


# -- measuring --------------------------------------------------------------------------------------------------------


def _usual_k(gallery: Gallery, protocol: str) -> int:
    """The protocol's k, or a quarter of the rows where the gallery is too small for it."""
    from core.benchmark import PROTOCOLS

    k = PROTOCOLS.get(protocol).defaults["k"]
    return k if 2 * k <= gallery.n else max(1, gallery.n // 4)


def _world(state: AppState, gallery: Gallery, protocol: str, k: int) -> "World":
    """The chosen gallery, SAEs, attribute, part and half as a benchmark measures them."""
    from core.benchmark.worlds import usual_world

    known = gallery.prompts if only_known_prompts(state, gallery) else None
    return usual_world(
        chosen_scene(state),
        protocol,
        state.attribute_in(gallery.attributes),
        prompts=tuple(known) if known else _queries(gallery),
        k=k,
        where=dict(state.where),
    )


def _queries(gallery: Gallery) -> tuple[str, ...] | None:
    """Occupations, for galleries without words of their own."""
    from core.benchmark.default_protocol import is_default

    return None if is_default(gallery) else tuple(read_json(ASSETS / "prompts" / "occupations.json")["prompts"])


def _measure(state: AppState, gallery: Gallery, protocol: str, k: int, methods: Sequence[str]) -> "BenchmarkResult":
    from core.benchmark import run_benchmark

    with jobs.progress("Measuring") as report:
        world = _world(state, gallery, protocol, k)
        cells = []
        for done, name in enumerate(methods):
            report(done, len(methods), name)
            parts = [protocol, world.digest, name]
            cells.append(cache.result("benchmark", parts, partial(run_benchmark, protocol, [world], [name])))
    joined = [cell for result in cells for cell in result.cells]
    return type(cells[0])(protocol, tuple(joined), cells[0].settings)


def _order(state: AppState, gallery: Gallery, protocol: str, k: int, methods: Sequence[str]) -> dict[str, Any]:
    """What the job takes that measures the same."""
    prompts = tuple(gallery.prompts) if only_known_prompts(state, gallery) else _queries(gallery)
    return {
        **work.scene_order(state, gallery),
        "protocol": protocol,
        "methods": list(methods),
        "attribute": state.attribute_in(gallery.attributes),
        "prompts": list(prompts or ()),
        "k": k,
        "where": dict(state.where),
    }


def _by_a_job(order: Callable[[], dict[str, Any]]) -> "BenchmarkResult | None":
    """What a job has measured of exactly what is chosen, whoever asked for it."""
    from core.benchmark import BenchmarkResult

    job = work.latest("benchmark", order()) if work.as_jobs() else None
    return BenchmarkResult.load(Path(job.place)) if job is not None and job.state == "done" else None


def _shipped(state: AppState, gallery: Gallery, protocol: str) -> "BenchmarkResult | None":
    """The result that came with the project, where it is of exactly what is loaded."""
    from core.benchmark import BenchmarkResult

    attribute = state.attribute_in(gallery.attributes)
    chosen = {side: cache.sae_card(name).digest for side, name in state.saes.items()}
    loaded = {"gallery": gallery.digest, "attribute": attribute, "where": dict(state.where), "saes": chosen}
    for path in sorted(SHIPPED.glob("*.json")):
        kept = BenchmarkResult.load(path)
        settings = kept.settings.get(gallery.name, {})
        if kept.protocol == protocol and loaded == {name: settings.get(name) for name in loaded}:
            return kept
    return None


def _only(result: "BenchmarkResult", names: Sequence[str]) -> "BenchmarkResult":
    return type(result)(result.protocol, tuple(c for c in result.cells if c.arm in names), result.settings)


# -- showing ----------------------------------------------------------------------------------------------------------


def _refused(result: "BenchmarkResult") -> None:
    """What the numbers are measured at, methods that lack something, and what is to be noted about the others."""
    cells, settings = result.cells, next(iter(result.settings.values()), {})
    lines = [f"{cell.arm}: {cell.refused}" for cell in cells if cell.refused]
    lines += [f"{cell.arm}: {note}" for cell in cells for note in cell.notes]
    lines += not_computed(result)
    known = next((c.values for c in cells if not c.refused), {})
    titles = {column.key: column.title for column in result.columns}
    band, of = next(((e.null, titles[key]) for key, e in known.items() if e.null is not None), (None, ""))
    if known:
        target = escape(target_name(settings.get("target")))
        part = "".join(f", {column} = {value}" for column, value in settings.get("where", {}).items())
        words = f"Groups of {escape(str(settings.get('attribute')))}{escape(part)}. "
        words += f"Measured at k = {settings.get('k')}, target: {target}, {settings.get('half')} half. "
        words += "Numbers are followed by their 95 % interval; point at one for its n."
        if band is not None:
            words += f" For orientation: blind draws of the same rows show {band.lo:.2f} to "
            words += f"{band.hi:.2f} of {escape(of)} (mean {band.mean:.2f})."
        st.caption(words)
    if lines:
        with st.expander(f"{len(lines)} notes", icon=":material/info:", expanded=not known):
            st.markdown("\n".join(f"- {escape(line)}" for line in lines))


def not_computed(result: "BenchmarkResult") -> list[str]:
    """One line for each reason why methods have no number in a column, naming both."""
    why: dict[tuple[str, str], list[str]] = {}
    for cell in result.cells:
        for title, reason in result.missing(cell):
            why.setdefault((title, reason), []).append(cell.arm)
    return [f"{', '.join(arms)}: {title} not computed: {reason}" for (title, reason), arms in why.items()]


def _trade_off(result: "BenchmarkResult", gallery: Gallery) -> None:
    """Gain against price, one point a method."""
    from core.benchmark import PROTOCOLS, find_arm

    protocol, columns = PROTOCOLS.get(result.protocol), {c.key: c for c in result.columns}
    st.header("What balance costs", anchor=False)
    price = st.selectbox(
        "Price on the horizontal axis",
        [key for key in columns if key != protocol.skew],
        [key for key in columns if key != protocol.skew].index(protocol.cost),
        format_func=lambda key: of_items(columns[key].title, gallery.kind),
        label_visibility="collapsed",
    )
    points = [
        (f"{number}. {find_arm(cell.arm).title}", cell.values[price], cell.values[protocol.skew])
        for number, cell in enumerate(numbered(result), 1)
        if cell.values[price].estimate is not None
    ]
    st.caption("Each point is a method, by its number in the table; strokes are 95 % intervals.")
    width = charts.PHONE_PLOT if PHONE.of(get_state()) else charts.PLOT_WIDTH
    priced = of_items(columns[price].title, gallery.kind)
    figure = charts.trade_off(points, priced, columns[protocol.skew].title, width)
    lines = provenance.of_settings(gallery.name, result.settings.get(gallery.name, {}))
    provenance.chart(figure, lines=lines, key="trade-off", config=charts.config("trade-off"))


def _explained(arms: Sequence[str], gallery: Gallery) -> None:
    """Each method in two sentences and one formula."""
    from core.benchmark import find_arm
    from core.interventions import INTERVENTIONS

    st.header("What a method does", anchor=False)
    name = st.selectbox("Method", arms, format_func=lambda a: find_arm(a).title, label_visibility="collapsed")
    arm = find_arm(name)
    method = INTERVENTIONS.get(arm.method)
    words, formula = st.columns([1.2, 1])
    words.markdown(method.plain_for(gallery.kind))
    if arm.choice is not None:
        words.markdown(f"This arm {arm.words}. Neurons are found on the probe half alone.")
    needs = ", ".join(method.needs.words()) or "nothing"
    words.caption(f"Needs: {needs}. Costs: {method.cost}. Source: {method.paper}.")
    formula.latex(method.formula)


def _published(result: "BenchmarkResult", gallery: Gallery) -> None:
    """Published numbers beside ours, from a table that the reader brings."""
    from core.benchmark.published import beside, beside_table, read_published, same_backbone, same_data

    with st.expander("Published numbers beside ours", icon=":material/compare:"):
        data, model = same_data(gallery), same_backbone(gallery)
        if data is None or model is None:
            st.caption(
                "Numbers are compared where data set and model are the same: CelebA, FairFace, UTKFace or Waterbirds "
                "with OpenAI's ViT-B-16, ViT-L-14-336, RN50 or RN101. This gallery is of another data set or model."
            )
            return
        given = offers.upload(st, "Published results: dataset, setting, backbone, method, metric, mean, ci", "csv")
        if given is None:
            return
        settings = result.settings.get(gallery.name, {})
        table = read_published(given.getvalue(), given.name)
        pairs = beside(result, [gallery], table, settings.get("attribute", ""), settings.get("k", 0))
        if not pairs:
            raise InputError(f"the table has no number of {data} with {model} in this setting")
        st.dataframe(beside_table(pairs), hide_index=True)


def _downloads(result: "BenchmarkResult", protocol: str) -> None:
    """The table in three formats."""
    files = {
        "CSV": (frame_text(result.table()), "text/csv", "csv"),
        "LaTeX": (result.latex(), "text/x-tex", "tex"),
        "JSON": (json.dumps(plain(result.to_json()), indent=2), "application/json", "json"),
    }
    for column, (name, (text, mime, ending)) in zip(st.columns([1, 1, 1, 4]), files.items(), strict=False):
        offers.download(
            column, name, text, f"benchmark-{protocol}.{ending}", mime, icon=":material/download:", width="stretch"
        )

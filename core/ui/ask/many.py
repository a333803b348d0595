"""Many pictures and words: the audit with its arms, what flipped, the sweep, and the report to download."""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.gallery import Gallery
from core.statistics import Estimate
from core.ui.parts import grids, model_charts, offers, provenance
from core.ui.parts.frame import guard
from core.ui.session import answering, folders, jobs
from core.ui.session.choices import Choice
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.lvlm.token_method import TokenEdit
    from core.saes.checkpoint import SAEFile

RESULT: Choice[dict[str, Any] | None] = Choice("ask-audit", None)
"""The last batch of answers."""
SWEPT: Choice[dict[str, Any] | None] = Choice("ask-sweep", None)
SIZES = (24, 48, 96, 192)
SWEPT_PICTURES, SWEPT_WORDS, SEEN = 32, 10, 24
ALONG = {"strength": "strength, error-preserving", "alpha": "alpha, blended with the reconstruction"}


def many(state: AppState, gallery: Gallery, attribute: str, file: "SAEFile | None", own: "TokenEdit") -> None:
    """The whole view."""
    from core.lvlm.protocol import PROTOCOLS

    model = answering.model(state)
    with st.form("ask-audit-form"):
        first, second, third = st.columns([1.4, 1, 2.2], vertical_alignment="bottom")
        names = {name: PROTOCOLS.get(name).title for name in PROTOCOLS}
        usable = [name for name in names if gallery.together or not PROTOCOLS.get(name).needs_scenes]
        protocol = first.selectbox("Protocol", usable, format_func=lambda name: names[name])
        n = second.select_slider("Pictures", SIZES, 48)
        words = third.text_input("Words, with commas", value=", ".join(model.planted[:10] or _book_words()))
        sent = st.form_submit_button("Ask them all", type="primary", icon=":material/forum:")
    if sent:
        with guard():
            asked = tuple(dict.fromkeys(one.strip() for one in words.split(",") if one.strip()))
            _run(state, gallery, attribute, file, own, str(protocol), int(n), asked)
    made = RESULT.of(state)
    if made is not None:
        with guard():
            _show(gallery, made)
    with guard():
        _sweep(state, gallery, attribute, file, own)


def _named(file: "SAEFile") -> str:
    """What a spec calls an SAE."""
    if file.path is None or file.name.startswith("default"):
        return file.name
    return folders.name_of("saes", file.path)


def _book_words() -> tuple[str, ...]:
    from core.lvlm.book import read_book

    return read_book().words[:10]


def _run(
    state: AppState,
    gallery: Gallery,
    attribute: str,
    file: "SAEFile | None",
    own: "TokenEdit",
    protocol: str,
    n: int,
    words: tuple[str, ...],
) -> None:
    """The audit; its report is written to a folder of its own, read back for the download, and removed.

    Many parameters: the fields of the form.
    """
    from core.lvlm.audit import run_lvlm
    from core.lvlm.spec import LvlmSpec
    from core.lvlm.token_method import METHODS
    from core.report.answers_folder import write_answers

    shipped = gallery.name.startswith("default")
    edit = {"neurons": list(own.edit.neurons), "strength": own.edit.strength, "hold": own.hold}
    spec = LvlmSpec.from_json(
        {
            "schema": 1,
            "kind": "lvlm",
            "title": f"What {answering.model(state).name} says about {gallery.name}",
            "model": answering.model(state).name,
            "gallery": gallery.name if shipped else folders.name_of("galleries", gallery.path),
            "sae": None if file is None else _named(file),
            "attributes": [attribute],
            "protocol": protocol,
            "words": list(words),
            "edit": edit if file is not None and own.edit.neurons else None,
            "n": n,
        }
    )
    with jobs.progress("Asking") as report:
        result = run_lvlm(spec, answering.model(state), progress=report)
    with tempfile.TemporaryDirectory() as folder:
        out = write_answers(result, Path(folder) / "report")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(out.iterdir()):
                archive.write(path, path.name)
    made = {
        "numbers": result.numbers,
        "rows": result.rows,
        "absent": dict(result.evidence.absent),
        "notes": result.notes,
    }
    made |= {"zip": packed.getvalue(), "words": result.evidence.words, "groups": result.evidence.groups[attribute]}
    made["titles"] = {name: METHODS.get(name).title for name in METHODS}
    made |= {"lines": answering.facts(state, gallery, file, own), "attribute": attribute}
    RESULT.put(state, made)


def _show(gallery: Gallery, made: dict[str, Any]) -> None:
    from core.report.answers_render import TITLES, towards

    titles = made["titles"] | TITLES
    numbers, attribute = made["numbers"], made["attribute"]
    one = numbers["attributes"][attribute]
    left, right = st.columns([1.2, 1], gap="medium")
    edited = [arm for arm in ("edit", "held") if arm in one["arms"]]
    with left:
        st.markdown("**Mean gap by arm**")
        arms = {titles.get(arm, arm): _estimate(value) for arm, value in numbers["summary"]["gap"].items()}
        blind = one["arms"]["original"]["gap"]["blind"]
        provenance.chart(
            model_charts.gaps(arms, [TITLES[arm] for arm in edited], blind), lines=made["lines"], key="ask-gaps"
        )
        st.caption("Grey band: what labels dealt at random show.")
    with right:
        ability = numbers["summary"]["ability"]
        for arm in edited:
            st.markdown(
                f"**{TITLES[arm].capitalize()}**: right answers {100 * ability['original']['estimate']:.1f} % before, "
                f"{100 * ability[arm]['estimate']:.1f} % after. {towards(one, arm)}"
            )
        for note in made["notes"]:
            st.caption(grids.escape(f"{note}."))
        for arm, reason in made["absent"].items():
            st.caption(grids.escape(f"{titles.get(arm, arm)} was not measured: {reason}"))
        offers.download(
            st,
            "Report, to verify",
            made["zip"],
            "answers-report.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
        )
    _table(made, one, edited)
    if edited:
        _flips(gallery, made, edited[0])


def _table(made: dict[str, Any], one: dict[str, Any], edited: list[str]) -> None:
    """P of the first answer by word and group, before and after, with the tested difference."""
    from core.report.words import p_text

    rows = []
    for word in made["words"]:
        row: dict[str, Any] = {"word": word}
        for arm in ("original", *edited[:1]):
            for group in made["groups"]:
                value = one["arms"][arm]["words"][word]["groups"][group]["estimate"]
                row[f"{group} {'before' if arm == 'original' else 'after'}"] = None if value is None else 100 * value
        own = one["arms"]["original"]["words"][word]
        if "difference" in own and own["difference"]["estimate"] is not None:
            d = own["difference"]
            ends = "" if d.get("lo") is None else f" ({100 * d['lo']:+.0f} to {100 * d['hi']:+.0f})"
            row["difference before, points"] = f"{100 * d['estimate']:+.0f}{ends}"
            row["adjusted p"] = p_text(own["p_adjusted"])
        rows.append(row)
    shown = {
        key: st.column_config.NumberColumn(grids.escape(key), format="%.0f %%")
        for key in rows[0]
        if key.endswith(("before", "after"))
    }
    st.dataframe(rows, hide_index=True, column_config=shown, height=min(420, 40 + 35 * len(rows)))


def _flips(gallery: Gallery, made: dict[str, Any], arm: str) -> None:
    """Pictures whose likeliest answer is another one."""
    found = made["numbers"]["flips"][arm]
    st.markdown(f"**Answers that flipped**: {found['n']:,} of {found['of']:,}")
    shown = found["shown"][:SEEN]
    captions = [
        f"{grids.escape(one['word'])}  \n{grids.escape(one['before'])} → {grids.escape(one['after'])}" for one in shown
    ]
    rows = [int(made["rows"][one["picture"]]) for one in shown]
    grids.grid(grids.tiles(gallery, rows, captions), "ask-flips", width=92, empty="No answer flipped.")


def _sweep(state: AppState, gallery: Gallery, attribute: str, file: "SAEFile | None", own: "TokenEdit") -> None:
    """Bias against ability along strength or alpha."""
    if file is None or not own.edit.neurons:
        return
    st.markdown("**Sweep: how much gap is left, and what it costs**")
    along = st.segmented_control(
        "Along", list(ALONG), default="strength", format_func=ALONG.__getitem__, label_visibility="collapsed"
    )
    if st.button("Sweep", icon=":material/show_chart:") and along:
        SWEPT.put(state, _swept(state, gallery, attribute, file, own, along))
    found = SWEPT.of(state)
    if found:
        points = found["points"]
        figure = model_charts.sweep(
            [p.value for p in points], [p.gap for p in points], [p.ability for p in points], found["along"]
        )
        provenance.chart(figure, lines=found["lines"], key="ask-sweep-chart")
        st.caption(f"{SWEPT_PICTURES} pictures, {SWEPT_WORDS} words, neurons {', '.join(map(str, own.edit.neurons))}.")


def _swept(
    state: AppState, gallery: Gallery, attribute: str, file: "SAEFile", own: "TokenEdit", along: str
) -> dict[str, Any]:
    from core.lvlm import sweep as sweeps
    from core.lvlm.ability import shipped_set
    from core.lvlm.answering import prepare
    from core.lvlm.audit import ask_protocol
    from core.lvlm.pictures import pictures_of
    from core.lvlm.token_method import Evidence

    model = answering.model(state)
    rows, _ = answering.compared(state, gallery, attribute)
    rows = rows[:: max(1, len(rows) // SWEPT_PICTURES)][:SWEPT_PICTURES]
    words = (model.planted or _book_words())[:SWEPT_WORDS]
    evidence = (
        answering.probe(state, gallery, attribute).evidence(file.sae) if own.hold != "value" else Evidence(file.sae)
    )
    values = sweeps.STRENGTHS if along == "strength" else sweeps.ALPHAS
    labels = gallery.group_numbers(attribute)[rows].astype(int)
    with jobs.progress("Sweeping") as report:
        asked = ask_protocol(model, prepare(model, pictures_of(gallery, rows)), "direct", words, 0)
        seen = shipped_set(model, SEEN)
        points = sweeps.sweep(
            asked, seen, labels, len(gallery.groups(attribute)), evidence, own, along, values, progress=report
        )
    return {"along": along, "points": points, "lines": answering.facts(state, gallery, file, own)}


def _estimate(value: dict[str, Any]) -> Estimate:
    if value["estimate"] is None:
        return Estimate.missing(value.get("reason", "not computed"))
    return Estimate(value["estimate"], value.get("lo"), value.get("hi"), value.get("n"))

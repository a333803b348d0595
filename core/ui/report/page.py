"""Report: what is asked is written down first, then measured; findings in sentences, and everything to download."""

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import ASSETS, InputError
from core.gallery import Gallery
from core.reading import parse_json
from core.store import read_json
from core.tables import as_written, clean_text
from core.ui.parts import grids, provenance
from core.ui.parts.frame import guard
from core.ui.parts.heading import heading
from core.ui.parts.wording import TARGET_CHOICES
from core.ui.session import cache, jobs
from core.ui.session.choices import Choice
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import OWN_TARGET, TARGETS, AppState, get_state

if TYPE_CHECKING:
    from core.audit.spec import AuditSpec

NOTHING, CHOSEN, RULE, ATTRIBUTION = "nothing", "now", "rule", "attribution"
EDITS = {
    CHOSEN: "What is switched on Compare",
    RULE: "The specific neurons of each group",
    ATTRIBUTION: "The neurons behind each prompt's lean",
    NOTHING: "Nothing: the model as it is",
}
EDIT_HELP = (
    "Neurons are found on the probe half, everything is measured on the evaluation half. The specific neurons fire on "
    "at least half of a group's items and of no other group's; the neurons behind a lean are chosen for each prompt."
)
PAGE_HEIGHT = 900
MIME = {"html": "text/html", "csv": "text/csv", "json": "application/json", "md": "text/markdown"}
TITLES = {"report.html": "HTML", "findings.csv": "CSV", "report.json": "JSON", "card.md": "Model card"}
MOST_PROMPTS = 10
SPEC: Choice[Mapping[str, Any]] = Choice("spec", {})
"""A spec file that fills in the form; {}: none was loaded."""
MADE: Choice[Mapping[str, Any] | None] = Choice("report", None)
"""The finished audit: its spec, and its files by name."""


def report() -> None:
    """The whole page."""
    state, gallery = get_state(), cache.current_gallery()
    st.html(grids.STYLE)
    heading("Report", "An audit that stands up to a second reader: registered, measured, exported, verified")
    if not gallery.attributes:
        st.info("This gallery has no attribute, so there are no groups to count. Choose another in Data & models.")
        return
    with guard():
        _ask(state, gallery)
    made = MADE.of(state)
    if made is not None:
        with guard():
            _show(state, made)
    provenance.strip(provenance.loaded(state))


# -- what is asked ----------------------------------------------------------------------------------------------------


def _ask(state: AppState, gallery: Gallery) -> None:
    """The spec as a form, filled in from what is chosen or from a loaded spec."""
    given = SPEC.of(state)
    with st.expander("What is asked", expanded=MADE.of(state) is None, icon=":material/edit_note:"):
        _load(state)
        with st.form("audit"):
            left, right = st.columns([1.15, 1], gap="medium")
            with left:
                asked = _questions(state, gallery, given)
            with right:
                asked |= _manner(state, gallery, given)
            sent = st.form_submit_button("Run the audit", type="primary", icon=":material/gavel:")
    if sent:
        options = {"auditor": asked.pop("auditor") or "not stated", "thumbnails": asked.pop("thumbnails")}
        spec = _spec(state, gallery, asked)
        MADE.put(state, _run(state, spec, options))
        st.rerun()


def _questions(state: AppState, gallery: Gallery, given: Mapping[str, Any]) -> dict[str, Any]:
    title = st.text_input("Title", value=given.get("title", f"Who is retrieved from {gallery.name}"))
    prompts = given.get("prompts") or _suggested(state, gallery)
    return {
        "title": title,
        "prompts": st.text_area(
            "Pre-registered prompts, one a line",
            value="\n".join(prompts),
            height=148,
            help="Their findings are headline",
        ),
        "exploratory_prompts": st.text_area(
            "Exploratory prompts, one a line",
            value="\n".join(given.get("exploratory_prompts", [])),
            height=70,
            help="Corrected apart, never headline",
        ),
    }


def _suggested(state: AppState, gallery: Gallery) -> list[str]:
    """The prompt of Compare first, then prompts that this gallery's model is likely to know."""
    if only_known_prompts(state, gallery):
        known = gallery.prompts
    else:
        known = read_json(ASSETS / "prompts" / "occupations.json")["prompts"]
    return list(dict.fromkeys([*([state.query] if state.query else []), *known]))[:MOST_PROMPTS]


def _manner(state: AppState, gallery: Gallery, given: Mapping[str, Any]) -> dict[str, Any]:
    attributes = given.get("attributes") or [a for a in [state.attribute_in(gallery.attributes)] if a]
    offered = [*gallery.attributes, *(a for a in attributes if a not in gallery.attributes)]
    chosen = state.own_targets if state.target == OWN_TARGET else state.target
    target = given.get("target", chosen)
    named = target if isinstance(target, str) else OWN_TARGET
    asked: dict[str, Any] = {
        "attributes": st.multiselect(
            "Attributes", offered, default=attributes, accept_new_options=True, help="Cross them as “gender x age”"
        )
    }
    k, kind = st.columns(2)
    asked["k"] = k.number_input("k, how many are retrieved", 1, gallery.n, min(given.get("k", state.k), gallery.n))
    names = [*TARGETS, OWN_TARGET]
    asked["target"] = kind.selectbox(
        "Target, chosen before looking", names, names.index(named), format_func=TARGET_CHOICES.__getitem__
    )
    table = st.file_uploader("Own target table (columns attribute, group, share)", type=["csv"])
    if asked["target"] == OWN_TARGET:
        asked["target"] = _target(table) if table is not None else target
    ways = [way for way in EDITS if way in (NOTHING, *_possible(state, gallery))]
    at = ways.index(_way(given)) if _way(given) in ways else 0
    asked["edit"] = st.selectbox("Switched", ways, at, format_func=EDITS.__getitem__, help=EDIT_HELP)
    who, seed = st.columns([2, 1])
    asked["auditor"] = who.text_input("Auditor", placeholder="stands in the report")
    asked["seed"] = seed.number_input("Seed", 0, 1 << 31, given.get("seed", 0))
    allowed = _pictures_allowed(gallery)
    asked["thumbnails"] = st.checkbox(
        "Embed pictures in the report",
        disabled=not allowed,
        help=None if allowed else "The licence note does not allow it",
    )
    return asked


def _possible(state: AppState, gallery: Gallery) -> list[str]:
    """Ways of switching that the chosen SAEs allow."""
    ways = [CHOSEN] if state.edits else []
    return [*ways, RULE, ATTRIBUTION] if gallery.side in state.saes else ways


def _way(given: Mapping[str, Any]) -> str:
    """The way of choosing of a loaded spec."""
    edit = given.get("edit")
    if not given:
        return ""
    return NOTHING if not edit else str(edit.get("select", CHOSEN))


def _pictures_allowed(gallery: Gallery) -> bool:
    from core.report import licence_allows

    return gallery.has_thumbs and licence_allows(gallery.manifest.get("licence"))


def _target(table: Any) -> dict[str, dict[str, float]]:
    """{attribute: {group: share}} of an uploaded table."""
    from core.datasets.target_tables import parse_target

    data, name = table.getvalue(), table.name
    of = as_written(data, ("attribute", "group", "share"), name)["attribute"].dropna()
    return {attribute: parse_target(data, name, attribute) for attribute in dict.fromkeys(map(clean_text, of))}


def _spec(state: AppState, gallery: Gallery, asked: dict[str, Any]) -> "AuditSpec":
    """The spec that the form holds; a loaded spec keeps its own edit where its way of choosing was kept."""
    from core.audit.spec import SCHEMA, AuditSpec

    for name in ("prompts", "exploratory_prompts"):
        asked[name] = [" ".join(line.split()) for line in asked[name].splitlines() if line.strip()]
    given = SPEC.of(state)
    way, asked["sae"], asked["edit"] = asked["edit"], state.saes.get(gallery.side), None
    if way == CHOSEN and len(state.edits) > 1:
        raise InputError("neurons of both sides are switched on Compare; a spec holds those of one side: undo one")
    if way == _way(given) and way != NOTHING and given.get("edit"):
        asked["edit"], asked["sae"] = given["edit"], given.get("sae") or asked["sae"]
    elif way == CHOSEN:
        side, edit = next(iter(state.edits.items()))
        asked["edit"], asked["sae"] = edit.to_json(), state.saes[side]
    elif way in (RULE, ATTRIBUTION):
        asked["edit"] = {"select": way}
    asked["sae"] = asked["sae"] if asked["edit"] else None
    model = None if only_known_prompts(state, gallery) else gallery.fingerprint("pooled").model
    where = given.get("where") if given else dict(state.where)
    document = {"schema": SCHEMA, "gallery": state.gallery, "model": model, "where": where or {}, **asked}
    return AuditSpec.from_json({**document, "k": int(asked["k"]), "seed": int(asked["seed"])})


def _load(state: AppState) -> None:
    """A spec file fills in the form."""
    from core.audit.spec import AuditSpec

    with st.popover("Load a spec", icon=":material/upload_file:"):
        uploaded = st.file_uploader("SPEC.json", type=["json"], key="spec-file")
        if uploaded is None or not st.button("Use it", type="primary"):
            return
        spec = AuditSpec.from_json(parse_json(uploaded.getvalue(), uploaded.name, "give an audit spec"))
        cache.gallery(spec.gallery)
        state.choose_gallery(spec.gallery, state.probe if spec.gallery == state.gallery else None)
        side = cache.current_gallery(state).side
        if spec.sae is not None:
            state.choose_sae(cache.sae(spec.sae).side or side, spec.sae)
        state.set_where(spec.where)
        SPEC.put(state, spec.to_json())
        state.notice(f"The spec “{spec.title}” is loaded, digest {spec.digest[:16]}.")
        st.rerun()


# -- what is found ----------------------------------------------------------------------------------------------------


def _run(state: AppState, spec: "AuditSpec", options: dict[str, Any]) -> dict[str, Any]:
    """Run the audit and keep its files in the session's memory; an interrupted one goes on where it was."""
    from core.audit.run import run
    from core.report import FILES, ReportOptions, write_report
    from core.store import partial_folder

    gallery = cache.current_gallery(state)
    backbone = None if only_known_prompts(state, gallery) else cache.current_backbone(state)
    kept = partial_folder(Path(tempfile.gettempdir()) / f"unskew-audit-{spec.digest[:24]}")
    with jobs.progress("Auditing") as progress, tempfile.TemporaryDirectory() as folder:
        result = run(spec, backbone, kept, progress)
        out = write_report(result, Path(folder) / "report", ReportOptions(**options))
        return {"spec": spec.to_json(), "files": {n: (out / n).read_bytes() for n in (*FILES, "manifest.json")}}


def _show(state: AppState, made: Mapping[str, Any]) -> None:
    """The findings of the finished audit, and its files."""
    from core.report.sentences import summary

    files = made["files"]
    document = parse_json(files["report.json"], "report.json")
    st.header(grids.escape(document["spec"]["title"]), anchor=False)
    st.html("".join(f"<p>{sentence}</p>" for sentence in summary(document)))
    name = re.sub(r"[^A-Za-z0-9]+", "-", document["spec"]["title"]).strip("-").lower() or "audit"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Everything",
            _zipped(name, files),
            f"{name}.zip",
            "application/zip",
            type="primary",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="All files with the manifest that `python -m core verify` reads",
        )
        for file, title in TITLES.items():
            mime = MIME[file.rpartition(".")[2]]
            st.download_button(title, files[file], file, mime, icon=":material/download:", on_click="ignore")
        spec = json.dumps(made["spec"], indent=1, ensure_ascii=False)
        st.download_button("Spec", spec, "spec.json", MIME["json"], icon=":material/edit_note:", on_click="ignore")
        if st.button("Verify", icon=":material/fact_check:", help="Compare all digests and compute every number again"):
            _verify(files)
    st.iframe(files["report.html"].decode(), height=PAGE_HEIGHT, alt="The report")


def _zipped(name: str, files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(f"{name}/{file}", content)
    return written.getvalue()


def _verify(files: Mapping[str, bytes]) -> None:
    from core.verify import verify

    with jobs.progress("Verifying") as progress, tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        verdict = verify(Path(folder), progress=progress)
    if verdict.equal:
        st.info("\n".join(f"- {grids.escape(line)}" for line in verdict.sentences()), title="All equal")
    else:
        st.warning("\n".join(f"- {grids.escape(line)}" for line in verdict.differences[:20]), title="Not equal")

"""What is asked, as a form: filled in from what is chosen, from a loaded spec, a template, or what was asked last."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.audit.stated import BLOCKS, DATA_SHEET, PURPOSE, SPECIAL_CATEGORIES
from core.config import ASSETS, InputError, Side, digest_of
from core.datasets.target_tables import parse_target, parse_typed
from core.gallery import Gallery
from core.reading import parse_json
from core.store import read_json
from core.ui.parts import offers
from core.ui.parts.wording import TARGET_CHOICES
from core.ui.session import cache, entering
from core.ui.session.choices import LABEL_SET, Choice
from core.ui.session.escaping import escape
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import OWN_TARGET, TARGETS, AppState

if TYPE_CHECKING:
    from core.audit.spec import AuditSpec

NOTHING, CHOSEN, RULE, ATTRIBUTION, GIVEN = "nothing", "now", "rule", "attribution", "spec"
EDITS = {
    CHOSEN: "What is switched on Compare",
    RULE: "The first specific neuron of each group",
    ATTRIBUTION: "The neurons behind each prompt's lean",
    GIVEN: "What the spec switches",
    NOTHING: "No neurons",
}
EDIT_HELP = (
    "Neurons are found on the probe half, everything is measured on the evaluation half. A specific neuron fires on at "
    "least half of a group's items and of no other group's; the neurons behind a lean are chosen for each prompt. A "
    "loaded spec may say another share, or another number of neurons."
)
NEURONS = "neuron-edit"
CONTROLS = ("identity", "reconstruction-only", NEURONS)
"""Methods that are not offered: the baseline and a control stand beside every method, neurons have their own choice."""
MOST_PROMPTS = 10
FIRST_K = 100
SPEC: Choice[Mapping[str, Any]] = Choice("spec", {})
"""The spec that fills in the form: loaded, of the template, of a kept audit, or asked last; {}: there was none yet."""
AUDITOR = Choice("auditor", "")
PART_THEN: Choice[Mapping[str, str] | None] = Choice("spec-part", None)
"""The part that Compare looked at when the spec was filled in; None: there was no spec yet."""
DRAFT: Choice[Mapping[str, Any]] = Choice("audit-draft", {})
"""What the form held when it was last sent, whether or not a spec came of it."""


def filled(state: AppState, gallery: Gallery) -> dict[str, Any] | None:
    """The form; what it holds where it was sent, else None."""
    given = {**SPEC.of(state), **DRAFT.of(state)}
    with st.container(horizontal=True, vertical_alignment="center"):
        first = template(state, gallery)
        name = f"First audit: {_asks(state, gallery)} x {escape(first['attributes'][0])}"
        if st.button(name, key="first-audit", icon=":material/auto_awesome:", help="Fills in the form; then run it"):
            fill_in(state, first)
            st.rerun()
        _load(state)
    # a new key for every spec that fills it in: fields then take its values, and keep what is typed until the next
    with st.form(f"audit-{digest_of(SPEC.of(state))[:12]}", border=False):
        left, right = st.columns([1.15, 1], gap="medium")
        with left:
            asked = _questions(state, gallery, given)
        with right:
            asked |= _manner(state, gallery, given)
        asked |= _stated(given)
        sent = st.form_submit_button("Run the audit", type="primary", icon=":material/gavel:")
    if not sent:
        return None
    kept = ("title", "attributes", "k", "seed", "purpose", "data_sheet", "methods")
    lines = {name: asked[name].splitlines() for name in ("prompts", "exploratory_prompts")}
    DRAFT.put(state, {name: asked[name] for name in kept} | lines | {"way": asked["edit"]})
    return asked


def fill_in(state: AppState, spec: Mapping[str, Any]) -> None:
    """Let a spec fill in the form, instead of what was typed."""
    SPEC.put(state, spec)
    PART_THEN.put(state, dict(state.where))
    DRAFT.put(state, None)


def template(state: AppState, gallery: Gallery) -> dict[str, Any]:
    """The spec of a first audit: occupations or known prompts, the gallery's gender or first attribute, and specific
    neurons."""
    gender = next((a for a in gallery.attributes if a.lower() in ("gender", "sex")), gallery.attributes[0])
    edit = {"select": RULE} if gallery.side in state.saes else None
    return {
        "title": f"{_asks(state, gallery).capitalize()} by {gender}: who is retrieved from {gallery.name}",
        "attributes": [gender],
        "prompts": _suggested(state, gallery, own=False),
        "k": min(FIRST_K, max(gallery.n // 10, 1)),
        "target": "gallery",
        "edit": edit,
        "sae": state.saes.get(gallery.side) if edit else None,
        "where": {},
    }


def _asks(state: AppState, gallery: Gallery) -> str:
    """What the prompts of a first audit are."""
    return "known prompts" if only_known_prompts(state, gallery) else "occupations"


def _questions(state: AppState, gallery: Gallery, given: Mapping[str, Any]) -> dict[str, Any]:
    title = st.text_input("Title", value=given.get("title", f"Who is retrieved from {gallery.name}"))
    where = searched_part(state, given)
    if where:
        st.caption(f":material/filter_alt: Only {escape(where_words(where))} is searched; the report's title says so.")
    elif state.where:
        st.caption(
            ":material/filter_alt: All items are searched, as the spec in the form says; Compare looks at a part."
        )
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


def searched_part(state: AppState, given: Mapping[str, Any]) -> dict[str, str]:
    """The part of the gallery that the form asks about: the spec's, until another one is chosen on Compare."""
    kept = "where" in given and PART_THEN.of(state) in (None, state.where)
    return dict(given["where"] or {}) if kept else dict(state.where)


def where_words(where: Mapping[str, str]) -> str:
    return " and ".join(f"{column} = {value}" for column, value in where.items())


def _suggested(state: AppState, gallery: Gallery, own: bool = True) -> list[str]:
    """The prompt of Compare first, then prompts that this gallery's model is likely to know."""
    if only_known_prompts(state, gallery):
        known = gallery.prompts
    else:
        known = read_json(ASSETS / "prompts" / "occupations.json")["prompts"]
    return list(dict.fromkeys([*([state.query] if state.query and own else []), *known]))[:MOST_PROMPTS]


def _manner(state: AppState, gallery: Gallery, given: Mapping[str, Any]) -> dict[str, Any]:
    attributes = list(given.get("attributes") or [a for a in [state.attribute_in(gallery.attributes)] if a])
    offered = [*gallery.attributes, *(a for a in attributes if a not in gallery.attributes)]
    asked: dict[str, Any] = {
        "attributes": st.multiselect(
            "Attributes", offered, default=attributes, accept_new_options=True, help="Cross them as “gender x age”"
        )
    }
    k, kind = st.columns(2)
    asked["k"] = k.number_input("k, how many are retrieved", 1, gallery.n, min(given.get("k", state.k), gallery.n))
    asked |= _target(state, kind, given)
    ways = [way for way in EDITS if way in (NOTHING, *_possible(state, gallery))]
    way = _way(state, given)
    at = ways.index(way) if way in ways else 0
    asked["edit"] = st.selectbox("Switched", ways, at, format_func=EDITS.__getitem__, help=EDIT_HELP)
    asked["methods"] = _methods(state, given)
    who, seed = st.columns([2, 1])
    named = entering.identity()
    asked["auditor"] = who.text_input(
        "Auditor", named or AUDITOR.of(state), placeholder="stands in the report", disabled=bool(named)
    )
    asked["seed"] = seed.number_input("Seed", 0, 1 << 31, given.get("seed", 0))
    why_not = _no_pictures(gallery)
    asked["thumbnails"] = st.checkbox("Embed pictures in the report", disabled=why_not is not None, help=why_not)
    return asked


def _target(state: AppState, place: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The choice of a target, and an own one as a table or typed; read when the form is sent."""
    target = given.get("target", state.own_targets if state.target == OWN_TARGET else state.target)
    named = target if isinstance(target, str) else OWN_TARGET
    names = [*TARGETS, OWN_TARGET]
    chosen = place.selectbox(
        "Target, chosen before looking", names, names.index(named), format_func=TARGET_CHOICES.__getitem__
    )
    with st.expander("Own target: a table, or typed", expanded=named == OWN_TARGET):
        table = offers.upload(
            st,
            "Table with the columns group and share; and attribute, where several are audited",
            type=["csv", "tsv", "txt", "json"],
        )
        typed = st.text_input("Or type the shares of each attribute", placeholder="Female 40, Male 60")
    return {"target": chosen, "table": table, "typed": typed, "earlier": None if isinstance(target, str) else target}


def _methods(state: AppState, given: Mapping[str, Any]) -> list[str]:
    from core.interventions import INTERVENTIONS

    known = {name: INTERVENTIONS.get(name).title for name in INTERVENTIONS if name not in CONTROLS}
    named = given.get("methods") or [given.get("method", state.method)]
    return st.multiselect(
        "Other methods beside it",
        sorted(known, key=lambda name: known[name]),
        default=[name for name in named if name in known],
        format_func=known.__getitem__,
        help="Audited side by side in one report. One that cannot run here says what it lacks",
    )


def _possible(state: AppState, gallery: Gallery) -> list[str]:
    """Ways of switching that the chosen SAEs allow."""
    ways = [CHOSEN] if state.edits else []
    ways += [RULE, ATTRIBUTION] if gallery.side in state.saes else []
    return [*ways, GIVEN] if _of_spec(SPEC.of(state)) == GIVEN else ways


def _of_spec(given: Mapping[str, Any]) -> str:
    """The way of choosing of a spec; GIVEN where it names neurons or chooses them as no entry of the form does."""
    edit = given.get("edit")
    if not edit:
        return NOTHING
    return edit["select"] if edit.get("select") in (RULE, ATTRIBUTION) else GIVEN


def _way(state: AppState, given: Mapping[str, Any]) -> str:
    """The way that the form begins with: what it held, else the spec's; "" where there is neither."""
    if not given or "way" in given:
        return str(given.get("way", ""))
    same = len(state.edits) == 1 and _switched(state)["edit"] == given.get("edit")
    return CHOSEN if same else _of_spec(given)


def _no_pictures(gallery: Gallery) -> str | None:
    """Why no picture can stand in the report; None where they can."""
    from core.report import licence_allows

    if not gallery.has_thumbs:
        return "The gallery keeps no pictures"
    return None if licence_allows(gallery.manifest.get("licence")) else "The licence note does not allow it"


def _stated(given: Mapping[str, Any]) -> dict[str, Any]:
    """Purpose and data sheet, in the auditor's words; all of it optional."""
    parts = (("purpose", "Purpose and system", PURPOSE), ("data_sheet", "Data sheet of the gallery", DATA_SHEET))
    said: dict[str, Any] = {block: {} for block in BLOCKS}
    columns = st.columns(3, gap="small")
    record = ("data_sheet", "Special categories of data", SPECIAL_CATEGORIES)
    for column, (block, title, keys) in zip(columns, (*parts, record), strict=True):
        with column.expander(f"{title} (optional)"):
            for key, label in keys.items():
                before = given.get(block, {}).get(key, "")
                text = before if isinstance(before, str) else "\n".join(before)
                said[block][key] = st.text_area(label, text, height=68, placeholder="not stated")
    return said


# -- from the form to a spec ------------------------------------------------------------------------------------------


def spec_of(state: AppState, gallery: Gallery, asked: Mapping[str, Any]) -> "AuditSpec":
    """The spec that the form holds; a given spec keeps its own edit where its way of choosing was kept."""
    from core.audit.spec import SCHEMA, AuditSpec

    given = SPEC.of(state)
    document: dict[str, Any] = {"schema": SCHEMA, "gallery": state.gallery}
    for name in ("title", "attributes", "purpose", "data_sheet"):
        document[name] = asked[name]
    for name in ("prompts", "exploratory_prompts"):
        document[name] = [" ".join(line.split()) for line in asked[name].splitlines() if line.strip()]
    document |= {"k": int(asked["k"]), "seed": int(asked["seed"]), "where": searched_part(state, given)}
    document["target"] = _own_target(gallery, asked) if asked["target"] == OWN_TARGET else asked["target"]
    document["model"] = None if only_known_prompts(state, gallery) else gallery.fingerprint("pooled").model
    document |= _edit(state, gallery, asked["edit"], given)
    methods = [*([NEURONS] if document["edit"] else []), *asked["methods"]]
    if asked["methods"]:
        document |= {"methods": methods, "method": methods[0]}
    saes = _saes(state, gallery, document, methods)
    return AuditSpec.from_json(document | {"sae": saes[0] if len(saes) == 1 else saes or None})


def _own_target(gallery: Gallery, asked: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """{attribute: {group: share}} of what was typed, else of the table, else of the spec."""
    if asked["typed"].strip():
        return {name: parse_typed(asked["typed"], gallery.groups(name)) for name in asked["attributes"]}
    if asked["table"] is not None:
        data = asked["table"].getvalue()
        return {name: parse_target(data, asked["table"].name, name) for name in asked["attributes"]}
    earlier = asked["earlier"] or {}
    if missing := [name for name in asked["attributes"] if name not in earlier]:
        raise InputError(f"there is no target for {missing[0]} yet; type its shares, give a table, or choose another")
    return {name: dict(earlier[name]) for name in asked["attributes"]}


def _edit(state: AppState, gallery: Gallery, way: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The edit of a spec, with the side whose SAE it needs as `sae`."""
    if way == NOTHING:
        return {"edit": None, "sae": None}
    if way == _of_spec(given):
        return {"edit": given["edit"], "sae": given.get("sae") or state.saes.get(gallery.side)}
    if way != CHOSEN:
        return {"edit": {"select": way}, "sae": state.saes.get(gallery.side)}
    return _switched(state)


def _switched(state: AppState) -> dict[str, Any]:
    """What is switched on Compare, and the SAE of its side."""
    if len(state.edits) > 1:
        raise InputError("neurons of both sides are switched on Compare; a spec holds those of one side: undo one")
    side, edit = next(iter(state.edits.items()))
    named, said = LABEL_SET.of(state), edit.to_json()
    if named is not None and named[0] == side and list(named[2]) == said["neurons"] and not edit.strengths:
        # the set keeps its name, hash and raters in the report
        said = {"label_set": named[1]} | {key: item for key, item in said.items() if key != "neurons"}
    return {"edit": said, "sae": state.saes[side]}


def _saes(state: AppState, gallery: Gallery, document: Mapping[str, Any], methods: list[str]) -> list[str]:
    """The SAE of the edit, and the chosen ones of the sides that other methods read."""
    from core.interventions import INTERVENTIONS

    own = document["sae"]
    named = [] if own is None else [own] if isinstance(own, str) else list(own)
    for kind in map(INTERVENTIONS.get, methods):
        side: Side = "text" if kind.changes == "query" else gallery.side
        chosen = state.saes.get(side)
        if kind.needs.sae and chosen is not None and chosen not in named:
            named.append(chosen)
    return named


def _load(state: AppState) -> None:
    """A spec file fills in the form."""
    from core.audit.spec import AuditSpec

    with st.popover("Load a spec", icon=":material/upload_file:"):
        uploaded = offers.upload(st, "SPEC.json", type=["json"], key="spec-file")
        if uploaded is None or not st.button("Use it", type="primary"):
            return
        take(state, AuditSpec.from_json(parse_json(uploaded.getvalue(), uploaded.name, "give an audit spec")))


def take(state: AppState, spec: "AuditSpec") -> None:
    """Let a spec fill in the form, with the gallery and the SAEs that it names."""
    cache.gallery(spec.gallery)
    state.choose_gallery(spec.gallery, state.probe if spec.gallery == state.gallery else None)
    side = cache.current_gallery(state).side
    for name in spec.saes:
        state.choose_sae(cache.sae(name).side or side, name)
    state.set_where(spec.where)
    fill_in(state, spec.to_json())
    state.notice(f"The spec “{spec.title}” is loaded, digest {spec.digest[:16]}.")
    st.rerun()

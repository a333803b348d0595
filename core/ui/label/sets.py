"""Sets & files: labelled neurons as named sets that become edits, labels in and out, guesses from another SAE."""

import json

import streamlit as st

from core import access
from core.config import Edit, InputError
from core.labelling import DETAILS, TYPES, LabelSet, agreed_neurons, guesses, match_neurons, raters_of, rule_text
from core.labelling.exchange import document, parse_csv, parse_json, to_csv
from core.ui.label.desk import Desk
from core.ui.parts import grids, offers
from core.ui.parts.frame import guard
from core.ui.session import cache, folders, label_log, links
from core.ui.session.choices import LABEL_SET, SWITCH_SIDE
from core.ui.session.escaping import escape
from core.ui.session.state import AppState

ANY = "any"


def sets_panel(desk: Desk) -> None:
    """Make a set, use one, and take labels in and out."""
    left, right = st.columns(2, gap="large")
    with left, guard():
        if access.may("freeze-labels"):
            _make(desk)
        _kept(desk)
    with right, guard():
        _files(desk)
        _other_saes(desk)


def _make(desk: Desk) -> None:
    st.markdown("**Make a set** :small[:gray[it gets a version and a hash, and is never changed]]")
    type = st.selectbox("Type", TYPES, key="set-type")
    attribute = st.selectbox("Attribute", [ANY, *DETAILS.get(type, ())], key="set-attribute")
    least = int(st.number_input("Raters who must say so", 1, 20, value=2, key="set-least"))
    detail = None if attribute == ANY else attribute
    standings = list(label_log.live(desk.sae).on(desk.gallery).values())
    neurons = agreed_neurons(standings, type, detail, least)
    st.caption(f"{len(neurons)} neurons: {escape(rule_text(type, detail, least))}.")
    suggested = f"{detail or type}, agreed by {least}"
    name = st.text_input("Name", suggested, key=f"set-name-{suggested}", max_chars=100)
    if st.button("Keep this set", type="primary", disabled=not neurons, icon=":material/bookmark_add:"):
        rule = rule_text(type, detail, least)
        said = raters_of(standings, neurons)
        made = LabelSet(name, desk.sae, neurons, rule, by=desk.rater, gallery=desk.gallery, raters=said)
        label_log.log().save_set(made)


def _kept(desk: Desk) -> None:
    kept = label_log.log().sets(desk.sae)
    st.markdown(f"**Sets of {grids.escape(desk.probe.sae.name)}**")
    if not kept:
        st.caption("None yet.")
    for made in reversed(kept):
        with st.container(border=True, gap="xsmall"):
            st.markdown(
                f"**{grids.escape(made.name)}** :small[version {made.version}, {len(made.neurons)} neurons: "
                f"{', '.join(map(str, made.neurons[:16]))}{' …' if len(made.neurons) > 16 else ''}]"
            )
            st.caption(f"{escape(made.rule)}. Hash for an audit spec: `{made.digest}`")
            if st.button("Switch off on Compare", key=f"use-{made.digest}", icon=":material/compare_arrows:"):
                use(desk.state, desk, made)
                links.go("pages/compare.py")


def use(state: AppState, desk: Desk, made: LabelSet) -> None:
    """Make the set the edit of its side."""
    state.set_edit(desk.side, Edit(made.neurons))
    LABEL_SET.put(state, (desk.side, made.digest, made.neurons))
    SWITCH_SIDE.put(state, desk.side)
    state.notice(f"Switched off: {made.name}, version {made.version} ({made.digest[:12]}).")


# -- files ------------------------------------------------------------------------------------------------------------


def _files(desk: Desk) -> None:
    st.markdown(f"**The log** :small[:gray[{grids.escape(label_log.log().public)}]]")
    events = label_log.log().events(desk.sae)
    st.caption(
        f"{len(events):,} events about this SAE. Nothing in it is ever changed; undo and decisions are events too."
    )
    with st.container(horizontal=True):
        for name, kind, text in (
            ("labels.csv", "text/csv", lambda: to_csv(events)),
            ("labels.json", "application/json", lambda: json.dumps(document(events), ensure_ascii=False)),
        ):
            offers.download(
                st,
                f"Download {name}",
                text,
                name,
                kind,
                icon=":material/download:",
                on_click="ignore",
                key=f"get-{name}",
            )
    if not access.may("import"):
        return
    given = offers.upload(st, "Add labels from a file", ["csv", "json"], key="label-file")
    if given is not None and st.button("Add these labels", icon=":material/upload:"):
        content = given.getvalue().decode("utf-8-sig", errors="replace")
        read = parse_csv if given.name.lower().endswith(".csv") else parse_json
        entries = read(content, given.name)
        added = label_log.log().extend(entries)
        st.info(f"{added:,} of {len(entries):,} events added; the others were there already.")


# -- another SAE ------------------------------------------------------------------------------------------------------


def _other_saes(desk: Desk) -> None:
    """Labels given to another SAE's neurons, offered as guesses for the ones that write alike."""
    st.markdown("**Labels of another SAE** :small[:gray[never taken over by themselves]]")
    others = [name for name in folders.known("saes") if cache.sae_card(name).digest != desk.sae]
    other = st.selectbox("SAE", others, index=None, key="match-sae", placeholder="choose one with labels")
    if other is None:
        return
    theirs = cache.sae(other)
    mine, its = desk.probe.sae.fingerprint, theirs.fingerprint
    if mine is None or its is None or mine != its:
        raise InputError(f"{theirs.name} was made for other embeddings: directions of the two cannot be compared.")
    labelled = {s.neuron: s for s in label_log.live(theirs.digest).everywhere() if s.labels}
    if not labelled:
        st.caption(f"No neuron of {grids.escape(theirs.name)} is labelled in this log.")
        return
    decoder, own_decoder = (file.sae.W_dec.detach().cpu().numpy() for file in (theirs, desk.probe.sae))
    matches = match_neurons(decoder, own_decoder, sorted(labelled))
    st.dataframe(
        [
            {
                "theirs": m.theirs,
                "said": labelled[m.theirs].said,
                "ours": m.ours,
                "cosine": m.cosine,
                "mutual": m.mutual,
            }
            for m in matches
        ],
        hide_index=True,
        height=220,
        column_config={"cosine": st.column_config.NumberColumn(format="%.2f")},
    )
    least = st.slider("Only where the cosine is at least", 0.0, 1.0, 0.8, 0.05, key="match-least")
    sure = [m for m in matches if m.mutual and m.cosine >= least]
    st.caption(
        f"{len(sure)} pairs are each other's nearest and so alike. Added, they stand as labels of “guess for "
        f"{grids.escape(desk.rater or 'you')}”, with the cosine, and never as yours."
    )
    if access.may("label") and st.button("Add these as guesses", disabled=not sure or not desk.rater):
        labels = {m.theirs: next(iter(labelled[m.theirs].labels.values())) for m in sure}
        made = guesses(labels, sure, desk.sae, desk.rater, desk.gallery)
        st.info(f"{label_log.log().extend(made)} guesses added.")

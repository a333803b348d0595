"""One's own labels: a list to filter, corrected by a new event, several neurons at once; and how far each rater is."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.config import InputError
from core.labelling import DETAILS, TYPES, LabelEvent, Standing
from core.ui.label.desk import CONFIDENCES, Desk
from core.ui.parts import grids
from core.ui.parts.wording import percent
from core.ui.session import probing
from core.ui.session.choices import Choice
from core.ui.session.state import get_state

EVERY = "every label"
SAID: Choice[str] = Choice("mine-said", EVERY)
"""Category of the labels that are listed."""
WORDS: Choice[str] = Choice("mine-words", "")
"""Words that a listed label's text or number holds."""
TABLE, NEURONS = "mine-table", "mine-neurons"
CATEGORIES = [(type, detail) for type in TYPES for detail in (*DETAILS.get(type, ()), None)]
MOST = 200
"""Neurons that one form labels."""
STRIP, STRIPS = 7, 8


def mine_panel(desk: Desk) -> None:
    """Progress of everybody, then this rater's labels and the form that labels several neurons at once."""
    st.header("Progress", anchor=False)
    progress = progress_of(desk.standings, desk.queue.total)
    if progress.empty:
        st.caption("Nobody has labelled this SAE on this gallery yet.")
    else:
        st.table(progress.assign(Rater=progress["Rater"].map(grids.escape)).set_index("Rater"))
    if not desk.rater:
        st.info("Type your name under Label to see your own labels.")
        return
    st.header(f"Labels of {grids.escape(desk.rater)}", anchor=False)
    own = own_labels(desk.standings, desk.rater)
    chosen = _list(desk, own)
    _form(desk, own, chosen)


def own_labels(standings: Mapping[int, Standing], rater: str) -> dict[int, LabelEvent]:
    """Neuron -> what stands of a rater, by neuron."""
    return {j: standings[j].labels[rater] for j in sorted(standings) if rater in standings[j].labels}


def progress_of(standings: Mapping[int, Standing], total: int) -> pd.DataFrame:
    """One row a rater, the most active first: labelled, share of all living neurons, passed over, tested."""
    raters = {name for s in standings.values() for name in (*s.labels, *s.skipped)}
    rows: list[dict[str, Any]] = []
    for rater in raters:
        labels = own_labels(standings, rater)
        tests = [standings[j].scores[e.id] for j, e in labels.items() if e.id in standings[j].scores]
        aucs = [float(test.score["auc"]) for test in tests if test.score and "auc" in test.score]
        rows.append(
            {
                "Rater": rater,
                "Labelled": len(labels),
                "Of all": percent(len(labels) / total) if total else "–",
                "Skipped": sum(rater in s.skipped for s in standings.values()),
                "Tests": len(tests),
                "Mean AUC of tests": f"{sum(aucs) / len(aucs):.2f}" if aucs else "–",
            }
        )
    rows.sort(key=lambda row: (-row["Labelled"], row["Rater"]))
    return pd.DataFrame(rows)


def listed(own: Mapping[int, LabelEvent], said: str, words: str) -> list[int]:
    """Neurons whose label is of a category and holds the words in its text or as its number."""
    looked_for = words.casefold().split()
    return [
        j
        for j, label in own.items()
        if said in (EVERY, label.category) and all(w in f"{j} {label.text}".casefold() for w in looked_for)
    ]


def _list(desk: Desk, own: Mapping[int, LabelEvent]) -> list[int]:
    """The table with its filter; the neurons of the rows that are chosen in it."""
    if not own:
        st.caption("None yet. Label neurons one by one under Label, or several at once below.")
        return []
    state = desk.state
    by_category, by_words = st.columns([1, 2])
    SAID.among(state, offered := [EVERY, *sorted({label.category for label in own.values()})])
    by_category.selectbox("Only", offered, **SAID.mirrored(state))
    by_words.text_input("That say", placeholder="words of the text, or a number", **WORDS.mirrored(state))
    shown = listed(own, SAID.of(state), WORDS.of(state))
    st.caption(f"{len(shown):,} of {len(own):,}. Rows that are chosen are filled into the form below.")
    picked = st.dataframe(
        frame(own, shown), hide_index=True, on_select="rerun", selection_mode="multi-row", key=TABLE, height=280
    )
    return [shown[row] for row in picked["selection"]["rows"] if row < len(shown)]


def frame(own: Mapping[int, LabelEvent], shown: Sequence[int]) -> pd.DataFrame:
    """The table of labels."""
    return pd.DataFrame(
        [
            {
                "Neuron": j,
                "Label": own[j].category,
                "In your words": own[j].text,
                "Sure": _sure(own[j].confidence),
                "Confound": own[j].confound,
                "When": own[j].at[:16].replace("T", " "),
            }
            for j in shown
        ],
        columns=["Neuron", "Label", "In your words", "Sure", "Confound", "When"],
    )


def _sure(confidence: float | None) -> str:
    return "not told" if confidence is None else percent(confidence)


def _form(desk: Desk, own: Mapping[int, LabelEvent], chosen: Sequence[int]) -> None:
    """One label for several neurons. What stood before stays in the log; the newest label counts."""
    first = own.get(chosen[0]) if chosen else None
    # another key for other rows: the fields then begin with what those say
    key = f"mine-form-{'-'.join(map(str, chosen[:20]))}"
    with st.form(key, border=True):
        st.markdown("**Label several neurons at once**")
        neurons, said = st.columns([2, 1])
        text = neurons.text_input(
            "Neurons", ", ".join(map(str, chosen)), placeholder="for example 3, 7", key=f"{NEURONS}-{key}"
        )
        at = CATEGORIES.index((str(first.type), first.attribute)) if first is not None else None
        names = [f"{type}: {detail}" if detail else type for type, detail in CATEGORIES]
        picked = said.selectbox("Label", names, at, placeholder="choose")
        words, sure, confound = st.columns([2, 1, 1], vertical_alignment="bottom")
        free = words.text_input("In your words", first.text if first else "", max_chars=2000)
        confidence = sure.selectbox(
            "Sure",
            CONFIDENCES,
            CONFIDENCES.index(first.confidence) if first and first.confidence in CONFIDENCES else 0,
            format_func=_sure,
        )
        flagged = confound.checkbox("Confound", first.confound if first else False)
        sent = st.form_submit_button("Label them", type="primary", icon=":material/label:")
    wanted = neurons_of(text, desk.probe.sae.sae.config.d_sae)
    for neuron in wanted[:STRIPS]:
        top = probing.shown_examples(desk.probe, neuron).top.rows[:STRIP]
        grids.strip(desk.probe.gallery, map(int, top), f"mine-{neuron}", f"neuron {neuron}", width=52)
    if sent:
        if picked is None:
            raise InputError("no label was chosen; choose one")
        type, attribute = CATEGORIES[names.index(picked)]
        label_them(desk, wanted, type=type, attribute=attribute, text=free, confidence=confidence, confound=flagged)
        many = "1 neuron is" if len(wanted) == 1 else f"{len(wanted)} neurons are"
        get_state().notice(f"{many} labelled {picked} by {desk.rater}.")
        st.rerun()


def neurons_of(text: str, size: int) -> list[int]:
    """Numbers of neurons with commas or blanks between them, each once.

    InputError for anything else, for a number that the SAE does not have, and for too many.
    """
    parts = re.split(r"[\s,]+", text.strip().strip(",")) if text.strip().strip(",") else []
    if wrong := [part for part in parts if not re.fullmatch("[0-9]{1,9}", part) or int(part) >= size]:
        raise InputError(f"a neuron was {wrong[0]!r}; expected numbers from 0 to {size - 1} with commas between them")
    neurons = list(dict.fromkeys(map(int, parts)))
    if len(neurons) > MOST:
        raise InputError(f"{len(neurons)} neurons were given; one form labels at most {MOST}")
    return neurons


def label_them(desk: Desk, neurons: Sequence[int], **said: Any) -> None:
    """Write the same label about several neurons; InputError where there is none."""
    if not neurons:
        raise InputError("no neuron was given; type numbers, or choose rows of the table")
    desk.label(neurons, **said)

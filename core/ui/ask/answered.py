"""Answers about many pictures, drawn from the report of their audit alone: by arm, by word, those that flipped."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.gallery import Gallery
from core.reading import parse_json, read_arrays
from core.statistics import Estimate
from core.ui.parts import grids, model_charts, offers, provenance
from core.ui.session import cache
from core.ui.session.packing import zipped

EVIDENCE = "evidence.npz"
SEEN = 24
"""Flipped answers that are shown with their pictures."""


def show(gallery: Gallery, files: Mapping[str, bytes]) -> None:
    """The answers of a report.

    Parameters
    ----------
    gallery : that is looked at; pictures are shown where the report is of this one.
    files : of the report, by name.
    """
    from core.report.answers_render import CHANGED_ARMS, TITLES, titled, towards

    document = parse_json(files["report.json"], "report.json")
    attribute = document["spec"]["attributes"][0]
    one, summary = document["attributes"][attribute], document["summary"]
    if document["gallery"]["digest"] != gallery.digest:
        st.info(f"These answers are about gallery {grids.escape(document['gallery']['name'])}.")
    edited = [arm for arm in CHANGED_ARMS if arm in one["arms"]]
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        st.markdown("**Mean gap by arm**")
        names = {arm: _begun(titled(document, arm)) for arm in summary["gap"]}
        arms = {names[arm]: _estimate(value) for arm, value in summary["gap"].items()}
        figure = model_charts.gaps(arms, [names[arm] for arm in edited], one["arms"]["original"]["gap"]["blind"])
        provenance.chart(figure, provenance.NARROW, lines=_facts(document), key="ask-gaps")
        st.caption("The grey band ends where labels dealt at random lie on average.")
    with right:
        ability = summary["ability"]
        for arm in edited:
            st.markdown(
                f"**{_begun(TITLES[arm])}**: right answers {100 * ability['original']['estimate']:.1f} % before, "
                f"{100 * ability[arm]['estimate']:.1f} % after. {grids.escape(towards(one, arm))}"
            )
        for note in document["notes"]:
            st.caption(grids.escape(f"{_begun(note)}."))
        for arm, reason in document["evidence"]["absent"].items():
            st.caption(grids.escape(f"{_begun(titled(document, arm))} was not measured: {reason}"))
        offers.download(
            st,
            "Report, to verify",
            lambda: zipped("answers-report", files),
            "answers-report.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
        )
    _table(document, one, edited)
    if edited:
        _flips(gallery, document, files, edited[0])


def _facts(document: Mapping[str, Any]) -> dict[str, str]:
    """What the numbers depend on, for figures."""
    gallery, model, edit = document["gallery"], document["model"], document["edit"]
    lines = {
        "gallery": f"{gallery['name']}, {gallery['n']:,} items, digest {gallery['digest']}",
        "pictures": f"{len(document['items']):,}, attribute {document['spec']['attributes'][0]}",
        "answers by": f"{model['name']} (weights {model['weights'][:8]})",
        "read at": ", ".join(model["reads"]),
    }
    if document["sae"] is not None:
        lines["SAE"] = f"{document['sae']['name']}, digest {document['sae']['digest']}"
    lines["edit"] = "none"
    if edit is not None:
        lines["edit"] = f"neurons {', '.join(map(str, edit['neurons']))}, strength {edit['strength']:g}"
    return lines | {"spec": f"digest {document['spec_digest']}", "seed": str(document["spec"]["seed"])}


def _begun(words: str) -> str:
    """The words as a sentence or a line of a table begins with them."""
    return words[:1].upper() + words[1:]


def _table(document: Mapping[str, Any], one: Mapping[str, Any], edited: list[str]) -> None:
    """P of the first answer by word and group, before and after, with the tested difference."""
    from core.report.words import p_text

    rows = []
    for word in document["evidence"]["words"]:
        row: dict[str, Any] = {"word": word}
        for arm in ("original", *edited[:1]):
            for group in one["groups"]:
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


def _flips(gallery: Gallery, document: Mapping[str, Any], files: Mapping[str, bytes], arm: str) -> None:
    """Pictures whose likeliest answer is another one; of another gallery their names alone."""
    found = document["flips"][arm]
    st.markdown(f"**Answers that flipped**: {int(found['n']):,} of {int(found['of']):,}")
    shown = found["shown"][:SEEN]
    captions = [grids.said(one["word"], f"{one['before']} → {one['after']}") for one in shown]
    if document["gallery"]["digest"] != gallery.digest:
        return
    rows = _rows(files)[[one["picture"] for one in shown]].tolist()
    grids.grid(grids.tiles(gallery, rows, captions), "ask-flips", width=92, empty="No answer flipped.")


def _rows(files: Mapping[str, bytes]) -> np.ndarray:
    """Rows of the gallery that were asked about, in the report's order; read once for the same evidence."""

    def read() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / EVIDENCE
            path.write_bytes(files[EVIDENCE])
            return read_arrays(path, ["rows"], "the evidence of a report")[0]

    return cache.result("rows of answers", hashlib.sha256(files[EVIDENCE]).hexdigest(), read)


def _estimate(value: Mapping[str, Any]) -> Estimate:
    if value["estimate"] is None:
        return Estimate.missing(value.get("reason", "not computed"))
    return Estimate(value["estimate"], value.get("lo"), value.get("hi"), value.get("n"))

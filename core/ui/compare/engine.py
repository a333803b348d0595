"""The same question put to a search that runs elsewhere, beside the exact ranking of the gallery."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import streamlit as st

from core.access import may
from core.config import digest_of
from core.engines.reaching import Ask
from core.ui.parts import grids, offers
from core.ui.parts.wording import in_points, percent, share_text
from core.ui.session import engines, results
from core.ui.session.choices import Choice
from core.ui.session.escaping import escape
from core.ui.session.jobs import progress
from core.ui.session.state import AppState
from core.verdicts import list_line

if TYPE_CHECKING:
    from core.engines import Engine
    from core.ranking import RankResult
    from core.ranking.outside import OutsideAnswer

LONGEST, TRIES = 10.0, 1
"""Seconds that a page waits for one answer, and further tries; an audit is more patient."""
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
FILE = "own file"
ENGINE: Choice[str | None] = Choice("engine", None)
"""Name of the engine of the operator that is asked; FILE: the visitor's own."""
ANSWERED: Choice[Mapping[str, Any]] = Choice("engine-answered", {})
"""The last answer by the digest of what was asked; in this session alone."""
RULE = (
    "An engine.json says where a search is and how it is asked (page *Guide*, Take it home). It is read in memory and "
    "asked when you click, never before; a key comes from an environment variable of this machine, which the file "
    "names. An address is taken from a file only where nobody but you reaches this app (started with "
    f"--server.address 127.0.0.1); on a shared server the operator lists engines in {engines.VARIABLE}. Recorded lists "
    "(CSV with query, rank, id, or JSONL) ask nobody."
)


@dataclass(frozen=True)
class Source:
    """What answers: a running search, or lists that one gave."""

    name: str
    digest: str
    engine: "Engine | None" = None
    ask: Ask | None = None
    listed: bool = False
    """Whether the operator named it: its address is then nobody else's business."""


def view(state: AppState, question: results.Asked, ranked: "RankResult") -> None:
    """Who answers, its answer in words and numbers, and both lists of faces."""
    if question.request.query is None:
        st.info("An engine is asked in words; type a prompt.")
        return
    source = _source(state)
    if source is None:
        return
    answer = _answer(state, question, ranked, source)
    if answer is not None:
        _show(question, ranked, answer)


# -- who answers ------------------------------------------------------------------------------------------------------


def _source(state: AppState) -> Source | None:
    """The engine that is chosen or given; None where there is none yet."""
    known = engines.listed()
    offered = [*known, FILE]
    chosen = ENGINE.among(state, offered)
    with st.expander("Which search answers", expanded=not known, icon=":material/dns:"):
        if known:
            chosen = st.selectbox("Engine", offered, **ENGINE.mirrored(state))
        given = None
        if chosen == FILE:
            kinds = ["json", *(ending[1:] for ending in TABLES)]
            given = offers.upload(st, "engine.json, or recorded lists as CSV or JSONL", type=kinds, key="engine-file")
        st.caption(RULE)
        why = engines.why_no_addresses() if chosen == FILE else None
        if why is not None:
            st.caption(f":material/info: Here, {escape(why)}.")
    if chosen != FILE:
        return _of_the_operator(known[chosen])
    if given is None and not may("upload"):
        st.info("No engine is listed here; ask whoever operates this server.", icon=":material/info:")
        return None
    if given is None:
        st.info("Give an engine.json or recorded lists above: its answer stands beside the exact ranking.")
        return None
    return _given(given.getvalue(), given.name)


def _of_the_operator(engine: "Engine") -> Source:
    from core.engines import read_lists
    from core.engines.reaching import from_lists

    if engine.lists is None:
        return Source(engine.name, engine.digest, engine, listed=True)
    held = read_lists(Path(engine.lists))
    lists = {query: list(one.ids) for query, one in held.lists.items()}
    return Source(engine.name, digest_of(lists), ask=from_lists(held, engine.name), listed=True)


def _given(data: bytes, name: str) -> Source:
    """What a visitor's file holds; nothing of it is written or kept beyond the session."""
    from core.engines.reaching import from_lists
    from core.engines.recorded_lists import lists_of

    if name.lower().endswith(TABLES):
        held = lists_of(data, name)
        lists = {query: list(one.ids) for query, one in held.lists.items()}
        return Source(name, digest_of(lists), ask=from_lists(held, name))
    engine = engines.uploaded(data, name)
    return Source(engine.name, engine.digest, engine)


# -- its answer -------------------------------------------------------------------------------------------------------


def _answer(state: AppState, question: results.Asked, ranked: "RankResult", source: Source) -> "OutsideAnswer | None":
    """The answer to this question: at once from lists, from a running search after a click."""
    from core.ranking.outside import outside_answer

    key = digest_of([source.digest, *results.without_method(question).parts])
    done = ANSWERED.of(state)
    if source.ask is not None:
        if key not in done:
            done = {key: outside_answer(source.name, source.ask, len(ranked.part.labels), ranked, question.gallery)}
            ANSWERED.put(state, done)
        return done[key]
    engine = source.engine
    assert engine is not None, "a source has lists or an engine"
    where, button = st.columns([3.2, 1], vertical_alignment="center")
    where.caption(_sends(source, engine, ranked.request.k))
    again = "Ask again" if key in done else "Ask it"
    if button.button(again, key="engine-ask", type="primary", icon=":material/send:", width="stretch"):
        with progress("Asking the engine") as report:
            report(0, 1, source.name)
            ask = _asking(engine, question)
            ANSWERED.put(state, {key: outside_answer(source.name, ask, engine.most, ranked, question.gallery)})
    return ANSWERED.of(state).get(key)


def _sends(source: Source, engine: "Engine", k: int) -> str:
    """What leaves this machine, and where to, before it does. Markdown."""
    parts, key = urlsplit(str(engine.address)), ""
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if source.listed:
        where = source.name
    elif engine.key:
        key = f", with the value of this machine's environment variable {engine.key['variable']} as its key"
    what = "the prompt's embedding" if engine.reads_embeddings else "the prompt"
    return f"Sends {what} and how many are wanted (from {k}) to {escape(where)}{escape(key)}."


def _asking(engine: "Engine", question: results.Asked) -> Ask:
    from core.engines import Asker
    from core.scene import query_embedding

    asker = Asker(replace(engine, timeout=min(engine.timeout, LONGEST), retries=min(engine.retries, TRIES)))

    def ask(prompt: str, asked: int) -> Any:
        vector = query_embedding(question.scene, prompt).tolist() if engine.reads_embeddings else None
        return asker(prompt, asked, vector)

    return ask


# -- what is shown ----------------------------------------------------------------------------------------------------


def _show(question: results.Asked, ranked: "RankResult", answer: "OutsideAnswer") -> None:
    """In words, then the shares of both lists, then their faces."""
    for line in (answer.short, *answer.notes):
        if line:
            st.info(f"{escape(answer.name)}: {escape(line)}.", icon=":material/info:")
    if answer.numbers is None:
        return
    k, came = ranked.request.k, len(answer.rows)
    told = answer.numbers.to_json()
    counted = "" if came == k else f" :small[of the {came} that came]"
    lines = [f"**{escape(answer.name)}**: {escape(list_line(told))}{counted}"]
    lines.append(f"**Exact ranking**: {escape(list_line(ranked.before.numbers.to_json()))}")
    lines.append(_recall(ranked, answer))
    st.markdown("  \n".join(lines))
    exact = ranked.before.numbers.lean.groups
    rows = [
        {
            "Group": group,
            f"{answer.name}, share": share_text(theirs.share),
            f"{answer.name}, points": in_points(theirs.points),
            "Exact, share": share_text(ours.share),
            "Exact, points": in_points(ours.points),
        }
        for group, theirs, ours in zip(ranked.part.groups, answer.numbers.lean.groups, exact, strict=True)
    ]
    st.dataframe(rows, hide_index=True)
    _faces(question, ranked, answer)


def _recall(ranked: "RankResult", answer: "OutsideAnswer") -> str:
    """How much of the exact ranking the engine has, of the edited one too where something is switched."""
    k = ranked.request.k
    said = [f"it has {percent(answer.recall(ranked.before.rows) or 0.0)} of the exact first {k}"]
    if ranked.after is not None:
        said.append(f"{percent(answer.recall(ranked.after.rows) or 0.0)} of the first {k} after the switch")
    approximate = " (which is approximate itself)" if ranked.index is not None else ""
    return f":small[Recall: {' and '.join(said)}{approximate}.]"


def _faces(question: results.Asked, ranked: "RankResult", answer: "OutsideAnswer") -> None:
    gallery, labels = question.gallery, question.gallery.labels(ranked.request.attribute)
    lists = {"exact": ranked.before.rows.tolist(), "engine": answer.rows.tolist()}
    ranks = {name: {row: rank for rank, row in enumerate(rows, 1)} for name, rows in lists.items()}
    titles = {"exact": "Exact ranking", "engine": escape(answer.name)}
    left = {"exact": "engine", "engine": "exact"}
    for column, (name, rows) in zip(st.columns(2, gap="medium"), lists.items(), strict=True):
        with column:
            other = ranks[left[name]]
            alone = sum(row not in other for row in rows)
            st.markdown(f"**{titles[name]}** :small[:gray[{alone} only here]]")
            shown = rows[: grids.PAGE]
            marks = [() if row in other else (("only here", "gray-badge"),) for row in shown]
            captions = [
                (((str(rank), "strong"), *mark), grids.of_group(labels[row]))
                for rank, (row, mark) in enumerate(zip(shown, marks, strict=True), 1)
            ]
            grids.grid(grids.tiles(gallery, shown, captions, labels), f"engine-{name}")

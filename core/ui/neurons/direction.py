"""A direction of one's own: what lies along it, whom it tells apart, and what a prompt does without it."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.config import InputError, Side
from core.store import array_digest
from core.ui.neurons import firing_charts
from core.ui.parts import charts, grids, provenance
from core.ui.parts.frame import guard
from core.ui.parts.switches import switch
from core.ui.parts.wording import in_points, interval_of, number, share_text
from core.ui.session import cache, probing
from core.ui.session.choices import DIRECTION_GROUP, DIRECTION_KIND, DIRECTION_MINUS, DIRECTION_PLUS, Choice
from core.ui.session.escaping import escape
from core.ui.session.prompts import suggestions
from core.ui.session.scene import chosen_scene, only_known_prompts
from core.ui.session.state import AppState
from core.verdicts import LEAN_CHANGE_WORDS, NOT_COMPUTED, lean_phrase

if TYPE_CHECKING:
    from core.edits import DirectionOut
    from core.neurons import Projected, Shown
    from core.scene import Scene

KINDS = {"mean": "Mean difference", "probe": "Logistic probe", "text": "Text difference"}
HOW = {
    "mean": "From the mean of all others to the mean of the group, over the probe half.",
    "probe": "The weights of a logistic regression that tells the group from all others, fitted on the probe half.",
    "text": "From the second prompt to the first. No item and no label was used.",
}
EACH = 12
"""Items of each of the three grids: below 60 pictures together."""
NEAREST = 6


def direction_panel(state: AppState, probe: probing.Probe, side: Side, attribute: str | None) -> None:
    """How the direction is made, then all that is measured of it on items that it was not made from."""
    if attribute is None:
        st.info("The probe gallery has no attribute, so there are no groups that a direction could tell apart.")
        return
    kind, group = _chosen(state, probe, attribute)
    with guard():
        scene = chosen_scene(state, ())
        scene.at("probe")
        direction = _direction(state, probe, scene, kind, attribute, group)
        where = dict(state.where)
        rows = scene.gallery.rows("evaluation", where)
        found = _projected(scene, direction, rows, where, attribute, group)
        _measured(state, probe, side, scene, found, attribute, group, direction)
        _taken_out(state, scene, direction, rows, attribute)


# -- what is chosen ---------------------------------------------------------------------------------------------------


def _chosen(state: AppState, probe: probing.Probe, attribute: str) -> tuple[str, str]:
    groups = probe.gallery.groups(attribute)
    left, right = st.columns([2, 1.2], gap="medium", vertical_alignment="bottom")
    with left:
        kind = switch(state, "Made from", DIRECTION_KIND, KINDS, shown=True)
    group = DIRECTION_GROUP.among(state, groups)
    right.selectbox("Points to" if kind != "text" else "Asked about", groups, **DIRECTION_GROUP.mirrored(state))
    if kind == "text":
        _prompts(state)
    st.caption(HOW[kind])
    return kind, group


def _prompts(state: AppState) -> None:
    """Two prompts, typed; chosen among the known ones where no text encoder of the gallery is here."""
    gallery = cache.current_gallery(state)
    left, right = st.columns(2, gap="medium")
    if only_known_prompts(state, gallery):
        known = list(gallery.prompts)
        for column, label, choice in ((left, "Towards", DIRECTION_PLUS), (right, "Away from", DIRECTION_MINUS)):
            choice.among(state, known)
            column.selectbox(label, known, **choice.mirrored(state))
        return
    left.text_input("Towards", max_chars=300, **DIRECTION_PLUS.mirrored(state))
    right.text_input("Away from", max_chars=300, **DIRECTION_MINUS.mirrored(state))


def _text_of(state: AppState, choice: Choice[str]) -> str:
    text = " ".join(choice.of(state).split())
    if not text:
        raise InputError("a prompt of the direction is empty; type what it leads to and what it leads away from")
    return text


# -- what is computed -------------------------------------------------------------------------------------------------


def _direction(
    state: AppState, probe: probing.Probe, scene: "Scene", kind: str, attribute: str, group: str
) -> np.ndarray:
    """The direction (d,), of length 1."""
    from core.neurons import mean_direction, probe_direction
    from core.scene import added_terms
    from core.units import unit

    if kind == "text":
        plus, minus = _text_of(state, DIRECTION_PLUS), _text_of(state, DIRECTION_MINUS)
        return unit(added_terms(scene, [(1, plus), (-1, minus)]))

    def compute() -> np.ndarray:
        labels = probe.labels(attribute)[probe.rows]
        known = np.array([label is not None for label in labels], dtype=bool)
        make = {"mean": mean_direction, "probe": probe_direction}[kind]
        return make(probe.gallery.unit(probe.rows[known]), labels[known] == group)

    return cache.result("direction", [*probe.parts, kind, attribute, group], compute)


def _projected(
    scene: "Scene", direction: np.ndarray, rows: np.ndarray, where: dict[str, str], attribute: str, group: str
) -> "Projected":
    from core.neurons import projected

    gallery = scene.gallery
    return cache.result(
        "projected",
        [cache.stamp_of(gallery), where, attribute, group, array_digest(direction)],
        lambda: projected(gallery.unit(rows), direction, rows, gallery.labels(attribute)[rows], group, EACH),
    )


# -- what is shown ----------------------------------------------------------------------------------------------------


def _measured(
    state: AppState,
    probe: probing.Probe,
    side: Side,
    scene: "Scene",
    found: "Projected",
    attribute: str,
    group: str,
    direction: np.ndarray,
) -> None:
    """Many parameters: the direction, what was measured of it, and what both are named by."""
    auc = found.auc
    said = escape(auc.reason or NOT_COMPUTED)
    if auc.estimate is not None:
        said = f"**{number(auc.estimate)}** {interval_of(auc)}, n = {auc.n or 0:,}"
        said += "; below 0.5: the group lies the other way" if auc.hi is not None and auc.hi < 0.5 else ""
    st.markdown(
        f"Tells **{escape(group)}** from all others with AUC {said}. :small[:gray[0.5 tells nothing. Measured on the "
        f"evaluation half of {escape(scene.gallery.name)}, {found.n:,} items; 95 % intervals.]]"
    )
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        for title, how, part, key in (
            ("Lies furthest along it", "highest cosine with the direction", found.top, "high"),
            ("In the middle", "around the median", found.middle, "mid"),
            ("Furthest the other way", "lowest cosine", found.low, "low"),
        ):
            _items(scene, title, how, part, key)
    with right, guard():
        _groups(found, attribute, _facts(state, probe, scene, found, attribute, group))
        _neurons(state, probe, side, direction)


def _items(scene: "Scene", title: str, how: str, part: "Shown", key: str) -> None:
    st.markdown(f"**{title}** :small[:gray[{how}]]")
    captions = [grids.said(number(float(cosine))) for cosine in part.values]
    grids.grid(grids.tiles(scene.gallery, map(int, part.rows), captions), f"along-{key}")


def _facts(
    state: AppState, probe: probing.Probe, scene: "Scene", found: "Projected", attribute: str, group: str
) -> dict[str, str]:
    """What the numbers of the figure depend on."""
    kind, gallery = DIRECTION_KIND.of(state), scene.gallery
    made = f"{group} of {attribute}, {len(probe.rows):,} items of the probe half of {probe.gallery.name}"
    if kind == "text":
        made = f"“{DIRECTION_PLUS.of(state)}” minus “{DIRECTION_MINUS.of(state)}”"
    part = ", ".join(f"{column} = {one}" for column, one in sorted(state.where.items()))
    return {
        "gallery": f"{gallery.name}, {gallery.n:,} items, digest {gallery.digest}",
        "model": gallery.fingerprint("pooled").describe(),
        "direction": f"{KINDS[kind].lower()}, {made}",
        "rows": f"evaluation, {found.n:,}",
        "part": part or "everything",
    }


def _groups(found: "Projected", attribute: str, facts: dict[str, str]) -> None:
    st.markdown(f"**How the groups lie along it** :small[:gray[by {escape(attribute)}]]")
    above = {
        group: f"{group}, mean {number(mean.estimate)} {interval_of(mean)}, n = {mean.n or 0:,}"
        for group, mean in found.means.items()
    }
    shares = {group: each.tolist() for group, each in found.shares.items()}
    if not shares:
        st.caption("No item of the evaluation half has a known group.")
        return
    provenance.chart(
        firing_charts.activation_histogram(found.edges.tolist(), shares, "cosine with the direction", above),
        provenance.NARROW,
        lines=facts,
        key="along",
        config=charts.config("direction-groups"),
        alt=f"Histogram of the cosines with the direction: {'; '.join(above.values())}.",
    )


def _neurons(state: AppState, probe: probing.Probe, side: Side, direction: np.ndarray) -> None:
    """Living neurons whose decoder rows point most along the direction, and most against it; a click opens one."""
    from core.neurons import neurons_towards

    if (probe.sae.attach or "pooled") != "pooled":
        st.caption("The SAE works on residuals, another space than this direction's, so no neuron is near to it.")
        return
    W, alive = probe.sae.sae.W_dec.detach().cpu().numpy(), set(probing.living(probe).tolist())
    for title, sign, key in (("Neurons that write along it", 1, "along"), ("Neurons that write against it", -1, "not")):
        near = [(j, sign * cosine) for j, cosine in neurons_towards(W, sign * direction, len(W)) if j in alive]
        st.markdown(f"**{title}** :small[:gray[cosine with the decoder direction]]")
        with st.container(horizontal=True, gap="small"):
            for neuron, cosine in near[:NEAREST]:
                st.button(
                    f"{neuron} :small[:gray[{number(cosine)}]]",
                    key=f"near-{key}-{neuron}",
                    on_click=state.open_neuron,
                    args=(neuron, side),
                )


def _taken_out(state: AppState, scene: "Scene", direction: np.ndarray, rows: np.ndarray, attribute: str) -> None:
    """The current prompt's list with the direction and without it."""
    from core.edits import direction_out
    from core.ranking import RankRequest

    st.markdown("## What taking it out of the items does to a prompt")
    query = state.query or next(iter(suggestions(scene.gallery)), "")
    request = RankRequest(attribute, query, k=min(state.k, len(rows)), half="evaluation", where=dict(state.where))
    model = scene.model.weights_digest if scene.model is not None else ""
    out: DirectionOut = cache.result(
        "direction out",
        [cache.stamp_of(scene.gallery), model, request.digest, array_digest(direction)],
        lambda: direction_out(scene, request, direction),
    )
    before, after = (lean_phrase(one.leading_group, one.lean.beyond_chance) for one in (out.before, out.after))
    effect = out.change.effect
    moved = NOT_COMPUTED if effect is None else LEAN_CHANGE_WORDS[effect.lean_direction]
    st.markdown(
        f"**{escape(query)}**, the {out.k:,} nearest of {out.part.n:,}. Before: {escape(before)}. After: "
        f"{escape(after)}. **{escape(moved[:1].upper() + moved[1:])}.**"
    )
    lines = ["| Group | of those searched | before | after | change in points |", "|---|---|---|---|---|"]
    for name, first, second in zip(out.part.groups, out.before.lean.groups, out.after.lean.groups, strict=True):
        lines.append(
            f"| {grids.escape(name)} | {first.searched:,} | {share_text(first.share)} | {share_text(second.share)} | "
            f"{in_points(out.change.shares[name])} |"
        )
    st.markdown("\n".join(lines))
    st.caption(
        "Items without their part along the direction, the prompt as it is: x′ = x − (x·v) v. Intervals 95 %, changes "
        "paired. Target: the shares of the searched rows."
    )

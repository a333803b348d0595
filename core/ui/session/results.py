"""What Compare asks of the orchestrators, once for the same question: an answer's key is all that it depends on."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.config import InputError, Progress, Side
from core.ui.session import cache, fit
from core.ui.session.probing import MOST, Suggestion
from core.ui.session.scene import chosen_scene
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.ranking import ControlsResult, CostResult, RankRequest, RankResult
    from core.saes.checkpoint import SAEFile
    from core.scene import Scene


OF_EVIDENCE = ("query", "query_embedding", "attribute", "where", "prompts")
"""Parts of a request that decide what methods can be fitted on."""


@dataclass(frozen=True)
class Asked:
    """A question and the scene that answers it."""

    scene: "Scene"
    request: "RankRequest"

    @property
    def gallery(self) -> "Gallery":
        return self.scene.gallery

    @cached_property
    def looked_at(self) -> list[Any]:
        """What an answer depends on besides the SAEs and the request, for the key under which it is kept."""
        scene = self.scene
        return [*map(cache.stamp_of, (scene.gallery, scene.probe)), scene.model.weights_digest if scene.model else ""]

    @cached_property
    def parts(self) -> list[Any]:
        """What an answer depends on, for the key under which it is kept."""
        saes = {side: cache.stamp_of(sae) for side, sae in self.scene.saes.items()}
        return [*self.looked_at, saes, self.request.digest]


def asked(state: AppState, attribute: str) -> Asked:
    """The question that the choices of a session pose."""
    from core.interventions import INTERVENTIONS
    from core.ranking import RankRequest

    gallery, method = cache.current_gallery(state), INTERVENTIONS.get(state.method)
    edits = dict(state.edits) if method.changes == "edit" else {}
    request = RankRequest(
        query=state.query,
        k=min(state.k, searched(state, gallery)),
        attribute=attribute,
        target=state.target_for(attribute),
        half=state.half,
        where=dict(state.where),
        edits=edits,
        method=state.method,
        prompts=state.prompts,
    )
    sides: set[Side] = set(edits)
    if method.needs.sae and not method.needs.edit:
        sides.add("text" if method.changes == "query" else gallery.side)
    return Asked(chosen_scene(state, sides), request)


def searched(state: AppState, gallery: "Gallery") -> int:
    """Number of items in the searched part of the gallery; the whole where the part is none (the ranking says why)."""
    try:
        return len(gallery.rows(state.half, dict(state.where)))
    except InputError:
        return gallery.n


def ranking(question: Asked, progress: Progress | None = None) -> "RankResult":
    """Who is retrieved, before and (with an edit) after; the first edit of a very large gallery takes a second."""
    from core.ranking import rank

    return cache.result("rank", question.parts, lambda: rank(question.scene, question.request, progress))


def unavailable(question: Asked) -> dict[str, str]:
    """Methods that cannot answer this question, each with the reason in one line."""
    state = get_state()
    chosen = {side: cache.sae_card(name).digest for side, name in state.saes.items()}
    asked_of = {name: value for name, value in question.request.to_json().items() if name in OF_EVIDENCE}
    parts = [*question.looked_at, chosen, asked_of]
    return cache.result("methods", parts, lambda: _unavailable(question, state))


def _unavailable(question: Asked, state: AppState) -> dict[str, str]:
    from core.interventions import INTERVENTIONS
    from core.ranking.fitting import Fitter

    fitter = Fitter(chosen_scene(state), question.request)
    return {name: reason for name in INTERVENTIONS if (reason := fitter.missing(name)) is not None}


def needs_edit(question: Asked) -> bool:
    """Whether the chosen method works on neurons that somebody switches."""
    from core.interventions import INTERVENTIONS

    return INTERVENTIONS.get(question.request.method).changes == "edit"


def method_title(method: str) -> str:
    """What was done where no neuron was switched, for sentences."""
    from core.interventions import INTERVENTIONS

    return "the reconstruction alone" if method == "neuron-edit" else f"the method “{INTERVENTIONS.get(method).title}”"


def without_method(question: Asked) -> Asked:
    """The same question with the model's own answer alone."""
    return replace(question, request=replace(question.request, method="neuron-edit", edits={}))


def controls(question: Asked, progress: Progress | None = None) -> "ControlsResult":
    """What the reconstruction alone and matched random neurons do."""
    from core.ranking import controls as run

    q = question
    return cache.result("controls", q.parts, lambda: run(q.scene, q.request, progress=progress))


def cost(question: Asked, progress: Progress | None = None) -> "CostResult":
    """What the model no longer knows after the edit."""
    from core.ranking import utility_cost

    q, prompts = question, question.scene.class_prompts
    return cache.result(
        "cost",
        [*q.parts, prompts.digest if prompts else ""],
        lambda: utility_cost(q.scene, q.request, prompts, progress=progress),
    )


def told_of(ranked: "RankResult") -> str:
    """The group that the sentences are about: the one that leads, that an effect is about, or that departs most."""
    counts, effect = ranked.before.numbers, ranked.difference.effect if ranked.difference is not None else None
    if counts.leading_group is not None:
        return counts.leading_group
    if effect is not None:
        return counts.groups[effect.group]
    return max(counts.groups, key=lambda group: counts.lean.groups[counts.groups.index(group)].departure)


# -- sides ------------------------------------------------------------------------------------------------------------


def in_prompt(question: Asked, sae: "SAEFile") -> list[Suggestion]:
    """The neurons that fire strongest on the prompt itself: what a text SAE can switch off in it."""
    parts = [*question.looked_at, sae.digest, question.request.query]
    strongest = cache.result("prompt neurons", parts, lambda: _prompt_neurons(question, sae))
    return [Suggestion(j, f"{value:.2f} on this prompt", ()) for j, value in strongest]


def _prompt_neurons(question: Asked, sae: "SAEFile") -> list[tuple[int, float]]:
    from core.neurons import active_neurons, encode_rows
    from core.scene import query_embedding

    text, attach = str(question.request.query), sae.attach or "pooled"
    if attach == "pooled":
        row = query_embedding(question.scene, text)[None]
    elif question.scene.model is not None:
        row = question.scene.model.encode_texts([text], (attach,))[attach]
    else:
        raise InputError(f"the gallery knows this prompt's pooled embedding only, and {sae.name} reads its {attach}")
    return active_neurons(encode_rows(row, sae.sae), MOST)


def fitting(state: AppState, question: Asked) -> tuple[list[Side], list[str]]:
    """Sides on which neurons can be switched, the gallery's own first; for the others the reason why not.

    The image side edits pictures, the text side captions, or the prompt where the gallery holds pictures.
    """
    sides, reasons = [], []
    for side in dict.fromkeys((question.gallery.side, "text")):
        try:
            sae = cache.current_sae(side, state)
            if sae is None:
                raise InputError(f"No SAE is chosen for the {side} side.")
            attach, d_in = sae.attach or "pooled", sae.sae.config.d_in
            if side == question.gallery.side:
                why = fit.own_side(sae, question.gallery)
            elif question.scene.model is not None:
                theirs = question.scene.model.fingerprint(side, attach)
                why = fit.reason(sae.name, sae.fingerprint, d_in, theirs, "the chosen one")
            else:
                fits = d_in == question.gallery.fingerprint("pooled").d
                why = None if fits else f"The SAE {sae.name} was made for other prompts than those of this gallery."
            if why:
                raise InputError(why)
            sides.append(side)
        except InputError as error:
            reasons.append(str(error))
    return sides, reasons

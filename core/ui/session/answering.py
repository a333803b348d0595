"""What a model that answers is asked with: the model, prepared pictures, the neurons that are switched."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core.config import ASSETS, Edit, InputError
from core.ui.session import cache, jobs
from core.ui.session.choices import Choice
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.lvlm.answering import Pictures
    from core.lvlm.choosing import Probe
    from core.lvlm.model import Lvlm
    from core.lvlm.token_method import TokenEdit
    from core.saes.checkpoint import SAEFile
    from core.statistics import Estimate

DEFAULT, SAE = "default-lvlm", "default-image-residual"
SAMPLE, COMPARED, PROBED = 12, 48, 120
OFF, HELD = "off", "held"
MODEL = Choice("ask-model", DEFAULT)
HOLD = Choice("ask-hold", OFF)
"""Whether a switched neuron is off or held at its mean over the probe half."""
STRENGTH = Choice("ask-strength", 1.0)


@st.cache_resource(max_entries=2, show_spinner="Loading the model that answers")
def _lvlm(name: str, stamped: str) -> "Lvlm":
    from core.lvlm.models import load_lvlm

    return load_lvlm(name)


def model(state: AppState) -> "Lvlm":
    """The model that answers; shared by all sessions and never changed."""
    name = MODEL.of(state)
    folder = ASSETS / "models" / DEFAULT
    return _lvlm(name, cache.stamp(folder) if name == DEFAULT else "")


def elsewhere_said(state: AppState, of: "Gallery") -> str | None:
    """What is to be known before the shipped model's answers about pictures of another world are read; else None."""
    if MODEL.of(state) != DEFAULT or of.fingerprint().weights == cache.gallery("default").fingerprint().weights:
        return None
    return "This small model was taught on the built-in world alone: of other pictures it says what it learned there."


def gallery(state: AppState) -> "Gallery":
    """The pictures that are asked about: the searched gallery where it has pictures, else the shipped one."""
    chosen = cache.current_gallery(state)
    return chosen if chosen.has_thumbs else cache.gallery("default")


def instead_said(state: AppState, of: "Gallery") -> str | None:
    """That another gallery's pictures are asked about than those that are searched; None where they are its own."""
    chosen = cache.current_gallery(state)
    if chosen.digest == of.digest:
        return None
    return f"The gallery {chosen.name} keeps no pictures: those of {of.name} are asked about."


def sae(state: AppState) -> "SAEFile | None":
    """The SAE whose neurons are switched: the chosen one where it is of the residual, else the shipped one."""
    from core.lvlm.audit import require_fits

    for name in (state.saes.get("image"), SAE):
        if name is None:
            continue
        found = cache.sae(name)
        try:
            require_fits(model(state), found)
        except InputError:
            continue
        return found
    return None


def attribute(state: AppState) -> str | None:
    """The attribute whose groups are compared."""
    return state.attribute_in(gallery(state).attributes)


def sample(of: "Gallery", name: str) -> np.ndarray:
    """Rows of pictures that are asked about by a click."""
    from core.lvlm.pictures import chosen_rows

    return chosen_rows(of, name, SAMPLE, _half(of), seed=1)


def compared(state: AppState, of: "Gallery", name: str) -> tuple[np.ndarray, "list[Pictures]"]:
    """Rows of the pictures by which groups are compared, and these pictures, through the tower once."""
    from core.lvlm.answering import prepare
    from core.lvlm.pictures import chosen_rows, pictures_of

    rows = chosen_rows(of, name, COMPARED, _half(of), seed=0)
    answering = model(state)
    parts = [of.digest, name, answering.name, answering.weights, "compared"]
    return rows, cache.result("ask pictures", parts, lambda: prepare(answering, pictures_of(of, rows)))


def _half(of: "Gallery") -> Any:
    """Evaluation rows where there are any: neurons were found in others."""
    try:
        of.rows("evaluation")
        return "evaluation"
    except InputError:
        return "all"


def probe(state: AppState, of: "Gallery", name: str) -> "Probe":
    """Pictures of the probe half with their groups."""
    from core.lvlm.choosing import Probe
    from core.lvlm.pictures import chosen_rows, pictures_of, probe_of

    source, answering = probe_of(of), model(state)

    def make() -> Probe:
        rows = chosen_rows(source, name, PROBED, "probe", seed=0)
        labels = [str(one) for one in source.labels(name)[rows]]
        return Probe.of(answering, pictures_of(source, rows), labels)

    with jobs.progress("Looking at pictures of the probe half", at_once=False):
        return cache.result("ask probe", [source.digest, name, answering.name, answering.weights], make)


def by_rule(state: AppState, of: "Gallery", name: str, file: "SAEFile") -> tuple[int, ...]:
    """The neurons that the rule finds on the probe half, the first of each group."""
    from core.lvlm.audit import own_tokens
    from core.lvlm.choosing import choose
    from core.lvlm.spec import TokenEditChoice

    answering = model(state)

    def find() -> tuple[int, ...]:
        choice = TokenEditChoice.from_json({"select": "rule", "tau": 0.5, "top": 1})
        found, _ = choose(choice, file.sae, probe(state, of, name), [], own_tokens(answering, file))
        return found.edit.neurons

    return cache.result("ask neurons", [of.digest, name, answering.weights, file.digest], find)


def edit(state: AppState, of: "Gallery", name: str, file: "SAEFile | None", neurons: Sequence[int]) -> "TokenEdit":
    """What is switched, as the page's controls say."""
    from core.lvlm.audit import own_tokens
    from core.lvlm.token_method import TokenEdit

    switched = Edit(tuple(neurons), strength=STRENGTH.of(state))
    return TokenEdit(switched, own_tokens(model(state), file), "probe mean" if HOLD.of(state) == HELD else "value")


def facts(state: AppState, of: "Gallery", file: "SAEFile | None", own: "TokenEdit") -> dict[str, str]:
    """What the numbers of this page depend on, for figures and for the foot."""
    answering = model(state)
    lines = {
        "gallery": f"{of.name}, {of.n:,} items, digest {of.digest}",
        "answers by": f"{answering.name} (weights {answering.weights[:8]})",
        "read at": ", ".join(answering.attachment.names),
    }
    if file is not None:
        lines["SAE"] = f"{file.name}, digest {file.digest}"
    if file is not None and own.edit.neurons:
        how = "held at the probe mean" if own.hold != "value" else f"set to {own.edit.gamma:g}"
        where = "all read tokens" if own.tokens is None else f"tokens {', '.join(map(str, own.tokens))}"
        named = ", ".join(map(str, own.edit.neurons))
        lines["edit"] = f"neurons {named}, strength {own.edit.strength:g}, {how}, {where}"
    else:
        lines["edit"] = "none"
    return lines


def change(state: AppState, of: "Gallery", name: str, file: "SAEFile | None", own: "TokenEdit") -> Any:
    """The edit as a function of read tokens; None where it changes nothing."""
    from core.lvlm.token_method import METHODS, Evidence

    if file is None or own.changes_nothing:
        return None
    held = own.hold != "value"
    evidence = probe(state, of, name).evidence(file.sae) if held else Evidence(file.sae)
    return METHODS.get("neuron-edit")().fit(evidence, own)


def by_group(
    state: AppState, of: "Gallery", name: str, question: str, change: Any
) -> tuple[dict[str, "dict[str, Estimate]"], str, int]:
    """P of the first answer to a question about the compared pictures, by arm and group; that answer; their number.

    Parameters
    ----------
    name : attribute whose groups are compared; groups without a picture are left out.
    change : the edit, as `change` gives it; None: there is no arm "after".
    """
    from core.lvlm.answering import answers
    from core.lvlm.asking import options_of
    from core.statistics import mean_of

    rows, chunks = compared(state, of, name)
    asked = options_of(model(state), question)
    labels, groups = of.group_numbers(name)[rows], of.groups(name)
    arms = {}
    for arm, edit in {"before": None, **({"after": change} if change is not None else {})}.items():
        shares = [answers(one, [[asked]] * len(one), edit).renormalised[:, 0] for one in chunks]
        p = [value for part in shares for value in part.tolist()]
        arms[arm] = {
            group: mean_of([v for v, label in zip(p, labels, strict=True) if label == g], (0.0, 1.0))
            for g, group in enumerate(groups)
            if (labels == g).any()
        }
    return arms, str(asked.answers[0]), len(rows)

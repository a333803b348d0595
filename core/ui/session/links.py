"""Every view has an address: the session's choices as readable query parameters, and back."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlencode

import streamlit as st

from core.config import HALVES, SIDES, Edit, InputError, Side, one_of
from core.memo import Memo
from core.ui.session import cache, entering, folders, presenting
from core.ui.session.choices import SHOWN
from core.ui.session.state import OWN_TARGET, TARGETS, AppState, get_state

SCHEMA = "1"
PREFIX = 8
"""Hex digits of a digest in a link: enough to notice another gallery under the same name."""
INLINE = 200
"""Largest edit written out in a link; larger ones are named by their digest and kept in this process."""
LONGEST_SHOWN = 300
"""Characters of a small choice in a link, for example of a question."""
OTHERS = {"embed", "embed_options", "schema"}
SETTLED_SECONDS = 1.0
"""Time after which the browser shows the address that was written."""
LINKED = (
    *("gallery", "probe", "model", "pretrained", "saes", "query", "k", "attribute", "target", "half", "where"),
    *("neuron", "neuron_side", "edits", "method"),
)
"""Choices that a link holds; what it leaves out is the default."""
TARGET_OF_OLD = "uniform"
"""What a link meant that names its gallery and no target: links that are written here always name theirs."""

KINDS = {"galleries": "gallery", "saes": "SAE"}

Params = Mapping[str, list[str]]


@dataclass(frozen=True)
class Loaders:
    """How a link finds what it names; tests hand in their own."""

    gallery: Callable[[str], Any] = cache.gallery
    sae: Callable[[str], Any] = cache.sae_card
    listed: Callable[[str, str], bool] = folders.listed
    """Whether a link may open a gallery, an SAE or a model of this name; see `core.ui.session.folders.listed`."""


@st.cache_resource(show_spinner=False)
def _large_edits() -> Memo:
    return Memo(64)


# -- choices to parameters --------------------------------------------------------------------------------------------


def params_of(state: AppState, loaders: Loaders | None = None, page: str | None = None) -> dict[str, list[str]]:
    """The link's parameters: what is loaded with the beginning of its digest, the target, and every choice that is
    not the default, of small ones those of the page.

    Parameters
    ----------
    page : address of the page that the link leads to; None: the one that is open.

    A gallery or SAE that cannot be opened, whatever is wrong with it, is written without its digest.
    """
    loaders, plain = loaders or Loaders(), AppState()
    params = {"gallery": [_with_digest(state.gallery, loaders.gallery)]}
    if state.probe:
        params["probe"] = [_with_digest(state.probe, loaders.gallery)]
    if (state.model, state.pretrained) != (plain.model, plain.pretrained):
        params["model"] = [state.model]
        if state.pretrained:
            params["weights"] = [state.pretrained]
    for side in SIDES:
        name = state.saes.get(side, "")
        if (
            name != plain.saes.get(side)
            or side in state.edits
            or (state.neuron_side == side and state.neuron is not None)
        ):
            params[f"{side}_sae"] = [_with_digest(name, loaders.sae) if name else "none"]
    params["target"] = [state.target]
    simple = {"q": "query", "k": "k", "attribute": "attribute", "half": "half", "method": "method"}
    for short, name in simple.items():
        if getattr(state, name) != getattr(plain, name):
            params[short] = [str(getattr(state, name))]
    if state.where:
        params["where"] = [f"{column}:{value}" for column, value in sorted(state.where.items())]
    if state.neuron is not None:
        params["neuron"] = [f"{state.neuron_side}:{state.neuron}"]
    if state.edits:
        params["edit"] = [f"{side}:{_edit_text(edit)}" for side, edit in sorted(state.edits.items())]
    for part, choice in SHOWN.get(page or state.page, {}).items():
        if choice.of(state) not in (None, choice.first):
            params[part] = [str(choice.of(state))]
    return params


def _with_digest(name: str, load: Callable[[str], Any]) -> str:
    try:
        return f"{name}@{load(name).digest[:PREFIX]}"
    except Exception:  # said where it is opened; the address line is no place for it
        return name


def _edit_text(edit: Edit) -> str:
    """`3,17;strength=0.5`: the neurons, then what differs from switching them off."""
    if len(edit.neurons) > INLINE or edit.strengths or edit.gammas:
        _large_edits()(edit.digest[:16], lambda: edit)
        return f"digest={edit.digest[:16]}"
    text, plain = ",".join(map(str, edit.neurons)), Edit()
    for name in ("strength", "gamma", "form", "alpha"):
        value = getattr(edit, name)
        if value != getattr(plain, name):
            text += f";{name}={value}"
    return text


# -- parameters to choices --------------------------------------------------------------------------------------------


def apply(params: Params, state: AppState, loaders: Loaders | None = None) -> list[str]:
    """Bring the choices to what a link says; one calm line for every part that is not there. The rest is restored."""
    loaders, notices = loaders or Loaders(), []
    for name in params:
        if name not in READERS and name not in OTHERS:
            part = _short(name)
            notices.append(f"This link has a part “{part}” that this version does not know; the rest is shown.")
    if params.get("schema", [SCHEMA])[0] != SCHEMA:
        made = _short(params["schema"][0])
        notices.append(f"This link was made by another version (schema {made}); parts of it may differ.")
    if "gallery" in params and "target" not in params:
        state.set_target(TARGET_OF_OLD)
    for name, read in READERS.items():
        for value in params.get(name, [])[: 1 if name not in ("where", "edit") else None]:
            try:
                notices.extend(read(value, state, loaders) or [])
            except Exception as error:
                # a link is whatever somebody wrote: no part of one ends the page
                why = " ".join(str(error).split()) if isinstance(error, InputError) else "it cannot be read"
                said = f"{name}={_short(value)}"
                notices.append(f"This link's part {said} is not there: {why}. The rest is shown.")
    return notices


def _short(value: str, most: int = 60) -> str:
    return value if len(value) <= most else f"{value[:most]}…"


def _named(
    value: str, load: Callable[[str], Any], kind: str, listed: Callable[[str, str], bool]
) -> tuple[str, list[str]]:
    """Name without its digest; a line where what is loaded under the name has changed since the link was made.

    InputError, always with the same words, for a name that is not listed: nothing is looked for on the disk.
    """
    what = KINDS[kind]
    name, _, prefix = value.rpartition("@") if re.search(r"@[0-9a-f]{4,64}$", value) else (value, "", "")
    if not listed(kind, name):
        raise InputError(f"no {what} of this name is listed here; choose one in Data & models")
    digest = load(name).digest
    if prefix and not digest.startswith(prefix):
        changed = f"The {what} “{name}” has changed since this link was made ({prefix}, now {digest[:PREFIX]})"
        return name, [f"{changed}: numbers may differ."]
    return name, []


def _read_gallery(value: str, state: AppState, loaders: Loaders) -> list[str]:
    name, notices = _named(value, loaders.gallery, "galleries", loaders.listed)
    state.choose_gallery(name)
    return notices


def _read_probe(value: str, state: AppState, loaders: Loaders) -> list[str]:
    state.probe, notices = _named(value, loaders.gallery, "galleries", loaders.listed)
    return notices


def _read_model(value: str, state: AppState, loaders: Loaders) -> None:
    _listed_model(value, loaders)
    state.choose_model(value, None, state.device)


def _read_weights(value: str, state: AppState, loaders: Loaders) -> None:
    _listed_model(f"{state.model}:{value}", loaders)
    state.choose_model(state.model, value, state.device)


def _listed_model(name: str, loaders: Loaders) -> None:
    """InputError unless this installation lists the model: a link neither opens a folder nor downloads anything."""
    if not loaders.listed("models", name):
        raise InputError("no model of this name is listed here; choose one in Data & models")


def _read_sae(side: Side) -> Callable[[str, AppState, Loaders], list[str]]:
    def read(value: str, state: AppState, loaders: Loaders) -> list[str]:
        name, notices = (None, []) if value == "none" else _named(value, loaders.sae, "saes", loaders.listed)
        state.choose_sae(side, name)
        return notices

    return read


def _read_k(value: str, state: AppState, loaders: Loaders) -> None:
    if not re.fullmatch("[0-9]{1,9}", value):
        raise InputError("expected a whole number of at least 1")
    state.set_k(int(value))


def _read_attribute(value: str, state: AppState, loaders: Loaders) -> None:
    gallery = loaders.gallery(state.gallery)
    if value not in gallery.attributes:
        gallery.components(value)  # an intersection, or refused with the gallery's own words
    state.set_attribute(value)


def _read_target(value: str, state: AppState, loaders: Loaders) -> None:
    if value == OWN_TARGET:
        raise InputError("the target table stays with the session that uploaded it; give it again on Compare")
    one_of(value, TARGETS, "target")
    state.set_target(value)


def _read_half(value: str, state: AppState, loaders: Loaders) -> None:
    state.set_half(one_of(value, HALVES, "half"))


def _read_where(value: str, state: AppState, loaders: Loaders) -> None:
    column, colon, wanted = value.partition(":")
    if not colon:
        raise InputError("expected column:value")
    where = {**state.where, column: wanted}
    loaders.gallery(state.gallery).rows(state.half, where)
    state.set_where(where)


def _sided(value: str) -> tuple[Side, str]:
    side, colon, rest = value.partition(":")
    for known in SIDES:
        if colon and side == known:
            return known, rest
    raise InputError("expected image:... or text:...")


def _check_neurons(neurons: Iterable[int], side: Side, state: AppState, loaders: Loaders) -> None:
    if side not in state.saes:
        raise InputError(f"no SAE is chosen for the {side} side")
    size = loaders.sae(state.saes[side]).d_sae
    missing = [j for j in neurons if not 0 <= j < size]
    if missing:
        raise InputError(f"{state.saes[side]} has neurons 0 to {size - 1}, not {missing[0]}")


def _read_neuron(value: str, state: AppState, loaders: Loaders) -> None:
    side, number = _sided(value)
    if not re.fullmatch("[0-9]{1,9}", number):
        raise InputError("expected the number of a neuron")
    _check_neurons([int(number)], side, state, loaders)
    state.open_neuron(int(number), side)


def _read_edit(value: str, state: AppState, loaders: Loaders) -> None:
    side, text = _sided(value)
    edit = _edit_of(text)
    _check_neurons(edit.neurons, side, state, loaders)
    state.set_edit(side, edit)


def _read_method(value: str, state: AppState, loaders: Loaders) -> None:
    from core.interventions import INTERVENTIONS

    INTERVENTIONS.get(value)
    state.choose_method(value)


def _read_shown(part: str) -> Callable[[str, AppState, Loaders], None]:
    def read(value: str, state: AppState, loaders: Loaders) -> None:
        choice = SHOWN.get(state.page, {}).get(part)
        if choice is None:
            raise InputError("this page has no such part")
        if len(value) > LONGEST_SHOWN:
            raise InputError(f"expected at most {LONGEST_SHOWN} characters")
        choice.put(state, value)

    return read


def _edit_of(text: str) -> Edit:
    if text.startswith("digest="):
        return _large_edits()(text.removeprefix("digest="), _edit_is_gone)
    neurons, *settings = text.split(";")
    if not re.fullmatch(r"([0-9]{1,9}(,[0-9]{1,9})*)?", neurons):
        raise InputError("expected neurons as numbers with commas")
    chosen: dict[str, Any] = {"neurons": tuple(int(j) for j in neurons.split(",") if j)}
    for setting in settings:
        name, _, given = setting.partition("=")
        if name not in ("strength", "gamma", "form", "alpha"):
            raise InputError(f"an edit has no {name!r}")
        chosen[name] = given if name == "form" else float(given)
    return Edit(**chosen)


def _edit_is_gone() -> Edit:
    raise InputError("this set of neurons is no longer in this server's memory")


READERS: dict[str, Callable[[str, AppState, Loaders], list[str] | None]] = {
    # in the order in which one part needs another
    "gallery": _read_gallery,
    "probe": _read_probe,
    "model": _read_model,
    "weights": _read_weights,
    "image_sae": _read_sae("image"),
    "text_sae": _read_sae("text"),
    "q": lambda value, state, loaders: state.ask(value),
    "k": _read_k,
    "attribute": _read_attribute,
    "target": _read_target,
    "half": _read_half,
    "where": _read_where,
    "neuron": _read_neuron,
    "edit": _read_edit,
    "method": _read_method,
    **{part: _read_shown(part) for parts in SHOWN.values() for part in parts},
}


# -- the browser's address line ---------------------------------------------------------------------------------------


def restore() -> None:
    """Bring the choices to the address with which the session began, or to which Back or Forward led.

    The browser sends its address with every click, and where a click changed a choice that address is the one before.
    So later on it is read only where no choice has changed since it was last written, and not within the moment that
    the browser needs to follow.
    """
    state = get_state()
    params = _address()
    if state.linked:
        untouched = state.link == params_of(state) and time.monotonic() - state.link_at > SETTLED_SECONDS
        if not params or not untouched or params == state.link:
            return
        plain = AppState()
        for name in LINKED:
            setattr(state, name, getattr(plain, name))
        for choice in SHOWN.get(state.page, {}).values():
            choice.put(state, choice.first)
    state.linked = True
    for notice in apply({name: st.query_params.get_all(name) for name in st.query_params}, state):
        state.notice(notice)


def write() -> None:
    """Put the choices into the address line. Called by the frame; call it again at the end of a fragment.

    At a kiosk the address stays empty: the browser's Back would lead the next one to what somebody asked.
    """
    state = get_state()
    params = params_of(state)
    _remember(state)
    if entering.at_a_kiosk():
        st.query_params.clear()
    elif params != _address():
        st.query_params.from_dict(params)
    if params != state.link:
        state.link, state.link_at = params, time.monotonic()
    presenting.publish(state.page, params)


def _remember(state: AppState) -> None:
    """What is chosen came from a list or from a person's hand: a reload of the page comes back to it."""
    for name in filter(None, (state.gallery, state.probe)):
        folders.remember("galleries", name)
    for name in state.saes.values():
        folders.remember("saes", name)
    folders.remember("models", state.model)
    if state.pretrained:
        folders.remember("models", f"{state.model}:{state.pretrained}")


def _address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params if name not in OTHERS}


def go(page: str) -> NoReturn:
    """Show another page with the choices already in its address, so that Back needs no step in between."""
    name = page.removeprefix("pages/").removesuffix(".py")
    st.switch_page(page, query_params={} if entering.at_a_kiosk() else params_of(get_state(), page=name))


def query_string() -> str:
    """The link's part after the question mark."""
    return urlencode(params_of(get_state()), doseq=True)

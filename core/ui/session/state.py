"""The choices of one session: one object under one key of the session, changed only through its setters."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import HALVES, SIDES, Edit, Half, InputError, Side, one_of

if TYPE_CHECKING:
    from core.prompts import PromptBook
    from core.ui.session.uploads import Uploads

KEY = "unskew"
TARGETS = ("gallery", "uniform")
OWN_TARGET = "own table"
"""Target shares that the auditor gave as a table, one an attribute."""

PERSONAL = ("rater", "label-order", "label-testing", "phone")
"""Small choices that belong to the person, or to the window, not to the gallery."""


def _shipped_saes() -> dict[Side, str]:
    return {"image": "default-image", "text": "default-text"}


@dataclass
class AppState:
    """Everything that a person has chosen. Lives in the session's memory, never in a module, never shared.

    Fields are read freely and written through the setters, which keep the choices consistent: another gallery drops
    the filters that belonged to the old one, another SAE drops the edits whose numbers meant neurons of the old one.
    """

    page: str = "start"
    """Address of the page that is open; its link holds the page's own small choices."""
    gallery: str = "default"
    """Shipped name or folder of the gallery that is searched."""
    probe: str | None = None
    """Gallery in which neurons are found; None: the partner that the gallery names, or its own probe half."""
    model: str = "default"
    """Model name as the backbones understand it."""
    pretrained: str | None = None
    """Weights tag of the model; None: the model's own."""
    device: str | None = None
    """None: the best that this machine has."""
    saes: dict[Side, str] = field(default_factory=_shipped_saes)
    """Shipped name or folder of the SAE of each side; a side without one is absent."""
    query: str = ""
    k: int = 100
    attribute: str | None = None
    """Attribute that is looked at; None: the gallery's first."""
    target: str = "gallery"
    """What the shares are compared with; the lean does not depend on it."""
    own_targets: dict[str, dict[str, float]] = field(default_factory=dict)
    """attribute -> group -> share, where the target is the auditor's own."""
    where: dict[str, str] = field(default_factory=dict)
    """Part of the gallery that is looked at: column -> value."""
    half: Half = "all"
    edits: dict[Side, Edit] = field(default_factory=dict)
    method: str = "neuron-edit"
    """Registered intervention that answers on Compare."""
    prompts: "PromptBook | None" = None
    """Prompt sets as this session edited them; None: the shipped ones."""
    neuron: int | None = None
    """Neuron whose page is open."""
    neuron_side: Side = "image"
    filters: dict[str, object] = field(default_factory=dict)
    """Small choices of single views by name; read and written by `choices.Choice`, which knows the type of each."""
    notices: list[str] = field(default_factory=list)
    """Calm lines to show once, as plain text: for example which part of a link was not there."""
    uploads: "Uploads | None" = None
    """Uploads of this session, in memory only; None: there were none yet."""
    linked: bool = False
    """True once the link with which the session began has been read."""
    link: dict[str, list[str]] | None = None
    """The address as it was last written, and when (seconds of a monotonic clock)."""
    link_at: float = 0.0

    def around(self) -> str:
        """What is drawn around a part of a page that runs by itself: every choice but edits and small ones."""
        own = ("edits", "filters", "notices", "uploads", "link", "link_at")
        return repr({item.name: getattr(self, item.name) for item in dataclass_fields(self) if item.name not in own})

    # -- what is loaded -------------------------------------------------------------------------------------------

    def choose_gallery(self, name: str, probe: str | None = None) -> None:
        """Search another gallery; filters, group and probe gallery of the old one are dropped."""
        if name != self.gallery:
            self.filters = {name: self.filters[name] for name in PERSONAL if name in self.filters}
            self.where, self.half, self.own_targets = {}, "all", {}
        self.gallery, self.probe = name, probe

    def choose_model(self, model: str, pretrained: str | None = None, device: str | None = None) -> None:
        self.model, self.pretrained, self.device = model, pretrained or None, device or None

    def choose_sae(self, side: Side, name: str | None) -> None:
        """Use another SAE on one side (None: no SAE); the edit and the open neuron of the old one are dropped."""
        one_of(side, SIDES, "side")
        if self.saes.get(side) == name:
            return
        self.edits.pop(side, None)
        if self.neuron_side == side:
            self.neuron = None
        if name:
            self.saes[side] = name
        else:
            self.saes.pop(side, None)

    # -- what is asked --------------------------------------------------------------------------------------------

    def ask(self, query: str) -> None:
        """Set the prompt; blanks around and inside are evened."""
        self.query = " ".join(query.split())

    def set_k(self, k: int) -> None:
        if int(k) < 1:
            raise InputError(f"k was {k}; expected a whole number of at least 1")
        self.k = int(k)

    def set_attribute(self, attribute: str | None) -> None:
        self.attribute = attribute or None

    def set_target(self, target: str) -> None:
        one_of(target, (*TARGETS, OWN_TARGET), "target")
        self.target = target

    def set_own_target(self, attribute: str, shares: Mapping[str, float]) -> None:
        """Keep the shares that a table gives an attribute, and compare with them."""
        self.own_targets[attribute] = dict(shares)
        self.target = OWN_TARGET

    def target_for(self, attribute: str) -> str | dict[str, float]:
        """What an attribute is compared with: a name, or the auditor's shares. InputError where they are not there."""
        if self.target != OWN_TARGET:
            return self.target
        if attribute not in self.own_targets:
            raise InputError(f"There is no target table for {attribute} yet; give one, or choose another target.")
        return self.own_targets[attribute]

    def set_where(self, where: Mapping[str, str]) -> None:
        self.where = {str(column): str(value) for column, value in where.items()}

    def set_half(self, half: Half) -> None:
        one_of(half, HALVES, "half")
        self.half = half

    def set_filter(self, name: str, value: object) -> None:
        """Remember a small choice of one view; None forgets it."""
        if value is None:
            self.filters.pop(name, None)
        else:
            self.filters[name] = value

    def attribute_in(
        self, attributes: Iterable[str], components: Callable[[str], list[str]] | None = None
    ) -> str | None:
        """The chosen attribute where the gallery has it, else the gallery's first, else None.

        Parameters
        ----------
        components : the gallery's own; where it is given, an intersection counts as an attribute of the gallery.
        """
        names = list(attributes)
        if components is not None and self.attribute is not None and names:
            try:
                components(self.attribute)
                return self.attribute
            except InputError:
                pass
        return self.attribute if self.attribute in names else next(iter(names), None)

    # -- what is switched -----------------------------------------------------------------------------------------

    def open_neuron(self, neuron: int | None, side: Side = "image") -> None:
        one_of(side, SIDES, "side")
        self.neuron, self.neuron_side = (None if neuron is None else int(neuron)), side

    def set_edit(self, side: Side, edit: Edit | None) -> None:
        """Replace the edit of one side; None and an edit without neurons in the error-preserving form remove it."""
        one_of(side, SIDES, "side")
        if edit is None or (not edit.neurons and edit.form == "error-preserving"):
            self.edits.pop(side, None)
        else:
            self.edits[side] = edit

    def toggle_neuron(self, neuron: int, side: Side = "image") -> None:
        """Take a neuron into the side's edit, or out of it; strength and form stay."""
        self.set_edit(side, self.edits.get(side, Edit()).toggled(neuron))

    def switch_neuron(self, neuron: int, side: Side, off: bool) -> None:
        """Bring one neuron to off, or to on as the model has it; nothing changes where it is so already."""
        if off != self.is_switched(neuron, side):
            self.toggle_neuron(neuron, side)

    def is_switched(self, neuron: int, side: Side = "image") -> bool:
        return neuron in self.edits[side].neurons if side in self.edits else False

    def clear_edits(self) -> None:
        """Everything back to the original."""
        self.edits = {}

    def choose_method(self, name: str) -> None:
        """Answer by another method; the switched neurons stay for when they are wanted again."""
        self.method = name

    # -- lines shown once -----------------------------------------------------------------------------------------

    def notice(self, message: str) -> None:
        if message not in self.notices:
            self.notices.append(message)

    def take_notices(self) -> list[str]:
        """The waiting lines, which are then forgotten."""
        notices, self.notices = self.notices, []
        return notices


SETTERS = {
    "query": "ask",
    "k": "set_k",
    "attribute": "set_attribute",
    "target": "set_target",
    "where": "set_where",
    "half": "set_half",
    "gallery": "choose_gallery",
    "method": "choose_method",
}


def get_state() -> AppState:
    """The choices of this session, made with the shipped defaults when the session begins."""
    if KEY not in st.session_state:
        st.session_state[KEY] = AppState()
    return st.session_state[KEY]


def bind(name: str, part: str | None = None, key: str | None = None) -> dict[str, Any]:
    """Keyword arguments that tie a widget to a choice: `st.slider("k", 10, 500, **bind("k"))`.

    The widget shows the choice, and a change reaches it through the setter before the script runs again, so that
    pages never touch the session. Choices survive a change of page because the widget is only their mirror. Inside a
    form, where callbacks do not run, set the choice from the submitted value instead.

    Parameters
    ----------
    name : field of AppState, or "filters" with `part`.
    part : name of the small choice where `name` is "filters"; `choices.Choice.mirrored` asks for it.
    key : key of the widget; needed only where two widgets show the same choice.
    """
    known = {item.name for item in dataclass_fields(AppState)}
    if name not in known:
        raise ValueError(f"{name!r} is no choice; known: {', '.join(sorted(known))}")
    state = get_state()
    key = key or f"choice-{name}-{part}"
    st.session_state[key] = getattr(state, name) if part is None else state.filters.get(part)
    return {"key": key, "on_change": _take, "args": (name, part, key)}


def _take(name: str, part: str | None, key: str) -> None:
    """Carry the widget's new value to the choice; a value that cannot be used becomes a notice."""
    state, value = get_state(), st.session_state[key]
    try:
        if part is not None:
            state.set_filter(part, value)
        elif name in SETTERS:
            getattr(state, SETTERS[name])(value)
        else:
            setattr(state, name, value)
    except InputError as error:
        state.notice(str(error))

"""Which neurons are switched: a choice that a specification can name, and the edit that each query gets from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.config import Edit, Form, InputError, Progress, digest_of, one_of
from core.edits.probe_set import ProbeSet, probe_set, unit_queries
from core.edits.smallest import smallest_edit
from core.neurons import RULES, Rule, social_neurons
from core.neurons.attribution import mean_contributions
from core.ranking.queries import embed_texts
from core.ranking.request import RankRequest
from core.scene import Scene

MANNER = ("strength", "gamma", "form", "alpha")
OWN: dict[str, tuple[str, ...]] = {
    "rule": ("tau", "top", "rule"),
    "neurons": ("neurons",),
    "attribution": ("size", "per_query"),
    "smallest": ("target_skew", "size", "per_query", "explicit"),
    "label_set": ("label_set",),
}
"""What each way of choosing reads besides strength, gamma, form and alpha."""


@dataclass(frozen=True)
class EditChoice:
    """How the switched neurons are chosen. Equal choices have equal digests.

    rule : consistency and specificity on the probe half, the first `top` specific neurons of each group. Consistent
        is what fires on at least the share `tau` of the group, or with `rule` = "published" on int(tau n) of its n
        rows.
    neurons : those that are named.
    attribution : the `size` neurons that pull hardest towards the group that the query over-represents on the probe
        half, for each query its own set or one set for all (by mean contribution).
    smallest : the neurons, with strengths and values of their own, that bring the expected MaxSkew on the probe half
        under `target_skew` at the least drift; for each query its own or one set for all. Of one set for all, the
        `explicit` queries (query -> the group that it names) should go on finding their group.
    label_set : the neurons of a set that people labelled, by its digest.
    """

    select: str = "neurons"
    neurons: tuple[int, ...] = ()
    tau: float = 0.5
    top: int = 1
    rule: Rule = "at-least"
    size: int = 16
    per_query: bool = True
    target_skew: float = 0.15
    explicit: Mapping[str, str] = field(default_factory=dict)
    label_set: str | None = None
    strength: float = 1.0
    gamma: float = 0.0
    form: Form = "error-preserving"
    alpha: float = 0.6

    def __post_init__(self) -> None:
        one_of(self.select, tuple(OWN), "select")
        edit = self.edit(self.neurons)  # checks neurons, strength, gamma, form and alpha
        object.__setattr__(self, "neurons", edit.neurons)
        if not 0 <= _number(self.tau, "tau") <= 1:
            raise InputError(f"tau was {self.tau}; expected a share from 0 to 1")
        one_of(self.rule, RULES, "rule of the edit")
        if _number(self.target_skew, "target_skew") < 0:
            raise InputError(f"target_skew was {self.target_skew}; expected a number of at least 0")
        if not isinstance(self.explicit, Mapping) or not all(isinstance(g, str) for g in self.explicit.values()):
            raise InputError(
                f"explicit was {self.explicit!r}; expected an object such as {{'a photo of a man': 'Male'}}"
            )
        for name in ("top", "size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} was {value!r}; expected a whole number of at least 1")
        if not isinstance(self.per_query, bool):
            raise InputError(f"per_query was {self.per_query!r}; expected true or false")
        if self.select == "label_set" and not self.label_set:
            raise InputError("label_set was empty; expected the digest of a label set")

    def edit(self, neurons: Sequence[int]) -> Edit:
        """These neurons, switched in the chosen manner."""
        return Edit(tuple(neurons), self.strength, self.gamma, self.form, self.alpha)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "EditChoice":
        """EDIT of a specification; InputError that names an unknown key or a way of choosing that is not there."""
        if not isinstance(value, Mapping):
            raise InputError(f"the edit was {value!r}; expected an object such as {{'select': 'rule', 'tau': 0.5}}")
        select = value.get("select") or next((name for name in ("neurons", "label_set") if name in value), None)
        if select is None:
            raise InputError(f"the edit names neither neurons, label_set nor select; select is one of {', '.join(OWN)}")
        one_of(str(select), tuple(OWN), "select of the edit")
        allowed = ("select", *OWN[select], *MANNER)
        unknown = [str(key) for key in value if key not in allowed]
        if unknown:
            raise InputError(
                f"the edit has unknown keys: {', '.join(unknown)}; {select} knows {', '.join(allowed[1:])}"
            )
        if select == "neurons":
            value = {**value, "neurons": _neuron_numbers(value.get("neurons"))}
        return cls(**{**value, "select": select})

    def to_json(self) -> dict[str, Any]:
        """The settings that this way of choosing reads, defaults written out; `from_json` reads it back."""
        own = (*OWN[self.select], *MANNER)
        said = {name: value for name, value in asdict(self).items() if name in own}
        if "neurons" in said:
            said["neurons"] = list(self.neurons)
        if "explicit" in said:
            said["explicit"] = dict(self.explicit)
        return {"select": self.select, **said}

    @cached_property
    def digest(self) -> str:
        return digest_of(self.to_json())


assert {name for own in OWN.values() for name in own} <= {f.name for f in fields(EditChoice)}


@dataclass(frozen=True)
class ChosenEdits(Sequence[Edit]):
    """One edit a query, in the order of the queries."""

    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()
    """Warnings for people: groups without a neuron of their own, queries that lean to nobody."""

    def __len__(self) -> int:
        return len(self.edits)

    def __getitem__(self, place: Any) -> Any:
        return self.edits[place]


def choose_edits(
    scene: Scene,
    choice: EditChoice,
    request: RankRequest,
    queries: Sequence[str] | np.ndarray,
    progress: Progress | None = None,
) -> ChosenEdits:
    """One edit of the gallery's own side for each query.

    Neurons are found on the probe half alone: every way of choosing gets a `ProbeSet`, which holds no other row.

    Parameters
    ----------
    request : attribute, k, target and restriction that the edit is for; its own query and edits are not used.
    queries : prompts, or their embeddings (m, d).

    Raises
    ------
    InputError : no neuron is found for any group, a set of labelled neurons (which is looked up, not found: see
        core.audit.arms.edits_of), or what does not fit together.
    """
    count = len(queries)
    if choice.select == "neurons":
        return ChosenEdits((choice.edit(choice.neurons),) * count)
    if choice.select == "label_set":
        raise InputError(f"the edit names the set of labelled neurons {choice.label_set}; give its neurons")
    found = probe_set(scene, request)
    if choice.select == "rule":
        neurons, notes = by_rule(found, choice)
        return ChosenEdits((choice.edit(neurons),) * count, notes)
    vectors = query_vectors(scene, request, queries)
    if choice.select == "attribution":
        return by_attribution(found, choice, vectors, progress)
    named = query_vectors(scene, request, list(choice.explicit)) if choice.explicit else ()
    explicit = [(query, _group(found, name)) for query, name in zip(named, choice.explicit.values(), strict=True)]
    return by_search(found, choice, vectors, explicit, progress)


def by_rule(probe: ProbeSet, choice: EditChoice) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The first specific neurons of each group; notes name groups that have none, and neurons whose lift is unsure."""
    names = np.array([*probe.part.groups, None], dtype=object)
    codes = probe.material.require_codes().tocsr()
    found = social_neurons(codes, names[probe.part.labels], choice.tau, choice.rule)
    neurons = [j for own in found.top(choice.top).values() for j in own]
    if not neurons:
        raise InputError(
            f"at tau {choice.tau:g} no group of the probe rows has a neuron of its own; choose a smaller tau or "
            "select by attribution"
        )
    empty = found.empty_groups
    notes = [f"at tau {choice.tau:g} no neuron is specific to {', '.join(empty)}"] if empty else []
    notes += [
        f"neuron {lift.neuron} is {group}'s by the rule, but may fire as often on {lift.other_group}: unsure"
        for group, own in found.groups.items()
        for lift in own.lift[: choice.top]
        if not lift.sure
    ]
    return tuple(neurons), tuple(notes)


def by_attribution(
    probe: ProbeSet, choice: EditChoice, queries: np.ndarray, progress: Progress | None = None
) -> ChosenEdits:
    """The neurons that pull hardest towards the group that each query prefers on the probe rows."""
    found = []
    for done, query in enumerate(queries):
        if progress:
            progress(done, len(queries), "attribution")
        found.append(probe.attribution(query, probe.leading_group(query)))
    if progress:
        progress(len(queries), len(queries), "attribution")
    if choice.per_query:
        return ChosenEdits(tuple(choice.edit(one.towards(choice.size).tolist()) for one in found))
    mean = mean_contributions(found)
    order = np.argsort(-mean, kind="stable")[: choice.size]
    return ChosenEdits((choice.edit(order[mean[order] > 0].tolist()),) * len(queries))


def by_search(
    probe: ProbeSet,
    choice: EditChoice,
    queries: np.ndarray,
    explicit: Sequence[tuple[np.ndarray, int]] = (),
    progress: Progress | None = None,
) -> ChosenEdits:
    """The smallest edits that reach the target on the probe rows; a note where a search does not reach it."""
    if not choice.per_query:
        found = [smallest_edit(probe, queries, choice.target_skew, choice.size, explicit, progress)]
        edits = (_in_manner(found[0].point.edit, choice),) * len(queries)
    else:
        found = []
        for done, query in enumerate(queries):
            if progress:
                progress(done, len(queries), "smallest edit")
            found.append(smallest_edit(probe, query[None], choice.target_skew, choice.size))
        edits = tuple(_in_manner(one.point.edit, choice) for one in found)
    missed = sum(not one.reached for one in found)
    what = f"{missed} of {len(found)} searches" if len(found) > 1 else "the search"
    notes = (f"{what} did not reach a skew of {choice.target_skew:g} on the probe rows",) if missed else ()
    return ChosenEdits(edits, notes)


def _in_manner(edit: Edit, choice: EditChoice) -> Edit:
    """The found edit, scaled by the chosen strength and in the chosen form; its values are its own."""
    return replace(edit, strength=choice.strength, form=choice.form, alpha=choice.alpha)


def _group(probe: ProbeSet, name: str) -> int:
    if name not in probe.part.groups:
        raise InputError(f"an explicit query names {name}, but the probe rows hold {', '.join(probe.part.groups)}")
    return probe.part.groups.index(name)


def query_vectors(scene: Scene, request: RankRequest, queries: Sequence[str] | np.ndarray) -> np.ndarray:
    """Unit embeddings of the queries, as they are without any edit."""
    d = scene.gallery.fingerprint("pooled").d
    if isinstance(queries, np.ndarray):
        return unit_queries(queries, d)
    plain = RankRequest(request.attribute, query="queries", where=request.where)
    return unit_queries(embed_texts(scene, plain, queries).material.pooled, d)


def _neuron_numbers(value: Any) -> tuple[int, ...]:
    whole = isinstance(value, list | tuple) and all(isinstance(j, int) and not isinstance(j, bool) for j in value)
    if not whole:
        raise InputError(f"neurons of the edit were {value!r}; expected a list of neuron numbers such as [3, 17]")
    return tuple(value)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} was {value!r}; expected a number")
    return float(value)

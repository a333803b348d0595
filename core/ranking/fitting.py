"""What methods are fitted on: prompts by role, labelled items, an SAE. Fitted once, kept by digest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config import Attach, InputError, Side, digest_of
from core.gallery import Gallery
from core.gallery.labels import CROSS
from core.interventions import INTERVENTIONS, QUERY_ROLES, Evidence, Intervention, References, Role, Texts
from core.interventions.base import lacking
from core.prompts import CLOSED, OPEN, GroupTexts, PromptBook, shipped_book
from core.ranking.heads import head_sample, why_no_heads
from core.ranking.request import RankRequest
from core.saes.frozen import FrozenFile
from core.scene import Scene, text_embeddings
from core.scene.texts import why_not_embedded
from core.store import array_digest

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile

MOST_REFERENCES = 20_000
"""Labelled items that a method looks at; of more, so many are taken evenly."""


@dataclass(frozen=True)
class Said:
    """Texts of a role before anything is embedded."""

    texts: tuple[str, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Where the labelled items are."""

    gallery: Gallery
    rows: np.ndarray
    labels: np.ndarray

    @cached_property
    def digest(self) -> str:
        return digest_of([self.gallery.digest, array_digest(self.rows), array_digest(self.labels)])


@dataclass(frozen=True, eq=False)
class Plan:
    """What can be had for one method, and why the rest cannot; nothing is embedded yet."""

    said: Mapping[Role, Said] = field(default_factory=dict)
    labelled: Labelled | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits methods on what belongs to one request; equal evidence is looked at once."""

    scene: Scene
    request: RankRequest
    _plans: dict[str, Plan] = field(default_factory=dict)

    def __call__(self, method: str) -> Any:
        """What the method's call takes as `fitted`; InputError in one line where something is missing."""
        found, plan = INTERVENTIONS.get(method)(), self.plan(method)
        if not _looks(found):
            return None
        key = ("fitted", found.fitted_as or method, self._evidence_digest(method))
        fitted = self.scene.bench.remember(
            key, lambda: self._named(method, lambda: found.fit(self._evidence(found, plan)))
        )
        return found.seeded(fitted, self.request.seed)

    def missing(self, method: str) -> str | None:
        """Why the method cannot run, in one line; None where it can. Embeds nothing."""
        found, plan = INTERVENTIONS.get(method), self.plan(method)
        needs = found.needs
        needed = [*needs.prompts, *(["references"] * needs.references), *(["heads"] * needs.heads)]
        try:
            if found.needs.sae and found.changes != "edit":
                self._sae_that_fits(found)
            for what in needed:
                if what in plan.missing:
                    raise lacking(what, plan.missing[what])
        except InputError as error:
            return str(error)
        return None

    def digest(self, method: str) -> str:
        """Of everything that the method's answers depend on besides rows and edit: what it is fitted on, its draw."""
        fitted_on = self._evidence_digest(method)
        drawn = INTERVENTIONS.get(method).random
        return digest_of([fitted_on, self.request.seed]) if drawn else fitted_on

    def _evidence_digest(self, method: str) -> str:
        found, plan = INTERVENTIONS.get(method), self.plan(method)
        if not _looks(found):
            return ""
        shared = {role: [said.texts, said.sizes] for role, said in plan.said.items() if role not in QUERY_ROLES}
        model = self.scene.model.weights_digest if self.scene.model is not None else self.scene.gallery.digest
        sae = self.sae(found).digest if found.needs.sae else None
        return digest_of([shared, model, plan.labelled.digest if plan.labelled else None, sae])

    def plan(self, method: str) -> Plan:
        """The texts and labelled items that the method can have."""
        if method not in self._plans:
            self._plans[method] = self._planned(method)
        return self._plans[method]

    def _planned(self, method: str) -> Plan:
        found = INTERVENTIONS.get(method)
        said: dict[Role, Said] = {}
        missing: dict[str, str] = {}
        labelled: Labelled | None = None
        for role in (*found.needs.prompts, *found.needs.wanted):
            try:
                said[role] = self._said(role)
                attaches = self.attaches(found)
                if why := why_not_embedded(self.scene, said[role].texts, attaches):
                    raise InputError(why)
            except InputError as error:
                said.pop(role, None)
                missing[role] = str(error)
        if found.needs.references:
            try:
                labelled = self.labelled
            except InputError as error:
                missing["references"] = str(error)
        if found.needs.heads and (reason := why_no_heads(self.scene, self.scene.probe)):
            missing["heads"] = reason
        return Plan(said, labelled, missing)

    # --- SAE --------------------------------------------------------------------------------------------------

    def side(self, method: "type[Intervention] | Intervention") -> Side:
        """The side whose SAE the method needs."""
        return "text" if method.changes == "query" else self.scene.gallery.side

    @property
    def sides(self) -> list[Side]:
        """The sides whose SAE the request's answer depends on."""
        method = INTERVENTIONS.get(self.request.method)
        own = {self.side(method)} if method.needs.sae and method.changes != "edit" else set()
        return sorted({*self.request.edits, *own})

    def sae(self, method: "type[Intervention] | Intervention") -> "SAEFile | FrozenFile":
        return self.scene.sae(self.side(method))

    def _sae_that_fits(self, method: "type[Intervention] | Intervention") -> None:
        """InputError where there is no SAE of the side, or one of other embeddings."""
        sae_file, side = self.sae(method), self.side(method)
        attach = sae_file.attach or "pooled"
        if side == self.scene.gallery.side:
            sae_file.require(self.scene.gallery.fingerprint(attach), f"gallery {self.scene.gallery.name!r}")
        elif self.scene.model is not None:
            sae_file.require(self.scene.model.fingerprint("text", attach), "the query")

    def attaches(self, method: "type[Intervention] | Intervention") -> tuple[Attach, ...]:
        """Attach points at which the method reads texts."""
        if not method.needs.sae or method.changes != "query" or "text" not in self.scene.saes:
            return ("pooled",)
        return ("pooled", "residual") if self.scene.saes["text"].attach == "residual" else ("pooled",)

    # --- texts ------------------------------------------------------------------------------------------------

    @cached_property
    def book(self) -> PromptBook:
        """The request's prompts, or the shipped ones in words that the model knows."""
        if self.request.prompts is not None:
            return self.request.prompts
        closed = self.scene.model is not None and self.scene.model.known_words is not None
        return shipped_book(CLOSED if closed else OPEN)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.scene.gallery.groups(self.request.attribute))

    @cached_property
    def group_texts(self) -> dict[str, GroupTexts]:
        """Prompts of every group: the book's, or those known prompts of the gallery that are labelled with a group."""
        attribute = self.request.attribute
        if len(self.groups) < 2:
            raise InputError(
                f"{attribute} has only one group in gallery {self.scene.gallery.name}; choose another attribute"
            )
        found = self.book.group_texts(attribute, self.groups, CROSS)
        prompts = [prompt for texts in found.values() for prompt in texts.prompts] if found else []
        if found and why_not_embedded(self.scene, prompts, ("pooled",)) is None:
            return found
        known = known_group_prompts(self.scene.gallery, self.groups, found or {})
        if found is None and known is None:
            raise InputError(
                f"the prompts {self.book.name!r} do not name all groups of {attribute} ({', '.join(self.groups)}); "
                "add the missing ones to the prompt sets"
            )
        groups = known or found
        assert groups is not None, "one of the two was there"
        return groups

    def companions(self, role: Role, query: str) -> tuple[str, ...]:
        """The texts of a role that belong to one query."""
        if role == "paraphrases":
            return tuple(self.book.paraphrases.of(query))
        words = [texts.word for texts in self.group_texts.values()]
        if not all(words):
            raise InputError("the known prompts say no word that would put a query to each group")
        return tuple(self.book.augmented(query, words))

    def _said(self, role: Role) -> Said:
        """The texts of a role; InputError where the prompts have none."""
        if role in QUERY_ROLES:
            if self.request.query is None:
                raise InputError("they come from the query in words: give words, not an embedding")
            texts = self.companions(role, self.request.query)
            return Said(texts, (len(texts),))
        if role == "diverse":
            return Said(self.book.diverse, (len(self.book.diverse),))
        if role == "helpful":
            if not self.book.helpful:
                raise InputError("the prompts hold no helpful pairs")
            return Said(tuple(t for pair in self.book.helpful for t in pair), (2,) * len(self.book.helpful))
        groups = list(self.group_texts.values())
        if role == "bias":
            return Said(tuple(p for g in groups for p in g.prompts), tuple(len(g.prompts) for g in groups))
        if role == "spurious":
            return Said(tuple(g.prompts[0] for g in groups), (len(groups),))
        said = [self.companions("augmented", content) for content in self.book.contents]
        return Said(tuple(text for texts in said for text in texts), (len(groups),) * len(said))

    # --- labelled items ---------------------------------------------------------------------------------------

    @cached_property
    def labelled(self) -> Labelled:
        """Rows with a known group in the probe half, in the part that is asked for, at most MOST_REFERENCES."""
        gallery, rows = self.scene.probe, self.scene.probe_rows(self.request.where)
        groups = gallery.groups(self.request.attribute)
        numbers = gallery.group_numbers(self.request.attribute)[rows]
        rows = rows[numbers >= 0]
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_REFERENCES)).astype(np.int64)]
        labels = gallery.group_numbers(self.request.attribute)[rows]
        if len(np.unique(labels)) < 2:
            there = ", ".join(groups[g] for g in np.unique(labels)) or "no known group"
            raise InputError(f"the probe set {gallery.name} has {there} alone in this part; loosen the restriction")
        return Labelled(gallery, rows, labels)

    # --- everything together ----------------------------------------------------------------------------------

    def _evidence(self, method: Intervention, plan: Plan) -> Evidence:
        sae = self.sae(method) if method.needs.sae else None
        shared = {role: said for role, said in plan.said.items() if role not in QUERY_ROLES}
        texts: dict[str, Texts] = {role: self._texts(said, method) for role, said in shared.items()}
        references = None
        if plan.labelled is not None:
            found, attach = plan.labelled, (sae.attach or "pooled") if sae and method.changes != "query" else "pooled"
            at = [found.gallery.embeddings(a)[found.rows] for a in ("pooled", attach)]
            references = References(np.asarray(at[0], dtype=np.float32), found.labels, np.asarray(at[1], np.float32))
        numbers, side = sae.sae if sae else None, self.scene.gallery.side
        heads = None
        if method.needs.heads and plan.labelled is not None and "heads" not in plan.missing:
            heads = head_sample(self.scene, plan.labelled.gallery, plan.labelled.rows, plan.labelled.labels)
        return Evidence(self.request.attribute, self.groups, texts, references, numbers, plan.missing, side, heads)

    def _texts(self, said: Said, method: Intervention) -> Texts:
        attaches = self.attaches(method)
        found, _ = text_embeddings(self.scene, said.texts, attaches)
        return Texts(found["pooled"], said.sizes, found[attaches[-1]])

    def _named(self, method: str, fit: Any) -> Any:
        """The fit; a refusal names the method."""
        try:
            return fit()
        except InputError as error:
            raise InputError(f"{method}: {error}") from None


def _looks(method: "type[Intervention] | Intervention") -> bool:
    """Whether the method is fitted on anything."""
    needs = method.needs
    return not needs.edit and bool(needs.prompts or needs.wanted or needs.references)


def known_group_prompts(
    gallery: Gallery, groups: Iterable[str], book: Mapping[str, GroupTexts]
) -> dict[str, GroupTexts] | None:
    """Known prompts of each group, where a column of the gallery's prompt table names the groups; else None.

    Prompts that the book has too go first, the book's plainest before all.
    """
    table, wanted = gallery.prompt_table, {group.casefold(): group for group in groups}
    for column in (name for name in table.columns if name != "prompt"):
        values = table[column].astype("str").str.casefold()
        if not set(wanted) <= set(values):
            continue
        found = {}
        for low, group in wanted.items():
            known = [str(prompt) for prompt in table["prompt"][values == low]]
            written = book[group] if group in book else GroupTexts("", ())
            first = [prompt for prompt in written.prompts if prompt in known]
            found[group] = GroupTexts(written.word, tuple(dict.fromkeys([*first, *known])))
        return found
    return None

"""What an intervention is: a pure function from stored embeddings to debiased ones, and what it says about itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import scipy.sparse as sparse

from core.config import Attach, Edit, InputError, Side
from core.portable.pieces import Piece
from core.readout import ReadoutArrays
from core.registry import Registry
from core.saes.folder import Numbers
from core.verdicts import of_items

Arrays = Mapping[str, np.ndarray]
NO_EDIT = Edit()
"""No neuron switched: what methods without neurons are called with."""

Role = Literal["diverse", "bias", "spurious", "contents", "helpful", "paraphrases", "augmented"]
"""What a text is there for.

diverse      everyday scenes that say nothing of the attribute
bias         prompts of each group, group after group
spurious     one plain prompt a group: "a photo of a man", "a photo of a woman"
contents     contents crossed with groups, content after content: "a photo of a male doctor", "... female doctor", ...
helpful      pairs whose difference is to be kept, pair after pair
paraphrases  of each query, the query itself first
augmented    each query said of every group: "a photo of a male doctor", "a photo of a female doctor"
"""
QUERY_ROLES: tuple[Role, ...] = ("paraphrases", "augmented")
"""Roles of texts that belong to one query each."""
ROLE_WORDS: dict[str, str] = {
    "diverse": "diverse prompts",
    "bias": "prompts of every group",
    "spurious": "one plain prompt of every group",
    "contents": "contents said of every group",
    "helpful": "pairs of prompts whose difference is to be kept",
    "paraphrases": "paraphrases of the query",
    "augmented": "the query said of every group",
    "references": "labelled items of the probe half",
    "sae": "an SAE",
    "heads": "pictures, and the vision transformer that embedded them",
}
Changes = Literal["edit", "items", "query", "both"]
"""Which side moves: that of the edit, the searched items, the query, or items and query."""


@dataclass(frozen=True)
class Needs:
    """What a method cannot do without."""

    edit: bool = False
    """Neurons that somebody chose."""
    sae: bool = False
    """An SAE of the side that the method changes."""
    prompts: tuple[Role, ...] = ()
    wanted: tuple[Role, ...] = ()
    """Texts that it uses where they can be had and does without where not."""
    references: bool = False
    """Labelled items of the probe half."""
    heads: bool = False
    """What the attention heads of the pictures' tower add to the items."""
    training: bool = False
    """It trains something of its own before its first answer."""

    def words(self) -> list[str]:
        """Every need in words."""
        needs = ["chosen neurons"] if self.edit else []
        needs += [ROLE_WORDS["sae"]] if self.sae else []
        needs += [ROLE_WORDS[role] for role in self.prompts]
        needs += [ROLE_WORDS["references"]] if self.references else []
        needs += [ROLE_WORDS["heads"]] if self.heads else []
        return needs + (["a short training"] if self.training else [])


@dataclass(frozen=True, eq=False)
class Texts:
    """Embedded texts of one role. Never changed."""

    pooled: np.ndarray
    """Embeddings (n, d), un-normalised."""
    sizes: tuple[int, ...]
    """Rows of each block (group, content or pair), in order; they add up to n."""
    at_sae: np.ndarray | None = None
    """Embeddings (n, d_in) at the SAE's attach point; None: `pooled`."""

    def __post_init__(self) -> None:
        if sum(self.sizes) != len(self.pooled):
            raise InputError(f"blocks of {sum(self.sizes)} texts were given for {len(self.pooled)} embeddings")

    @property
    def x(self) -> np.ndarray:
        """Embeddings (n, d_in) at the SAE's attach point."""
        return self.pooled if self.at_sae is None else self.at_sae

    @property
    def labels(self) -> np.ndarray:
        """Number of the block of each row (n,): its group, where there is a block for every group."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def blocks(self, at: Attach | Literal["x"] = "pooled") -> list[np.ndarray]:
        """The rows of each block; `at` "x" gives them at the SAE's attach point."""
        rows = self.x if at == "x" else self.pooled
        return np.split(rows, np.cumsum(self.sizes)[:-1])


@dataclass(frozen=True, eq=False)
class References:
    """Labelled items of the probe half. Never changed."""

    pooled: np.ndarray
    """Embeddings (m, d), un-normalised."""
    labels: np.ndarray
    """Place of each row's group in `Evidence.groups` (m,); every row has one."""
    at_sae: np.ndarray | None = None
    """Embeddings (m, d_in) at the SAE's attach point; None: `pooled`."""

    @property
    def x(self) -> np.ndarray:
        """Embeddings (m, d_in) at the SAE's attach point."""
        return self.pooled if self.at_sae is None else self.at_sae


Head = tuple[int, int]
"""Layer and attention head, counted from 0."""


@dataclass(frozen=True, eq=False)
class HeadSample:
    """What every attention head adds to labelled pictures of the probe half. Never changed."""

    parts: np.ndarray
    """(m, layers, heads, d)."""
    labels: np.ndarray
    """Place of each row's group in `Evidence.groups` (m,)."""
    places: np.ndarray | None = None
    """Which of the labelled items these are (m,); None: all of them."""

    @property
    def nbytes(self) -> int:
        return self.parts.nbytes + self.labels.nbytes


class HeadReader(Protocol):
    """What attention heads add to the rows of a material."""

    def __call__(self, chosen: Sequence[Head]) -> np.ndarray:
        """Sum of the chosen heads' parts of every row (n, d)."""

    def at(self, rows: np.ndarray | slice) -> "HeadReader":
        """The same of some of the rows, in any order."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a method is fitted on: everything but the rows that it will change. Never changed."""

    attribute: str = ""
    groups: tuple[str, ...] = ()
    texts: Mapping[str, Texts] = field(default_factory=dict)
    """By role; only roles that are shared by all queries."""
    references: References | None = None
    sae: Numbers | None = None
    """SAE of the side that the method changes."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why a role or the references are not there."""
    side: Side = "image"
    """Of the searched items; queries are texts."""
    heads: HeadSample | None = None

    def text(self, role: Role) -> Texts:
        """The texts of a role; InputError saying what is missing and why."""
        if role not in self.texts:
            raise lacking(role, self.missing.get(role))
        return self.texts[role]

    def require_references(self) -> References:
        if self.references is None:
            raise lacking("references", self.missing.get("references"))
        return self.references

    def require_sae(self) -> Numbers:
        if self.sae is None:
            raise lacking("sae", self.missing.get("sae"))
        return self.sae

    def require_heads(self) -> HeadSample:
        if self.heads is None:
            raise lacking("heads", self.missing.get("heads"))
        return self.heads


def lacking(what: str, reason: str | None) -> InputError:
    """The one line that says what a method was not given, and why."""
    return InputError(f"this method needs {ROLE_WORDS[what]}; {reason or 'none were given: choose some'}")


@dataclass(frozen=True, eq=False)
class Material:
    """Everything an intervention may look at, for some rows of one side. Never changed."""

    side: Side
    pooled: np.ndarray
    """Stored pooled embeddings (n, d), un-normalised."""
    attach: Attach = "pooled"
    at_sae: np.ndarray | None = None
    """Embeddings (n, d_in) at the SAE's attach point; None: `pooled`."""
    codes: sparse.spmatrix | None = None
    """Codes z (n, F) of `x`; CSC is fastest where few neurons are switched."""
    sae: Numbers | None = None
    readout: ReadoutArrays | None = None
    """From `x` to `pooled`; needed at the residual attach point."""
    paraphrases: tuple[np.ndarray, ...] | None = None
    """For each row the embeddings (m, d_in) of its paraphrases, the row itself first."""
    augmented: tuple[np.ndarray, ...] | None = None
    """For each row the pooled embeddings (G, d) of its text said of every group."""
    by_row: sparse.csr_matrix | None = None
    """The codes by row, where they are at hand."""
    heads: HeadReader | None = None

    def __post_init__(self) -> None:
        if self.attach == "residual" and self.readout is None:
            raise InputError(
                "edits at the residual attach point need the readout that follows it, and these embeddings came "
                "without one; build the gallery with this version or use an SAE of the pooled embeddings"
            )

    @property
    def x(self) -> np.ndarray:
        """Embeddings (n, d_in) at the SAE's attach point."""
        return self.pooled if self.at_sae is None else self.at_sae

    @property
    def nbytes(self) -> int:
        """Memory that this material keeps alive; mapped files take none."""
        codes = 0 if self.codes is None else self.codes.data.nbytes + self.codes.indices.nbytes
        arrays = {id(a): a for a in (self.pooled, self.x) if not isinstance(a, np.memmap)}
        return codes + sum(int(a.nbytes) for a in arrays.values())

    @cached_property
    def codes_by_row(self) -> sparse.csr_matrix:
        """Codes by row, turned once."""
        return self.require_codes().tocsr() if self.by_row is None else self.by_row

    def at(self, rows: np.ndarray | slice) -> "Material":
        """Some of the rows, in any order; texts that belong to rows are left out."""
        codes = None if self.codes is None else self.codes_by_row[rows].tocsc()
        x = None if self.at_sae is None else self.at_sae[rows]
        return replace(
            self,
            pooled=self.pooled[rows],
            at_sae=x,
            codes=codes,
            by_row=None,
            paraphrases=None,
            augmented=None,
            heads=None if self.heads is None else self.heads.at(rows),
        )

    @cached_property
    def W_dec(self) -> np.ndarray:
        """Decoder directions (F, d_in)."""
        return self._of_sae("W_dec")

    @cached_property
    def reconstruction(self) -> np.ndarray:
        """x_hat (n, d_in) = z W_dec + b_dec, computed once."""
        return self.require_codes() @ self.W_dec + self._of_sae("b_dec")

    def require_codes(self) -> sparse.spmatrix:
        """The codes; InputError where the intervention was given none."""
        self.require_sae()
        if self.codes is None:
            raise self._no_sae()
        return self.codes

    def require_sae(self) -> Numbers:
        if self.sae is None:
            raise self._no_sae()
        return self.sae

    def _no_sae(self) -> InputError:
        return InputError(f"editing neurons of the {self.side} side needs an SAE of that side; choose one")

    def require_heads(self) -> HeadReader:
        if self.heads is None:
            raise lacking("heads", "these rows came without: they have no pictures")
        return self.heads

    def require_paraphrases(self) -> tuple[np.ndarray, ...]:
        if self.paraphrases is None:
            raise lacking("paraphrases", "they come from the query in words: give words, not an embedding")
        return self.paraphrases

    def embedded(self, x: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Pooled embeddings of changed `x` rows; the other rows keep their stored embedding, bit by bit.

        A row of `x` of which nothing is left has no embedding either: zeros, whatever the readout makes of it.
        """
        pooled = self.stored()
        if self.attach == "pooled" or self.readout is None:
            pooled[rows] = x
        else:
            pooled[rows] = np.where(np.any(x, axis=1)[:, None], self.readout(x), 0)
        return pooled

    def stored(self) -> np.ndarray:
        """A copy of the pooled embeddings in the dtype that methods answer in (float32 at least)."""
        return np.array(self.pooled, dtype=np.result_type(self.pooled.dtype, np.float32))

    def _of_sae(self, name: str) -> np.ndarray:
        self.require_codes()
        dtype = np.result_type(self.x.dtype, np.float32)
        return self.require_sae().arrays()[name].astype(dtype, copy=False)


class Intervention(ABC):
    """A debiasing method: un-normalised pooled embeddings (n, d) from a material, an edit and what was fitted.

    Two steps, both pure: `fit` looks at the evidence (prompts, labelled items, the SAE) once, the call then changes
    any rows. Equal arguments give equal results, nothing is kept, nothing given is changed; a row's result does not
    depend on the rows beside it. A row that the method does not touch keeps its stored embedding bit by bit.
    """

    title: ClassVar[str]
    plain: ClassVar[str]
    """What it does, in two sentences for people who know no mathematics."""
    formula: ClassVar[str]
    """LaTeX."""
    paper: ClassVar[str]
    cost: ClassVar[str]
    """What one answer costs, in words."""
    changes: ClassVar[Changes]
    needs: ClassVar[Needs] = Needs()
    fitted_as: ClassVar[str | None] = None
    """Methods with the same name here share one fit; None: the method's own."""
    random: ClassVar[bool] = False
    """Whether something is drawn when it is asked: its answer is one of many, told apart by the request's seed."""
    array_names: ClassVar[tuple[str, ...]] = ()
    """Arrays that `on_arrays` reads; empty: the method has no form on bare arrays."""
    stays: ClassVar[str] = ""
    """Why it cannot leave the app as a map of rows, in words; empty: `pieces` gives the map."""

    @classmethod
    def plain_for(cls, kind: str) -> str:
        """`plain`, of the items of a gallery: its texts name pictures, and captions stand for them in one of captions.

        Parameters
        ----------
        kind : what the gallery holds, "images" or "captions".
        """
        return of_items(cls.plain, kind)

    def fit(self, evidence: Evidence) -> Any:
        """What the call needs of the evidence; InputError naming what is missing. None where it needs nothing."""
        return None

    def seeded(self, fitted: Any, seed: int) -> Any:
        """What was fitted, for another draw; methods that draw nothing give it back."""
        return fitted

    @abstractmethod
    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray: ...

    def remarks(self, material: Material, fitted: Any = None) -> tuple[str, ...]:
        """What people have to know of these rows besides the result, one line each: guarantees, rows that turn."""
        return ()

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        """The same map of one side's rows without the app, up to rounding; InputError where it is no such map.

        Parameters
        ----------
        fitted : what `fit` gave.
        edit, sae : of methods that switch neurons.
        """
        raise InputError(f"{self.title} cannot be taken along: {self.stays}")

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The method on bare arrays named as its paper's recorded values are; `out` is the result."""
        raise InputError(f"{self.title} cannot be applied to bare arrays; methods that can: {', '.join(on_arrays())}")


INTERVENTIONS: Registry[type[Intervention]] = Registry("intervention", "core.interventions")


def on_arrays() -> list[str]:
    """Names of the methods that work on bare arrays, sorted."""
    return [name for name in INTERVENTIONS if INTERVENTIONS.get(name).array_names]

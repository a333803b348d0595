"""What is asked: frozen choices with a digest."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import Any

from core.config import HALVES, SIDES, Edit, Half, InputError, Side, digest_of, finite, one_of
from core.interventions import INTERVENTIONS
from core.metrics.targets import Target
from core.prompts import PromptBook
from core.statistics import DRAWS


def _finite(value: object) -> bool:
    return isinstance(value, Real) and not math.isnan(finite(value))


@dataclass(frozen=True, eq=False)
class RankRequest:
    """One query to a gallery, and the edit whose effect is asked for. Equal requests have equal digests."""

    attribute: str
    """Attribute column whose groups are counted."""
    query: str | None = None
    """A prompt in words; or give `query_embedding`."""
    query_embedding: Iterable[float] | None = None
    """(d,) numbers in the space of the pooled embeddings."""
    k: int = 100
    """How many items are retrieved."""
    target: Target = "gallery"
    """What the shares are compared with: "gallery" (those of the searched rows), "uniform" or a table group -> share.
    The lean does not depend on it."""
    half: Half = "all"
    where: Mapping[str, str] = field(default_factory=dict)
    """Restricts the searched rows: {"race": "White"}."""
    edits: Mapping[Side, Edit] = field(default_factory=dict)
    """Which neurons are switched, by side."""
    method: str = "neuron-edit"
    """Registered intervention that carries the edits out, or that needs none."""
    prompts: PromptBook | None = None
    """What methods with prompts are fitted on; None: the shipped book that suits the model's words."""
    seed: int = 0
    """Of null bands, intervals and paired draws."""
    null_draws: int = DRAWS

    def __post_init__(self) -> None:
        one_of(self.half, HALVES, "half")
        for side in self.edits:
            one_of(side, SIDES, "side of an edit")
        if self.query_embedding is not None:
            try:
                numbers = tuple(float(v) for v in self.query_embedding)
            except (TypeError, ValueError, OverflowError):
                numbers = ()
            object.__setattr__(self, "query_embedding", numbers)
            if not numbers or not all(map(math.isfinite, numbers)):
                raise InputError("the query embedding is empty or holds NaN or infinity; expected (d,) finite numbers")
        if (self.query is None) == (self.query_embedding is None):
            raise InputError("a ranking needs either a query in words or a query embedding, and not both")
        if self.query is not None and not isinstance(self.query, str):
            raise InputError(f"the query was {self.query!r}; expected words, or give query_embedding")
        if self.query is not None and not self.query.strip():
            raise InputError("the query is empty; type what to search for, for example: a photo of a doctor")
        if isinstance(self.target, Mapping):
            for group, share in self.target.items():
                if not _finite(share):
                    raise InputError(f"the target share of {group} was {share}; expected a number above 0")
        elif not isinstance(self.target, str):
            raise InputError(f"target was {self.target!r}; expected uniform, gallery or a table of group and share")
        for name, least in (("k", 1), ("null_draws", 1), ("seed", 0)):
            value = getattr(self, name)
            if not _finite(value) or int(value) != value or value < least:
                raise InputError(f"{name} was {value}; expected a whole number of at least {least}")
            object.__setattr__(self, name, int(value))

    @property
    def intervenes(self) -> bool:
        """Whether anything is asked beyond the ranking as it is: an edit, or a method that needs none."""
        return bool(self.edits) or not INTERVENTIONS.get(self.method).needs.edit

    def to_json(self) -> dict[str, Any]:
        return {
            "attribute": self.attribute,
            "query": self.query,
            "query_embedding": None if self.query_embedding is None else digest_of(list(self.query_embedding)),
            "k": self.k,
            "target": self.target if isinstance(self.target, str) else dict(self.target),
            "half": self.half,
            "where": dict(self.where),
            "edits": {side: edit.to_json() for side, edit in self.edits.items()},
            "method": self.method,
            "seed": self.seed,
            "null_draws": self.null_draws,
            **({"prompts": self.prompts.digest} if self.prompts is not None else {}),
        }

    @cached_property
    def digest(self) -> str:
        return digest_of(self.to_json())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RankRequest) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

"""How an SAE is trained, and settings that suit its data."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from core.config import InputError, digest_of, one_of

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainingConfig:
    """How an SAE is trained. Defaults suit galleries of some thousand to some hundred thousand rows.

    What is None follows from the other choices, see `resolved`.
    """

    steps: int = 1200
    batch: int = 256
    lr: float | None = None
    """Peak learning rate; None: 2e-4 / sqrt(d_sae / 2^14), at most 1.5e-3."""
    warmup_steps: int | None = None
    """First steps, over which the rate rises linearly from 0; None: a twelfth of the steps, at most 1000."""
    decay_fraction: float = 0.2
    """Last share of the steps over which the rate falls linearly to 0."""
    clip: float = 1.0
    """Largest gradient norm."""
    aux_weight: float = 0.03
    """Weight of the loss that revives dead neurons; 0 switches it off."""
    dead_after: int | None = None
    """A neuron that has not fired for so many rows counts as dead in training; None: a sixth of all rows drawn, at
    most 10,000,000."""
    threshold_start: int | None = None
    """Step after which the inference threshold of BatchTopK families is averaged; None: a quarter of the steps, at
    most 1000."""
    threshold_beta: float = 0.99
    seed: int = 0
    precision: str = "auto"
    """Of the large products: "float32", "bfloat16", or "auto": bfloat16 on a GPU that has it, else float32. Parameters
    and their averages are float32 always."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "warmup_steps", "dead_after", "threshold_start", "seed"):
            value, least = getattr(self, name), 1 if name in ("steps", "batch", "dead_after") else 0
            if value is not None and (value != int(value) or value < least):
                raise InputError(f"{name} was {value}; expected a whole number of at least {least}")
        for name, high in (("lr", math.inf), ("clip", math.inf)):
            value = getattr(self, name)
            if value is not None and not 0 < value < high:
                raise InputError(f"{name} was {value}; expected a number above 0")
        for name, high in (("decay_fraction", 1.0), ("threshold_beta", 1.0), ("aux_weight", math.inf)):
            if not 0 <= getattr(self, name) <= high:
                raise InputError(f"{name} was {getattr(self, name)}; expected a number from 0 to {high:g}")

        one_of(self.precision, PRECISIONS, "precision")

    def resolved(self, d_sae: int) -> "ResolvedTraining":
        """The same training with a number in every place that was None."""
        derived = {
            "lr": min(2e-4 / math.sqrt(d_sae / 2**14), 1.5e-3),
            "warmup_steps": min(self.steps // 12, 1000),
            "dead_after": max(1, min(self.steps * self.batch // 6, 10_000_000)),
            "threshold_start": min(self.steps // 4, 1000),
        }
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return ResolvedTraining(**(derived | given))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        return digest_of(self.to_json())


ROWS_PER_NEURON = 8
"""Rows that train each neuron at least: with fewer, neurons learn single items and do not carry over to new ones."""
PASSES = 100
"""How often a small gallery's rows are seen: more passes reconstruct new rows no better."""
LARGE = 50_000
"""Rows from which a training takes larger and more steps."""
NARROW = 256
"""Columns up to which few active neurons suit an embedding: of d = 128, k = 20 is nearly dense."""


@dataclass(frozen=True)
class Suggestion:
    """Settings of a training that suit its data, and why."""

    n: int
    """Rows (or tokens) that are trained on."""
    d: int
    d_sae: int
    k: int
    steps: int
    batch: int

    def why(self) -> tuple[str, ...]:
        """The reason of each number, one sentence each."""
        rows, passes = f"{self.n:,} rows of {self.d:,} columns", self.steps * self.batch / self.n
        scarce = self.d_sae < 2 * self.d
        reason = "more would learn single items" if scarce else "two a column, and there are rows enough for all"
        width = "few, because the embedding is narrow" if self.d <= NARROW else "as in the published recipes"
        return (
            f"{self.d_sae:,} neurons for {rows}: {reason}.",
            f"k = {self.k} active neurons a row: {width}.",
            f"{self.steps:,} steps of {self.batch:,} rows: every row is seen about {passes:,.0f} times.",
        )


@dataclass(frozen=True)
class ResolvedTraining(TrainingConfig):
    """A training of an SAE of known size, with a number in every place."""

    lr: float = math.nan
    warmup_steps: int = 0
    dead_after: int = 1
    threshold_start: int = 0


def suggested_training(n: int, d: int) -> Suggestion:
    """Settings that suit n rows with d columns.

    Neurons: two a column, or fewer where less than ROWS_PER_NEURON rows would come to each (a power of two then, at
    least 32). Found by cross-validation within 1,000 embeddings of photographed faces (d = 1,024, k = 20): 64 neurons
    miss .32 to .36 of the variance of held-out photographs and 512 miss .32, while the best gender neuron of 64 tells
    held-out men from women with AUC .82 to .95 in every architecture, and of 256 in some with .68 to .73.
    """
    room = 1 << max(5, (max(n, 1) // ROWS_PER_NEURON).bit_length() - 1)
    large, d_sae = n >= LARGE, min(2 * d, room)
    batch = 1024 if large else 256
    return Suggestion(
        n=n,
        d=d,
        d_sae=d_sae,
        k=min(8 if d <= NARROW else 20, d_sae),
        steps=4000 if large else min(max(PASSES * n // batch, 400), 1200),
        batch=batch,
    )

"""Choices as frozen dataclasses with a digest, and the one error type whose message is meant for people."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
VERSION = "0.1.0"
"""The app's own version: written beside whatever a person decides with it."""
HOME_VARIABLE = "UNSKEW_HOME"

Side = Literal["image", "text"]
Attach = Literal["pooled", "residual"]
Half = Literal["all", "probe", "evaluation"]
TowerPrecision = Literal["float32", "bfloat16", "float16"]
Form = Literal["error-preserving", "blend"]

SIDES: tuple[Side, ...] = ("image", "text")
ATTACHES: tuple[Attach, ...] = ("pooled", "residual")
TOWER_PRECISIONS: tuple[TowerPrecision, ...] = ("float32", "bfloat16", "float16")
HALVES: tuple[Half, ...] = ("all", "probe", "evaluation")
WEIGHTINGS = ("reverse", "uniform")
PRECISIONS = ("auto", "float32", "bfloat16")
FORMS: tuple[Form, ...] = ("error-preserving", "blend")

UNKNOWN = "unknown"


NOTHING = 1e-4
"""Share of a length below which what a method leaves of an embedding has no direction that anybody should read.

Embeddings are float32, known to about 1e-7 of their length: a remainder of 1e-4 points somewhere within .001, which
moves a cosine in its third digit, the last that is printed. Of a prompt that is itself removed, rounding leaves 2e-7;
of every other prompt of the shipped world each method leaves more than 5e-3.
"""


class InputError(ValueError):
    """What a person gave cannot be used. The message is one line: what was given, what was expected, what to do."""


class NothingLeft(InputError):
    """A method leaves less than NOTHING of some queries' length: they retrieve nobody.

    Parameters
    ----------
    method : the method's title.
    texts : the queries that are lost, or what they are called where they are no words.
    """

    def __init__(self, method: str, texts: Sequence[str]) -> None:
        self.method, self.texts = method, tuple(texts)
        named = ", ".join(f"“{text}”" for text in self.texts[:3])
        more = f" and {len(self.texts) - 3} other prompts" if len(self.texts) > 3 else ""
        it_lies = "it lies" if len(self.texts) == 1 else "they lie"
        super().__init__(f"{method} leaves nothing of {named}{more}: {it_lies} in what it removes")


def own_folder() -> Path:
    """Where this machine keeps what people make and what is computed once: $UNSKEW_HOME, else ~/.unskew.

    Labels and computed maps live here, never in assets, galleries or SAEs, which may be shared and read-only.
    """
    return Path(os.environ.get(HOME_VARIABLE) or "~/.unskew").expanduser()


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `value`: sorted keys, no blanks, floats by their shortest form.

    Equal choices have equal digests on every machine. NaN and infinity are refused (ValueError).
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def one_of(value: str, allowed: tuple[str, ...], what: str) -> None:
    """InputError unless `value` is among `allowed`."""
    if value not in allowed:
        raise InputError(f"{what} was {value!r}; expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Fingerprint:
    """What an embedding is: the model, the place inside it and the treatment that produced the numbers.

    An SAE carries the fingerprint of its training data and refuses embeddings of another one. Fields that nobody
    could tell (imported files) hold "unknown" or None and are compared as "may be equal": a warning, not a refusal.
    """

    model: str
    """open_clip model name, `local-dir:` or `hf-hub:` name, or the name given at import."""
    weights: str
    """SHA-256 of the weights (state dict), or "unknown"."""
    side: Side
    attach: Attach
    d: int
    """Number of columns."""
    preprocess: str = UNKNOWN
    """Digest of the preprocessing (image side) or of the tokenizer (text side)."""
    quick_gelu: bool | None = None
    normalised: bool | None = None
    """True where rows were L2-normalised before they were stored."""

    def __post_init__(self) -> None:
        one_of(self.side, SIDES, "side")
        one_of(self.attach, ATTACHES, "attach point")
        if self.d < 1:
            raise InputError(f"a fingerprint needs at least one column, got d = {self.d}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Fingerprint":
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        return cls(**known)

    def describe(self) -> str:
        """One readable line for messages and provenance."""
        normalised = {True: "normalised", False: "un-normalised", None: "normalisation unknown"}[self.normalised]
        return f"{self.model} (weights {self.weights[:8]}), {self.side} side, {self.attach}, d = {self.d}, {normalised}"

    def require_match(self, other: "Fingerprint", mine: str, theirs: str) -> list[str]:
        """Names of the fields that could not be compared; InputError naming both sides where a known field differs.

        The model's *name* is compared only where the weights of either are unknown: equal weights are the same model
        under whatever name or path.
        """
        unsure: list[str] = []
        fields = ["side", "attach", "d", "weights", "preprocess", "quick_gelu", "normalised"]
        if UNKNOWN in (self.weights, other.weights):
            fields.append("model")
        for name in fields:
            a, b = getattr(self, name), getattr(other, name)
            if a in (UNKNOWN, None) or b in (UNKNOWN, None):
                unsure.append(name)
            elif a != b:
                raise InputError(
                    f"{mine} was made for {self.describe()}, but {theirs} holds {other.describe()}: {name} differs "
                    f"({a} and {b}); choose an SAE and embeddings of the same model and attach point"
                )
        return unsure


@dataclass(frozen=True)
class Edit:
    """A set of neurons with strength and form: what is switched, and how.

    Switching neuron j with strength s: z'_j = (1 - s) z_j + s * gamma. Then, with W_dec the decoder,
    error-preserving: x' = x - sum_j (z_j - z'_j) W_dec_j;
    blend: x' = alpha * (z' W_dec + b_dec) + (1 - alpha) * x.
    No neuron in the error-preserving form, or alpha = 0 in the blend form, is exactly the original.
    """

    neurons: tuple[int, ...] = ()
    """Sorted, without repeats."""
    strength: float = 1.0
    """s in [0, 1]; 0 changes nothing, 1 sets the neurons to gamma."""
    gamma: float = 0.0
    """The value a fully switched neuron takes; 0 is off."""
    form: Form = "error-preserving"
    alpha: float = 0.6
    """Share of the reconstruction in the blend form, in [0, 1]; not used by the error-preserving form."""
    strengths: tuple[float, ...] = ()
    """Own strength of each neuron, in [0, 1], which `strength` scales; empty: 1 for all."""
    gammas: tuple[float, ...] = ()
    """Own value of each fully switched neuron; empty: `gamma` for all."""

    def __post_init__(self) -> None:
        one_of(self.form, FORMS, "form")
        given = [int(j) for j in self.neurons]
        neurons = tuple(sorted(set(given)))
        if neurons and neurons[0] < 0:
            raise InputError(f"neuron {neurons[0]} was given; neurons are numbered from 0")
        for name, low, high in (("strengths", 0.0, 1.0), ("gammas", -math.inf, math.inf)):
            own = [float(value) for value in getattr(self, name)]
            if own and (len(own) != len(given) or len(neurons) != len(given)):
                raise InputError(f"{len(own)} {name} were given for {len(given)} neurons; expected one for each")
            if not all(math.isfinite(value) and low <= value <= high for value in own):
                raise InputError(f"{name} were {own}; expected {'numbers from 0 to 1' if high == 1 else 'finite'}")
            by_neuron = dict(zip(given, own, strict=True)) if own else {}
            object.__setattr__(self, name, tuple(by_neuron[j] for j in neurons) if own else ())
        object.__setattr__(self, "neurons", neurons)
        for name, low, high in (("strength", 0.0, 1.0), ("alpha", 0.0, 1.0), ("gamma", -math.inf, math.inf)):
            value = float(getattr(self, name))
            if not math.isfinite(value) or not low <= value <= high:
                limits = "a finite number" if name == "gamma" else "a number from 0 to 1"
                raise InputError(f"{name} was {value}; expected {limits}")
            object.__setattr__(self, name, value)

    @property
    def changes_nothing(self) -> bool:
        """True where the edit is the identity whatever the codes are."""
        if self.form == "blend":
            return self.alpha == 0.0
        return not any(self.each_strength)

    @property
    def each_strength(self) -> tuple[float, ...]:
        """s of every switched neuron, in the order of `neurons`."""
        return tuple(self.strength * own for own in self.strengths or (1.0,) * len(self.neurons))

    @property
    def each_gamma(self) -> tuple[float, ...]:
        """gamma of every switched neuron, in the order of `neurons`."""
        return self.gammas or (self.gamma,) * len(self.neurons)

    def toggled(self, neuron: int) -> "Edit":
        """The same edit without this neuron, or with it (at strength 1 and the common gamma); others keep their own."""
        own = {name: dict(zip(self.neurons, getattr(self, name), strict=False)) for name in ("strengths", "gammas")}
        neurons = tuple(set(self.neurons) ^ {int(neuron)})
        defaults = {"strengths": 1.0, "gammas": self.gamma}
        kept = {
            name: tuple(values.get(j, defaults[name]) for j in neurons) if values else ()
            for name, values in own.items()
        }
        return replace(self, neurons=neurons, **kept)

    def to_json(self) -> dict[str, Any]:
        """All settings; own strengths and gammas only where there are any."""
        value = {**asdict(self), "neurons": list(self.neurons)}
        for name in ("strengths", "gammas"):
            own = list(value.pop(name))
            value |= {name: own} if own else {}
        return value

    @property
    def digest(self) -> str:
        return digest_of(self.to_json())


@dataclass(frozen=True)
class SAEConfig:
    """Shape and rule of a sparse autoencoder."""

    arch: str
    """Registered name of the architecture, for example "matryoshka-batch-topk"."""
    d_in: int
    d_sae: int
    k: int
    """Neurons active per row in training (on average for BatchTopK families, exactly for TopK)."""
    group_fractions: tuple[float, ...] = (0.0625, 0.125, 0.25, 0.5625)
    """Share of the neurons in each nested group (Matryoshka); others ignore it."""
    levels: tuple[int, ...] = ()
    """Active neurons at each nested level (MSAE), ascending; empty: k and 2 k. Others ignore it."""
    weighting: str = "reverse"
    """Weights of the levels (MSAE): "reverse", the sparsest weighs most, or "uniform". Others ignore it."""
    sparsity: float | None = None
    """Weight of the price on active neurons (ReLU, JumpReLU); None: the architecture's own. Others ignore it."""

    def __post_init__(self) -> None:
        for name in ("d_in", "d_sae", "k"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} was {value!r}; expected a whole number of at least 1")
            object.__setattr__(self, name, int(value))
        if self.k > self.d_sae:
            raise InputError(f"k was {self.k} with only {self.d_sae} neurons; choose k <= d_sae")
        object.__setattr__(self, "group_fractions", tuple(float(f) for f in self.group_fractions))
        if abs(sum(self.group_fractions) - 1.0) > 1e-6:
            raise InputError(f"group_fractions sum to {sum(self.group_fractions):g}; expected 1")
        object.__setattr__(self, "levels", tuple(int(level) for level in self.levels))
        ascending = all(a < b for a, b in pairwise(self.levels))
        if self.levels and not (ascending and self.levels[0] >= 1 and self.levels[-1] <= self.d_sae):
            raise InputError(f"levels were {list(self.levels)}; expected rising numbers from 1 to {self.d_sae}")
        one_of(self.weighting, WEIGHTINGS, "weighting")
        if self.sparsity is not None and not 0 <= self.sparsity < math.inf:
            raise InputError(f"sparsity was {self.sparsity}; expected a number of at least 0")

    def to_json(self) -> dict[str, Any]:
        """All settings; of the ones that few architectures read, those that differ from the default.

        Saved SAEs keep their digest when an architecture with settings of its own is added.
        """
        value = {**asdict(self), "group_fractions": list(self.group_fractions), "levels": list(self.levels)}
        defaults = {"levels": [], "weighting": "reverse", "sparsity": None}
        return {name: item for name, item in value.items() if name not in defaults or item != defaults[name]}


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

    def resolved(self, d_sae: int) -> "TrainingConfig":
        """The same training with a number in every place that was None."""
        derived = {
            "lr": min(2e-4 / math.sqrt(d_sae / 2**14), 1.5e-3),
            "warmup_steps": min(self.steps // 12, 1000),
            "dead_after": max(1, min(self.steps * self.batch // 6, 10_000_000)),
            "threshold_start": min(self.steps // 4, 1000),
        }
        return replace(self, **{name: value for name, value in derived.items() if getattr(self, name) is None})

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

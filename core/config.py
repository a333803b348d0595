"""Choices as frozen dataclasses with a digest, and the one error type whose message is meant for people."""

import errno
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
VERSION = "0.3.0"
"""The app's own version: written beside whatever a person decides with it."""
HOME_VARIABLE = "UNSKEW_HOME"

Side = Literal["image", "text"]
Attach = Literal["pooled", "residual"]
Half = Literal["all", "probe", "evaluation"]
TowerPrecision = Literal["float32", "bfloat16", "float16"]
Form = Literal["error-preserving", "blend"]

SIDES: tuple[Side, ...] = ("image", "text")
ATTACHES: tuple[Attach, ...] = ("pooled", "residual")
SAE_ATTACHES: tuple[str, ...] = (*ATTACHES, "lvlm")
"""Where SAEs read: galleries keep the first two; "lvlm" is what a language model reads of a picture, all tokens."""
TOWER_PRECISIONS: tuple[TowerPrecision, ...] = ("float32", "bfloat16", "float16")
HALVES: tuple[Half, ...] = ("all", "probe", "evaluation")
FORMS: tuple[Form, ...] = ("error-preserving", "blend")

UNKNOWN = "unknown"

Progress = Callable[[int, int, str], None]
"""How far a long computation is, for whoever waits: done, of how many, what is being done."""
KEPT = "kept from an earlier run"
"""How the report of what an earlier run had done ends: it took this run no time."""

NOTHING = 1e-4
"""Share of a length below which what a method leaves of an embedding has no direction that anybody should read.

Embeddings are float32, known to about 1e-7 of their length: a remainder of 1e-4 points somewhere within .001, which
moves a cosine in its third digit, the last that is printed. Of a prompt that is itself removed, rounding leaves 2e-7;
of every other prompt of the shipped world each method leaves more than 5e-3.
"""


class InputError(ValueError):
    """What a person gave cannot be used. The message is one line: what was given, what was expected, what to do."""


@contextmanager
def about(*files: str | Path) -> Iterator[None]:
    """What is refused inside begins with the files that it is about, where it does not name them all already."""
    try:
        yield
    except InputError as error:
        if any(str(file) not in str(error) for file in files):
            error.args = (f"{', '.join(map(str, files))}: {error}",)
        raise
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise InputError(
            f"{', '.join(map(str, files))}: {str(error.filename)[:60]}... is too long for a name"
        ) from None


def lacking_key(error: Exception) -> str:
    """What a broken document lacks, for the middle of a message: ": it lacks 'weights'"; empty where nobody can say."""
    return f": it lacks {str(error.args[0])!r}" if isinstance(error, KeyError) and error.args else ""


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


Name = TypeVar("Name", bound=str)


def finite(value: object) -> float:
    """The value as a finite number; NaN where it is none, or too large for one."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def one_of(value: str, allowed: tuple[Name, ...], what: str) -> Name:
    """The one among `allowed` that `value` is; InputError where it is none of them."""
    for name in allowed:
        if name == value:
            return name
    raise InputError(f"{what} was {value!r}; expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Fingerprint:
    """What an embedding is: the model, the place inside it and the treatment that produced the numbers.

    An SAE carries the fingerprint of its training data and refuses embeddings of another one. Fields that nobody
    could tell (imported files) hold "unknown" or None and are compared as "may be equal": a warning, not a refusal.
    """

    model: str
    """The name that loads the model again, its family's prefix included, or the name given at import."""
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
        one_of(self.attach, SAE_ATTACHES, "attach point")
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
        if strange := [j for j in self.neurons if not finite(j).is_integer()]:
            raise InputError(f"neuron {strange[0]} was given; expected whole numbers from 0")
        given = [int(j) for j in self.neurons]
        neurons = tuple(sorted(set(given)))
        if neurons and neurons[0] < 0:
            raise InputError(f"neuron {neurons[0]} was given; neurons are numbered from 0")
        for name, low, high in (("strengths", 0.0, 1.0), ("gammas", -math.inf, math.inf)):
            values = [finite(value) for value in getattr(self, name)]
            if values and (len(values) != len(given) or len(neurons) != len(given)):
                raise InputError(f"{len(values)} {name} were given for {len(given)} neurons; expected one for each")
            if not all(low <= value <= high for value in values):
                expected = "numbers from 0 to 1" if high == 1 else "finite numbers"
                raise InputError(f"{name} were {list(getattr(self, name))}; expected {expected}")
            by_neuron = dict(zip(given, values, strict=True)) if values else {}
            object.__setattr__(self, name, tuple(by_neuron[j] for j in neurons) if values else ())
        object.__setattr__(self, "neurons", neurons)
        for name, low, high in (("strength", 0.0, 1.0), ("alpha", 0.0, 1.0), ("gamma", -math.inf, math.inf)):
            value = finite(getattr(self, name))
            if not low <= value <= high:
                limits = "a finite number" if name == "gamma" else "a number from 0 to 1"
                raise InputError(f"{name} was {getattr(self, name)}; expected {limits}")
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
        return tuple(self.strength * strength for strength in self.strengths or (1.0,) * len(self.neurons))

    @property
    def each_gamma(self) -> tuple[float, ...]:
        """gamma of every switched neuron, in the order of `neurons`."""
        return self.gammas or (self.gamma,) * len(self.neurons)

    def toggled(self, neuron: int) -> "Edit":
        """The same edit without this neuron, or with it (at strength 1 and the common gamma); others keep their own."""
        neurons = tuple(set(self.neurons) ^ {int(neuron)})

        def each(values: tuple[float, ...], otherwise: float) -> tuple[float, ...]:
            by_neuron = dict(zip(self.neurons, values, strict=False))
            return tuple(by_neuron.get(j, otherwise) for j in neurons) if values else ()

        return replace(self, neurons=neurons, strengths=each(self.strengths, 1.0), gammas=each(self.gammas, self.gamma))

    def to_json(self) -> dict[str, Any]:
        """All settings; own strengths and gammas only where there are any."""
        value = {**asdict(self), "neurons": list(self.neurons)}
        for name in ("strengths", "gammas"):
            values = list(value.pop(name))
            value |= {name: values} if values else {}
        return value

    @cached_property
    def digest(self) -> str:
        return digest_of(self.to_json())

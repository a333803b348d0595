"""Shape and settings of a sparse autoencoder: what every architecture has, and how one adds settings of its own."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from numbers import Integral
from typing import Any

from core.config import InputError

SUGGESTED = "matryoshka-batch-topk"
"""The architecture that is trained where nobody chooses."""
SHAPE = ("arch", "d_in", "d_sae", "k")


@dataclass(frozen=True)
class SAEConfig:
    """Shape and rule of a sparse autoencoder. An architecture with settings of its own adds them in a subclass."""

    arch: str
    """Registered name of the architecture, for example "matryoshka-batch-topk"."""
    d_in: int
    d_sae: int
    k: int
    """Neurons active per row in training (on average for BatchTopK families, exactly for TopK)."""
    stored: Mapping[str, Any] | None = field(default=None, repr=False, compare=False, kw_only=True)
    """Of a saved SAE the settings as its file has them: they are what is digested and told."""

    def __post_init__(self) -> None:
        for name in ("d_in", "d_sae", "k"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} was {value!r}; expected a whole number of at least 1")
            object.__setattr__(self, name, int(value))
        if self.k > self.d_sae:
            raise InputError(f"k was {self.k} with only {self.d_sae} neurons; choose k <= d_sae")

    def to_json(self) -> dict[str, Any]:
        """The shape, and of an architecture's own settings those that differ from the default.

        Saved SAEs keep their digest when their architecture gets a further setting.
        """
        if self.stored is not None:
            return dict(self.stored)
        value = {name: list(item) if isinstance(item, tuple) else item for name, item in asdict(self).items()}
        del value["stored"]
        usual = {setting.name: setting.default for setting in own_settings(type(self))}
        return {n: item for n, item in value.items() if n not in usual or getattr(self, n) != usual[n]}


def setting(default: Any, title: str, read: Callable[[str], Any], choices: tuple[str, ...] = ()) -> Any:
    """A field of an architecture's own settings.

    Parameters
    ----------
    title : what it is called where it is asked for.
    read : makes a value of typed text; ValueError where it cannot.
    choices : all values that there are, for a setting that is chosen from a list.
    """
    return field(default=default, metadata={"title": title, "read": read, "choices": choices})


def own_settings(kind: type[SAEConfig]) -> list[Field]:
    """The fields that a configuration class adds to the shape; all of them have a default."""
    shape = {setting.name for setting in fields(SAEConfig)}
    return [setting for setting in fields(kind) if setting.name not in shape and setting.default is not MISSING]


def read_settings(kind: type[SAEConfig], arch: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Settings of an architecture from typed text; InputError naming what it does not know or cannot read."""
    known = {setting.name: setting for setting in own_settings(kind)}
    require_known(arch, known, given)
    values = {}
    for name, text in given.items():
        try:
            values[name] = known[name].metadata["read"](text)
        except ValueError:
            title = known[name].metadata["title"]
            raise InputError(f"{name} was {text!r}, which cannot be read; it is: {title}") from None
    return values


def require_known(arch: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """InputError unless an architecture has all these settings."""
    strange = [name for name in given if name not in known]
    if strange:
        theirs = f"its own settings: {', '.join(known)}" if known else "it has none of its own"
        raise InputError(f"{arch} has no setting {strange[0]!r}; {theirs}")


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from text with commas: "8,16"."""
    return tuple(int(part) for part in text.split(",") if part.strip())


def numbers(text: str) -> tuple[float, ...]:
    """Numbers from text with commas: ".25,.75"."""
    return tuple(float(part) for part in text.split(",") if part.strip())


def shape_of(config: Mapping[str, Any]) -> SAEConfig:
    """The shape in the `config` of a saved SAE, whatever its architecture; KeyError where a part is missing."""
    return SAEConfig(*(config[name] for name in SHAPE), stored=config)

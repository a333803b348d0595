"""Training an SAE on a gallery, and encoding the gallery with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import ATTACHES, HALVES, InputError, one_of
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.store import refuse_existing


@dataclass(frozen=True)
class TrainOrder:
    """What `core.training.train_on_gallery` takes."""

    gallery: str
    """Folder or shipped name."""
    out: str
    config: Mapping[str, Any]
    """The architecture's settings, as `SAEConfig.to_json` writes them."""
    training: Mapping[str, Any]
    """Fields of `core.training.config.TrainingConfig`."""
    attach: str = "pooled"
    half: str = "all"
    tokens: bool = False
    device: str | None = None

    def __post_init__(self) -> None:
        one_of(self.attach, ATTACHES, "attach point")
        one_of(self.half, HALVES, "half")
        if not self.out.strip():
            raise InputError("a training needs a name")


@KINDS.register("sae-train")
class TrainSae(JobKind):
    """Resumed at its last kept step; ends with the identical SAE."""

    title, action, Order = "Train an SAE", "train", TrainOrder
    needs_gpu = True

    def subject(self, order: TrainOrder) -> str:
        return f"{Path(order.out).name}, {order.training.get('steps', 0):,} steps"

    def place(self, order: TrainOrder) -> Path:
        return Path(order.out)

    def check(self, order: TrainOrder) -> None:
        from core.gallery import open_gallery

        refuse_existing(self.place(order))
        attach: Any = order.attach
        open_gallery(order.gallery).embeddings(attach)
        _settings(order)

    def run(self, order: TrainOrder, work: Work) -> Made:
        from core.backbones.base import default_device
        from core.gallery import open_gallery
        from core.neurons import codes_of
        from core.saes.checkpoint import load_sae
        from core.training import train_on_gallery

        out, gallery = self.place(order), open_gallery(order.gallery)
        attach: Any = order.attach
        half: Any = order.half
        if work.again and (out / "config.json").is_file():
            made = load_sae(out)
        else:
            device = order.device or default_device()
            watching: dict[str, Any] = {"progress": work.progress, "resume": True, "device": device}
            made = train_on_gallery(gallery, attach, half, *_settings(order), out, tokens=order.tokens, **watching)
            work.say(f"trained; share of the variance that is not explained: {_number(made.quality.get('fvu'))}")
        try:
            codes_of(gallery, made, work.progress)
        except InputError as error:  # the SAE is there, and the codes follow when it is first used
            work.say(f"the gallery could not be encoded yet: {error}")
        return Made(out.name, out)


def _settings(order: TrainOrder) -> tuple[Any, Any]:
    """Shape and plan; InputError where they do not hold together."""
    from core.saes.base import sae_config
    from core.training.config import TrainingConfig

    try:
        return sae_config(**order.config), TrainingConfig(**order.training)
    except TypeError as error:
        raise InputError(f"a training cannot be read: {error}; order it anew") from None


def _number(value: Any) -> str:
    return "undefined" if value is None else f"{float(value):.4f}"

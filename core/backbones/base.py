"""What every backbone offers: pictures and texts in, un-normalised embeddings out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from core import access
from core.backbones.names import understood
from core.backbones.token_draw import TokenDraw
from core.config import Attach, Fingerprint, InputError, Progress, Side, TowerPrecision
from core.readout import ReadoutArrays
from core.registry import Registry

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.backbones.parts import Parts

Foreign = Any
"""A module of open_clip, timm or transformers: what is in it is found by its name, which no type knows."""


def default_device() -> torch.device:
    """The machine's accelerator, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


class Backbone(ABC):
    """A model with an image side and a text side, loaded once and shared by all sessions.

    It keeps nothing between two calls, so several threads may encode at the same time. Embeddings are never
    normalised here. Attach points: `pooled` is the tower's output; `residual` is the output of the last transformer
    block on the one token that the tower pools, before the final LayerNorm and projection (the readout), so that
    `readout(side)(residual) == pooled`.
    """

    name: str
    """The name that loads this model again."""
    device: torch.device
    image_size: tuple[int, int]
    """Height and width in pixels that the image tower reads."""
    notes: list[str]
    """Warnings about this model for people; empty where all is as expected."""

    @property
    @abstractmethod
    def weights_digest(self) -> str:
        """SHA-256 of the weights (names, types, shapes and numbers, in the order of the names)."""

    @abstractmethod
    def fingerprint(self, side: Side, attach: Attach, normalised: bool = False) -> Fingerprint:
        """What embeddings of this side and attach point are; InputError where there are none."""

    @abstractmethod
    def dims(self, side: Side, attach: Attach) -> int | None:
        """Columns of the embedding; None where this tower has no such attach point (`why_not` says why)."""

    @abstractmethod
    def why_not(self, side: Side, attach: Attach) -> str | None:
        """The reason where `dims` is None, else None."""

    @abstractmethod
    def encode_images(
        self,
        images: Sequence["Image"],
        attaches: Sequence[Attach] = ("pooled",),
        batch: int = 64,
        progress: Progress | None = None,
        tokens: TokenDraw | None = None,
    ) -> dict[str, np.ndarray]:
        """Embeddings float32 (n, dims) of each attach point, un-normalised, in one pass through the tower.

        With `tokens` also "tokens" (n, per_item, d_model): random tokens after the last block, where the residual is.
        """

    def image_parts(self, images: Sequence["Image"]) -> "Parts":
        """What each attention head and MLP adds to the embeddings of one batch of pictures; InputError where the image
        tower cannot be taken apart (`why_no_parts`).
        """
        raise InputError(f"{self.name} cannot be taken apart: {self.why_no_parts()}")

    def why_no_parts(self) -> str | None:
        """Why the image tower cannot be taken apart into heads, in words; None where it can."""
        return "only vision transformers of open_clip and transformers that pool one token are known part by part"

    @abstractmethod
    def pixels(self, image: "Image") -> np.ndarray:
        """What the image tower reads of an RGB picture, uint8 (h, w, 3); any number of threads at a time."""

    @abstractmethod
    def pixel_buffer(self, n: int) -> np.ndarray:
        """Room for the pixels of `n` pictures, uint8 (n, h, w, 3), from which the device reads fastest."""

    @abstractmethod
    def encode_pixels(
        self,
        pixels: np.ndarray,
        attaches: Sequence[Attach] = ("pooled",),
        tokens: TokenDraw | None = None,
        precision: TowerPrecision = "float32",
        compiled: bool = False,
    ) -> Callable[[], dict[str, np.ndarray]]:
        """`encode_images` of one batch whose pixels are there, uint8 (n, h, w, 3).

        Returns at once where an accelerator works on its own; what is returned waits for the arrays and gives them.
        The pixels must not change before that.

        Parameters
        ----------
        precision : half precision makes an accelerator faster and moves embeddings by about 1 % of their length.
        compiled : translate the tower with torch.compile first, which takes a minute and pays for many pictures.
        """

    @abstractmethod
    def encode_texts(
        self,
        texts: Sequence[str],
        attaches: Sequence[Attach] = ("pooled",),
        batch: int = 256,
        progress: Progress | None = None,
        tokens: TokenDraw | None = None,
    ) -> dict[str, np.ndarray]:
        """Embeddings float32 (n, dims) of each attach point, un-normalised, in one pass through the tower.

        With `tokens` also "tokens" (n, per_item, d_model): random tokens after the last block, where the residual is.
        """

    @abstractmethod
    def readout(self, side: Side) -> ReadoutArrays | None:
        """What follows the residual; None where the tower has no residual attach point."""

    @property
    @abstractmethod
    def known_words(self) -> list[str] | None:
        """The words of a model with a closed word list, sorted; None for open vocabularies."""

    @abstractmethod
    def unknown_words(self, text: str) -> list[str]:
        """Words of `text` outside the closed word list; always empty for open vocabularies."""

    @abstractmethod
    def truncated(self, text: str) -> bool:
        """True where `text` is longer than the text tower reads, so that its end is cut off."""

    def text_embedding(self, text: str) -> np.ndarray:
        """Pooled embedding (d,) float32 of one text, un-normalised."""
        return self.encode_texts([text])["pooled"][0]


class Family(ABC):
    """Models of one library. Nothing heavy is imported before one of them is loaded."""

    prefix: ClassVar[str]
    """Names that begin with it and a colon are of this family, for example "hf"; empty: names without a prefix."""
    title: ClassVar[str]
    hint: ClassVar[str]
    """Which names it takes, in words."""

    @abstractmethod
    def load(self, name: str, pretrained: str | None, device: str | torch.device | None) -> Backbone:
        """The model of a whole name, prefix included, ready to encode; its `name` loads it again.

        Parameters
        ----------
        pretrained : which weights, where the family has several for a name.
        device : where it runs; None chooses.

        Raises
        ------
        InputError : unknown name, weights that are neither here nor to be had, a library that is not installed.
        """

    def folder(self, name: str) -> Path | None:
        """The folder on this machine that a whole name leads to; None where it leads to none."""
        return None


BACKBONES: Registry[type[Family]] = Registry("backbone family", "core.backbones")


def family_of(name: str) -> Family:
    """The family of a model's name, by its prefix; names without a family's prefix are of the one that has none."""
    families = {BACKBONES.get(registered).prefix: BACKBONES.get(registered) for registered in BACKBONES}
    return families.get(name.partition(":")[0] if ":" in name else "", families[""])()


def other_names() -> str:
    """How the names of all families with a prefix begin, for a message: "hf:..."."""
    return ", ".join(f"{prefix}:..." for prefix in sorted(BACKBONES.get(name).prefix for name in BACKBONES) if prefix)


def load_model(
    name: str = "default", pretrained: str | None = None, device: str | torch.device | None = None
) -> Backbone:
    """A model of any registered family by its name, as people write it too ("ViT-B/32 (OpenAI)"); see `Family.load`."""
    listed = access.folder_named("models", name)
    known = understood(name) if listed is None else f"local-dir:{listed}"
    if pretrained and known != name:
        known = known.partition(":")[0]
    family = family_of(known)
    access.require_model(f"{known}:{pretrained}" if pretrained else known, family.folder(known))
    return family.load(known, pretrained, device)


def model_hint() -> str:
    """Which names there are, one sentence a family."""
    families = [BACKBONES.get(family) for family in BACKBONES]
    return " ".join(f"{family.title}: {family.hint}." for family in sorted(families, key=lambda family: family.prefix))

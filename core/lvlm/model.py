"""A large vision-language model with its processor, and how it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from core.config import UNKNOWN, InputError
from core.lvlm.attachment import Attachment

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULT = "default-lvlm"
"""Name of the model that ships."""


@dataclass(eq=False)
class Lvlm:
    """A loaded model, shared by all sessions and never changed."""

    name: str
    attachment: Attachment
    processor: Any
    weights: str
    """SHA-256 over its weights' files, or "unknown"."""
    tower: str = UNKNOWN
    """Digest of the CLIP weights that its tower is, where it says so."""
    known_words: frozenset[str] | None = None
    """The closed word list, None for an open vocabulary."""
    planted: tuple[str, ...] = ()
    """Words that it was taught to lean on, where that is known: what is asked by default."""
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Any:
        return self.attachment.model

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    def unknown_words(self, text: str) -> list[str]:
        """Words outside the closed word list, in order; always empty for open vocabularies."""
        if self.known_words is None:
            return []
        core = self.tokenizer.backend_tokenizer
        pieces = core.pre_tokenizer.pre_tokenize_str(core.normalizer.normalize_str(text))
        return list(dict.fromkeys(word for word, _ in pieces if word not in self.known_words))

    def require_known(self, text: str) -> None:
        """InputError naming the words that a model with a closed word list does not know."""
        if missing := self.unknown_words(text):
            said = ", ".join(repr(word) for word in missing)
            raise InputError(
                f"the demo model does not know {said}; ask with the words of its own questions, for example "
                "'is this person likely to be a doctor?'"
            )

    def prompt(self, question: str) -> str:
        """The question in the model's chat form, with a place for one picture."""
        content = [{"type": "image"}, {"type": "text", "text": question}]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def inputs(self, images: Sequence[Image], prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        """What the model reads for as many pictures as prompts, on its device and in its precision.

        InputError where the processor cannot use the pictures, or belongs to another model.
        """
        try:
            made = self.processor(
                images=[[one] for one in images], text=list(prompts), return_tensors="pt", padding=True
            )
        except (ValueError, TypeError, KeyError, RuntimeError, IndexError, OSError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise InputError(f"{self.name}: its processor cannot prepare this picture and question ({first})") from None
        device, dtype = self.attachment.device, self.attachment.dtype
        return {
            k: v.to(device, dtype if v.is_floating_point() else None) for k, v in made.items() if torch.is_tensor(v)
        }

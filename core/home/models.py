"""Models with an edit in them: open_clip's and transformers' CLIP and SigLIP, asked as before, answering unit rows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from core.backbones.towers import TokenTower, image_tower, text_tower
from core.config import InputError, Side
from core.portable import PortableEdit, SideEdit
from core.portable.in_torch import PieceModule, unit_or_zero

Encode = Callable[[Tensor], Tensor]


def side_of(edit: PortableEdit, tower: Side) -> SideEdit | None:
    """What the edit does to a tower's embeddings: those of items or queries that come from it; None where nothing."""
    found = [one for one in edit.sides.values() if one.fingerprint.side == tower]
    if len(found) > 1:
        raise InputError(
            f"the edit changes items and queries of the {tower} side in two ways; wrap one model for each side of it"
        )
    return found[0] if found else None


class EditedTower(nn.Module):
    """A tower's output after the edit: pooled embeddings by its pieces, or its residual by them and then its readout.

    Parameters
    ----------
    encode : inputs to embeddings (n, d), un-normalised.
    tower : gives the residual of the pooled token; needed for edits at the residual attach point.
    """

    def __init__(self, side: SideEdit | None, encode: Encode, tower: TokenTower | None = None) -> None:
        super().__init__()
        self._encode, self._tower, self._residual = encode, tower, side is not None and side.attach == "residual"
        self.pieces = nn.Sequential(*(PieceModule(piece) for piece in (side.pieces if side else ())))
        if self._residual and tower is None:
            raise InputError("the edit changes the residual attach point, which this model's tower does not show")

    def forward(self, inputs: Any) -> Tensor:
        if not self._residual:
            rows = self._encode(inputs).float()
            return unit_or_zero(rows, self.pieces(rows))
        assert self._tower is not None, "checked when it was made"
        before = self._tower(inputs).residual
        assert before is not None, "a token tower gives the residual"
        after = self.pieces(before.float())
        kept = unit_or_zero(before, after).any(dim=1, keepdim=True)
        read = self._tower.read(after.to(before.dtype)).float() * kept
        return unit_or_zero(read, read)


class EditedOpenClip(nn.Module):
    """An open_clip model with an edit: `encode_image` and `encode_text` give unit rows (n, d) after it.

    The model itself is not changed and may go on being used without the edit.
    """

    def __init__(self, model: nn.Module, edit: PortableEdit) -> None:
        super().__init__()
        self.model = model
        given: Any = model
        towers = {}
        for side, made, encode in (
            ("image", image_tower, given.encode_image),
            ("text", text_tower, given.encode_text),
        ):
            own = side_of(edit, side)  # type: ignore[arg-type]
            tower = made(given, own.d) if own is not None and own.attach == "residual" else None
            token = tower if isinstance(tower, TokenTower) else None
            towers[side] = EditedTower(own, encode, token)
        self.towers = nn.ModuleDict(towers)

    def encode_image(self, image: Tensor) -> Tensor:
        """Unit rows (n, d) of pixels (n, 3, height, width)."""
        return self.towers["image"](image)

    def encode_text(self, text: Tensor) -> Tensor:
        """Unit rows (n, d) of token numbers (n, length)."""
        return self.towers["text"](text)


class EditedTransformers(nn.Module):
    """A CLIPModel, SiglipModel or Siglip2Model of transformers with an edit of its pooled embeddings.

    `get_image_features` and `get_text_features` take what the model's take and give unit rows (n, d) after the edit.
    """

    def __init__(self, model: nn.Module, edit: PortableEdit) -> None:
        super().__init__()
        self.model = model
        sides = {side: side_of(edit, side) for side in ("image", "text")}  # type: ignore[arg-type]
        if inside := [name for name, one in sides.items() if one is not None and one.attach != "pooled"]:
            raise InputError(
                f"the edit changes the residual attach point of the {inside[0]} side, which transformers' models do "
                "not show; export an edit of the pooled embeddings, or wrap the open_clip model of the same weights"
            )
        given: Any = model
        self.towers = nn.ModuleDict(
            {
                "image": EditedTower(sides["image"], lambda asked: _pooled(given.get_image_features(**asked))),
                "text": EditedTower(sides["text"], lambda asked: _pooled(given.get_text_features(**asked))),
            }
        )

    def get_image_features(self, **inputs: Any) -> Tensor:
        """Unit rows (n, d) of what the processor made of pictures."""
        return self.towers["image"](inputs)

    def get_text_features(self, **inputs: Any) -> Tensor:
        """Unit rows (n, d) of what the tokenizer made of texts."""
        return self.towers["text"](inputs)


def _pooled(output: Any) -> Tensor:
    """What versions of transformers give bare or inside an object."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def wrapped(model: nn.Module, edit: PortableEdit) -> "EditedOpenClip | EditedTransformers":
    """The model with the edit; InputError where it is of neither kind."""
    if hasattr(model, "encode_image") and hasattr(model, "encode_text"):
        return EditedOpenClip(model, edit)
    if hasattr(model, "get_image_features") and hasattr(model, "get_text_features"):
        return EditedTransformers(model, edit)
    raise InputError(f"{type(model).__name__} is no model that can be wrapped; expected open_clip's, or CLIP or SigLIP")

"""The edit as a torch module, and its ONNX file."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.config import NOTHING, InputError
from core.portable.edit import PortableEdit, SideEdit, SideName

INSTALL = "pip install onnx onnxscript"


class PieceModule(nn.Module):
    """One piece with its arrays as buffers: rows (n, d) to rows (n, d)."""

    def __init__(self, piece: Any) -> None:
        super().__init__()
        self._rule, self._settings = type(piece).in_torch, dict(piece.settings)
        self._names = tuple(piece.arrays)
        for name, array in piece.arrays.items():
            self.register_buffer(name, torch.from_numpy(array.copy()))

    def forward(self, x: Tensor) -> Tensor:
        return self._rule(x, {name: getattr(self, name) for name in self._names}, **self._settings)


class EditModule(nn.Module):
    """One side of an edit: rows (n, d) at its attach point to unit rows (n, d); zeros where nothing of a row is left.

    It moves with `.to(device)` and holds no parameters. At the residual attach point `changed` gives the rows there.
    """

    def __init__(self, edit: PortableEdit, side: SideName | None = None) -> None:
        super().__init__()
        one: SideEdit = edit.side(side)
        if one.attach != "pooled":
            raise InputError(
                "the edit changes the residual attach point, inside a model; wrap the model (core.home.models)"
            )
        self.pieces = nn.Sequential(*map(PieceModule, one.pieces))

    def forward(self, x: Tensor) -> Tensor:
        return unit_or_zero(x, self.pieces(x))


class ResidualModule(nn.Module):
    """The pieces of a side alone, for rows (..., d_model) inside a model: what follows is the model's own."""

    def __init__(self, side: SideEdit) -> None:
        super().__init__()
        self.pieces = nn.Sequential(*map(PieceModule, side.pieces))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return self.pieces(flat.to(torch.float32)).to(x.dtype).reshape(x.shape)


def unit_or_zero(before: Tensor, after: Tensor) -> Tensor:
    """Rows `after` divided by their length; zeros where less than NOTHING of the row before is left."""
    whole, left = before.norm(dim=1, keepdim=True), after.norm(dim=1, keepdim=True)
    kept = (left > NOTHING * whole).to(after.dtype)
    return kept * after / (left + (1 - kept))


def write_onnx(edit: PortableEdit, path: Path, side: SideName | None = None) -> None:
    """Write a side as an ONNX file: input `rows` (n, d) float32, output `unit` (n, d). InputError without onnx."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise InputError(f"an ONNX file needs the libraries onnx and onnxscript: {INSTALL}") from None
    module = EditModule(edit, side).eval()
    rows = torch.ones(2, edit.side(side).fingerprint.d)
    torch.onnx.export(
        module,
        (rows,),
        str(path),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("n")},),
        input_names=["rows"],
        output_names=["unit"],
        external_data=False,
        verbose=False,
    )

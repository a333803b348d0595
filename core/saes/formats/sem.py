"""SEM's published files: a bare state dict bpre, encoder.weight, encoder.bias, decoder.weight; plain ReLU.

Levels and weighting stand in the file name only, MSAE_<backbone>_<d>_<F>_<k1>x<k2>_<weighting>.pth; they matter to
training, not to use.
"""

import re
from pathlib import Path
from typing import Any

from core.saes.base import SAE, sae_config
from core.saes.formats.base import FORMATS, Foreign, Format, Source, pick, require_plain, shape, tensors, transposed
from core.saes.formats.settings import require_plain_input
from core.saes.formats.torch_files import to_bytes

NAMES = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight", "b_dec": "bpre"}
FILE_NAME = re.compile(r"MSAE_(?P<backbone>.+)_(?P<d>\d+)_(?P<n>\d+)_(?P<levels>\d+(x\d+)*)_(?P<weighting>\w+)")


class Sem(Format):
    """Reads settings of training from the file name where they fit the tensors; writes plain ReLU SAEs only."""

    name = "sem"

    def recognises(self, source: Source) -> bool:
        return source.kind == "torch" and "bpre" in source.content

    def read(self, source: Source) -> Foreign:
        require_plain_input(source.said, f"the config beside {source.path}")
        arrays = transposed(pick(source.content, NAMES, source.path))
        sizes = shape(arrays)
        trained = _from_name(source.path, **sizes)
        config = sae_config("msae", **sizes, **(trained or {"k": sizes["d_sae"]}))
        return Foreign(config, arrays, {"format": self.name})

    def export(self, sae: SAE) -> dict[str, bytes]:
        require_plain(sae, self.name)
        turned = transposed(tensors(sae))
        state = {theirs: turned[ours] for ours, theirs in NAMES.items()}
        levels = "x".join(map(str, getattr(sae, "levels", (sae.config.k,))))
        weighting = getattr(sae.config, "weighting", "reverse")
        name = f"MSAE_unknown_{sae.config.d_in}_{sae.config.d_sae}_{levels}_{weighting}.pth"
        return {name: to_bytes(state)}


FORMATS.register(Sem.name)(Sem())


def _from_name(path: Path, d_in: int, d_sae: int) -> dict[str, Any] | None:
    """k, levels and weighting where the file name tells them for these sizes."""
    found = FILE_NAME.fullmatch(path.stem)
    if not found or (int(found["d"]), int(found["n"])) != (d_in, d_sae):
        return None
    levels = tuple(map(int, found["levels"].split("x")))
    if found["weighting"] not in ("reverse", "uniform") or levels != tuple(sorted(set(levels))) or levels[-1] > d_sae:
        return None
    return {"k": max(levels[0], 1), "levels": levels, "weighting": found["weighting"]}

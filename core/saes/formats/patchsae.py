"""PatchSAE files: {"cfg": an object, "state_dict": W_enc, b_enc, W_dec, b_dec}; plain ReLU.

The object stays shut: only the tensors are read.
"""

from collections.abc import Mapping

from core.config import InputError
from core.saes.base import sae_config
from core.saes.formats.base import FORMATS, OURS, Foreign, Format, Source, pick, shape


class PatchSAE(Format):
    """For reading only."""

    name = "patchsae"

    def recognises(self, source: Source) -> bool:
        return source.kind == "torch" and isinstance(source.content.get("state_dict"), Mapping)

    def read(self, source: Source) -> Foreign:
        state = source.content["state_dict"]
        arrays = pick(state, {name: name for name in OURS}, source.path)
        surplus = sorted(map(str, set(state) - set(OURS)))
        if surplus:
            raise InputError(f"{source.path} holds {', '.join(surplus)} besides {', '.join(OURS)}; it cannot be read")
        sizes = shape(arrays)
        return Foreign(sae_config("relu", **sizes, k=sizes["d_sae"]), arrays, {"format": self.name})


FORMATS.register(PatchSAE.name)(PatchSAE())

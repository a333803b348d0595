"""PatchSAE and ViT-Prisma files: {"cfg": an object, "state_dict": W_enc, b_enc, W_dec, b_dec}; ReLU or TopK.

The object stays shut where it is no dictionary; what config.json beside it says about the codes counts.
"""

from collections.abc import Mapping

from core.config import InputError
from core.saes.base import sae_config
from core.saes.formats.base import FORMATS, OURS, Foreign, Format, Source, bias_before, pick, shape, whole_number
from core.saes.formats.settings import activation, require_plain_input, unread


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
        inside = source.content.get("cfg")
        beside = next((name for name in ("config.json", "cfg.json") if (source.path.parent / name).is_file()), "cfg")
        where = str(source.path.parent / beside) if source.said else f"the cfg of {source.path}"
        cfg = {**(inside if isinstance(inside, Mapping) else {}), **source.said}
        require_plain_input(cfg, where)
        arch = activation(cfg, where)
        if cfg.get("architecture", "standard") not in ("standard", "vanilla", "topk"):
            raise InputError(f"{where} is of architecture {cfg['architecture']!r}; known: standard, topk")
        arch = "topk" if cfg.get("architecture") == "topk" else arch
        if not cfg.get("apply_b_dec_to_input", True):
            arrays = bias_before(arrays)
        options = cfg.get("activation_fn_kwargs")
        k = cfg.get("k", options.get("k") if isinstance(options, Mapping) else None)
        size = whole_number(k, "k", source.path) if arch == "topk" else sizes["d_sae"]
        said = {"format": self.name, **({"unread": names} if (names := unread(cfg)) else {})}
        return Foreign(sae_config(arch, **sizes, k=size), arrays, said)


FORMATS.register(PatchSAE.name)(PatchSAE())

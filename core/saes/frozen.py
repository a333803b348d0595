"""A finished SAE in plain numpy: its numbers and its inference rule, for whoever has to do without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import access
from core.config import Fingerprint, InputError, lacking_key
from core.saes.config import SHAPE, SAEConfig, own_settings, shape_of
from core.saes.folder import CONFIG, WEIGHTS, MadeFor, fingerprint_of, identity, is_ours, read_weights, shipped_folder
from core.saes.rules import RULES, Rule
from core.store import file_digest, read_json


@dataclass(frozen=True, eq=False)
class FrozenSAE:
    """x -> z -> x_hat by the architecture's inference rule, in the dtype of x (float16 is read as float32).

    pre = (x - b_dec) W_enc + b_enc;  z = rule(pre).
    """

    config: SAEConfig
    weights: Mapping[str, np.ndarray]
    rule: Rule

    @classmethod
    def of(cls, sae: Any) -> "FrozenSAE":
        """The same as an SAE in torch; InputError where its architecture has no rule in plain NumPy."""
        return cls(sae.config, sae.arrays(), _known(sae.rule, sae.config.arch))

    def arrays(self) -> dict[str, np.ndarray]:
        """Every number of the SAE by name."""
        return dict(self.weights)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes z (n, F) of raw embeddings x (n, d); exact zeros where a neuron is off."""
        x = np.asarray(x, dtype=np.result_type(x.dtype, np.float32))
        at = {name: value.astype(x.dtype, copy=False) for name, value in self.weights.items()}
        return self.rule.codes((x - at["b_dec"]) @ at["W_enc"] + at["b_enc"], at, self.config)

    def onset(self, z: np.ndarray) -> np.ndarray:
        """The value above which a neuron fires, one number a row or a neuron, for codes z (n, F) of this SAE."""
        return self.rule.onset(z, self.weights)


def _known(rule: Rule | None, arch: str) -> Rule:
    if rule is None:
        raise InputError(f"the architecture {arch!r} has no rule in plain numpy; its codes need torch")
    return rule


@dataclass(frozen=True, eq=False)
class FrozenFile(MadeFor):
    """A FrozenSAE with where it comes from; stands in for `core.saes.checkpoint.SAEFile`."""

    sae: FrozenSAE
    name: str
    digest: str
    fingerprint: Fingerprint | None
    path: Path

    @classmethod
    def of(cls, loaded: Any) -> "FrozenFile":
        """The same SAE as a loaded `SAEFile`, without its torch parts."""
        return cls(
            FrozenSAE.of(loaded.sae),
            loaded.name,
            loaded.digest,
            loaded.fingerprint,
            loaded.path,
        )


def load_frozen(folder_or_name: str | Path) -> FrozenFile:
    """The SAE of a folder of ours, or a shipped one by its name, without torch.

    InputError naming the file where it is missing, damaged or of an architecture without a numpy rule.
    """
    folder = access.folder_named("saes", folder_or_name) or Path(folder_or_name)
    if not (folder / CONFIG).is_file():
        folder = shipped_folder(folder) or folder
    access.require_folder(folder)
    if not is_ours(folder):
        raise InputError(f"{folder_or_name} is no SAE folder ({CONFIG} and {WEIGHTS}); give one, or a shipped name")
    document: Any = read_json(folder / CONFIG)
    try:
        given = dict(document["config"])
        config, rule = _config_and_rule(given, document.get("rule"))
        fingerprint = fingerprint_of(document)
        name = document.get("name") or folder.name
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / CONFIG} is damaged{lacking_key(error)}; copy the SAE again") from None
    arrays = read_weights(folder)
    digest = identity(file_digest(folder / WEIGHTS), config)
    return FrozenFile(FrozenSAE(config, arrays, rule), name, digest, fingerprint, folder)


def _config_and_rule(given: Mapping[str, Any], named: str | None) -> tuple[SAEConfig, Rule]:
    """Shape and rule of a saved SAE; a rule that stands in its architecture's own file is fetched there, by torch."""
    shape = shape_of(given)
    if named in RULES:
        return shape, RULES[named]
    from core.saes.base import SAES, sae_config

    kind = SAES.get(shape.arch)
    settings = {setting.name: given[setting.name] for setting in own_settings(kind.Config) if setting.name in given}
    return sae_config(*(given[name] for name in SHAPE), stored=given, **settings), _known(kind.rule, shape.arch)
